//! Every ordering of `control` and every wait, and what shows that it is needed.
//!
//! `tests/table.rs` fails when a line of the sources has no row, or a row no line. The loom tests plant each weakness
//! and expect its race to catch it.

use webrtc_server::sync::Weakness;

/// What shows that a line is as strong as it must be.
#[derive(Clone, Copy, Debug)]
pub enum Shown {
    /// This weakness, planted: the race of that name says so.
    Caught(Weakness, &'static str, &'static str),
    /// There is nothing weaker to put there, because the order comes from elsewhere.
    NothingWeaker(&'static str),
}

/// One line, and what shows that it is needed.
#[derive(Clone, Copy, Debug)]
pub struct Row {
    /// The file, below `impl/src`.
    pub file: &'static str,
    /// The line, trimmed; for [`STRUCTURE`] the function in which the weakness is planted.
    pub line: &'static str,
    /// What shows it.
    pub shown: Shown,
}

const fn row(file: &'static str, line: &'static str, shown: Shown) -> Row {
    Row { file, line, shown }
}

use Shown::{Caught, NothingWeaker};

const RACE: &str = "Causality violation";
const DEADLOCK: &str = "deadlock";

const WOKEN_FOR_NOTHING: &str = "nobody stops waiting before it is set";

/// The orderings.
pub const ORDERINGS: &[Row] = &[
    row(
        "control/latch.rs",
        "if is_weakened(Weakness::LatchPublishesRelaxed) { Ordering::Relaxed } else { Ordering::Release }",
        Caught(Weakness::LatchPublishesRelaxed, "completion against a look", RACE),
    ),
    row(
        "control/latch.rs",
        "if is_weakened(Weakness::LatchObservesRelaxed) { Ordering::Relaxed } else { Ordering::Acquire }",
        Caught(Weakness::LatchObservesRelaxed, "close against a look", RACE),
    ),
    row(
        "control/queue.rs",
        "if !self.waits.load(Ordering::Relaxed) {",
        NothingWeaker("the wake orders it"),
    ),
    row(
        "control/queue.rs",
        "self.waits.store(more, Ordering::Relaxed);",
        NothingWeaker("written under the lock"),
    ),
    row(
        "control/queue.rs",
        "waits.store(true, Ordering::Relaxed);",
        NothingWeaker("written under the lock, before the wake"),
    ),
    row(
        "control/server.rs",
        "let number = shared.created.fetch_add(1, Ordering::Relaxed);",
        NothingWeaker("a number that nobody else has: nothing is read because of it"),
    ),
    row(
        "control/transport.rs",
        "let put_in = || handle.0.close_requested.store(false, Ordering::Relaxed);",
        NothingWeaker("nobody else has the handle yet"),
    ),
    row(
        "control/transport.rs",
        "self.0.close_requested.store(made.is_err(), Ordering::Relaxed);",
        NothingWeaker("nobody else has the handle yet"),
    ),
    row(
        "control/transport.rs",
        "self.0.close_requested.load(Ordering::Relaxed)",
        NothingWeaker("a hint for the getters: nothing is read because of it"),
    ),
    row(
        "control/transport.rs",
        "if !self.close_requested.swap(true, Ordering::Relaxed) {",
        NothingWeaker(
            "one of several closes is the first: the command goes through the queue's lock",
        ),
    ),
];

/// The loops around a wait.
pub const WAITS: &[Row] = &[
    row(
        "sync.rs",
        "guard = changed.wait(guard).unwrap_or_else(PoisonError::into_inner);",
        Caught(
            Weakness::SleepersLookOnce,
            "completion against a thread that waits",
            WOKEN_FOR_NOTHING,
        ),
    ),
    row(
        "sync.rs",
        "guard = changed.wait(guard).unwrap_or_else(PoisonError::into_inner);",
        Caught(
            Weakness::SleepersLookOnce,
            "full queue against the worker that takes",
            "the bound holds",
        ),
    ),
    row(
        "sync.rs",
        "guard = changed.wait_timeout(guard, left).unwrap_or_else(PoisonError::into_inner).0;",
        Caught(
            Weakness::SleepersWithDeadlineLookOnce,
            "completion against a thread that waits until a deadline",
            "assertion",
        ),
    ),
];

/// What is needed beside these, in the order of things: the function in which the weakness is planted.
pub const STRUCTURE: &[Row] = &[
    row(
        "control/latch.rs",
        "pub fn set(",
        Caught(
            Weakness::LatchNotifiesBeforeItIsSet,
            "completion against a thread that waits",
            DEADLOCK,
        ),
    ),
    row(
        "control/latch.rs",
        "pub fn set(",
        Caught(Weakness::LatchIsSetPastTasks, "completion against a task", DEADLOCK),
    ),
    row(
        "control/latch.rs",
        "pub(crate) fn forget(",
        Caught(
            Weakness::LatchForgetsAnother,
            "completion against a waiter that gives up",
            DEADLOCK,
        ),
    ),
    row(
        "control/shutdown.rs",
        "fn tasks_of(",
        Caught(
            Weakness::ServerAnswersAtTheGrant,
            "close against the worker that completes it",
            RACE,
        ),
    ),
    row(
        "control/queue.rs",
        "fn put(",
        Caught(
            Weakness::QueueWakesBeforeItSaysSo,
            "command queue against a sleeping worker",
            DEADLOCK,
        ),
    ),
    row(
        "control/queue.rs",
        "pub fn take(",
        Caught(Weakness::QueueTakesSilently, "full queue against the worker that takes", DEADLOCK),
    ),
    row(
        "control/queue.rs",
        "pub fn take(",
        Caught(Weakness::QueueTakesPastTasks, "full queue against a task", DEADLOCK),
    ),
    row(
        "control/queue.rs",
        "pub fn disconnect(",
        Caught(
            Weakness::QueueDisconnectsPastTasks,
            "full queue against worker exit, a task",
            DEADLOCK,
        ),
    ),
    row(
        "control/queue.rs",
        "pub fn disconnect(",
        Caught(Weakness::QueueDisconnectsSilently, "full queue against worker exit", DEADLOCK),
    ),
    row(
        "control/reply.rs",
        "fn drop(",
        Caught(Weakness::ReplyEndsSilently, "a dropped reply against the asker", DEADLOCK),
    ),
    row(
        "control/life.rs",
        "fn drop(",
        Caught(Weakness::LastHandleClosesNothing, "last handle dropped against another", DEADLOCK),
    ),
    row(
        "control/life.rs",
        "pub fn released(",
        Caught(
            Weakness::WorkerReportsBeforeItDisconnects,
            "close against the worker's queue",
            RACE,
        ),
    ),
    row(
        "control/life.rs",
        "fn lost(",
        Caught(
            Weakness::LossIsReportedBeforeTheQueueIsDisconnected,
            "handover against close and the loss of the new owner",
            RACE,
        ),
    ),
    row(
        "control/drain.rs",
        "pub fn admit(",
        Caught(
            Weakness::DrainAsksBeforeItCounts,
            "drain against create_transport",
            "somebody is there",
        ),
    ),
];

/// All of them.
pub fn rows() -> impl Iterator<Item = &'static Row> {
    ORDERINGS.iter().chain(WAITS).chain(STRUCTURE)
}
