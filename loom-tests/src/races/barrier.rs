//! CLS-04, CLS-07, CLS-10, X3, X5: every caller of `close()` returns, once, with the same outcomes, and none before the
//! last carrier is released, whatever the workers do meanwhile.
//!
//! The workers are told by loom's own channel: the queue that they really have is in `queue` and `server`, where fewer
//! threads race.

use crate::explore::Race;
use crate::world::{Carrier, SERVER_KEY};
use loom::sync::mpsc;
use std::sync::atomic::{AtomicUsize, Ordering};
use webrtc_server::control::{Shutdown, TellWorkers};
use webrtc_server::lifecycle::Verdict;
use webrtc_server::lifecycle::server::WorkerId;
use webrtc_server::sync::{Arc, thread};

/// What races here.
pub const RACES: &[Race] = &[
    Race::new("close against the worker that completes it", || callers_and_workers(1, 1)),
    Race::new("two closers, one worker", || callers_and_workers(2, 1)),
    Race::new("barrier against the last acknowledgement, two workers", || {
        callers_and_workers(1, 2);
    }),
    Race::bounded("two closers, two workers", || callers_and_workers(2, 2)),
    Race::new("close against a look", caller_who_looks),
    Race::new("callback that closes again", callback_that_closes_again),
    Race::new("close against the loss of the only worker", || {
        caller_and_losses(&[true], &[(0, 'l')]);
    }),
    Race::new("close against the loss of one of two workers", || {
        caller_and_losses(&[false, true], &[(0, 's'), (1, 'l')]);
    }),
    Race::new("last handle dropped against close", last_handle_against_close),
];

fn callers_and_workers(callers: usize, workers: usize) {
    let (server, workers) = Server::new(workers);
    let expected: Vec<_> = (0..workers.len() as u64).map(|id| (id, 's')).collect();
    let worker_threads: Vec<_> =
        workers.into_iter().map(|worker| thread::spawn(move || worker.run())).collect();
    let other_callers: Vec<_> = (1..callers)
        .map(|_| {
            let server = Arc::clone(&server);
            thread::spawn(move || server.close_and_rely())
        })
        .collect();
    let outcomes = server.close_and_rely();
    assert_eq!(outcomes, expected);
    for caller in other_callers {
        assert_eq!(caller.join().expect("no panic"), outcomes);
    }
    for worker in worker_threads {
        worker.join().expect("no panic");
    }
}

/// Whoever sees the close complete may rely on it, without a lock.
fn caller_who_looks() {
    let (server, mut workers) = Server::new(1);
    let worker = workers.remove(0);
    let worker = thread::spawn(move || worker.run());
    let closing = server.shutdown.request_close();
    if closing.is_complete() {
        server.rely_on_release();
    }
    worker.join().expect("no panic");
    assert!(closing.is_complete());
}

/// The callback of a close runs on the worker that completes it, or on the caller.
fn callback_that_closes_again() {
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
    worker.join().expect("no panic");
    assert_eq!(calls.load(Ordering::Relaxed), 1);
}

/// A worker whose thread panics at any moment of the close keeps nobody waiting.
fn caller_and_losses(lost: &[bool], outcomes: &[(u64, char)]) {
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
    // The channels last: loom wants to see their commands read or dropped.
    let _workers: Vec<_> =
        threads.into_iter().map(|thread| thread.join().expect("no panic")).collect();
}

/// What the last handle does when it is dropped is a close, and its answer is nobody's.
fn last_handle_against_close() {
    let (server, mut workers) = Server::new(1);
    let worker = workers.remove(0);
    let worker = thread::spawn(move || worker.run());
    let last = Arc::clone(&server);
    let last = thread::spawn(move || drop(last.shutdown.request_close()));
    assert_eq!(server.close_and_rely(), [(0, 's')]);
    last.join().expect("no panic");
    worker.join().expect("no panic");
}

/// A server under test: its shutdown, and a carrier for each worker.
struct Server {
    /// What the callers and the workers share.
    shutdown: Shutdown<char>,
    carriers: Vec<Carrier>,
}

/// One worker of a [`Server`], for the thread that lives its life.
struct Worker {
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
    fn new(workers: usize) -> (Arc<Self>, Vec<Worker>) {
        let (senders, receivers): (Vec<_>, Vec<_>) = (0..workers).map(|_| mpsc::channel()).unzip();
        let shutdown = Shutdown::new(SERVER_KEY, workers, Queues(senders));
        let carriers = (0..workers).map(|_| Carrier::new()).collect();
        let server = Arc::new(Self { shutdown, carriers });
        let worker = |(id, commands)| Worker { server: Arc::clone(&server), id, commands };
        let workers = receivers.into_iter().enumerate().map(worker).collect();
        (server, workers)
    }

    /// The life of a caller: closes, waits, relies on what it was told. Returns the outcomes.
    fn close_and_rely(&self) -> Vec<(u64, char)> {
        let outcomes = self.shutdown.request_close().wait().expect("no worker calls this");
        self.rely_on_release();
        outcomes.transports().to_vec()
    }

    /// Uses every carrier as one does whose close has returned.
    fn rely_on_release(&self) {
        self.carriers.iter().for_each(Carrier::rely_on_release);
    }
}

impl Worker {
    /// The life of a worker from the close on. Its one transport has the worker's number as its id.
    fn run(&self) {
        self.drain_until_the_grant();
        self.carrier().work();
        self.report_release();
    }

    /// The life of a worker whose thread panics before it drains, told to or not.
    fn run_and_be_lost(&self) {
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
