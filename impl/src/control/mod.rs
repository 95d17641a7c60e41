//! What crosses threads: the answer to `close()`, and what the workers share to give it.
//!
//! | File | What |
//! |---|---|
//! | `server`, `transport`, `owner`, `options`, `events`, `view`, `dump` | the handles, what they are made with and what they show |
//! | `closing`, `latch`, `reply` | answers, before they are there |
//! | `queue`, `mailbox`, `command` | the way to a worker: bounded, except for what must get through |
//! | `shutdown`, `drain`, `life`, `spawn` | the barrier, who closes when the last has left, a worker's thread and its end |
//! | `handover` | the way between workers |
//! | `random` | ids and credentials |
//!
//! Rules of access, which the loom tests check:
//!
//! 1. The lifecycle machine of the server and the outcomes collected so far are read and changed
//!    under the one lock of [`Shutdown`]. Its outputs are performed after the lock was left.
//! 2. The carriers of a worker are touched by its own thread only, and not after it reported their
//!    release.
//! 3. The [`Latch`] is set after that lock was left, by the thread whose report completed the
//!    close. Whoever sees it set has seen everything that any worker did before its report.
//! 4. No callback, task's waker or [`TellWorkers`] method runs under a lock of ours: each may call back
//!    into any of this. The waker of a worker does: it is gone when its queue is disconnected.
//! 5. What one worker hands to another is owned by one of them, or by the mailbox between them, at any
//!    time; `handover` says why none of it outlives the close.
//! 6. A thread that works for a server waits for no answer of any server, and for no room in a queue:
//!    [`mark_worker_thread`]. So two servers whose callbacks use each other never wait for each other.

#[cfg(all(feature = "net", feature = "testing"))]
#[doc(hidden)]
pub mod by_hand;
pub mod closing;
#[cfg(feature = "net")]
pub mod command;
#[doc(hidden)]
pub mod drain;
#[cfg(feature = "net")]
pub mod dump;
#[cfg(feature = "net")]
pub mod events;
#[cfg(feature = "net")]
#[doc(hidden)]
pub mod handover;
#[doc(hidden)]
pub mod latch;
#[doc(hidden)]
pub mod life;
#[cfg(feature = "net")]
mod mailbox;
#[cfg(feature = "net")]
pub mod options;
#[cfg(feature = "net")]
#[doc(hidden)]
pub mod owner;
#[doc(hidden)]
pub mod queue;
#[cfg(feature = "net")]
mod random;
#[doc(hidden)]
pub mod reply;
#[cfg(feature = "net")]
pub mod server;
#[doc(hidden)]
pub mod shutdown;
#[cfg(feature = "net")]
mod spawn;
#[cfg(feature = "net")]
pub mod transport;
#[cfg(feature = "net")]
mod view;

pub use closing::{Closing, WaitError, mark_worker_thread};
pub use latch::Latch;
pub use shutdown::{Outcomes, Shutdown, TellWorkers};
