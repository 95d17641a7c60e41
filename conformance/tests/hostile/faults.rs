//! What the system refuses, and what one turn may cost.

use crate::support::{FIRST, PATIENCE, end_of, eventually};
use std::time::{Duration, Instant};
use webrtc_server::Stats;
use webrtc_server::control::command::Command;
use webrtc_server::lifecycle::{
    ConnectionId, Input, ListenerId, Outcome, SocketId, Timer, TransportId,
};
use webrtc_server::shell::{Alarm, JournalEntry, Ready};
use webrtc_server::wire::framing::frame;
use webrtc_server::wire::stun::{Class, MessageBuilder, Method, TransactionId};
use webrtc_server_conformance::by_hand::{ByHand, echo};
use webrtc_server_conformance::peer::{Peer, Protocol, StreamEnd, TcpOptions, TcpPath};

/// Carriers are numbered together: the UDP socket is 0.
const LISTENER: ListenerId = ListenerId(1);

fn connect(by_hand: &ByHand) -> TcpPath {
    TcpPath::connect(by_hand.tcp, TcpOptions::default()).expect("a listener")
}

/// Neither the answer to a check of the first transport's peer leaves, nor a message to it. The check.
fn lose_two(
    by_hand: &mut ByHand,
    peer: &mut Peer,
    are_lost: impl Fn(Stats) -> bool,
) -> TransactionId {
    let unheard = peer.check(FIRST, true).expect("it leaves");
    let send = Command::Send { transport: TransportId(1), data: vec![1], reply: None };
    by_hand.worker.execute(send);
    eventually("both are lost and counted", || {
        by_hand.step();
        are_lost(by_hand.stats())
    });
    unheard
}

/// What meets a full socket is lost and counted; an alert alone waits.
#[test]
fn res_04_a_datagram_that_cannot_be_sent_is_lost_and_nothing_else() {
    let mut by_hand = ByHand::new();
    let mut peer = by_hand.pair(1, Protocol::Udp);
    let mut over_tcp = by_hand.pair(2, Protocol::Tcp);
    let before = by_hand.stats().sends_blocked;
    by_hand.worker.set_socket_full(SocketId(0), true);
    let unheard = lose_two(&mut by_hand, &mut peer, |stats| stats.sends_blocked == before + 2);
    echo(&mut by_hand, 2, &mut over_tcp);
    by_hand.worker.set_socket_full(SocketId(0), false);
    by_hand.check(&mut peer);
    echo(&mut by_hand, 1, &mut peer);
    assert!(peer.observed().answer_to(unheard).is_none(), "it is not repeated");
}

/// A send that the system refuses is lost and counted, and the next one is tried as if nothing had been.
#[test]
fn res_04_a_send_that_is_refused_loses_its_datagram_only() {
    let mut by_hand = ByHand::new();
    let mut peer = by_hand.pair(1, Protocol::Udp);
    let mut over_tcp = by_hand.pair(2, Protocol::Tcp);
    for error in
        [libc::EPERM, libc::ENETUNREACH, libc::EMSGSIZE, libc::EAFNOSUPPORT, libc::ECONNREFUSED]
    {
        let before = by_hand.stats();
        by_hand.worker.set_send_error(SocketId(0), Some(error));
        let lost = before.send_errors + 2;
        let unheard = lose_two(&mut by_hand, &mut peer, |stats| stats.send_errors == lost);
        assert_eq!(by_hand.stats().sends_blocked, before.sends_blocked);
        echo(&mut by_hand, 2, &mut over_tcp);
        by_hand.worker.set_send_error(SocketId(0), None);
        by_hand.check(&mut peer);
        echo(&mut by_hand, 1, &mut peer);
        assert!(peer.observed().answer_to(unheard).is_none(), "it is not repeated");
    }
}

/// The system has no buffers and tells nobody when it has some again: an alert is offered a little later.
#[test]
fn res_04_an_alert_without_buffers_is_offered_again() {
    let mut by_hand = ByHand::new();
    let mut peer = by_hand.pair(1, Protocol::Udp);
    let retry = Alarm::RetrySocket(SocketId(0));
    by_hand.worker.set_send_error(SocketId(0), Some(libc::ENOBUFS));
    by_hand.worker.execute(Command::CloseTransport { transport: TransportId(1) });
    assert!(by_hand.worker.fire(retry), "once in vain");
    by_hand.worker.set_send_error(SocketId(0), None);
    assert!(by_hand.worker.fire(retry));
    assert!(!by_hand.worker.alarms().contains(&retry));
    peer.await_close_notify(PATIENCE).expect("it leaves");
}

/// Errors of receive neither end a socket nor keep its worker busy.
#[test]
fn res_03_a_socket_that_fails_to_receive_is_asked_again_later() {
    let mut by_hand = ByHand::new();
    let mut peer = by_hand.pair(1, Protocol::Udp);
    let retry = Alarm::RetrySocket(SocketId(0));
    by_hand.step();
    by_hand.worker.set_receive_errors(SocketId(0), 20);
    let id = peer.check(FIRST, true).expect("it leaves");
    for errors in [8, 16] {
        by_hand.until("it waits", |by_hand| by_hand.worker.alarms().contains(&retry));
        assert_eq!(by_hand.stats().receive_errors, errors);
        assert!(by_hand.worker.ready().is_empty(), "and does nothing meanwhile");
        assert!(by_hand.worker.fire(retry));
    }
    assert_eq!(by_hand.stats().receive_errors, 20);
    assert!(!by_hand.worker.alarms().contains(&retry));
    by_hand.until("what waited is answered", |_| {
        peer.collect().expect("a socket");
        peer.observed().answer_to(id).is_some()
    });
}

/// Those of single connections delay nobody, and many in a row are the listener's.
#[test]
fn res_02_a_listener_that_fails_to_accept_is_asked_again_later() {
    let mut by_hand = ByHand::new();
    let retry = Alarm::RetryAccept(LISTENER);
    by_hand.step();
    by_hand.worker.set_accept_errors(LISTENER, 7);
    let _first = connect(&by_hand);
    by_hand.until("accepted", |by_hand| by_hand.worker.core().connections().len() == 1);
    assert_eq!(by_hand.stats().accept_errors, 7);
    assert!(!by_hand.worker.alarms().contains(&retry));
    by_hand.worker.set_accept_errors(LISTENER, 20);
    let _second = connect(&by_hand);
    for errors in [8, 16] {
        by_hand.until("it waits", |by_hand| by_hand.worker.alarms().contains(&retry));
        assert_eq!(by_hand.stats().accept_errors, 7 + errors);
        assert!(by_hand.worker.ready().is_empty(), "and does nothing meanwhile");
        assert!(by_hand.worker.fire(retry));
    }
    by_hand.until("accepted", |by_hand| by_hand.worker.core().connections().len() == 2);
    assert_eq!(by_hand.stats().accept_errors, 7 + 20);
}

/// What the kernel accepted and nobody has looked at is closed like any other, not reset with its listener.
#[test]
fn cls_34_connections_in_the_backlog_are_closed_with_the_server() {
    let mut by_hand = ByHand::new();
    let mut bystander = by_hand.pair(0, Protocol::Udp);
    let mut waiting: Vec<_> = (0..5).map(|_| connect(&by_hand)).collect();
    by_hand.worker.set_accept_errors(LISTENER, 3);
    let until = Instant::now() + Duration::from_secs(3);
    by_hand.worker.execute(Command::CloseServer { until: Some(until) });
    // And one that comes while the farewells are under way.
    waiting.push(connect(&by_hand));
    let mut outcomes = None;
    by_hand.until("drained", |by_hand| {
        bystander.collect().expect("a socket");
        bystander.answer_close_notify(FIRST).expect("an answer");
        outcomes = outcomes.take().or_else(|| by_hand.outcomes());
        outcomes.is_some()
    });
    assert_eq!(outcomes, Some(vec![(0, Outcome::Confirmed)]));
    by_hand.release();
    for path in &mut waiting {
        assert_eq!(end_of(path), StreamEnd::Fin);
    }
}

/// More waits on a connection than one delivery may take, all of it frames of a stranger.
fn flooded(by_hand: &mut ByHand, frame: &[u8]) -> TcpPath {
    let mut path = connect(by_hand);
    by_hand.until("accepted", |by_hand| by_hand.is_armed(Timer::Bind(ConnectionId(0))));
    path.send_raw(&frame.repeat(150_000 / frame.len())).expect("it leaves");
    path.await_acknowledged(PATIENCE).expect("it fits");
    let _ = by_hand.outputs();
    by_hand.worker.poll(Some(PATIENCE)).expect("a poll");
    path
}

#[test]
fn res_14_one_delivery_takes_a_bounded_part_of_what_waits() {
    let mut by_hand = ByHand::new();
    by_hand.transport(1, Duration::from_secs(30));
    let wrong = MessageBuilder::new(Class::Request, Method::Binding, TransactionId([1; 12]))
        .username("ufrag1:peer")
        .message_integrity(b"wrong")
        .fingerprint();
    let _path = flooded(&mut by_hand, &frame(&wrong).expect("short enough"));
    let readable = Ready::ConnectionReadable(ConnectionId(0));
    assert!(by_hand.worker.deliver(readable));
    assert!(by_hand.worker.ready().contains(&readable), "the rest waits for its next turn");
}

#[test]
fn tcp_20_frames_of_a_stranger_whose_connection_ended_cost_nothing() {
    let mut by_hand = ByHand::new();
    let _path = flooded(&mut by_hand, &frame(&[0x80; 20]).expect("short enough"));
    let _ = by_hand.worker.take_journal();
    by_hand.step();
    let junk = |entry: &JournalEntry| matches!(entry.input, Input::JunkReceived { .. });
    assert_eq!(by_hand.worker.take_journal().iter().filter(|entry| junk(entry)).count(), 1);
}
