//! What the server does about an action, in order.

use serde::{Deserialize, Serialize};

use crate::ids::{ConnectionId, ListenerId, SocketId, TransportId, WorkerId};
use crate::state::{CloseReason, DtlsState, IceState, Outcome, Tuple};

/// One output of the server. A step returns them in the order in which they happen.
///
/// The order is meaningful within one transport with its connections, and between each of these and the effects that
/// name neither. Effects of different transports in one step do not constrain each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Effect {
    /// The listener accepts nothing from now on.
    StopAccepting(ListenerId),
    /// The DTLS association makes its close_notify.
    MakeAlert(TransportId),
    /// The close_notify is offered to the UDP socket, which takes it or is full.
    OfferDatagramAlert(TransportId, SocketId),
    /// The ufrags and tuples of a closing transport leave the routing tables.
    Unmap(TransportId),
    /// The last byte of the close_notify was handed over to the TCP connection.
    AlertWritten(TransportId, ConnectionId),
    /// `shutdown(WR)` on the connection.
    ShutdownWrite(ConnectionId),
    /// The connection is closed.
    CloseConnection(ConnectionId),
    /// The connection is closed with a reset.
    AbortConnection(ConnectionId),
    /// The selected tuple is another one, or there is none any more.
    SelectedTupleChanged(TransportId, Option<Tuple>),
    /// The ICE state of an open transport changed.
    IceStateChanged(TransportId, IceState),
    /// The DTLS state of an open transport changed.
    DtlsStateChanged(TransportId, DtlsState),
    /// The transport is closed; the last that is heard of it.
    TransportClosed(TransportId, CloseReason, Outcome),
    /// No transport and no connection of the worker is left.
    WorkerDrained(WorkerId),
    /// The UDP socket is closed.
    ReleaseSocket(SocketId),
    /// The listener is closed.
    ReleaseListener(ListenerId),
    /// The worker has released its carriers.
    WorkerReleased(WorkerId),
    /// Everybody who waits in `close()` returns.
    CallersComplete,
}

impl Effect {
    /// The transport that it names, if it names one.
    pub fn transport(self) -> Option<TransportId> {
        match self {
            Self::MakeAlert(t)
            | Self::OfferDatagramAlert(t, _)
            | Self::Unmap(t)
            | Self::AlertWritten(t, _)
            | Self::SelectedTupleChanged(t, _)
            | Self::IceStateChanged(t, _)
            | Self::DtlsStateChanged(t, _)
            | Self::TransportClosed(t, _, _) => Some(t),
            Self::StopAccepting(_)
            | Self::ShutdownWrite(_)
            | Self::CloseConnection(_)
            | Self::AbortConnection(_)
            | Self::WorkerDrained(_)
            | Self::ReleaseSocket(_)
            | Self::ReleaseListener(_)
            | Self::WorkerReleased(_)
            | Self::CallersComplete => None,
        }
    }

    /// The connection that it names, if it names one.
    pub fn connection(self) -> Option<ConnectionId> {
        match self {
            Self::AlertWritten(_, c)
            | Self::ShutdownWrite(c)
            | Self::CloseConnection(c)
            | Self::AbortConnection(c) => Some(c),
            Self::StopAccepting(_)
            | Self::MakeAlert(_)
            | Self::OfferDatagramAlert(..)
            | Self::Unmap(_)
            | Self::SelectedTupleChanged(..)
            | Self::IceStateChanged(..)
            | Self::DtlsStateChanged(..)
            | Self::TransportClosed(..)
            | Self::WorkerDrained(_)
            | Self::ReleaseSocket(_)
            | Self::ReleaseListener(_)
            | Self::WorkerReleased(_)
            | Self::CallersComplete => None,
        }
    }

    /// Is it an event of a transport, which its owner's callback hears?
    pub fn is_event(self) -> bool {
        matches!(
            self,
            Self::SelectedTupleChanged(..)
                | Self::IceStateChanged(..)
                | Self::DtlsStateChanged(..)
                | Self::TransportClosed(..)
        )
    }
}
