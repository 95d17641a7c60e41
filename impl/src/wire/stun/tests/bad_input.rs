//! Packets that are no STUN messages, or hold surprises: the rows F-01 to F-16 of the bad inputs.

use super::*;
use crate::wire::stun::check::{Judgement, judge};

fn error_of(packet: &[u8]) -> ParseError {
    Message::parse(packet).expect_err("no STUN message")
}

/// A message with these bytes as its attributes, well-formed or not.
fn with_attribute_bytes(bytes: &[u8]) -> Vec<u8> {
    let mut packet = MessageBuilder::new(Class::Request, Method::Binding, ID).build();
    packet.extend_from_slice(bytes);
    with_length_fixed(packet)
}

fn empty_request() -> MessageBuilder {
    MessageBuilder::new(Class::Request, Method::Binding, ID)
}

#[test]
fn stn_01_less_than_a_header_is_refused() {
    let packet = sealed(check());
    for length in 0..HEADER_BYTES {
        assert_eq!(error_of(&packet[..length]), ParseError::TooShort { length });
    }
    assert!(Message::parse(&empty_request().build()).is_ok());
}

#[test]
fn stn_01_the_first_byte_must_be_3_at_most() {
    for first in 0..=u8::MAX {
        let mut packet = empty_request().build();
        packet[0] = first;
        let result = Message::parse(&packet).map(|message| message.transaction);
        let expected = if first < 4 { Ok(ID) } else { Err(ParseError::FirstByte(first)) };
        assert_eq!(result, expected);
    }
}

#[test]
fn stn_16_a_packet_of_rfc_3489_without_cookie_is_refused() {
    for byte in 4..8 {
        let mut packet = sealed(check());
        packet[byte] ^= 0x01;
        assert_eq!(error_of(&packet), ParseError::MagicCookie);
    }
}

#[test]
fn stn_01_the_length_field_must_be_the_rest_of_the_packet() {
    let packet = sealed(check());
    let actual = packet.len() - HEADER_BYTES;
    for declared in (0..=u16::MAX).filter(|declared| usize::from(*declared) != actual) {
        let mut packet = packet.clone();
        packet[2..4].copy_from_slice(&declared.to_be_bytes());
        assert_eq!(error_of(&packet), ParseError::Length { declared, actual });
    }
    for cut in HEADER_BYTES..packet.len() {
        assert!(matches!(error_of(&packet[..cut]), ParseError::Length { .. }), "cut at {cut}");
    }
}

#[test]
fn stn_01_the_length_must_be_a_multiple_of_four() {
    for extra in 1..4 {
        let packet = with_attribute_bytes(&[0x80, 0x22, 0, 0, 0, 0, 0][..4 + extra]);
        let declared = 4 + extra as u16;
        assert_eq!(error_of(&packet), ParseError::Length { declared, actual: 4 + extra });
    }
}

#[test]
fn stn_02_an_attribute_past_the_end_is_refused() {
    let rows: [&[u8]; 5] = [
        &[0x80, 0x22, 0, 1],             // one byte announced, none there
        &[0x80, 0x22, 0xFF, 0xFF],       // far past the end
        &[0x80, 0x22, 0, 5, 1, 2, 3, 4], // the fifth byte is missing
        &[0x80, 0x22, 0, 8, 1, 2, 3, 4], // the second word is missing
        &[0x7F, 0x01, 0, 5, 1, 2, 3, 4], // unknown types are checked as well
    ];
    for row in rows {
        let packet = with_attribute_bytes(row);
        assert_eq!(error_of(&packet), ParseError::AttributeOverrun { offset: 20 }, "{row:02x?}");
    }
}

#[test]
fn stn_02_attributes_that_do_not_count_must_end_in_time_too() {
    let after_integrity = check().message_integrity(PASSWORD).build();
    let twice = check().build();
    for start in [after_integrity, twice] {
        let offset = start.len();
        let packet = with_length_fixed([start, vec![0, 6, 0, 99, 1, 2, 3, 4]].concat());
        assert_eq!(error_of(&packet), ParseError::AttributeOverrun { offset });
    }
}

#[test]
fn stn_02_padding_may_be_anything() {
    let packet = with_attribute_bytes(&[0, 6, 0, 5, b'a', b':', b'b', b'c', b'd', 0xFF, 0, 0x7F]);
    assert_eq!(parsed(&packet).username, Some("a:bcd"));
}

#[test]
fn stn_02_values_of_the_wrong_size_are_refused() {
    let rows: [(u16, &[usize]); 11] = [
        (0x0008, &[0, 4, 19, 21, 32]), // MESSAGE-INTEGRITY
        (0x0009, &[0, 3]),             // ERROR-CODE
        (0x000A, &[1, 3]),             // UNKNOWN-ATTRIBUTES
        (0x0020, &[0, 3, 4, 7, 9]),    // XOR-MAPPED-ADDRESS
        (0x0024, &[0, 3, 5, 8]),       // PRIORITY
        (0x0025, &[1, 4]),             // USE-CANDIDATE
        (0x0030, &[0, 3, 8]),          // NOMINATION
        (0xC001, &[0, 3, 8]),          // NOMINATION, legacy
        (0x8028, &[0, 3, 5, 8]),       // FINGERPRINT
        (0x8029, &[0, 4, 7, 9]),       // ICE-CONTROLLED
        (0x802A, &[0, 4, 7, 9]),       // ICE-CONTROLLING
    ];
    for (attribute_type, lengths) in rows {
        for length in lengths {
            let packet = empty_request().attribute(attribute_type, &vec![1; *length]).build();
            let expected = ParseError::AttributeValue { attribute_type };
            assert_eq!(error_of(&packet), expected, "{length} bytes");
        }
    }
}

#[test]
fn stn_02_values_of_the_wrong_form_are_refused() {
    let rows: [(u16, &[u8]); 6] = [
        (0x0006, &[b'a', b':', 0xFF]),       // USERNAME that is not UTF-8
        (0x0009, &[0, 0, 4, 100]),           // ERROR-CODE 4 hundreds and 100
        (0x0020, &[0, 0, 1, 1, 1, 1, 1, 1]), // family 0
        (0x0020, &[0, 2, 1, 1, 1, 1, 1, 1]), // IPv6 of four bytes
        (0x0020, &[&[0, 1, 1, 1], &[1; 16][..]].concat()), // IPv4 of sixteen bytes
        (0x0006, &[b'a'; USERNAME_BYTES_MAX + 1]),
    ];
    for (attribute_type, value) in rows {
        let packet = empty_request().attribute(attribute_type, value).build();
        let expected = ParseError::AttributeValue { attribute_type };
        assert_eq!(error_of(&packet), expected, "{value:02x?}");
    }
}

/// F-10. What is looked up is never a prefix of what was sent.
#[test]
fn stn_07_the_ufrag_is_what_precedes_the_first_colon_exactly() {
    let longest = format!("local:{}", "r".repeat(USERNAME_BYTES_MAX - 6));
    let rows = [
        ("local:remote", Some("local")),
        ("local:", Some("local")),
        ("a:b:c", Some("a")),
        ("loc:remote", Some("loc")),
        ("local\0:remote", Some("local\0")),
        (" local :remote", Some(" local ")),
        (longest.as_str(), Some("local")),
        (":remote", Some("")),
        (":", Some("")),
        ("local", Some("")),
        ("", Some("")),
    ];
    for (username, ufrag) in rows {
        let packet = empty_request().username(username).build();
        assert_eq!(parsed(&packet).local_ufrag(), ufrag, "{username:?}");
    }
    assert_eq!(parsed(&empty_request().build()).local_ufrag(), None);
}

#[test]
fn stn_03_the_first_of_two_counts() {
    let first: std::net::SocketAddr = "192.0.2.7:1".parse().expect("an address");
    let second = "192.0.2.8:2".parse().expect("an address");
    let packet = check()
        .use_candidate()
        .use_candidate()
        .ice_controlled(1)
        .ice_controlled(2)
        .nomination(3)
        .nomination_legacy(4)
        .software("first")
        .software("second")
        .error_code(ErrorCode::RoleConflict)
        .error_code(ErrorCode::BadRequest)
        .unknown_attributes(&[0x7F01])
        .unknown_attributes(&[0x7F02])
        .xor_mapped_address(first)
        .xor_mapped_address(second)
        .username("another:remote")
        .priority(1)
        .ice_controlling(8);
    let packet = sealed(packet);
    let message = parsed(&packet);
    assert_eq!(message.username, Some(USERNAME));
    assert_eq!((message.priority, message.nomination), (Some(0x6E00_01FF), Some(3)));
    assert_eq!((message.ice_controlled, message.ice_controlling), (Some(1), Some(7)));
    assert_eq!(message.software, Some(&b"first"[..]));
    assert_eq!((message.error_code, message.xor_mapped_address), (Some(487), Some(first)));
    assert_eq!(
        message.unknown_attributes.as_ref().map(AttributeList::as_slice),
        Some(&[0x7F01][..])
    );
    assert!(message.use_candidate && message.verify_integrity(PASSWORD));
}

#[test]
fn stn_03_a_second_one_may_hold_anything() {
    for attribute_type in [0x0006, 0x0024, 0x0025, 0x802A] {
        let message = check().use_candidate().attribute(attribute_type, &[0xFF; 600]);
        let packet = sealed(message);
        assert!(matches!(judge(&parsed(&packet), PASSWORD), Judgement::Check { .. }));
    }
}

#[test]
fn stn_03_the_first_of_two_integrities_counts() {
    let right_first = check().message_integrity(PASSWORD).message_integrity(b"wrong").fingerprint();
    assert!(parsed(&right_first).verify_integrity(PASSWORD));
    let wrong_first = check().message_integrity(b"wrong").message_integrity(PASSWORD).fingerprint();
    assert!(!parsed(&wrong_first).verify_integrity(PASSWORD));
}

#[test]
fn stn_04_fingerprint_must_be_last_and_right() {
    let end = sealed(check());
    assert!(parsed(&end).fingerprint);

    let mut wrong = end.clone();
    *wrong.last_mut().expect("not empty") ^= 1;
    assert_eq!(error_of(&wrong), ParseError::Fingerprint);

    // The CRC of the message as it was sent would be right; of what follows it, nothing is.
    for (attribute_type, value) in [(0x8022, &b"more"[..]), (0x8028, &end[end.len() - 4..])] {
        let total = end.len() - HEADER_BYTES + 8;
        let start = check().message_integrity(PASSWORD).build();
        let mut packet = start;
        packet[2..4].copy_from_slice(&(total as u16).to_be_bytes());
        let crc = crc32fast::hash(&packet) ^ 0x5354_554E;
        packet.extend_from_slice(&[0x80, 0x28, 0, 4]);
        packet.extend_from_slice(&crc.to_be_bytes());
        packet.extend_from_slice(&u16::to_be_bytes(attribute_type));
        packet.extend_from_slice(&[0, 4]);
        packet.extend_from_slice(value);
        assert_eq!(error_of(&packet), ParseError::AfterFingerprint { attribute_type });
    }
}

#[test]
fn stn_13_what_follows_the_integrity_is_ignored() {
    let packet = check()
        .message_integrity(PASSWORD)
        .attribute(0x001C, &[0x5A; 32])
        .use_candidate()
        .nomination(9)
        .ice_controlled(1)
        .software("late")
        .attribute(0x7F01, &[])
        .attribute(0x0024, &[])
        .fingerprint();
    let message = parsed(&packet);
    assert!(message.message_integrity_sha256 && message.fingerprint);
    assert!(!message.use_candidate && message.unknown_required.is_empty());
    assert_eq!((message.nomination, message.ice_controlled, message.software), (None, None, None));
    let accepted = Judgement::Check { use_candidate: false, nomination: None };
    assert_eq!(judge(&message, PASSWORD), accepted);
}

#[test]
fn stn_13_a_username_behind_the_integrity_is_none() {
    let packet =
        empty_request().priority(1).message_integrity(PASSWORD).username(USERNAME).fingerprint();
    assert_eq!((parsed(&packet).username, parsed(&packet).local_ufrag()), (None, None));
}

#[test]
fn stn_13_nothing_counts_behind_integrity_sha256_either() {
    let message = check().attribute(0x001C, &[0x5A; 32]).use_candidate();
    let packet = sealed(message);
    let message = parsed(&packet);
    assert!(!message.use_candidate && message.message_integrity.is_none() && message.fingerprint);
}
