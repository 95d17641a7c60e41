//! A value that is set once and that any number of threads, callbacks and tasks wait for.

use crate::sync::atomic::{AtomicBool, Ordering};
use crate::sync::{Condvar, Mutex, Weakness, is_weakened, lock, wait_while, wait_while_until};
use std::any::Any;
use std::collections::BTreeMap;
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::task::Waker;
use std::time::{Duration, Instant};

type Callback<T> = Box<dyn FnOnce(T) + Send>;

/// Set once; the first value wins. Whoever sees it set, by whichever method, has seen everything
/// that the setter did before.
///
/// `T` is cloned for everybody who asks, under the lock: let it be a number or an `Arc`.
pub struct Latch<T> {
    /// True once the value is in `state`: spares those who only look the lock.
    is_set: AtomicBool,
    state: Mutex<State<T>>,
    changed: Condvar,
}

enum State<T> {
    Waiting(Waiters<T>),
    Set(T),
}

struct Waiters<T> {
    /// How many threads sleep or have slept: with none, nobody is notified.
    sleepers: usize,
    callbacks: Vec<Callback<T>>,
    tasks: BTreeMap<TaskSlot, Waker>,
    next_slot: TaskSlot,
}

/// Where the waker of one waiting task is kept.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) struct TaskSlot(u64);

impl<T: Clone> Latch<T> {
    /// A latch that is not set.
    #[must_use]
    pub fn new() -> Self {
        let waiters = Waiters {
            sleepers: 0,
            callbacks: Vec::new(),
            tasks: BTreeMap::new(),
            next_slot: TaskSlot(0),
        };
        Self {
            is_set: AtomicBool::new(false),
            state: Mutex::new(State::Waiting(waiters)),
            changed: Condvar::new(),
        }
    }

    /// Sets it and answers everybody who waits: first the threads and tasks, then the callbacks in
    /// the order of their registration, on this thread. False if it was set before; then nothing
    /// happens.
    ///
    /// A callback that panics does not keep the others from their answer: the panic goes on after
    /// the last of them.
    pub fn set(&self, value: T) -> bool {
        if is_weakened(Weakness::LatchNotifiesBeforeItIsSet) {
            self.changed.notify_all();
        }
        let waiters = {
            let mut state = lock(&self.state);
            match &*state {
                State::Set(_) => return false,
                State::Waiting(_) => {}
            }
            let before = std::mem::replace(&mut *state, State::Set(value.clone()));
            self.is_set.store(true, publish());
            match before {
                State::Waiting(waiters) => waiters,
                State::Set(_) => unreachable!("checked above, under the same lock"),
            }
        };
        if waiters.sleepers > 0 && !is_weakened(Weakness::LatchNotifiesBeforeItIsSet) {
            self.changed.notify_all();
        }
        if !is_weakened(Weakness::LatchIsSetPastTasks) {
            wake_all(waiters.tasks.into_values());
        }
        //= X3
        call_all(waiters.callbacks, &value);
        true
    }

    /// Whether it is set. Never blocks.
    #[must_use]
    pub fn is_set(&self) -> bool {
        self.is_set.load(observe())
    }

    /// The value, if it is set.
    #[must_use]
    pub fn get(&self) -> Option<T> {
        if !self.is_set() {
            return None;
        }
        lock(&self.state).value()
    }

    /// Blocks until it is set.
    pub fn wait(&self) -> T {
        let mut state = lock(&self.state);
        state.expect_sleeper();
        let state = wait_while(&self.changed, state, State::is_waiting);
        state.value().expect("nobody stops waiting before it is set")
    }

    /// Blocks until it is set, for at most `timeout`.
    pub fn wait_timeout(&self, timeout: Duration) -> Option<T> {
        let Some(deadline) = Instant::now().checked_add(timeout) else {
            return Some(self.wait());
        };
        let mut state = lock(&self.state);
        state.expect_sleeper();
        wait_while_until(&self.changed, state, deadline, State::is_waiting).value()
    }

    /// Wakes who waits although it may not be set, as the system is free to do.
    #[cfg(loom)]
    pub fn wake_spuriously(&self) {
        self.changed.notify_all();
    }

    /// Has `callback` called once with the value: by the setter, or here and now if it is set
    /// already. It runs outside the lock and may use this latch.
    pub fn on_set(&self, callback: impl FnOnce(T) + Send + 'static) {
        let value = {
            let mut state = lock(&self.state);
            match &mut *state {
                State::Set(value) => value.clone(),
                State::Waiting(waiters) => {
                    waiters.callbacks.push(Box::new(callback));
                    return;
                }
            }
        };
        callback(value);
    }

    /// The value, or `waker` is kept and woken when it is set. `slot` is the task's own and names
    /// the waker that it left here before, which is replaced.
    pub(crate) fn poll(&self, slot: &mut Option<TaskSlot>, waker: &Waker) -> Option<T> {
        if let Some(value) = self.get() {
            return Some(value);
        }
        let waker = waker.clone();
        // The replaced waker is foreign code: it is dropped after the lock.
        let _replaced = {
            let mut state = lock(&self.state);
            match &mut *state {
                State::Set(value) => return Some(value.clone()),
                State::Waiting(waiters) => {
                    let slot = *slot.get_or_insert_with(|| waiters.take_slot());
                    waiters.tasks.insert(slot, waker)
                }
            }
        };
        None
    }

    /// Forgets the waker of a task that no longer waits.
    pub(crate) fn forget(&self, slot: TaskSlot) {
        let _forgotten = match &mut *lock(&self.state) {
            State::Waiting(waiters) if is_weakened(Weakness::LatchForgetsAnother) => {
                waiters.tasks.pop_last().map(|(_, waker)| waker)
            }
            State::Waiting(waiters) => waiters.tasks.remove(&slot),
            State::Set(_) => None,
        };
    }
}

impl<T: Clone> State<T> {
    fn is_waiting(&self) -> bool {
        matches!(self, State::Waiting(_))
    }

    fn value(&self) -> Option<T> {
        match self {
            State::Set(value) => Some(value.clone()),
            State::Waiting(_) => None,
        }
    }

    /// Somebody is about to sleep.
    fn expect_sleeper(&mut self) {
        match self {
            State::Waiting(waiters) => waiters.sleepers += 1,
            State::Set(_) => {}
        }
    }
}

impl<T> Waiters<T> {
    fn take_slot(&mut self) -> TaskSlot {
        let slot = self.next_slot;
        self.next_slot = TaskSlot(slot.0 + 1);
        slot
    }
}

impl<T: Clone> Default for Latch<T> {
    fn default() -> Self {
        Self::new()
    }
}

impl<T> fmt::Debug for Latch<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Latch").finish_non_exhaustive()
    }
}

/// Wakes each of them. How a task is woken is up to its runtime, which may be gone: a panic there is not the worker's.
pub(super) fn wake_all(tasks: impl IntoIterator<Item = Waker>) {
    for task in tasks {
        if catch_unwind(AssertUnwindSafe(|| task.wake())).is_err() {
            tracing::error!(target: "info", "a task cannot be woken: its runtime panicked");
        }
    }
}

/// Calls each once, whatever the others do.
fn call_all<T: Clone>(callbacks: Vec<Callback<T>>, value: &T) {
    let mut first_panic: Option<Box<dyn Any + Send>> = None;
    for callback in callbacks {
        let outcome = catch_unwind(AssertUnwindSafe(|| callback(value.clone())));
        if let Err(panic) = outcome {
            first_panic.get_or_insert(panic);
        }
    }
    if let Some(panic) = first_panic {
        resume_unwind(panic);
    }
}

/// Pairs with [`observe`]: what happened before the latch was set is seen by whoever sees it set.
fn publish() -> Ordering {
    if is_weakened(Weakness::LatchPublishesRelaxed) { Ordering::Relaxed } else { Ordering::Release }
}

/// Pairs with [`publish`].
fn observe() -> Ordering {
    if is_weakened(Weakness::LatchObservesRelaxed) { Ordering::Relaxed } else { Ordering::Acquire }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sync::atomic::AtomicUsize;
    use crate::sync::{Arc, thread};
    use std::task::Wake;

    struct CountWakes(AtomicUsize);

    impl Wake for CountWakes {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }

    fn counting_waker() -> (Arc<CountWakes>, Waker) {
        let count = Arc::new(CountWakes(AtomicUsize::new(0)));
        (Arc::clone(&count), Waker::from(count))
    }

    fn note(seen: &Arc<Mutex<Vec<u8>>>) -> impl FnOnce(u8) + Send + 'static {
        let seen = Arc::clone(seen);
        move |value| lock(&seen).push(value)
    }

    #[test]
    fn x3_the_first_value_wins_and_everybody_gets_it() {
        let latch = Arc::new(Latch::new());
        assert_eq!((latch.is_set(), latch.get()), (false, None));
        let sleepers = [(); 3].map(|()| {
            let latch = Arc::clone(&latch);
            thread::spawn(move || latch.wait())
        });
        assert!(latch.set(1));
        assert!(!latch.set(2));
        assert_eq!((latch.is_set(), latch.get(), latch.wait()), (true, Some(1), 1));
        assert_eq!(sleepers.map(|sleeper| sleeper.join().unwrap()), [1; 3]);
    }

    #[test]
    fn x3_a_callback_runs_once_whether_it_comes_before_or_after() {
        let latch = Latch::new();
        let seen = Arc::new(Mutex::new(Vec::new()));
        latch.on_set(note(&seen));
        assert!(lock(&seen).is_empty());
        latch.set(7);
        assert_eq!(*lock(&seen), [7]);
        latch.on_set(note(&seen));
        latch.set(8);
        assert_eq!(*lock(&seen), [7, 7]);
    }

    #[test]
    fn a_callback_may_use_the_latch_that_calls_it() {
        let latch = Arc::new(Latch::new());
        let seen = Arc::new(Mutex::new(Vec::new()));
        let (inner, inner_seen) = (Arc::clone(&latch), Arc::clone(&seen));
        latch.on_set(move |value| {
            assert!(!inner.set(9));
            assert_eq!(inner.wait(), value);
            inner.on_set(note(&inner_seen));
        });
        latch.set(3);
        assert_eq!(*lock(&seen), [3]);
    }

    #[test]
    fn x3_a_callback_that_panics_keeps_no_other_from_its_answer() {
        let latch = Latch::new();
        let seen = Arc::new(Mutex::new(Vec::new()));
        latch.on_set(note(&seen));
        latch.on_set(|_| panic!("on purpose"));
        latch.on_set(note(&seen));
        let panic = catch_unwind(AssertUnwindSafe(|| latch.set(4))).unwrap_err();
        assert_eq!(panic.downcast_ref::<&str>(), Some(&"on purpose"));
        assert_eq!((lock(&seen).clone(), latch.get()), (vec![4, 4], Some(4)));
    }

    #[test]
    fn a_wait_with_a_timeout_gives_up() {
        let latch = Latch::new();
        assert_eq!(latch.wait_timeout(Duration::ZERO), None);
        assert_eq!(latch.wait_timeout(Duration::from_millis(5)), None);
        latch.set(6);
        assert_eq!(latch.wait_timeout(Duration::ZERO), Some(6));
        assert_eq!(latch.wait_timeout(Duration::MAX), Some(6));
    }

    #[test]
    fn a_task_is_woken_through_its_latest_waker_only() {
        let latch = Latch::new();
        let ((old, old_waker), (new, new_waker)) = (counting_waker(), counting_waker());
        let mut slot = None;
        assert_eq!(latch.poll(&mut slot, &old_waker), None);
        assert_eq!(latch.poll(&mut slot, &new_waker), None);
        latch.set(5);
        assert_eq!((old.0.load(Ordering::Relaxed), new.0.load(Ordering::Relaxed)), (0, 1));
        assert_eq!(latch.poll(&mut slot, &new_waker), Some(5));
    }

    #[test]
    fn a_task_that_left_is_forgotten() {
        let latch = Latch::new();
        let ((gone, gone_waker), (stays, stays_waker)) = (counting_waker(), counting_waker());
        let (mut gone_slot, mut stays_slot) = (None, None);
        assert_eq!(latch.poll(&mut gone_slot, &gone_waker), None);
        assert_eq!(latch.poll(&mut stays_slot, &stays_waker), None);
        latch.forget(gone_slot.unwrap());
        latch.set(5);
        assert_eq!((gone.0.load(Ordering::Relaxed), stays.0.load(Ordering::Relaxed)), (0, 1));
    }
}
