//! Runs a race through its schedules.

use loom::model::Builder;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;
use webrtc_server::sync::{Weakness, with_weakness};

/// One race.
#[derive(Clone, Copy, Debug)]
pub struct Race {
    /// What races with what.
    pub name: &'static str,
    /// Preemptions after which a schedule is not tried; `None`: every schedule.
    pub bound: Option<usize>,
    /// One execution. It panics where something is not as it must be.
    pub run: fn(),
}

impl Race {
    /// One whose every schedule is tried.
    #[must_use]
    pub const fn new(name: &'static str, run: fn()) -> Self {
        Race { name, bound: None, run }
    }

    /// One that has too many of them.
    #[must_use]
    pub const fn bounded(name: &'static str, run: fn()) -> Self {
        Race { name, bound: Some(3), run }
    }
}

/// Runs a race and prints how many schedules it has.
///
/// # Panics
///
/// With what went wrong in the first schedule in which something does.
pub fn explore(race: &Race) {
    let started = Instant::now();
    let (executions, outcome) = schedules(race);
    if let Err(message) = outcome {
        panic!("{}: schedule {executions}: {message}", race.name);
    }
    let (name, seconds) = (race.name, started.elapsed().as_secs_f64());
    let bound = race.bound.map_or_else(|| "all".to_owned(), |bound| bound.to_string());
    println!("RACE | {name} | {executions} | {seconds:.1} | {bound} |");
}

/// Runs a race on code that is wrong in one place, and prints which schedule shows it.
///
/// # Panics
///
/// When none does, or when loom says something else of it.
pub fn catch(weakness: Weakness, race: &Race, says: &str) {
    let (executions, outcome) = with_weakness(weakness, || schedules(race));
    match outcome {
        Err(said) => assert!(said.contains(says), "{weakness:?}: {said}"),
        Ok(()) => panic!("{weakness:?}: none of {executions} schedules of {} shows it", race.name),
    }
    println!("CAUGHT | {weakness:?} | {} | {executions} | {says} |", race.name);
}

/// How many were run, and what went wrong in the last of them.
fn schedules(race: &Race) -> (u64, Result<(), String>) {
    let mut builder = Builder::new();
    // As many as the race says, whatever the environment does.
    builder.preemption_bound = race.bound;
    builder.max_permutations = None;
    builder.max_duration = None;
    builder.checkpoint_file = None;
    builder.max_branches = 10_000;
    let executions = Arc::new(AtomicU64::new(0));
    let (counter, run) = (Arc::clone(&executions), race.run);
    let outcome = catch_unwind(AssertUnwindSafe(|| {
        builder.check(move || {
            counter.fetch_add(1, Ordering::Relaxed);
            run();
        });
    }));
    let executions = executions.load(Ordering::Relaxed);
    (executions, outcome.map_err(|panic| message_of(&*panic)))
}

fn message_of(panic: &(dyn std::any::Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().map(ToString::to_string);
    text.or_else(|| panic.downcast_ref::<String>().cloned()).unwrap_or_default()
}
