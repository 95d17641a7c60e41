//! CLS-07, L1: a worker whose thread panics at any moment of the close keeps nobody waiting.

#![cfg(loom)]

use webrtc_server::sync::thread;
use webrtc_server_loom_tests::{Server, explore};

fn caller_and_workers(lost: &[bool], outcomes: &[(u64, char)]) {
    let (server, workers) = Server::new(lost.len());
    let threads: Vec<_> = workers
        .into_iter()
        .zip(lost.to_vec())
        .map(|(worker, is_lost)| {
            thread::spawn(move || {
                if is_lost {
                    worker.run_and_be_lost()
                } else {
                    worker.run()
                }
                worker
            })
        })
        .collect();
    assert_eq!(server.close_and_rely(), outcomes);
    // The queues last: loom wants to see their commands read or dropped.
    let _workers: Vec<_> = threads.into_iter().map(|thread| thread.join().unwrap()).collect();
}

#[test]
fn the_only_worker_is_lost() {
    explore("one caller, one worker that is lost", 3, || {
        caller_and_workers(&[true], &[(0, 'l')]);
    });
}

#[test]
fn one_of_two_workers_is_lost() {
    explore("one caller, one worker, one that is lost", 3_000, || {
        caller_and_workers(&[false, true], &[(0, 's'), (1, 'l')]);
    });
}
