//! mediasoup's own cases for `WebRtcTransport` (node/src/test/test-WebRtcTransport.ts), and what it does not test.
#![cfg(feature = "net")]

mod common;

use common::{
    PATIENCE, all_of, fixed_options, hold_worker, is_closed, nominate, observed, options, server,
    transport, with_workers,
};
use std::sync::mpsc::channel;
use std::time::Duration;
use webrtc_server::control::WaitError;
use webrtc_server::lifecycle::{CloseReason, DtlsRole, DtlsState, IceState, NotNeeded, Outcome};
use webrtc_server::{
    DtlsParameters, Error, Fingerprint, HashAlgorithm, Refused, TransportDump, TransportEvent,
    WebRtcServer, WebRtcTransport, WebRtcTransportOptions,
};

fn remote(role: DtlsRole) -> DtlsParameters {
    let fingerprint = Fingerprint::from_digest(HashAlgorithm::Sha256, &[0xAB; 32]);
    DtlsParameters { role, fingerprints: vec![fingerprint] }
}

fn dump(transport: &WebRtcTransport) -> TransportDump {
    transport.dump().expect("its server is open").expect("it is open")
}

fn close(server: &WebRtcServer) {
    server.close().wait_timeout(PATIENCE).expect("it closes in time");
}

#[test]
fn a_new_transport_shows_its_parameters_and_its_dump_agrees() {
    let server = server();
    let transport = transport(&server);
    let ice = transport.ice_parameters();
    assert_eq!((ice.username_fragment.len(), ice.password.len(), ice.ice_lite), (32, 32, true));
    assert_eq!((transport.ice_state(), transport.dtls_state()), (IceState::New, DtlsState::New));
    assert_eq!((transport.ice_selected_tuple(), transport.dtls_remote_cert()), (None, None));
    assert_eq!(transport.dtls_parameters().role, DtlsRole::Auto);
    assert!(!transport.is_closed());

    let dump = dump(&transport);
    let text = serde_json::to_string(&dump).expect("plain data");
    assert!(!text.contains(&ice.password), "a dump shows no password");
    let dump = serde_json::to_value(dump).expect("plain data");
    let expected = serde_json::json!({
        "id": transport.id(),
        "iceRole": "controlled",
        "iceParameters": {"usernameFragment": ice.username_fragment, "iceLite": true},
        "iceCandidates": transport.ice_candidates(),
        "iceState": "new",
        "iceTuples": [],
        "dtlsParameters": transport.dtls_parameters(),
        "dtlsState": "new",
        "dtlsLocalRole": "auto",
    });
    assert_eq!(dump, expected);
}

#[test]
fn res_16_stats_of_a_transport_have_mediasoups_names_and_count_from_zero() {
    let server = server();
    let transport = transport(&server);
    let stats = || transport.get_stats().expect("its server is open").expect("it is open");
    let first = stats();
    let expected = serde_json::json!({
        "type": "webrtc-transport",
        "transportId": transport.id(),
        "timestamp": first.timestamp,
        "iceRole": "controlled",
        "iceState": "new",
        "dtlsState": "new",
        "bytesReceived": 0,
        "bytesSent": 0,
    });
    assert_eq!(serde_json::to_value(&first).expect("plain data"), expected);
    nominate(&server, &transport);
    let second = serde_json::to_value(stats()).expect("plain data");
    let tuple = serde_json::to_value(transport.ice_selected_tuple()).expect("plain data");
    assert!(tuple.is_object() && second["iceSelectedTuple"] == tuple, "{second}");
    assert_eq!(
        (&second["iceState"], &second["dtlsState"]),
        (&"completed".into(), &"connecting".into())
    );
    assert!(second["timestamp"].as_u64() >= Some(first.timestamp), "{second}");
    let server = server.get_stats().expect("it is open");
    assert_eq!(second["bytesReceived"], server.bytes_received, "the check");
    assert_eq!(second["bytesSent"], server.bytes_sent, "its answer");
}

#[test]
fn dtl_03_connect_answers_with_our_role_once() {
    let server = server();
    for (theirs, ours) in [
        (DtlsRole::Client, DtlsRole::Server),
        (DtlsRole::Server, DtlsRole::Client),
        (DtlsRole::Auto, DtlsRole::Client),
    ] {
        let transport = transport(&server);
        assert_eq!(transport.connect(&remote(theirs)).expect("the first"), ours);
        assert_eq!(transport.dtls_parameters().role, ours);
        let error = transport.connect(&remote(DtlsRole::Server)).expect_err("the second");
        assert!(matches!(error, Error::Refused(Refused::AlreadyConnected)));
        assert_eq!(transport.dtls_parameters().role, ours, "the second changes nothing");
    }
}

#[test]
fn dtl_03_wrong_parameters_are_type_errors_and_change_nothing() {
    let server = server();
    let transport = transport(&server);
    let malformed = Fingerprint { algorithm: HashAlgorithm::Sha1, value: "AB".to_owned() };
    for fingerprints in [vec![], vec![malformed]] {
        let bad = DtlsParameters { role: DtlsRole::Client, fingerprints };
        let error = transport.connect(&bad).expect_err("it is malformed");
        assert!(matches!(error, Error::DtlsParameters(_)) && error.name() == "TypeError");
        assert_eq!(transport.dtls_parameters().role, DtlsRole::Auto);
    }
    let lower_case = remote(DtlsRole::Client).fingerprints[0].value.to_ascii_lowercase();
    let fingerprint = Fingerprint { algorithm: HashAlgorithm::Sha256, value: lower_case };
    let good = DtlsParameters { role: DtlsRole::Client, fingerprints: vec![fingerprint] };
    transport.connect(&good).expect("nothing was changed before");
}

#[test]
fn stn_23_stn_25_restart_makes_new_credentials_and_keeps_the_former_until_then() {
    let server = server();
    let transport = transport(&server);
    let before = transport.ice_parameters();
    let after = transport.restart_ice().expect("it is open");
    assert_ne!(before.username_fragment, after.username_fragment);
    assert_ne!(before.password, after.password);
    assert_eq!(transport.ice_parameters(), after);
    let fragments = server.dump().expect("it is open").local_ice_username_fragments;
    assert_eq!(fragments.len(), 2);
}

#[test]
fn events_are_heard_once_and_the_getters_follow() {
    let server = server();
    let (transport, events) = observed(&server);
    let socket = nominate(&server, &transport);
    let heard: Vec<_> =
        (0..3).map(|_| events.recv_timeout(PATIENCE).expect("three events")).collect();
    let tuple = transport.ice_selected_tuple().expect("a tuple is selected");
    assert_eq!(tuple.remote_port, socket.local_addr().expect("bound").port());
    assert_eq!(tuple.local_port, server.listen_infos()[0].port);
    let connecting = TransportEvent::DtlsStateChange {
        state: DtlsState::Connecting,
        reason: None,
        connected: None,
    };
    for event in [
        TransportEvent::IceStateChange(IceState::Completed),
        TransportEvent::IceSelectedTupleChange(Some(tuple.clone())),
        connecting,
    ] {
        assert_eq!(heard.iter().filter(|one| **one == event).count(), 1, "{event:?} in {heard:?}");
    }
    assert_eq!(transport.ice_state(), IceState::Completed);
    assert_eq!(transport.dtls_state(), DtlsState::Connecting);
    assert_eq!(dump(&transport).ice_selected_tuple, Some(tuple));
    let closed = transport.close().wait_timeout(PATIENCE).expect("it closes in time");
    assert_eq!(closed.outcome, Outcome::NotNeeded(NotNeeded::Handshaking));
    assert_eq!(transport.ice_selected_tuple(), None);
}

#[test]
fn methods_of_a_closed_transport_are_refused() {
    let server = server();
    let transport = transport(&server);
    let (twin, closing) = (transport.clone(), transport.close());
    assert!(twin.is_closed());
    assert_eq!((twin.ice_state(), twin.dtls_state()), (IceState::Closed, DtlsState::Closed));
    assert!(is_closed(twin.connect(&remote(DtlsRole::Auto))));
    closing.wait_timeout(PATIENCE).expect("it closes in time");
    assert!(is_closed(transport.connect(&remote(DtlsRole::Auto))));
    let empty = DtlsParameters { role: DtlsRole::Auto, fingerprints: Vec::new() };
    assert!(matches!(transport.connect(&empty), Err(Error::DtlsParameters(_))));
    assert!(is_closed(transport.restart_ice()));
    assert!(is_closed(transport.send(b"x")));
    assert_eq!(transport.dump().expect("the server is open"), None);
    assert_eq!(transport.get_stats().expect("the server is open"), None);
    assert_eq!(transport.close().try_get(), closing.try_get());
}

#[test]
fn cls_11_the_states_are_closed_from_the_call_on_that_closes() {
    let server = server();
    let (first, second) = (transport(&server), transport(&server));
    let held = hold_worker(&server);
    let states = |transport: &WebRtcTransport| (transport.ice_state(), transport.dtls_state());
    let closing = first.close();
    assert!(first.is_closed() && !closing.is_complete());
    assert_eq!(states(&first), (IceState::Closed, DtlsState::Closed));
    assert!(!second.is_closed());
    assert_eq!(states(&second), (IceState::New, DtlsState::New));
    let closing = server.close();
    assert!(second.is_closed() && !closing.is_complete());
    assert_eq!(states(&second), (IceState::Closed, DtlsState::Closed));
    drop(held);
    closing.wait_timeout(PATIENCE).expect("it closes in time");
}

#[test]
fn sending_needs_a_connection() {
    let server = server();
    let error = transport(&server).send(b"x").expect_err("nobody is there");
    assert!(matches!(error, Error::Refused(Refused::NotConnected)));
}

#[test]
fn cls_24_dropping_the_last_handle_of_a_transport_closes_it() {
    let server = server();
    let (transport, events) = observed(&server);
    let twin = transport.clone();
    drop(transport);
    assert_eq!(server.dump().expect("it is open").transport_ids, [twin.id()]);
    drop(twin);
    let outcome = Outcome::NotNeeded(NotNeeded::NotConnected);
    let close = TransportEvent::Close { reason: CloseReason::Owner, outcome };
    assert_eq!(all_of(&events), [close]);
    assert!(server.dump().expect("it is open").transport_ids.is_empty());
}

#[test]
fn cls_24_a_transport_does_not_keep_its_server_and_closes_with_it() {
    let server = WebRtcServer::new(fixed_options()).expect("free a moment ago");
    let info = server.listen_infos()[0].clone();
    let (transport, events) = observed(&server);
    let twin = server.clone();
    drop(server);
    assert!(!twin.is_closed() && !transport.is_closed());
    drop(twin);
    assert!(transport.is_closed());
    let closed = transport.closed().wait_timeout(PATIENCE).expect("it closes in time");
    assert_eq!(closed.reason, CloseReason::ServerClosed);
    assert_eq!(all_of(&events).len(), 2, "listenserverclose and close");
    let free = (0..1000).any(|_| {
        std::thread::sleep(std::time::Duration::from_millis(10));
        std::net::UdpSocket::bind((info.ip, info.port)).is_ok()
    });
    assert!(free, "the server closes in the background");
}

/// Runs `call` inside an event callback of `transport`'s server and returns what it returned.
fn on_worker<T: Send + 'static>(
    server: &WebRtcServer,
    call: impl FnOnce() -> T + Send + 'static,
) -> T {
    let (sender, result) = channel();
    let mut call = Some(call);
    let options = WebRtcTransportOptions {
        on_event: Box::new(move |event| {
            if let (TransportEvent::Close { .. }, Some(call)) = (event, call.take()) {
                sender.send(call()).expect("the test waits");
            }
        }),
        ..WebRtcTransportOptions::default()
    };
    drop(server.create_transport(options).expect("the server is open"));
    result.recv_timeout(PATIENCE).expect("no deadlock")
}

/// Also by other servers: a callback of theirs may wait for this one.
#[test]
fn l2_a_callback_is_refused_what_would_wait_for_a_worker() {
    let [server, other] = [server(), server()];
    let transport = transport(&server);
    let (inner, on) = (server.clone(), transport.clone());
    let refused = on_worker(&server, move || {
        vec![
            other.dump().err(),
            inner.dump().err(),
            inner.get_stats().err(),
            on.connect(&remote(DtlsRole::Auto)).err(),
            on.restart_ice().err(),
            on.dump().err(),
            on.get_stats().err(),
        ]
    });
    assert!(
        refused.iter().all(|error| matches!(error, Some(Error::OnWorkerThread))),
        "{refused:?}"
    );
    assert_eq!(server.dump().expect("it goes on").transport_ids, [transport.id()]);
}

#[test]
fn cls_22_a_callback_may_create_transports_of_every_server() {
    let servers = [server(), server()];
    let inner = servers.clone();
    let made = on_worker(&servers[0], move || {
        inner.map(|server| server.create_transport(WebRtcTransportOptions::default()))
    });
    for (server, made) in servers.iter().zip(made) {
        let made = made.expect("it is open");
        assert_eq!(made.connect(&remote(DtlsRole::Client)).ok(), Some(DtlsRole::Server));
        let outcomes = server.close().wait_timeout(PATIENCE).expect("it closes in time");
        assert_eq!(outcomes.transports().len(), 1);
        assert!(made.closed().is_complete());
    }
}

/// Nobody waits for the worker's answer, so the handle itself has to tell.
#[test]
fn cls_22_what_a_callback_creates_too_late_is_closed_with_the_server() {
    let server = WebRtcServer::new(with_workers(1, options())).expect("free ports");
    let (inner, (sender, made)) = (server.clone(), channel());
    let options = WebRtcTransportOptions {
        on_event: Box::new(move |event| {
            if matches!(event, TransportEvent::Close { .. }) {
                let (heard, on_event) = (sender.clone(), sender.clone());
                let on_event = Box::new(move |event| on_event.send(Err(event)).expect("a test"));
                let late = WebRtcTransportOptions { on_event, ..WebRtcTransportOptions::default() };
                heard.send(Ok(inner.create_transport(late))).expect("the test waits");
            }
        }),
        ..WebRtcTransportOptions::default()
    };
    let _transport = server.create_transport(options).expect("the server is open");
    let outcomes = server.close().wait_timeout(PATIENCE).expect("it closes in time");
    assert_eq!(outcomes.transports().len(), 1, "it was never made");
    let late = made.recv().expect("the callback ran").expect("no event").expect("a handle");
    let closed = late.closed().try_get().expect("answered before the server");
    let not_made = Outcome::NotNeeded(NotNeeded::NotConnected);
    assert_eq!((closed.reason, closed.outcome), (CloseReason::ServerClosed, not_made));
    assert!(late.is_closed() && made.recv().is_err(), "what does not exist has no events");
}

/// One thread restarts ICE and waits for the worker; the worker is in a callback that restarts it too.
#[test]
fn l2_a_callback_does_not_wait_for_who_waits_for_its_worker() {
    let server = server();
    let transport = transport(&server);
    let (on, other) = (transport.clone(), transport.clone());
    let (in_callback, is_in_callback) = channel();
    let outside = std::thread::spawn(move || {
        is_in_callback.recv().expect("the callback runs");
        other.restart_ice()
    });
    let refused = on_worker(&server, move || {
        in_callback.send(()).expect("the other thread waits");
        // Long enough for it to be under way; nothing says when it sleeps.
        std::thread::sleep(Duration::from_millis(300));
        on.restart_ice().err()
    });
    assert!(matches!(refused, Some(Error::OnWorkerThread)), "{refused:?}");
    outside.join().expect("no panic").expect("it is open");
}

#[test]
fn x3_a_callback_may_send_and_close() {
    let server = server();
    let transport = transport(&server);
    let (inner, on) = (server.clone(), transport.clone());
    let (sent, posted, waited, server_waited) = on_worker(&server, move || {
        (on.send(b"x"), on.post(b"x"), on.close().wait(), inner.close().wait())
    });
    assert!(matches!(sent, Err(Error::OnWorkerThread)));
    posted.expect("put in, without an answer");
    assert_eq!(waited.err(), Some(WaitError::OnWorkerThread));
    assert_eq!(server_waited.err(), Some(WaitError::OnWorkerThread));
    let closed = transport.close().wait_timeout(PATIENCE).expect("it closes in time");
    // The close of the server waits behind that of the transport.
    assert_eq!(closed.reason, CloseReason::Owner);
    close(&server);
}

#[test]
fn a_callback_that_panics_harms_nobody_else() {
    let server = server();
    let bad = WebRtcTransportOptions {
        on_event: Box::new(|_| panic!("a fault which this test provokes")),
        ..WebRtcTransportOptions::default()
    };
    let bad = server.create_transport(bad).expect("the server is open");
    let good: WebRtcTransport = transport(&server);
    nominate(&server, &bad);
    nominate(&server, &good);
    assert_eq!(bad.ice_state(), IceState::Completed);
    good.closed().on_complete(|_| panic!("another fault which this test provokes"));
    let outcomes = server.close().wait_timeout(PATIENCE).expect("it closes in time");
    assert!(outcomes.lost_workers().is_empty());
    assert_eq!(outcomes.transports().len(), 2);
}
