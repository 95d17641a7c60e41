//! Peers that stop reading, or stop writing, or go away while something is queued for them.

use crate::support::{FIRST, Fixture, Member, PATIENCE, await_end, echo, end_of, sealed};
use std::time::Duration;
use webrtc_server::lifecycle::{DropReason, Limits, NotNeeded, Outcome};
use webrtc_server::wire::framing::frame;
use webrtc_server::{ListenInfo, WebRtcServerOptions};
use webrtc_server_conformance::peer::{DtlsRole, Path, Peer, Protocol, StreamEnd, TcpOptions};

/// A deadline that no test gets to.
const NEVER: Duration = Duration::from_secs(3600);

/// A server whose connections have small send buffers, so that its own queues fill up soon.
fn narrow(limits: Limits) -> Fixture {
    let listen = |protocol| ListenInfo::new(protocol, [127, 0, 0, 1].into());
    let tcp = ListenInfo { send_buffer_size: Some(16 * 1024), ..listen(Protocol::Tcp) };
    let listen_infos = vec![listen(Protocol::Udp), tcp];
    Fixture::with_options(WebRtcServerOptions { listen_infos, limits, ..Default::default() })
}

/// A connected peer with a small receive buffer that reads no more.
fn stalled(fixture: &Fixture) -> (Member, Peer) {
    let member = fixture.member();
    let path = fixture.tcp_with(TcpOptions { receive_buffer: Some(8192), local: None });
    let mut peer = member.peer_on(Path::Tcp(path), DtlsRole::Client);
    peer.connect_via(FIRST, PATIENCE).expect("ICE and DTLS connect");
    member.await_event("dtls Connected");
    peer.pause(FIRST).expect("a path");
    (member, peer)
}

/// Sends until the queue of the connection is full and data is dropped.
fn fill(fixture: &Fixture, member: &Member) {
    fill_with(fixture, member, 1200);
}

fn fill_with(fixture: &Fixture, member: &Member, size: usize) {
    let before = fixture.stats().frames_dropped;
    let mut bytes = 0;
    while fixture.stats().frames_dropped == before {
        assert!(bytes < 64 * 1024 * 1024, "nothing is ever dropped");
        for _ in 0..50 {
            member.transport.post(&vec![7; size]).expect("an open server");
            bytes += size;
        }
    }
}

/// Reads everything up to the end of the stream; the transport must not be awaited by whoever calls.
fn drain(peer: &mut Peer) -> StreamEnd {
    peer.resume(FIRST).expect("a path");
    let end = await_end(peer);
    assert_eq!(peer.tcp(FIRST).expect("a path").partial_bytes(), 0, "whole frames only");
    assert_eq!(peer.observed().malformed, 0);
    end
}

#[test]
fn tcp_13_a_peer_that_closed_its_half_still_gets_what_was_queued() {
    let limits = Limits { drain: NEVER, ..Limits::default() };
    let fixture = narrow(limits);
    let (member, mut peer) = stalled(&fixture);
    fill(&fixture, &member);
    let dropped = fixture.stats().frames_dropped;
    peer.tcp(FIRST).expect("a path").finish().expect("a FIN");
    member.await_event("ice Disconnected");
    fixture.await_connections("it is flushed", |now| (now.bound, now.lingering) == (0, 1));
    assert_eq!(drain(&mut peer), StreamEnd::Fin);
    // The queue holds 256 KiB, and all of it has arrived.
    let arrived = peer.observed().data.len();
    assert!(arrived > 256 * 1024 / 1300, "{arrived} messages");
    assert_eq!(fixture.stats().frames_dropped, dropped, "nothing more was dropped");
    fixture.end();
}

#[test]
fn tcp_10_a_frame_is_cut_once_however_long_the_flush_takes() {
    let fixture = narrow(Limits { drain: NEVER, ..Limits::default() });
    let (member, mut peer) = stalled(&fixture);
    fill(&fixture, &member);
    let path = peer.tcp(FIRST).expect("a path");
    path.send_raw(&[0, 100, 0x80]).expect("it leaves");
    path.finish().expect("a FIN");
    member.await_event("ice Disconnected");
    assert_eq!(drain(&mut peer), StreamEnd::Fin);
    assert_eq!(fixture.stats().frames_cut, 1);
    fixture.end();
}

#[test]
fn tcp_13_a_goodbye_with_a_fin_behind_it_is_answered() {
    let fixture = narrow(Limits { drain: NEVER, ..Limits::default() });
    let (member, mut peer) = stalled(&fixture);
    fill(&fixture, &member);
    let goodbye = sealed(&mut peer, |peer, nowhere| {
        peer.send_close_notify(nowhere).expect("connected");
    });
    let goodbye = frame(&goodbye[0]).expect("short enough");
    let path = peer.tcp(FIRST).expect("a path");
    path.send_raw(&goodbye).expect("it leaves");
    path.finish().expect("a FIN");
    member.await_event("dtls Closed CloseNotify");
    member.await_event("ice Disconnected");
    assert_eq!(drain(&mut peer), StreamEnd::Fin);
    assert_eq!(peer.observed().close_notifies, [FIRST]);
    assert_eq!(peer.observed().late_on_the_same_path(), 0, "the last frame is the alert");
    fixture.end();
}

#[test]
fn tcp_15_a_peer_that_never_reads_costs_a_bounded_queue_and_gets_its_alert() {
    let fixture = narrow(Limits { drain: NEVER, ..Limits::default() });
    let (member, mut peer) = stalled(&fixture);
    fill(&fixture, &member);
    for _ in 0..3 {
        fill(&fixture, &member);
    }
    // Checks still get their answers into the queue: they have a share of their own.
    let dropped = fixture.stats().frames_dropped;
    let check = peer.check(FIRST, true).expect("it leaves");
    fixture.await_stats("it is granted", |now| now.stun_checks >= 2);
    assert_eq!(fixture.stats().frames_dropped, dropped);
    let closing = member.transport.close();
    fixture.await_connections("it lingers", |now| now.lingering == 1);
    assert!(!closing.is_complete(), "the alert waits");
    assert!(fixture.stats().frames_dropped > dropped + 100, "what was not begun is dropped");
    assert_eq!(drain(&mut peer), StreamEnd::Fin);
    // The alert overtook the queue, and the answer to the check with it
    assert_eq!(peer.observed().close_notifies, [FIRST]);
    assert_eq!(peer.observed().late_on_the_same_path(), 0);
    assert!(peer.observed().answer_to(check).is_none());
    let closed = closing.wait().expect("not a worker");
    assert_eq!(closed.outcome, Outcome::Confirmed);
    fixture.end();
}

#[test]
fn tcp_16_the_alert_never_lands_inside_a_frame() {
    // Wherever the send buffer cuts the stream.
    for size in [1, 700, 1001, 1200, 1313] {
        let fixture = narrow(Limits { drain: NEVER, ..Limits::default() });
        let (member, mut peer) = stalled(&fixture);
        fill_with(&fixture, &member, size);
        let closing = member.transport.close();
        fixture.await_connections("it lingers", |now| now.lingering == 1);
        assert_eq!(drain(&mut peer), StreamEnd::Fin, "messages of {size} bytes");
        assert_eq!(peer.observed().close_notifies, [FIRST]);
        assert_eq!(peer.observed().late_on_the_same_path(), 0);
        assert!(peer.observed().data.iter().all(|data| data.len() == size));
        assert_eq!(closing.wait().expect("not a worker").outcome, Outcome::Confirmed);
        fixture.end();
    }
}

#[test]
fn cls_06_unread_input_and_queued_output_do_not_cost_the_alert() {
    let fixture = narrow(Limits { drain: NEVER, ..Limits::default() });
    let (member, mut peer) = stalled(&fixture);
    fill(&fixture, &member);
    // Requests without a break; the server's receive buffer is full of them when it closes.
    let id = peer.next_transaction();
    let check = peer.check_request(id, &Default::default(), |request| request);
    let flood = frame(&check).expect("short enough").repeat(20_000);
    peer.tcp(FIRST).expect("a path").send_raw(&flood).expect("it leaves");
    let closing = member.transport.close();
    fixture.await_connections("it lingers", |now| now.lingering == 1);
    peer.tcp(FIRST).expect("a path").send_raw(&flood).expect("it leaves");
    peer.resume(FIRST).expect("a path");
    while peer.end(FIRST).expect("a path") == StreamEnd::Open {
        peer.collect().expect("a socket");
        let _ = peer.tcp(FIRST).expect("a path").flush();
        let _ = peer.await_readable(Duration::from_millis(1));
    }
    assert_eq!(peer.end(FIRST).expect("a path"), StreamEnd::Fin, "no RST");
    assert_eq!(peer.observed().close_notifies, [FIRST]);
    assert_eq!(closing.wait().expect("not a worker").outcome, Outcome::Confirmed);
    fixture.end();
}

#[test]
fn cls_07_peers_that_never_read_do_not_hold_the_close_up() {
    // The default deadlines; the test ends because the close does.
    let fixture = narrow(Limits::default());
    let stalled: Vec<_> = (0..5).map(|_| stalled(&fixture)).collect();
    for (member, _) in &stalled {
        fill(&fixture, member);
    }
    let ids: Vec<_> = stalled.iter().map(|(member, _)| member.transport.number()).collect();
    let outcomes = fixture.end();
    for id in ids {
        let outcome = outcomes.transports().iter().find(|(other, _)| *other == id);
        let outcome = outcome.map(|(_, outcome)| *outcome).expect("it is reported");
        // A kernel may find room for the alert behind what nobody reads; that is all it can do.
        let possible = [Outcome::Dropped(DropReason::Deadline), Outcome::Sent];
        assert!(possible.contains(&outcome), "{outcome:?}");
    }
    for (_, mut peer) in stalled {
        peer.resume(FIRST).expect("a path");
        assert_eq!(await_end(&mut peer), StreamEnd::Reset);
    }
}

#[test]
fn cls_07_a_connection_that_never_takes_its_alert_is_reset_in_time() {
    // The deadline of the connection alone: the server is not closed.
    let fixture = narrow(Limits { server: NEVER, ..Limits::default() });
    let (member, mut peer) = stalled(&fixture);
    fill(&fixture, &member);
    let closed = member.transport.close().wait_timeout(PATIENCE).expect("it ends");
    let possible = [Outcome::Dropped(DropReason::Deadline), Outcome::Sent];
    assert!(possible.contains(&closed.outcome), "{closed:?}");
    assert_eq!(fixture.connections().lingering, 0);
    peer.resume(FIRST).expect("a path");
    assert_eq!(await_end(&mut peer), StreamEnd::Reset);
    fixture.end();
}

#[test]
fn cls_07_a_peer_that_reads_and_never_closes_its_half_does_not_hold_the_close_up() {
    let fixture = narrow(Limits { drain: NEVER, server: NEVER, ..Limits::default() });
    let (member, mut peer) = fixture.pair(Protocol::Tcp);
    let closed = member.transport.close().wait().expect("not a worker");
    assert_eq!(closed.outcome, Outcome::Confirmed, "its kernel has acknowledged everything");
    peer.await_close_notify(PATIENCE).expect("the alert");
    assert_eq!(drain(&mut peer), StreamEnd::Fin);
    fixture.end();
}

#[test]
fn cls_17_a_reset_while_the_alert_waits_is_reported_and_harms_nobody() {
    let fixture = narrow(Limits { drain: NEVER, ..Limits::default() });
    let (member, mut peer) = stalled(&fixture);
    let (other, mut unharmed) = fixture.pair(Protocol::Tcp);
    fill(&fixture, &member);
    let closing = member.transport.close();
    fixture.await_connections("it lingers", |now| now.lingering == 1);
    peer.tcp(FIRST).expect("a path").reset().expect("a RST");
    let closed = closing.wait().expect("not a worker");
    assert_eq!(closed.outcome, Outcome::Dropped(DropReason::Reset));
    echo(&other, &mut unharmed, FIRST);
    fixture.end();
}

#[test]
fn cls_09_nothing_follows_the_alert() {
    for protocol in [Protocol::Udp, Protocol::Tcp] {
        let fixture = Fixture::new();
        let (member, mut peer) = fixture.pair(protocol);
        peer.pause(FIRST).expect("a path");
        for _ in 0..20 {
            member.transport.post(b"media").expect("an open server");
        }
        peer.check(FIRST, true).expect("it leaves");
        let closing = member.transport.close();
        for _ in 0..20 {
            let _ = member.transport.post(b"media");
            peer.check(FIRST, true).expect("it leaves");
            peer.send_data(FIRST, b"media").expect("connected");
        }
        closing.wait().expect("not a worker");
        fixture.udp_barrier();
        peer.resume(FIRST).expect("a path");
        peer.await_close_notify(PATIENCE).expect("the alert");
        if protocol == Protocol::Tcp {
            assert_eq!(drain(&mut peer), StreamEnd::Fin);
        }
        assert_eq!(peer.observed().after_close_notify.len(), 0);
        assert_eq!(peer.observed().close_notifies.len(), 1);
        fixture.end();
    }
}

#[test]
fn cls_16_without_a_path_there_is_nobody_to_say_it_to() {
    let fixture = Fixture::new();
    let outcome = |member: &Member| member.transport.close().wait().expect("not a worker").outcome;
    let never = fixture.member();
    assert_eq!(outcome(&never), Outcome::NotNeeded(NotNeeded::NotConnected));
    let (lost, mut peer) = fixture.pair(Protocol::Tcp);
    peer.tcp(FIRST).expect("a path").reset().expect("a RST");
    lost.await_event("ice Disconnected");
    let sent = fixture.stats().datagrams_sent;
    assert_eq!(outcome(&lost), Outcome::NotNeeded(NotNeeded::NoPath));
    assert_eq!(fixture.stats().datagrams_sent, sent);
    fixture.end();
}

#[test]
fn cls_18_closing_many_leaves_the_traffic_of_others_in_order() {
    let fixture = Fixture::new();
    let (member, mut peer) = fixture.pair(Protocol::Udp);
    let mut crowd: Vec<_> = (0..30).map(|_| fixture.pair(Protocol::Udp)).collect();
    let mut expected = Vec::new();
    for (number, (other, _)) in crowd.iter().enumerate() {
        let message = format!("message {number}").into_bytes();
        member.transport.send(&message).expect("connected");
        expected.push(message);
        drop(other.transport.close());
    }
    peer.await_until("all of it", PATIENCE, |peer| peer.observed().data.len() == expected.len())
        .expect("nothing is lost");
    assert_eq!(peer.observed().data, expected);
    for (other, peer) in &mut crowd {
        peer.await_close_notify(PATIENCE).expect("each hears its alert");
        other.transport.closed().wait().expect("not a worker");
    }
    echo(&member, &mut peer, FIRST);
    fixture.end();
}

#[test]
fn cls_34_connections_without_a_byte_are_closed_with_the_server() {
    let fixture = narrow(Limits { bind: NEVER, drain: NEVER, ..Limits::default() });
    let mut silent: Vec<_> = (0..20).map(|_| fixture.tcp()).collect();
    fixture.await_connections("accepted", |now| now.unbound == 20);
    // These may still be in the backlog.
    silent.extend((0..20).map(|_| fixture.tcp()));
    fixture.end();
    for path in &mut silent {
        assert_eq!(end_of(path), StreamEnd::Fin);
    }
}
