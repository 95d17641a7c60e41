//! Certificate fingerprints as plain data (RFC 8122 section 5).

use serde::{Deserialize, Serialize};

/// Hash functions that a fingerprint may use; a later variant is the stronger one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum HashAlgorithm {
    /// SHA-1, 20 bytes.
    #[serde(rename = "sha-1")]
    Sha1,
    /// SHA-224, 28 bytes.
    #[serde(rename = "sha-224")]
    Sha224,
    /// SHA-256, 32 bytes.
    #[serde(rename = "sha-256")]
    Sha256,
    /// SHA-384, 48 bytes.
    #[serde(rename = "sha-384")]
    Sha384,
    /// SHA-512, 64 bytes.
    #[serde(rename = "sha-512")]
    Sha512,
}

impl HashAlgorithm {
    /// Every algorithm, weakest first.
    pub const ALL: [Self; 5] = [Self::Sha1, Self::Sha224, Self::Sha256, Self::Sha384, Self::Sha512];

    /// The name used in SDP and in mediasoup's `dtlsParameters`, for example `sha-256`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Sha1 => "sha-1",
            Self::Sha224 => "sha-224",
            Self::Sha256 => "sha-256",
            Self::Sha384 => "sha-384",
            Self::Sha512 => "sha-512",
        }
    }

    /// Length of the hash in bytes.
    pub fn digest_bytes(self) -> usize {
        match self {
            Self::Sha1 => 20,
            Self::Sha224 => 28,
            Self::Sha256 => 32,
            Self::Sha384 => 48,
            Self::Sha512 => 64,
        }
    }

    fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|algorithm| algorithm.name().eq_ignore_ascii_case(name))
    }
}

/// Hash of a certificate in DER form.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Fingerprint {
    /// Hash function.
    pub algorithm: HashAlgorithm,
    /// Hexadecimal bytes separated by colons; upper case when this crate made it.
    pub value: String,
}

/// Why a text is no fingerprint. The fault lies with whoever supplied it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FingerprintError {
    /// The hash function is none of sha-1, sha-224, sha-256, sha-384, sha-512.
    #[error("unknown fingerprint algorithm {0:?}")]
    UnknownAlgorithm(String),
    /// The number of bytes does not fit the hash function.
    #[error("a {} fingerprint has {expected} bytes, not {actual}", algorithm.name())]
    WrongLength {
        /// Hash function that was named.
        algorithm: HashAlgorithm,
        /// Bytes that it needs.
        expected: usize,
        /// Bytes that were given.
        actual: usize,
    },
    /// Something between the colons is not a byte in hexadecimal.
    #[error("a fingerprint consists of two-digit hexadecimal bytes separated by colons")]
    NotHexadecimal,
}

impl Fingerprint {
    /// Reads a fingerprint from its two texts; upper and lower case mean the same (RFC 8122 section
    /// 5).
    ///
    /// # Errors
    ///
    /// [`FingerprintError`] for an unknown algorithm, a wrong number of bytes or a text that is not
    /// colon-separated hexadecimal.
    pub fn parse(algorithm: &str, value: &str) -> Result<Self, FingerprintError> {
        let known = HashAlgorithm::from_name(algorithm)
            .ok_or_else(|| FingerprintError::UnknownAlgorithm(algorithm.to_owned()))?;
        let fingerprint = Self { algorithm: known, value: value.to_ascii_uppercase() };
        fingerprint.check()?;
        Ok(fingerprint)
    }

    /// Checks a value that came in by another way than [`Self::parse`], for example through serde.
    ///
    /// # Errors
    ///
    /// As [`Self::parse`].
    pub fn check(&self) -> Result<(), FingerprintError> {
        let is_byte = |part: &str| part.len() == 2 && part.bytes().all(|b| b.is_ascii_hexdigit());
        if !self.value.split(':').all(is_byte) {
            return Err(FingerprintError::NotHexadecimal);
        }
        let actual = self.value.split(':').count();
        let expected = self.algorithm.digest_bytes();
        if actual != expected {
            return Err(FingerprintError::WrongLength {
                algorithm: self.algorithm,
                expected,
                actual,
            });
        }
        Ok(())
    }

    /// A fingerprint from the hash itself.
    pub fn from_digest(algorithm: HashAlgorithm, digest: &[u8]) -> Self {
        let bytes: Vec<String> = digest.iter().map(|byte| format!("{byte:02X}")).collect();
        Self { algorithm, value: bytes.join(":") }
    }

    /// Whether both name the same hash of the same length, letter case aside.
    pub fn same_as(&self, other: &Self) -> bool {
        self.algorithm == other.algorithm && self.value.eq_ignore_ascii_case(&other.value)
    }
}

/// Whether one of `expected` with the strongest algorithm among them equals what `actual` computes
/// for it.
///
/// An empty list matches nothing (RFC 8122 section 5: weaker hashes do not count beside a stronger
/// one).
//= DTL-09
#[cfg(feature = "net")]
pub(super) fn strongest_matches(
    expected: &[Fingerprint],
    actual: impl FnOnce(HashAlgorithm) -> Option<Fingerprint>,
) -> bool {
    let Some(strongest) = expected.iter().map(|one| one.algorithm).max() else { return false };
    actual(strongest).is_some_and(|own| expected.iter().any(|one| one.same_as(&own)))
}
