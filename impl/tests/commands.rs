//! Commands from any thread, from callbacks and from tasks, and what happens when there are too many.
#![cfg(feature = "net")]

mod common;

use common::{
    PATIENCE, all_of, hold_worker, is_closed, kill_worker, observed, options, server, transport,
    until, with_workers,
};
use std::collections::BTreeSet;
use std::future::Future;
use std::pin::pin;
use std::sync::mpsc::channel;
use std::sync::{Arc, Barrier};
use std::task::{Context, Poll, Wake, Waker};
use std::thread;
use webrtc_server::lifecycle::CloseReason;
use webrtc_server::{Error, Refused, TransportEvent, WebRtcServer, WebRtcTransportOptions};

/// Wakes a task by waking its thread.
struct Unpark(thread::Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}

/// The simplest runtime.
fn block_on<T>(future: impl Future<Output = T>) -> T {
    let waker = Waker::from(Arc::new(Unpark(thread::current())));
    let mut future = pin!(future);
    loop {
        match future.as_mut().poll(&mut Context::from_waker(&waker)) {
            Poll::Ready(value) => return value,
            Poll::Pending => thread::park_timeout(PATIENCE),
        }
    }
}

/// Commands that wait until the application has to, and those that callbacks may add.
const BOUND: usize = 1024 + 1024;

#[test]
fn l2_a_callback_that_posts_too_much_is_refused_and_does_not_wait() {
    let server = server();
    let (target, (sender, refused_at)) = (transport(&server), channel());
    let (transport, closes) = (target.clone(), server.clone());
    let options = WebRtcTransportOptions {
        on_event: Box::new(move |_| {
            let posts = (0..=BOUND).map(|_| transport.post(b"x"));
            let refused = posts.filter(|put| match put {
                Ok(()) => false,
                Err(Error::Refused(Refused::QueueFull)) => true,
                Err(other) => panic!("{other}"),
            });
            sender.send(refused.count()).expect("the test waits");
            // What must get through does.
            transport.close();
            closes.close();
        }),
        ..WebRtcTransportOptions::default()
    };
    drop(server.create_transport(options).expect("it is open"));
    assert_eq!(refused_at.recv_timeout(PATIENCE).expect("it does not wait"), 1);
    let closed = target.closed().wait_timeout(PATIENCE).expect("it closes in time");
    assert_eq!(closed.reason, CloseReason::Owner, "its close comes before the server's");
    server.close().wait_timeout(PATIENCE).expect("it closes in time");
}

/// More callers than a queue has room for, while the worker is busy: each waits its turn, and closes pass by.
#[test]
fn res_14_a_full_queue_makes_callers_wait_and_loses_nothing() {
    let server = server();
    let target = transport(&server);
    let held = hold_worker(&server);
    thread::scope(|scope| {
        let posters: Vec<_> = (0..4)
            .map(|_| scope.spawn(|| (0..1000).filter(|_| target.post(b"x").is_ok()).count()))
            .collect();
        let creators: Vec<_> = (0..4).map(|_| scope.spawn(|| transport(&server))).collect();
        drop(held);
        let posted: usize =
            posters.into_iter().map(|poster| poster.join().expect("no panic")).sum();
        assert_eq!(posted, 4000);
        for creator in creators {
            creator.join().expect("no panic").close();
        }
    });
    let held = hold_worker(&server);
    let waits = thread::scope(|scope| {
        let poster = scope.spawn(|| (0..4000).map(|_| target.post(b"x")).collect::<Vec<_>>());
        let closing = server.close();
        drop(held);
        closing.wait_timeout(PATIENCE).expect("the close passes by whatever waits");
        poster.join().expect("nobody waits for a worker that is gone")
    });
    // Until the worker ended, and not after.
    let refused = waits.iter().position(Result::is_err).unwrap_or(waits.len());
    assert!(waits.into_iter().skip(refused).all(is_closed));
}

#[test]
fn res_14_callers_of_a_full_queue_do_not_outlive_a_worker_that_dies() {
    let server = server();
    let target = transport(&server);
    let held = hold_worker(&server);
    thread::scope(|scope| {
        let poster = scope.spawn(|| while target.post(b"x").is_ok() {});
        // Behind what waits already, and before the rest.
        let (killer, killed) = (scope.spawn(|| kill_worker(&server)), held);
        drop(killed);
        killer.join().expect("it was made");
        poster.join().expect("no panic");
    });
    let closed = target.closed().wait_timeout(PATIENCE).expect("somebody answers");
    assert_eq!(closed.reason, CloseReason::ServerClosed);
}

#[test]
fn create_transport_from_several_threads_at_once_spreads_them_evenly() {
    let server = WebRtcServer::new(with_workers(3, options())).expect("free ports");
    let start = Barrier::new(4);
    let made: Vec<_> = thread::scope(|scope| {
        let create = || {
            start.wait();
            (0..25).map(|_| transport(&server)).collect::<Vec<_>>()
        };
        let threads: Vec<_> = (0..4).map(|_| scope.spawn(create)).collect();
        threads.into_iter().flat_map(|thread| thread.join().expect("no panic")).collect()
    });
    let numbers: BTreeSet<_> = made.iter().map(|transport| transport.number()).collect();
    assert_eq!(numbers, (0..100).collect());
    let of_worker = |tag: &str| {
        made.iter().filter(|t| t.ice_parameters().username_fragment.starts_with(tag)).count()
    };
    let mut counts = ["AA", "AB", "AC"].map(of_worker);
    counts.sort_unstable();
    assert_eq!(counts, [33, 33, 34]);
    // Gone, all of them: there is room for others.
    drop(made);
    transport(&server);
    server.close().wait_timeout(PATIENCE).expect("it closes in time");
}

#[test]
fn cls_22_a_task_creates_a_transport_on_any_thread() {
    let server = server();
    let transport =
        block_on(server.create_transport_async(WebRtcTransportOptions::default())).expect("open");
    // Polled inside a callback it neither waits nor is refused.
    let (sender, polled) = channel();
    let creator = server.clone();
    let options = WebRtcTransportOptions {
        on_event: Box::new(move |_| {
            let creating = creator.create_transport_async(WebRtcTransportOptions::default());
            let mut creating = pin!(creating);
            let poll = creating.as_mut().poll(&mut Context::from_waker(Waker::noop()));
            sender.send(poll.is_pending()).expect("the test waits");
        }),
        ..WebRtcTransportOptions::default()
    };
    drop(server.create_transport(options).expect("it is open"));
    assert!(polled.recv_timeout(PATIENCE).expect("it is called"), "its own thread has to make it");
    // That one gave up: what was made is closed.
    block_on(transport.close());
    until("nobody is left", || server.dump().expect("it is open").transport_ids.is_empty());
    block_on(server.close());
    let late = server.create_transport_async(WebRtcTransportOptions::default());
    assert!(is_closed(block_on(late)));
}

#[test]
fn a_task_waits_for_room_and_whoever_gives_up_leaves_nothing() {
    fn for_every_thread<T: Send>(future: T) -> T {
        future
    }
    let server = server();
    let target = transport(&server);
    let held = hold_worker(&server);
    let context = &mut Context::from_waker(Waker::noop());
    {
        let create = || server.create_transport_async(WebRtcTransportOptions::default());
        // As many as there is room for; then some that have not even asked.
        let mut tasks: Vec<_> = (0..1100).map(|_| Box::pin(for_every_thread(create()))).collect();
        assert!(tasks.iter_mut().all(|task| task.as_mut().poll(context).is_pending()));
    }
    thread::scope(|scope| {
        let creating = server.create_transport_async(WebRtcTransportOptions::default());
        let task = scope.spawn(|| block_on(creating));
        drop(held);
        task.join().expect("no panic").expect("there is room in the end").close();
    });
    until("one is left", || server.dump().expect("it is open").transport_ids == [target.id()]);
    let (last, events) = observed(&server);
    block_on(last.close());
    let is_close = |event: &&TransportEvent| matches!(event, TransportEvent::Close { .. });
    assert_eq!(all_of(&events).iter().filter(is_close).count(), 1);
    block_on(server.close());
}
