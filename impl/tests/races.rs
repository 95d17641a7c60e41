//! What happens when calls meet a close, and when a worker's thread dies.
#![cfg(feature = "net")]

mod common;

use common::{
    PATIENCE, all_of, fixed_options, is_closed, kill_worker, observed, options, server, transport,
    with_workers,
};
use std::sync::Barrier;
use std::thread;
use std::time::Duration;
use webrtc_server::lifecycle::server::WorkerId;
use webrtc_server::lifecycle::{CloseReason, DropReason, NotNeeded, Outcome};
use webrtc_server::{Error, Refused, TransportEvent, WebRtcServer, WebRtcTransportOptions};

const ROUNDS: usize = 300;
const TRANSPORTS_PER_ROUND: usize = 30;

/// Whoever got a transport sees it closed with the server; nobody gets another error than `Closed`; nothing hangs.
#[test]
fn cls_22_create_transport_races_with_the_servers_close() {
    let mut made = 0;
    for _ in 0..ROUNDS {
        let server = server();
        let start = Barrier::new(2);
        let transports = thread::scope(|scope| {
            let creator = scope.spawn(|| {
                start.wait();
                let create = |_| match server.create_transport(WebRtcTransportOptions::default()) {
                    Ok(transport) => Some(transport),
                    Err(Error::Refused(Refused::Closed)) => None,
                    Err(other) => panic!("{other}"),
                };
                (0..TRANSPORTS_PER_ROUND).filter_map(create).collect::<Vec<_>>()
            });
            start.wait();
            server.close();
            creator.join().expect("no panic")
        });
        let outcomes = server.close().wait_timeout(PATIENCE).expect("it closes in time");
        assert_eq!(outcomes.transports().len(), transports.len(), "no orphan");
        for transport in &transports {
            let closed = transport.close().try_get().expect("closed before its server was");
            assert_eq!(closed.reason, CloseReason::ServerClosed);
        }
        made += transports.len();
    }
    println!("{made} of {} were made in time", ROUNDS * TRANSPORTS_PER_ROUND);
}

#[test]
fn cls_10_closes_race_with_each_other_and_with_drops() {
    for _ in 0..ROUNDS {
        let server = server();
        let (transport, events) = observed(&server);
        let start = Barrier::new(3);
        let closing = thread::scope(|scope| {
            let by_owner = scope.spawn(|| {
                start.wait();
                transport.close().wait_timeout(PATIENCE).expect("it closes in time")
            });
            let by_drop = transport.clone();
            scope.spawn(|| {
                start.wait();
                drop(by_drop);
            });
            start.wait();
            let closing = server.close();
            by_owner.join().expect("no panic");
            closing
        });
        drop((server, transport));
        closing.wait_timeout(PATIENCE).expect("handles are not needed");
        let is_close = |event: &&TransportEvent| matches!(event, TransportEvent::Close { .. });
        assert_eq!(all_of(&events).iter().filter(is_close).count(), 1);
    }
}

#[test]
fn cls_07_nobody_waits_for_a_worker_that_died() {
    let server = WebRtcServer::new(with_workers(1, fixed_options())).expect("free a moment ago");
    let ((first, events), second) = (observed(&server), transport(&server));
    let info = server.listen_infos()[0].clone();
    // On the worker's thread, while it panics already.
    first.closed().on_complete(|_| panic!("another fault which this test provokes"));
    kill_worker(&server);
    let lost = Outcome::Dropped(DropReason::CarrierReleased);
    for transport in [&first, &second] {
        let closed = transport.closed().wait_timeout(PATIENCE).expect("somebody answers");
        assert_eq!((closed.reason, closed.outcome), (CloseReason::ServerClosed, lost));
    }
    let close = TransportEvent::Close { reason: CloseReason::ServerClosed, outcome: lost };
    assert_eq!(all_of(&events), [TransportEvent::ListenServerClose, close]);
    let closed = (0..2000).any(|_| {
        thread::sleep(Duration::from_millis(10));
        server.is_closed()
    });
    assert!(closed, "what is left of the server closes without being asked");
    let outcomes = server.close().wait_timeout(PATIENCE).expect("nobody waits for it");
    assert_eq!(outcomes.lost_workers(), [WorkerId(0)]);
    assert_eq!(outcomes.transports(), [(first.number(), lost), (second.number(), lost)]);
    assert!(second.is_closed());
    assert!(is_closed(server.create_transport(WebRtcTransportOptions::default())));
    assert!(is_closed(second.send(b"x")) && is_closed(server.dump()));
    std::net::UdpSocket::bind((info.ip, info.port)).expect("its carriers are gone");
}

#[test]
fn cls_07_a_worker_that_died_takes_its_own_transports_and_the_others_close_in_order() {
    let server = WebRtcServer::new(with_workers(3, options())).expect("free ports");
    let transports: Vec<_> = (0..6).map(|_| transport(&server)).collect();
    // The seventh is the last worker's, as the third and the fifth are.
    kill_worker(&server);
    let (lost, in_order) = (
        Outcome::Dropped(DropReason::CarrierReleased),
        Outcome::NotNeeded(NotNeeded::NotConnected),
    );
    for transport in &transports {
        let closed = transport.closed().wait_timeout(PATIENCE).expect("somebody answers");
        let outcome = if [2, 4].contains(&transport.number()) { lost } else { in_order };
        assert_eq!((closed.reason, closed.outcome), (CloseReason::ServerClosed, outcome));
    }
    let outcomes = server.close().wait_timeout(PATIENCE).expect("nobody waits for it");
    assert_eq!(outcomes.lost_workers(), [WorkerId(2)]);
    let by_worker =
        [(0, in_order), (5, in_order), (1, in_order), (3, in_order), (2, lost), (4, lost)];
    assert_eq!(outcomes.transports(), by_worker);
}
