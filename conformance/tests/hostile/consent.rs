//! Time that passes: consent, the handshake's deadline, the bind deadline. Nobody waits for it here. And what one turn
//! may cost.

use crate::support::{BOTH, FIRST, PATIENCE, Stage, end_of, eventually};
use std::time::{Duration, Instant};
use webrtc_server::control::command::{Command, Reply};
use webrtc_server::lifecycle::{
    ConnectionId, DtlsState, IceState, Input, NotNeeded, Outcome, SocketId, Timer, TransportId,
};
use webrtc_server::shell::{Alarm, Clock, JournalEntry, Ready};
use webrtc_server::wire::framing::frame;
use webrtc_server::wire::stun::{Class, MessageBuilder, Method, TransactionId};
use webrtc_server_conformance::manual::{Manual, echo};
use webrtc_server_conformance::peer::{
    CheckOptions, Feed, HandshakeStage, Path, Protocol, StreamEnd, TcpOptions, TcpPath,
};

const CONSENT: Timer = Timer::Consent(TransportId(1));

#[test]
fn stn_26_when_consent_expires_nothing_more_is_sent() {
    for protocol in BOTH {
        let mut manual = Manual::new();
        let mut bystander = manual.pair(0, Protocol::Udp);
        let mut peer = manual.pair(1, protocol);
        let _ = manual.heard(1);
        manual.fire(CONSENT);
        assert_eq!(manual.heard(1), ["ice Disconnected"]);
        let (ice, dtls) = (&manual.look(1).ice, manual.look(1).dtls);
        assert_eq!((ice.tuples.len(), ice.selected, dtls), (0, None, DtlsState::Connected));
        let routed = manual.worker.core().routes().tuples().count();
        assert_eq!(routed, 1, "the bystander's");
        let _ = peer.take_observed();
        manual.worker.execute(Command::CloseTransport { transport: TransportId(1) });
        manual.step();
        let no_path = Outcome::NotNeeded(NotNeeded::NoPath);
        assert_eq!(manual.heard(1), [format!("close {no_path:?}")], "at once");
        if protocol == Protocol::Tcp {
            peer.await_until("FIN", PATIENCE, |peer| peer.end(FIRST).ok() == Some(StreamEnd::Fin))
                .expect("its connection is closed");
        }
        echo(&mut manual, 0, &mut bystander);
        peer.collect().expect("a socket");
        let seen = peer.observed();
        assert_eq!((seen.dtls_datagrams, seen.stun.len()), (0, 0), "silence, no alert either");
    }
}

#[test]
fn stn_26_the_association_outlives_consent() {
    for protocol in BOTH {
        let mut manual = Manual::new();
        let mut peer = manual.pair(1, protocol);
        manual.fire(CONSENT);
        if protocol == Protocol::Tcp {
            // A connection that consent closed is gone; the peer comes back on another.
            peer.tcp(FIRST).expect("a path").close();
            let again = TcpPath::connect(manual.tcp, TcpOptions::default()).expect("a listener");
            *peer.path(FIRST).expect("a path") = Path::Tcp(again);
        }
        manual.check(&mut peer);
        assert_eq!(manual.look(1).ice.state, IceState::Completed);
        assert!(manual.is_armed(CONSENT));
        echo(&mut manual, 1, &mut peer);
        assert_eq!(manual.heard(1).iter().filter(|e| e.contains("dtls")).count(), 0);
    }
}

#[test]
fn stn_27_only_a_check_that_proves_the_password_renews_consent() {
    let mut manual = Manual::new();
    let mut peer = manual.pair(1, Protocol::Udp);
    let id = peer.next_transaction();
    let captured = peer.check_request(id, &CheckOptions::default(), |request| request);
    peer.send_packet(FIRST, &captured).expect("it leaves");
    manual.until("it is granted", |_| {
        peer.collect().expect("a socket");
        peer.observed().answers_to(id) == 1
    });
    let _ = manual.outputs();
    let wrong = CheckOptions { password: Some("wrong".to_owned()), ..CheckOptions::default() };
    peer.check_with(FIRST, &wrong, |request| request).expect("it leaves");
    peer.send_data(FIRST, b"data").expect("connected");
    peer.send_packet(FIRST, &[0x80; 40]).expect("media");
    peer.send_packet(FIRST, &captured).expect("a copy, by the same path");
    let elsewhere = peer.add_path(Path::open(Protocol::Udp, manual.udp).expect("a path"));
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
    manual.transport(2, Duration::from_secs(30));
    let mut bystander = manual.peer(2, Protocol::Udp);
    manual.check(&mut bystander);
    assert_eq!(manual.moves(CONSENT), 0);
    assert_eq!(peer.observed().answers_to(id), 1, "nothing was collected since");
    peer.collect().expect("a socket");
    assert_eq!(peer.observed().answers_to(id), 2, "as it would be a retransmission");
    manual.check(&mut peer);
    assert_eq!(manual.moves(CONSENT), 1);
    manual.fire(CONSENT);
    peer.send_packet(FIRST, &captured).expect("it leaves");
    manual.check(&mut bystander);
    assert_eq!(manual.look(1).ice.state, IceState::Disconnected, "a copy brings nobody back");
}

#[test]
fn stn_26_a_check_in_the_same_tick_as_the_expiry_renews_consent() {
    let mut manual = Manual::with(Clock::System, None);
    let consent = Duration::from_millis(40);
    manual.transport(1, consent);
    let mut peer = manual.peer(1, Protocol::Udp);
    manual.check(&mut peer);
    let _ = manual.heard(1);
    peer.check(FIRST, true).expect("it leaves");
    // Both are due when the worker looks next: the check arrived, and the time is up.
    std::thread::sleep(2 * consent);
    manual.worker.poll(Some(Duration::ZERO)).expect("a poll");
    let alarm = Ready::Alarm(Alarm::Lifecycle(CONSENT));
    let at = |wanted: &dyn Fn(&Ready) -> bool| manual.worker.ready().iter().position(wanted);
    let check = at(&|ready| matches!(ready, Ready::SocketReadable(_))).expect("the check");
    assert!(check < at(&|ready| *ready == alarm).expect("the alarm"), "the check comes first");
    while manual.worker.deliver_next() {}
    assert_eq!(manual.look(1).ice.state, IceState::Completed);
    assert_eq!(manual.heard(1), [""; 0]);
}

#[test]
fn dtl_15_a_handshake_that_does_not_end_fails_once() {
    for protocol in BOTH {
        let mut manual = Manual::new();
        let mut bystander = manual.pair(0, Protocol::Udp);
        manual.transport(1, Duration::from_secs(30));
        let mut peer = manual.peer(1, protocol);
        manual.check(&mut peer);
        let mut step = || {
            manual.step();
            Ok(())
        };
        peer.handshake_until(FIRST, HandshakeStage::FlightsSent(1), &mut step, 20_000)
            .expect("a ClientHello");
        manual.until("the server answers", |_| {
            peer.collect().expect("a socket");
            peer.observed().dtls_datagrams > 0
        });
        let _ = manual.heard(1);
        manual.fire(Timer::Handshake(TransportId(1)));
        assert_eq!(manual.heard(1), ["dtls Failed HandshakeTimeout"]);
        // What comes too late is not heard, and nothing is repeated.
        let _ = peer.pump(FIRST).expect("the last flight leaves");
        echo(&mut manual, 0, &mut bystander);
        let retransmit = Alarm::Retransmit(TransportId(1));
        assert!(!manual.worker.alarms().contains(&retransmit), "nothing is repeated after it");
        assert_eq!(manual.heard(1), [""; 0]);
        assert_eq!(manual.look(1).dtls, DtlsState::Failed);
        manual.worker.execute(Command::CloseTransport { transport: TransportId(1) });
        manual.until("closed", |manual| manual.worker.core().transports().len() == 1);
        assert_eq!(manual.heard(1), ["close NotNeeded(Failed)"]);
    }
}

/// Nothing else happens on the server meanwhile: the repetition must not wait for company.
#[test]
fn dtl_14_a_flight_that_is_not_answered_is_repeated_by_itself() {
    for protocol in BOTH {
        let stage = Stage::new();
        let member = stage.member();
        let mut peer = member.peer(&stage.server, protocol);
        peer.await_check(FIRST, true, PATIENCE).expect("granted");
        let hello = HandshakeStage::FlightsSent(1);
        peer.handshake_until(FIRST, hello, &mut || Ok(()), 20_000).expect("a ClientHello");
        peer.set_feed(Feed::Held);
        let is_hello = |datagram: &[u8]| datagram[0] == 22 && datagram[13] == 2;
        let mut hellos = 0;
        while hellos < 2 {
            peer.await_readable(PATIENCE).expect("a ServerHello comes, and again");
            peer.collect().expect("a socket");
            hellos += peer.inbox_mut().drain(..).filter(|(_, bytes)| is_hello(bytes)).count();
        }
        stage.end();
    }
}

#[test]
fn tcp_07_bytes_that_trickle_in_do_not_move_the_bind_deadline() {
    let mut manual = Manual::new();
    let mut bystander = manual.pair(0, Protocol::Tcp);
    let bind = Timer::Bind(ConnectionId(1));
    let mut slow = TcpPath::connect(manual.tcp, TcpOptions::default()).expect("a listener");
    manual.until("accepted", |manual| manual.is_armed(bind));
    let _ = manual.outputs();
    for byte in [0xFF, 0xFF, 1, 2, 3] {
        slow.send_raw(&[byte]).expect("it leaves");
        manual.step();
        slow.await_acknowledged(PATIENCE).expect("it arrives");
        manual.step();
    }
    assert_eq!(manual.moves(bind), 0);
    manual.fire(bind);
    slow.await_end(PATIENCE).expect("it is closed");
    manual.until("forgotten", |manual| {
        !manual.worker.core().connections().contains_key(&ConnectionId(1))
    });
    echo(&mut manual, 0, &mut bystander);
}

#[test]
fn cls_25_no_timer_outlives_its_owner() {
    let mut manual = Manual::new();
    let mut connected = manual.pair(1, Protocol::Udp);
    manual.transport(2, Duration::from_secs(30));
    let mut handshaking = manual.peer(2, Protocol::Tcp);
    manual.check(&mut handshaking);
    handshaking.start_handshake(FIRST).expect("a ClientHello");
    let stranger = TcpPath::connect(manual.tcp, TcpOptions::default()).expect("a listener");
    manual.until("everything ticks", |manual| manual.worker.alarms().len() >= 5);
    let before = manual.worker.alarms();
    manual.close();
    let mut outcomes = None;
    manual.until("drained", |manual| {
        connected.collect().expect("a socket");
        connected.answer_close_notify(FIRST).expect("an answer");
        let _ = handshaking.collect();
        outcomes = outcomes.take().or_else(|| manual.outcomes());
        outcomes.is_some()
    });
    drop(stranger);
    manual.release();
    for alarm in before {
        assert!(!manual.worker.fire(alarm), "{alarm:?} is still armed");
    }
    let _ = manual.outputs();
    manual.step();
    assert_eq!(manual.outputs(), []);
}

/// What meets a full socket is lost and counted; an alert alone waits.
#[test]
fn res_04_a_datagram_that_cannot_be_sent_is_lost_and_nothing_else() {
    let mut manual = Manual::new();
    let mut peer = manual.pair(1, Protocol::Udp);
    let mut over_tcp = manual.pair(2, Protocol::Tcp);
    let blocked = |manual: &mut Manual| {
        let (reply, stats) = Reply::new();
        manual.worker.execute(Command::GetStats { reply });
        stats.try_recv().expect("an answer").sends_blocked
    };
    let before = blocked(&mut manual);
    manual.worker.set_socket_full(SocketId(0), true);
    let unheard = peer.check(FIRST, true).expect("it leaves");
    let data = vec![1];
    let send = Command::Send { transport: TransportId(1), data, reply: None };
    manual.worker.execute(send);
    eventually("both are lost and counted", || {
        manual.step();
        blocked(&mut manual) == before + 2
    });
    echo(&mut manual, 2, &mut over_tcp);
    manual.worker.set_socket_full(SocketId(0), false);
    manual.check(&mut peer);
    echo(&mut manual, 1, &mut peer);
    assert!(peer.observed().answer_to(unheard).is_none(), "it is not repeated");
}

/// A send that the system refuses is lost and counted, and the next one is tried as if nothing had been.
#[test]
fn res_04_a_send_that_is_refused_loses_its_datagram_only() {
    let mut manual = Manual::new();
    let mut peer = manual.pair(1, Protocol::Udp);
    let mut over_tcp = manual.pair(2, Protocol::Tcp);
    for error in
        [libc::EPERM, libc::ENETUNREACH, libc::EMSGSIZE, libc::EAFNOSUPPORT, libc::ECONNREFUSED]
    {
        let before = manual.stats();
        manual.worker.set_send_error(SocketId(0), Some(error));
        let unheard = peer.check(FIRST, true).expect("it leaves");
        let data = vec![1];
        let send = Command::Send { transport: TransportId(1), data, reply: None };
        manual.worker.execute(send);
        eventually("both are lost and counted", || {
            manual.step();
            manual.stats().send_errors == before.send_errors + 2
        });
        assert_eq!(manual.stats().sends_blocked, before.sends_blocked);
        echo(&mut manual, 2, &mut over_tcp);
        manual.worker.set_send_error(SocketId(0), None);
        manual.check(&mut peer);
        echo(&mut manual, 1, &mut peer);
        assert!(peer.observed().answer_to(unheard).is_none(), "it is not repeated");
    }
}

/// The system has no buffers and tells nobody when it has some again: an alert is offered a little later.
#[test]
fn res_04_an_alert_without_buffers_is_offered_again() {
    let mut manual = Manual::new();
    let mut peer = manual.pair(1, Protocol::Udp);
    let retry = Alarm::RetrySocket(SocketId(0));
    manual.worker.set_send_error(SocketId(0), Some(libc::ENOBUFS));
    manual.worker.execute(Command::CloseTransport { transport: TransportId(1) });
    assert!(manual.worker.fire(retry), "once in vain");
    manual.worker.set_send_error(SocketId(0), None);
    assert!(manual.worker.fire(retry));
    assert!(!manual.worker.alarms().contains(&retry));
    peer.await_close_notify(PATIENCE).expect("it leaves");
}

/// Errors of receive neither end a socket nor keep its worker busy.
#[test]
fn res_03_a_socket_that_fails_to_receive_is_asked_again_later() {
    let mut manual = Manual::new();
    let mut peer = manual.pair(1, Protocol::Udp);
    let retry = Alarm::RetrySocket(SocketId(0));
    manual.step();
    manual.worker.set_receive_errors(SocketId(0), 20);
    let id = peer.check(FIRST, true).expect("it leaves");
    for errors in [8, 16] {
        manual.until("it waits", |manual| manual.worker.alarms().contains(&retry));
        assert_eq!(manual.stats().receive_errors, errors);
        assert!(manual.worker.ready().is_empty(), "and does nothing meanwhile");
        assert!(manual.worker.fire(retry));
    }
    assert_eq!(manual.stats().receive_errors, 20);
    assert!(!manual.worker.alarms().contains(&retry));
    manual.until("what waited is answered", |_| {
        peer.collect().expect("a socket");
        peer.observed().answer_to(id).is_some()
    });
}

/// What the kernel accepted and nobody has looked at is closed like any other, not reset with its listener.
#[test]
fn cls_34_connections_in_the_backlog_are_closed_with_the_server() {
    let mut manual = Manual::new();
    let mut bystander = manual.pair(0, Protocol::Udp);
    let connect = || TcpPath::connect(manual.tcp, TcpOptions::default()).expect("a listener");
    let mut waiting: Vec<_> = (0..5).map(|_| connect()).collect();
    let until = Instant::now() + Duration::from_secs(3);
    manual.worker.execute(Command::CloseServer { until: Some(until) });
    // And one that comes while the farewells are under way.
    waiting.push(TcpPath::connect(manual.tcp, TcpOptions::default()).expect("still a listener"));
    let mut outcomes = None;
    manual.until("drained", |manual| {
        bystander.collect().expect("a socket");
        bystander.answer_close_notify(FIRST).expect("an answer");
        outcomes = outcomes.take().or_else(|| manual.outcomes());
        outcomes.is_some()
    });
    assert_eq!(outcomes, Some(vec![(0, Outcome::Confirmed)]));
    manual.release();
    for path in &mut waiting {
        assert_eq!(end_of(path), StreamEnd::Fin);
    }
}

/// More waits on a connection than one delivery may take, all of it frames of a stranger.
fn flooded(manual: &mut Manual, frame: &[u8]) -> TcpPath {
    let mut path = TcpPath::connect(manual.tcp, TcpOptions::default()).expect("a listener");
    manual.until("accepted", |manual| manual.is_armed(Timer::Bind(ConnectionId(0))));
    path.send_raw(&frame.repeat(150_000 / frame.len())).expect("it leaves");
    path.await_acknowledged(PATIENCE).expect("it fits");
    let _ = manual.outputs();
    manual.worker.poll(Some(PATIENCE)).expect("a poll");
    path
}

#[test]
fn res_14_one_delivery_takes_a_bounded_part_of_what_waits() {
    let mut manual = Manual::new();
    manual.transport(1, Duration::from_secs(30));
    let wrong = MessageBuilder::new(Class::Request, Method::Binding, TransactionId([1; 12]))
        .username("ufrag1:peer")
        .message_integrity(b"wrong")
        .fingerprint();
    let _path = flooded(&mut manual, &frame(&wrong).expect("short enough"));
    let readable = Ready::ConnectionReadable(ConnectionId(0));
    assert!(manual.worker.deliver(readable));
    assert!(manual.worker.ready().contains(&readable), "the rest waits for its next turn");
}

#[test]
fn tcp_20_frames_of_a_stranger_whose_connection_ended_cost_nothing() {
    let mut manual = Manual::new();
    let _path = flooded(&mut manual, &frame(&[0x80; 20]).expect("short enough"));
    let _ = manual.worker.take_journal();
    manual.step();
    let junk = |entry: &JournalEntry| matches!(entry.input, Input::JunkReceived { .. });
    assert_eq!(manual.worker.take_journal().iter().filter(|entry| junk(entry)).count(), 1);
}
