//! What checks do to tuples, the selection and the states, and who owns a tuple.

use crate::support::{BOTH, FIRST, Fixture, Member, PATIENCE, echo, end_of, eventually, sealed};
use webrtc_server::lifecycle::IceState;
use webrtc_server_conformance::peer::{
    CheckOptions, Path, Peer, PeerCertificate, Protocol, ServerCredentials, StreamEnd, Via,
};

fn another(fixture: &Fixture, peer: &mut Peer, protocol: Protocol) -> Via {
    peer.add_path(Path::open(protocol, fixture.address(protocol)).expect("a path"))
}

fn port(peer: &mut Peer, via: Via) -> u16 {
    peer.path(via).expect("a path").local_addr().port()
}

fn selected(member: &Member) -> u16 {
    member.dump().ice_selected_tuple.expect("a tuple is selected").remote_port
}

/// Sends a check and waits until it is granted.
fn check(peer: &mut Peer, via: Via, options: &CheckOptions) {
    let id = peer.check_with(via, options, |request| request).expect("it leaves");
    peer.await_until("an answer", PATIENCE, |peer| peer.observed().answer_to(id).is_some())
        .expect("it is answered");
    assert!(peer.observed().answer_to(id).expect("seen").is_success());
}

fn plain() -> CheckOptions {
    CheckOptions::default()
}

fn nominating() -> CheckOptions {
    CheckOptions { nominate: true, ..plain() }
}

fn with_value(value: u32) -> CheckOptions {
    CheckOptions { nomination: Some(value), ..plain() }
}

#[test]
fn stn_20_stn_30_the_first_check_is_announced_once_and_in_order() {
    for protocol in BOTH {
        for (options, state) in [(plain(), "Connected"), (nominating(), "Completed")] {
            let fixture = Fixture::new();
            let member = fixture.member();
            let mut peer = member.peer(&fixture.server, protocol);
            check(&mut peer, FIRST, &options);
            check(&mut peer, FIRST, &options);
            let tuple = format!("tuple {}", port(&mut peer, FIRST));
            let ice = format!("ice {state}");
            assert_eq!(member.heard(), [tuple.as_str(), ice.as_str(), "dtls Connecting"]);
            fixture.end();
        }
    }
}

#[test]
fn stn_30_selection_state_and_handshake_are_announced_in_this_order() {
    let fixture = Fixture::new();
    let (member, mut peer) = fixture.pair(Protocol::Tcp);
    let tuple = format!("tuple {}", port(&mut peer, FIRST));
    let expected = [tuple.as_str(), "ice Completed", "dtls Connecting", "dtls Connected"];
    assert_eq!(member.heard(), expected);
    fixture.end();
}

#[test]
fn stn_21_only_a_nomination_moves_the_selection() {
    for protocol in BOTH {
        let fixture = Fixture::new();
        let member = fixture.member();
        let mut peer = member.peer(&fixture.server, protocol);
        let second = another(&fixture, &mut peer, protocol);
        let (one, two) = (port(&mut peer, FIRST), port(&mut peer, second));
        let rows = [
            (FIRST, plain(), IceState::Connected, one),
            (second, plain(), IceState::Connected, one),
            (second, nominating(), IceState::Completed, two),
            (FIRST, plain(), IceState::Completed, two),
            (FIRST, nominating(), IceState::Completed, one),
            (FIRST, nominating(), IceState::Completed, one),
        ];
        for (via, options, state, port) in rows {
            check(&mut peer, via, &options);
            assert_eq!((member.dump().ice_state, selected(&member)), (state, port));
        }
        let moves = member.heard().iter().filter(|event| event.starts_with("tuple")).count();
        assert_eq!(moves, 3, "an unchanged tuple is not announced");
        fixture.end();
    }
}

#[test]
fn stn_22_a_nomination_counts_only_if_it_grows() {
    let fixture = Fixture::new();
    let member = fixture.member();
    let mut peer = member.peer(&fixture.server, Protocol::Udp);
    let second = another(&fixture, &mut peer, Protocol::Udp);
    let (one, two) = (port(&mut peer, FIRST), port(&mut peer, second));
    check(&mut peer, FIRST, &with_value(0));
    assert_eq!((member.dump().ice_state, selected(&member)), (IceState::Connected, one));
    let rows = [(second, 1, two), (FIRST, 3, one), (second, 2, one), (second, 3, one)];
    for (via, value, expected) in rows {
        check(&mut peer, via, &with_value(value));
        assert_eq!(selected(&member), expected, "value {value}");
    }
    check(&mut peer, second, &with_value(u32::MAX));
    assert_eq!(selected(&member), two);
    let stale = CheckOptions { nominate: true, ..with_value(7) };
    check(&mut peer, FIRST, &stale);
    assert_eq!(selected(&member), two, "USE-CANDIDATE does not freshen it");
    // A restart begins anew.
    let ice = member.transport.restart_ice().expect("an open server");
    peer.set_credentials(ServerCredentials {
        ufrag: ice.username_fragment,
        password: ice.password,
    });
    check(&mut peer, FIRST, &with_value(1));
    assert_eq!(selected(&member), one);
    fixture.end();
}

/// The ufrags under which a transport is to be found.
fn registered(fixture: &Fixture, member: &Member) -> Vec<String> {
    let dump = fixture.server.dump().expect("an open server");
    let all = dump.local_ice_username_fragments.into_iter();
    all.filter(|one| one.web_rtc_transport_id == member.transport.id())
        .map(|one| one.local_ice_username_fragment)
        .collect()
}

#[test]
fn stn_23_a_restart_keeps_the_old_credentials_until_the_new_ones_are_used() {
    for protocol in BOTH {
        let fixture = Fixture::new();
        let (member, mut peer) = fixture.pair(protocol);
        let before = (member.dump().ice_selected_tuple, member.credentials());
        member.forget();
        let ice = member.transport.restart_ice().expect("an open server");
        assert!(ice.username_fragment != before.1.ufrag && ice.password != before.1.password);
        check(&mut peer, FIRST, &plain());
        assert_eq!(registered(&fixture, &member).len(), 2);
        echo(&member, &mut peer, FIRST);
        peer.set_credentials(member.credentials());
        check(&mut peer, FIRST, &plain());
        assert_eq!(registered(&fixture, &member), [ice.username_fragment]);
        // The old ones are nobody's now.
        peer.set_credentials(before.1);
        let unknown = fixture.stats().stun_unknown;
        peer.check(FIRST, true).expect("it leaves");
        fixture.await_stats("it is unknown", |now| now.stun_unknown == unknown + 1);
        assert_eq!(member.dump().ice_selected_tuple, before.0, "the tuple survives");
        echo(&member, &mut peer, FIRST);
        let changes = member.heard().into_iter().filter(|event| !event.starts_with("data"));
        assert_eq!(changes.collect::<Vec<_>>(), [""; 0]);
        fixture.end();
    }
}

#[test]
fn stn_24_two_restarts_leave_two_ufrags() {
    let fixture = Fixture::new();
    let (member, mut peer) = fixture.pair(Protocol::Udp);
    let oldest = member.credentials();
    assert_eq!(registered(&fixture, &member).len(), 1);
    for _ in 0..3 {
        member.transport.restart_ice().expect("an open server");
        assert_eq!(registered(&fixture, &member).len(), 2);
    }
    let unknown = fixture.stats().stun_unknown;
    assert_eq!(peer.credentials(), &oldest);
    peer.check(FIRST, true).expect("it leaves");
    fixture.await_stats("the oldest is unknown", |now| now.stun_unknown == unknown + 1);
    peer.set_credentials(member.credentials());
    check(&mut peer, FIRST, &plain());
    assert_eq!(registered(&fixture, &member).len(), 1);
    fixture.end();
}

#[test]
fn stn_31_the_ninth_tuple_evicts_the_oldest_that_is_not_selected() {
    let fixture = Fixture::new();
    let (member, mut peer) = fixture.pair(Protocol::Udp);
    let mut ports = vec![port(&mut peer, FIRST)];
    for _ in 0..20 {
        let via = another(&fixture, &mut peer, Protocol::Udp);
        check(&mut peer, via, &plain());
        ports.push(port(&mut peer, via));
    }
    let kept: Vec<_> = member.dump().tuples.iter().map(|tuple| tuple.remote_port).collect();
    assert_eq!(kept.len(), 8);
    assert_eq!((kept[0], &kept[1..]), (ports[0], &ports[14..]), "the selected and the newest");
    assert_eq!(fixture.server.dump().expect("an open server").tuples, 9, "and the bystander's");
    echo(&member, &mut peer, FIRST);
    fixture.end();
}

#[test]
fn cls_29_an_evicted_connection_ends_without_an_alert() {
    let fixture = Fixture::new();
    let (member, mut peer) = fixture.pair(Protocol::Tcp);
    let vias: Vec<_> = (0..8)
        .map(|_| {
            let via = another(&fixture, &mut peer, Protocol::Tcp);
            check(&mut peer, via, &plain());
            via
        })
        .collect();
    assert_eq!(end_of(peer.tcp(vias[0]).expect("a path")), StreamEnd::Fin);
    fixture.await_connections("it is gone", |now| (now.bound, now.lingering) == (8, 0));
    echo(&member, &mut peer, FIRST);
    assert!(peer.observed().close_notifies.is_empty() && peer.is_connected());
    assert_eq!(peer.observed().other_alerts, 0);
    fixture.end();
}

#[test]
fn stn_32_a_replayed_check_does_not_move_the_selection() {
    for options in [plain(), nominating(), with_value(5)] {
        let fixture = Fixture::new();
        let (member, mut peer) = fixture.pair(Protocol::Udp);
        let id = peer.next_transaction();
        let captured = peer.check_request(id, &options, |request| request);
        peer.send_packet(FIRST, &captured).expect("it leaves");
        fixture.udp_barrier();
        let attacker = fixture.udp();
        for _ in 0..3 {
            attacker.send(&captured).expect("it leaves");
        }
        fixture.udp_barrier();
        assert_eq!(selected(&member), port(&mut peer, FIRST), "{options:?}");
        assert!(member.dump().tuples.len() <= 2);
        echo(&member, &mut peer, FIRST);
        // Who is honest repeats itself from where it was, and moves with a check of its own.
        peer.send_packet(FIRST, &captured).expect("it leaves");
        let elsewhere = another(&fixture, &mut peer, Protocol::Udp);
        check(&mut peer, elsewhere, &nominating());
        assert_eq!(selected(&member), port(&mut peer, elsewhere));
        fixture.end();
    }
}

#[test]
fn dmx_10_a_peer_behind_a_new_address_is_heard_and_answered_where_it_was_until_it_nominates() {
    let fixture = Fixture::new();
    let (member, mut peer) = fixture.pair(Protocol::Udp);
    let moved = another(&fixture, &mut peer, Protocol::Udp);
    check(&mut peer, moved, &plain());
    peer.send_data(moved, b"from the new address").expect("connected");
    member.await_event("data from the new address");
    member.transport.send(b"to the old address").expect("connected");
    let to_old = peer.udp(FIRST).expect("a path").await_readable(PATIENCE);
    to_old.expect("it is still the selected one");
    peer.collect().expect("a socket");
    check(&mut peer, moved, &nominating());
    peer.udp(FIRST).expect("a path").close();
    echo(&member, &mut peer, moved);
    fixture.end();
}

#[test]
fn dmx_06_a_check_is_routed_by_the_password_that_it_proves() {
    for protocol in BOTH {
        for dead in [false, true] {
            let fixture = Fixture::new();
            let (first, mut peer) = fixture.pair(protocol);
            if dead {
                peer.send_close_notify(FIRST).expect("connected");
                first.await_event("dtls Closed CloseNotify");
                peer.await_close_notify(PATIENCE).expect("the reply");
            }
            first.forget();
            let second = fixture.member();
            let own = first.credentials();
            // Without the password nothing happens.
            let thief = CheckOptions {
                username: Some(format!("{}:x", second.credentials().ufrag)),
                ..nominating()
            };
            let id = peer.check_with(FIRST, &thief, |request| request).expect("it leaves");
            peer.await_until("401", PATIENCE, |peer| peer.observed().answer_to(id).is_some())
                .expect("it is answered");
            assert_eq!(peer.observed().answer_to(id).and_then(|a| a.error_code), Some(401));
            assert_eq!((first.dump().tuples.len(), second.dump().tuples.len()), (1, 0));
            assert_eq!((first.heard(), second.heard()), (vec![], vec![]));
            // With it the tuple is the second transport's.
            let certificate = PeerCertificate::shared().expect("a certificate");
            let role = webrtc_server_conformance::peer::DtlsRole::Client;
            let session = webrtc_server_conformance::peer::DtlsSession::new(role, &certificate);
            peer.replace_session(session.expect("a session"));
            peer.set_credentials(second.credentials());
            peer.connect_via(FIRST, PATIENCE).expect("the second transport connects");
            second.await_event("dtls Connected");
            assert_eq!(first.heard(), ["no tuple", "ice Disconnected"]);
            echo(&second, &mut peer, FIRST);
            // The first one may die now, and come back.
            peer.set_credentials(own);
            first.transport.close().wait().expect("not a worker");
            echo(&second, &mut peer, FIRST);
            fixture.end();
        }
    }
}

#[test]
fn dmx_07_after_its_close_a_transport_answers_nothing() {
    let fixture = Fixture::new();
    let (member, mut peer) = fixture.pair(Protocol::Udp);
    let data = sealed(&mut peer, |peer, nowhere| {
        peer.send_data(nowhere, b"late").expect("connected");
    });
    let closing = member.transport.close();
    peer.await_close_notify(PATIENCE).expect("the alert");
    peer.answer_close_notify(FIRST).expect("the answer leaves");
    closing.wait().expect("not a worker");
    let heard = member.heard().len();
    let dump = fixture.server.dump().expect("an open server");
    assert_eq!((dump.tuples, dump.local_ice_username_fragments.len()), (1, 1), "the bystander's");
    assert_eq!(member.transport.dump().expect("an open server"), None);
    peer.check(FIRST, true).expect("it leaves");
    peer.send_packet(FIRST, &data[0]).expect("it leaves");
    peer.send_packet(FIRST, &[0x80; 50]).expect("it leaves");
    peer.resend(FIRST, 0).expect("the old ClientHello");
    fixture.udp_barrier();
    peer.collect().expect("a socket");
    assert_eq!(peer.observed().after_close_notify.len(), 0, "silence");
    assert_eq!(member.heard().len(), heard, "nothing after close");
    eventually("it is gone", || fixture.server.dump().is_ok_and(|d| d.transport_ids.len() == 1));
    fixture.end();
}
