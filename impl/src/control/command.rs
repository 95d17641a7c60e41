//! What a handle asks of the worker that owns its transport, and workers of each other.

use super::dump::{Stats, TransportState, WorkerDump};
use super::events::TransportEvent;
use super::handover::{HandOver, WORD_COST};
use super::owner::Owner;
use super::queue::{Weigh, Weight};
pub use super::reply::Reply;
use crate::fingerprint::Fingerprint;
use crate::lifecycle::server::WorkerId;
use crate::lifecycle::{
    CloseReason, ConnectionId, Credentials, DtlsRole, Outcome, TransportId, Tuple,
};
use crate::shell::dtls::DtlsContext;
use crate::sync::Arc;
use std::time::{Duration, Instant};

/// Hears the events of one transport, on its worker's thread, and nothing after `Close`.
pub type EventSink = Box<dyn FnMut(TransportEvent) + Send>;

/// How a transport ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ClosedTransport {
    /// Who closed it.
    pub reason: CloseReason,
    /// What became of its close_notify.
    pub outcome: Outcome,
}

/// Why a worker refused a command; nothing was changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// The transport or the server is closing or closed.
    #[error("closed")]
    Closed,
    /// `connect()` was called before.
    #[error("connect() was called before")]
    AlreadyConnected,
    /// DTLS is not connected, or there is no path.
    #[error("not connected")]
    NotConnected,
    /// The server drains: it makes no transports any more.
    #[error("the server drains")]
    Draining,
    /// The worker has too much to do already, and an event callback cannot wait for it.
    #[error("too many commands wait")]
    QueueFull,
    /// The message does not fit one DTLS record within the MTU.
    #[error("the message does not fit the MTU")]
    TooLong,
}

/// One command.
pub enum Command {
    /// Makes a transport.
    CreateTransport {
        /// Its id, never used before.
        transport: TransportId,
        /// Its first ICE credentials.
        credentials: Credentials,
        /// Silence after which consent has expired; `None`: never.
        consent: Option<Duration>,
        /// The certificate that it shows, ready for use.
        dtls: DtlsContext,
        /// Hears what becomes of it.
        owner: Owner,
        /// Whether it was made.
        reply: Reply<Result<(), Refused>>,
    },
    /// mediasoup's `connect()`; answered with our own role.
    Connect {
        /// Whose.
        transport: TransportId,
        /// The peer's role.
        remote_role: DtlsRole,
        /// What its certificate must match.
        fingerprints: Vec<Fingerprint>,
        /// Our role.
        reply: Reply<Result<DtlsRole, Refused>>,
    },
    /// New ICE credentials.
    RestartIce {
        /// Whose.
        transport: TransportId,
        /// The new ones.
        credentials: Credentials,
        /// Whether they are in force.
        reply: Reply<Result<(), Refused>>,
    },
    /// Sends application data.
    Send {
        /// Whose.
        transport: TransportId,
        /// One message.
        data: Vec<u8>,
        /// Whether it was taken; it may still be dropped when a queue is full.
        reply: Option<Reply<Result<(), Refused>>>,
    },
    /// Closes a transport in order.
    CloseTransport {
        /// Which.
        transport: TransportId,
    },
    /// Closes this worker's share of the server in order.
    CloseServer {
        /// When whatever is left is aborted; `None`: never.
        until: Option<Instant>,
    },
    /// The server drains: connections are closed as soon as they are accepted.
    Drain {
        /// When it closes, whoever is left; `None`: whenever the last has left.
        until: Option<Instant>,
    },
    /// Every worker is drained.
    GrantRelease,
    /// What is there.
    DumpServer {
        /// The dump.
        reply: Reply<WorkerDump>,
    },
    /// What is there of one transport; `None` when it is closed.
    DumpTransport {
        /// Which.
        transport: TransportId,
        /// What its dump and its counters are made of.
        reply: Reply<Option<TransportState>>,
    },
    /// Counters.
    GetStats {
        /// The counters.
        reply: Reply<Stats>,
    },
    /// From another worker: something of this one's arrived there.
    TakeOver(HandOver),
    /// From another worker, to the home of a tuple: a check that was handed over proved that the tuple is its.
    TupleProved {
        /// A UDP tuple.
        tuple: Tuple,
        /// Whose it is now.
        owner: WorkerId,
    },
    /// From the home of a tuple to its former owner: the tuple is another worker's now.
    TupleTaken {
        /// A UDP tuple.
        tuple: Tuple,
    },
    /// Answer to a question: the check proved a password of that worker.
    ConnectionProved {
        /// The connection on which it came.
        connection: ConnectionId,
        /// The check.
        check: Vec<u8>,
        /// Whose the connection is now.
        owner: WorkerId,
        /// What came with the question.
        asking: Arc<()>,
    },
    /// Answer to a question: the check is to be refused.
    ConnectionRefused {
        /// The connection on which it came.
        connection: ConnectionId,
        /// The error response.
        reply: Vec<u8>,
        /// What came with the question.
        asking: Arc<()>,
    },
}

impl Weigh for Command {
    /// What the application can ask for as often as it likes is counted, and all that a peer can cause.
    fn weight(&self) -> Weight {
        match self {
            Command::CreateTransport { .. }
            | Command::Connect { .. }
            | Command::RestartIce { .. }
            | Command::Send { .. }
            | Command::DumpServer { .. }
            | Command::DumpTransport { .. }
            | Command::GetStats { .. } => Weight::Command,
            Command::TakeOver(hand_over) => hand_over.weight(),
            Command::TupleProved { .. } => Weight::Proved(WORD_COST),
            Command::ConnectionProved { check, .. } => Weight::Proved(WORD_COST + check.len()),
            Command::ConnectionRefused { reply, .. } => Weight::Claimed(WORD_COST + reply.len()),
            Command::CloseTransport { .. }
            | Command::CloseServer { .. }
            | Command::Drain { .. }
            | Command::GrantRelease
            | Command::TupleTaken { .. } => Weight::Nothing,
        }
    }
}
