//! DTLS parameters of either side, and the checks on a peer's.

use crate::fingerprint::{Fingerprint, FingerprintError};
use crate::lifecycle::DtlsRole;
use serde::{Deserialize, Serialize};

/// Role and certificate fingerprints of one side: mediasoup's `DtlsParameters`.
///
/// Deserialised ones are checked: there is no unknown role or algorithm, no malformed value and no empty list in them.
/// Those made by hand are checked by [`Self::check`] when `connect()` gets them.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "Unchecked")]
pub struct DtlsParameters {
    /// Of our side always [`DtlsRole::Auto`] before `connect()`; of a peer's, `Auto` and `Server` make us the client.
    pub role: DtlsRole,
    /// Hashes of the certificate. Of a peer's, the strongest algorithm counts.
    pub fingerprints: Vec<Fingerprint>,
}

/// What is wrong with a peer's DTLS parameters. The fault lies with whoever supplied them.
//= DTL-03
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DtlsParametersError {
    /// There is nothing to recognise the peer by.
    #[error("empty dtlsParameters.fingerprints")]
    NoFingerprints,
    /// One of the fingerprints is none.
    #[error("invalid dtlsParameters.fingerprints[{index}]: {source}")]
    Fingerprint {
        /// Its place in the list, from 0.
        index: usize,
        /// What is wrong with it.
        source: FingerprintError,
    },
    /// The role is none of `auto`, `client`, `server`.
    #[error("invalid dtlsParameters.role {0:?}")]
    UnknownRole(String),
}

impl DtlsParameters {
    /// Reads a peer's parameters from their texts: role, and (algorithm, value) of each fingerprint. Without a role it
    /// is `auto`; upper and lower case of a fingerprint mean the same.
    ///
    /// # Errors
    ///
    /// [`DtlsParametersError`]
    pub fn parse<'a>(
        role: Option<&str>,
        fingerprints: impl IntoIterator<Item = (&'a str, &'a str)>,
    ) -> Result<Self, DtlsParametersError> {
        let role = match role {
            None | Some("auto") => DtlsRole::Auto,
            Some("client") => DtlsRole::Client,
            Some("server") => DtlsRole::Server,
            Some(other) => return Err(DtlsParametersError::UnknownRole(other.to_owned())),
        };
        let fingerprints = fingerprints
            .into_iter()
            .enumerate()
            .map(|(index, (algorithm, value))| {
                Fingerprint::parse(algorithm, value)
                    .map_err(|source| DtlsParametersError::Fingerprint { index, source })
            })
            .collect::<Result<_, _>>()?;
        let parameters = Self { role, fingerprints };
        parameters.check()?;
        Ok(parameters)
    }

    /// Checks parameters that were made by hand.
    ///
    /// # Errors
    ///
    /// [`DtlsParametersError::NoFingerprints`], [`DtlsParametersError::Fingerprint`]
    pub fn check(&self) -> Result<(), DtlsParametersError> {
        if self.fingerprints.is_empty() {
            return Err(DtlsParametersError::NoFingerprints);
        }
        for (index, fingerprint) in self.fingerprints.iter().enumerate() {
            fingerprint
                .check()
                .map_err(|source| DtlsParametersError::Fingerprint { index, source })?;
        }
        Ok(())
    }
}

/// The JSON form, before anything in it was looked at.
#[derive(Deserialize)]
struct Unchecked {
    role: Option<String>,
    fingerprints: Vec<UncheckedFingerprint>,
}

#[derive(Deserialize)]
struct UncheckedFingerprint {
    algorithm: String,
    value: String,
}

impl TryFrom<Unchecked> for DtlsParameters {
    type Error = DtlsParametersError;

    fn try_from(unchecked: Unchecked) -> Result<Self, DtlsParametersError> {
        let fingerprints = unchecked.fingerprints.iter();
        Self::parse(
            unchecked.role.as_deref(),
            fingerprints.map(|one| (one.algorithm.as_str(), one.value.as_str())),
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fingerprint::HashAlgorithm;

    const SHA1: &str = "00:11:22:33:44:55:66:77:88:99:aa:bb:cc:dd:ee:ff:00:11:22:33";

    #[test]
    fn dtl_03_parameters_of_a_peer_are_read_in_either_case() {
        let read = DtlsParameters::parse(Some("server"), [("sha-1", SHA1)]).expect("well formed");
        assert_eq!(read.role, DtlsRole::Server);
        assert_eq!(read.fingerprints[0].algorithm, HashAlgorithm::Sha1);
        assert_eq!(read.fingerprints[0].value, SHA1.to_ascii_uppercase());
        let json = format!(r#"{{"fingerprints":[{{"algorithm":"sha-1","value":"{SHA1}"}}]}}"#);
        let read: DtlsParameters = serde_json::from_str(&json).expect("a role is not needed");
        assert_eq!(read.role, DtlsRole::Auto);
    }

    #[test]
    fn dtl_03_unknown_and_malformed_parameters_are_typed_errors() {
        let parse = |role, list: &[(&'static str, &'static str)]| {
            DtlsParameters::parse(role, list.iter().copied())
        };
        assert_eq!(
            parse(Some("chicken"), &[("sha-1", SHA1)]),
            Err(DtlsParametersError::UnknownRole("chicken".to_owned()))
        );
        assert_eq!(parse(Some("auto"), &[]), Err(DtlsParametersError::NoFingerprints));
        let unknown = FingerprintError::UnknownAlgorithm("sha-256000".to_owned());
        assert_eq!(
            parse(None, &[("sha-1", SHA1), ("sha-256000", SHA1)]),
            Err(DtlsParametersError::Fingerprint { index: 1, source: unknown })
        );
        for bad in ["", "00", "zz:11", &SHA1[..SHA1.len() - 3]] {
            assert!(parse(None, &[("sha-1", bad)]).is_err(), "{bad:?}");
        }
        let by_hand = DtlsParameters {
            role: DtlsRole::Auto,
            fingerprints: vec![Fingerprint {
                algorithm: HashAlgorithm::Sha256,
                value: SHA1.to_owned(),
            }],
        };
        assert!(matches!(
            by_hand.check(),
            Err(DtlsParametersError::Fingerprint {
                index: 0,
                source: FingerprintError::WrongLength { .. }
            })
        ));
    }

    #[test]
    fn dtl_03_json_with_an_unknown_role_says_so() {
        let json = r#"{"role":"chicken","fingerprints":[]}"#;
        let error = serde_json::from_str::<DtlsParameters>(json).expect_err("no such role");
        assert!(error.to_string().contains("chicken"), "{error}");
    }
}
