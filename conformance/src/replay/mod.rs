//! Replay: traces of the model are performed on the real stack, and everything is compared after every step.
//!
//! The server is one or more [`shell::Worker`](webrtc_server::shell::Worker)s with real kernel sockets and real
//! OpenSSL, stepped by hand on this thread, with a clock that stands still. Each transport has a real
//! [`Peer`](crate::peer::Peer).
//!
//! | File | What it holds |
//! |---|---|
//! | `stage` | the world of one trace: workers, owners, callers, peers |
//! | `barrier` | who waits in `close()`, and the machine that lets them go |
//! | `client` | one peer, and the owner of its transport with what he does in callbacks |
//! | `wires` | the peers' ends of all paths, and for whom it is what comes in there |
//! | `book` | which real address and number is which of the model's names |
//! | `perform`, `dialogue`, `kernel` | how each action of the model is made to happen |
//! | `flights` | what the server says of a handshake is not lost |
//! | `handovers` | connections that one worker accepts and hands to another |
//! | `journal` | the outputs of the real cores as effects of the model |
//! | `alarms` | which alarms must be armed in which state |
//! | `compare`, `wire`, `leavings`, `descriptors` | what is compared after a step: in the server, at the peer, of what is over, and in the process |
//! | `probe` | rules that need no model, tried behind handshakes and at the end of a trace |
//! | `overdue` | what does not come in time, and whose fault that is |
//! | `support` | which configurations the stage can play |
//! | `run`, `report`, `things` | traces in, report out |
//! | `shard` | a share of the traces |
//! | `file` | traces in files, for `cargo replay` |
//! | `blackbox` | traces against another server, in a process of its own |
//! | `again` | the one command that shows a divergence again |
//!
//! # Barriers
//!
//! Nothing sleeps for a fixed time. An action ends when what it leads to can be observed: an event of the poll, a
//! packet at the peer, an answer of the kernel. What does not come within [`PATIENCE`](crate::PATIENCE) is an error of
//! the harness ([`ReplayError::Harness`]) if the kernel owes it, and a [`Finding`](crate::Finding) if the server does:
//! the kernel is asked. A stack that panics has diverged as well.
//!
//! # What is held back
//!
//! Three events of the kernel are kept from the server until the model lets them happen: that a UDP socket is writable
//! while it plays full, that a connection is writable while its queue waits for room, and that it is readable while its
//! input lies unread. Commands of the barrier and of callbacks arrive when the model says so.
//! Those of the barrier lie in the real mailboxes of the workers, among what these hand to each other.
//!
//! # What is pretended
//!
//! Real are: checks, handshakes and where they stop, alerts, FIN, RST, unread input, partial writes into a full
//! connection, acknowledgements, reuse of ports and descriptors. Five things the kernel cannot be made to say, or not
//! at the moment that the model chooses. There the shell pretends, which it does for tests only:
//!
//! | What | How |
//! |---|---|
//! | a UDP socket is full | [`set_socket_full`](webrtc_server::shell::Worker::set_socket_full) |
//! | a connection is full, or nearly so, between two frames | [`set_write_room`](webrtc_server::shell::Worker::set_write_room) |
//! | only a write finds that a connection was reset | the same |
//! | an accepted connection cannot be kept | [`set_refuses_connections`](webrtc_server::shell::Worker::set_refuses_connections) |
//! | the batch of events holds one of a connection that ended | [`meet_stale_event`](webrtc_server::shell::Worker::meet_stale_event) |
//!
//! The workers of a server listen at the same addresses; those of this stage have ports of their own, so that the model
//! says where a peer arrives, and carriers of the same numbers, by which they know what is handed over.
//!
//! The threads that call `close()` or drop their handles are played as well. The barrier is the real one, and so is the
//! latch that answers them; that handles pass on what they are asked for, and that threads meet there in any order, is
//! for loom and validation to see.

mod again;
mod alarms;
mod barrier;
mod blackbox;
mod book;
mod client;
mod compare;
mod descriptors;
mod dialogue;
mod file;
mod flights;
mod handovers;
mod journal;
mod kernel;
mod leavings;
mod overdue;
mod perform;
mod probe;
mod report;
mod run;
mod shard;
mod stage;
mod support;
#[cfg(test)]
mod tests;
#[cfg(test)]
mod tests_probe;
mod things;
mod wire;
mod wires;

pub use again::{again, folder, keep_in};
pub use blackbox::{AdapterError, BlackboxError, Seen, perform_outside};
pub use descriptors::Descriptors;
pub use file::{FileError, TraceFile, read_traces};
pub use report::{Replay, ReplayError};
pub use run::{Suite, replay, replay_watched};
pub use shard::{Shard, ShardError};
pub use support::{Target, check as check_support};
pub use things::Things;
