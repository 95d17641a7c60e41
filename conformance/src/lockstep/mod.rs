//! Lockstep: every edge of the model's graph is fed to the real, pure core of the server, in memory.
//!
//! The real [`Worker`](webrtc_server::lifecycle::Worker) and the real barrier
//! ([`Server`](webrtc_server::lifecycle::server::Server), with one worker) stand in for a server. What surrounds them in
//! life, the shell, OpenSSL, the kernel and the clock, is played by `outside`. After every edge three things are
//! compared: the effects, the state, and the timers that are armed.
//!
//! # The mapping
//!
//! | Model | Real | Where |
//! |---|---|---|
//! | `Action` | the `Input`s that say that it happened | `mapping` |
//! | `Effect` | an `Output`, or an answer to one (`AlertWritten`, `CallersComplete`) | `effects` |
//! | `Core` | `Worker`, `Server`, and what was reported of the transports that are gone | `abstraction` |
//! | `World` | what the outputs did to the kernel, the peers and the callers | `outside` |
//! | an enabled deadline | an armed `Timer` | `timers` |
//! | no action | an `Input` that comes too late, of which nothing may come | `late` |
//!
//! # What has no counterpart
//!
//! * `Unmap` is no output: the routing tables are the core's own. It is read off the tables; its place among the outputs
//!   of the same input is the one of its row in the close order, which is the table that the core walks.
//! * The farewell of a transport that is closed: the transport is gone, its outcome is all that is left, and is compared.
//! * The model's `Ghost` remembers for the properties. Nothing real does.
//! * STUN replies, handshake flights, application data and counters are no effects of the model. They are sent here, to
//!   see that they disturb nothing; replies are counted.

pub(crate) mod abstraction;
pub(crate) mod effects;
mod late;
mod mapping;
pub(crate) mod names;
pub(crate) mod outside;
mod real;
pub(crate) mod report;
mod run;
#[cfg(test)]
mod tests;
pub(crate) mod timers;

pub use report::{Divergence, Lockstep};
pub use run::{Error, run};
