//! The one place that chooses between the threads of the host and those of a schedule explorer.
//!
//! Everything that crosses threads takes its primitives from here. Built with `--cfg loom` they are
//! loom's, and `loom-tests` runs every schedule; built without, they are the standard library's, at
//! no cost.
//!
//! The second job of this file is to let a loom test weaken the code on purpose: see [`Weakness`].

use std::sync::PoisonError;
use std::time::Instant;

#[cfg(not(loom))]
pub use std::{
    sync::{Condvar, Mutex, MutexGuard, atomic},
    thread, thread_local,
};

#[cfg(loom)]
pub use loom::{
    sync::{Condvar, Mutex, MutexGuard, atomic},
    thread, thread_local,
};

/// The standard library's in every build.
///
/// Nothing here relies on the order that the last drop of an `Arc` gives. Without loom's the
/// explorer knows fewer orders, so that it accepts less, and it has no schedules to try for each
/// clone and drop.
pub use std::sync::{Arc, Weak};

/// Locks, and goes on after a panic of another holder.
///
/// Whatever is kept under our locks changes by whole assignments only, so that it is consistent at
/// every point where a holder can panic; and a caller of `close()` must not hang or panic because
/// of somebody else's panic.
pub fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Sleeps as long as `must_sleep` says so; whoever changes that notifies `changed` afterwards.
///
/// The one loop around a wait of this kind: a sleeper may also be woken for nothing.
pub fn wait_while<'a, T>(
    changed: &Condvar,
    mut guard: MutexGuard<'a, T>,
    must_sleep: impl Fn(&T) -> bool,
) -> MutexGuard<'a, T> {
    while must_sleep(&guard) {
        guard = changed.wait(guard).unwrap_or_else(PoisonError::into_inner);
        if is_weakened(Weakness::SleepersLookOnce) {
            break;
        }
    }
    guard
}

/// As [`wait_while`], until `deadline` at most. loom has no clock: there nobody is woken by it.
pub fn wait_while_until<'a, T>(
    changed: &Condvar,
    mut guard: MutexGuard<'a, T>,
    deadline: Instant,
    must_sleep: impl Fn(&T) -> bool,
) -> MutexGuard<'a, T> {
    while must_sleep(&guard) {
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            break;
        }
        guard = changed.wait_timeout(guard, left).unwrap_or_else(PoisonError::into_inner).0;
        if is_weakened(Weakness::SleepersWithDeadlineLookOnce) {
            break;
        }
    }
    guard
}

/// A place where the code can be made wrong at run time, to show that a loom test would notice.
///
/// It exists in loom builds only: in any other build [`is_weakened`] is the constant `false`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Weakness {
    /// The latch is published with `Relaxed` in place of `Release`.
    LatchPublishesRelaxed,
    /// The latch is observed with `Relaxed` in place of `Acquire`.
    LatchObservesRelaxed,
    /// The latch notifies its sleepers before it is set, and never after.
    LatchNotifiesBeforeItIsSet,
    /// Who sleeps looks at its condition once after it was woken.
    SleepersLookOnce,
    /// The same for those who sleep until a deadline.
    SleepersWithDeadlineLookOnce,
    /// The callers are answered when the carriers may be released, not when they have been.
    ServerAnswersAtTheGrant,
    /// The queue wakes the worker before it says that something waits.
    QueueWakesBeforeItSaysSo,
    /// The queue does not tell those who wait for room when there is some.
    QueueTakesSilently,
    /// The queue does not tell them when the worker ends.
    QueueDisconnectsSilently,
    /// The queue does not tell the tasks that wait for room when there is some.
    QueueTakesPastTasks,
    /// The queue does not tell those tasks when the worker ends.
    QueueDisconnectsPastTasks,
    /// A latch that is set does not tell the tasks that wait for it.
    LatchIsSetPastTasks,
    /// A task that gives up takes the place of another.
    LatchForgetsAnother,
    /// The last handle closes nothing.
    LastHandleClosesNothing,
    /// A reply that is dropped does not tell the asker.
    ReplyEndsSilently,
    /// A worker reports its release while others can still put something into its queue.
    WorkerReportsBeforeItDisconnects,
    /// The same for a worker that is lost.
    LossIsReportedBeforeTheQueueIsDisconnected,
    /// Whether a server drains is asked before the newcomer is counted, and not together with that.
    DrainAsksBeforeItCounts,
}

/// Whether the running loom test asked for this weakness.
#[cfg(not(loom))]
#[inline(always)]
#[must_use]
pub const fn is_weakened(_: Weakness) -> bool {
    false
}

#[cfg(loom)]
pub use weak::{is_weakened, with_weakness};

#[cfg(loom)]
mod weak {
    use super::Weakness;
    use std::cell::Cell;

    // All threads of one loom execution are coroutines of one thread of the host, and each test has
    // a thread of its own: a thread-local of the host is seen by the whole model and by no other
    // test.
    std::thread_local! {
        static CHOSEN: Cell<Option<Weakness>> = const { Cell::new(None) };
    }

    /// Whether the running loom test asked for this weakness.
    #[must_use]
    pub fn is_weakened(weakness: Weakness) -> bool {
        CHOSEN.with(|chosen| chosen.get() == Some(weakness))
    }

    /// Runs a model with one weakness; it ends with the call, also by a panic.
    pub fn with_weakness<R>(weakness: Weakness, model: impl FnOnce() -> R) -> R {
        struct Restore;
        impl Drop for Restore {
            fn drop(&mut self) {
                CHOSEN.with(|chosen| chosen.set(None));
            }
        }
        CHOSEN.with(|chosen| chosen.set(Some(weakness)));
        let _restore = Restore;
        model()
    }
}
