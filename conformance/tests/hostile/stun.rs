//! Requests that are not what they should be.

use crate::support::{BOTH, FIRST, Fixture, PATIENCE};
use webrtc_server::control::dump::TransportDump;
use webrtc_server::wire::stun::{Class, MessageBuilder, Method, TransactionId};
use webrtc_server_conformance::peer::{
    CheckOptions, Path, Peer, Protocol, StunObserved, UdpPath, Via,
};

/// Sends a packet and waits for the answer to its transaction.
fn ask(peer: &mut Peer, id: TransactionId, packet: &[u8]) -> StunObserved {
    peer.send_packet(FIRST, packet).expect("it leaves");
    peer.await_until("an answer", PATIENCE, |peer| peer.observed().answer_to(id).is_some())
        .expect("it is answered");
    assert_eq!(peer.observed().answers_to(id), 1, "once");
    peer.observed().answer_to(id).expect("seen").clone()
}

fn ask_with(
    peer: &mut Peer,
    options: &CheckOptions,
    tweak: impl FnOnce(MessageBuilder) -> MessageBuilder,
) -> StunObserved {
    let id = peer.next_transaction();
    let packet = peer.check_request(id, options, tweak);
    ask(peer, id, &packet)
}

/// What an answer says: its error, whether it is authenticated, what it calls unknown.
fn gist(answer: &StunObserved) -> (Option<u16>, bool, &[u16]) {
    assert!(answer.fingerprint, "every response has one");
    assert_eq!(answer.class, Class::ErrorResponse);
    (answer.error_code, answer.authentic, &answer.unknown_attributes)
}

fn username(peer: &Peer) -> String {
    format!("{}:{}", peer.credentials().ufrag, peer.ufrag())
}

/// A transport, and a peer that has proven nothing yet or everything: `connected`.
fn each(connected: bool, mut story: impl FnMut(&Fixture, &mut Peer, &dyn Fn() -> TransportDump)) {
    for protocol in BOTH {
        let fixture = Fixture::new();
        let member = fixture.member();
        let mut peer = match connected {
            true => member.connected(&fixture.server, protocol),
            false => member.peer(&fixture.server, protocol),
        };
        let tuples = || fixture.server.dump().expect("an open server").tuples;
        let before = (member.dump(), tuples());
        member.forget();
        story(&fixture, &mut peer, &|| member.dump());
        assert_eq!((member.dump(), tuples()), before, "nothing has changed over {protocol:?}");
        assert_eq!(member.heard(), [""; 0], "and nothing was announced");
        fixture.end();
    }
}

#[test]
fn stn_06_without_username_or_integrity_it_is_a_bad_request() {
    each(true, |_, peer, _| {
        let start = |id| MessageBuilder::new(Class::Request, Method::Binding, id).priority(1);
        let (name, password) = (username(peer), peer.credentials().password.clone());
        let id = peer.next_transaction();
        let nameless = start(id).message_integrity(password.as_bytes()).fingerprint();
        assert_eq!(gist(&ask(peer, id, &nameless)), (Some(400), false, &[][..]));
        let id = peer.next_transaction();
        let unproven = start(id).username(&name).fingerprint();
        assert_eq!(gist(&ask(peer, id, &unproven)), (Some(400), false, &[][..]));
    });
}

#[test]
fn stn_07_a_username_of_nobody_is_met_with_silence() {
    each(false, |fixture, peer, _| {
        let of = |name: &str| CheckOptions {
            username: Some(name.to_owned()),
            nominate: true,
            ..CheckOptions::default()
        };
        let ufrag = peer.credentials().ufrag.clone();
        let names = [
            "nobody:me".to_owned(),
            ":".to_owned(),
            String::new(),
            format!("{}:me", &ufrag[..31]),
            format!("{ufrag}x:me"),
            format!("{}:me", ufrag.to_ascii_lowercase() + "\0"),
            "x".repeat(513),
        ];
        let before = fixture.stats();
        for name in &names {
            let id = peer.next_transaction();
            let packet = peer.check_request(id, &of(name), |request| request);
            peer.send_packet(FIRST, &packet).expect("it leaves");
        }
        let count = names.len() as u64;
        fixture
            .await_stats("all are unknown", |now| now.stun_unknown == before.stun_unknown + count);
        assert_eq!(fixture.stats().datagrams_sent, before.datagrams_sent);
        peer.collect().expect("a socket");
        assert!(peer.observed().stun.is_empty(), "no answer");
    });
}

#[test]
fn stn_08_a_wrong_password_gets_401_and_changes_nothing() {
    for connected in [false, true] {
        each(connected, |_, peer, _| {
            let wrong = CheckOptions {
                password: Some("wrong".to_owned()),
                nominate: true,
                ..CheckOptions::default()
            };
            let answer = ask_with(peer, &wrong, |request| request);
            assert_eq!(gist(&answer), (Some(401), false, &[][..]));
            let id = peer.next_transaction();
            let mut flipped = peer.check_request(id, &CheckOptions::default(), |request| request);
            let mac = flipped.len() - 8 - 20;
            flipped[mac] ^= 1;
            // With the fingerprint as it was, it is malformed instead; so it goes without.
            flipped.truncate(flipped.len() - 8);
            let length = u16::try_from(flipped.len() - 20).expect("short");
            flipped[2..4].copy_from_slice(&length.to_be_bytes());
            assert_eq!(gist(&ask(peer, id, &flipped)), (Some(401), false, &[][..]));
        });
    }
}

#[test]
fn stn_01_bad_lengths_cookies_and_attributes_are_dropped_without_a_word() {
    let fixture = Fixture::new();
    let member = fixture.member();
    let mut peer = member.peer(&fixture.server, Protocol::Udp);
    let id = peer.next_transaction();
    let good = peer.check_request(id, &CheckOptions::default(), |request| request);
    let mut bad: Vec<Vec<u8>> = (1..20).map(|length| good[..length].to_vec()).collect();
    let mut change = |at: usize, value: u8| {
        let mut packet = good.clone();
        packet[at] = value;
        bad.push(packet);
    };
    for (at, value) in [(2, 0xFF), (3, 0), (3, good[3] + 1), (3, good[3] + 4), (4, 0), (22, 0xFF)] {
        change(at, value);
    }
    // The fingerprint tells, unless it is no longer called one: that is stn_15.
    for at in (20..good.len() - 8).chain(good.len() - 6..good.len()) {
        change(at, good[at] ^ 0x55);
    }
    bad.push([&good[..], &[0; 4]].concat());
    bad.push(good[..good.len() - 4].to_vec());
    let before = fixture.stats().stun_malformed;
    for packet in &bad {
        peer.send_packet(FIRST, packet).expect("it leaves");
    }
    fixture.udp_barrier();
    assert_eq!(fixture.stats().stun_malformed, before + bad.len() as u64);
    peer.collect().expect("a socket");
    assert!(peer.observed().stun.is_empty(), "no answer");
    assert!(member.dump().tuples.is_empty());
    assert_eq!(ask(&mut peer, id, &good).error_code, None, "the same, unharmed, is granted");
    fixture.end();
}

#[test]
fn stn_10_the_answer_leaves_by_the_socket_that_was_asked() {
    use webrtc_server::{ListenInfo, WebRtcServerOptions};
    let udp = || ListenInfo::new(webrtc_server::Protocol::Udp, [127, 0, 0, 1].into());
    let fixture = Fixture::with_options(WebRtcServerOptions {
        listen_infos: vec![udp(), udp()],
        ..WebRtcServerOptions::default()
    });
    let member = fixture.member();
    let mut peer = member.peer(&fixture.server, Protocol::Udp);
    let second = fixture.server.listen_infos()[1].port;
    let second = UdpPath::open(([127, 0, 0, 1], second).into()).expect("a free port");
    let second = peer.add_path(Path::Udp(second));
    for via in [FIRST, second, FIRST, second] {
        let own = peer.path(via).expect("a path").local_addr();
        let id = peer.check(via, true).expect("it leaves");
        peer.await_until("an answer", PATIENCE, |peer| peer.observed().answer_to(id).is_some())
            .expect("it is answered");
        let answer = peer.observed().answer_to(id).expect("seen");
        assert_eq!((answer.via, answer.mapped), (via, Some(own)));
        assert_eq!(peer.udp(via).expect("a path").strangers(), 0, "from where it was sent to");
        let port = peer.udp(via).expect("a path").server_addr().port();
        let selected = member.dump().ice_selected_tuple.expect("nominated");
        assert_eq!(selected.local_port, port);
    }
    fixture.end();
}

#[test]
fn stn_11_who_proved_the_password_gets_errors_that_prove_it_too() {
    each(true, |_, peer, _| {
        let answer = ask_with(peer, &CheckOptions::default(), |request| request.ice_controlled(5));
        assert_eq!(gist(&answer), (Some(487), true, &[][..]));
        let unknown =
            ask_with(peer, &CheckOptions::default(), |request| request.attribute(0x7F01, b"??"));
        assert_eq!(gist(&unknown), (Some(420), true, &[0x7F01][..]));
    });
}

#[test]
fn stn_12_only_unknown_attributes_that_must_be_understood_are_refused() {
    each(false, |_, peer, dump| {
        let nominate = CheckOptions { nominate: true, ..CheckOptions::default() };
        let answer = ask_with(peer, &nominate, |request| {
            request.attribute(0x7F01, &[]).attribute(0x7F02, b"abc")
        });
        assert_eq!(gist(&answer), (Some(420), true, &[0x7F01, 0x7F02][..]));
        assert!(dump().tuples.is_empty());
    });
    let fixture = Fixture::new();
    let member = fixture.member();
    let mut peer = member.peer(&fixture.server, Protocol::Udp);
    let network = ask_with(&mut peer, &CheckOptions::default(), |request| {
        request.attribute(0xC057, &[0, 1, 0, 10])
    });
    assert!(network.is_success(), "the optional range is passed over");
    fixture.end();
}

#[test]
fn stn_15_fingerprint_and_priority_must_be_there() {
    each(false, |_, peer, _| {
        let (name, password) = (username(peer), peer.credentials().password.clone());
        let start = |id| MessageBuilder::new(Class::Request, Method::Binding, id).username(&name);
        let id = peer.next_transaction();
        let bare = start(id).priority(1).message_integrity(password.as_bytes()).build();
        assert_eq!(gist(&ask(peer, id, &bare)), (Some(400), true, &[][..]));
        let id = peer.next_transaction();
        let bare = start(id).message_integrity(password.as_bytes()).fingerprint();
        assert_eq!(gist(&ask(peer, id, &bare)), (Some(400), true, &[][..]));
    });
}

/// Every class and method but the Binding request, with the right credentials.
fn other_messages(peer: &mut Peer) -> Vec<Vec<u8>> {
    let (name, password) = (username(peer), peer.credentials().password.clone());
    let kinds = [
        (Class::Request, Method::Other(0x003)), // Allocate
        (Class::Request, Method::Other(0x07F)),
        (Class::Indication, Method::Other(0x006)), // Send
        (Class::Indication, Method::Binding),
        (Class::SuccessResponse, Method::Binding),
        (Class::ErrorResponse, Method::Binding),
    ];
    let make = |(class, method)| {
        MessageBuilder::new(class, method, peer.next_transaction())
            .username(&name)
            .priority(1)
            .use_candidate()
            .message_integrity(password.as_bytes())
            .fingerprint()
    };
    kinds.into_iter().map(make).collect()
}

#[test]
fn stn_16_other_methods_are_met_with_silence() {
    each(true, |fixture, peer, _| {
        let mut packets = other_messages(peer);
        // RFC 3489 had no cookie.
        let mut old = packets[0].clone();
        old[4..8].fill(7);
        packets.push(old);
        let (before, answers) = (fixture.stats(), peer.observed().stun.len());
        for packet in &packets {
            peer.send_packet(FIRST, packet).expect("it leaves");
        }
        fixture.await_stats("each is handled", |now| {
            now.stun_ignored + now.stun_malformed
                == before.stun_ignored + before.stun_malformed + packets.len() as u64
        });
        peer.collect().expect("a socket");
        assert_eq!(peer.observed().stun.len(), answers, "no answer");
    });
}

#[test]
fn stn_17_responses_and_indications_bind_nothing() {
    let fixture = Fixture::new();
    let member = fixture.member();
    let mut peer = member.peer(&fixture.server, Protocol::Udp);
    for packet in other_messages(&mut peer) {
        peer.send_packet(FIRST, &packet).expect("it leaves");
    }
    fixture.udp_barrier();
    peer.collect().expect("a socket");
    assert!(peer.observed().stun.is_empty() && member.dump().tuples.is_empty());
    assert_eq!(member.heard(), [""; 0]);
    fixture.end();
}

#[test]
fn stn_19_who_claims_to_be_controlled_is_refused_whatever_the_tie_breaker() {
    each(false, |_, peer, _| {
        for tie_breaker in [0, 5, u64::MAX] {
            let options = CheckOptions { nominate: true, ..CheckOptions::default() };
            let answer = ask_with(peer, &options, |request| request.ice_controlled(tie_breaker));
            assert_eq!(gist(&answer), (Some(487), true, &[][..]));
        }
    });
}

#[test]
fn res_08_a_source_gets_few_error_replies_and_a_member_of_the_same_source_is_answered() {
    let fixture = Fixture::new();
    let (member, mut honest) = fixture.pair(Protocol::Udp);
    let mut liar = member.peer(&fixture.server, Protocol::Udp);
    let wrong = CheckOptions { password: Some("wrong".to_owned()), ..CheckOptions::default() };
    let (mut sent, mut asked) = (0, 0);
    for _ in 0..400 {
        let id = liar.next_transaction();
        let packet = liar.check_request(id, &wrong, |request| request);
        asked += packet.len();
        sent += 1;
        liar.send_packet(Via(0), &packet).expect("it leaves");
        if sent % 50 == 0 {
            fixture.udp_barrier(); // the socket's buffer must not overflow
        }
    }
    liar.collect().expect("a socket");
    let (replies, now) = (liar.observed().stun.len(), fixture.stats());
    assert!((1..100).contains(&replies), "{replies} replies to {sent} requests");
    assert!(now.stun_errors >= 400 && asked > 100 * replies, "less comes out than went in");
    honest.await_check(FIRST, true, PATIENCE).expect("checks of members are not rationed");
    fixture.end();
}
