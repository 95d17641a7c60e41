//! Replay: traces of the model are performed on the real stack, and everything is compared after every step.
//!
//! The server is a [`shell::Worker`](webrtc_server::shell::Worker) with real kernel sockets and real OpenSSL, stepped by
//! hand on this thread, with a clock that stands still. Each transport has a real [`Peer`](crate::peer::Peer).
//!
//! | File | What it holds |
//! |---|---|
//! | `stage` | the world of one trace: server, owners, callers, peers |
//! | `barrier` | who waits in `close()`, and the machine that lets them go |
//! | `client` | one peer and its two paths |
//! | `book` | which real address and number is which of the model's names |
//! | `perform`, `kernel` | how each action of the model is made to happen |
//! | `journal` | the outputs of the real core as effects of the model |
//! | `alarms` | which alarms must be armed in which state |
//! | `compare`, `wire` | what is compared after a step: in the server, and at the peer |
//! | `probe` | old datagrams at the end of a trace |
//! | `run` | traces in, report out |
//!
//! # Barriers
//!
//! Nothing sleeps for a fixed time. An action ends when what it leads to can be observed: an event of the poll, a packet at
//! the peer, an answer of the kernel. What does not come within [`PATIENCE`] is an error of the harness
//! ([`ReplayError::Harness`]) if the kernel owes it, and a [`Finding`] if the server does.
//!
//! # What is held back
//!
//! Two events of the kernel are kept from the server until the model lets them happen: that the UDP socket is writable
//! while it plays full, and that a connection is writable while its queue waits for room.

mod alarms;
mod barrier;
mod book;
mod client;
mod compare;
mod journal;
mod kernel;
mod perform;
mod probe;
mod report;
mod run;
mod stage;
#[cfg(test)]
mod tests;
mod wire;

use std::time::Duration;

pub use report::{Divergence, Finding, Replay, ReplayError};
pub use run::{Descriptors, Plan, replay, replay_small, replay_standard};

/// How long something may take that happens at once if all is well.
pub const PATIENCE: Duration = Duration::from_secs(2);
