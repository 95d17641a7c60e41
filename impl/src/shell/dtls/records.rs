//! Which records reach OpenSSL.
//!
//! Whoever knows the peer's address can forge a datagram, and OpenSSL is not ready for all of them:
//!
//! * It ends an association for an encrypted record that is too short for its nonce and tag, where
//!   RFC 6347 section 4.1.2.7 has it dropped.
//! * Of a record with a wrong version or an excessive length it skips the header only, and takes
//!   the body for further records. Before OpenSSL 3.2 DTLS 1.0 is wrong but for the first message,
//!   though RFC 6347 section 4.2.1 allows it; so all of them are given to it as DTLS 1.2.
//! * Until the handshake is done, records carry no proof of their sender. It then allocates by what
//!   they claim, up to about 1 MB of reassembled messages and 100 early records of 16 KiB each, and
//!   ends the handshake for records that are merely nonsense.
//!
//! This filter drops the nonsense and keeps the memory of a handshake within 64 KiB. It cannot save
//! a handshake from forgeries that make sense: a plaintext alert ends it (DTL-19), and OpenSSL
//! believes the first fragment of a message in how long the message is.

use super::session::RECORD_CONTENT_BYTES_MAX;

/// Length of a DTLS 1.2 record header (RFC 6347 section 4.1): type, version, epoch, sequence
/// number, length.
const RECORD_HEADER_BYTES: usize = 13;
/// Length of a handshake message header (RFC 6347 section 4.2.2).
const MESSAGE_HEADER_BYTES: usize = 12;

/// Sum of the lengths that all handshake messages of the peer may claim.
const HANDSHAKE_BYTES_MAX: u32 = 30 * 1024;
/// Handshake messages per peer; a full handshake needs eight.
const HANDSHAKE_MESSAGES_MAX: usize = 16;
/// Encrypted handshake records before the ChangeCipherSpec; OpenSSL keeps each in a buffer of
/// its own of about 16.5 KiB. Two are enough: every retransmission of Finished says the same.
const EARLY_RECORDS_MAX: u8 = 2;

/// Explicit nonce (8) and tag (16) of AES-GCM (RFC 5288 section 3), the largest among our ciphers.
pub(super) const CIPHER_OVERHEAD_BYTES_MAX: usize = 24;
/// The tag of ChaCha20-Poly1305 (RFC 7905 section 2), the smallest.
pub(super) const CHACHA20_OVERHEAD_BYTES: usize = 16;

/// Of all encrypted records: without renegotiation there is one change of keys.
const ENCRYPTED_EPOCH: u16 = 1;
const DTLS_1_2: [u8; 2] = [0xFE, 0xFD];
/// What a first message may say instead (RFC 6347 section 4.2.1).
const DTLS_1_0: [u8; 2] = [0xFE, 0xFF];

const CHANGE_CIPHER_SPEC: u8 = 20;
const ALERT: u8 = 21;
const HANDSHAKE: u8 = 22;

const ALERT_LEVEL_FATAL: u8 = 2;
const ALERT_CLOSE_NOTIFY: u8 = 0;

/// One record of a datagram.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Record<'a> {
    content_type: u8,
    version: [u8; 2],
    epoch: u16,
    /// Header and body.
    pub(super) bytes: &'a [u8],
}

impl<'a> Record<'a> {
    fn body(&self) -> &'a [u8] {
        &self.bytes[RECORD_HEADER_BYTES..]
    }

    /// Whether OpenSSL can try to decrypt it, with a cipher of this overhead.
    //= DTL-16
    pub(super) fn may_decrypt(&self, overhead: usize) -> bool {
        let lengths = overhead..=overhead + RECORD_CONTENT_BYTES_MAX;
        self.epoch == ENCRYPTED_EPOCH
            && self.version == DTLS_1_2
            && lengths.contains(&self.body().len())
    }

    /// What OpenSSL gets of it.
    pub(super) fn as_dtls_1_2(&self) -> Vec<u8> {
        let mut bytes = self.bytes.to_vec();
        bytes[1..3].copy_from_slice(&DTLS_1_2);
        bytes
    }

    fn may_be_plaintext(&self) -> bool {
        self.epoch == 0
            && [DTLS_1_2, DTLS_1_0].contains(&self.version)
            && self.body().len() <= RECORD_CONTENT_BYTES_MAX
    }
}

/// The records of a datagram, in order, up to the first one that is cut short.
//= DTL-17
pub(super) fn records(mut datagram: &[u8]) -> impl Iterator<Item = Record<'_>> {
    std::iter::from_fn(move || {
        let header = datagram.first_chunk::<RECORD_HEADER_BYTES>()?;
        let body = usize::from(u16::from_be_bytes([header[11], header[12]]));
        let version = [header[1], header[2]];
        let epoch = u16::from_be_bytes([header[3], header[4]]);
        let (bytes, rest) = datagram.split_at_checked(RECORD_HEADER_BYTES + body)?;
        datagram = rest;
        Some(Record { content_type: header[0], version, epoch, bytes })
    })
}

/// Decides record by record, and remembers what was let through.
#[derive(Debug, Default)]
pub(super) struct HandshakeAdmission {
    claimed_bytes: [u32; HANDSHAKE_MESSAGES_MAX],
    early_records: u8,
}

impl HandshakeAdmission {
    /// Whether OpenSSL may see this record before the handshake is done. `encrypted`: it took the
    /// peer's ChangeCipherSpec, so that it reads encrypted records only, and keeps none.
    //= DTL-16
    pub(super) fn admits(&mut self, record: &Record<'_>, encrypted: bool) -> bool {
        // Whatever the cipher: a message has a header as well.
        if record.content_type == HANDSHAKE && record.may_decrypt(CIPHER_OVERHEAD_BYTES_MAX) {
            return encrypted || self.admits_early_record();
        }
        if encrypted || !record.may_be_plaintext() {
            return false;
        }
        match record.content_type {
            CHANGE_CIPHER_SPEC => record.body() == [1],
            ALERT => ends_handshake(record.body()),
            HANDSHAKE => self.admits_messages(record.body()),
            _ => false,
        }
    }

    //= DTL-21
    fn admits_messages(&mut self, mut body: &[u8]) -> bool {
        let mut claimed = self.claimed_bytes;
        while !body.is_empty() {
            let Some(message) = MessageHeader::parse(body) else { return false };
            let Some(slot) = claimed.get_mut(usize::from(message.sequence)) else { return false };
            *slot = (*slot).max(message.message_bytes);
            body = &body[message.end..];
        }
        if claimed.iter().sum::<u32>() > HANDSHAKE_BYTES_MAX {
            return false;
        }
        self.claimed_bytes = claimed;
        true
    }

    //= DTL-21
    fn admits_early_record(&mut self) -> bool {
        let admitted = self.early_records < EARLY_RECORDS_MAX;
        self.early_records += u8::from(admitted);
        admitted
    }
}

/// A plaintext alert counts during the handshake if it ends it; other warnings do not
/// (RFC 8446 section 6.1, `user_canceled`).
//= DTL-19
fn ends_handshake(alert: &[u8]) -> bool {
    matches!(alert, [ALERT_LEVEL_FATAL, _] | [_, ALERT_CLOSE_NOTIFY])
}

struct MessageHeader {
    message_bytes: u32,
    sequence: u16,
    /// Where the next message of the record begins.
    end: usize,
}

impl MessageHeader {
    /// Reads type, length (3), sequence (2), fragment offset (3) and fragment length (3).
    fn parse(body: &[u8]) -> Option<Self> {
        let header = body.first_chunk::<MESSAGE_HEADER_BYTES>()?;
        let message_bytes = u32::from_be_bytes([0, header[1], header[2], header[3]]);
        let sequence = u16::from_be_bytes([header[4], header[5]]);
        let fragment = u32::from_be_bytes([0, header[9], header[10], header[11]]);
        let end = MESSAGE_HEADER_BYTES + usize::try_from(fragment).ok()?;
        (end <= body.len()).then_some(Self { message_bytes, sequence, end })
    }
}
