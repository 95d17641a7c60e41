//! What the server answers, read back.

use std::net::SocketAddr;

use super::*;
use crate::wire::stun::check::{IgnoreReason, Judgement, judge};

/// The types of a message's attributes in order, read by hand.
fn attribute_types(packet: &[u8]) -> Vec<u16> {
    let mut types = Vec::new();
    let mut rest = &packet[HEADER_BYTES..];
    while !rest.is_empty() {
        types.push(u16::from_be_bytes([rest[0], rest[1]]));
        let length = usize::from(u16::from_be_bytes([rest[2], rest[3]]));
        rest = &rest[4 + length.div_ceil(4) * 4..];
    }
    types
}

fn address(text: &str) -> SocketAddr {
    text.parse().expect("an address")
}

#[test]
fn stn_09_a_success_response_holds_address_integrity_and_fingerprint_only() {
    for mapped in ["192.0.2.1:1", "255.255.255.255:65535", "0.0.0.0:0", "[::1]:9", "[fe80::7]:443"]
    {
        let packet = success_response(ID, address(mapped), PASSWORD);
        assert_eq!(attribute_types(&packet), [0x0020, 0x0008, 0x8028], "{mapped}");
        let message = parsed(&packet);
        assert_eq!((message.class, message.method), (Class::SuccessResponse, Method::Binding));
        assert_eq!(message.transaction, ID);
        assert_eq!(message.xor_mapped_address, Some(address(mapped)));
        assert!(message.fingerprint && message.verify_integrity(PASSWORD));
        assert!(!message.verify_integrity(b"another"));
    }
}

#[test]
fn stn_09_an_ipv6_address_is_hidden_by_the_transaction_id() {
    let one = success_response(ID, address("[2001:db8::1]:9"), PASSWORD);
    let mut other = one.clone();
    other[8] ^= 0xFF;
    other.truncate(HEADER_BYTES + 24); // without the checksums
    let other = with_length_fixed(other);
    let seen = parsed(&other).xor_mapped_address;
    assert_eq!(seen, Some(address("[2001:db8:ff00::1]:9")));
}

#[test]
fn stn_11_errors_to_an_authenticated_request_are_authenticated() {
    for code in [ErrorCode::RoleConflict, ErrorCode::UnknownAttribute, ErrorCode::BadRequest] {
        let packet = error_response(ID, code, &[], Some(PASSWORD));
        assert_eq!(attribute_types(&packet), [0x0009, 0x0008, 0x8028]);
        let message = parsed(&packet);
        assert_eq!((message.class, message.method), (Class::ErrorResponse, Method::Binding));
        assert_eq!(message.error_code, Some(code.code()));
        assert_eq!(message.transaction, ID);
        assert!(message.fingerprint && message.verify_integrity(PASSWORD));
    }
}

#[test]
fn stn_12_a_420_lists_what_was_unknown() {
    let unknown = [0x7F01, 0x7F02, 0x7F03];
    let packet = error_response(ID, ErrorCode::UnknownAttribute, &unknown, Some(PASSWORD));
    assert_eq!(attribute_types(&packet), [0x0009, 0x000A, 0x0008, 0x8028]);
    let message = parsed(&packet);
    assert_eq!(message.error_code, Some(420));
    assert_eq!(
        message.unknown_attributes.as_ref().map(AttributeList::as_slice),
        Some(&unknown[..])
    );
    let [most, more] = [UNKNOWN_ATTRIBUTES_MAX, UNKNOWN_ATTRIBUTES_MAX + 2]
        .map(|count| error_response(ID, ErrorCode::UnknownAttribute, &vec![0x7F01; count], None));
    assert_eq!(most, more);
}

#[test]
fn stn_06_errors_to_strangers_are_not_authenticated() {
    for (code, number) in [(ErrorCode::BadRequest, 400), (ErrorCode::Unauthenticated, 401)] {
        let packet = error_response(ID, code, &[], None);
        assert_eq!(attribute_types(&packet), [0x0009, 0x8028]);
        assert_eq!(parsed(&packet).error_code, Some(number));
        assert!(parsed(&packet).fingerprint && parsed(&packet).message_integrity.is_none());
    }
}

/// Whoever forges the source of a request gains little: an answer has at most half as many bytes
/// again.
#[test]
fn res_08_an_unauthenticated_error_is_not_much_longer_than_its_request() {
    let request = || MessageBuilder::new(Class::Request, Method::Binding, ID);
    let padded = |bytes: usize| request().attribute(0x8000, &vec![0; bytes - 24]).build();
    let bare = request().build();
    let named = request().username("a:").message_integrity(b"").build();
    let mut refused = 0;
    for packet in [bare, named].into_iter().chain((24..100).step_by(4).map(padded)) {
        match judge(&parsed(&packet), b"password") {
            Judgement::Refuse { code, unknown, .. } => {
                let reply = error_response(ID, code, &unknown, None);
                assert!(2 * reply.len() <= 3 * packet.len(), "{code:?} to {}", packet.len());
                refused += 1;
            }
            Judgement::Ignore(reason) => assert_eq!(reason, IgnoreReason::TooShort),
            Judgement::Check { .. } => panic!("nothing was proved"),
        }
    }
    assert_eq!(refused, 1 + 17, "from 32 bytes on");
}

/// Every method in every class, against the bit positions of RFC 8489 figure 3 written out one by
/// one.
#[test]
fn stn_01_method_and_class_stand_where_the_rfc_puts_them() {
    let classes = [
        (Class::Request, 0b00),
        (Class::Indication, 0b01),
        (Class::SuccessResponse, 0b10),
        (Class::ErrorResponse, 0b11),
    ];
    let method_positions = [0, 1, 2, 3, 5, 6, 7, 9, 10, 11, 12, 13];
    for (class, class_bits) in classes {
        for code in 0..=0xFFF_u16 {
            let mut expected = (class_bits & 1) << 4 | (class_bits >> 1) << 8;
            for (bit, position) in method_positions.into_iter().enumerate() {
                expected |= (code >> bit & 1) << position;
            }
            let method = if code == 1 { Method::Binding } else { Method::Other(code) };
            let packet = MessageBuilder::new(class, method, ID).build();
            assert_eq!(u16::from_be_bytes([packet[0], packet[1]]), expected);
            assert_eq!(class_and_method(expected), (class, method));
            // Methods of more than eight bits do not get past the first byte.
            if code <= 0xFF {
                let message = parsed(&packet);
                assert_eq!((message.class, message.method), (class, method));
            }
        }
    }
}

#[test]
fn error_reasons_have_no_surprises() {
    assert_eq!(ErrorCode::UnknownAttribute.reason(), "Unknown Attribute");
    assert_eq!(ErrorCode::Unauthenticated.code(), 401);
    assert_eq!(format!("{ID:?}"), "TransactionId(7472616e73616374696f6e21)");
}

#[test]
#[should_panic(expected = "at most 65535 bytes")]
fn a_message_longer_than_its_length_field_is_not_written() {
    let _ = check().attribute(0x8022, &[0; 65535]);
}
