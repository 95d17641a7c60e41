//! Ids and ICE credentials, from OpenSSL's generator.

use crate::lifecycle::Credentials;
use openssl::error::ErrorStack;
use openssl::rand::rand_bytes;

/// ice-chars (RFC 8839 §5.1) without `+` and `/`: 62 of them.
const ICE_CHARS: &[u8; 62] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
/// Characters of a ufrag and of a password, as mediasoup's: 190 bits each.
const CREDENTIAL_CHARS: usize = 32;

/// Fresh ICE credentials. Two equal ufrags are as likely as a guessed password.
//= STN-25
pub(super) fn credentials() -> Result<Credentials, ErrorStack> {
    Ok(Credentials { ufrag: ice_chars()?, password: ice_chars()? })
}

/// Bytes that would favour some characters are thrown away.
fn ice_chars() -> Result<String, ErrorStack> {
    let mut text = String::with_capacity(CREDENTIAL_CHARS);
    while text.len() < CREDENTIAL_CHARS {
        let mut bytes = [0; CREDENTIAL_CHARS];
        rand_bytes(&mut bytes)?;
        let fair = bytes.iter().filter(|byte| usize::from(**byte) < 4 * ICE_CHARS.len());
        let wanted = CREDENTIAL_CHARS - text.len();
        text.extend(
            fair.take(wanted)
                .map(|byte| char::from(ICE_CHARS[usize::from(*byte) % ICE_CHARS.len()])),
        );
    }
    Ok(text)
}

/// A random UUID (RFC 9562 §5.4), as mediasoup's ids are.
pub(super) fn uuid() -> Result<String, ErrorStack> {
    let mut bytes = [0; 16];
    rand_bytes(&mut bytes)?;
    bytes[6] = bytes[6] & 0x0F | 0x40;
    bytes[8] = bytes[8] & 0x3F | 0x80;
    let mut text = format!("{:032x}", u128::from_be_bytes(bytes));
    for at in [20, 16, 12, 8] {
        text.insert(at, '-');
    }
    Ok(text)
}

/// Tells the worker threads of one server from those of another.
pub(super) fn key() -> Result<u64, ErrorStack> {
    let mut bytes = [0; 8];
    rand_bytes(&mut bytes)?;
    Ok(u64::from_be_bytes(bytes))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn stn_25_credentials_are_32_ice_chars_and_never_the_same() {
        let all: Vec<_> = (0..2000).map(|_| credentials().expect("randomness")).collect();
        for one in &all {
            for text in [&one.ufrag, &one.password] {
                assert_eq!(text.len(), 32);
                assert!(text.bytes().all(|byte| ICE_CHARS.contains(&byte)), "{text}");
            }
        }
        let ufrags: BTreeSet<_> = all.iter().map(|one| &one.ufrag).collect();
        assert_eq!(ufrags.len(), all.len());
        let used: BTreeSet<u8> = all.iter().flat_map(|one| one.ufrag.bytes()).collect();
        assert_eq!(used.len(), ICE_CHARS.len(), "every character is used");
    }

    #[test]
    fn res_16_server_ids_look_like_mediasoups() {
        let id = uuid().expect("randomness");
        let lengths: Vec<_> = id.split('-').map(str::len).collect();
        assert_eq!(lengths, [8, 4, 4, 4, 12]);
        assert!(id.as_bytes()[14] == b'4' && b"89ab".contains(&id.as_bytes()[19]), "{id}");
        assert_ne!(uuid().expect("randomness"), id);
    }
}
