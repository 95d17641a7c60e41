//! A fatal alert under the keys of an association. OpenSSL sends one when it meets a mistake, and never when asked; so
//! the record is made by hand: RFC 5246 sections 6.3 and 7.2, RFC 5288 section 3, RFC 6347 section 4.1.

use openssl::hash::MessageDigest;
use openssl::pkey::PKey;
use openssl::sign::Signer;
use openssl::ssl::SslRef;
use openssl::symm::{Cipher, encrypt_aead};

use super::dtls::DtlsRole;
use super::error::PeerError;

/// Content type and version of the record.
const ALERT_DTLS_1_2: [u8; 3] = [21, 0xFE, 0xFD];
/// Epoch 1, and a number that no association of a test gets to; still within a window of nothing that was seen.
const EPOCH_AND_SEQUENCE: [u8; 8] = [0, 1, 0, 0, 0, 1, 0, 0];
/// Level of an alert that ends everything (RFC 5246 section 7.2).
pub const FATAL: u8 = 2;
/// Number of the alert that ends a handshake for good.
pub const HANDSHAKE_FAILURE: u8 = 40;
/// Number of the alert of a side that is broken.
pub const INTERNAL_ERROR: u8 = 80;
/// Bytes of the tag of AES-GCM, of the random of each side, and of the implicit part of the nonce.
const TAG_BYTES: usize = 16;
const RANDOM_BYTES: usize = 32;
const SALT_BYTES: usize = 4;
const MASTER_SECRET_BYTES: usize = 48;

/// The record, as the side of this role would send it.
pub(super) fn fatal(ssl: &SslRef, role: DtlsRole, description: u8) -> Result<Vec<u8>, PeerError> {
    let name = ssl.current_cipher().map_or("none", |cipher| cipher.name());
    let (cipher, digest) = match name {
        name if name.ends_with("AES128-GCM-SHA256") => {
            (Cipher::aes_128_gcm(), MessageDigest::sha256())
        }
        name if name.ends_with("AES256-GCM-SHA384") => {
            (Cipher::aes_256_gcm(), MessageDigest::sha384())
        }
        name => return Err(PeerError::Dtls(format!("no alert is made for {name}"))),
    };
    let (key, salt) = write_key(ssl, role, digest, cipher.key_len())?;
    let nonce = [&salt[..], &EPOCH_AND_SEQUENCE].concat();
    let content = [FATAL, description];
    let [high, low] = length(content.len());
    let associated = [&EPOCH_AND_SEQUENCE[..], &ALERT_DTLS_1_2, &[high, low]].concat();
    let mut tag = [0; TAG_BYTES];
    let sealed = encrypt_aead(cipher, &key, Some(&nonce), &associated, &content, &mut tag)?;
    let body = [&EPOCH_AND_SEQUENCE[..], &sealed, &tag].concat();
    let [high, low] = length(body.len());
    Ok([&ALERT_DTLS_1_2[..], &EPOCH_AND_SEQUENCE, &[high, low], &body].concat())
}

/// Our key and the implicit part of our nonce, from the key block.
fn write_key(
    ssl: &SslRef,
    role: DtlsRole,
    digest: MessageDigest,
    key_bytes: usize,
) -> Result<(Vec<u8>, Vec<u8>), PeerError> {
    let session = ssl.session().ok_or_else(|| PeerError::Dtls("no session".to_owned()))?;
    let mut master = vec![0; MASTER_SECRET_BYTES];
    session.master_key(&mut master);
    let (mut client, mut server) = ([0; RANDOM_BYTES], [0; RANDOM_BYTES]);
    ssl.client_random(&mut client);
    ssl.server_random(&mut server);
    let seed = [&b"key expansion"[..], &server, &client].concat();
    let block = expand(digest, &master, &seed, 2 * (key_bytes + SALT_BYTES))?;
    let (keys, salts) = block.split_at(2 * key_bytes);
    let mine = match role {
        DtlsRole::Client => 0,
        DtlsRole::Server => 1,
    };
    let part = |whole: &[u8], size: usize| whole[mine * size..(mine + 1) * size].to_vec();
    Ok((part(keys, key_bytes), part(salts, SALT_BYTES)))
}

/// `P_hash` of RFC 5246 section 5.
fn expand(
    digest: MessageDigest,
    secret: &[u8],
    seed: &[u8],
    bytes: usize,
) -> Result<Vec<u8>, PeerError> {
    let key = PKey::hmac(secret)?;
    let hmac = |parts: &[&[u8]]| -> Result<Vec<u8>, PeerError> {
        let mut signer = Signer::new(digest, &key)?;
        for part in parts {
            signer.update(part)?;
        }
        Ok(signer.sign_to_vec()?)
    };
    let (mut a, mut out) = (seed.to_vec(), Vec::new());
    while out.len() < bytes {
        a = hmac(&[&a])?;
        out.extend(hmac(&[&a, seed])?);
    }
    out.truncate(bytes);
    Ok(out)
}

fn length(bytes: usize) -> [u8; 2] {
    u16::try_from(bytes).unwrap_or(u16::MAX).to_be_bytes()
}
