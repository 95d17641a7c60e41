//! DTLS records as they are on the wire: the header is never encrypted in DTLS 1.2 (RFC 6347
//! section 4.1).

/// Bytes of a record header.
const HEADER_BYTES: usize = 13;
/// Content type of an alert.
const ALERT: u8 = 21;
/// Version of DTLS 1.2 in a header.
const DTLS_1_2: [u8; 2] = [0xFE, 0xFD];

/// One record inside a datagram.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Record<'a> {
    /// 20 change cipher spec, 21 alert, 22 handshake, 23 application data.
    pub content_type: u8,
    /// 0 before encryption, 1 after it.
    pub epoch: u16,
    /// Number within the epoch.
    pub sequence: u64,
    /// Header and body.
    pub bytes: &'a [u8],
}

impl Record<'_> {
    /// Whether this is an alert, encrypted or not.
    #[must_use]
    pub fn is_alert(&self) -> bool {
        self.content_type == ALERT
    }
}

/// The records of a datagram in order. Ends before a record that is cut short.
pub fn records(mut datagram: &[u8]) -> impl Iterator<Item = Record<'_>> {
    std::iter::from_fn(move || {
        let &[content_type, _, _, e0, e1, s0, s1, s2, s3, s4, s5, l0, l1] =
            datagram.first_chunk::<HEADER_BYTES>()?;
        let body = usize::from(u16::from_be_bytes([l0, l1]));
        let (bytes, rest) = datagram.split_at_checked(HEADER_BYTES + body)?;
        datagram = rest;
        let epoch = u16::from_be_bytes([e0, e1]);
        let sequence = u64::from_be_bytes([0, 0, s0, s1, s2, s3, s4, s5]);
        Some(Record { content_type, epoch, sequence, bytes })
    })
}

/// An alert that is not encrypted, as it is allowed during a handshake and may be forged by anyone.
#[must_use]
pub fn plaintext_alert(level: u8, description: u8, sequence: u8) -> Vec<u8> {
    let mut record = vec![ALERT];
    record.extend_from_slice(&DTLS_1_2);
    record.extend_from_slice(&[0, 0, 0, 0, 0, 0, 0, sequence, 0, 2, level, description]);
    record
}
