//! CLS-04 for those who only look: whoever sees the close complete may rely on it, without a lock.

#![cfg(loom)]

use webrtc_server::control::Latch;
use webrtc_server::sync::{Arc, Weakness, thread};
use webrtc_server_loom_tests::{Carrier, Server, caught, explore};

fn setter_and_looker() {
    let shared = Arc::new((Latch::new(), Carrier::new()));
    let setter = Arc::clone(&shared);
    let setter = thread::spawn(move || {
        setter.1.work();
        assert!(setter.0.set(7));
    });
    if shared.0.is_set() {
        shared.1.rely_on_release();
        assert_eq!(shared.0.get(), Some(7));
    }
    setter.join().unwrap();
}

fn worker_and_caller_who_looks() {
    let (server, mut workers) = Server::new(1);
    let worker = workers.remove(0);
    let worker = thread::spawn(move || worker.run());
    let closing = server.shutdown.request_close();
    if closing.is_complete() {
        server.rely_on_release();
    }
    worker.join().unwrap();
    assert!(closing.is_complete());
}

#[test]
fn the_latch_is_seen_set() {
    explore("a look, one setter", 2, setter_and_looker);
}

#[test]
fn cls_04_the_close_is_seen_complete() {
    explore("one caller who looks, one worker", 10, worker_and_caller_who_looks);
}

#[test]
fn a_relaxed_store_is_caught() {
    for race in [setter_and_looker, worker_and_caller_who_looks] {
        let said = caught(Weakness::LatchPublishesRelaxed, race);
        assert!(said.contains("Causality violation"), "{said}");
    }
}

#[test]
fn a_relaxed_load_is_caught() {
    for race in [setter_and_looker, worker_and_caller_who_looks] {
        let said = caught(Weakness::LatchObservesRelaxed, race);
        assert!(said.contains("Causality violation"), "{said}");
    }
}
