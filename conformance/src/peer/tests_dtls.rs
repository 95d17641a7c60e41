//! A session against another user of OpenSSL, in memory.

use openssl::error::ErrorStack;
use openssl::x509::X509;

use super::test_server::DtlsEnd;
use super::{DtlsPhase, DtlsRole, DtlsSession, PeerCertificate, Received};
use super::{plaintext_alert, records};

fn session(role: DtlsRole) -> DtlsSession {
    let certificate = PeerCertificate::shared().expect("a certificate");
    DtlsSession::new(role, &certificate).expect("a session")
}

fn feed(session: &mut DtlsSession, datagram: &[u8]) -> Received {
    let mut all = Received::default();
    for record in records(datagram) {
        let received = session.feed(&record);
        all.data.extend(received.data);
        all.fatal_alert = all.fatal_alert.or(received.fatal_alert);
    }
    all
}

/// Carries datagrams to and fro until none is left.
fn exchange(session: &mut DtlsSession, other: &mut DtlsEnd) {
    loop {
        let forth = session.take_outgoing();
        forth.iter().for_each(|datagram| other.take(datagram));
        let back = other.outgoing();
        back.iter().for_each(|datagram| drop(feed(session, datagram)));
        if forth.is_empty() && back.is_empty() {
            return;
        }
    }
}

fn connected() -> (DtlsSession, DtlsEnd) {
    let (mut client, mut server) = (session(DtlsRole::Client), DtlsEnd::new(DtlsRole::Server));
    client.advance();
    exchange(&mut client, &mut server);
    assert_eq!(client.phase(), DtlsPhase::Connected, "{:?}", client.failure());
    (client, server)
}

#[test]
fn both_roles_complete_a_handshake_and_agree_on_keys() {
    for (mine, others) in
        [(DtlsRole::Client, DtlsRole::Server), (DtlsRole::Server, DtlsRole::Client)]
    {
        let (mut session, mut other) = (session(mine), DtlsEnd::new(others));
        session.advance();
        let _ = other.stream.do_handshake();
        exchange(&mut session, &mut other);
        assert_eq!(session.phase(), DtlsPhase::Connected, "{:?}", session.failure());
        assert!(other.stream.ssl().is_init_finished());
        let keys = session.srtp_material().expect("keys");
        assert_eq!(keys.profile, "SRTP_AEAD_AES_128_GCM");
        let mut exported = [0; 56];
        let ssl = other.stream.ssl();
        ssl.export_keying_material(&mut exported, "EXTRACTOR-dtls_srtp", None).expect("keys");
        let parts = [keys.client_key, keys.server_key, keys.client_salt, keys.server_salt];
        assert_eq!(parts.concat(), exported);
    }
}

#[test]
fn certificates_are_shown_both_ways() {
    let (client, server) = connected();
    let shared = PeerCertificate::shared().expect("a certificate");
    let seen: X509 = server.stream.ssl().peer_certificate().expect("a certificate");
    let digest = seen.digest(openssl::hash::MessageDigest::sha256()).expect("a digest");
    let text: Vec<String> = digest.iter().map(|byte| format!("{byte:02X}")).collect();
    assert_eq!(text.join(":"), shared.fingerprint());
    assert_eq!(client.remote_fingerprint().expect("a certificate").len(), 32 * 3 - 1);
    assert_ne!(client.remote_fingerprint().as_deref(), Some(shared.fingerprint()));
}

#[test]
fn data_travels_until_the_close_notify_of_either_side() {
    let (mut client, mut server) = connected();
    client.write(b"ping").expect("connected");
    exchange(&mut client, &mut server);
    assert_eq!(server.data, vec![b"ping".to_vec()]);
    let pong = server.seal(b"pong");
    assert_eq!(feed(&mut client, &pong).data, vec![b"pong".to_vec()]);
    assert_eq!(feed(&mut client, &pong), Received::default(), "a replay");
    let late = server.seal(b"late");
    let alert = server.close();
    assert_eq!(records(&alert).map(|record| record.content_type).collect::<Vec<_>>(), [21]);
    assert_eq!(feed(&mut client, &alert), Received::default());
    assert_eq!(client.phase(), DtlsPhase::PeerClosed);
    assert_eq!(feed(&mut client, &late), Received::default(), "an end is an end");
    client.close().expect("answer");
    client.close().expect("nothing more to say");
    assert_eq!(client.take_outgoing().len(), 1);
}

#[test]
fn data_still_comes_in_after_this_side_has_closed() {
    let (mut client, mut server) = connected();
    client.close().expect("close_notify");
    client.write(b"more").expect_err("closed");
    let data = server.seal(b"not yet");
    assert_eq!(feed(&mut client, &data).data, vec![b"not yet".to_vec()]);
    exchange(&mut client, &mut server);
    let answer = server.close();
    feed(&mut client, &answer);
    assert_eq!(client.phase(), DtlsPhase::PeerClosed);
}

#[test]
fn a_fatal_alert_during_the_handshake_is_read() {
    let mut client = session(DtlsRole::Client);
    client.advance();
    assert_eq!(feed(&mut client, &plaintext_alert(2, 40, 0)).fatal_alert, Some(40));
    assert_eq!(client.phase(), DtlsPhase::Failed);
    assert!(client.failure().is_some());
}

#[test]
fn a_close_notify_during_the_handshake_is_read() {
    let mut client = session(DtlsRole::Client);
    client.advance();
    assert_eq!(feed(&mut client, &plaintext_alert(1, 0, 0)).fatal_alert, None);
    assert_eq!(client.phase(), DtlsPhase::PeerClosed);
}

#[test]
fn a_forged_alert_and_a_cut_record_change_nothing() {
    let (mut client, mut server) = connected();
    assert_eq!(feed(&mut client, &plaintext_alert(2, 40, 200)), Received::default());
    let mut broken = server.seal(b"damaged");
    *broken.last_mut().expect("not empty") ^= 1;
    assert_eq!(feed(&mut client, &broken), Received::default());
    let whole = server.seal(b"whole");
    assert_eq!(records(&whole[..whole.len() - 1]).count(), 0);
    assert_eq!(feed(&mut client, &whole).data, vec![b"whole".to_vec()]);
}

#[test]
fn errors_of_other_sessions_are_counted_and_do_no_harm() {
    let (mut client, mut server) = connected();
    X509::from_der(b"no certificate").expect_err("an error");
    let left = X509::from_der(b"no certificate").expect_err("an error");
    left.put();
    let data = server.seal(b"innocent");
    left.put();
    assert_eq!(feed(&mut client, &data).data, vec![b"innocent".to_vec()]);
    assert!(client.foreign_errors() >= left.errors().len());
    assert!(ErrorStack::get().errors().is_empty());
}

#[test]
fn nothing_is_said_before_the_handshake_is_done() {
    let mut client = session(DtlsRole::Client);
    client.write(b"early").expect_err("no keys");
    client.close().expect_err("no session");
    client.srtp_material().expect_err("no keys");
    assert!(client.take_outgoing().is_empty());
    assert_eq!(client.phase(), DtlsPhase::New);
}

#[test]
fn an_alert_that_overtakes_the_last_flight_waits_for_it() {
    let (mut client, mut server) = (session(DtlsRole::Client), DtlsEnd::new(DtlsRole::Server));
    client.advance();
    client.take_outgoing().iter().for_each(|datagram| server.take(datagram));
    server.outgoing().iter().for_each(|datagram| drop(feed(&mut client, datagram)));
    client.take_outgoing().iter().for_each(|datagram| server.take(datagram));
    let last_flight = server.outgoing();
    let alert = server.close();
    feed(&mut client, &alert);
    assert_eq!(client.phase(), DtlsPhase::Handshaking);
    last_flight.iter().for_each(|datagram| drop(feed(&mut client, datagram)));
    assert_eq!(client.phase(), DtlsPhase::PeerClosed, "{:?}", client.failure());
}

#[test]
fn sessions_and_peers_may_move_between_threads() {
    fn assert_send<T: Send>() {}
    assert_send::<DtlsSession>();
    assert_send::<super::Peer>();
}
