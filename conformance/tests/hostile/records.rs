//! Records of an established session: several at once, damaged, old, or those of a new handshake.

use crate::support::{BOTH, FIRST, Fixture, PATIENCE, echo, sealed};
use webrtc_server_conformance::peer::{DtlsRole, Peer, PeerCertificate, Protocol};

#[test]
fn dtl_17_records_of_one_datagram_all_count() {
    for protocol in BOTH {
        let fixture = Fixture::new();
        let (member, mut peer) = fixture.pair(protocol);
        member.forget();
        let made = sealed(&mut peer, |peer, nowhere| {
            for text in [&b"one"[..], b"two", b"three"] {
                peer.send_data(nowhere, text).expect("connected");
            }
            peer.send_close_notify(nowhere).expect("connected");
        });
        let mut bad = made[1].clone();
        *bad.last_mut().expect("bytes") ^= 1;
        let together = [&made[0][..], &bad, &made[2], &made[3]].concat();
        peer.send_packet(FIRST, &together).expect("it leaves");
        member.await_event("dtls Closed CloseNotify");
        assert_eq!(member.heard(), ["data one", "data three", "dtls Closed CloseNotify"]);
        peer.await_close_notify(PATIENCE).expect("the reply");
        fixture.end();
    }
}

/// Records that are too short for a nonce and a tag: OpenSSL would end the association.
#[test]
fn dtl_16_short_records_that_anybody_can_forge_change_nothing() {
    for protocol in BOTH {
        let fixture = Fixture::new();
        let (member, mut peer) = fixture.pair(protocol);
        member.forget();
        for length in 0..=40 {
            for content_type in 20..=24 {
                // Of epoch 1, and newer than all that the peer has sent.
                let mut forged = vec![content_type, 0xFE, 0xFD, 0, 1, 0, 9, 0, 0, 0, 0, 0, length];
                forged.resize(13 + usize::from(length), 7);
                peer.send_packet(FIRST, &forged).expect("it leaves");
            }
        }
        echo(&member, &mut peer, FIRST);
        assert_eq!(member.heard(), ["data to the server"]);
        assert!(peer.observed().fatal_alerts.is_empty());
        fixture.end();
    }
}

#[test]
fn dtl_22_a_new_hello_mid_session_changes_nothing() {
    let fixture = Fixture::new();
    let (member, mut peer) = fixture.pair(Protocol::Udp);
    member.forget();
    let certificate = PeerCertificate::shared().expect("a certificate");
    let mut other =
        Peer::new(member.credentials(), &certificate, DtlsRole::Client).expect("a session");
    let hello = sealed(&mut other, |other, nowhere| {
        other.start_handshake(nowhere).expect("a ClientHello");
    });
    for datagram in hello.iter().chain(&peer.sent().to_vec()) {
        peer.send_packet(FIRST, datagram).expect("it leaves");
        echo(&member, &mut peer, FIRST);
    }
    assert!(member.heard().iter().all(|event| event == "data to the server"));
    fixture.end();
}
