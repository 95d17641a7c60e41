//! CLS-04, CLS-07, CLS-10, X3, X5: every caller of `close()` returns, once, with the same outcomes, and none before the
//! last carrier is released, whatever the workers do meanwhile.
//!
//! What a worker is told here unparks its thread, which is the least that wakes a sleeper and orders what comes before:
//! so even two callers and two workers have few enough schedules to try all of them. The queue that workers really have
//! is in `queue` and `server`, where fewer threads race.

use crate::explore::Race;
use crate::world::Carrier;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicUsize, Ordering};
use webrtc_server::control::life::LastHandle;
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
    Race::new("two closers, two workers", callers_who_are_called_and_workers),
    Race::bounded("two closers who wait, two workers", || callers_and_workers(2, 2)),
    Race::new("close against a look", caller_who_looks),
    Race::new("callback that closes again", callback_that_closes_again),
    Race::new("close against the loss of the only worker", || {
        caller_and_losses(&[End::Lost], &[(0, 'l')]);
    }),
    Race::new("close against the loss of one of two workers", || {
        caller_and_losses(&[End::InOrder, End::Lost], &[(0, 's'), (1, 'l')]);
    }),
    Race::new("last handle dropped against close", last_handle_against_close),
    Race::new("last handle dropped against another", last_handle_against_another),
];

fn callers_and_workers(callers: usize, workers: usize) {
    let (server, workers) = Server::start(&vec![End::InOrder; workers]);
    let expected: Vec<_> = (0..workers.len() as u64).map(|id| (id, 's')).collect();
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
    join(workers);
}

/// A callback and an answer that nobody wants, in the place of threads that sleep: each sleeper has schedules of its
/// own, which are all tried where there is one of them, or one worker.
fn callers_who_are_called_and_workers() {
    let (server, workers) = Server::start(&[End::InOrder; 2]);
    let other = Arc::clone(&server);
    let other = thread::spawn(move || drop(other.shutdown.request_close()));
    let (relying, calls) = (Arc::clone(&server), Arc::new(AtomicUsize::new(0)));
    let counter = Arc::clone(&calls);
    server.shutdown.request_close().on_complete(move |outcomes| {
        relying.rely_on_release();
        assert_eq!(outcomes.transports(), [(0, 's'), (1, 's')]);
        counter.fetch_add(1, Ordering::Relaxed);
    });
    other.join().expect("no panic");
    join(workers);
    assert_eq!(calls.load(Ordering::Relaxed), 1);
}

/// Whoever sees the close complete may rely on it, without a lock.
fn caller_who_looks() {
    let (server, workers) = Server::start(&[End::InOrder]);
    let closing = server.shutdown.request_close();
    if closing.is_complete() {
        server.rely_on_release();
    }
    join(workers);
    assert!(closing.is_complete());
}

/// The callback of a close runs on the worker that completes it, or on the caller.
fn callback_that_closes_again() {
    let (server, workers) = Server::start(&[End::InOrder]);
    let calls = Arc::new(AtomicUsize::new(0));
    let (again, counter) = (Arc::clone(&server), Arc::clone(&calls));
    server.shutdown.request_close().on_complete(move |outcomes| {
        again.rely_on_release();
        assert_eq!(again.shutdown.request_close().try_get(), Some(outcomes));
        counter.fetch_add(1, Ordering::Relaxed);
    });
    join(workers);
    assert_eq!(calls.load(Ordering::Relaxed), 1);
}

/// A worker whose thread panics at any moment of the close keeps nobody waiting.
fn caller_and_losses(ends: &[End], outcomes: &[(u64, char)]) {
    let (server, workers) = Server::start(ends);
    assert_eq!(server.close_and_rely(), outcomes);
    join(workers);
}

/// Whoever drops the last handle closes the server, also if it is closed already.
fn last_handle_against_close() {
    let (server, workers) = Server::start(&[End::InOrder]);
    let handle = LastHandle(Arc::clone(&server.shutdown));
    let last = thread::spawn(move || drop(handle));
    assert_eq!(server.close_and_rely(), [(0, 's')]);
    last.join().expect("no panic");
    join(workers);
}

/// One of the two is the last, whichever: nobody else closes.
fn last_handle_against_another() {
    let (server, workers) = Server::start(&[End::InOrder]);
    let handle = Arc::new(LastHandle(Arc::clone(&server.shutdown)));
    let other = Arc::clone(&handle);
    let other = thread::spawn(move || drop(other));
    drop(handle);
    assert_eq!(server.wait_and_rely(), [(0, 's')]);
    other.join().expect("no panic");
    join(workers);
}

fn join(workers: Vec<thread::JoinHandle<()>>) {
    for worker in workers {
        worker.join().expect("no panic");
    }
}

/// A server under test: its shutdown, and a carrier for each worker.
struct Server {
    /// What the callers and the workers share.
    shutdown: Arc<Shutdown<char>>,
    carriers: Vec<Carrier>,
    threads: Arc<Threads>,
}

/// One worker of a [`Server`], for the thread that lives its life.
struct Worker {
    server: Arc<Server>,
    id: usize,
}

/// How a worker ends.
#[derive(Clone, Copy)]
enum End {
    InOrder,
    Lost,
}

/// The threads of the workers, and how often they were told something. The host's: only the unparking orders.
#[derive(Default)]
struct Threads {
    workers: OnceLock<Vec<thread::Thread>>,
    told: AtomicUsize,
}

/// What the workers are told first.
const CLOSE: usize = 1;
/// What they are told after that.
const GRANT: usize = 2;

struct Unpark(Arc<Threads>);

impl Unpark {
    fn tell(&self, what: usize) {
        assert_eq!(self.0.told.fetch_add(1, Ordering::Relaxed) + 1, what);
        self.0.workers.get().into_iter().flatten().for_each(thread::Thread::unpark);
    }
}

impl TellWorkers for Unpark {
    fn close(&self) {
        self.tell(CLOSE);
    }
    fn grant_release(&self) {
        self.tell(GRANT);
    }
}

impl Server {
    /// An open server, and the threads of its workers.
    fn start(ends: &[End]) -> (Arc<Self>, Vec<thread::JoinHandle<()>>) {
        let threads = Arc::<Threads>::default();
        let shutdown = Arc::new(Shutdown::new(ends.len(), Unpark(Arc::clone(&threads))));
        let carriers = ends.iter().map(|_| Carrier::new()).collect();
        let server = Arc::new(Self { shutdown, carriers, threads });
        let workers = ends.iter().enumerate().map(|(id, end)| {
            let (worker, end) = (Worker { server: Arc::clone(&server), id }, *end);
            thread::spawn(move || match end {
                End::InOrder => worker.run(),
                End::Lost => worker.be_lost(),
            })
        });
        let workers: Vec<_> = workers.collect();
        let handles = workers.iter().map(|worker| worker.thread().clone()).collect();
        assert!(server.threads.workers.set(handles).is_ok(), "nobody was told anything yet");
        (server, workers)
    }

    /// The life of a caller: closes, waits, relies on what it was told. Returns the outcomes.
    fn close_and_rely(&self) -> Vec<(u64, char)> {
        self.shutdown.request_close();
        self.wait_and_rely()
    }

    fn wait_and_rely(&self) -> Vec<(u64, char)> {
        let outcomes = self.shutdown.closing().wait().expect("no worker calls this");
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
    fn be_lost(&self) {
        self.carrier().work();
        let verdict = self.server.shutdown.worker_lost(self.id(), self.outcomes('l'));
        assert_eq!(verdict, Verdict::Applied);
    }

    fn drain_until_the_grant(&self) {
        self.sleep_until(CLOSE);
        self.carrier().work();
        let verdict = self.server.shutdown.worker_drained(self.id(), self.outcomes('s'));
        assert_eq!(verdict, Verdict::Applied);
        self.sleep_until(GRANT);
    }

    /// Sticky, as an eventfd is: what is told before the sleep ends it.
    fn sleep_until(&self, what: usize) {
        thread::park();
        assert_eq!(self.server.threads.told.load(Ordering::Relaxed), what);
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
