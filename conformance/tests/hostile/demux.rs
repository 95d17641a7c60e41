//! Datagrams of those who have proven nothing.

use crate::support::{BOTH, FIRST, Fixture, PATIENCE, echo};
use std::net::SocketAddr;
use webrtc_server::{ListenInfo, WebRtcServerOptions};
use webrtc_server_conformance::peer::{DtlsRole, Path, Protocol};

#[test]
fn dmx_03_strangers_with_hellos_do_not_disturb_a_handshake() {
    let fixture = Fixture::new();
    let member = fixture.member();
    let mut peer = member.peer(&fixture.server, Protocol::Udp);
    let mut victim = member.peer(&fixture.server, Protocol::Udp);
    victim.start_handshake(FIRST).expect("a ClientHello");
    let hello = victim.sent()[0].clone();
    let strangers: Vec<_> = (0..100).map(|_| fixture.udp()).collect();
    let mut flood = || {
        strangers.iter().try_for_each(|stranger| stranger.send(&hello))?;
        fixture.udp_barrier();
        Ok(())
    };
    flood().expect("it leaves");
    peer.await_check(FIRST, true, PATIENCE).expect("granted");
    peer.handshake(FIRST, &mut flood, 1000).expect("a handshake");
    member.await_event("dtls Connected");
    flood().expect("it leaves");
    for mut stranger in strangers {
        assert!(stranger.collect().expect("a socket").is_empty(), "silence");
    }
    victim.collect().expect("a socket");
    assert_eq!(victim.observed().dtls_datagrams, 0, "no answer to who proved nothing");
    assert_eq!(member.dump().tuples.len(), 1);
    echo(&member, &mut peer, FIRST);
    fixture.end();
}

#[test]
fn dmx_11_empty_and_huge_datagrams_end_nothing() {
    let fixture = Fixture::new();
    let (member, mut peer) = fixture.pair(Protocol::Udp);
    let before = fixture.stats();
    let stranger = fixture.udp();
    let kinds = [0_u8, 3, 4, 19, 20, 63, 64, 127, 128, 191, 192, 255];
    for first in kinds {
        for length in [1, 12, 13, 65_507] {
            let mut datagram = vec![first; length];
            datagram[length / 2] = 0xA5;
            stranger.send(&datagram).expect("it leaves");
            peer.send_packet(FIRST, &datagram).expect("it leaves");
            fixture.udp_barrier();
        }
    }
    stranger.send(&[]).expect("it leaves");
    peer.send_packet(FIRST, &[]).expect("it leaves");
    fixture.udp_barrier();
    assert!(fixture.stats().datagrams_dropped >= before.datagrams_dropped + 2);
    echo(&member, &mut peer, FIRST);
    fixture.end();
}

#[test]
fn dmx_12_on_a_dual_stack_socket_an_ipv4_peer_is_an_ipv4_peer() {
    let [loopback, any] = ["127.0.0.1", "::"].map(|ip| ip.parse().expect("an address"));
    let infos = [
        ListenInfo::new(webrtc_server::Protocol::Udp, loopback),
        ListenInfo::new(webrtc_server::Protocol::Udp, any),
        ListenInfo::new(webrtc_server::Protocol::Tcp, any),
    ];
    let fixture = Fixture::with_options(WebRtcServerOptions::new(infos));
    for (protocol, at) in BOTH.into_iter().zip(1..) {
        let server = SocketAddr::new(loopback, fixture.server.listen_infos()[at].port);
        let member = fixture.member();
        let path = Path::open(protocol, server).expect("a path");
        let local = path.local_addr();
        let mut peer = member.peer_on(path, DtlsRole::Client);
        peer.connect_via(FIRST, PATIENCE).expect("ICE and DTLS connect");
        assert!(peer.observed().stun.iter().all(|answer| answer.mapped == Some(local)));
        member.await_event("dtls Connected");
        let tuple = member.transport.ice_selected_tuple().expect("a path");
        assert_eq!((tuple.remote_ip.as_str(), tuple.remote_port), ("127.0.0.1", local.port()));
        assert_eq!(member.dump().tuples, [tuple]);
        echo(&member, &mut peer, FIRST);
    }
    fixture.end();
}
