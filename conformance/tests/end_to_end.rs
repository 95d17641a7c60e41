//! A server on its own threads and a peer in ours: the stories that a user lives.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;
use webrtc_server::lifecycle::{DtlsState, IceState, NotNeeded, Outcome};
use webrtc_server::{
    DtlsParameters, ListenInfo, TransportEvent, WebRtcServer, WebRtcServerOptions, WebRtcTransport,
    WebRtcTransportOptions,
};
use webrtc_server_conformance::peer::{
    Peer, PeerCertificate, Protocol, ServerCredentials, StreamEnd, Via,
};

const PATIENCE: Duration = Duration::from_secs(10);
const LOOPBACK: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

fn server() -> WebRtcServer {
    server_at(LOOPBACK)
}

fn server_at(loopback: IpAddr) -> WebRtcServer {
    let protocols = [webrtc_server::Protocol::Udp, webrtc_server::Protocol::Tcp];
    WebRtcServer::new(WebRtcServerOptions {
        listen_infos: protocols.map(|protocol| ListenInfo::new(protocol, loopback)).into(),
        ..WebRtcServerOptions::default()
    })
    .expect("loopback can be bound")
}

fn transport(server: &WebRtcServer) -> (WebRtcTransport, Receiver<TransportEvent>) {
    let (sender, events) = channel();
    let transport = server
        .create_transport(WebRtcTransportOptions {
            on_event: Box::new(move |event| {
                let _ = sender.send(event);
            }),
            ..WebRtcTransportOptions::default()
        })
        .expect("an open server");
    let certificate = PeerCertificate::shared().expect("a certificate");
    let parameters =
        DtlsParameters::parse(Some("client"), [("sha-256", certificate.fingerprint())])
            .expect("well formed");
    transport.connect(&parameters).expect("the first connect");
    (transport, events)
}

fn address(server: &WebRtcServer, protocol: Protocol) -> SocketAddr {
    let wanted = match protocol {
        Protocol::Udp => webrtc_server::Protocol::Udp,
        Protocol::Tcp => webrtc_server::Protocol::Tcp,
    };
    let info = server.listen_infos().iter().find(|i| i.protocol == wanted).expect("listens");
    SocketAddr::new(info.ip, info.port)
}

fn connect(server: &WebRtcServer, transport: &WebRtcTransport, protocol: Protocol) -> Peer {
    let ice = transport.ice_parameters();
    let credentials = ServerCredentials { ufrag: ice.username_fragment, password: ice.password };
    let certificate = PeerCertificate::shared().expect("a certificate");
    let address = address(server, protocol);
    Peer::connect_over(protocol, address, credentials, &certificate, PATIENCE)
        .expect("ICE and DTLS connect")
        .0
}

fn names(events: &Receiver<TransportEvent>) -> Vec<String> {
    events
        .try_iter()
        .map(|event| match event {
            TransportEvent::IceStateChange(state) => format!("ice {state:?}"),
            TransportEvent::IceSelectedTupleChange(tuple) => format!("tuple {}", tuple.is_some()),
            TransportEvent::DtlsStateChange { state, .. } => format!("dtls {state:?}"),
            TransportEvent::Data(bytes) => format!("data {}", bytes.len()),
            TransportEvent::ListenServerClose => "listenserverclose".to_owned(),
            TransportEvent::Close { outcome, .. } => format!("close {outcome:?}"),
        })
        .collect()
}

fn goodbye_over(protocol: Protocol, loopback: IpAddr) {
    let server = server_at(loopback);
    let (transport, events) = transport(&server);
    let mut peer = connect(&server, &transport, protocol);
    let closing = server.close();
    peer.await_close_notify(PATIENCE).expect("the alert arrives");
    peer.answer_close_notify(Via(0)).expect("the answer leaves");
    let outcomes = closing.wait().expect("not a worker");
    assert_eq!(outcomes.transports(), [(0, Outcome::Confirmed)]);
    let _ = peer.collect();
    assert_eq!(peer.observed().close_notifies.len(), 1, "exactly one");
    assert_eq!(peer.observed().late_on_the_same_path(), 0, "nothing after it");
    assert_eq!(
        names(&events),
        [
            "tuple true",
            "ice Completed",
            "dtls Connecting",
            "dtls Connected",
            "listenserverclose",
            "close Confirmed"
        ]
    );
    assert_eq!(
        (transport.ice_state(), transport.dtls_state()),
        (IceState::Closed, DtlsState::Closed)
    );
    let certificate = transport.dtls_remote_cert().expect("it was connected");
    assert!(certificate.starts_with("-----BEGIN CERTIFICATE-----"), "{certificate}");
}

#[test]
fn cls_04_close_over_udp_returns_when_the_peer_has_answered() {
    goodbye_over(Protocol::Udp, LOOPBACK);
}

#[test]
fn cls_04_close_over_tcp_returns_when_the_peer_has_answered() {
    goodbye_over(Protocol::Tcp, LOOPBACK);
}

#[test]
fn cls_04_close_over_ipv6_is_no_different() {
    goodbye_over(Protocol::Udp, Ipv6Addr::LOCALHOST.into());
    goodbye_over(Protocol::Tcp, Ipv6Addr::LOCALHOST.into());
}

/// mediasoup #1388, which the browser lives in `conformance/browser/close.test.mjs`.
#[test]
fn tcp_18_two_connections_one_closed_then_the_server() {
    let server = server();
    let (transport, _events) = transport(&server);
    let mut peer = connect(&server, &transport, Protocol::Tcp);
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
    let (transport, events) = transport(&server);
    let mut peer = connect(&server, &transport, Protocol::Tcp);
    let closed = transport.close().wait().expect("not a worker");
    assert!(matches!(closed.outcome, Outcome::Confirmed | Outcome::Sent), "{closed:?}");
    peer.await_close_notify(PATIENCE).expect("the alert arrives");
    peer.await_until("FIN", PATIENCE, |peer| peer.ends().any(|(_, end)| end == StreamEnd::Fin))
        .expect("a FIN, no RST");
    assert!(!names(&events).contains(&"listenserverclose".to_owned()));
    let dump = server.dump().expect("still open");
    assert!(dump.transport_ids.is_empty() && dump.local_ice_username_fragments.is_empty());
    assert_eq!((dump.tuples, dump.connections), (0, Default::default()));
    assert_eq!(server.close().wait().expect("not a worker").transports(), []);
}

#[test]
fn dtl_24_application_data_goes_both_ways() {
    let server = server();
    let (transport, events) = transport(&server);
    let mut peer = connect(&server, &transport, Protocol::Udp);
    let via = Via(0);
    peer.send_data(via, b"from the peer").expect("connected");
    transport.send(b"from the server").expect("connected");
    peer.await_until("data", PATIENCE, |peer| !peer.observed().data.is_empty()).expect("arrives");
    assert_eq!(peer.observed().data, [b"from the server".to_vec()]);
    let arrived = events.iter().find_map(|event| match event {
        TransportEvent::Data(bytes) => Some(bytes),
        TransportEvent::IceStateChange(_)
        | TransportEvent::IceSelectedTupleChange(_)
        | TransportEvent::DtlsStateChange { .. }
        | TransportEvent::ListenServerClose
        | TransportEvent::Close { .. } => None,
    });
    assert_eq!(arrived.as_deref(), Some(&b"from the peer"[..]));
}

#[test]
fn cls_10_two_closers_and_a_third_later_get_the_same_answer() {
    let server = server();
    let (_transport, _events) = transport(&server);
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
    let (transport, _events) = transport(&first);
    let _peer = connect(&first, &transport, Protocol::Tcp);
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
    let (transport, _events) = transport(&server);
    let mut peer = connect(&server, &transport, Protocol::Udp);
    drop(server);
    peer.await_close_notify(PATIENCE).expect("the alert arrives");
    transport.closed().wait_timeout(PATIENCE).expect("it is closed in the background");
}

#[test]
fn cls_22_a_closed_server_makes_no_transports() {
    let server = server();
    server.close().wait().expect("not a worker");
    let error = server.create_transport(WebRtcTransportOptions::default()).expect_err("closed");
    assert_eq!(error.name(), "NotFoundError");
}
