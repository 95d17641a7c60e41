//! The two checksums of a message: MESSAGE-INTEGRITY, which proves the password, and FINGERPRINT,
//! which proves nothing and tells STUN from other packets.

use hmac::{Hmac, Mac};
use sha1::Sha1;

use super::HEADER_BYTES;
use super::attributes::ATTRIBUTE_HEADER_BYTES;

/// Bytes of an HMAC-SHA1.
pub(super) const MAC_BYTES: usize = 20;

/// Bytes of a FINGERPRINT value.
pub(super) const FINGERPRINT_BYTES: usize = 4;

/// What the CRC is XORed with, so that it differs from one that the application computes (RFC 8489
/// section 14.7).
const FINGERPRINT_XOR: u32 = 0x5354_554E;

/// The first MESSAGE-INTEGRITY of a message and the bytes that it covers (RFC 8489 section 14.5).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MessageIntegrity<'a> {
    /// The message up to the attribute.
    covered: &'a [u8],
    mac: [u8; MAC_BYTES],
}

impl<'a> MessageIntegrity<'a> {
    /// `covered` is the message from its header up to the attribute, hence at least a header.
    pub(super) fn new(covered: &'a [u8], mac: [u8; MAC_BYTES]) -> Self {
        debug_assert!(covered.len() >= HEADER_BYTES);
        Self { covered, mac }
    }

    /// Whether the sender knew `password`, compared in constant time: how much of a guess was right
    /// must not show in how long the answer takes.
    //= STN-05
    #[must_use]
    pub fn verify(&self, password: &[u8]) -> bool {
        keyed_hash(self.covered, password).verify_slice(&self.mac).is_ok()
    }
}

/// The value of a MESSAGE-INTEGRITY that follows `covered`.
pub(super) fn message_integrity(covered: &[u8], password: &[u8]) -> [u8; MAC_BYTES] {
    keyed_hash(covered, password).finalize().into_bytes().into()
}

/// The hash is taken with a length field that ends at MESSAGE-INTEGRITY, whatever follows it (RFC
/// 8489 section 14.5).
//= STN-05
fn keyed_hash(covered: &[u8], password: &[u8]) -> Hmac<Sha1> {
    let length = covered.len() - HEADER_BYTES + ATTRIBUTE_HEADER_BYTES + MAC_BYTES;
    // Whoever holds `covered` has checked that the attribute fits behind it, in a message of at
    // most 65535 bytes.
    debug_assert!(length <= usize::from(u16::MAX));
    let mut hash = Hmac::<Sha1>::new_from_slice(password).expect("HMAC takes keys of any length");
    hash.update(&covered[..2]);
    hash.update(&(length as u16).to_be_bytes());
    hash.update(&covered[4..]);
    hash
}

/// The value of a FINGERPRINT that follows `covered`, whose length field counts the FINGERPRINT
/// already.
//= STN-04
pub(super) fn fingerprint(covered: &[u8]) -> u32 {
    crc32fast::hash(covered) ^ FINGERPRINT_XOR
}
