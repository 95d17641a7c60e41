//! The SRTP keys that a handshake agreed on (RFC 5764 section 4.2).

use openssl::ssl::SslRef;

use super::error::PeerError;

const EXPORTER_LABEL: &str = "EXTRACTOR-dtls_srtp";

/// Profile and master keys, by the role of whose packets they protect.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SrtpMaterial {
    /// OpenSSL's name of the profile.
    pub profile: String,
    /// Key of the DTLS client.
    pub client_key: Vec<u8>,
    /// Key of the DTLS server.
    pub server_key: Vec<u8>,
    /// Salt of the DTLS client.
    pub client_salt: Vec<u8>,
    /// Salt of the DTLS server.
    pub server_salt: Vec<u8>,
}

/// Exports the keys of a finished handshake.
pub(super) fn export(ssl: &SslRef) -> Result<SrtpMaterial, PeerError> {
    let Some(profile) = ssl.selected_srtp_profile() else {
        return Err(PeerError::Dtls("no SRTP profile was agreed on".to_owned()));
    };
    let profile = profile.name().to_owned();
    let (key, salt) = match profile.as_str() {
        "SRTP_AEAD_AES_128_GCM" => (16, 12),
        "SRTP_AES128_CM_SHA1_80" => (16, 14),
        _ => return Err(PeerError::Dtls(format!("profile {profile} was not offered"))),
    };
    let mut material = vec![0; 2 * (key + salt)];
    ssl.export_keying_material(&mut material, EXPORTER_LABEL, None)?;
    let (client_key, rest) = material.split_at(key);
    let (server_key, rest) = rest.split_at(key);
    let (client_salt, server_salt) = rest.split_at(salt);
    Ok(SrtpMaterial {
        client_key: client_key.to_vec(),
        server_key: server_key.to_vec(),
        client_salt: client_salt.to_vec(),
        server_salt: server_salt.to_vec(),
        profile,
    })
}
