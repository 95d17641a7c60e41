//! Servers of several workers, where peers arrive at another worker than their transport's.
//!
//! Transports go to the workers in turn, so that with two workers every second one is the second worker's. With
//! [`Sharing::FirstReceives`] everything arrives at the first worker; with [`Sharing::OwnSockets`] the kernel chooses.

use std::num::NonZeroUsize;
use std::sync::mpsc::channel;
use webrtc_server::control::dump::Stats;
use webrtc_server::lifecycle::{CloseReason, Outcome};
use webrtc_server::shell::bind::Sharing;
use webrtc_server::{WebRtcServer, WebRtcServerOptions, WebRtcTransportOptions};
use webrtc_server_conformance::PATIENCE;
use webrtc_server_conformance::by_hand::FIRST;
use webrtc_server_conformance::live::{BOTH, Member, address, assert_counted, echo, loopback};
use webrtc_server_conformance::peer::{
    CheckOptions, DtlsRole, DtlsSession, Peer, PeerCertificate, Protocol,
};

fn server(workers: usize, sharing: Sharing) -> WebRtcServer {
    let workers = NonZeroUsize::new(workers);
    WebRtcServer::new(WebRtcServerOptions {
        workers,
        sharing,
        ..WebRtcServerOptions::new(loopback())
    })
    .expect("loopback can be bound")
}

fn stats(server: &WebRtcServer) -> Stats {
    server.get_stats().expect("an open server")
}

/// Every peer hears exactly one goodbye, and what it answers is heard.
fn close(server: &WebRtcServer, peers: Vec<Peer>) {
    let closing = server.close();
    for mut peer in peers {
        peer.await_close_notify(PATIENCE).expect("the alert arrives");
        peer.answer_close_notify(FIRST).expect("the answer leaves");
        peer.collect().expect("a socket");
        assert_eq!(peer.observed().close_notifies.len(), 1, "exactly one");
        assert_eq!(peer.observed().late_on_the_same_path(), 0, "nothing after it");
    }
    let outcomes = closing.wait().expect("not a worker");
    assert!(outcomes.lost_workers().is_empty());
    let confirmed = |(_, outcome): &(u64, Outcome)| *outcome == Outcome::Confirmed;
    assert!(outcomes.transports().iter().all(confirmed), "{outcomes:?}");
}

fn everybody_is_served(workers: usize, sharing: Sharing, peers_of_each: usize) -> Stats {
    let server = server(workers, sharing);
    let (mut members, mut peers) = (Vec::new(), Vec::new());
    for protocol in BOTH {
        for _ in 0..peers_of_each {
            let member = Member::new(&server);
            let mut peer = member.connected(&server, protocol);
            echo(&member, &mut peer, FIRST);
            assert_counted(&member, &peer, 0);
            let tuple = member.transport.ice_selected_tuple().expect("it is connected");
            assert_eq!(tuple.local_port, address(&server, protocol).port());
            assert_eq!(member.tuples(), 1);
            members.push(member);
            peers.push(peer);
        }
    }
    let dump = server.dump().expect("an open server");
    assert_eq!((dump.udp_sockets.len(), dump.tcp_servers.len()), (1, 1), "each address once");
    assert_eq!((dump.tuples, dump.connections.bound), (2 * peers_of_each, peers_of_each));
    let stats = stats(&server);
    let count = u64::try_from(peers_of_each).expect("a few");
    assert_eq!((stats.connections_accepted, stats.handshakes_completed), (count, 2 * count));
    assert_eq!(stats.hand_overs_dropped, 0);
    close(&server, peers);
    stats
}

#[test]
fn dmx_13_what_arrives_at_the_wrong_worker_is_handed_over_where_one_receives_for_all() {
    let stats = everybody_is_served(2, Sharing::FirstReceives, 6);
    // Of three peers of each protocol the connection, or each of at least four datagrams.
    assert!(stats.handed_over >= 3 + 3 * 4, "{stats:?}");
    let stats = everybody_is_served(3, Sharing::FirstReceives, 6);
    assert!(stats.handed_over >= 4 + 4 * 4, "{stats:?}");
}

#[cfg(target_os = "linux")]
#[test]
fn dmx_13_what_arrives_at_the_wrong_worker_is_handed_over_where_the_kernel_spreads_the_peers() {
    // One in 2^40 that none of them meets the wrong worker.
    let stats = everybody_is_served(2, Sharing::OwnSockets, 20);
    assert!(stats.handed_over > 0, "{stats:?}");
    let stats = everybody_is_served(1, Sharing::OwnSockets, 2);
    assert_eq!(stats.handed_over, 0, "there is nobody else");
}

/// Whatever the kernel does with the peers' addresses, each worker serves its own transports.
#[test]
fn two_workers_serve_a_hundred_of_two_hundred_peers_each() {
    let server = server(2, Sharing::default());
    let (mut members, mut peers) = (Vec::new(), Vec::new());
    for number in 0..200 {
        let member = Member::new(&server);
        let mut peer = member.connected(&server, BOTH[number / 2 % 2]);
        echo(&member, &mut peer, FIRST);
        members.push(member);
        peers.push(peer);
    }
    let each = server.get_worker_stats().expect("an open server");
    assert_eq!(each.iter().map(|stats| stats.handshakes_completed).collect::<Vec<_>>(), [100; 2]);
    // A check, and the datagrams of the handshake that fits one flight or several.
    assert!(each.iter().all(|stats| stats.stun_checks >= 100), "{each:?}");
    let sum = each.into_iter().fold(Stats::default(), |mut sum, stats| {
        sum += stats;
        sum
    });
    assert_eq!((sum.connections_accepted, sum.hand_overs_dropped), (100, 0));
    // One in 2^100 that the kernel finds the right worker for every connection.
    assert!(sum.handed_over > 0 && sum == stats(&server), "{sum:?}");
    close(&server, peers);
}

/// Five times what the queue holds, while its worker is busy with something else.
#[test]
fn res_14_messages_that_wait_for_room_in_the_queue_are_all_sent() {
    let server = server(1, Sharing::default());
    let member = Member::new(&server);
    let mut peer = member.connected(&server, Protocol::Udp);
    echo(&member, &mut peer, FIRST);
    let before = stats(&server).datagrams_sent;
    let (held, inside) = (channel::<()>(), channel());
    let busy = WebRtcTransportOptions {
        on_event: Box::new(move |_| {
            inside.0.send(()).expect("the test waits");
            held.1.recv_timeout(PATIENCE).expect_err("nothing is ever sent");
        }),
        ..WebRtcTransportOptions::default()
    };
    drop(server.create_transport(busy).expect("an open server"));
    inside.1.recv_timeout(PATIENCE).expect("it hears that it is closed");
    std::thread::scope(|scope| {
        let post = || (0..2500).for_each(|_| member.transport.post(b"x").expect("an open server"));
        let posters = [scope.spawn(post), scope.spawn(post)];
        drop(held.0);
        posters.map(|poster| poster.join().expect("no panic"))
    });
    // What is asked now is asked behind them.
    let after = stats(&server);
    assert_eq!((after.datagrams_sent - before, after.sends_blocked), (5000, 0));
    server.close().wait().expect("not a worker");
}

/// The close of one transport, wherever it is, is answered like that of the server.
#[test]
fn cls_04_a_transport_of_another_worker_closes_alone() {
    for protocol in BOTH {
        let server = server(3, Sharing::FirstReceives);
        let members = [(); 3].map(|()| Member::new(&server));
        let mut peers = members.each_ref().map(|member| member.connected(&server, protocol));
        for (member, peer) in members.iter().zip(&mut peers) {
            let closing = member.transport.close();
            peer.await_close_notify(PATIENCE).expect("the alert arrives");
            peer.answer_close_notify(FIRST).expect("the answer leaves");
            let closed = closing.wait().expect("not a worker");
            assert_eq!((closed.reason, closed.outcome), (CloseReason::Owner, Outcome::Confirmed));
        }
        assert_eq!(server.dump().expect("an open server").tuples, 0);
        server.close().wait().expect("not a worker");
    }
}

/// The hint of the home must follow, and the former owner must not speak to the peer any more.
#[test]
fn dmx_06_a_tuple_moves_between_workers_with_the_password_and_not_without() {
    for protocol in BOTH {
        // From one neighbour of the home to another, from and to the home itself.
        for [from, to] in [[1, 2], [0, 1], [2, 0]] {
            let server = server(3, Sharing::FirstReceives);
            let members = [(); 3].map(|()| Member::new(&server));
            let (first, second) = (&members[from], &members[to]);
            let mut peer = first.connected(&server, protocol);
            echo(first, &mut peer, FIRST);
            let thief = CheckOptions {
                nominate: true,
                username: Some(format!("{}:x", second.credentials().ufrag)),
                ..CheckOptions::default()
            };
            let id = peer.check_with(FIRST, &thief, |request| request).expect("it leaves");
            peer.await_until("401", PATIENCE, |peer| peer.observed().answer_to(id).is_some())
                .expect("it is answered");
            assert_eq!(peer.observed().answer_to(id).and_then(|a| a.error_code), Some(401));
            echo(first, &mut peer, FIRST);
            assert_eq!((first.tuples(), second.tuples()), (1, 0));

            let certificate = PeerCertificate::shared().expect("a certificate");
            let session = DtlsSession::new(DtlsRole::Client, &certificate).expect("a session");
            peer.replace_session(session);
            peer.set_credentials(second.credentials());
            peer.connect_via(FIRST, PATIENCE).expect("the second transport connects");
            first.await_event("no tuple");
            echo(second, &mut peer, FIRST);
            assert_eq!((first.tuples(), second.tuples()), (0, 1));
            // It has no way to say anything.
            first.transport.close().wait().expect("not a worker");
            echo(second, &mut peer, FIRST);
            let closing = second.transport.close();
            peer.await_close_notify(PATIENCE).expect("the alert arrives");
            peer.answer_close_notify(FIRST).expect("the answer leaves");
            assert_eq!(closing.wait().expect("not a worker").outcome, Outcome::Confirmed);
            server.close().wait().expect("not a worker");
        }
    }
}

#[test]
fn n3_a_frame_that_was_begun_ends_before_another_workers_transport_speaks() {
    let server = server(2, Sharing::FirstReceives);
    let [_home, member, heir] = [(); 3].map(|()| Member::new(&server));
    let mut peer = member.connected(&server, Protocol::Tcp);
    peer.pause(FIRST).expect("a path");
    while stats(&server).frames_dropped == 0 {
        for _ in 0..50 {
            member.transport.post(&[7; 1200]).expect("an open server");
        }
    }
    peer.set_credentials(heir.credentials());
    let id = peer.check(FIRST, true).expect("it leaves");
    heir.await_event("ice Completed");
    peer.resume(FIRST).expect("a path");
    peer.await_until("an answer", PATIENCE, |peer| peer.observed().answer_to(id).is_some())
        .expect("the stream is still made of frames");
    assert_eq!((peer.observed().malformed, member.tuples(), heir.tuples()), (0, 0, 1));
    server.close().wait().expect("not a worker");
}

/// What was not proved changes nothing, wherever it comes from.
#[test]
fn dmx_13_claims_of_strangers_lead_nobodys_packets_astray() {
    let server = server(3, Sharing::FirstReceives);
    let members = [(); 3].map(|()| Member::new(&server));
    for (index, member) in members.iter().enumerate() {
        let mut peer = member.connected(&server, Protocol::Udp);
        // As if somebody sent them with the peer's address.
        for other in members.iter().cycle().skip(index + 1).take(2) {
            let ufrag = other.credentials().ufrag;
            for name in [format!("{ufrag}:x"), format!("{}0:x", &ufrag[..31])] {
                let check = CheckOptions { username: Some(name), ..CheckOptions::default() };
                peer.check_with(FIRST, &check, |request| request).expect("it leaves");
                echo(member, &mut peer, FIRST);
            }
        }
        assert_eq!(member.tuples(), 1);
    }
    server.close().wait().expect("not a worker");
}
