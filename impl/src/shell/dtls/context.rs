//! What all sessions of a server share, and the check of a peer during its handshake.

use std::sync::OnceLock;
use std::time::Duration;

use openssl::error::ErrorStack;
use openssl::ssl::{
    SslContext, SslContextBuilder, SslMethod, SslOptions, SslRef, SslSessionCacheMode,
    SslVerifyMode, SslVersion,
};
use openssl::x509::{X509Ref, X509StoreContext, X509StoreContextRef, X509VerifyResult};

use super::certificate::{Certificate, fingerprint_of};
use super::event::DtlsFailure;
use super::{srtp, timer};
use crate::fingerprint::{Fingerprint, strongest_matches};
use crate::mutants::{Mutant, Planted};

/// Default of [`DtlsOptions::mtu`] (mediasoup DtlsTransport.cpp).
const MTU_BYTES_DEFAULT: usize = 1350;
/// IPv4 hosts accept datagrams of this size whole (RFC 791 section 3.1).
const MTU_BYTES_MIN: usize = 576;
/// A record never exceeds 2^14 bytes of content (RFC 5246 section 6.2.1).
const MTU_BYTES_MAX: usize = 16_384;
/// RFC 9147 section 5.8.2, for DTLS-SRTP.
const RETRANSMISSION_INITIAL_DEFAULT: Duration = Duration::from_millis(400);

/// Authenticated encryption with ephemeral keys only (RFC 8827 section 6.5).
//= DTL-05
const CIPHERS: &str = "ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-GCM-SHA256:\
     ECDHE-ECDSA-AES256-GCM-SHA384:ECDHE-RSA-AES256-GCM-SHA384:\
     ECDHE-ECDSA-CHACHA20-POLY1305:ECDHE-RSA-CHACHA20-POLY1305";
/// P-384 is there for certificates on that curve.
const GROUPS: &str = "X25519:P-256:P-384";

/// Settings of a [`DtlsContext`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DtlsOptions {
    /// Largest datagram to send, in bytes, without IP, UDP or TCP framing; 576 to 16384, default
    /// 1350.
    pub mtu: usize,
    /// Wait before the first retransmission of a handshake flight; doubles each time up to 4 s;
    /// default 400 ms.
    pub retransmission_initial: Duration,
}

impl Default for DtlsOptions {
    fn default() -> Self {
        Self { mtu: MTU_BYTES_DEFAULT, retransmission_initial: RETRANSMISSION_INITIAL_DEFAULT }
    }
}

/// Why no context could be made. The fault lies with the configuration.
#[derive(Debug, thiserror::Error)]
pub enum DtlsContextError {
    /// [`DtlsOptions::mtu`] is out of range.
    #[error("the MTU must be {MTU_BYTES_MIN} to {MTU_BYTES_MAX} bytes, not {0}")]
    Mtu(usize),
    /// OpenSSL refused the certificate or a setting.
    #[error("OpenSSL: {0}")]
    OpenSsl(#[from] ErrorStack),
}

/// Certificate and settings, shared by the sessions of many transports. Cloning shares.
///
/// Sessions speak DTLS 1.2 only, with ephemeral elliptic-curve keys and authenticated encryption,
/// without tickets, session cache, compression or renegotiation.
#[derive(Clone)]
pub struct DtlsContext {
    pub(super) ssl: SslContext,
    pub(super) options: DtlsOptions,
}

impl std::fmt::Debug for DtlsContext {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("DtlsContext")
            .field("options", &self.options)
            .finish_non_exhaustive()
    }
}

impl DtlsContext {
    /// Makes a context that presents `certificate`.
    ///
    /// # Errors
    ///
    /// [`DtlsContextError`].
    pub fn new(certificate: &Certificate, options: DtlsOptions) -> Result<Self, DtlsContextError> {
        //= DTL-20
        if !(MTU_BYTES_MIN..=MTU_BYTES_MAX).contains(&options.mtu) {
            return Err(DtlsContextError::Mtu(options.mtu));
        }
        super::outcome::discard_stale_errors();
        let mut builder = builder()?;
        present(&mut builder, certificate)?;
        Ok(Self { ssl: builder.build(), options })
    }

    /// The same settings with another certificate.
    ///
    /// # Errors
    ///
    /// As [`Self::new`].
    pub fn with_certificate(&self, certificate: &Certificate) -> Result<Self, DtlsContextError> {
        Self::new(certificate, self.options.clone())
    }
}

/// Every setting but the certificate.
pub(super) fn builder() -> Result<SslContextBuilder, ErrorStack> {
    let mut builder = SslContextBuilder::new(SslMethod::dtls())?;
    //= DTL-05
    builder.set_min_proto_version(Some(SslVersion::DTLS1_2))?;
    builder.set_max_proto_version(Some(SslVersion::DTLS1_2))?;
    builder.set_cipher_list(CIPHERS)?;
    builder.set_groups_list(GROUPS)?;
    //= DTL-11
    builder.set_tlsext_use_srtp(srtp::PROFILE_PREFERENCE)?;
    //= DTL-22
    builder.set_options(
        SslOptions::NO_RENEGOTIATION
            | SslOptions::NO_TICKET
            | SslOptions::NO_COMPRESSION
            | SslOptions::NO_QUERY_MTU
            | SslOptions::CIPHER_SERVER_PREFERENCE,
    );
    builder.set_session_cache_mode(SslSessionCacheMode::OFF);
    Ok(builder)
}

/// Makes `builder` present `certificate`.
pub(super) fn present(
    builder: &mut SslContextBuilder,
    certificate: &Certificate,
) -> Result<(), ErrorStack> {
    builder.set_certificate(certificate.leaf())?;
    for more in certificate.chain() {
        builder.add_extra_chain_cert(more.clone())?;
    }
    builder.set_private_key(certificate.key())?;
    builder.check_private_key()
}

/// How a peer is verified: it must show a certificate, whatever its dates and issuer.
//= DTL-07
pub(super) const VERIFY_MODE: SslVerifyMode =
    SslVerifyMode::PEER.union(SslVerifyMode::FAIL_IF_NO_PEER_CERT);

/// What one session expects of its peer; shared with OpenSSL's verify callback.
#[derive(Debug, Default)]
pub(super) struct PeerCheck {
    /// Set once, before or after the handshake.
    pub(super) expected: OnceLock<Vec<Fingerprint>>,
    /// Its mutant, if it has one.
    pub(super) planted: Planted,
    /// Why the callback refused the peer.
    pub(super) refusal: OnceLock<DtlsFailure>,
}

impl PeerCheck {
    /// Whether the certificate is the announced one; `true` as long as none is announced.
    ///
    /// Only the fingerprint decides; dates, issuer and key usage do not (RFC 5763 section 5).
    //= DTL-08
    pub(super) fn accepts(&self, certificate: &X509Ref) -> bool {
        self.expected.get().is_none_or(|expected| {
            strongest_matches(expected, |algorithm| fingerprint_of(certificate, algorithm))
        }) || self.planted.is(Mutant::FingerprintIgnored)
    }

    /// The verify callback: the place where a refusal makes OpenSSL itself send a fatal alert.
    ///
    /// OpenSSL calls it at least once per handshake, when the SRTP profile is settled already.
    pub(super) fn verify(&self, store: &mut X509StoreContextRef) -> bool {
        let (failure, result) = match self.judge(store) {
            Ok(()) => return true,
            Err(failure @ DtlsFailure::FingerprintMismatch) => {
                (failure, timer::certificate_rejected())
            }
            Err(failure) => (failure, X509VerifyResult::APPLICATION_VERIFICATION),
        };
        // The first reason stands.
        let _ = self.refusal.set(failure);
        store.set_error(result);
        false
    }

    fn judge(&self, store: &X509StoreContextRef) -> Result<(), DtlsFailure> {
        //= DTL-11
        let ssl: Option<&SslRef> =
            X509StoreContext::ssl_idx().ok().and_then(|index| store.ex_data(index));
        if ssl.and_then(srtp::selected_profile).is_none() {
            return Err(DtlsFailure::NoSrtpProfile);
        }
        let leaf = store.chain().and_then(|chain| chain.get(0)).or_else(|| store.current_cert());
        //= DTL-08
        if leaf.is_some_and(|leaf| self.accepts(leaf)) {
            Ok(())
        } else {
            Err(DtlsFailure::FingerprintMismatch)
        }
    }
}
