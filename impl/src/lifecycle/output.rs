//! What to do: every output of a worker's lifecycle.

use super::ids::{ConnectionId, ListenerId, SocketId, TransportId, Tuple};
use super::state::{CloseReason, DtlsReason, DtlsRole, DtlsState, IceState, Outcome};
use super::timer::Timer;
use crate::fingerprint::Fingerprint;
use std::net::SocketAddr;
use std::time::Duration;

/// An effect to perform: imperative, in order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Output {
    /// Send one datagram. When `about` names a close_notify, answer with `CloseNotifySent`, `CloseNotifyBlocked` or
    /// `CloseNotifyFailed`; otherwise a failure loses that datagram only.
    SendDatagram {
        /// From this socket.
        socket: SocketId,
        /// To this address.
        remote: SocketAddr,
        /// The bytes.
        datagram: Vec<u8>,
        /// What it is about.
        about: About,
    },
    /// Write from the front of the connection's queue ([`Worker::unwritten`](super::Worker::unwritten)); answer with
    /// `BytesWritten`, `ConnectionBlocked` or `ConnectionReset`.
    WriteTcp(ConnectionId),
    /// `shutdown(WR)`; then read and discard, and report `ConnectionAcknowledged` when the send queue is empty.
    ShutdownTcp(ConnectionId),
    /// Close the connection and forget it.
    CloseTcp(ConnectionId),
    /// Reset the connection (RST) and forget it.
    AbortTcp(ConnectionId),
    /// Accept what the kernel has accepted already, close it, and accept no more.
    StopAccepting(ListenerId),
    /// Close the listener.
    ReleaseListener(ListenerId),
    /// Close the socket.
    ReleaseSocket(SocketId),

    /// Begin a handshake, in place of one that may be under way in the other role.
    StartDtls {
        /// Whose.
        transport: TransportId,
        /// Our role: client or server.
        role: DtlsRole,
    },
    /// Compare the peer's certificate with these.
    ExpectFingerprints {
        /// Whose.
        transport: TransportId,
        /// One of them must match.
        fingerprints: Vec<Fingerprint>,
    },
    /// Give a received datagram to DTLS.
    FeedDtls {
        /// Whose.
        transport: TransportId,
        /// All of its records.
        datagram: Vec<u8>,
    },
    /// Encrypt application data; answer with `RecordsMade`.
    EncryptData {
        /// Whose.
        transport: TransportId,
        /// The plaintext.
        data: Vec<u8>,
    },
    /// Make the one close_notify; answer with `CloseNotifyMade`.
    MakeCloseNotify(TransportId),
    /// Free the association.
    DropDtls(TransportId),

    /// Arm a timer, or move it.
    ArmTimer {
        /// Which.
        timer: Timer,
        /// From now.
        after: Duration,
    },
    /// Disarm a timer.
    DisarmTimer(Timer),

    /// Tell the owner.
    Emit {
        /// Whose event.
        transport: TransportId,
        /// What.
        event: Event,
    },
    /// A transport is closed: the last that is heard of it.
    ReportClosed {
        /// Which.
        transport: TransportId,
        /// Why.
        reason: CloseReason,
        /// What became of its close_notify.
        outcome: Outcome,
    },
    /// Frames were dropped unwritten: count them.
    CountDropped {
        /// How many.
        frames: usize,
    },
    /// Nothing is left in this worker but its carriers.
    AcknowledgeDrained,
    /// Its carriers are released.
    AcknowledgeReleased,
}

/// What a datagram is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum About {
    /// A STUN response.
    Reply,
    /// DTLS of this transport that may be lost.
    Records(TransportId),
    /// The close_notify of this transport.
    CloseNotify(TransportId),
}

/// What an owner is told of an open transport, with mediasoup's names in the past tense.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// `icestatechange`
    IceStateChanged(IceState),
    /// `iceselectedtuplechange`
    SelectedTupleChanged(Option<Tuple>),
    /// `dtlsstatechange`, with the reason of a final state.
    DtlsStateChanged(DtlsState, Option<DtlsReason>),
    /// Application data arrived.
    DataReceived(Vec<u8>),
}

/// What became of an input.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Verdict {
    /// It did something.
    Applied,
    /// It was said before and changes nothing.
    Repeated,
    /// It is about something that is gone, or comes too late to matter. Peers and kernels do this all the time.
    Late,
    /// It cannot happen if the shell keeps its contract.
    Impossible,
}

/// The answer to one input: what became of it, and what to do now, in this order.
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use = "outputs that are not performed are lost"]
pub struct Step {
    /// What became of the input.
    pub verdict: Verdict,
    /// What to do now.
    pub outputs: Vec<Output>,
}
