//! What ends one session leaves every other as it was: after each kind of end of one transport, others are probed with
//! a copy of an old datagram, which must change nothing.

use crate::support::{BOTH, FIRST, Fixture, Member, PATIENCE, echo};
use webrtc_server::lifecycle::DtlsState;
use webrtc_server_conformance::peer::{
    DtlsRole, DtlsSession, Feed, HandshakeGoal, Path, Peer, PeerCertificate, Protocol,
};

/// A peer that is on its way: checked, and with so many flights sent.
fn on_its_way(fixture: &Fixture, member: &Member, flights: usize) -> Peer {
    let mut peer = member.peer(&fixture.server, Protocol::Udp);
    peer.await_check(FIRST, true, PATIENCE).expect("granted");
    if flights > 0 {
        let reached = HandshakeGoal::FlightsSent(flights);
        peer.handshake_until(FIRST, reached, &mut || Ok(()), 20_000).expect("so far");
        peer.await_until("a flight", PATIENCE, |peer| peer.observed().dtls_datagrams > 0)
            .expect("it is answered");
    }
    peer
}

fn close(member: &Member) {
    member.transport.close().wait().expect("not a worker");
}

/// A ClientHello whose message type says Certificate.
fn broken_hello(peer: &mut Peer) {
    let hello = crate::support::sealed(peer, |peer, nowhere| {
        peer.start_handshake(nowhere).expect("a ClientHello");
    });
    let mut broken = hello[0].clone();
    broken[13] = 11;
    peer.send_packet(FIRST, &broken).expect("it leaves");
}

/// What happens to a transport, and how.
type End = (&'static str, fn(&Fixture));

/// Ends one transport in every way that is known to have left errors behind.
fn ends() -> Vec<End> {
    vec![
        ("closed before any byte of DTLS", |fixture| {
            let member = fixture.member();
            let _peer = on_its_way(fixture, &member, 0);
            close(&member);
        }),
        ("closed before any byte of DTLS and before connect()", |fixture| {
            let member = fixture.unconnected();
            let _peer = on_its_way(fixture, &member, 0);
            close(&member);
        }),
        ("closed as a client that has sent its hello", |fixture| {
            let member = fixture.unconnected();
            member.connect("server");
            let _peer = on_its_way(fixture, &member, 0);
            close(&member);
        }),
        ("closed after the first flight", |fixture| {
            let member = fixture.member();
            let _peer = on_its_way(fixture, &member, 1);
            close(&member);
        }),
        ("closed with the handshake done and connect() missing", |fixture| {
            let member = fixture.unconnected();
            let mut peer = member.peer(&fixture.server, Protocol::Udp);
            peer.connect_via(FIRST, PATIENCE).expect("the peer's side is done");
            close(&member);
        }),
        ("a hello that is none", |fixture| {
            let member = fixture.member();
            let mut peer = on_its_way(fixture, &member, 0);
            broken_hello(&mut peer);
            fixture.udp_barrier();
        }),
        ("a hello that is none, without connect()", |fixture| {
            let member = fixture.unconnected();
            let mut peer = on_its_way(fixture, &member, 0);
            broken_hello(&mut peer);
            fixture.udp_barrier();
        }),
        ("a plaintext alert after the first flight", |fixture| {
            let member = fixture.member();
            let mut peer = on_its_way(fixture, &member, 1);
            peer.send_plaintext_alert(FIRST, 2, 40).expect("it leaves");
            member.await_event("dtls Failed Alert(40)");
        }),
        ("the wrong certificate", |fixture| {
            let member = fixture.member();
            let stranger = PeerCertificate::generate().expect("a certificate");
            let mut peer = on_its_way(fixture, &member, 0);
            peer.replace_session(DtlsSession::new(DtlsRole::Client, &stranger).expect("a session"));
            peer.connect_via(FIRST, PATIENCE).expect_err("it is refused");
            member.await_event("dtls Failed FingerprintMismatch");
        }),
        ("a goodbye, and then a new hello", |fixture| {
            let (_member, mut peer) = fixture.pair(Protocol::Udp);
            peer.send_close_notify(FIRST).expect("connected");
            peer.await_close_notify(PATIENCE).expect("the reply");
            peer.resend(FIRST, 0).expect("the old hello");
            fixture.udp_barrier();
        }),
        ("a server of its own that closes mid-handshake", |_| {
            let other = Fixture::new();
            let member = other.member();
            let _peer = on_its_way(&other, &member, 1);
            other.end();
        }),
    ]
}

/// Every datagram of the handshake once more, and records that nobody sealed.
fn probe(member: &Member, peer: &mut Peer) {
    for index in 0..peer.sent().len() {
        peer.resend(FIRST, index).expect("an old datagram");
    }
    let mut made_up = vec![22, 0xFE, 0xFD, 0, 0, 0, 0, 0, 0, 0, 7, 0, 4];
    made_up.extend_from_slice(&[1, 2, 3, 4]);
    peer.send_packet(FIRST, &made_up).expect("it leaves");
    peer.await_check(FIRST, true, PATIENCE).expect("granted, and all of it was handled");
    assert_eq!(member.dump().dtls_state, DtlsState::Connected);
}

#[test]
fn cls_36_what_ends_one_session_leaves_the_others_as_they_are() {
    for protocol in BOTH {
        let fixture = Fixture::new();
        let mut innocent: Vec<_> = (0..2).map(|_| fixture.pair(protocol)).collect();
        for (what, end) in ends() {
            end(&fixture);
            for (member, peer) in &mut innocent {
                probe(member, peer);
                assert!(!member.heard().iter().any(|e| e.contains("Closed")), "{what}");
            }
            end(&fixture);
            for (member, peer) in &mut innocent {
                echo(member, peer, FIRST);
            }
        }
        for (_, peer) in &innocent {
            let seen = peer.observed();
            let alerts = (seen.close_notifies.len(), seen.fatal_alerts.len(), seen.other_alerts);
            assert_eq!(alerts, (0, 0, 0));
        }
        fixture.end();
    }
}

/// One peer in a loop, and after each round a copy for one of the innocent.
#[test]
fn n1_a_peer_that_fails_again_and_again_over_tcp_harms_nobody() {
    let fixture = Fixture::new();
    let mut innocent: Vec<_> = (0..4).map(|_| fixture.pair(Protocol::Udp)).collect();
    let member = fixture.member();
    let mut culprit = member.peer(&fixture.server, Protocol::Tcp);
    let mut via = FIRST;
    for round in 0..8 {
        culprit.await_check(via, true, PATIENCE).expect("granted");
        let certificate = PeerCertificate::shared().expect("a certificate");
        let session = DtlsSession::new(DtlsRole::Client, &certificate).expect("a session");
        culprit.replace_session(session);
        let hello = crate::support::sealed(&mut culprit, |peer, nowhere| {
            peer.start_handshake(nowhere).expect("a ClientHello");
        });
        let mut broken = hello[0].clone();
        broken[13] = 11;
        culprit.send_packet(via, &broken).expect("it leaves");
        culprit.tcp(via).expect("a path").finish().expect("a FIN");
        member.await_event("ice Disconnected");
        let count = innocent.len();
        let (victim, peer) = &mut innocent[round % count];
        probe(victim, peer);
        via = culprit.add_path(Path::Tcp(fixture.tcp()));
    }
    for (victim, peer) in &mut innocent {
        echo(victim, peer, FIRST);
    }
    fixture.end();
}

/// The server's last flight is lost once, so the peer repeats its own, as it must.
#[test]
fn cls_36_a_peer_that_repeats_its_last_flight_is_answered_and_stays() {
    let fixture = Fixture::new();
    let victim = fixture.member();
    let mut peer = on_its_way(&fixture, &victim, 1);
    while peer.outbox_mut().is_empty() {
        peer.await_readable(PATIENCE).expect("the rest of the server's flight");
        peer.collect().expect("a socket");
    }
    peer.set_feed(Feed::Held);
    peer.pump(FIRST).expect("the last flight leaves");
    victim.await_event("dtls Connected");
    peer.collect().expect("a socket");
    assert!(!std::mem::take(peer.inbox_mut()).is_empty(), "the answer to it is lost");
    peer.set_feed(Feed::AtOnce);
    let culprit = fixture.member();
    let _gone = on_its_way(&fixture, &culprit, 1);
    close(&culprit);
    // When its timer is due the peer says it again, with new record numbers.
    peer.handshake(FIRST, &mut || Ok(()), 20_000).expect("the peer is connected as well now");
    echo(&victim, &mut peer, FIRST);
    assert!(peer.observed().close_notifies.is_empty());
    fixture.end();
}
