//! mediasoup's own cases for `WebRtcServer` (node/src/test/test-WebRtcServer.ts), and what it does not test.
#![cfg(feature = "net")]

mod common;

use common::{
    PATIENCE, all_of, fixed_options, is_closed, listen, observed, options, server, transport,
};
use std::net::{TcpListener, UdpSocket};
use std::time::Duration;
use webrtc_server::control::{Closing, WaitError};
use webrtc_server::lifecycle::{CloseReason, DtlsState, IceState, NotNeeded, Outcome};
use webrtc_server::shell::dtls::DtlsOptions;
use webrtc_server::{
    Certificate, Error, ListenInfo, PortRange, Protocol, TransportEvent, WebRtcServer,
    WebRtcServerOptions, WebRtcTransportOptions,
};

const NOTHING_SAID: Outcome = Outcome::NotNeeded(NotNeeded::NotConnected);

fn wait<T: Clone>(closing: &Closing<T>) -> T {
    closing.wait_timeout(PATIENCE).expect("it closes in time")
}

#[test]
fn a_server_shows_its_real_ports_and_its_dump_is_empty() {
    let server = server();
    assert!(!server.is_closed() && server.id().len() == 36);
    let dump = serde_json::to_value(server.dump().expect("it is open")).expect("plain data");
    let [udp, tcp] = server.listen_infos() else { panic!("as many as were asked for") };
    assert!(udp.port != 0 && tcp.port != 0);
    let expected = serde_json::json!({
        "id": server.id(),
        "udpSockets": [{"ip": "127.0.0.1", "port": udp.port}],
        "tcpServers": [{"ip": "127.0.0.1", "port": tcp.port}],
        "webRtcTransportIds": [],
        "localIceUsernameFragments": [],
        "tuples": 0,
        "connections": {"unbound": 0, "bound": 0, "lingering": 0},
    });
    assert_eq!(dump, expected);
    assert_ne!(server.id(), common::server().id());
}

#[test]
fn ports_come_from_the_range() {
    let range = PortRange { min: 31_000, max: 31_999 };
    let within = |protocol| ListenInfo { port_range: Some(range), ..listen(protocol) };
    let options = WebRtcServerOptions::new([within(Protocol::Udp), within(Protocol::Tcp)]);
    let server = WebRtcServer::new(options).expect("one of 1000 ports is free");
    assert!(server.listen_infos().iter().all(|info| (31_000..=31_999).contains(&info.port)));
}

#[test]
fn res_09_there_must_be_listen_infos_and_not_too_many() {
    let refused = |options| {
        let error = WebRtcServer::new(options).expect_err("not so many");
        assert_eq!(error.name(), "TypeError");
        error.to_string()
    };
    assert_eq!(refused(WebRtcServerOptions::default()), "empty listenInfos");
    let many = |count| WebRtcServerOptions::new(vec![listen(Protocol::Udp); count]);
    for count in [1, 9, 64] {
        let server = WebRtcServer::new(many(count)).expect("there are ports enough");
        assert_eq!(server.listen_infos().len(), count);
    }
    assert_eq!(refused(many(65)), "65 listenInfos, at most 64 are allowed");
    let more = WebRtcServerOptions { listen_infos_max: 65, ..many(65) };
    assert_eq!(WebRtcServer::new(more).expect("allowed").listen_infos().len(), 65);
    let most = WebRtcServerOptions { listen_infos_max: usize::MAX, ..many(1001) };
    assert_eq!(refused(most), "1001 listenInfos, at most 1000 are allowed");
}

#[test]
fn cls_21_unavailable_listen_infos_leave_nothing_bound() {
    let ports = fixed_options().listen_infos;
    let elsewhere = ListenInfo { ip: "1.2.3.4".parse().expect("an address"), ..ports[0].clone() };
    let refused = |infos: Vec<ListenInfo>| match WebRtcServer::new(WebRtcServerOptions::new(infos))
    {
        Err(Error::Bind(error)) => error.index,
        other => panic!("{other:?}"),
    };
    assert_eq!(refused(vec![ports[1].clone(), elsewhere]), 1);
    let reserved = TcpListener::bind(("127.0.0.1", ports[1].port)).expect("free again");
    assert_eq!(refused(vec![listen(Protocol::Udp), ports[1].clone()]), 1);
    drop(reserved);
    let server = WebRtcServer::new(options()).expect("free ports");
    let taken = server.listen_infos();
    assert_eq!(refused(vec![taken[0].clone()]), 0);
    assert_eq!(refused(vec![listen(Protocol::Udp), taken[1].clone()]), 1);
}

#[test]
fn cls_21_bad_dtls_settings_fail_before_anything_is_bound() {
    let options = fixed_options();
    let dtls = DtlsOptions { mtu: 1, ..DtlsOptions::default() };
    let error = WebRtcServer::new(WebRtcServerOptions { dtls, ..options.clone() });
    assert!(matches!(error, Err(Error::DtlsOptions(_))));
    WebRtcServer::new(options).expect("both ports are free");
}

#[test]
fn dtl_26_a_given_certificate_is_shown_to_peers_and_the_default_is_fresh() {
    let certificate = Certificate::generate().expect("a certificate");
    let given = WebRtcServerOptions { certificate: Some(certificate.clone()), ..options() };
    let given = WebRtcServer::new(given).expect("free ports");
    let shown = transport(&given).dtls_parameters().fingerprints;
    assert_eq!(shown, certificate.fingerprints());
    assert_eq!(shown.len(), 5);
    let fresh = server();
    assert_ne!(transport(&fresh).dtls_parameters().fingerprints, shown);
    let error = Certificate::from_pem(b"", b"").expect_err("there is none");
    assert!(matches!(Error::from(error), Error::Certificate(_)));
}

#[test]
fn dtl_27_another_certificate_is_announced_by_those_who_come_later() {
    let server = server();
    let before = transport(&server);
    let old = before.dtls_parameters().fingerprints;
    let new = Certificate::generate().expect("a certificate");
    server.set_certificate(&new).expect("a good one");
    assert_eq!(before.dtls_parameters().fingerprints, old);
    let announced = transport(&server).dtls_parameters().fingerprints;
    assert_eq!(announced, new.fingerprints());
    assert_ne!(announced, old);
}

#[test]
fn a_closed_server_answers_every_call() {
    let server = server();
    let (transport, events) = observed(&server);
    let first = server.close();
    assert!(server.is_closed() && transport.is_closed());
    let outcomes = wait(&first);
    assert_eq!(outcomes.transports(), [(transport.number(), NOTHING_SAID)]);
    assert!(outcomes.lost_workers().is_empty());
    assert_eq!(wait(&server.close()), outcomes, "everybody has the same answer");
    assert!(is_closed(server.dump()));
    assert!(is_closed(server.get_stats()));
    assert!(is_closed(server.create_transport(WebRtcTransportOptions::default())));
    assert_eq!(all_of(&events).len(), 2, "and the callback is dropped");
}

#[test]
fn a_transport_of_its_own_protocol_comes_and_goes() {
    let server = server();
    let only_tcp = WebRtcTransportOptions { enable_udp: false, ..Default::default() };
    let transport = server.create_transport(only_tcp).expect("there is a listener");
    let candidates = serde_json::to_value(transport.ice_candidates()).expect("plain data");
    assert_eq!(candidates.as_array().map(Vec::len), Some(1));
    assert_eq!(candidates[0]["protocol"], "tcp");
    assert_eq!(candidates[0]["tcpType"], "passive");
    assert_eq!(candidates[0]["port"], server.listen_infos()[1].port);
    assert_eq!(transport.ice_state(), IceState::New);
    assert_eq!(transport.ice_selected_tuple(), None);

    let dump = serde_json::to_value(server.dump().expect("it is open")).expect("plain data");
    let id = transport.id();
    assert_eq!(dump["webRtcTransportIds"], serde_json::json!([id]));
    let ufrag = transport.ice_parameters().username_fragment;
    assert_eq!(
        dump["localIceUsernameFragments"],
        serde_json::json!([{"localIceUsernameFragment": ufrag, "webRtcTransportId": id}])
    );
    let closed = wait(&transport.close());
    assert_eq!((closed.reason, closed.outcome), (CloseReason::Owner, NOTHING_SAID));
    let dump = server.dump().expect("it is open");
    assert!(dump.transport_ids.is_empty());
    assert!(dump.local_ice_username_fragments.is_empty());
}

#[test]
fn cls_11_closing_the_server_closes_its_transports() {
    let server = server();
    let (transport, events) = observed(&server);
    assert_eq!(transport.ice_candidates().len(), 2);
    wait(&server.close());
    let close = TransportEvent::Close { reason: CloseReason::ServerClosed, outcome: NOTHING_SAID };
    assert_eq!(all_of(&events), [TransportEvent::ListenServerClose, close]);
    assert!(transport.is_closed());
    assert_eq!(transport.ice_state(), IceState::Closed);
    assert_eq!(transport.dtls_state(), DtlsState::Closed);
    assert_eq!(transport.ice_selected_tuple(), None);
    let closed = wait(&transport.close());
    assert_eq!((closed.reason, closed.outcome), (CloseReason::ServerClosed, NOTHING_SAID));
}

#[test]
fn cls_11_own_close_is_the_only_and_the_last_event() {
    let server = server();
    let (transport, events) = observed(&server);
    let closing = transport.close();
    let close = TransportEvent::Close { reason: CloseReason::Owner, outcome: NOTHING_SAID };
    wait(&closing);
    wait(&server.close());
    assert_eq!(all_of(&events), [close]);
}

#[test]
fn no_candidates_is_mediasoups_type_error() {
    let udp = WebRtcServer::new(WebRtcServerOptions::new([listen(Protocol::Udp)])).expect("a port");
    let only_tcp = WebRtcTransportOptions { enable_udp: false, ..Default::default() };
    let error = udp.create_transport(only_tcp).expect_err("there is no listener");
    assert!(matches!(error, Error::NoCandidates));
    assert_eq!(error.name(), "TypeError");
}

#[test]
fn cls_20_ports_are_free_when_the_close_is_complete() {
    let infos = fixed_options().listen_infos;
    for _ in 0..20 {
        UdpSocket::bind(("127.0.0.1", infos[0].port)).expect("free at once");
        let again = WebRtcServer::new(WebRtcServerOptions::new(infos.clone())).expect("at once");
        wait(&again.close());
    }
}

#[test]
fn cls_07_a_deadline_beyond_all_time_is_no_deadline() {
    let server = server();
    let transport = transport(&server);
    let outcomes = wait(&server.close_with_deadline(Duration::MAX));
    assert_eq!(outcomes.lost_workers(), []);
    assert_eq!(outcomes.transports(), [(transport.number(), NOTHING_SAID)]);
}

#[test]
fn cls_04_a_close_is_awaited_by_callback_too() {
    let server = server();
    let (sender, answers) = std::sync::mpsc::channel();
    let closing = server.close();
    let inner = closing.clone();
    closing.on_complete(move |outcomes| {
        sender.send((outcomes.transports().len(), inner.wait())).expect("the test waits");
    });
    let (transports, again) = answers.recv_timeout(PATIENCE).expect("it closes");
    assert_eq!((transports, again.map(|_| ())), (0, Ok::<(), WaitError>(())));
}

#[test]
fn res_16_stats_count_from_zero() {
    let server = server();
    let stats = serde_json::to_value(server.get_stats().expect("it is open")).expect("plain data");
    let counters = stats.as_object().expect("an object");
    assert!(counters.len() > 15 && counters.values().all(|counter| counter == 0), "{stats}");
    let transport = transport(&server);
    common::nominate(&server, &transport);
    let stats = server.get_stats().expect("it is open");
    assert_eq!((stats.datagrams_received, stats.stun_checks), (1, 1));
}
