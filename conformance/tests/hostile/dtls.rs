//! Handshakes with the wrong peer, in the wrong order, or in the way of others.

use crate::support::{BOTH, FIRST, Fixture, Member, PATIENCE, echo, parameters};
use std::sync::mpsc::channel;
use std::sync::{Arc, OnceLock};
use webrtc_server::lifecycle::{DtlsRole as Role, DtlsState, NotNeeded, Outcome};
use webrtc_server::{
    DtlsParameters, Error, Refused, TransportEvent, WebRtcTransport, WebRtcTransportOptions,
};
use webrtc_server_conformance::peer::{
    DtlsPhase, DtlsRole, DtlsSession, Feed, HandshakeGoal, Path, Peer, PeerCertificate, Protocol,
    ServerCredentials, Via, records,
};

/// Handshakes from where the peer stands, against a server that runs on its own.
fn shake(peer: &mut Peer, via: Via) {
    let mut step = || Ok(());
    peer.handshake(via, &mut step, 20_000).expect("a handshake");
}

fn outcome(member: &Member) -> Outcome {
    member.transport.close().wait().expect("not a worker").outcome
}

fn closing_handshaking() -> Outcome {
    Outcome::NotNeeded(NotNeeded::Handshaking)
}

#[test]
fn dtl_01_roles_follow_what_the_peer_is_said_to_be() {
    for (role, ours) in [("client", "server"), ("server", "client"), ("auto", "client")] {
        for early in [true, false] {
            let fixture = Fixture::new();
            let member = fixture.unconnected();
            let theirs = if ours == "server" { DtlsRole::Client } else { DtlsRole::Server };
            let path = Path::Udp(fixture.udp());
            let mut peer = member.peer_on(path, theirs);
            assert_eq!(member.dump().dtls_local_role, webrtc_server::lifecycle::DtlsRole::Auto);
            if early {
                member.connect(role);
            }
            peer.await_check(FIRST, true, PATIENCE).expect("granted");
            if !early {
                member.await_event("dtls Connecting");
                member.connect(role);
            }
            shake(&mut peer, FIRST);
            member.await_event("dtls Connected");
            assert_eq!(format!("{:?}", member.dump().dtls_local_role).to_lowercase(), ours);
            assert_eq!(member.transport.dtls_parameters().role, member.dump().dtls_local_role);
            echo(&member, &mut peer, FIRST);
            fixture.end();
        }
    }
}

/// The handshake had begun in the other role, with the peer's hello answered or not.
#[test]
fn dtl_02_a_role_that_turns_out_otherwise_begins_anew_without_an_alert() {
    for answered in [false, true] {
        let fixture = Fixture::new();
        let member = fixture.unconnected();
        let certificate = PeerCertificate::shared().expect("a certificate");
        let mut peer = member.peer_on(Path::Udp(fixture.udp()), DtlsRole::Client);
        peer.await_check(FIRST, true, PATIENCE).expect("granted");
        member.await_event("dtls Connecting");
        if answered {
            let goal = HandshakeGoal::FlightsSent(1);
            peer.handshake_until(FIRST, goal, &mut || Ok(()), 20_000).expect("a ClientHello");
            peer.await_until("a flight", PATIENCE, |peer| peer.observed().dtls_datagrams > 0)
                .expect("it is answered");
        }
        let session = DtlsSession::new(DtlsRole::Server, &certificate).expect("a session");
        peer.replace_session(session);
        peer.set_feed(Feed::Held);
        member.connect("server");
        let is_hello = |datagram: &[u8]| datagram[0] == 22 && datagram[13] == 1;
        while !peer.inbox_mut().iter().any(|(_, datagram)| is_hello(datagram)) {
            peer.await_readable(PATIENCE).expect("a ClientHello comes");
            peer.collect().expect("a socket");
        }
        let alerts = |datagram: &[u8]| records(datagram).any(|record| record.is_alert());
        assert!(!peer.inbox_mut().iter().any(|(_, datagram)| alerts(datagram)), "no alert");
        peer.inbox_mut().retain(|(_, datagram)| is_hello(datagram));
        peer.set_feed(Feed::AtOnce);
        shake(&mut peer, FIRST);
        member.await_event("dtls Connected");
        let heard: Vec<_> = member.heard().into_iter().filter(|e| e.contains("dtls")).collect();
        assert_eq!(heard, ["dtls Connecting", "dtls Connected"]);
        echo(&member, &mut peer, FIRST);
        fixture.end();
    }
}

/// The handshake had even ended in the other role, and waited for `connect()`.
#[test]
fn dtl_02_what_ended_in_the_wrong_role_counts_for_nothing() {
    let fixture = Fixture::new();
    let member = fixture.unconnected();
    let certificate = PeerCertificate::shared().expect("a certificate");
    let mut peer = member.peer(&fixture.server, Protocol::Udp);
    peer.connect_via(FIRST, PATIENCE).expect("the peer's side is done");
    peer.await_check(FIRST, true, PATIENCE).expect("what was sent before is handled");
    peer.replace_session(DtlsSession::new(DtlsRole::Server, &certificate).expect("a session"));
    peer.set_feed(Feed::Held);
    member.connect("server");
    assert_eq!(member.dump().dtls_state, DtlsState::Connecting);
    peer.await_until("a ClientHello", PATIENCE, |peer| peer.observed().dtls_datagrams > 0)
        .expect("it comes");
    peer.set_feed(Feed::AtOnce);
    peer.feed_inbox();
    shake(&mut peer, FIRST);
    member.await_event("dtls Connected");
    echo(&member, &mut peer, FIRST);
    fixture.end();
}

#[test]
fn dtl_03_a_second_connect_is_an_error_and_changes_nothing() {
    let fixture = Fixture::new();
    let (member, mut peer) = fixture.pair(Protocol::Udp);
    let before = (member.dump(), member.transport.dtls_parameters());
    let stranger = PeerCertificate::generate().expect("a certificate");
    let others = [
        parameters("client"),
        parameters("server"),
        DtlsParameters::parse(Some("client"), [("sha-256", stranger.fingerprint())])
            .expect("well formed"),
    ];
    for other in others {
        let error = member.transport.connect(&other).expect_err("the second one");
        assert!(matches!(error, Error::Refused(Refused::AlreadyConnected)), "{error}");
        assert_eq!(error.name(), "InvalidStateError");
    }
    assert_eq!((member.dump(), member.transport.dtls_parameters()), before);
    echo(&member, &mut peer, FIRST);
    member.transport.close().wait().expect("not a worker");
    let error = member.transport.connect(&parameters("client")).expect_err("closed");
    assert!(matches!(error, Error::Refused(Refused::Closed)), "{error}");
    fixture.end();
}

#[test]
fn dtl_03_bad_parameters_are_refused_before_anything_changes() {
    let fixture = Fixture::new();
    let member = fixture.unconnected();
    let by_hand = |value: &str| DtlsParameters {
        role: webrtc_server::lifecycle::DtlsRole::Client,
        fingerprints: vec![webrtc_server::Fingerprint {
            algorithm: webrtc_server::HashAlgorithm::Sha256,
            value: value.to_owned(),
        }],
    };
    let nobody = DtlsParameters { fingerprints: vec![], ..by_hand("") };
    let long = "AA:".repeat(32) + "AA";
    for bad in [nobody, by_hand(""), by_hand("AA"), by_hand("no hex"), by_hand(&long)] {
        let error = member.transport.connect(&bad).expect_err("bad");
        assert_eq!(error.name(), "TypeError", "{error}");
    }
    assert_eq!(member.transport.dtls_parameters().role, webrtc_server::lifecycle::DtlsRole::Auto);
    // None of them was the first connect.
    let lower = parameters("client").fingerprints[0].value.to_ascii_lowercase();
    member.transport.connect(&by_hand(&lower)).expect("lower case is the same");
    let mut peer = member.connected(&fixture.server, Protocol::Udp);
    echo(&member, &mut peer, FIRST);
    fixture.end();
}

#[test]
fn dtl_08_a_wrong_fingerprint_fails_with_a_fatal_alert_and_for_good() {
    for protocol in BOTH {
        let fixture = Fixture::new();
        let member = fixture.unconnected();
        let mut wrong = parameters("client");
        let digit = if wrong.fingerprints[0].value.ends_with('0') { "1" } else { "0" };
        let end = wrong.fingerprints[0].value.len() - 1;
        wrong.fingerprints[0].value.replace_range(end.., digit);
        member.transport.connect(&wrong).expect("the first connect");
        let mut peer = member.peer(&fixture.server, protocol);
        peer.connect_via(FIRST, PATIENCE).expect_err("it is refused");
        member.await_event("dtls Failed FingerprintMismatch");
        assert_eq!(
            (peer.phase(), &peer.observed().fatal_alerts[..]),
            (DtlsPhase::Failed, &[42][..])
        );
        assert!(peer.observed().close_notifies.is_empty() && peer.observed().data.is_empty());
        assert_no_way_back(&fixture, &member, &mut peer);
        let (heard, sent) = (member.heard(), fixture.stats().datagrams_sent);
        assert_eq!(outcome(&member), Outcome::NotNeeded(NotNeeded::Failed));
        assert_eq!(fixture.stats().datagrams_sent, sent, "nothing is said after it");
        assert!(!heard.iter().any(|event| event.contains("dtls Connected")));
        fixture.end();
    }
}

/// Whatever a peer tries, a final DTLS state stays.
fn assert_no_way_back(fixture: &Fixture, member: &Member, peer: &mut Peer) {
    let state = member.dump().dtls_state;
    member.forget();
    let certificate = PeerCertificate::shared().expect("a certificate");
    peer.replace_session(DtlsSession::new(DtlsRole::Client, &certificate).expect("a session"));
    let path = match peer.path(FIRST).expect("a path") {
        Path::Udp(_) => Path::Udp(fixture.udp()),
        Path::Tcp(_) => Path::Tcp(fixture.tcp()),
    };
    let elsewhere = peer.add_path(path);
    for via in [FIRST, elsewhere] {
        for nominate in [false, true] {
            peer.await_check(via, nominate, PATIENCE).expect("granted");
        }
        peer.start_handshake(via).expect("a ClientHello");
        for index in 0..peer.sent().len() {
            peer.resend(via, index).expect("an old datagram");
        }
        peer.send_plaintext_alert(via, 2, 40).expect("it leaves");
        peer.await_check(via, true, PATIENCE).expect("granted, and all of it was handled");
    }
    assert_eq!(member.dump().dtls_state, state);
    assert!(member.transport.send(b"x").is_err());
    let changes = member.heard().into_iter().filter(|event| !event.starts_with("tuple"));
    assert_eq!(changes.collect::<Vec<_>>(), [""; 0]);
}

#[test]
fn x5_closed_is_final() {
    for protocol in BOTH {
        let fixture = Fixture::new();
        let (member, mut peer) = fixture.pair(protocol);
        peer.send_close_notify(FIRST).expect("connected");
        peer.await_close_notify(PATIENCE).expect("the reply");
        assert_eq!(member.dump().dtls_state, DtlsState::Closed);
        assert_no_way_back(&fixture, &member, &mut peer);
        if protocol == Protocol::Tcp {
            // Also after ICE was lost.
            let elsewhere = Via(1);
            peer.tcp(FIRST).expect("a path").reset().expect("a RST");
            peer.tcp(elsewhere).expect("a path").reset().expect("a RST");
            member.await_event("ice Disconnected");
            let again = peer.add_path(Path::Tcp(fixture.tcp()));
            peer.await_check(again, false, PATIENCE).expect("granted");
            assert_eq!(member.dump().dtls_state, DtlsState::Closed);
        }
        assert_eq!(outcome(&member), Outcome::NotNeeded(NotNeeded::PeerClosed));
        fixture.end();
    }
}

#[test]
fn cls_13_a_goodbye_is_answered_once_and_the_transport_stays() {
    for protocol in BOTH {
        let fixture = Fixture::new();
        let (member, mut peer) = fixture.pair(protocol);
        member.forget();
        peer.send_close_notify(FIRST).expect("connected");
        peer.await_close_notify(PATIENCE).expect("the reply");
        let goodbye = peer.sent().len() - 1;
        peer.resend(FIRST, goodbye).expect("a copy");
        peer.await_check(FIRST, true, PATIENCE).expect("ICE is as it was");
        assert!(matches!(member.transport.send(b"x"), Err(Error::Refused(Refused::NotConnected))));
        assert_eq!(member.heard(), ["dtls Closed CloseNotify"]);
        assert_eq!(outcome(&member), Outcome::NotNeeded(NotNeeded::PeerClosed));
        fixture.udp_barrier();
        peer.collect().expect("a socket");
        assert_eq!(peer.observed().close_notifies.len(), 1, "the later close says nothing");
        fixture.end();
    }
}

#[test]
fn cls_14_a_fatal_alert_during_the_handshake_fails_it_with_its_code() {
    for code in [10, 40, 42, 80, 255] {
        let fixture = Fixture::new();
        let member = fixture.member();
        let mut peer = member.peer(&fixture.server, Protocol::Udp);
        peer.await_check(FIRST, true, PATIENCE).expect("granted");
        peer.start_handshake(FIRST).expect("a ClientHello");
        peer.await_until("a flight", PATIENCE, |peer| peer.observed().dtls_datagrams > 0)
            .expect("it is answered");
        peer.send_plaintext_alert(FIRST, 1, 90).expect("a warning, which ends nothing");
        peer.send_plaintext_alert(FIRST, 2, code).expect("it leaves");
        member.await_event(&format!("dtls Failed Alert({code})"));
        assert_eq!(outcome(&member), Outcome::NotNeeded(NotNeeded::Failed));
        fixture.end();
    }
}

#[test]
fn cls_15_close_during_the_handshake_says_nothing() {
    // 0: no byte of DTLS; 1: the hello was answered; 2: the peer's last flight is on its way.
    for flights in 0..3 {
        for protocol in BOTH {
            let fixture = Fixture::new();
            // Without connect() no handshake ends.
            let member = if flights < 2 { fixture.member() } else { fixture.unconnected() };
            let mut peer = member.peer(&fixture.server, protocol);
            peer.await_check(FIRST, true, PATIENCE).expect("granted");
            if flights > 0 {
                let reached = HandshakeGoal::FlightsSent(flights);
                peer.handshake_until(FIRST, reached, &mut || Ok(()), 20_000).expect("so far");
                if flights == 1 {
                    peer.await_until("a flight", PATIENCE, |p| p.observed().dtls_datagrams > 0)
                        .expect("it is answered");
                }
            }
            assert_eq!(outcome(&member), closing_handshaking());
            fixture.udp_barrier();
            peer.collect().expect("a socket");
            let seen = peer.observed();
            assert_eq!((seen.close_notifies.len(), seen.other_alerts), (0, 0));
            assert!(seen.fatal_alerts.is_empty());
            fixture.end();
        }
    }
}

/// Whoever hears that DTLS is connected sees what `connect()` has decided.
#[test]
fn dtl_03_the_role_is_seen_before_what_follows_from_connect() {
    let fixture = Fixture::new();
    let handle: Arc<OnceLock<WebRtcTransport>> = Arc::default();
    let (seen, (sender, roles)) = (Arc::clone(&handle), channel());
    let on_event = Box::new(move |event| {
        if let TransportEvent::DtlsStateChange { state: DtlsState::Connected, .. } = event {
            let transport = seen.get().expect("it has not connected before");
            let _ = sender.send(transport.dtls_parameters().role);
        }
    });
    let options = WebRtcTransportOptions { on_event, ..WebRtcTransportOptions::default() };
    let transport = fixture.server.create_transport(options).expect("an open server");
    assert!(handle.set(transport.clone()).is_ok());
    let ice = transport.ice_parameters();
    let credentials = ServerCredentials { ufrag: ice.username_fragment, password: ice.password };
    let certificate = PeerCertificate::shared().expect("a certificate");
    let mut peer = Peer::new(credentials, &certificate, DtlsRole::Client).expect("a session");
    peer.add_path(Path::Udp(fixture.udp()));
    peer.connect_via(FIRST, PATIENCE).expect("the peer's side is done");
    assert_eq!(transport.dtls_parameters().role, Role::Auto);
    transport.connect(&parameters("client")).expect("the first connect");
    assert_eq!(roles.recv_timeout(PATIENCE), Ok(Role::Server));
    fixture.end();
}

#[test]
fn dtl_10_a_handshake_that_ends_before_connect_waits_for_it() {
    for right in [true, false] {
        let fixture = Fixture::new();
        let member = fixture.unconnected();
        let mut peer = member.peer(&fixture.server, Protocol::Tcp);
        peer.connect_via(FIRST, PATIENCE).expect("the peer's side is done");
        peer.send_data(FIRST, b"early").expect("connected");
        peer.await_check(FIRST, true, PATIENCE).expect("granted");
        assert_eq!(member.dump().dtls_state, DtlsState::Connecting);
        assert!(!member.heard().iter().any(|event| event.contains("data")));
        assert!(member.transport.send(b"x").is_err());
        if right {
            member.connect("client");
            member.await_event("data early");
            echo(&member, &mut peer, FIRST);
        } else {
            let stranger = PeerCertificate::generate().expect("a certificate");
            let wrong =
                DtlsParameters::parse(Some("client"), [("sha-256", stranger.fingerprint())]);
            member.transport.connect(&wrong.expect("well formed")).expect("the first connect");
            member.await_event("dtls Failed FingerprintMismatch");
            assert!(!member.heard().iter().any(|event| event.contains("data")));
        }
        fixture.end();
    }
}
