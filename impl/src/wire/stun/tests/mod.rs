//! Tests of STUN: published vectors, rows of bad input, the server's decisions, properties.

mod bad_input;
mod decisions;
mod properties;
mod responses;
mod vectors;

use super::*;

const PASSWORD: &[u8] = b"the password of the server's side";
const ID: TransactionId = TransactionId(*b"transaction!");
const USERNAME: &str = "local:remote";

/// A check that the server accepts, before its MESSAGE-INTEGRITY.
fn check() -> MessageBuilder {
    binding_request(ID, USERNAME, 0x6E00_01FF, 7)
}

/// Ends a message as an agent does.
fn sealed(message: MessageBuilder) -> Vec<u8> {
    message.message_integrity(PASSWORD).fingerprint()
}

fn parsed(packet: &[u8]) -> Message<'_> {
    Message::parse(packet).unwrap_or_else(|error| panic!("{error}: {packet:02x?}"))
}

/// Sets the length field to what really follows the header, after a test appended bytes.
fn with_length_fixed(mut packet: Vec<u8>) -> Vec<u8> {
    let length = u16::try_from(packet.len() - HEADER_BYTES).expect("a small packet");
    packet[2..4].copy_from_slice(&length.to_be_bytes());
    packet
}
