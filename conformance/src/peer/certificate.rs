//! The peer's certificate, and the OpenSSL context that presents it.

use std::sync::OnceLock;

use openssl::asn1::Asn1Time;
use openssl::bn::{BigNum, MsbOption};
use openssl::ec::{EcGroup, EcKey};
use openssl::error::ErrorStack;
use openssl::hash::MessageDigest;
use openssl::nid::Nid;
use openssl::pkey::{PKey, Private};
use openssl::ssl::{
    SslContext, SslContextBuilder, SslMethod, SslOptions, SslSessionCacheMode, SslVerifyMode,
    SslVersion,
};
use openssl::x509::{X509, X509NameBuilder, X509Ref};

/// What the peer offers or accepts (RFC 5764, RFC 7714), in OpenSSL's names.
const SRTP_PROFILES: &str = "SRTP_AEAD_AES_128_GCM:SRTP_AES128_CM_SHA1_80";
/// Days that a certificate is valid. Nobody looks.
const VALID_DAYS: u32 = 30;

/// A self-signed certificate on P-256 with its key. Cloning shares; so can any number of peers.
#[derive(Clone)]
pub struct PeerCertificate {
    fingerprint: String,
    context: SslContext,
    cautious: SslContext,
}

impl std::fmt::Debug for PeerCertificate {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_tuple("PeerCertificate").field(&self.fingerprint).finish()
    }
}

impl PeerCertificate {
    /// The certificate of this process, generated at the first call.
    ///
    /// # Errors
    ///
    /// What OpenSSL says.
    pub fn shared() -> Result<Self, ErrorStack> {
        static SHARED: OnceLock<PeerCertificate> = OnceLock::new();
        if let Some(certificate) = SHARED.get() {
            return Ok(certificate.clone());
        }
        let certificate = Self::generate()?;
        Ok(SHARED.get_or_init(|| certificate).clone())
    }

    /// Generates a certificate of its own.
    ///
    /// # Errors
    ///
    /// What OpenSSL says.
    pub fn generate() -> Result<Self, ErrorStack> {
        let group = EcGroup::from_curve_name(Nid::X9_62_PRIME256V1)?;
        let key = PKey::from_ec_key(EcKey::generate(&group)?)?;
        let certificate = self_signed(&key)?;
        Ok(Self {
            fingerprint: sha256_fingerprint(&certificate)?,
            context: context(&certificate, &key, Caution::None)?,
            cautious: context(&certificate, &key, Caution::Cookies)?,
        })
    }

    /// SHA-256 of the certificate, in upper case hexadecimal with colons, as SDP has it.
    #[must_use]
    pub fn fingerprint(&self) -> &str {
        &self.fingerprint
    }

    /// Serves both roles.
    pub(super) fn context(&self) -> &SslContext {
        &self.context
    }

    /// For a server that sends a HelloVerifyRequest first.
    pub(super) fn cautious(&self) -> &SslContext {
        &self.cautious
    }
}

/// Whether a server believes a source address at once.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Caution {
    None,
    /// RFC 6347 section 4.2.1.
    Cookies,
}

/// A test needs no secret in it.
const COOKIE: &[u8] = b"cookie of a peer";

/// SHA-256 of a certificate in SDP's writing.
pub(super) fn sha256_fingerprint(certificate: &X509Ref) -> Result<String, ErrorStack> {
    let digest = certificate.digest(MessageDigest::sha256())?;
    let bytes: Vec<String> = digest.iter().map(|byte| format!("{byte:02X}")).collect();
    Ok(bytes.join(":"))
}

fn self_signed(key: &PKey<Private>) -> Result<X509, ErrorStack> {
    let mut name = X509NameBuilder::new()?;
    name.append_entry_by_text("CN", "peer")?;
    let name = name.build();
    let mut serial = BigNum::new()?;
    serial.rand(127, MsbOption::MAYBE_ZERO, false)?;
    let mut builder = X509::builder()?;
    builder.set_version(2)?;
    builder.set_serial_number(serial.to_asn1_integer()?.as_ref())?;
    builder.set_subject_name(&name)?;
    builder.set_issuer_name(&name)?;
    builder.set_not_before(Asn1Time::days_from_now(0)?.as_ref())?;
    builder.set_not_after(Asn1Time::days_from_now(VALID_DAYS)?.as_ref())?;
    builder.set_pubkey(key)?;
    builder.sign(key, MessageDigest::sha256())?;
    Ok(builder.build())
}

/// DTLS 1.2 only. The other side must show a certificate, and any will do: what is announced is
/// compared after the handshake.
fn context(
    certificate: &X509,
    key: &PKey<Private>,
    caution: Caution,
) -> Result<SslContext, ErrorStack> {
    let mut builder = SslContextBuilder::new(SslMethod::dtls())?;
    builder.set_min_proto_version(Some(SslVersion::DTLS1_2))?;
    builder.set_max_proto_version(Some(SslVersion::DTLS1_2))?;
    builder.set_options(SslOptions::NO_QUERY_MTU | SslOptions::NO_TICKET);
    builder.set_session_cache_mode(SslSessionCacheMode::OFF);
    builder.set_tlsext_use_srtp(SRTP_PROFILES)?;
    builder.set_verify_callback(
        SslVerifyMode::PEER | SslVerifyMode::FAIL_IF_NO_PEER_CERT,
        |_preverified, _store| true,
    );
    builder.set_certificate(certificate)?;
    builder.set_private_key(key)?;
    if caution == Caution::Cookies {
        builder.set_options(SslOptions::COOKIE_EXCHANGE);
        builder.set_cookie_generate_cb(|_, cookie| {
            cookie[..COOKIE.len()].copy_from_slice(COOKIE);
            Ok(COOKIE.len())
        });
        builder.set_cookie_verify_cb(|_, cookie| cookie == COOKIE);
    }
    Ok(builder.build())
}
