//! Where the commands for one worker wait.
//!
//! | Who puts in | What | When it is full |
//! |---|---|---|
//! | a thread of the application | what a handle asks for | waits until the worker has taken some |
//! | a task | the same | awaits that |
//! | a worker's thread: an event callback | the same | uses the reserve, then is refused |
//! | another worker | what it hands over or answers, counted in bytes | is refused, and drops it |
//! | the same, barrier, drain, closes | what must get through | is put in all the same |
//!
//! What another worker puts in has two bounds, one for what nobody has proved and one for the rest, so that strangers
//! push out nothing of those who have proved a password. What must get through is not endless: one close for each
//! transport, one drain, two words of the barrier, and a word for each tuple that was this worker's and is another's
//! now.
//!
//! There is one order for all. The grant must stay behind what was handed over before it (`handover`), and what a
//! thread asks for before it closes is done before the close. So the close waits behind what these bounds let in, and
//! its deadline counts from when it was put in.
//!
//! The worker looks at [`CommandQueue::take`] after each of its polls and sleeps only when nothing is left. It is woken
//! by the first that comes into an empty queue, and once more by the next if that failed. The lock is not touched when
//! nothing waits.

use super::latch::wake_all;
use crate::sync::atomic::{AtomicBool, Ordering};
use crate::sync::{Condvar, Mutex, Weakness, is_weakened, lock, wait_while};
use std::collections::VecDeque;
use std::fmt;
use std::io;
use std::task::{Poll, Waker};

/// Makes a worker that sleeps look at its queue, or one that is about to sleep stay awake.
///
/// Called under the lock of the queue, so that nobody uses it after [`CommandQueue::disconnect`]. It does not call
/// back.
pub trait Wake: Send {
    /// Wakes it.
    ///
    /// # Errors
    ///
    /// What the system says.
    fn wake(&self) -> io::Result<()>;
}

/// As what something counts while it waits. It is the same whenever it is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Weight {
    /// One command of the application.
    Command,
    /// So many bytes of another worker, for somebody who may have proved nothing.
    Claimed(usize),
    /// So many bytes of another worker, for somebody who has proved a password.
    Proved(usize),
    /// Nothing: it must get through.
    Nothing,
}

/// What can be put into a queue.
pub trait Weigh {
    /// As what it counts.
    fn weight(&self) -> Weight;
}

/// How much may wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bounds {
    /// Commands of those who can wait.
    pub commands: usize,
    /// Commands beyond these, of those who cannot.
    pub reserve: usize,
    /// Bytes of other workers, as many again of those who have proved a password.
    pub hand_over_bytes: usize,
}

/// Why something was not put in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PushError {
    /// Too much waits already, and whoever puts it in cannot wait.
    Full,
    /// The worker has not begun, or is gone.
    Disconnected,
}

/// What a worker is told, in the order in which it is told. Connected once, and disconnected once, when the worker
/// ends.
pub struct CommandQueue<T, W> {
    bounds: Bounds,
    state: Mutex<State<T, W>>,
    /// Somebody who found it full may look again.
    room: Condvar,
    /// Whether anything waits: spares the worker the lock. Written under the lock, before the wake. Relaxed is enough:
    /// the wake brings it along, and what waits is read under the lock.
    waits: AtomicBool,
}

struct State<T, W> {
    /// `None`: nobody takes anything out.
    worker: Option<W>,
    /// The last time that it ought to have been woken it was not.
    wake_failed: bool,
    waiting: VecDeque<T>,
    load: Load,
    /// How many threads wait for room: with none, nobody is notified.
    sleepers: usize,
    /// The tasks that do. One that left is woken for nothing, once.
    tasks: Vec<Waker>,
}

/// What those cost that wait.
#[derive(Clone, Copy, Default)]
struct Load {
    /// How many of them are commands of the application.
    commands: usize,
    /// What those cost that are other workers' for strangers.
    claimed_bytes: usize,
    /// What those cost that are other workers' for who has proved a password.
    proved_bytes: usize,
}

impl<T: Weigh, W: Wake> CommandQueue<T, W> {
    /// Refuses everything until it is connected.
    #[must_use]
    pub fn new(bounds: Bounds) -> Self {
        let state = State {
            worker: None,
            wake_failed: false,
            waiting: VecDeque::new(),
            load: Load::default(),
            sleepers: 0,
            tasks: Vec::new(),
        };
        CommandQueue {
            bounds,
            state: Mutex::new(state),
            room: Condvar::new(),
            waits: AtomicBool::new(false),
        }
    }

    /// `worker` is woken from now on when something comes.
    pub fn connect(&self, worker: W) {
        lock(&self.state).worker = Some(worker);
    }

    /// Nothing is taken any more, those who wait for room wait no longer, and when this returns the waker is dropped.
    /// What was left: whoever drops it tells the askers that nobody answers.
    //= CLS-20
    #[must_use = "what is dropped may be the application's, and panic"]
    pub fn disconnect(&self) -> Vec<T> {
        let (worker, left, tasks) = {
            let state = &mut *lock(&self.state);
            state.load = Load::default();
            let left = std::mem::take(&mut state.waiting);
            (state.worker.take(), left, std::mem::take(&mut state.tasks))
        };
        if !is_weakened(Weakness::QueueDisconnectsSilently) {
            self.room.notify_all();
        }
        if !is_weakened(Weakness::QueueDisconnectsPastTasks) {
            wake_all(tasks);
        }
        drop(worker);
        left.into()
    }

    /// Puts in what must get through. Never blocks.
    ///
    /// # Errors
    ///
    /// [`PushError::Disconnected`], and what was not put in.
    pub fn push(&self, item: T) -> Result<(), (PushError, T)> {
        let woken = lock(&self.state).put(item, &self.waits);
        self.woken(woken)
    }

    /// Puts in what may be refused. Never blocks.
    ///
    /// # Errors
    ///
    /// [`PushError`], and what was not put in.
    //= L2
    //= RES-14
    pub fn try_push(&self, item: T) -> Result<(), (PushError, T)> {
        let woken = {
            let mut state = lock(&self.state);
            if !state.has_room_for(item.weight(), self.bounds.with_reserve()) {
                return Err((PushError::Full, item));
            }
            state.put(item, &self.waits)
        };
        self.woken(woken)
    }

    /// Puts in, once there is room.
    ///
    /// # Errors
    ///
    /// [`PushError::Disconnected`], and what was not put in.
    //= RES-14
    pub fn push_waiting(&self, item: T) -> Result<(), (PushError, T)> {
        let woken = {
            let mut state = lock(&self.state);
            let weight = item.weight();
            if !state.has_room_for(weight, self.bounds) {
                state.sleepers += 1;
                state =
                    wait_while(&self.room, state, |state| !state.has_room_for(weight, self.bounds));
                state.sleepers -= 1;
            }
            state.put(item, &self.waits)
        };
        self.woken(woken)
    }

    /// Puts in if there is room; if not, `task` is woken when there may be. `item` is left where it is until then.
    ///
    /// # Errors
    ///
    /// [`PushError::Disconnected`]; `item` is what was not put in.
    ///
    /// # Panics
    ///
    /// Without an item.
    pub fn poll_push(&self, item: &mut Option<T>, task: &Waker) -> Poll<Result<(), PushError>> {
        let weight = item.as_ref().expect("polled again after it was put in").weight();
        let task = task.clone();
        let woken = {
            let mut state = lock(&self.state);
            if !state.has_room_for(weight, self.bounds) {
                if !state.tasks.iter().any(|known| known.will_wake(&task)) {
                    state.tasks.push(task);
                }
                return Poll::Pending;
            }
            match item.take() {
                Some(item) => state.put(item, &self.waits),
                None => return Poll::Pending,
            }
        };
        Poll::Ready(self.woken(woken).map_err(|(why, back)| {
            *item = Some(back);
            why
        }))
    }

    /// Takes at most `max` out, in their order. Whether more are left.
    pub fn take(&self, max: usize, taken: &mut VecDeque<T>) -> bool {
        if !self.waits.load(Ordering::Relaxed) {
            return false;
        }
        let (more, tasks) = {
            let state = &mut *lock(&self.state);
            let count = max.min(state.waiting.len());
            for item in state.waiting.drain(..count) {
                if let Some((waiting, cost)) = state.load.counter(item.weight()) {
                    *waiting -= cost;
                }
                taken.push_back(item);
            }
            let more = !state.waiting.is_empty();
            self.waits.store(more, Ordering::Relaxed);
            let has_room = state.load.commands < self.bounds.commands;
            if has_room && state.sleepers > 0 && !is_weakened(Weakness::QueueTakesSilently) {
                self.room.notify_all();
            }
            (more, if has_room { std::mem::take(&mut state.tasks) } else { Vec::new() })
        };
        if !is_weakened(Weakness::QueueTakesPastTasks) {
            wake_all(tasks);
        }
        more
    }

    /// Wakes who waits for room although there may be none, as the system is free to do.
    #[cfg(loom)]
    pub fn wake_spuriously(&self) {
        self.room.notify_all();
    }

    /// What those cost that are other workers' for strangers, in bytes.
    #[cfg(all(test, feature = "net"))]
    pub(super) fn claimed_bytes(&self) -> usize {
        lock(&self.state).load.claimed_bytes
    }

    /// Outside the lock: who logs may be the application.
    fn woken(&self, put: Result<io::Result<()>, T>) -> Result<(), (PushError, T)> {
        match put {
            Ok(Ok(())) => Ok(()),
            Ok(Err(error)) => {
                tracing::error!(target: "info", %error, "cannot wake a worker");
                Ok(())
            }
            Err(item) => Err((PushError::Disconnected, item)),
        }
    }
}

impl Bounds {
    fn with_reserve(self) -> Self {
        Bounds { commands: self.commands + self.reserve, ..self }
    }

    /// How much of that kind may wait.
    fn of(self, weight: Weight) -> usize {
        match weight {
            Weight::Command => self.commands,
            Weight::Claimed(_) | Weight::Proved(_) => self.hand_over_bytes,
            Weight::Nothing => usize::MAX,
        }
    }
}

impl Load {
    /// Where something counts, and for how much. What must get through counts nowhere.
    fn counter(&mut self, weight: Weight) -> Option<(&mut usize, usize)> {
        match weight {
            Weight::Command => Some((&mut self.commands, 1)),
            Weight::Claimed(bytes) => Some((&mut self.claimed_bytes, bytes)),
            Weight::Proved(bytes) => Some((&mut self.proved_bytes, bytes)),
            Weight::Nothing => None,
        }
    }
}

impl<T, W: Wake> State<T, W> {
    /// Where nobody takes anything out there is room: [`State::put`] will say so.
    fn has_room_for(&self, weight: Weight, bounds: Bounds) -> bool {
        let mut load = self.load;
        let fits = load
            .counter(weight)
            .is_none_or(|(waiting, cost)| waiting.saturating_add(cost) <= bounds.of(weight));
        fits || self.worker.is_none()
    }

    /// The worker is woken for the first only, unless that failed: it takes what is there before it sleeps. How that
    /// went, or what was not put in because nobody is there.
    fn put(&mut self, item: T, waits: &AtomicBool) -> Result<io::Result<()>, T>
    where
        T: Weigh,
    {
        let Some(worker) = &self.worker else { return Err(item) };
        let is_first = self.waiting.is_empty();
        let early = is_first && is_weakened(Weakness::QueueWakesBeforeItSaysSo);
        let woken = if early { worker.wake() } else { Ok(()) };
        if let Some((waiting, cost)) = self.load.counter(item.weight()) {
            *waiting += cost;
        }
        self.waiting.push_back(item);
        waits.store(true, Ordering::Relaxed);
        let late = (is_first && !early) || self.wake_failed;
        let woken = if late { worker.wake() } else { woken };
        self.wake_failed = woken.is_err();
        Ok(woken)
    }
}

impl<T, W> fmt::Debug for CommandQueue<T, W> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CommandQueue").field("bounds", &self.bounds).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sync::Arc;
    use crate::sync::atomic::AtomicUsize;

    /// How often it was woken. The first time fails.
    struct Wakes(Arc<AtomicUsize>);

    impl Wake for Wakes {
        fn wake(&self) -> io::Result<()> {
            match self.0.fetch_add(1, Ordering::Relaxed) {
                0 => Err(io::Error::other("which nobody can help")),
                _ => Ok(()),
            }
        }
    }

    /// A task whose runtime is gone.
    struct Gone;

    impl std::task::Wake for Gone {
        fn wake(self: std::sync::Arc<Self>) {
            panic!("nobody is there to run it");
        }
    }

    /// A task that counts how often it is woken.
    #[derive(Default)]
    struct Counts(AtomicUsize);

    impl std::task::Wake for Counts {
        fn wake(self: std::sync::Arc<Self>) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }

    impl Weigh for Weight {
        fn weight(&self) -> Weight {
            *self
        }
    }

    const COMMAND: Weight = Weight::Command;
    const BOUNDS: Bounds = Bounds { commands: 2, reserve: 1, hand_over_bytes: 10 };

    fn connected() -> (CommandQueue<Weight, Wakes>, Arc<AtomicUsize>) {
        let (queue, wakes) = (CommandQueue::new(BOUNDS), Arc::new(AtomicUsize::new(0)));
        queue.connect(Wakes(Arc::clone(&wakes)));
        (queue, wakes)
    }

    #[test]
    fn res_14_each_kind_has_its_own_bound_and_what_must_get_through_none() {
        let (queue, _) = connected();
        for _ in 0..2 {
            assert_eq!(queue.push_waiting(COMMAND), Ok(()));
        }
        assert!(queue.poll_push(&mut Some(COMMAND), Waker::noop()).is_pending());
        assert_eq!(queue.try_push(COMMAND), Ok(()), "the reserve");
        assert_eq!(queue.try_push(COMMAND), Err((PushError::Full, COMMAND)));
        for bytes in [4, 6] {
            assert_eq!(queue.try_push(Weight::Claimed(bytes)), Ok(()));
        }
        let (claimed, proved) = (Weight::Claimed(1), Weight::Proved(1));
        assert_eq!(queue.try_push(claimed), Err((PushError::Full, claimed)));
        assert_eq!(queue.try_push(Weight::Proved(10)), Ok(()), "strangers take nothing from it");
        assert_eq!(queue.try_push(proved), Err((PushError::Full, proved)));
        for _ in 0..20 {
            assert_eq!(queue.push(Weight::Nothing), Ok(()));
        }
        let mut taken = VecDeque::new();
        assert!(queue.take(3, &mut taken), "there is more");
        assert_eq!(taken, [COMMAND; 3], "in their order");
        assert_eq!(queue.try_push(claimed), Err((PushError::Full, claimed)));
        assert_eq!(queue.push_waiting(COMMAND), Ok(()));
        assert!(!queue.take(24, &mut taken));
        assert_eq!((queue.try_push(claimed), queue.try_push(proved)), (Ok(()), Ok(())));
    }

    #[test]
    fn the_worker_is_woken_for_the_first_that_waits() {
        let (queue, wakes) = connected();
        for woken in [1, 2, 2] {
            assert_eq!(queue.push(Weight::Nothing), Ok(()), "although the first wake failed");
            assert_eq!(wakes.load(Ordering::Relaxed), woken, "it is woken for that by the second");
        }
        assert!(queue.take(2, &mut VecDeque::new()), "it is not asleep yet");
        assert_eq!(queue.push(Weight::Nothing), Ok(()));
        assert_eq!(wakes.load(Ordering::Relaxed), 2);
        assert!(!queue.take(2, &mut VecDeque::new()));
        assert_eq!(queue.push(Weight::Nothing), Ok(()));
        assert_eq!(wakes.load(Ordering::Relaxed), 3);
    }

    #[test]
    fn cls_07_a_task_whose_runtime_panics_keeps_neither_the_worker_nor_other_tasks() {
        let (queue, _) = connected();
        let counts = std::sync::Arc::new(Counts::default());
        let tasks = [std::sync::Arc::new(Gone).into(), std::sync::Arc::clone(&counts).into()];
        let ask = |queue: &CommandQueue<Weight, Wakes>| {
            for _ in 0..2 {
                let _ = queue.try_push(COMMAND);
            }
            for task in &tasks {
                assert!(queue.poll_push(&mut Some(COMMAND), task).is_pending());
            }
        };
        ask(&queue);
        assert!(!queue.take(2, &mut VecDeque::new()));
        assert_eq!(counts.0.load(Ordering::Relaxed), 1);
        ask(&queue);
        assert_eq!(queue.disconnect(), [COMMAND; 2]);
        assert_eq!(counts.0.load(Ordering::Relaxed), 2);
    }

    #[test]
    fn nothing_is_taken_before_the_worker_is_there_nor_after_it_left() {
        let queue = CommandQueue::<_, Wakes>::new(Bounds { commands: 0, ..BOUNDS });
        let refused = Err((PushError::Disconnected, COMMAND));
        assert_eq!(queue.push_waiting(COMMAND), refused);
        queue.connect(Wakes(Arc::default()));
        let (mut command, waker) = (Some(COMMAND), Waker::noop());
        assert!(queue.poll_push(&mut command, waker).is_pending());
        assert_eq!(queue.push(Weight::Nothing), Ok(()));
        assert_eq!(queue.disconnect(), [Weight::Nothing]);
        assert_eq!((queue.push(COMMAND), queue.try_push(COMMAND)), (refused, refused));
        assert_eq!(queue.push_waiting(COMMAND), refused);
        assert_eq!(queue.poll_push(&mut command, waker), Poll::Ready(Err(PushError::Disconnected)));
        assert_eq!((command, queue.disconnect()), (Some(COMMAND), Vec::new()));
    }
}
