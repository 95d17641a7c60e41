//! What the owner of a transport hears.

use crate::lifecycle::{CloseReason, DtlsReason, DtlsState, IceState, Outcome};
use crate::parameters::TransportTuple;
pub use crate::shell::dtls::DtlsConnected;

/// An event of a transport, under mediasoup's name (`WebRtcTransport.ts`). Events come in their order, on the thread of
/// the transport's worker.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TransportEvent {
    /// `icestatechange`: the new state.
    IceStateChange(IceState),
    /// `iceselectedtuplechange`: where everything is sent from now on; `None`: nowhere, no path is left.
    IceSelectedTupleChange(Option<TransportTuple>),
    /// `dtlsstatechange`.
    DtlsStateChange {
        /// The new state.
        state: DtlsState,
        /// Why it became `failed` or `closed`.
        reason: Option<DtlsReason>,
        /// Keys and certificate, with `connected` only.
        connected: Option<Box<DtlsConnected>>,
    },
    /// Application data arrived: what one DTLS record held.
    Data(Vec<u8>),
    /// `listenserverclose`: the server is closing, and this transport with it.
    ListenServerClose,
    /// The last event: the transport is closed.
    Close {
        /// Who closed it.
        reason: CloseReason,
        /// What became of its close_notify.
        outcome: Outcome,
    },
}
