//! X3, X5: a callback that is registered while the latch is set is called once, and sees what the
//! setter did.

#![cfg(loom)]

use std::sync::atomic::{AtomicUsize, Ordering};
use webrtc_server::control::Latch;
use webrtc_server::sync::{Arc, thread};
use webrtc_server_loom_tests::{Carrier, Server, explore};

fn setter_and_callbacks(registrars: usize) {
    let shared = Arc::new((Latch::new(), Carrier::new()));
    // The host's atomics: they count, and must not order anything in the model.
    let calls = Arc::new(AtomicUsize::new(0));
    let register = |shared: &Arc<(Latch<u8>, Carrier)>, calls: &Arc<AtomicUsize>| {
        let (relied_on, calls) = (Arc::clone(shared), Arc::clone(calls));
        shared.0.on_set(move |value| {
            relied_on.1.rely_on_release();
            assert_eq!(value, 7);
            calls.fetch_add(1, Ordering::Relaxed);
        });
    };
    let setter = Arc::clone(&shared);
    let setter = thread::spawn(move || {
        setter.1.work();
        assert!(setter.0.set(7));
    });
    let others: Vec<_> = (1..registrars)
        .map(|_| {
            let (shared, calls) = (Arc::clone(&shared), Arc::clone(&calls));
            thread::spawn(move || register(&shared, &calls))
        })
        .collect();
    register(&shared, &calls);
    setter.join().unwrap();
    for other in others {
        other.join().unwrap();
    }
    assert_eq!(calls.load(Ordering::Relaxed), registrars);
}

/// The callback of a close runs on the worker that completes it, or on the caller; it may close
/// again.
fn worker_and_callback_that_closes_again() {
    let (server, mut workers) = Server::new(1);
    let worker = workers.remove(0);
    let worker = thread::spawn(move || worker.run());
    let calls = Arc::new(AtomicUsize::new(0));
    let (again, counter) = (Arc::clone(&server), Arc::clone(&calls));
    server.shutdown.request_close().on_complete(move |outcomes| {
        again.rely_on_release();
        assert_eq!(again.shutdown.request_close().try_get(), Some(outcomes));
        counter.fetch_add(1, Ordering::Relaxed);
    });
    worker.join().unwrap();
    assert_eq!(calls.load(Ordering::Relaxed), 1);
}

#[test]
fn x3_one_callback() {
    explore("a callback, one setter", 2, || setter_and_callbacks(1));
}

#[test]
fn x3_two_callbacks_from_two_threads() {
    explore("two callbacks, one setter", 10, || setter_and_callbacks(2));
}

#[test]
fn x5_a_callback_closes_again() {
    explore("a callback that closes again, one worker", 3, worker_and_callback_that_closes_again);
}
