//! What the server does about well-formed messages.

use super::*;
use crate::wire::stun::check::{IgnoreReason, Judgement, judge};

fn judgement_of(packet: &[u8]) -> Judgement {
    judge(&parsed(packet), PASSWORD)
}

fn refusal(code: ErrorCode, authenticated: bool) -> Judgement {
    Judgement::Refuse { code, authenticated, unknown: Vec::new() }
}

fn request() -> MessageBuilder {
    MessageBuilder::new(Class::Request, Method::Binding, ID)
}

#[test]
fn stn_20_a_valid_check_is_a_check() {
    let accepted = Judgement::Check { use_candidate: false, nomination: None };
    assert_eq!(judgement_of(&sealed(check())), accepted);
    // Neither role attribute is missed: mediasoup takes such requests, and the role is clear.
    assert_eq!(judgement_of(&sealed(request().username(USERNAME).priority(1))), accepted);
}

#[test]
fn stn_21_use_candidate_is_passed_on() {
    let nominated = Judgement::Check { use_candidate: true, nomination: None };
    assert_eq!(judgement_of(&sealed(check().use_candidate())), nominated);
}

#[test]
fn stn_22_nomination_is_passed_on_under_both_numbers() {
    for value in [0, 1, u32::MAX] {
        let expected = Judgement::Check { use_candidate: false, nomination: Some(value) };
        assert_eq!(judgement_of(&sealed(check().nomination(value))), expected);
        assert_eq!(judgement_of(&sealed(check().nomination_legacy(value))), expected);
    }
}

#[test]
fn stn_06_a_request_without_username_or_integrity_is_bad_and_unauthenticated() {
    let without_username = sealed(request().priority(1));
    let without_integrity = check().fingerprint();
    let without_both = request().software("none").fingerprint();
    let sha256_only = check().attribute(0x001C, &[0x5A; 32]).fingerprint();
    for packet in [without_username, without_integrity, without_both, sha256_only] {
        assert_eq!(judgement_of(&packet), refusal(ErrorCode::BadRequest, false));
    }
}

#[test]
fn stn_08_a_wrong_integrity_is_refused_unauthenticated() {
    let wrong_password = check().message_integrity(b"another").fingerprint();
    assert_eq!(judgement_of(&wrong_password), refusal(ErrorCode::Unauthenticated, false));
    for bit in 0..160 {
        let good = check().message_integrity(PASSWORD).build();
        let mut mac: [u8; 20] = good[good.len() - 20..].try_into().expect("20 bytes");
        mac[bit / 8] ^= 1 << (bit % 8);
        let packet = check().attribute(0x0008, &mac).fingerprint();
        assert_eq!(judgement_of(&packet), refusal(ErrorCode::Unauthenticated, false), "bit {bit}");
    }
}

#[test]
fn stn_12_an_unknown_required_attribute_is_refused_authenticated() {
    let packet = sealed(check().attribute(0x7F01, b"what").attribute(0x0002, &[]));
    let (code, unknown) = (ErrorCode::UnknownAttribute, vec![0x7F01, 0x0002]);
    let expected = Judgement::Refuse { code, authenticated: true, unknown };
    assert_eq!(judgement_of(&packet), expected);
}

#[test]
fn stn_12_many_unknown_attributes_are_listed_up_to_a_limit_and_once() {
    let message =
        (0..40).fold(check(), |message, number| message.attribute(0x7F00 + number / 2, &[]));
    let packet = sealed(message);
    let message = parsed(&packet);
    let expected: Vec<u16> = (0x7F00..0x7F08).collect();
    assert_eq!(message.unknown_required.as_slice(), expected);
}

#[test]
fn stn_12_known_and_optional_attributes_are_no_reason_to_refuse() {
    let accepted = Judgement::Check { use_candidate: false, nomination: None };
    let known = [0x0001, 0x0014, 0x0015, 0x001D, 0x001E];
    // 0xC057 is the network info that Chrome sends in every check.
    let optional = [0x8000, 0x8002, 0x8003, 0x8022, 0x8023, 0xC057, 0xFFFF];
    for attribute_type in known.into_iter().chain(optional) {
        let packet = sealed(check().attribute(attribute_type, &[1, 2, 3]));
        assert_eq!(judgement_of(&packet), accepted, "{attribute_type:#06x}");
    }
}

#[test]
fn stn_15_a_request_without_fingerprint_or_priority_is_bad() {
    let without_fingerprint = check().message_integrity(PASSWORD).build();
    let without_priority = sealed(request().username(USERNAME));
    for packet in [without_fingerprint, without_priority] {
        assert_eq!(judgement_of(&packet), refusal(ErrorCode::BadRequest, true));
    }
}

#[test]
fn stn_16_another_method_is_ignored() {
    for code in (0..=0xFF).filter(|code| *code != 0x001) {
        let message = MessageBuilder::new(Class::Request, Method::Other(code), ID);
        let packet = sealed(message.username(USERNAME).priority(1));
        assert_eq!(parsed(&packet).method, Method::Other(code));
        assert_eq!(judgement_of(&packet), Judgement::Ignore(IgnoreReason::NotBinding));
    }
}

#[test]
fn stn_17_responses_and_indications_are_ignored() {
    let rows = [
        (Class::Indication, IgnoreReason::Indication),
        (Class::SuccessResponse, IgnoreReason::Response),
        (Class::ErrorResponse, IgnoreReason::Response),
    ];
    for (class, reason) in rows {
        for method in [Method::Binding, Method::Other(0x006)] {
            // Whether genuine, forged or bare.
            let message = MessageBuilder::new(class, method, ID);
            let genuine = message.clone().username(USERNAME).priority(1);
            let forged = genuine.clone().message_integrity(b"another").fingerprint();
            for packet in [sealed(genuine), forged, message.build()] {
                assert_eq!(judgement_of(&packet), Judgement::Ignore(reason));
            }
        }
    }
}

#[test]
fn stn_19_a_controlled_peer_is_in_conflict_whatever_its_tie_breaker() {
    for tie_breaker in [0, 5, u64::MAX] {
        let packet = sealed(check().ice_controlled(tie_breaker));
        assert_eq!(judgement_of(&packet), refusal(ErrorCode::RoleConflict, true));
    }
}

/// A request with every fault at once gets the answer to the first; mending the faults one by one
/// gives the order.
#[test]
fn stn_08_the_faults_are_judged_in_the_order_of_the_rfc() {
    let all = || request().username(USERNAME).ice_controlled(1);
    let bad_integrity = all().attribute(0x7F01, &[]).message_integrity(b"another").build();
    assert_eq!(judgement_of(&bad_integrity), refusal(ErrorCode::Unauthenticated, false));
    let unknown = all().attribute(0x7F01, &[]).message_integrity(PASSWORD).build();
    let (code, types) = (ErrorCode::UnknownAttribute, vec![0x7F01]);
    let expected = Judgement::Refuse { code, authenticated: true, unknown: types };
    assert_eq!(judgement_of(&unknown), expected);
    let no_priority = sealed(all());
    assert_eq!(judgement_of(&no_priority), refusal(ErrorCode::BadRequest, true));
    let controlled = sealed(all().priority(1));
    assert_eq!(judgement_of(&controlled), refusal(ErrorCode::RoleConflict, true));
}

#[test]
fn res_06_a_parsed_message_owns_no_heap() {
    fn is_copy<T: Copy>(_: &T) {}
    let packet = sealed(check());
    is_copy(&parsed(&packet));
    // `Vec::new` does not allocate; only an authenticated 420 has a list.
    let Judgement::Refuse { unknown, .. } = judge(&parsed(&packet), b"another") else {
        panic!("a wrong password is refused")
    };
    assert_eq!(unknown.capacity(), 0);
}
