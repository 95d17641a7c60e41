//! Tells the protocols apart that share one port, by the first byte (RFC 7983) and, for RTP and
//! RTCP, the second one (RFC 5761 section 4).

use thiserror::Error;

/// Bytes of a DTLS record header (RFC 6347 section 4.1). Anything shorter cannot hold even an empty
/// record.
pub const DTLS_PACKET_BYTES_MIN: usize = 13;

/// Bytes of an RTP header without CSRCs (RFC 3550 section 5.1).
pub const RTP_PACKET_BYTES_MIN: usize = 12;

/// Bytes of an RTCP common header (RFC 3550 section 6.4), the least that mediasoup accepts
/// (`RTC/RTCP/Packet.hpp`).
pub const RTCP_PACKET_BYTES_MIN: usize = 4;

/// The protocol of one packet, judged by its first bytes only: the rest may still be garbage.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum PacketKind {
    /// First byte 0 to 3. Its own parser checks the rest, see
    /// [`Message::parse`](super::stun::Message::parse).
    Stun,
    /// First byte 20 to 63, and long enough for a record header.
    Dtls,
    /// First byte 128 to 191, long enough for an RTP header.
    Rtp,
    /// First byte 128 to 191 and second byte 192 to 223, long enough for an RTCP header.
    Rtcp,
}

/// Why a packet belongs to no protocol. Always the peer's fault; the packet is to be dropped and
/// counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Error)]
pub enum DemuxError {
    /// A packet without bytes.
    #[error("empty packet")]
    Empty,
    /// The first bytes name a protocol, but the packet ends before that protocol's smallest header
    /// does.
    #[error("packet of {length} bytes where the protocol needs {minimum}")]
    TooShort {
        /// Bytes in the packet.
        length: usize,
        /// Bytes that the smallest packet of this protocol has.
        minimum: usize,
    },
    /// A first byte that RFC 7983 gives to no protocol used here (ZRTP and TURN channels among
    /// them).
    #[error("no protocol starts with byte {0}")]
    UnknownFirstByte(u8),
}

/// Tells the protocol of one datagram or frame.
///
/// The ranges are those of RFC 7983 section 7. mediasoup draws the line for STUN at first byte 2
/// (`RTC/ICE/StunPacket.cpp`) where the RFC draws it at 3; no STUN method in use tells them apart.
///
/// # Errors
///
/// [`DemuxError`] when the first byte belongs to none of the four protocols or when the packet is
/// shorter than the smallest one of its protocol. The length of STUN is left to its parser, which
/// counts such packets as malformed STUN.
//= DMX-01
//= DMX-11
pub fn classify(packet: &[u8]) -> Result<PacketKind, DemuxError> {
    let first = *packet.first().ok_or(DemuxError::Empty)?;
    match first {
        0..=3 => Ok(PacketKind::Stun),
        20..=63 => at_least(DTLS_PACKET_BYTES_MIN, packet, PacketKind::Dtls),
        128..=191 => classify_media(packet),
        4..=19 | 64..=127 | 192..=255 => Err(DemuxError::UnknownFirstByte(first)),
    }
}

/// RTCP packet types start at 192, where RTP would have its marker bit set and a payload type of 64
/// to 95: payload types that RFC 5761 forbids on a shared port.
//= DMX-02
fn classify_media(packet: &[u8]) -> Result<PacketKind, DemuxError> {
    match packet.get(1) {
        Some(192..=223) => at_least(RTCP_PACKET_BYTES_MIN, packet, PacketKind::Rtcp),
        Some(_) => at_least(RTP_PACKET_BYTES_MIN, packet, PacketKind::Rtp),
        None => Err(DemuxError::TooShort { length: packet.len(), minimum: RTCP_PACKET_BYTES_MIN }),
    }
}

fn at_least(minimum: usize, packet: &[u8], kind: PacketKind) -> Result<PacketKind, DemuxError> {
    if packet.len() < minimum {
        return Err(DemuxError::TooShort { length: packet.len(), minimum });
    }
    Ok(kind)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// One letter per first byte, sixteen to a row: STUN, DTLS, media, or nothing. Written out so
    /// that the test does not repeat the ranges of the code.
    const FIRST_BYTES: [&str; 16] = [
        "SSSS------------", // 0
        "----DDDDDDDDDDDD", // 16
        "DDDDDDDDDDDDDDDD", // 32
        "DDDDDDDDDDDDDDDD", // 48
        "----------------", // 64
        "----------------", // 80
        "----------------", // 96
        "----------------", // 112
        "MMMMMMMMMMMMMMMM", // 128
        "MMMMMMMMMMMMMMMM", // 144
        "MMMMMMMMMMMMMMMM", // 160
        "MMMMMMMMMMMMMMMM", // 176
        "----------------", // 192
        "----------------", // 208
        "----------------", // 224
        "----------------", // 240
    ];

    #[test]
    fn dmx_01_every_first_byte_has_one_answer() {
        for first in 0..=u8::MAX {
            let row = FIRST_BYTES[usize::from(first) / 16].as_bytes();
            let expected = match row[usize::from(first) % 16] {
                b'S' => Ok(PacketKind::Stun),
                b'D' => Ok(PacketKind::Dtls),
                b'M' => Ok(PacketKind::Rtp),
                b'-' => Err(DemuxError::UnknownFirstByte(first)),
                letter => panic!("the table has no letter {letter}"),
            };
            let mut packet = [0; 64];
            packet[0] = first;
            assert_eq!(classify(&packet), expected, "first byte {first}");
        }
    }

    #[test]
    fn dmx_01_a_first_byte_of_nobody_is_refused_at_any_length() {
        for first in [4, 19, 64, 127, 192, 255] {
            assert_eq!(classify(&[first]), Err(DemuxError::UnknownFirstByte(first)));
        }
    }

    #[test]
    fn dmx_02_the_second_byte_tells_rtcp_from_rtp() {
        for first in 128..=191 {
            for second in 0..=u8::MAX {
                let is_rtcp = second >> 5 == 0b110; // 192 to 223, said differently from the code
                let expected = if is_rtcp { PacketKind::Rtcp } else { PacketKind::Rtp };
                let mut packet = [0; 12];
                packet[..2].copy_from_slice(&[first, second]);
                assert_eq!(classify(&packet), Ok(expected), "bytes {first} {second}");
            }
        }
    }

    #[test]
    fn dmx_02_each_protocol_has_its_shortest_packet() {
        let rows: [(&[u8], usize, PacketKind); 3] = [
            (&[22], 13, PacketKind::Dtls),
            (&[128, 96], 12, PacketKind::Rtp),
            (&[128, 200], 4, PacketKind::Rtcp),
        ];
        for (start, minimum, kind) in rows {
            for length in start.len()..minimum {
                let mut packet = vec![0; length];
                packet[..start.len()].copy_from_slice(start);
                assert_eq!(classify(&packet), Err(DemuxError::TooShort { length, minimum }));
            }
            let mut packet = vec![0; minimum];
            packet[..start.len()].copy_from_slice(start);
            assert_eq!(classify(&packet), Ok(kind));
        }
    }

    #[test]
    fn dmx_02_a_lone_media_byte_is_too_short() {
        assert_eq!(classify(&[128]), Err(DemuxError::TooShort { length: 1, minimum: 4 }));
    }

    #[test]
    fn dmx_11_an_empty_packet_is_nothing() {
        assert_eq!(classify(&[]), Err(DemuxError::Empty));
    }
}
