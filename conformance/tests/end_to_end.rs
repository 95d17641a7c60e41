//! A server on its own threads and a peer in ours: the stories that a user lives.

use std::net::Ipv6Addr;
use webrtc_server::lifecycle::{DtlsState, IceState, NotNeeded, Outcome};
use webrtc_server::{
    Certificate, ListenInfo, WebRtcServer, WebRtcServerOptions, WebRtcTransportOptions,
};
use webrtc_server_conformance::PATIENCE;
use webrtc_server_conformance::by_hand::FIRST;
use webrtc_server_conformance::live::{Member, address, echo, loopback};
use webrtc_server_conformance::peer::{Peer, Protocol, StreamEnd};

fn server() -> WebRtcServer {
    server_at(loopback())
}

fn server_at(listen_infos: impl IntoIterator<Item = ListenInfo>) -> WebRtcServer {
    WebRtcServer::new(WebRtcServerOptions::new(listen_infos)).expect("loopback can be bound")
}

fn goodbye_over(protocol: Protocol, listen_infos: impl IntoIterator<Item = ListenInfo>) {
    let server = server_at(listen_infos);
    let member = Member::new(&server);
    let mut peer = member.connected(&server, protocol);
    let port = peer.path(FIRST).expect("it is there").local_addr().port();
    let closing = server.close();
    peer.await_close_notify(PATIENCE).expect("the alert arrives");
    peer.answer_close_notify(FIRST).expect("the answer leaves");
    let outcomes = closing.wait().expect("not a worker");
    assert_eq!(outcomes.transports(), [(0, Outcome::Confirmed)]);
    let _ = peer.collect();
    assert_eq!(peer.observed().close_notifies.len(), 1, "exactly one");
    assert_eq!(peer.observed().late_on_the_same_path(), 0, "nothing after it");
    assert_eq!(
        member.heard(),
        [
            &format!("tuple {port}"),
            "ice Completed",
            "dtls Connecting",
            "dtls Connected",
            "listenserverclose",
            "close Confirmed"
        ]
    );
    assert_eq!(
        (member.transport.ice_state(), member.transport.dtls_state()),
        (IceState::Closed, DtlsState::Closed)
    );
    let certificate = member.transport.dtls_remote_cert().expect("it was connected");
    assert!(certificate.starts_with("-----BEGIN CERTIFICATE-----"), "{certificate}");
}

#[test]
fn cls_04_close_over_udp_returns_when_the_peer_has_answered() {
    goodbye_over(Protocol::Udp, loopback());
}

#[test]
fn cls_04_close_over_tcp_returns_when_the_peer_has_answered() {
    goodbye_over(Protocol::Tcp, loopback());
}

#[test]
fn cls_04_close_over_ipv6_is_no_different() {
    for protocol in [Protocol::Udp, Protocol::Tcp] {
        goodbye_over(protocol, [ListenInfo::new(protocol, Ipv6Addr::LOCALHOST.into())]);
    }
}

/// mediasoup #1388, which the browser lives in `conformance/browser/close.test.mjs`.
#[test]
fn tcp_18_two_connections_one_closed_then_the_server() {
    let server = server();
    let member = Member::new(&server);
    let mut peer = member.connected(&server, Protocol::Tcp);
    let second = peer.open(Protocol::Tcp, address(&server, Protocol::Tcp)).expect("accepted");
    peer.await_check(second, false, PATIENCE).expect("granted");
    let bound = || server.dump().expect("open").connections.bound;
    assert_eq!(bound(), 2);
    peer.tcp(second).expect("a connection").finish().expect("our FIN");
    peer.await_until("FIN", PATIENCE, |peer| matches!(peer.end(second), Ok(StreamEnd::Fin)))
        .expect("a FIN, no RST");
    assert_eq!(bound(), 1);
    let closing = server.close();
    peer.await_close_notify(PATIENCE).expect("the alert arrives");
    let outcomes = closing.wait().expect("not a worker");
    assert_eq!(outcomes.transports(), [(0, Outcome::Confirmed)]);
    peer.await_until("FIN", PATIENCE, |peer| peer.ends().all(|(_, end)| end == StreamEnd::Fin))
        .expect("a FIN, no RST");
    assert_eq!(peer.observed().close_notifies.len(), 1, "exactly one");
}

#[test]
fn cls_11_a_transport_that_its_owner_closes_hears_close_and_no_listenserverclose() {
    let server = server();
    let member = Member::new(&server);
    let mut peer = member.connected(&server, Protocol::Tcp);
    let closed = member.transport.close().wait().expect("not a worker");
    assert!(matches!(closed.outcome, Outcome::Confirmed | Outcome::Sent), "{closed:?}");
    peer.await_close_notify(PATIENCE).expect("the alert arrives");
    peer.await_until("FIN", PATIENCE, |peer| peer.ends().any(|(_, end)| end == StreamEnd::Fin))
        .expect("a FIN, no RST");
    assert!(!member.heard().contains(&"listenserverclose".to_owned()));
    let dump = server.dump().expect("still open");
    assert!(dump.transport_ids.is_empty() && dump.local_ice_username_fragments.is_empty());
    assert_eq!((dump.tuples, dump.connections), (0, Default::default()));
    assert_eq!(server.close().wait().expect("not a worker").transports(), []);
}

#[test]
fn dtl_24_application_data_goes_both_ways() {
    let server = server();
    let member = Member::new(&server);
    let mut peer = member.connected(&server, Protocol::Udp);
    echo(&member, &mut peer, FIRST);
}

/// What a peer sees is what it was told, whenever its handshake is.
#[test]
fn dtl_27_the_certificate_that_is_announced_is_the_one_that_is_shown() {
    let server = server();
    let [early, late] = [Member::new(&server), Member::new(&server)];
    let mut old = vec![(early.connected(&server, Protocol::Udp), early)];
    server.set_certificate(&Certificate::generate().expect("a certificate")).expect("a good one");
    old.push((late.connected(&server, Protocol::Tcp), late));
    let new = Member::new(&server);
    let new = (new.connected(&server, Protocol::Udp), new);
    let shown = |(peer, member): &(Peer, Member)| {
        let announced = member.transport.dtls_parameters().fingerprints;
        let shown = peer.session().remote_fingerprint().expect("it is connected");
        assert!(announced.iter().any(|announced| announced.value == shown), "{shown}");
        shown
    };
    assert_eq!(shown(&old[0]), shown(&old[1]));
    assert_ne!(shown(&old[0]), shown(&new));
    old.push(new);
    old.iter_mut().for_each(|(peer, member)| echo(member, peer, FIRST));
}

#[test]
fn cls_10_two_closers_and_a_third_later_get_the_same_answer() {
    let server = server();
    let _member = Member::new(&server);
    let closers: Vec<_> = (0..2)
        .map(|_| {
            let server = server.clone();
            std::thread::spawn(move || server.close().wait().expect("not a worker"))
        })
        .collect();
    let answers: Vec<_> = closers.into_iter().map(|c| c.join().expect("no panic")).collect();
    assert_eq!(answers[0], answers[1]);
    assert_eq!(answers[0].transports(), [(0, Outcome::NotNeeded(NotNeeded::NotConnected))]);
    assert_eq!(server.close().wait().expect("not a worker"), answers[0]);
}

#[test]
fn cls_20_the_ports_bind_again_at_once_when_close_has_returned() {
    let first = server();
    let member = Member::new(&first);
    let _peer = member.connected(&first, Protocol::Tcp);
    let listen_infos = first.listen_infos().to_vec();
    first.close().wait().expect("not a worker");
    let second = WebRtcServer::new(WebRtcServerOptions {
        listen_infos: listen_infos.clone(),
        ..WebRtcServerOptions::default()
    })
    .expect("the same ports");
    assert_eq!(second.listen_infos(), listen_infos);
}

#[test]
fn cls_24_dropping_the_last_handle_says_goodbye() {
    let server = server();
    let member = Member::new(&server);
    let mut peer = member.connected(&server, Protocol::Udp);
    drop(server);
    peer.await_close_notify(PATIENCE).expect("the alert arrives");
    member.transport.closed().wait_timeout(PATIENCE).expect("it is closed in the background");
}

#[test]
fn cls_22_a_closed_server_makes_no_transports() {
    let server = server();
    server.close().wait().expect("not a worker");
    let error = server.create_transport(WebRtcTransportOptions::default()).expect_err("closed");
    assert_eq!(error.name(), "NotFoundError");
}
