//! The certificate and private key that a server presents to its peers.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use openssl::asn1::{Asn1Integer, Asn1Time};
use openssl::bn::{BigNum, MsbOption};
use openssl::ec::{EcGroup, EcKey};
use openssl::error::ErrorStack;
use openssl::hash::MessageDigest;
use openssl::nid::Nid;
use openssl::pkey::{Id, PKey, Private};
use openssl::x509::{X509, X509NameBuilder, X509Ref};

use crate::fingerprint::{Fingerprint, HashAlgorithm};

/// Years between now and either end of a generated certificate's validity (mediasoup
/// DtlsTransport.cpp).
const VALIDITY_DAYS: i64 = 3650;
const SECONDS_PER_DAY: i64 = 86_400;
const SERIAL_BITS: i32 = 64;
/// Shorter RSA keys are refused by current peers, and by OpenSSL's default security level.
const RSA_BITS_MIN: u32 = 2048;

/// Why a certificate could not be made or loaded. The fault lies with the configuration.
#[derive(Debug, thiserror::Error)]
pub enum CertificateError {
    /// A file could not be read.
    #[error("cannot read {}: {source}", path.display())]
    Unreadable {
        /// File that was asked for.
        path: PathBuf,
        /// Answer of the operating system.
        source: std::io::Error,
    },
    /// The certificate is not valid PEM.
    #[error("the certificate is not valid PEM: {0}")]
    CertificatePem(ErrorStack),
    /// The text holds no certificate.
    #[error("the PEM text holds no certificate")]
    NoCertificate,
    /// The key is not valid PEM, is missing, or is encrypted.
    #[error("the private key is not valid, unencrypted PEM: {0}")]
    KeyPem(ErrorStack),
    /// The key does not belong to the certificate.
    #[error("the private key does not belong to the certificate")]
    Mismatch,
    /// Neither RSA nor ECDSA on P-256 or P-384.
    #[error("unsupported kind of private key (RSA, ECDSA P-256 and P-384 are supported)")]
    UnsupportedKey,
    /// An RSA key that peers would refuse.
    #[error("an RSA key needs 2048 bits or more, this one has {bits}")]
    WeakKey {
        /// Length of the modulus in bits.
        bits: u32,
    },
    /// OpenSSL failed for a reason of its own, for example a lack of memory.
    #[error("OpenSSL: {0}")]
    OpenSsl(#[from] ErrorStack),
}

/// A certificate with its private key, and the intermediate certificates to send along. Cloning
/// shares them.
#[derive(Clone)]
pub struct Certificate {
    pair: Arc<Pair>,
}

struct Pair {
    leaf: X509,
    chain: Vec<X509>,
    key: PKey<Private>,
}

impl fmt::Debug for Certificate {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sha256 = fingerprint_of(&self.pair.leaf, HashAlgorithm::Sha256);
        formatter
            .debug_struct("Certificate")
            .field("sha256", &sha256.map(|fingerprint| fingerprint.value))
            .finish_non_exhaustive()
    }
}

impl Certificate {
    /// Makes a fresh P-256 key and a certificate for it, self-signed with SHA-256, with a random
    /// common name and serial number, valid from ten years ago to ten years ahead (RFC 8827 section
    /// 6.5; mediasoup DtlsTransport.cpp).
    ///
    /// # Errors
    ///
    /// [`CertificateError::OpenSsl`].
    //= DTL-26
    pub fn generate() -> Result<Self, CertificateError> {
        super::outcome::discard_stale_errors();
        let group = EcGroup::from_curve_name(Nid::X9_62_PRIME256V1)?;
        let key = PKey::from_ec_key(EcKey::generate(&group)?)?;
        Self::self_signed(key, -VALIDITY_DAYS, VALIDITY_DAYS)
    }

    /// A self-signed certificate for `key` that is valid between two days relative to today.
    pub(super) fn self_signed(
        key: PKey<Private>,
        not_before_days: i64,
        not_after_days: i64,
    ) -> Result<Self, CertificateError> {
        let mut random = [0u8; 4];
        openssl::rand::rand_bytes(&mut random)?;
        let mut name = X509NameBuilder::new()?;
        let common_name = format!("webrtc-server-{:08x}", u32::from_be_bytes(random));
        name.append_entry_by_nid(Nid::COMMONNAME, &common_name)?;
        let name = name.build();
        let mut serial = BigNum::new()?;
        serial.rand(SERIAL_BITS, MsbOption::MAYBE_ZERO, false)?;

        let mut builder = X509::builder()?;
        builder.set_version(2)?;
        builder.set_serial_number(Asn1Integer::from_bn(&serial)?.as_ref())?;
        builder.set_subject_name(&name)?;
        builder.set_issuer_name(&name)?;
        builder.set_not_before(Asn1Time::from_unix(unix_time(not_before_days))?.as_ref())?;
        builder.set_not_after(Asn1Time::from_unix(unix_time(not_after_days))?.as_ref())?;
        builder.set_pubkey(&key)?;
        builder.sign(&key, MessageDigest::sha256())?;
        Ok(Self { pair: Arc::new(Pair { leaf: builder.build(), chain: Vec::new(), key }) })
    }

    /// Loads a pair from PEM texts. The first certificate is the server's own, more are sent along
    /// with it.
    ///
    /// # Errors
    ///
    /// Every variant of [`CertificateError`] but [`CertificateError::Unreadable`]. An encrypted key
    /// is refused, never asked for on the terminal.
    //= DTL-26
    pub fn from_pem(certificate: &[u8], key: &[u8]) -> Result<Self, CertificateError> {
        super::outcome::discard_stale_errors();
        let mut chain =
            X509::stack_from_pem(certificate).map_err(CertificateError::CertificatePem)?;
        if chain.is_empty() {
            return Err(CertificateError::NoCertificate);
        }
        let leaf = chain.remove(0);
        let key = PKey::private_key_from_pem_callback(key, |_| Ok(0))
            .map_err(CertificateError::KeyPem)?;
        check_key(&key)?;
        if !leaf.public_key()?.public_eq(&key) {
            return Err(CertificateError::Mismatch);
        }
        Ok(Self { pair: Arc::new(Pair { leaf, chain, key }) })
    }

    /// Loads a pair from two PEM files; no file stays open.
    ///
    /// # Errors
    ///
    /// [`CertificateError::Unreadable`], and those of [`Self::from_pem`].
    //= DTL-26
    pub fn from_pem_files(
        certificate: impl AsRef<Path>,
        key: impl AsRef<Path>,
    ) -> Result<Self, CertificateError> {
        let read = |path: &Path| {
            std::fs::read(path)
                .map_err(|source| CertificateError::Unreadable { path: path.to_owned(), source })
        };
        Self::from_pem(&read(certificate.as_ref())?, &read(key.as_ref())?)
    }

    /// Fingerprints of the certificate, one per [`HashAlgorithm`], weakest first, in upper case.
    pub fn fingerprints(&self) -> Vec<Fingerprint> {
        super::outcome::discard_stale_errors();
        HashAlgorithm::ALL
            .into_iter()
            .filter_map(|algorithm| fingerprint_of(&self.pair.leaf, algorithm))
            .collect()
    }

    /// The certificate itself.
    pub(super) fn leaf(&self) -> &X509Ref {
        &self.pair.leaf
    }

    /// Certificates to send after the own one.
    pub(super) fn chain(&self) -> &[X509] {
        &self.pair.chain
    }

    /// The private key.
    pub(super) fn key(&self) -> &PKey<Private> {
        &self.pair.key
    }
}

/// Fingerprint of any certificate; `None` only if OpenSSL cannot hash at all.
pub(super) fn fingerprint_of(
    certificate: &X509Ref,
    algorithm: HashAlgorithm,
) -> Option<Fingerprint> {
    let digest = match algorithm {
        HashAlgorithm::Sha1 => MessageDigest::sha1(),
        HashAlgorithm::Sha224 => MessageDigest::sha224(),
        HashAlgorithm::Sha256 => MessageDigest::sha256(),
        HashAlgorithm::Sha384 => MessageDigest::sha384(),
        HashAlgorithm::Sha512 => MessageDigest::sha512(),
    };
    let hash = certificate.digest(digest).ok()?;
    Some(Fingerprint::from_digest(algorithm, &hash))
}

fn check_key(key: &PKey<Private>) -> Result<(), CertificateError> {
    match key.id() {
        Id::RSA if key.bits() < RSA_BITS_MIN => Err(CertificateError::WeakKey { bits: key.bits() }),
        Id::RSA => Ok(()),
        Id::EC => match key.ec_key()?.group().curve_name() {
            Some(Nid::X9_62_PRIME256V1 | Nid::SECP384R1) => Ok(()),
            Some(_) | None => Err(CertificateError::UnsupportedKey),
        },
        _ => Err(CertificateError::UnsupportedKey),
    }
}

fn unix_time(days_from_now: i64) -> i64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |time| time.as_secs());
    i64::try_from(now).unwrap_or(i64::MAX).saturating_add(days_from_now * SECONDS_PER_DAY)
}
