//! What the loom tests share: the explorer, the carrier, and workers to tell.
//!
//! Only built with `--cfg loom`; `tests/run_under_loom.rs` does that, so that `cargo test` covers
//! it.

#![cfg(loom)]

use loom::cell::UnsafeCell;
use loom::model::Builder;
use loom::sync::mpsc;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;
use webrtc_server::control::{Shutdown, TellWorkers};
use webrtc_server::lifecycle::Verdict;
use webrtc_server::lifecycle::server::WorkerId;
use webrtc_server::sync::{Arc, Weakness, with_weakness};

/// The key of the only server of a model.
pub const SERVER_KEY: u64 = 1;

/// Runs every schedule of `race` and prints how many there were. At least `expected`: with fewer,
/// the race that the test is named after has gone from the model.
pub fn explore(name: &str, expected: u64, race: impl Fn() + Send + Sync + 'static) {
    let (executions, outcome) = run(name, race);
    if let Err(message) = outcome {
        panic!("{name}: schedule {executions}: {message}");
    }
    assert!(executions >= expected, "{name}: {executions} schedules, not {expected}");
}

/// Runs `race` on code that is wrong in one place, and returns what loom said of the first schedule
/// that shows it.
pub fn caught(weakness: Weakness, race: impl Fn() + Send + Sync + 'static) -> String {
    let name = format!("{weakness:?} is caught");
    let (executions, outcome) = with_weakness(weakness, || run(&name, race));
    match outcome {
        Err(message) => message,
        Ok(()) => panic!("{weakness:?}: none of {executions} schedules shows it"),
    }
}

/// Runs `race`, whose own code is wrong, and returns what loom said of the first schedule that
/// shows it.
pub fn caught_by_itself(name: &str, race: impl Fn() + Send + Sync + 'static) -> String {
    let (executions, outcome) = run(name, race);
    match outcome {
        Err(message) => message,
        Ok(()) => panic!("{name}: none of {executions} schedules shows it"),
    }
}

fn run(name: &str, race: impl Fn() + Send + Sync + 'static) -> (u64, Result<(), String>) {
    let mut builder = Builder::new();
    // Every schedule, whatever the environment says.
    builder.preemption_bound = None;
    builder.max_permutations = None;
    builder.max_duration = None;
    builder.checkpoint_file = None;
    let executions = Arc::new(AtomicU64::new(0));
    let counter = Arc::clone(&executions);
    let started = Instant::now();
    let outcome = catch_unwind(AssertUnwindSafe(|| {
        builder.check(move || {
            counter.fetch_add(1, Ordering::Relaxed);
            race();
        });
    }));
    let executions = executions.load(Ordering::Relaxed);
    println!("| {name} | {executions} | {:.2} |", started.elapsed().as_secs_f64());
    (executions, outcome.map_err(|panic| message_of(&*panic)))
}

fn message_of(panic: &(dyn std::any::Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().map(ToString::to_string);
    text.or_else(|| panic.downcast_ref::<String>().cloned()).unwrap_or_default()
}

/// What carries bytes. loom panics when it is used by one thread and looked at by another without
/// an order between the two.
#[derive(Debug)]
pub struct Carrier(UnsafeCell<()>);

// SAFETY: there is nothing in the cell, and nothing is read or written through it; loom only notes
// the accesses.
#[allow(unsafe_code)]
unsafe impl Send for Carrier {}
// SAFETY: as above.
#[allow(unsafe_code)]
unsafe impl Sync for Carrier {}

impl Carrier {
    /// A carrier that nobody uses yet.
    #[must_use]
    pub fn new() -> Self {
        Self(UnsafeCell::new(()))
    }

    /// What its worker does with it: sends, receives, releases.
    pub fn work(&self) {
        self.0.with_mut(|_| ());
    }

    /// What somebody does who relies on its release: binds the port again.
    pub fn rely_on_release(&self) {
        self.0.with(|_| ());
    }
}

impl Default for Carrier {
    fn default() -> Self {
        Self::new()
    }
}

/// A server under test: its shutdown, and a carrier for each worker.
#[derive(Debug)]
pub struct Server {
    /// What the callers and the workers share.
    pub shutdown: Shutdown<char>,
    carriers: Vec<Carrier>,
}

/// One worker of a [`Server`], for the thread that lives its life.
#[derive(Debug)]
pub struct Worker {
    server: Arc<Server>,
    id: usize,
    commands: mpsc::Receiver<Command>,
}

/// What a worker is told. The queue is sticky, as an eventfd is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Command {
    Close,
    Release,
}

struct Queues(Vec<mpsc::Sender<Command>>);

impl Queues {
    fn tell(&self, command: Command) {
        self.0.iter().for_each(|queue| queue.send(command).expect("workers are dropped last"));
    }
}

impl TellWorkers for Queues {
    fn close(&self) {
        self.tell(Command::Close);
    }
    fn grant_release(&self) {
        self.tell(Command::Release);
    }
}

impl Server {
    /// An open server and its workers, which do not run yet.
    #[must_use]
    pub fn new(workers: usize) -> (Arc<Self>, Vec<Worker>) {
        let (senders, receivers): (Vec<_>, Vec<_>) = (0..workers).map(|_| mpsc::channel()).unzip();
        let shutdown = Shutdown::new(SERVER_KEY, workers, Queues(senders));
        let carriers = (0..workers).map(|_| Carrier::new()).collect();
        let server = Arc::new(Self { shutdown, carriers });
        let worker = |(id, commands)| Worker { server: Arc::clone(&server), id, commands };
        let workers = receivers.into_iter().enumerate().map(worker).collect();
        (server, workers)
    }

    /// The life of a caller: closes, waits, relies on what it was told. Returns the outcomes.
    pub fn close_and_rely(&self) -> Vec<(u64, char)> {
        let outcomes = self.shutdown.request_close().wait().expect("no worker calls this");
        self.rely_on_release();
        outcomes.transports().to_vec()
    }

    /// Uses every carrier as one does whose close has returned.
    pub fn rely_on_release(&self) {
        self.carriers.iter().for_each(Carrier::rely_on_release);
    }
}

impl Worker {
    /// The life of a worker from the close on. Its one transport has the worker's number as its id.
    pub fn run(&self) {
        self.drain_until_the_grant();
        self.carrier().work();
        self.report_release();
    }

    /// As [`run`](Self::run), but wrong: it reports the release before it does it.
    pub fn run_and_report_too_early(&self) {
        self.drain_until_the_grant();
        self.report_release();
        self.carrier().work();
    }

    /// The life of a worker whose thread panics before it drains, told to or not.
    pub fn run_and_be_lost(&self) {
        self.carrier().work();
        let verdict = self.server.shutdown.worker_lost(self.id(), self.outcomes('l'));
        assert_eq!(verdict, Verdict::Applied);
    }

    fn drain_until_the_grant(&self) {
        assert_eq!(self.commands.recv(), Ok(Command::Close));
        self.carrier().work();
        let verdict = self.server.shutdown.worker_drained(self.id(), self.outcomes('s'));
        assert_eq!(verdict, Verdict::Applied);
        assert_eq!(self.commands.recv(), Ok(Command::Release));
    }

    fn report_release(&self) {
        assert_eq!(self.server.shutdown.worker_released(self.id()), Verdict::Applied);
    }

    fn carrier(&self) -> &Carrier {
        &self.server.carriers[self.id]
    }

    fn id(&self) -> WorkerId {
        WorkerId(self.id)
    }

    fn outcomes(&self, outcome: char) -> Vec<(u64, char)> {
        vec![(self.id as u64, outcome)]
    }
}
