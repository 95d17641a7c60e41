//! What the server does about an action, in order.

use serde::{Deserialize, Serialize};

use crate::action::TransportId;
use crate::state::{CloseReason, DtlsState, IceState, Outcome, Via};

/// One output of the server. A step returns them in the order in which they happen.
///
/// The order is meaningful within one transport, and between each of these and the effects that
/// name no transport. Effects of different transports in one step do not constrain each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Effect {
    /// The listener accepts nothing from now on.
    StopAccepting,
    /// The DTLS association makes its close_notify.
    MakeAlert(TransportId),
    /// The close_notify is offered to the UDP socket, which takes it or is full.
    OfferDatagramAlert(TransportId),
    /// The ufrags and tuples of a closing transport leave the routing tables.
    Unmap(TransportId),
    /// The last byte of the close_notify was handed over to the TCP connection.
    AlertWritten(TransportId),
    /// `shutdown(WR)` on the connection.
    ShutdownWrite(TransportId),
    /// The connection is closed.
    CloseConnection(TransportId),
    /// The connection is closed with a reset.
    AbortConnection(TransportId),
    /// The selected tuple is another one, or there is none any more.
    SelectedTupleChanged(TransportId, Option<Via>),
    /// The ICE state of an open transport changed.
    IceStateChanged(TransportId, IceState),
    /// The DTLS state of an open transport changed.
    DtlsStateChanged(TransportId, DtlsState),
    /// The transport is closed; the last that is heard of it.
    TransportClosed(TransportId, CloseReason, Outcome),
    /// No transport and no connection is left.
    WorkerDrained,
    /// The UDP socket is closed.
    ReleaseSocket,
    /// The listener is closed.
    ReleaseListener,
    /// The worker has released its carriers.
    WorkerReleased,
    /// Everybody who waits in `close()` returns.
    CallersComplete,
}

impl Effect {
    /// The transport that it is about, if it is about one.
    pub fn transport(self) -> Option<TransportId> {
        match self {
            Self::MakeAlert(t)
            | Self::OfferDatagramAlert(t)
            | Self::Unmap(t)
            | Self::AlertWritten(t)
            | Self::ShutdownWrite(t)
            | Self::CloseConnection(t)
            | Self::AbortConnection(t)
            | Self::SelectedTupleChanged(t, _)
            | Self::IceStateChanged(t, _)
            | Self::DtlsStateChanged(t, _)
            | Self::TransportClosed(t, _, _) => Some(t),
            Self::StopAccepting
            | Self::WorkerDrained
            | Self::ReleaseSocket
            | Self::ReleaseListener
            | Self::WorkerReleased
            | Self::CallersComplete => None,
        }
    }
}
