//! CLS-04, CLS-10, X3: every caller of `close()` returns, once, with the same outcomes, and none
//! before the last carrier is released.

#![cfg(loom)]

use webrtc_server::sync::{Arc, Weakness, thread};
use webrtc_server_loom_tests::{Server, Worker, caught, caught_by_itself, explore};

fn callers_and_workers(callers: usize, workers: usize, live: fn(&Worker)) {
    let (server, workers) = Server::new(workers);
    let expected: Vec<_> = (0..workers.len() as u64).map(|id| (id, 's')).collect();
    let live = |worker| thread::spawn(move || live(&worker));
    let worker_threads: Vec<_> = workers.into_iter().map(live).collect();
    let other_callers: Vec<_> = (1..callers)
        .map(|_| {
            let server = Arc::clone(&server);
            thread::spawn(move || server.close_and_rely())
        })
        .collect();
    let outcomes = server.close_and_rely();
    assert_eq!(outcomes, expected);
    for caller in other_callers {
        assert_eq!(caller.join().unwrap(), outcomes);
    }
    for worker in worker_threads {
        worker.join().unwrap();
    }
}

#[test]
fn cls_10_two_callers_and_one_worker() {
    explore("two callers, one worker", 10_000, || callers_and_workers(2, 1, Worker::run));
}

#[test]
fn cls_04_one_caller_and_two_workers() {
    explore("one caller, two workers", 20_000, || callers_and_workers(1, 2, Worker::run));
}

#[test]
fn an_answer_at_the_grant_is_caught() {
    let said = caught(Weakness::ServerAnswersAtTheGrant, || {
        callers_and_workers(1, 1, Worker::run);
    });
    assert!(said.contains("Causality violation"), "{said}");
}

#[test]
fn a_worker_that_reports_before_it_releases_is_caught() {
    let said = caught_by_itself("a release reported too early is caught", || {
        callers_and_workers(1, 1, Worker::run_and_report_too_early);
    });
    assert!(said.contains("Causality violation"), "{said}");
}

#[test]
fn a_lost_wake_up_of_a_caller_is_caught() {
    let said = caught(Weakness::LatchNotifiesBeforeItIsSet, || {
        callers_and_workers(1, 1, Worker::run);
    });
    assert!(said.contains("deadlock"), "{said}");
}
