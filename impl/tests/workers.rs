//! A server of several workers, by its handles and peers that speak no DTLS.
#![cfg(all(feature = "net", feature = "testing"))]

mod common;

use common::{
    PATIENCE, address, hold_worker, is_closed, nominate, observed, options, transport, with_workers,
};
use std::collections::BTreeSet;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream, UdpSocket};
use std::sync::Barrier;
use std::thread;
use std::time::Instant;
use webrtc_server::lifecycle::{NotNeeded, Outcome};
use webrtc_server::shell::bind::Sharing;
use webrtc_server::wire::framing::frame;
use webrtc_server::wire::stun::{TransactionId, binding_request};
use webrtc_server::{TransportEvent, WebRtcServer, WebRtcServerOptions, WebRtcTransportOptions};

fn server(workers: usize, sharing: Sharing) -> WebRtcServer {
    let options = WebRtcServerOptions { sharing, ..with_workers(workers, options()) };
    WebRtcServer::new(options).expect("localhost has free ports")
}

/// A check for this ufrag that proves nothing.
fn claim(ufrag: &str) -> Vec<u8> {
    binding_request(TransactionId([9; 12]), &format!("{ufrag}:peer"), 1, 2)
        .message_integrity(b"a guess")
        .fingerprint()
}

fn stream(server: &WebRtcServer) -> TcpStream {
    let info = &server.listen_infos()[1];
    let stream = TcpStream::connect((info.ip, info.port)).expect("it listens");
    stream.set_read_timeout(Some(PATIENCE)).expect("a timeout");
    stream
}

/// Whether the connection ended; anything that it says before is thrown away.
fn ends(mut stream: TcpStream) -> bool {
    let mut buffer = [0; 1024];
    loop {
        match stream.read(&mut buffer) {
            Ok(0) => return true,
            Ok(_) => {}
            Err(error) => return error.kind() == std::io::ErrorKind::ConnectionReset,
        }
    }
}

#[test]
fn handles_are_for_every_thread() {
    fn for_every_thread<T: Clone + Send + Sync>(_: &T) {}
    let server = server(2, Sharing::default());
    for_every_thread(&server);
    for_every_thread(&transport(&server));
}

#[test]
fn transports_are_spread_evenly_and_every_worker_reports_its_own() {
    let server = server(2, Sharing::default());
    let transports: Vec<_> = (0..200).map(|_| transport(&server)).collect();
    let tags: BTreeSet<_> = transports
        .iter()
        .map(|transport| transport.ice_parameters().username_fragment[..2].to_owned())
        .collect();
    assert_eq!(tags.len(), 2, "one for each worker");
    let outcomes = server.close().wait_timeout(PATIENCE).expect("it closes in time");
    // In the order of the workers.
    let ids: Vec<_> = outcomes.transports().iter().map(|(id, _)| *id).collect();
    let of_the_first = |id: &u64| [0, 3].contains(&(id % 4));
    let (first, second): (Vec<_>, Vec<_>) = (0..200).partition(of_the_first);
    assert_eq!(ids, [&first[..], &second[..]].concat());
    assert_eq!((first.len(), first.iter().filter(|id| **id % 2 == 0).count()), (100, 50));
}

#[test]
fn stn_24_a_restart_keeps_the_worker_in_the_ufrag() {
    let server = server(3, Sharing::FirstReceives);
    for transport in [(); 3].map(|()| transport(&server)) {
        let before = transport.ice_parameters().username_fragment;
        nominate(&server, &transport);
        let after = transport.restart_ice().expect("it is open").username_fragment;
        assert!(after != before && after[..2] == before[..2]);
        nominate(&server, &transport);
    }
}

#[test]
fn cls_10_closes_from_several_threads_over_transports_of_several_workers() {
    for round in 0..50 {
        let sharing = [Sharing::default(), Sharing::FirstReceives][round % 2];
        let server = server(3, sharing);
        let transports: Vec<_> = (0..9).map(|_| observed(&server)).collect();
        let peers: Vec<_> =
            transports[..4].iter().map(|(transport, _)| nominate(&server, transport)).collect();
        let start = Barrier::new(5);
        let answers = thread::scope(|scope| {
            let close = |index: usize| {
                let (server, start, transport) = (&server, &start, &transports[index].0);
                scope.spawn(move || {
                    start.wait();
                    transport.close();
                    server.close().wait_timeout(PATIENCE).expect("it closes in time")
                })
            };
            let threads: Vec<_> = (0..4).map(close).collect();
            start.wait();
            let own = server.close().wait_timeout(PATIENCE).expect("it closes in time");
            let others = threads.into_iter().map(|thread| thread.join().expect("no panic"));
            others.chain([own]).collect::<Vec<_>>()
        });
        assert!(answers.iter().all(|answer| *answer == answers[0]), "everybody has the same");
        assert!(answers[0].lost_workers().is_empty());
        for (_, outcome) in answers[0].transports() {
            assert!(matches!(
                outcome,
                Outcome::NotNeeded(NotNeeded::Handshaking | NotNeeded::NotConnected)
            ));
        }
        for (transport, events) in &transports {
            assert!(transport.closed().is_complete());
            let is_close = |event: &TransportEvent| matches!(event, TransportEvent::Close { .. });
            assert_eq!(events.try_iter().filter(is_close).count(), 1);
        }
        assert!(is_closed(server.create_transport(WebRtcTransportOptions::default())));
        drop(peers);
    }
}

/// A worker that does not take what it is handed costs a bounded amount of memory; the others go on.
#[test]
fn dmx_13_a_flood_for_a_worker_that_is_busy_is_dropped_and_counted() {
    let server = server(2, Sharing::FirstReceives);
    let (own, foreign) = (transport(&server), transport(&server));
    let held = hold_worker(&server);
    let check = claim(&foreign.ice_parameters().username_fragment);
    let stranger = UdpSocket::bind("127.0.0.1:0").expect("a free port");
    for _ in 0..200 {
        for _ in 0..50 {
            stranger.send_to(&check, address(&server)).expect("localhost");
        }
        // The first worker has seen all of them by then, as one socket keeps their order.
        nominate(&server, &own);
    }
    let check = frame(&check).expect("short enough");
    let mut streams: Vec<_> = (0..40).map(|_| stream(&server)).collect();
    for stream in &mut streams {
        stream.write_all(&check).expect("it is taken");
    }
    assert!(streams.into_iter().all(ends), "there is no room for connections either");
    drop(held);
    let stats = server.get_stats().expect("it is open");
    assert!(stats.handed_over > 1000 && stats.hand_overs_dropped > 1000, "{stats:?}");
    nominate(&server, &foreign);
    server.close().wait_timeout(PATIENCE).expect("it closes in time");
}

/// Whatever a connection has said, and wherever it is when the close begins, it ends.
#[test]
fn cls_20_connections_between_workers_end_with_the_close() {
    for _ in 0..50 {
        let server = server(2, Sharing::FirstReceives);
        let foreign = {
            drop(transport(&server));
            transport(&server)
        };
        let check = frame(&claim(&foreign.ice_parameters().username_fragment)).expect("short");
        let mut streams: Vec<_> = (0..20).map(|_| stream(&server)).collect();
        let start = Barrier::new(2);
        thread::scope(|scope| {
            scope.spawn(|| {
                start.wait();
                for stream in &mut streams {
                    // The close may have ended it.
                    let _ = stream.write_all(&check);
                }
            });
            start.wait();
            server.close().wait_timeout(PATIENCE).expect("it closes in time");
        });
        assert!(streams.into_iter().all(ends));
    }
}

/// Two servers cannot have one port, however many sockets each has there.
#[test]
fn cls_21_an_address_is_shared_among_workers_and_with_nobody_else() {
    let options = with_workers(3, common::fixed_options());
    let first = WebRtcServer::new(options.clone()).expect("free a moment ago");
    for info in first.listen_infos() {
        let again = WebRtcServerOptions { listen_infos: vec![info.clone()], ..options.clone() };
        assert_eq!(WebRtcServer::new(again).expect_err("it is taken").name(), "IoError");
        let at = SocketAddr::new(info.ip, info.port);
        UdpSocket::bind(at).map(drop).and(std::net::TcpListener::bind(at).map(drop)).unwrap_err();
    }
    first.close().wait_timeout(PATIENCE).expect("it closes in time");
    let second = WebRtcServer::new(options).expect("free again, at once");
    second.close().wait_timeout(PATIENCE).expect("it closes in time");
}

#[test]
fn res_08_the_workers_of_a_server_share_one_ration_of_error_replies() {
    let server = server(3, Sharing::FirstReceives);
    let transports = [(); 3].map(|()| transport(&server));
    let stranger = UdpSocket::bind("127.0.0.1:0").expect("a free port");
    stranger.set_nonblocking(true).expect("a flag");
    let begin = Instant::now();
    for transport in transports.iter().cycle().take(60) {
        let check = claim(&transport.ice_parameters().username_fragment);
        stranger.send_to(&check, address(&server)).expect("localhost");
    }
    let refused = || server.get_stats().expect("it is open").stun_errors;
    while refused() < 60 {
        assert!(begin.elapsed() < PATIENCE, "{} of 60 were judged", refused());
        thread::yield_now();
    }
    // What was judged is answered by now. A window of one second more may have begun.
    let windows = usize::try_from(begin.elapsed().as_secs()).expect("a short time") + 2;
    let replies = std::iter::from_fn(|| stranger.recv(&mut [0; 1500]).ok()).count();
    assert!((10..=10 * windows).contains(&replies), "{replies} in {windows} windows");
}
