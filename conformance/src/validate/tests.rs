//! A log of a run is a behaviour of the model; the same log with one thing changed is not, and the report says where.

use super::log::{self, Effect, Entry, Farewell, Input, Step, What};
use super::stress::{RunOptions, record};
use super::{Mismatch, Reason, Rejection, validate};
use std::num::NonZeroUsize;
use std::sync::OnceLock;
use webrtc_server::lifecycle::{DtlsState, NotNeeded, Outcome};

/// On a machine that is slow enough little happens before the server is closed.
const SEEDS: std::ops::RangeInclusive<u64> = 7..=30;

/// The log that all of these tests change: the first in which enough happened.
fn sound() -> Vec<Entry> {
    static LOG: OnceLock<Vec<Entry>> = OnceLock::new();
    // The tests count on the order of one worker.
    let workers = Some(NonZeroUsize::MIN);
    let run = |seed| RunOptions { seed, transports: 40, workers, ..RunOptions::default() };
    let recorded = |seed| record(run(seed)).unwrap_or_else(|error| panic!("{error}"));
    let logs = || SEEDS.map(recorded);
    LOG.get_or_init(|| logs().find(|log| is_rich(log)).expect("one of these is rich")).clone()
}

/// Does it hold what the tests look for?
fn is_rich(log: &[Entry]) -> bool {
    let steps = || log.iter().filter_map(|entry| entry.what.step());
    let over_tcp = steps().any(|step| {
        has(step, |effect| matches!(effect, Effect::AlertWritten { .. }))
            && has(step, |effect| matches!(effect, Effect::ShutdownWrite { .. }))
    });
    let confirmed = steps().any(|step| has(step, is_confirmed));
    over_tcp && confirmed
}

fn is_confirmed(effect: &Effect) -> bool {
    matches!(effect, Effect::TransportClosed { outcome: Outcome::Confirmed, .. })
}

fn step_mut(entry: &mut Entry) -> &mut Step {
    let What::Step(step) = &mut entry.what else { panic!("a step was looked for") };
    step
}

/// The first step like that.
fn find(log: &[Entry], is_it: impl Fn(&Step) -> bool) -> usize {
    let found = log.iter().position(|entry| entry.what.step().is_some_and(&is_it));
    found.expect("a rich log has one")
}

fn has(step: &Step, is_it: impl Fn(&Effect) -> bool) -> bool {
    step.effects.iter().any(is_it)
}

/// The number is not what gives a change away.
fn rejection(mut log: Vec<Entry>) -> Box<Rejection> {
    for (n, entry) in log.iter_mut().enumerate() {
        entry.n = n as u64;
    }
    validate(&log).expect_err("that cannot be")
}

/// The first entry of the turn of an entry.
fn turn_of(log: &[Entry], at: usize) -> u64 {
    let begins = |entry: &Entry| entry.what.step().is_some_and(|step| !step.answer);
    log[..=at].iter().rposition(begins).expect("a turn begins with a cause") as u64
}

fn seed_of(log: &[Entry]) -> u64 {
    let What::Begun(begun) = &log[0].what else { panic!("a log begins with its seed") };
    begun.seed
}

#[test]
fn the_log_of_a_run_is_a_behaviour_of_the_model() {
    let log = sound();
    let summary =
        validate(&log).unwrap_or_else(|rejection| panic!("seed {}: {rejection}", seed_of(&log)));
    assert!(summary.transports > 30, "most of the plan: {summary}");
    assert!(summary.turns > 200, "{summary}");
}

#[test]
fn a_log_is_written_and_read_back() {
    let log = sound();
    let mut bytes = Vec::new();
    log::write(&mut bytes, &log).expect("memory has room");
    assert_eq!(log::read(&bytes[..]).expect("it was written"), log);
}

#[test]
fn a_line_that_is_no_entry_is_named() {
    let text = "\n{\"n\": 0, \"what\": \"close_requested\"}\n{\"n\": 1}\n";
    let error = log::read(text.as_bytes()).expect_err("nothing is said in line 3");
    assert!(error.to_string().starts_with("line 3 "), "{error}");
}

#[test]
fn an_empty_log_proves_nothing() {
    assert!(matches!(validate(&[]).expect_err("empty").reason, Reason::Rule(_)));
}

#[test]
fn mutation_an_entry_out_of_its_order_is_named() {
    let mut log = sound();
    log.swap(20, 21);
    let rejection = validate(&log).expect_err("they are numbered");
    assert!(rejection.entry.n <= 21, "{rejection}");
}

#[test]
fn mutation_a_dropped_check_is_rejected_at_what_it_explains() {
    let mut log = sound();
    let at = find(&log, |step| {
        matches!(step.input, Input::CheckReceived { .. })
            && has(step, |effect| matches!(effect, Effect::DtlsStateChanged { .. }))
    });
    log.remove(at);
    let rejection = rejection(log);
    assert!(rejection.entry.n >= at as u64, "{rejection}");
    assert!(rejection.entry.n < at as u64 + 6, "{rejection}");
}

#[test]
fn mutation_a_report_that_comes_twice_is_rejected_there() {
    let mut log = sound();
    let at = find(&log, |step| has(step, |e| matches!(e, Effect::TransportClosed { .. })));
    let again = log[at].clone();
    log.insert(at + 1, again);
    assert!([turn_of(&log, at), at as u64 + 1].contains(&rejection(log).entry.n));
}

#[test]
fn mutation_another_outcome_is_rejected_with_both() {
    let mut log = sound();
    let at = find(&log, |step| has(step, is_confirmed));
    let other = Outcome::NotNeeded(NotNeeded::NoPath);
    let mut changed = None;
    for effect in &mut step_mut(&mut log[at]).effects {
        if let Effect::TransportClosed { transport, outcome, .. } = effect
            && *outcome == Outcome::Confirmed
        {
            *outcome = other;
            changed = Some(*transport);
            break;
        }
    }
    // The owner hears the same, so that it is the model that objects.
    for entry in &mut log {
        if let What::Heard { transport, event: log::Heard::Closed { outcome, .. } } =
            &mut entry.what
            && Some(*transport) == changed
        {
            *outcome = other;
        }
    }
    let turn = turn_of(&log, at);
    let rejection = rejection(log);
    assert_eq!(rejection.entry.n, turn, "{rejection}");
    let Reason::Mismatch(Mismatch::Effects { .. }) = rejection.reason else {
        panic!("{rejection}");
    };
    assert!(!rejection.candidates.is_empty(), "{rejection}");
    assert!(!rejection.candidates[0].1.is_empty(), "something can happen there");
}

#[test]
fn mutation_o1_an_alert_made_after_the_transport_is_unmapped_is_rejected_there() {
    let mut log = sound();
    let at = find(&log, |step| has(step, |effect| matches!(effect, Effect::MakeAlert { .. })));
    let effects = &mut step_mut(&mut log[at]).effects;
    let make = effects.iter().position(|effect| matches!(effect, Effect::MakeAlert { .. }));
    let make = effects.remove(make.expect("found"));
    let turn = turn_of(&log, at);
    // It is asked for with the next report instead.
    let later = find(&log[at + 1..], |step| {
        has(step, |effect| matches!(effect, Effect::TransportClosed { .. }))
    });
    step_mut(&mut log[at + 1 + later]).effects.insert(0, make);
    assert_eq!(rejection(log).entry.n, turn);
}

#[test]
fn mutation_a_fin_before_the_alert_is_rejected_there() {
    let mut log = sound();
    let shuts = |effect: &Effect| matches!(effect, Effect::ShutdownWrite { .. });
    let at = find(&log, |step| {
        has(step, |effect| matches!(effect, Effect::AlertWritten { .. })) && has(step, shuts)
    });
    let effects = &mut step_mut(&mut log[at]).effects;
    let shut = effects.iter().position(shuts).expect("found");
    let shut = effects.remove(shut);
    effects.insert(0, shut);
    let turn = turn_of(&log, at);
    assert_eq!(rejection(log).entry.n, turn);
}

#[test]
fn mutation_a_state_that_is_not_so_is_rejected_with_the_field() {
    let mut log = sound();
    let connected = |effect: &Effect| {
        matches!(effect, Effect::DtlsStateChanged { state: DtlsState::Connected, .. })
    };
    let at = find(&log, |step| has(step, connected));
    for view in step_mut(&mut log[at]).transports.values_mut().flatten() {
        view.dtls = DtlsState::Failed;
    }
    let turn = turn_of(&log, at);
    let rejection = rejection(log);
    assert_eq!(rejection.entry.n, turn, "{rejection}");
    let Reason::Mismatch(Mismatch::State(differences)) = &rejection.reason else {
        panic!("{rejection}");
    };
    assert!(differences.iter().any(|difference| difference.field == "dtls"), "{rejection}");
}

#[test]
fn mutation_a_farewell_that_is_confirmed_by_nobody_is_rejected() {
    let mut log = sound();
    let at = find(&log, |step| {
        step.transports.values().flatten().any(|view| matches!(view.farewell, Farewell::Sent(_)))
    });
    for view in step_mut(&mut log[at]).transports.values_mut().flatten() {
        if matches!(view.farewell, Farewell::Sent(_)) {
            view.farewell = Farewell::Confirmed;
        }
    }
    let turn = turn_of(&log, at);
    assert_eq!(rejection(log).entry.n, turn);
}

#[test]
fn mutation_l1_a_deadline_that_does_not_run_is_rejected() {
    let mut log = sound();
    let at = find(&log, |step| {
        step.connections
            .values()
            .flatten()
            .any(|view| view.phase == log::ConnectionPhase::Draining && view.timer.is_some())
    });
    for view in step_mut(&mut log[at]).connections.values_mut().flatten() {
        if view.phase == log::ConnectionPhase::Draining {
            view.timer = None;
        }
    }
    let turn = turn_of(&log, at);
    let rejection = rejection(log);
    assert!((turn..=at as u64).contains(&rejection.entry.n), "{rejection}");
}

#[test]
fn mutation_o2_a_release_before_the_last_report_is_rejected() {
    let mut log = sound();
    let granted = find(&log, |step| step.input == Input::ReleaseGranted);
    let grant = log.iter().position(|entry| entry.what == What::ReleaseGranted).expect("granted");
    let early = log.iter().position(|entry| entry.what == What::CloseRequested).expect("closed");
    let [release, grant] = [log.remove(granted), log.remove(grant)];
    log.insert(early + 1, release);
    log.insert(early + 1, grant);
    assert_eq!(rejection(log).entry.n, early as u64 + 1);
}

#[test]
fn mutation_cls_04_a_caller_that_returns_too_early_is_rejected() {
    let mut log = sound();
    let called = What::CloseCalled { caller: 9 };
    let returned = What::CloseReturned { caller: 9 };
    let at = log.iter().position(|entry| entry.what == What::CloseRequested).expect("closed");
    log.insert(at, Entry { n: 0, what: called });
    log.insert(at + 2, Entry { n: 0, what: returned });
    assert_eq!(rejection(log).entry.n, at as u64 + 2);
}

#[test]
fn mutation_cls_12_an_event_that_an_owner_hears_unasked_is_rejected() {
    let mut log = sound();
    let at = log.iter().position(|entry| matches!(entry.what, What::Heard { .. })).expect("heard");
    let again = log[at].clone();
    log.insert(at + 1, again);
    let rejection = rejection(log);
    assert_eq!(rejection.entry.n, at as u64 + 1, "{rejection}");
}

#[test]
fn mutation_a_log_that_ends_in_the_middle_is_rejected() {
    let mut log = sound();
    log.truncate(log.len() / 2);
    let last = log.len() as u64 - 1;
    assert_eq!(rejection(log).entry.n, last);
}
