//! The whole peer against a small server.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use webrtc_server::wire::stun::Class;

use super::test_server::MiniServer;
use super::{
    CheckOptions, Delivery, DtlsPhase, DtlsRole, DtlsSession, Feed, HandshakeGoal, PacketSort,
    Path, Peer, PeerCertificate, PeerError, Protocol, StreamEnd, Via, records,
};

const PATIENCE: Duration = Duration::from_secs(5);
const STEPS: usize = 2000;

fn start(protocol: Protocol, role: DtlsRole) -> (MiniServer, Peer, Via) {
    let other = match role {
        DtlsRole::Client => DtlsRole::Server,
        DtlsRole::Server => DtlsRole::Client,
    };
    let server = MiniServer::new(other);
    let address = match protocol {
        Protocol::Udp => server.udp_addr(),
        Protocol::Tcp => server.tcp_addr(),
    };
    let certificate = PeerCertificate::shared().expect("a certificate");
    let mut peer = Peer::new(MiniServer::credentials(), &certificate, role).expect("a peer");
    let via = peer.open(protocol, address).expect("a path");
    (server, peer, via)
}

fn connected(protocol: Protocol) -> (MiniServer, Peer, Via) {
    let (mut server, mut peer, via) = start(protocol, DtlsRole::Client);
    peer.handshake(via, &mut || server.step(), STEPS).expect("connected");
    (server, peer, via)
}

#[test]
fn a_check_is_answered_and_the_answer_is_verified() {
    for protocol in [Protocol::Udp, Protocol::Tcp] {
        let (mut server, mut peer, via) = start(protocol, DtlsRole::Client);
        let plain = peer.check(via, false).expect("sent");
        let nominating = peer.check(via, true).expect("sent");
        assert_ne!(plain, nominating);
        assert_eq!(peer.collect().expect("nothing yet"), 0);
        server.step().expect("a step");
        peer.await_until("answers", PATIENCE, |peer| peer.observed().stun.len() == 2)
            .expect("answers");
        assert_eq!(server.nominations, 1);
        let local = peer.path(via).expect("a path").local_addr();
        for transaction in [plain, nominating] {
            let answer = peer.observed().answer_to(transaction).expect("an answer");
            assert!(answer.is_success() && answer.fingerprint, "{answer:?}");
            assert_eq!((answer.via, answer.mapped), (via, Some(local)));
            assert_eq!(peer.observed().answers_to(transaction), 1);
        }
    }
}

#[test]
fn hostile_checks_are_refused_and_the_refusal_is_read() {
    let (mut server, mut peer, via) = start(Protocol::Udp, DtlsRole::Client);
    let guess = CheckOptions { password: Some("a guess".into()), ..CheckOptions::default() };
    let wrong = peer.check_with(via, &guess, |request| request).expect("sent");
    let honest = CheckOptions::default();
    let controlled =
        peer.check_with(via, &honest, |request| request.ice_controlled(7)).expect("sent");
    let unknown =
        peer.check_with(via, &honest, |request| request.attribute(0x7777, b"?")).expect("sent");
    server.step().expect("a step");
    peer.await_until("answers", PATIENCE, |peer| peer.observed().stun.len() == 3).expect("answers");
    for (transaction, code, authentic) in
        [(wrong, 401, false), (controlled, 487, true), (unknown, 420, true)]
    {
        let answer = peer.observed().answer_to(transaction).expect("an answer");
        assert_eq!(answer.class, Class::ErrorResponse);
        assert_eq!((answer.error_code, answer.authentic), (Some(code), authentic));
    }
    assert_eq!(peer.observed().answer_to(unknown).expect("an answer").unknown_attributes, [0x7777]);
}

#[test]
fn handshake_data_and_close_over_either_protocol() {
    for protocol in [Protocol::Udp, Protocol::Tcp] {
        let (mut server, mut peer, via) = connected(protocol);
        peer.send_data(via, b"ping").expect("sent");
        server.step().expect("a step");
        assert_eq!(server.dtls.data, vec![b"ping".to_vec()]);
        let pong = server.dtls.seal(b"pong");
        server.send(&pong).expect("sent");
        server.close(1).expect("sent");
        peer.await_close_notify(PATIENCE).expect("close_notify");
        assert_eq!(peer.observed().data, vec![b"pong".to_vec()]);
        assert_eq!(peer.observed().close_notifies, vec![via]);
        assert_eq!(peer.observed().late_on_the_same_path(), 0);
        assert_eq!(peer.answer_close_notify(via).expect("sent"), 1);
        assert_eq!(peer.answer_close_notify(via).expect("said"), 0);
        server.step().expect("a step");
        let state = server.dtls.stream.get_shutdown();
        assert!(state.contains(openssl::ssl::ShutdownState::RECEIVED));
    }
}

#[test]
fn every_close_notify_on_the_wire_counts_and_so_does_what_follows() {
    let (mut server, mut peer, via) = connected(Protocol::Udp);
    let late = server.dtls.seal(b"sealed before, sent after");
    server.close(3).expect("sent");
    server.send(&late).expect("sent");
    let check = peer.check(via, false).expect("sent");
    server.step().expect("a step");
    peer.await_until("all of it", PATIENCE, |peer| peer.observed().answer_to(check).is_some())
        .expect("all of it");
    let seen = peer.take_observed();
    assert_eq!(seen.close_notifies, vec![via; 3]);
    assert_eq!((seen.data.len(), seen.other_alerts), (0, 0));
    assert!(seen.fatal_alerts.is_empty());
    let sorts: Vec<PacketSort> = seen.after_close_notify.iter().map(|late| late.sort).collect();
    assert_eq!(sorts, [PacketSort::Dtls, PacketSort::Dtls, PacketSort::Dtls, PacketSort::Stun]);
    assert_eq!(seen.late_on_the_same_path(), 4);
}

#[test]
fn the_handshake_stops_after_each_flight() {
    let (mut server, mut peer, via) = start(Protocol::Udp, DtlsRole::Client);
    let goals = [HandshakeGoal::FlightsSent(1), HandshakeGoal::FlightsSent(1)];
    for goal in goals {
        peer.handshake_until(via, goal, &mut || server.step(), STEPS).expect("a goal");
        assert_eq!(peer.phase(), DtlsPhase::Handshaking);
    }
    assert!(!server.dtls.stream.ssl().is_init_finished(), "the second flight was not read");
    peer.handshake(via, &mut || server.step(), STEPS).expect("connected");
    assert!(peer.is_connected());
    let early = peer.session().srtp_material().expect("keys");
    assert_eq!(early.client_key.len(), 16);
}

#[test]
fn a_handshake_without_a_server_is_a_barrier_that_was_not_reached() {
    let (_server, mut peer, via) = start(Protocol::Udp, DtlsRole::Client);
    let missed = peer.handshake(via, &mut || Ok(()), 3);
    assert!(matches!(missed, Err(PeerError::Barrier { .. })), "{missed:?}");
}

#[test]
fn held_datagrams_wait_for_the_test() {
    let (mut server, mut peer, via) = start(Protocol::Udp, DtlsRole::Client);
    peer.set_feed(Feed::Held);
    peer.start_handshake(via).expect("sent");
    server.step().expect("a step");
    peer.await_until("a flight", PATIENCE, |peer| peer.observed().dtls_datagrams > 0)
        .expect("a flight");
    assert!(peer.outbox_mut().is_empty());
    assert_eq!(peer.inbox_mut().len(), peer.observed().dtls_datagrams);
    assert!(peer.pump(via).expect("sent") > 0, "the second flight");
    peer.handshake(via, &mut || server.step(), STEPS).expect("connected");
}

#[test]
fn a_bad_network_does_not_stop_a_handshake() {
    let deliveries = [Delivery::Twice, Delivery::Coalesced, Delivery::Reversed, Delivery::Lost];
    for delivery in deliveries {
        let (mut server, mut peer, via) = start(Protocol::Udp, DtlsRole::Client);
        let certificate = PeerCertificate::shared().expect("a certificate");
        let small = DtlsSession::with_mtu(DtlsRole::Client, &certificate, 300).expect("a session");
        peer.replace_session(small);
        peer.start_handshake(via).expect("sent");
        server.step().expect("a step");
        peer.await_until("the answer", PATIENCE, |peer| !peer.outbox.is_empty()).expect("it");
        let made = peer.outbox_mut().len();
        assert!(made > 1, "nothing to mistreat");
        let arriving = match delivery {
            Delivery::Twice => 2 * made,
            Delivery::Coalesced => 1,
            Delivery::Lost => 0,
            Delivery::AsIs | Delivery::Reversed | Delivery::Corrupted => made,
        };
        assert_eq!(peer.flush_as(via, delivery).expect("sent"), arriving);
        peer.handshake(via, &mut || server.step(), STEPS).expect("connected");
    }
}

#[test]
fn old_and_damaged_datagrams_leave_the_other_side_alone() {
    let (mut server, mut peer, via) = connected(Protocol::Udp);
    peer.send_data(via, b"once").expect("sent");
    let last = peer.sent().len() - 1;
    peer.resend(via, last).expect("sent");
    peer.resend(via, 0).expect("sent");
    peer.session.write(b"damaged").expect("connected");
    peer.outbox.extend(peer.session.take_outgoing());
    assert_eq!(peer.flush_as(via, Delivery::Corrupted).expect("sent"), 1);
    peer.send_plaintext_alert(via, 2, 40).expect("sent");
    assert_eq!(records(&peer.sent()[last]).next().map(|record| record.epoch), Some(1));
    server.step().expect("a step");
    assert_eq!(server.dtls.data, vec![b"once".to_vec()]);
    assert!(matches!(peer.resend(via, 99), Err(PeerError::NeverSent(99))));
}

#[test]
fn a_peer_that_is_the_dtls_server_connects_too() {
    let (mut server, mut peer, via) = start(Protocol::Udp, DtlsRole::Server);
    peer.check(via, true).expect("sent");
    server.step().expect("a step");
    let _ = server.dtls.stream.do_handshake();
    for hello in server.dtls.outgoing() {
        server.send(&hello).expect("sent");
    }
    peer.handshake(via, &mut || server.step(), STEPS).expect("connected");
}

#[test]
fn a_paused_path_is_not_read_and_ends_are_told_apart() {
    let (mut server, mut peer, via) = connected(Protocol::Tcp);
    let second = Path::open(Protocol::Tcp, server.tcp_addr()).expect("a path");
    let second = peer.add_path(second);
    peer.pause(via).expect("a path");
    let data = server.dtls.seal(b"later");
    server.send(&data).expect("sent");
    peer.tcp(via).expect("TCP").await_readable(PATIENCE).expect("it is there");
    assert_eq!(peer.collect().expect("nothing is read"), 0);
    peer.resume(via).expect("a path");
    assert_eq!(peer.collect().expect("read"), 1);
    drop(server);
    peer.await_until("both ends", PATIENCE, |peer| {
        peer.ends().all(|(_, end)| end != StreamEnd::Open)
    })
    .expect("both ends");
    assert_eq!(peer.end(via).expect("a path"), StreamEnd::Fin);
    // The listener was closed before it accepted this one.
    assert_eq!(peer.end(second).expect("a path"), StreamEnd::Reset);
    assert!(matches!(peer.udp(via), Err(PeerError::NoPath(_))));
}

#[test]
fn a_server_with_its_own_thread_can_be_connected_to() {
    for protocol in [Protocol::Udp, Protocol::Tcp] {
        let mut server = MiniServer::new(DtlsRole::Server);
        let address = match protocol {
            Protocol::Udp => server.udp_addr(),
            Protocol::Tcp => server.tcp_addr(),
        };
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = Arc::clone(&stop);
        let thread = std::thread::spawn(move || {
            while !stopped.load(Ordering::Relaxed) {
                server.step().expect("a step");
                std::thread::sleep(Duration::from_millis(1));
            }
            server.close(1).expect("sent");
        });
        let certificate = PeerCertificate::shared().expect("a certificate");
        let (mut peer, _) = Peer::connect_over(
            protocol,
            address,
            MiniServer::credentials(),
            &certificate,
            PATIENCE,
        )
        .expect("connected");
        assert!(peer.expect_fingerprint("AB:CD").is_err());
        stop.store(true, Ordering::Relaxed);
        peer.await_close_notify(PATIENCE).expect("close_notify");
        thread.join().expect("no panic");
    }
}

#[test]
fn a_server_that_is_not_there_is_a_barrier_that_was_not_reached() {
    let server = MiniServer::new(DtlsRole::Server);
    let certificate = PeerCertificate::shared().expect("a certificate");
    let missed = Peer::connect_over(
        Protocol::Udp,
        server.udp_addr(),
        MiniServer::credentials(),
        &certificate,
        Duration::from_millis(50),
    );
    assert!(matches!(missed, Err(PeerError::Barrier { .. })));
}
