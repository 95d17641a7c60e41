//! The checks that put the real stack beside the model, and what they share.
//!
//! | Module | What it holds |
//! |---|---|
//! | `lockstep` | every edge of the model on the pure core, in memory |
//! | `replay` | traces of the model on real sockets with real OpenSSL |
//! | `validate` | is the log of a free-running server a behaviour of the model? |
//! | `kill_matrix` | which mutant of the real code is noticed where |
//! | `verify` | all of these as one table, for `cargo verify` |
//! | `sut` | the server under test of `cargo sut` |
//! | `peer` | a WebRTC client over real sockets |
//! | `divergence` | where model and real code disagree |
//! | `by_hand`, `live` | a worker that a test steps, and a server on threads of its own, with peers for their transports |

use std::time::Duration;

pub mod by_hand;
mod divergence;
pub mod kill_matrix;
pub mod live;
pub mod lockstep;
pub mod peer;
pub mod replay;
pub mod sut;
pub mod validate;
pub mod verify;

pub use divergence::{Divergence, Finding};

/// How long something may take that happens at once if all is well. Nothing is slower for it unless something is wrong,
/// and other work may keep the processors busy.
pub const PATIENCE: Duration = Duration::from_secs(20);
