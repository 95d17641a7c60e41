//! SRTP keys from a DTLS handshake (RFC 5764 section 4.2).

use std::fmt;

use openssl::error::ErrorStack;
use openssl::srtp::SrtpProfileId;
use openssl::ssl::SslRef;

use super::session::DtlsRole;

/// Label of the TLS exporter (RFC 5764 section 4.2).
const EXPORTER_LABEL: &str = "EXTRACTOR-dtls_srtp";

/// Profiles in order of preference, in OpenSSL's names.
//= DTL-11
pub(super) const PROFILE_PREFERENCE: &str = "SRTP_AEAD_AES_256_GCM:SRTP_AEAD_AES_128_GCM:\
     SRTP_AES128_CM_SHA1_80:SRTP_AES128_CM_SHA1_32";

/// SRTP protection profile (RFC 5764 section 4.1.2, RFC 7714 section 14.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum SrtpProfile {
    /// AES-256 in Galois/counter mode.
    AeadAes256Gcm,
    /// AES-128 in Galois/counter mode.
    AeadAes128Gcm,
    /// AES-128 in counter mode with an HMAC-SHA1 tag of 80 bits.
    Aes128CmSha1_80,
    /// AES-128 in counter mode with an HMAC-SHA1 tag of 32 bits.
    Aes128CmSha1_32,
}

impl SrtpProfile {
    /// Bytes of one master key.
    pub fn key_bytes(self) -> usize {
        match self {
            Self::AeadAes256Gcm => 32,
            Self::AeadAes128Gcm | Self::Aes128CmSha1_80 | Self::Aes128CmSha1_32 => 16,
        }
    }

    /// Bytes of one master salt.
    pub fn salt_bytes(self) -> usize {
        match self {
            Self::AeadAes256Gcm | Self::AeadAes128Gcm => 12,
            Self::Aes128CmSha1_80 | Self::Aes128CmSha1_32 => 14,
        }
    }

    fn from_openssl(id: SrtpProfileId) -> Option<Self> {
        match id {
            SrtpProfileId::SRTP_AEAD_AES_256_GCM => Some(Self::AeadAes256Gcm),
            SrtpProfileId::SRTP_AEAD_AES_128_GCM => Some(Self::AeadAes128Gcm),
            SrtpProfileId::SRTP_AES128_CM_SHA1_80 => Some(Self::Aes128CmSha1_80),
            SrtpProfileId::SRTP_AES128_CM_SHA1_32 => Some(Self::Aes128CmSha1_32),
            _ => None,
        }
    }
}

/// Master key and salt of one direction. Overwritten when dropped, never printed.
#[derive(Clone, PartialEq, Eq)]
pub struct SrtpKey {
    /// Master key, [`SrtpProfile::key_bytes`] long.
    pub key: Vec<u8>,
    /// Master salt, [`SrtpProfile::salt_bytes`] long.
    pub salt: Vec<u8>,
}

impl fmt::Debug for SrtpKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("SrtpKey(..)")
    }
}

impl Drop for SrtpKey {
    fn drop(&mut self) {
        for secret in [&mut self.key, &mut self.salt] {
            secret.fill(0);
            // Keeps the optimiser from dropping a write that nobody reads.
            std::hint::black_box(secret);
        }
    }
}

/// SRTP keys of both directions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SrtpKeys {
    /// Negotiated profile.
    pub profile: SrtpProfile,
    /// What this side encrypts with.
    pub local: SrtpKey,
    /// What the peer encrypts with.
    pub remote: SrtpKey,
}

/// The profile that the handshake settled on, if any.
pub(super) fn selected_profile(ssl: &SslRef) -> Option<SrtpProfile> {
    SrtpProfile::from_openssl(ssl.selected_srtp_profile()?.id())
}

/// Exports the keys of a finished handshake.
//= DTL-12
pub(super) fn export_keys(
    ssl: &SslRef,
    role: DtlsRole,
    profile: SrtpProfile,
) -> Result<SrtpKeys, ErrorStack> {
    let (key, salt) = (profile.key_bytes(), profile.salt_bytes());
    let mut material = vec![0u8; 2 * (key + salt)];
    ssl.export_keying_material(&mut material, EXPORTER_LABEL, None)?;
    let keys = split(&material, role, profile);
    material.fill(0);
    std::hint::black_box(&mut material);
    Ok(keys)
}

/// Cuts the exported bytes: client key, server key, client salt, server salt.
fn split(material: &[u8], role: DtlsRole, profile: SrtpProfile) -> SrtpKeys {
    let (key, salt) = (profile.key_bytes(), profile.salt_bytes());
    let (keys, salts) = material.split_at(2 * key);
    let client = SrtpKey { key: keys[..key].to_vec(), salt: salts[..salt].to_vec() };
    let server = SrtpKey { key: keys[key..].to_vec(), salt: salts[salt..].to_vec() };
    match role {
        DtlsRole::Client => SrtpKeys { profile, local: client, remote: server },
        DtlsRole::Server => SrtpKeys { profile, local: server, remote: client },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dtl_12_material_is_cut_into_client_key_server_key_client_salt_server_salt() {
        let material: Vec<u8> = (0..60).collect();
        let server = split(&material, DtlsRole::Server, SrtpProfile::Aes128CmSha1_80);
        assert_eq!(server.remote.key, (0..16).collect::<Vec<u8>>());
        assert_eq!(server.local.key, (16..32).collect::<Vec<u8>>());
        assert_eq!(server.remote.salt, (32..46).collect::<Vec<u8>>());
        assert_eq!(server.local.salt, (46..60).collect::<Vec<u8>>());
        let client = split(&material, DtlsRole::Client, SrtpProfile::Aes128CmSha1_80);
        assert_eq!((client.local, client.remote), (server.remote, server.local));
    }

    #[test]
    fn dtl_12_debug_output_shows_no_key_bytes() {
        let material = [0xAB; 60];
        let keys = split(&material, DtlsRole::Client, SrtpProfile::Aes128CmSha1_32);
        let text = format!("{keys:?}").to_lowercase();
        assert!(!text.contains("171") && !text.contains("ab,") && !text.contains("abab"), "{text}");
    }
}
