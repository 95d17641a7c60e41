//! Lockstep: every edge of the model's graph is fed to the real, pure core of the server, in memory.
//!
//! A real [`Worker`](webrtc_server::lifecycle::Worker) for each worker of the model, with its sockets and listeners,
//! and the real barrier ([`Server`](webrtc_server::lifecycle::server::Server)) between them stand in for a server. What
//! surrounds them in life, the shell, OpenSSL, the kernel, the owner and the clock, is played by `outside` and `dtls`.
//! After every edge three things are compared: the effects, the state, and the timers that are armed.
//!
//! # The mapping
//!
//! | Model | Real | Where |
//! |---|---|---|
//! | `Action` | the `Input`s that say that it happened | `mapping` |
//! | `Effect` | an `Output`, or an answer to one (`AlertWritten`, `CallersComplete`) | `effects` |
//! | `Core` | `Worker`s, `Server`, and what was reported of the transports that are gone | `abstraction` |
//! | `World` | what the outputs did to the kernel, the peers and the owner | `outside` |
//! | an enabled deadline | an armed `Timer` of the worker | `timers` |
//! | `ConnectionId`, opened again, or at another worker | another id, the same addresses and ports | `names` |
//! | a connection in flight | the carrier in the mailbox of a worker, which no core has | `handovers` |
//! | `AddressId` | a socket and a remote address; different sockets see the same ones | `names` |
//! | no action | an `Input` that comes too late, of which nothing may come | `late` |
//!
//! # What has no counterpart
//!
//! * `Unmap` is no output: the routing tables are the core's own. It is read off the tables; its place among the
//!   outputs of the same input is the one of its row in the close order, which is the table that the core walks.
//! * The farewell of a transport that is closed: the transport is gone, its outcome is all that is left, and is
//!   compared.
//! * The peer's acknowledgement of a reply on a connection that was opened again since: the model does not tell its
//!   uses apart there.
//! * The model's `Ghost` remembers for the properties. Nothing real does.
//! * Handshake flights, application data and counters are no effects of the model. They are sent here, to see that they
//!   disturb nothing. STUN replies are counted, and one that waits at the front of a queue is in the model's state.
//! * Frames between the first one and an alert, and behind an alert, leave with these or are dropped: the model does
//!   not count them, and of the real ones nothing is compared but that they follow no alert.
//! * The fatal alert that ends a failed handshake: the model has no place for one that waits for its connection.
//! * Datagrams that are handed over, and the hints of who has a tuple: to the core a datagram comes where it belongs.
//! * NOMINATION values, passwords and fingerprints.

pub(crate) mod abstraction;
mod detect;
mod dtls;
pub(crate) mod effects;
mod handovers;
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
mod way;

pub use detect::{Detection, MutantReport, detect};
pub use report::Lockstep;
pub(crate) use run::guarded;
pub use run::{Error, run, run_until};
pub use way::walk;
