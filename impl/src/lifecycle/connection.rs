//! One TCP connection: SPEC.md §3.4.

use super::ids::{ListenerId, TransportId};
use super::queue::SendQueue;
use std::net::SocketAddr;

/// Where a connection stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ConnectionPhase {
    /// No check has bound it to a transport yet.
    Unbound,
    /// One of the tuples of this transport.
    Bound(TransportId),
    /// Its use is over; what is queued is still written.
    Flushing {
        /// The transport that it belonged to, which waits for its end.
        owner: Option<TransportId>,
        /// Whether the peer has ended its half already.
        input: InputHalf,
    },
    /// `shutdown(WR)` is done; input is read and discarded.
    Draining {
        /// The transport that it belonged to, which waits for its end.
        owner: Option<TransportId>,
    },
}

/// The peer's half of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum InputHalf {
    /// The peer may still send.
    Open,
    /// The peer's FIN was read.
    Finished,
}

/// Who has to act next for bytes to leave.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum WriteState {
    /// Nothing waits.
    Idle,
    /// A `WriteTcp` was put out and not answered yet.
    Writing,
    /// The send buffer is full.
    Blocked,
}

/// An accepted connection.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Connection {
    /// Where it stands.
    pub phase: ConnectionPhase,
    /// What waits to be written.
    pub queue: SendQueue,
    /// Who has to act next.
    pub write: WriteState,
    /// Where it was accepted.
    pub listener: ListenerId,
    /// The peer's address.
    pub remote: SocketAddr,
}

impl Connection {
    pub(super) fn new(listener: ListenerId, remote: SocketAddr) -> Self {
        Connection {
            phase: ConnectionPhase::Unbound,
            queue: SendQueue::default(),
            write: WriteState::Idle,
            listener,
            remote,
        }
    }

    /// The transport that it belongs or belonged to.
    pub fn owner(&self) -> Option<TransportId> {
        match self.phase {
            ConnectionPhase::Unbound => None,
            ConnectionPhase::Bound(owner) => Some(owner),
            ConnectionPhase::Flushing { owner, .. } | ConnectionPhase::Draining { owner } => owner,
        }
    }

    /// A write was put out and not answered yet.
    pub(super) fn is_writing(&self) -> bool {
        self.write == WriteState::Writing
    }

    /// Whether what arrives on it still counts.
    pub fn is_in_use(&self) -> bool {
        match self.phase {
            ConnectionPhase::Unbound | ConnectionPhase::Bound(_) => true,
            ConnectionPhase::Flushing { .. } | ConnectionPhase::Draining { .. } => false,
        }
    }
}
