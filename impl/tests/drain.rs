//! CLS-31: a server that takes nobody in any more.
#![cfg(feature = "net")]

mod common;

use common::{
    PATIENCE, address, is_closed, nominate, observed, options, server, transport, until,
    with_workers,
};
use std::io::Read;
use std::net::TcpStream;
use std::time::Duration;
use webrtc_server::control::Closing;
use webrtc_server::lifecycle::CloseReason;
use webrtc_server::{Error, Refused, TransportEvent, WebRtcServer, WebRtcTransportOptions};

/// Nothing here waits for it.
const FOR_EVER: Duration = Duration::MAX;

fn refusal(server: &WebRtcServer) -> Error {
    server.create_transport(WebRtcTransportOptions::default()).expect_err("it takes nobody in")
}

fn is_draining(error: &Error) -> bool {
    matches!(error, Error::Refused(Refused::Draining))
}

fn stream(server: &WebRtcServer) -> TcpStream {
    let info = &server.listen_infos()[1];
    let stream = TcpStream::connect((info.ip, info.port)).expect("it listens");
    stream.set_read_timeout(Some(PATIENCE)).expect("a timeout");
    stream
}

fn wait<T: Clone>(closing: &Closing<T>) -> T {
    closing.wait_timeout(PATIENCE).expect("it closes in time")
}

#[test]
fn cls_31_who_is_there_stays_who_comes_is_refused_and_the_last_closes_the_server() {
    for workers in [1, 2] {
        let server = WebRtcServer::new(with_workers(workers, options())).expect("free ports");
        let (first, second) = (transport(&server), transport(&server));
        let mut earlier = stream(&server);
        let accepted = || server.get_stats().expect("it is open").connections_accepted;
        until("it is accepted", || accepted() == 1);
        let closing = server.drain(FOR_EVER);
        assert!(server.is_draining() && !server.is_closed());
        let error = refusal(&server);
        assert!(is_draining(&error) && error.name() == "InvalidStateError", "{error}");

        // Whoever asks a worker anything comes behind the drain.
        accepted();
        assert_eq!(stream(&server).read(&mut [0]).expect("an orderly end"), 0);
        let stats = server.get_stats().expect("it is open");
        assert_eq!((stats.connections_accepted, stats.connections_refused), (1, 1));

        nominate(&server, &first);
        first.restart_ice().expect("it lives");
        nominate(&server, &first);
        wait(&second.close());
        assert!(!server.is_closed() && !closing.is_complete());
        nominate(&server, &first);
        earlier.set_nonblocking(true).expect("a flag");
        let error = earlier.read(&mut [0]).expect_err("it is still open");
        assert_eq!(error.kind(), std::io::ErrorKind::WouldBlock);

        assert_eq!(wait(&first.close()).reason, CloseReason::Owner);
        assert_eq!(wait(&closing).transports(), [], "the close of the server ended nobody");
        assert!(is_closed::<()>(Err(refusal(&server))), "closed, and no longer draining");
    }
}

#[test]
fn cls_31_at_the_deadline_the_server_closes_with_whoever_is_left() {
    for workers in [1, 3] {
        let server = WebRtcServer::new(with_workers(workers, options())).expect("free ports");
        let (transport, events) = observed(&server);
        let closing = server.drain(Duration::from_millis(50));
        assert_eq!(wait(&closing).transports().len(), 1);
        assert_eq!(wait(&transport.closed()).reason, CloseReason::ServerClosed);
        assert!(events.iter().any(|event| event == TransportEvent::ListenServerClose));
    }
}

#[test]
fn cls_31_without_transports_it_closes_at_once() {
    let server = server();
    wait(&transport(&server).close());
    wait(&server.drain(FOR_EVER));
    assert!(server.is_closed());
}

#[test]
fn cls_31_the_first_drain_counts_and_a_close_ends_it() {
    let server = server();
    let transport = transport(&server);
    let drains = [FOR_EVER, Duration::ZERO].map(|deadline| server.drain(deadline));
    // A command behind the drain: it did not close.
    transport.dump().expect("it is open").expect("it lives");
    assert!(!server.is_closed());
    let outcomes = wait(&server.close());
    assert_eq!(outcomes.transports().len(), 1);
    assert!(drains.iter().all(|drain| wait(drain) == outcomes), "one answer");
    assert_eq!(wait(&server.drain(FOR_EVER)), outcomes, "and for whoever comes late");
}

#[test]
fn cls_31_a_drain_begins_in_a_callback_and_ends_with_the_last_handle() {
    let server = server();
    let (drain, drained) = (server.clone(), std::sync::mpsc::channel());
    let trigger = WebRtcTransportOptions {
        on_event: Box::new(move |event| {
            if matches!(event, TransportEvent::IceStateChange(_)) {
                drained.0.send(drain.drain(FOR_EVER)).expect("the test waits");
            }
        }),
        ..WebRtcTransportOptions::default()
    };
    let transport = server.create_transport(trigger).expect("it is open");
    nominate(&server, &transport);
    let closing = drained.1.recv_timeout(PATIENCE).expect("it is called");
    assert!(is_draining(&refusal(&server)));
    let at = address(&server);
    // The callback has another handle: the transport's end drops it.
    drop(server);
    drop(transport);
    wait(&closing);
    std::net::UdpSocket::bind(at).expect("free again");
}

#[test]
fn cls_31_drain_races_with_create_transport_and_close() {
    for round in 0..300 {
        let server = server();
        let made = std::thread::scope(|scope| {
            let creator = scope.spawn(|| {
                let create = |_| server.create_transport(WebRtcTransportOptions::default()).ok();
                (0..20).map_while(create).collect::<Vec<_>>()
            });
            scope.spawn(|| server.drain(FOR_EVER));
            if round % 2 == 0 {
                scope.spawn(|| server.close());
            }
            creator.join().expect("no panic")
        });
        for transport in &made {
            wait(&transport.close());
        }
        drop(made);
        wait(&server.drain(FOR_EVER));
    }
}
