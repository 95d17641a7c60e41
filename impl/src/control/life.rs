//! The life of a worker as the others see it, and how it ends, in order or out of turn.

use super::queue::{CommandQueue, Wake, Weigh};
use super::shutdown::Shutdown;
use crate::lifecycle::Verdict;
use crate::lifecycle::server::WorkerId;
use crate::sync::{Arc, Mutex, Weakness, is_weakened, lock};
#[cfg(all(feature = "net", feature = "testing"))]
use crate::trace::{BarrierEvent, Tracer};
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};

/// What all handles of a server share, and nothing else: when the last of them is dropped, nobody can reach the server
/// any more, and it closes in the background.
//= CLS-24
pub struct LastHandle<O: Send + Sync + 'static>(pub Arc<Shutdown<O>>);

impl<O: Send + Sync + 'static> Drop for LastHandle<O> {
    fn drop(&mut self) {
        if !is_weakened(Weakness::LastHandleClosesNothing) {
            self.0.request_close();
        }
    }
}

impl<O: Send + Sync + 'static> fmt::Debug for LastHandle<O> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("LastHandle").finish()
    }
}

/// What could be said of the transports of a worker that is lost.
pub type Abandoned<O> = Arc<Mutex<Vec<(u64, O)>>>;

/// Owned by the thread of a worker, and dropped after everything else that the worker had. When it is dropped before
/// the release was reported, the worker is lost, and the rest of its server closes.
pub struct Life<T: Weigh, W: Wake, O: Send + Sync + 'static> {
    worker: WorkerId,
    queue: Arc<CommandQueue<T, W>>,
    shutdown: Arc<Shutdown<O>>,
    abandoned: Abandoned<O>,
    #[cfg(all(feature = "net", feature = "testing"))]
    pub(super) tracer: Option<Tracer>,
}

impl<T: Weigh, W: Wake, O: Send + Sync + 'static> Life<T, W, O> {
    /// Of a worker that takes its commands from this queue.
    #[must_use]
    pub fn new(
        worker: WorkerId,
        queue: Arc<CommandQueue<T, W>>,
        shutdown: Arc<Shutdown<O>>,
    ) -> Self {
        Life {
            worker,
            queue,
            shutdown,
            abandoned: Arc::default(),
            #[cfg(all(feature = "net", feature = "testing"))]
            tracer: None,
        }
    }

    /// Which worker it is.
    #[must_use]
    pub fn worker(&self) -> WorkerId {
        self.worker
    }

    /// Where the worker takes its commands from.
    #[must_use]
    pub fn queue(&self) -> &CommandQueue<T, W> {
        &self.queue
    }

    /// Where the worker writes down what it could not report, before its end out of turn is reported.
    #[must_use]
    pub fn abandoned(&self) -> Abandoned<O> {
        Arc::clone(&self.abandoned)
    }

    /// Closes the whole server, as one of its handles would.
    pub fn close_server(&self) {
        self.shutdown.request_close();
    }

    /// The worker's carriers are gone. What is left in its queue goes before that is reported, and nobody puts anything
    /// in any more.
    //= CLS-20
    pub fn released(self) {
        if is_weakened(Weakness::WorkerReportsBeforeItDisconnects) {
            self.shutdown.worker_released(self.worker);
        }
        drop(self.queue.disconnect());
        #[cfg(all(feature = "net", feature = "testing"))]
        if let Some(tracer) = &self.tracer {
            tracer.said(BarrierEvent::WorkerReleased(self.worker));
        }
        self.shutdown.worker_released(self.worker);
    }

    //= CLS-07
    fn lost(&self) {
        if is_weakened(Weakness::LossIsReportedBeforeTheQueueIsDisconnected) {
            self.shutdown.worker_lost(self.worker, Vec::new());
        }
        let left = self.queue.disconnect();
        if catch_unwind(AssertUnwindSafe(|| drop(left))).is_err() {
            tracing::error!(target: "info", "what was put in for a worker that is lost panicked");
        }
        let outcomes = std::mem::take(&mut *lock(&self.abandoned));
        match self.shutdown.worker_lost(self.worker, outcomes) {
            Verdict::Applied => {
                #[cfg(all(feature = "net", feature = "testing"))]
                if let Some(tracer) = &self.tracer {
                    tracer.said(BarrierEvent::WorkerLost(self.worker));
                }
                tracing::error!(target: "info", worker = self.worker.0, "a worker is lost");
                self.shutdown.request_close();
            }
            Verdict::Repeated | Verdict::Late | Verdict::Impossible => {}
        }
    }
}

impl<T: Weigh, W: Wake, O: Send + Sync + 'static> Drop for Life<T, W, O> {
    fn drop(&mut self) {
        // Callbacks of the application run in there, possibly while this thread panics already.
        if catch_unwind(AssertUnwindSafe(|| self.lost())).is_err() {
            tracing::error!(target: "info", "a callback panicked while its worker was lost");
        }
    }
}

impl<T: Weigh, W: Wake, O: Send + Sync + 'static> fmt::Debug for Life<T, W, O> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Life").field("worker", &self.worker).finish_non_exhaustive()
    }
}
