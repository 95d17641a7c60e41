//! The lifecycle of a server, its transports and their connections, as pure data and decisions: no socket, no clock, no
//! thread, no OpenSSL. Inputs are what happened, outputs are what to do. SPEC.md §3 is the text to this code.
//!
//! Time comes in as [`Input::TimerFired`] and goes out as [`Output::ArmTimer`]; the core knows durations, never
//! moments. What is wanted but has no answer yet is state, and every reason to close leads through [`close_order`].
//!
//! There are two machines. [`Worker`] is one worker's share: routing, transports, connections, the close order.
//! [`server`] is the whole: it waits for every worker before carriers are released, and for every release before a
//! caller of `close()` returns.

pub mod close_order;
mod connection;
mod farewell;
mod ids;
mod input;
mod limits;
mod output;
mod queue;
mod routing;
pub mod server;
mod state;
mod timer;
mod transport;
mod worker;
mod wrong_orders;

#[cfg(feature = "testing")]
pub use crate::mutants::{Layer, Mutant, UnknownMutant};
pub use connection::{Connection, ConnectionPhase, InputHalf, WriteState};
pub use farewell::{Farewell, QueuedRecord};
pub use ids::{ConnectionId, ListenerId, SocketId, TransportId, Tuple};
pub use input::{Check, Credential, Input, RecordKind};
pub(crate) use limits::source_of;
pub use limits::{Limits, SEND_QUEUE_BYTES_MAX, SEND_QUEUE_RESERVE_BYTES};
pub use output::{About, Event, Output, Step, Verdict};
pub use queue::{FrameKind, SendQueue};
pub use routing::{Credentials, Routes};
pub use state::{
    CloseReason, DropReason, DtlsReason, DtlsRole, DtlsState, IceState, NotNeeded, Outcome,
};
pub use timer::Timer;
pub use transport::{IceAgent, Phase, Transport};
pub use worker::{Worker, WorkerPhase};
