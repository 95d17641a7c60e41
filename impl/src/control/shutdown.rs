//! What the callers of a server's `close()` and its workers share.

use super::closing::Closing;
use super::latch::Latch;
use crate::lifecycle::Verdict;
use crate::lifecycle::server::{
    Server, ServerInput, ServerOutput, ServerPhase, ServerStep, WorkerId,
};
use crate::sync::{Arc, Mutex, Weakness, is_weakened, lock};
use std::fmt;

/// How the workers are reached.
///
/// Both methods run outside every lock, on the thread whose call made them necessary: a caller of
/// `close()` or a worker that reports. They may call back into the [`Shutdown`]. Each is called at
/// most once. A worker that drains only after it was told to close never sees the grant first.
pub trait TellWorkers: Send + Sync {
    /// Every worker is to close its share, report it drained, and keep its carriers.
    fn close(&self);
    /// Every worker may release its carriers, and report it.
    fn grant_release(&self);
}

/// What became of the transports of a closed server: the same for everybody who asks, and cheap to
/// clone.
pub struct Outcomes<O> {
    collected: Arc<Collected<O>>,
}

struct Collected<O> {
    transports: Vec<(u64, O)>,
    lost_workers: Vec<WorkerId>,
}

impl<O> Outcomes<O> {
    /// Id and outcome of each transport, in the order of the workers, then of the ids.
    #[must_use]
    pub fn transports(&self) -> &[(u64, O)] {
        &self.collected.transports
    }

    /// The workers whose threads ended out of turn: of their transports only what they had reported
    /// is known.
    #[must_use]
    pub fn lost_workers(&self) -> &[WorkerId] {
        &self.collected.lost_workers
    }
}

impl<O> Clone for Outcomes<O> {
    fn clone(&self) -> Self {
        Self { collected: Arc::clone(&self.collected) }
    }
}

impl<O: PartialEq> PartialEq for Outcomes<O> {
    fn eq(&self, other: &Self) -> bool {
        self.transports() == other.transports() && self.lost_workers() == other.lost_workers()
    }
}

impl<O: Eq> Eq for Outcomes<O> {}

impl<O: fmt::Debug> fmt::Debug for Outcomes<O> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Outcomes")
            .field("transports", &self.transports())
            .field("lost_workers", &self.lost_workers())
            .finish()
    }
}

/// The one close of one server, requested by anybody, performed by its workers, answered to all.
pub struct Shutdown<O> {
    shared: Mutex<Shared<O>>,
    answer: Arc<Latch<Outcomes<O>>>,
    workers: Box<dyn TellWorkers>,
}

/// What is kept under the lock.
struct Shared<O> {
    server: Server,
    /// What each worker has reported, by worker. Moves to the answer on completion.
    reported: Vec<Vec<(u64, O)>>,
    lost: Vec<WorkerId>,
}

/// What is to be done once the lock is left.
enum Task<O> {
    TellWorkersToClose,
    GrantRelease,
    Answer(Outcomes<O>),
}

impl<O: Send + Sync + 'static> Shutdown<O> {
    /// For an open server.
    #[must_use]
    pub fn new(workers: usize, tell: impl TellWorkers + 'static) -> Self {
        let reported = (0..workers).map(|_| Vec::new()).collect();
        let shared = Shared { server: Server::new(workers), reported, lost: Vec::new() };
        Self { shared: Mutex::new(shared), answer: Arc::new(Latch::new()), workers: Box::new(tell) }
    }

    /// The same with one mutant, before anything was said.
    #[cfg(all(feature = "net", feature = "testing"))]
    pub(super) fn with_mutant(self, mutant: Option<crate::lifecycle::Mutant>) -> Self {
        {
            let shared = &mut *lock(&self.shared);
            shared.server = Server::new(shared.reported.len()).with_mutant(mutant);
        }
        self
    }

    /// Closes the server: the first call starts it, each returns the same answer.
    pub fn request_close(&self) -> Closing<Outcomes<O>> {
        //= CLS-10
        //= X5
        self.feed(ServerInput::CloseRequested, Vec::new());
        self.closing()
    }

    /// The answer to a close, whether or not one was requested.
    #[must_use]
    pub fn closing(&self) -> Closing<Outcomes<O>> {
        Closing::new(&self.answer)
    }

    /// A worker has no transport and no connection left: what became of them, by id.
    ///
    /// Anything but [`Verdict::Applied`] means that `outcomes` was dropped.
    pub fn worker_drained(&self, worker: WorkerId, outcomes: Vec<(u64, O)>) -> Verdict {
        self.feed(ServerInput::WorkerDrained(worker), outcomes)
    }

    /// A worker has released its carriers and touches none any more.
    pub fn worker_released(&self, worker: WorkerId) -> Verdict {
        self.feed(ServerInput::WorkerReleased(worker), Vec::new())
    }

    /// A worker's thread ends out of turn: nobody waits for it any more. `outcomes` is what it can
    /// still say of transports that it has not reported. Harmless after the release, so that a drop
    /// guard may call it always.
    pub fn worker_lost(&self, worker: WorkerId, outcomes: Vec<(u64, O)>) -> Verdict {
        //= CLS-07
        self.feed(ServerInput::WorkerLost(worker), outcomes)
    }

    /// Where the server is. `Closed` may be seen a moment before the answer is.
    #[must_use]
    pub fn phase(&self) -> ServerPhase {
        lock(&self.shared).server.phase()
    }

    fn feed(&self, input: ServerInput, outcomes: Vec<(u64, O)>) -> Verdict {
        let (verdict, tasks) = lock(&self.shared).handle(input, outcomes);
        tasks.into_iter().for_each(|task| self.perform(task));
        verdict
    }

    fn perform(&self, task: Task<O>) {
        match task {
            Task::TellWorkersToClose => self.workers.close(),
            Task::GrantRelease => self.workers.grant_release(),
            Task::Answer(outcomes) => {
                self.answer.set(outcomes);
            }
        }
    }
}

impl<O> Shared<O> {
    fn handle(&mut self, input: ServerInput, outcomes: Vec<(u64, O)>) -> (Verdict, Vec<Task<O>>) {
        let ServerStep { verdict, outputs } = self.server.handle(input);
        match verdict {
            Verdict::Applied => self.record(input, outcomes),
            Verdict::Repeated | Verdict::Late => {}
            Verdict::Impossible => {
                tracing::error!(target: "info", ?input, server = ?self.server, "impossible report");
            }
        }
        let tasks = outputs.into_iter().flat_map(|output| self.tasks_of(output)).collect();
        (verdict, tasks)
    }

    fn record(&mut self, input: ServerInput, mut outcomes: Vec<(u64, O)>) {
        match input {
            ServerInput::WorkerDrained(worker) => self.reported[worker.0].append(&mut outcomes),
            ServerInput::WorkerLost(worker) => {
                self.reported[worker.0].append(&mut outcomes);
                self.lost.push(worker);
            }
            ServerInput::CloseRequested | ServerInput::WorkerReleased(_) => {}
        }
    }

    fn tasks_of(&mut self, output: ServerOutput) -> Vec<Task<O>> {
        let answers_early = is_weakened(Weakness::ServerAnswersAtTheGrant);
        match output {
            ServerOutput::TellWorkersToClose => vec![Task::TellWorkersToClose],
            ServerOutput::GrantRelease if answers_early => {
                vec![Task::Answer(self.collect()), Task::GrantRelease]
            }
            ServerOutput::GrantRelease => vec![Task::GrantRelease],
            ServerOutput::Complete if answers_early => Vec::new(),
            ServerOutput::Complete => vec![Task::Answer(self.collect())],
        }
    }

    /// The outcomes of all workers, in their order. Happens once.
    fn collect(&mut self) -> Outcomes<O> {
        let mut transports = Vec::new();
        for mut reported in std::mem::take(&mut self.reported) {
            reported.sort_by_key(|(id, _)| *id);
            transports.append(&mut reported);
        }
        let mut lost_workers = std::mem::take(&mut self.lost);
        lost_workers.sort_unstable();
        Outcomes { collected: Arc::new(Collected { transports, lost_workers }) }
    }
}

impl<O> fmt::Debug for Shutdown<O> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shutdown").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: WorkerId = WorkerId(0);
    const B: WorkerId = WorkerId(1);

    type Told = Arc<Mutex<Vec<&'static str>>>;

    struct Note(Told);

    impl TellWorkers for Note {
        fn close(&self) {
            lock(&self.0).push("close");
        }
        fn grant_release(&self) {
            lock(&self.0).push("grant_release");
        }
    }

    fn server_of_two() -> (Shutdown<char>, Told) {
        let told = Told::default();
        (Shutdown::new(2, Note(Arc::clone(&told))), told)
    }

    #[test]
    fn cls_04_the_answer_comes_with_the_last_release_in_the_order_of_workers_and_ids() {
        let (shutdown, told) = server_of_two();
        let closing = shutdown.request_close();
        assert_eq!(*lock(&told), ["close"]);
        assert_eq!(shutdown.worker_drained(B, vec![(9, 'z'), (2, 'y')]), Verdict::Applied);
        assert_eq!(shutdown.worker_drained(A, vec![(5, 'x'), (3, 'w')]), Verdict::Applied);
        assert_eq!(*lock(&told), ["close", "grant_release"]);
        assert_eq!(shutdown.worker_released(A), Verdict::Applied);
        assert!(!closing.is_complete());
        assert_eq!(shutdown.phase(), ServerPhase::Releasing);
        assert_eq!(shutdown.worker_released(B), Verdict::Applied);
        let outcomes = closing.try_get().unwrap();
        assert_eq!(outcomes.transports(), [(3, 'w'), (5, 'x'), (2, 'y'), (9, 'z')]);
        assert_eq!(outcomes.lost_workers(), []);
    }

    #[test]
    fn cls_10_a_second_close_tells_nobody_and_returns_the_same() {
        let (shutdown, told) = server_of_two();
        let first = shutdown.request_close();
        let second = shutdown.request_close();
        for worker in [A, B] {
            let _ = shutdown.worker_drained(worker, vec![(1, 'a')]);
            assert_eq!(shutdown.worker_drained(worker, vec![(1, 'b')]), Verdict::Repeated);
        }
        for worker in [A, B] {
            let _ = shutdown.worker_released(worker);
        }
        let third = shutdown.request_close();
        let answers = [first, second, third].map(|closing| closing.try_get().unwrap());
        assert!(answers.iter().all(|answer| answer.transports() == [(1, 'a'), (1, 'a')]));
        assert!(answers.iter().all(|answer| Arc::ptr_eq(&answer.collected, &answers[0].collected)));
        assert_eq!(*lock(&told), ["close", "grant_release"]);
    }

    #[test]
    fn cls_07_a_lost_worker_is_named_and_nobody_waits_for_it() {
        let (shutdown, _told) = server_of_two();
        let closing = shutdown.request_close();
        let _ = shutdown.worker_drained(B, vec![(8, 'b')]);
        assert_eq!(shutdown.worker_lost(B, Vec::new()), Verdict::Applied);
        assert_eq!(shutdown.worker_lost(A, vec![(4, 'l')]), Verdict::Applied);
        let outcomes = closing.try_get().unwrap();
        assert_eq!(outcomes.transports(), [(4, 'l'), (8, 'b')]);
        assert_eq!(outcomes.lost_workers(), [A, B]);
        assert_eq!(shutdown.worker_lost(A, vec![(6, 'm')]), Verdict::Repeated);
    }

    #[test]
    fn x5_a_callback_of_the_close_may_close_again() {
        let (shutdown, _told) = server_of_two();
        let shutdown = Arc::new(shutdown);
        let (again, seen) = (Arc::clone(&shutdown), Arc::new(Mutex::new(None)));
        let note = Arc::clone(&seen);
        shutdown.request_close().on_complete(move |_| {
            *lock(&note) = again.request_close().try_get();
        });
        let _ = shutdown.worker_lost(A, vec![(1, 'a')]);
        let _ = shutdown.worker_lost(B, Vec::new());
        assert_eq!(lock(&seen).take().unwrap().transports(), [(1, 'a')]);
    }

    /// A worker may do its whole share on the thread that tells it, as a replay on one thread does.
    #[test]
    fn workers_may_report_from_within_what_they_are_told() {
        struct Inline(Arc<Mutex<Option<Arc<Shutdown<char>>>>>);
        impl Inline {
            fn shutdown(&self) -> Arc<Shutdown<char>> {
                Arc::clone(lock(&self.0).as_ref().unwrap())
            }
        }
        impl TellWorkers for Inline {
            fn close(&self) {
                assert_eq!(self.shutdown().worker_drained(A, Vec::new()), Verdict::Applied);
            }
            fn grant_release(&self) {
                assert_eq!(self.shutdown().worker_released(A), Verdict::Applied);
            }
        }
        let own = Arc::new(Mutex::new(None));
        let shutdown = Arc::new(Shutdown::new(1, Inline(Arc::clone(&own))));
        *lock(&own) = Some(Arc::clone(&shutdown));
        assert!(shutdown.request_close().is_complete());
        lock(&own).take();
    }
}
