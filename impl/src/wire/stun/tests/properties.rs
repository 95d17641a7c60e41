//! Properties over many messages.

use std::net::SocketAddr;

use quickcheck::{Arbitrary, Gen, TestResult, quickcheck};

use super::*;
use crate::wire::stun::check::{Judgement, judge};

/// Some request, with every attribute present or not.
#[derive(Clone, Debug)]
struct Request {
    id: [u8; 12],
    username: Option<String>,
    priority: Option<u32>,
    use_candidate: bool,
    ice_controlled: Option<u64>,
    ice_controlling: Option<u64>,
    nomination: Option<(bool, u32)>,
    software: Option<String>,
    mapped: Option<SocketAddr>,
    unknown: Option<u16>,
}

impl Arbitrary for Request {
    fn arbitrary(generator: &mut Gen) -> Self {
        let text = |generator: &mut Gen| {
            Option::<String>::arbitrary(generator)
                .map(|text| text.chars().take(USERNAME_BYTES_MAX / 4).collect())
        };
        Self {
            id: std::array::from_fn(|_| u8::arbitrary(generator)),
            username: text(generator),
            priority: Option::arbitrary(generator),
            use_candidate: bool::arbitrary(generator),
            ice_controlled: Option::arbitrary(generator),
            ice_controlling: Option::arbitrary(generator),
            nomination: Option::arbitrary(generator),
            software: text(generator),
            mapped: address(Option::arbitrary(generator)),
            unknown: Option::<u16>::arbitrary(generator).map(|number| 0x7000 | number & 0xFFF),
        }
    }
}

/// Without flow label and scope, which no STUN attribute carries.
fn address(any: Option<SocketAddr>) -> Option<SocketAddr> {
    any.map(|any| SocketAddr::new(any.ip(), any.port()))
}

impl Request {
    fn builder(&self) -> MessageBuilder {
        let add_if = |message, wanted: bool, add: &dyn Fn(MessageBuilder) -> MessageBuilder| {
            if wanted { add(message) } else { message }
        };
        let mut message =
            MessageBuilder::new(Class::Request, Method::Binding, TransactionId(self.id));
        if let Some(software) = &self.software {
            message = message.software(software);
        }
        if let Some(username) = &self.username {
            message = message.username(username);
        }
        if let Some(priority) = self.priority {
            message = message.priority(priority);
        }
        message = add_if(message, self.use_candidate, &MessageBuilder::use_candidate);
        if let Some(tie_breaker) = self.ice_controlled {
            message = message.ice_controlled(tie_breaker);
        }
        if let Some(tie_breaker) = self.ice_controlling {
            message = message.ice_controlling(tie_breaker);
        }
        message = match self.nomination {
            Some((true, nomination)) => message.nomination(nomination),
            Some((false, nomination)) => message.nomination_legacy(nomination),
            None => message,
        };
        if let Some(mapped) = self.mapped {
            message = message.xor_mapped_address(mapped);
        }
        if let Some(unknown) = self.unknown {
            message = message.attribute(unknown, b"?");
        }
        message
    }
}

quickcheck! {
    fn stn_02_what_is_written_is_read_back(request: Request, password: Vec<u8>) -> bool {
        let packet = request.builder().message_integrity(&password).fingerprint();
        let message = parsed(&packet);
        message.class == Class::Request
            && message.method == Method::Binding
            && message.transaction.0 == request.id
            && message.username == request.username.as_deref()
            && message.priority == request.priority
            && message.use_candidate == request.use_candidate
            && message.ice_controlled == request.ice_controlled
            && message.ice_controlling == request.ice_controlling
            && message.nomination == request.nomination.map(|(_, value)| value)
            && message.software == request.software.as_deref().map(str::as_bytes)
            && message.xor_mapped_address == request.mapped
            && message.unknown_required.as_slice() == request.unknown.as_slice()
            && message.fingerprint
            && message.verify_integrity(&password)
    }

    fn stn_05_another_password_never_verifies(
        request: Request, password: Vec<u8>, other: Vec<u8>
    ) -> TestResult {
        // HMAC fills short keys up with zeros, so keys that differ only there are the same key.
        let key = |bytes: &[u8]| {
            bytes.iter().rposition(|byte| *byte != 0).map(|last| bytes[..=last].to_vec())
        };
        if key(&password) == key(&other) {
            return TestResult::discard();
        }
        let packet = request.builder().message_integrity(&password).fingerprint();
        TestResult::from_bool(!parsed(&packet).verify_integrity(&other))
    }

    fn stn_05_changed_bytes_never_verify(request: Request, at: usize, change: u8) -> bool {
        // Without FINGERPRINT, so that nothing but the integrity protects the message.
        let mut packet = request.builder().message_integrity(PASSWORD).build();
        let at = at % packet.len();
        packet[at] ^= change.max(1);
        !Message::parse(&packet).is_ok_and(|message| message.verify_integrity(PASSWORD))
    }

    fn stn_05_what_follows_integrity_does_not_break_it(request: Request, tail: Vec<u8>) -> bool {
        let message = request.builder().message_integrity(PASSWORD);
        let packet = message.attribute(0x8022, &tail).fingerprint();
        parsed(&packet).verify_integrity(PASSWORD)
    }

    fn res_19_no_bytes_make_the_parser_panic(header: [u8; 4], rest: Vec<u8>) -> bool {
        let _ = Message::parse(&rest);
        // Random bytes behind a header that is right, so that they are read as attributes.
        let mut packet = vec![header[0] & 3, header[1], 0, 0, 0x21, 0x12, 0xA4, 0x42];
        packet.extend([0; 12]);
        packet.extend(&rest[..rest.len() / 4 * 4]);
        check_anything(&with_length_fixed(packet))
    }

    fn res_19_no_list_of_attributes_makes_the_parser_panic(
        attributes: Vec<(usize, u8, Vec<u8>)>
    ) -> bool {
        let types = [
            0x0001, 0x0006, 0x0008, 0x0009, 0x000A, 0x001C, 0x0020, 0x0024, 0x0025, 0x0030, 0x7F01,
            0x8022, 0x8029, 0x802A, 0xC001,
        ];
        let empty = MessageBuilder::new(Class::Request, Method::Binding, ID);
        let message = attributes.iter().fold(empty, |message, (choice, length, value)| {
            // Mostly short values, whose length is right now and then.
            let length = value.len().min(usize::from(length % 24));
            message.attribute(types[choice % types.len()], &value[..length])
        });
        check_anything(&message.clone().build()) && check_anything(&sealed(message))
    }

    fn res_19_no_damage_makes_the_parser_panic(
        request: Request, damage: Vec<(usize, u8)>, length: usize
    ) -> bool {
        let mut packet = sealed(request.builder());
        for (at, byte) in damage {
            let at = at % packet.len();
            packet[at] = byte;
        }
        packet.truncate(HEADER_BYTES + length % packet.len());
        check_anything(&packet) && check_anything(&with_length_fixed(packet))
    }
}

/// Runs everything that looks at a packet. True unless a check is granted that no password was
/// proved for.
fn check_anything(packet: &[u8]) -> bool {
    let Ok(message) = Message::parse(packet) else {
        return true;
    };
    let granted =
        matches!(judge(&message, b"a password that no test uses"), Judgement::Check { .. });
    let _ = (message.local_ufrag(), judge(&message, PASSWORD));
    !granted
}
