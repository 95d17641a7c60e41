//! Time that passes: consent, the handshake's deadline, the bind deadline. Nobody waits for it here.

use crate::support::{BOTH, FIRST, Fixture, PATIENCE};
use std::time::Duration;
use webrtc_server::control::command::Command;
use webrtc_server::lifecycle::{
    ConnectionId, DtlsState, IceState, NotNeeded, Outcome, Timer, TransportId,
};
use webrtc_server::shell::{Alarm, Clock, Ready};
use webrtc_server::wire::stun::{Class, MessageBuilder, Method};
use webrtc_server_conformance::by_hand::{ByHand, echo};
use webrtc_server_conformance::peer::{
    CheckOptions, Feed, HandshakeGoal, Path, Protocol, StreamEnd, TcpOptions, TcpPath,
};

const CONSENT: Timer = Timer::Consent(TransportId(1));

#[test]
fn stn_26_when_consent_expires_nothing_more_is_sent() {
    for protocol in BOTH {
        let mut by_hand = ByHand::new();
        let mut bystander = by_hand.pair(0, Protocol::Udp);
        let mut peer = by_hand.pair(1, protocol);
        let _ = by_hand.heard(1);
        by_hand.fire(CONSENT);
        assert_eq!(by_hand.heard(1), ["ice Disconnected"]);
        let (ice, dtls) = (&by_hand.look(1).ice, by_hand.look(1).dtls);
        assert_eq!((ice.tuples.len(), ice.selected, dtls), (0, None, DtlsState::Connected));
        let routed = by_hand.worker.core().routes().tuples().count();
        assert_eq!(routed, 1, "the bystander's");
        let _ = peer.take_observed();
        by_hand.worker.execute(Command::CloseTransport { transport: TransportId(1) });
        by_hand.step();
        let no_path = Outcome::NotNeeded(NotNeeded::NoPath);
        assert_eq!(by_hand.heard(1), [format!("close {no_path:?}")], "at once");
        if protocol == Protocol::Tcp {
            peer.await_until("FIN", PATIENCE, |peer| peer.end(FIRST).ok() == Some(StreamEnd::Fin))
                .expect("its connection is closed");
        }
        echo(&mut by_hand, 0, &mut bystander);
        peer.collect().expect("a socket");
        let seen = peer.observed();
        assert_eq!((seen.dtls_datagrams, seen.stun.len()), (0, 0), "silence, no alert either");
    }
}

#[test]
fn stn_26_the_association_outlives_consent() {
    for protocol in BOTH {
        let mut by_hand = ByHand::new();
        let mut peer = by_hand.pair(1, protocol);
        by_hand.fire(CONSENT);
        if protocol == Protocol::Tcp {
            // A connection that consent closed is gone; the peer comes back on another.
            peer.tcp(FIRST).expect("a path").close();
            let again = TcpPath::connect(by_hand.tcp, TcpOptions::default()).expect("a listener");
            *peer.path(FIRST).expect("a path") = Path::Tcp(again);
        }
        by_hand.check(&mut peer);
        assert_eq!(by_hand.look(1).ice.state, IceState::Completed);
        assert!(by_hand.is_armed(CONSENT));
        echo(&mut by_hand, 1, &mut peer);
        assert_eq!(by_hand.heard(1).iter().filter(|e| e.contains("dtls")).count(), 0);
    }
}

#[test]
fn stn_27_only_a_check_that_proves_the_password_renews_consent() {
    let mut by_hand = ByHand::new();
    let mut peer = by_hand.pair(1, Protocol::Udp);
    let id = peer.next_transaction();
    let captured = peer.check_request(id, &CheckOptions::default(), |request| request);
    peer.send_packet(FIRST, &captured).expect("it leaves");
    by_hand.until("it is granted", |_| {
        peer.collect().expect("a socket");
        peer.observed().answers_to(id) == 1
    });
    let _ = by_hand.outputs();
    let wrong = CheckOptions { password: Some("wrong".to_owned()), ..CheckOptions::default() };
    peer.check_with(FIRST, &wrong, |request| request).expect("it leaves");
    peer.send_data(FIRST, b"data").expect("connected");
    peer.send_packet(FIRST, &[0x80; 40]).expect("media");
    peer.send_packet(FIRST, &captured).expect("a copy, by the same path");
    let elsewhere = peer.add_path(Path::open(Protocol::Udp, by_hand.udp).expect("a path"));
    peer.send_packet(elsewhere, &captured).expect("a copy, by another");
    let name = format!("{}:{}", peer.credentials().ufrag, peer.ufrag());
    let password = peer.credentials().password.clone();
    for class in [Class::Indication, Class::SuccessResponse] {
        let id = peer.next_transaction();
        let packet = MessageBuilder::new(class, Method::Binding, id)
            .username(&name)
            .priority(1)
            .message_integrity(password.as_bytes())
            .fingerprint();
        peer.send_packet(FIRST, &packet).expect("it leaves");
    }
    // The bystander's check is handled after all of these: one socket, one order.
    by_hand.transport(2, Duration::from_secs(30));
    let mut bystander = by_hand.peer(2, Protocol::Udp);
    by_hand.check(&mut bystander);
    assert_eq!(by_hand.moves(CONSENT), 0);
    assert_eq!(peer.observed().answers_to(id), 1, "nothing was collected since");
    peer.collect().expect("a socket");
    assert_eq!(peer.observed().answers_to(id), 2, "as it would be a retransmission");
    by_hand.check(&mut peer);
    assert_eq!(by_hand.moves(CONSENT), 1);
    by_hand.fire(CONSENT);
    peer.send_packet(FIRST, &captured).expect("it leaves");
    by_hand.check(&mut bystander);
    assert_eq!(by_hand.look(1).ice.state, IceState::Disconnected, "a copy brings nobody back");
}

#[test]
fn stn_26_a_check_in_the_same_tick_as_the_expiry_renews_consent() {
    let mut by_hand = ByHand::with(Clock::System, None);
    let consent = Duration::from_millis(40);
    by_hand.transport(1, consent);
    let mut peer = by_hand.peer(1, Protocol::Udp);
    by_hand.check(&mut peer);
    let _ = by_hand.heard(1);
    peer.check(FIRST, true).expect("it leaves");
    // Both are due when the worker looks next: the check arrived, and the time is up.
    std::thread::sleep(2 * consent);
    by_hand.worker.poll(Some(Duration::ZERO)).expect("a poll");
    let alarm = Ready::Alarm(Alarm::Lifecycle(CONSENT));
    let at = |wanted: &dyn Fn(&Ready) -> bool| by_hand.worker.ready().iter().position(wanted);
    let check = at(&|ready| matches!(ready, Ready::SocketReadable(_))).expect("the check");
    assert!(check < at(&|ready| *ready == alarm).expect("the alarm"), "the check comes first");
    while by_hand.worker.deliver_next() {}
    assert_eq!(by_hand.look(1).ice.state, IceState::Completed);
    assert_eq!(by_hand.heard(1), [""; 0]);
}

#[test]
fn dtl_15_a_handshake_that_does_not_end_fails_once() {
    for protocol in BOTH {
        let mut by_hand = ByHand::new();
        let mut bystander = by_hand.pair(0, Protocol::Udp);
        by_hand.transport(1, Duration::from_secs(30));
        let mut peer = by_hand.peer(1, protocol);
        by_hand.check(&mut peer);
        let mut step = || {
            by_hand.step();
            Ok(())
        };
        peer.handshake_until(FIRST, HandshakeGoal::FlightsSent(1), &mut step, 20_000)
            .expect("a ClientHello");
        by_hand.until("the server answers", |_| {
            peer.collect().expect("a socket");
            peer.observed().dtls_datagrams > 0
        });
        let _ = by_hand.heard(1);
        by_hand.fire(Timer::Handshake(TransportId(1)));
        assert_eq!(by_hand.heard(1), ["dtls Failed HandshakeTimeout"]);
        let stats = by_hand.stats();
        assert_eq!((stats.handshakes_completed, stats.handshakes_failed), (1, 1));
        // What comes too late is not heard, and nothing is repeated.
        let _ = peer.pump(FIRST).expect("the last flight leaves");
        echo(&mut by_hand, 0, &mut bystander);
        let retransmit = Alarm::Retransmit(TransportId(1));
        assert!(!by_hand.worker.alarms().contains(&retransmit), "nothing is repeated after it");
        assert_eq!(by_hand.heard(1), [""; 0]);
        assert_eq!(by_hand.look(1).dtls, DtlsState::Failed);
        by_hand.worker.execute(Command::CloseTransport { transport: TransportId(1) });
        by_hand.until("closed", |by_hand| by_hand.worker.core().transports().len() == 1);
        assert_eq!(by_hand.heard(1), ["close NotNeeded(Failed)"]);
    }
}

/// Nothing else happens on the server meanwhile: the repetition must not wait for company.
#[test]
fn dtl_14_a_flight_that_is_not_answered_is_repeated_by_itself() {
    for protocol in BOTH {
        let fixture = Fixture::new();
        let member = fixture.member();
        let mut peer = member.peer(&fixture.server, protocol);
        peer.await_check(FIRST, true, PATIENCE).expect("granted");
        let hello = HandshakeGoal::FlightsSent(1);
        peer.handshake_until(FIRST, hello, &mut || Ok(()), 20_000).expect("a ClientHello");
        peer.set_feed(Feed::Held);
        let is_hello = |datagram: &[u8]| datagram[0] == 22 && datagram[13] == 2;
        let mut hellos = 0;
        while hellos < 2 {
            peer.await_readable(PATIENCE).expect("a ServerHello comes, and again");
            peer.collect().expect("a socket");
            hellos += peer.inbox_mut().drain(..).filter(|(_, bytes)| is_hello(bytes)).count();
        }
        fixture.end();
    }
}

#[test]
fn tcp_07_bytes_that_trickle_in_do_not_move_the_bind_deadline() {
    let mut by_hand = ByHand::new();
    let mut bystander = by_hand.pair(0, Protocol::Tcp);
    let bind = Timer::Bind(ConnectionId(1));
    let mut slow = TcpPath::connect(by_hand.tcp, TcpOptions::default()).expect("a listener");
    by_hand.until("accepted", |by_hand| by_hand.is_armed(bind));
    let _ = by_hand.outputs();
    for byte in [0, 100, 0, 1, 2] {
        slow.send_raw(&[byte]).expect("it leaves");
        by_hand.step();
        slow.await_acknowledged(PATIENCE).expect("it arrives");
        by_hand.step();
    }
    assert_eq!(by_hand.moves(bind), 0);
    by_hand.fire(bind);
    slow.await_end(PATIENCE).expect("it is closed");
    by_hand.until("forgotten", |by_hand| {
        !by_hand.worker.core().connections().contains_key(&ConnectionId(1))
    });
    echo(&mut by_hand, 0, &mut bystander);
}

#[test]
fn cls_25_no_timer_outlives_its_owner() {
    let mut by_hand = ByHand::new();
    let mut connected = by_hand.pair(1, Protocol::Udp);
    by_hand.transport(2, Duration::from_secs(30));
    let mut handshaking = by_hand.peer(2, Protocol::Tcp);
    by_hand.check(&mut handshaking);
    handshaking.start_handshake(FIRST).expect("a ClientHello");
    let stranger = TcpPath::connect(by_hand.tcp, TcpOptions::default()).expect("a listener");
    by_hand.until("everything ticks", |by_hand| by_hand.worker.alarms().len() >= 5);
    let before = by_hand.worker.alarms();
    by_hand.close();
    let mut outcomes = None;
    by_hand.until("drained", |by_hand| {
        connected.collect().expect("a socket");
        connected.answer_close_notify(FIRST).expect("an answer");
        let _ = handshaking.collect();
        outcomes = outcomes.take().or_else(|| by_hand.outcomes());
        outcomes.is_some()
    });
    drop(stranger);
    by_hand.release();
    for alarm in before {
        assert!(!by_hand.worker.fire(alarm), "{alarm:?} is still armed");
    }
    let _ = by_hand.outputs();
    by_hand.step();
    assert_eq!(by_hand.outputs(), []);
}
