//! The answer to a `close()`, before it is there.

use super::latch::{Latch, TaskSlot};
use crate::sync::{Arc, thread_local};
use std::cell::Cell;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

thread_local! {
    static IS_WORKER: Cell<bool> = Cell::default();
}

/// Says that this thread works for some server from now on.
///
/// A worker that blocked until its own server is closed would wait for itself, and two that waited for each other's
/// would do so for ever: [`Closing::wait`] refuses on all of them.
pub fn mark_worker_thread() {
    IS_WORKER.with(|is_worker| is_worker.set(true));
}

/// Whether this thread was marked.
pub(super) fn is_worker_thread() -> bool {
    IS_WORKER.with(Cell::get)
}

/// Why a wait has no answer.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, thiserror::Error)]
pub enum WaitError {
    /// The close may need the thread that wants to sleep. Use [`Closing::on_complete`] or the future.
    #[error("a callback cannot wait for a close: it runs on a worker's thread; use on_complete")]
    OnWorkerThread,
    /// The close is not over yet. It goes on.
    #[error("the close did not complete within the time given")]
    TimedOut,
}

/// The awaitable answer of a `close()`.
///
/// The close is under way whether or not anybody waits: dropping this cancels nothing. Any number
/// of clones may be waited on, by threads, callbacks and tasks of any runtime; all get the same
/// answer.
pub struct Closing<T: Clone> {
    latch: Arc<Latch<T>>,
    /// Where the latch keeps the waker of the task that polls this one.
    slot: Option<TaskSlot>,
}

impl<T: Clone> Closing<T> {
    /// The answer that `latch` will hold.
    #[must_use]
    pub fn new(latch: &Arc<Latch<T>>) -> Self {
        Self { latch: Arc::clone(latch), slot: None }
    }

    /// Blocks until the close is over.
    ///
    /// # Errors
    ///
    /// [`WaitError::OnWorkerThread`] inside a callback, where waiting could never end.
    pub fn wait(&self) -> Result<T, WaitError> {
        //= CLS-04
        if is_worker_thread() {
            return self.try_get().ok_or(WaitError::OnWorkerThread);
        }
        Ok(self.wait_anywhere())
    }

    /// The same for who knows that no callback of its workers waits for this thread.
    pub(super) fn wait_anywhere(&self) -> T {
        self.latch.wait()
    }

    /// Blocks until the close is over, for at most `timeout`; the close itself goes on.
    ///
    /// # Errors
    ///
    /// [`WaitError::TimedOut`], and [`WaitError::OnWorkerThread`] inside a callback.
    pub fn wait_timeout(&self, timeout: Duration) -> Result<T, WaitError> {
        if is_worker_thread() {
            return self.try_get().ok_or(WaitError::OnWorkerThread);
        }
        self.latch.wait_timeout(timeout).ok_or(WaitError::TimedOut)
    }

    /// The answer, if the close is over. Never sleeps.
    #[must_use]
    pub fn try_get(&self) -> Option<T> {
        self.latch.get()
    }

    /// Whether the close is over. Never blocks.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        self.latch.is_set()
    }

    /// Has `callback` called once with the answer: on the thread that completes the close, or here
    /// and now if it is over already. It may close and create anything, but not wait.
    pub fn on_complete(&self, callback: impl FnOnce(T) + Send + 'static) {
        self.latch.on_set(callback);
    }
}

impl<T: Clone> Future for Closing<T> {
    type Output = T;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<T> {
        let this = self.get_mut();
        match this.latch.poll(&mut this.slot, context.waker()) {
            Some(answer) => Poll::Ready(answer),
            None => Poll::Pending,
        }
    }
}

impl<T: Clone> Clone for Closing<T> {
    fn clone(&self) -> Self {
        Self::new(&self.latch)
    }
}

impl<T: Clone> Drop for Closing<T> {
    fn drop(&mut self) {
        if let Some(slot) = self.slot.take() {
            self.latch.forget(slot);
        }
    }
}

impl<T: Clone> fmt::Debug for Closing<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Closing").field("is_complete", &self.is_complete()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sync::thread;
    use std::task::Waker;

    fn pending() -> (Arc<Latch<u8>>, Closing<u8>) {
        let latch = Arc::new(Latch::new());
        let closing = Closing::new(&latch);
        (latch, closing)
    }

    fn poll(closing: &mut Closing<u8>) -> Poll<u8> {
        Pin::new(closing).poll(&mut Context::from_waker(Waker::noop()))
    }

    #[test]
    fn cls_04_every_way_to_wait_gets_the_answer() {
        let (latch, mut closing) = pending();
        assert_eq!((closing.try_get(), closing.is_complete()), (None, false));
        assert_eq!(closing.wait_timeout(Duration::ZERO), Err(WaitError::TimedOut));
        assert_eq!(poll(&mut closing), Poll::Pending);
        let sleeper = closing.clone();
        let sleeper = thread::spawn(move || sleeper.wait());
        latch.set(3);
        assert_eq!(sleeper.join().unwrap(), Ok(3));
        assert_eq!((closing.try_get(), closing.is_complete()), (Some(3), true));
        assert_eq!((closing.wait(), closing.wait_timeout(Duration::ZERO)), (Ok(3), Ok(3)));
        assert_eq!(poll(&mut closing), Poll::Ready(3));
    }

    #[test]
    fn l2_a_worker_never_waits_for_a_server() {
        let (latch, closing) = pending();
        let worker = thread::spawn(move || {
            mark_worker_thread();
            assert_eq!(closing.wait_timeout(Duration::ZERO), Err(WaitError::OnWorkerThread));
            assert_eq!(closing.wait(), Err(WaitError::OnWorkerThread));
            latch.set(4);
            assert_eq!(closing.wait(), Ok(4), "nothing left to wait for");
        });
        worker.join().unwrap();
    }

    #[test]
    fn dropping_the_answer_cancels_nothing() {
        let (latch, mut closing) = pending();
        let other = closing.clone();
        assert_eq!(poll(&mut closing), Poll::Pending);
        drop(closing);
        assert!(latch.set(5));
        assert_eq!(other.wait(), Ok(5));
    }
}
