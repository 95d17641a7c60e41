//! Logs of two workers: what must hold between them, and that the runs hold what they are for.

use super::log::{Effect, Entry, Input, Step, Verdict, What};
use super::stress::{RunOptions, record};
use super::{Reason, Rejection, validate};
use std::collections::BTreeSet;
use std::num::NonZeroUsize;
use std::sync::OnceLock;
use webrtc_server::lifecycle::DropReason;

/// Runs that one of these situations may be looked for in.
const SEEDS: std::ops::RangeInclusive<u64> = 1..=60;

fn recorded(seed: u64) -> Vec<Entry> {
    let workers = NonZeroUsize::new(2);
    let options = RunOptions { seed, transports: 40, workers, ..RunOptions::default() };
    record(options).unwrap_or_else(|error| panic!("{error}"))
}

/// A log in which a connection was taken over and every worker had to wait for the grant.
fn sound() -> Vec<Entry> {
    static LOG: OnceLock<Vec<Entry>> = OnceLock::new();
    let has_taken = |log: &Vec<Entry>| steps(log).any(|step| is_taken_over(step).is_some());
    let find = || SEEDS.map(recorded).find(has_taken).expect("one of these hands over");
    LOG.get_or_init(find).clone()
}

fn steps(log: &[Entry]) -> impl Iterator<Item = &Step> {
    log.iter().filter_map(|entry| entry.what.step())
}

fn is_taken_over(step: &Step) -> Option<u64> {
    let Input::ConnectionTakenOver { connection, .. } = step.input else { return None };
    (step.verdict == Verdict::Applied).then_some(connection)
}

fn position(log: &[Entry], is_it: impl Fn(&Step) -> bool) -> usize {
    let found = log.iter().position(|entry| entry.what.step().is_some_and(&is_it));
    found.expect("the log has one")
}

fn rejection(mut log: Vec<Entry>) -> Box<Rejection> {
    for (n, entry) in log.iter_mut().enumerate() {
        entry.n = n as u64;
    }
    validate(&log).expect_err("that cannot be")
}

/// A rule about the whole log is broken there.
fn assert_broken(rejection: &Rejection, at: usize) {
    assert!(matches!(rejection.reason, Reason::Rule(_)), "{rejection}");
    assert_eq!(rejection.entry.n, at as u64, "{rejection}");
}

/// What the log of a run must hold now and then, or validation says nothing about it.
fn situations(log: &[Entry]) -> BTreeSet<&'static str> {
    let mut found = BTreeSet::new();
    for step in steps(log).filter(|step| step.verdict == Verdict::Applied) {
        if let Input::CloseNotifyFailed { reason: DropReason::Io, .. } = step.input {
            found.insert("a datagram is refused");
        } else if let Input::TimerFired { timer: super::log::Timer::Consent(_) } = step.input {
            found.insert("consent expires");
        } else if let Input::TupleTaken { .. } = step.input {
            found.insert("another worker's transport takes a tuple");
        } else if let Input::CheckReceived { transport, .. } = step.input {
            if step.transports.keys().any(|id| *id != transport) {
                found.insert("a transport of the same worker takes a tuple");
            }
        } else if let Input::ConnectionTakenOver { .. } = step.input {
            found.insert("a connection is taken over");
        } else if let Input::CloseNotifyBlocked { .. } = step.input {
            found.insert("an alert waits for room");
        }
    }
    let callers = log.iter().filter(|entry| matches!(entry.what, What::CloseReturned { .. }));
    match callers.count() {
        0 => found.insert("the last handle closes"),
        1 => false,
        _ => found.insert("several threads close"),
    };
    let in_a_callback = |entry: &Entry| entry.what == What::CloseReturned { caller: 1000 };
    if log.iter().any(in_a_callback) {
        found.insert("a callback closes");
    }
    found
}

#[test]
fn the_runs_hold_what_they_are_for() {
    const WANTED: [&str; 9] = [
        "a callback closes",
        "a connection is taken over",
        "a datagram is refused",
        "a transport of the same worker takes a tuple",
        "an alert waits for room",
        "another worker's transport takes a tuple",
        "consent expires",
        "several threads close",
        "the last handle closes",
    ];
    let mut found = BTreeSet::new();
    for seed in SEEDS {
        let log = recorded(seed);
        validate(&log).unwrap_or_else(|rejection| panic!("seed {seed}: {rejection}"));
        found.extend(situations(&log));
        if WANTED.iter().all(|wanted| found.contains(wanted)) {
            return;
        }
    }
    panic!("only {found:?}");
}

#[test]
fn mutation_a_connection_that_comes_from_nowhere_is_rejected_there() {
    let mut log = sound();
    let at = position(&log, |step| is_taken_over(step).is_some());
    let What::Step(step) = &log[at].what else { panic!("found") };
    let Input::ConnectionTakenOver { remote: wanted, .. } = step.input else { panic!("found") };
    let accepted = |step: &Step| matches!(step.input, Input::ConnectionAccepted { remote, .. } if remote == Some(wanted));
    let accepted = position(&log, accepted);
    let What::Step(step) = &log[accepted].what else { panic!("found") };
    let Input::ConnectionAccepted { connection: former, .. } = step.input else { panic!("found") };
    let worker = step.worker;
    let handed = position(&log, |step| {
        step.worker == worker && step.input == Input::ConnectionHandedOver { connection: former }
    });
    let handed = log.remove(handed);
    // Without the step that gave it away it is at two workers.
    assert!(at > 0 && handed.n < at as u64, "given before it is taken");
    let rejected = rejection(log);
    assert!(matches!(rejected.reason, Reason::Rule(_)), "{rejected}");
    assert!(rejected.entry.n < at as u64, "{rejected}");
}

#[test]
fn mutation_a_connection_that_is_lost_on_its_way_is_rejected() {
    let mut log = sound();
    let at = position(&log, |step| is_taken_over(step).is_some());
    let What::Step(step) = &log[at].what else { panic!("found") };
    let (worker, connection) = (step.worker, is_taken_over(step).expect("found"));
    // Nobody at the new worker ever hears of it.
    log.retain(|entry| {
        entry
            .what
            .step()
            .is_none_or(|step| step.worker != worker || !step.connections.contains_key(&connection))
    });
    rejection(log);
}

#[test]
fn mutation_o2_a_grant_before_the_last_worker_is_drained_is_rejected_there() {
    let mut log = sound();
    let drained = |entry: &Entry| {
        entry.what.step().is_some_and(|step| step.effects.contains(&Effect::WorkerDrained))
    };
    let last = log.iter().rposition(drained).expect("both are drained");
    let grant = log.iter().position(|entry| entry.what == What::ReleaseGranted).expect("granted");
    assert!(last < grant);
    let grant = log.remove(grant);
    log.insert(last, grant);
    assert_broken(&rejection(log), last);
}

#[test]
fn mutation_cls_04_a_caller_that_returns_before_the_last_worker_has_released_is_rejected_there() {
    let mut log = sound();
    let released = |entry: &Entry| matches!(entry.what, What::WorkerReleased { .. });
    let first = log.iter().position(released).expect("both release");
    assert!(log[first + 1..].iter().any(released), "two workers");
    let called = log.iter().position(|entry| entry.what == What::CloseRequested).expect("closed");
    log.insert(first + 1, Entry { n: 0, what: What::CloseReturned { caller: 9 } });
    log.insert(called, Entry { n: 0, what: What::CloseCalled { caller: 9 } });
    assert_broken(&rejection(log), first + 2);
}

#[test]
fn mutation_a_transport_that_shows_at_another_worker_is_rejected_there() {
    let mut log = sound();
    let at = position(&log, |step| {
        matches!(step.input, Input::ConnectRequested { .. }) && step.transports.is_empty()
    });
    let other = |step: &Step, worker: usize| step.worker != worker && !step.transports.is_empty();
    let What::Step(step) = &log[at].what else { panic!("found") };
    let worker = step.worker;
    let from = position(&log, |step| other(step, worker));
    let What::Step(step) = &log[from].what else { panic!("found") };
    let foreign = step.transports.clone();
    let at = at.max(from + 1);
    let at =
        at + position(&log[at..], |step| step.worker == worker && step.verdict == Verdict::Applied);
    let What::Step(step) = &mut log[at].what else { panic!("found") };
    step.transports.extend(foreign);
    assert_broken(&rejection(log), at);
}
