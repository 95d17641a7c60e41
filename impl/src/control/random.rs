//! Ids and ICE credentials, from OpenSSL's generator.
//!
//! The first characters of a ufrag say which worker has the transport, so that whoever gets a check knows without
//! asking where it belongs. That is no secret and proves nothing: the password does.

use crate::lifecycle::Credentials;
use crate::lifecycle::server::WorkerId;
use openssl::error::ErrorStack;
use openssl::rand::rand_bytes;

/// ice-chars (RFC 8839 §5.1) without `+` and `/`: 62 of them.
const ICE_CHARS: &[u8; 62] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
/// Characters of a ufrag and of a password, as mediasoup's: 190 bits of a password are random, 178 of a ufrag.
const CREDENTIAL_CHARS: usize = 32;
/// Characters of a ufrag that tell the worker.
const WORKER_CHARS: usize = 2;
/// More workers a server never has; two characters could tell 3844.
pub(super) const WORKERS_MAX: usize = 1024;

/// Fresh ICE credentials of a transport of this worker. Two equal ufrags are as unlikely as a guessed password.
//= STN-25
pub(super) fn credentials(worker: usize) -> Result<Credentials, ErrorStack> {
    debug_assert!(worker < WORKERS_MAX, "there are no more workers");
    Ok(Credentials { ufrag: ice_chars(tag(worker))?, password: ice_chars(String::new())? })
}

/// What the ufrags of this worker begin with.
pub(super) fn tag(worker: usize) -> String {
    let digits = [worker / ICE_CHARS.len(), worker];
    digits.map(|digit| char::from(ICE_CHARS[digit % ICE_CHARS.len()])).into_iter().collect()
}

/// The worker that a ufrag names, whether or not there is such a worker.
pub(super) fn worker_of(ufrag: &str) -> Option<WorkerId> {
    let tag = ufrag.as_bytes().get(..WORKER_CHARS)?;
    let digit = |byte: &u8| ICE_CHARS.iter().position(|char| char == byte);
    let index =
        tag.iter().try_fold(0, |index, byte| Some(index * ICE_CHARS.len() + digit(byte)?))?;
    Some(WorkerId(index))
}

/// Fills the text up. Bytes that would favour some characters are thrown away.
fn ice_chars(mut text: String) -> Result<String, ErrorStack> {
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

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn stn_25_credentials_are_32_ice_chars_and_never_the_same() {
        let all: Vec<_> = (0..2000).map(|_| credentials(0).expect("randomness")).collect();
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
    fn dmx_13_a_ufrag_tells_its_worker() {
        for worker in [0, 1, 61, 62, 63, WORKERS_MAX - 1] {
            let ufrag = credentials(worker).expect("randomness").ufrag;
            assert_eq!((ufrag.len(), worker_of(&ufrag)), (32, Some(WorkerId(worker))), "{ufrag}");
        }
        for nonsense in ["", "A", "+/", "é", "A é", "\u{0}\u{0}"] {
            assert_eq!(worker_of(nonsense), None, "{nonsense:?}");
        }
        let several: BTreeSet<_> =
            (0..100).map(|_| credentials(7).expect("randomness").ufrag).collect();
        assert_eq!(several.len(), 100);
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
