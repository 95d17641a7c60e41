//! What happened: every input of a worker's lifecycle.

use super::ids::{ConnectionId, ListenerId, SocketId, TransportId, Tuple};
use super::queue::SendQueue;
use super::routing::Credentials;
use super::state::{DropReason, DtlsReason, DtlsRole};
use super::timer::Timer;
use crate::fingerprint::Fingerprint;
use std::net::SocketAddr;
use std::time::Duration;

/// Something that happened: past tense, in the order in which it did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Input {
    /// The owner created a transport.
    TransportCreated {
        /// Its id, never used before.
        transport: TransportId,
        /// Its first ICE credentials.
        credentials: Credentials,
        /// Silence after which consent has expired; `None`: never.
        consent: Option<Duration>,
    },
    /// The owner told the peer's DTLS parameters: mediasoup's `connect()`.
    ConnectRequested {
        /// Whose.
        transport: TransportId,
        /// The peer's role.
        remote_role: DtlsRole,
        /// The fingerprints of the peer's certificate, of which one must match.
        fingerprints: Vec<Fingerprint>,
    },
    /// The owner restarted ICE.
    IceRestarted {
        /// Whose.
        transport: TransportId,
        /// The new credentials.
        credentials: Credentials,
    },
    /// The owner gave application data.
    DataSubmitted {
        /// Whose.
        transport: TransportId,
        /// One DTLS record's worth of bytes.
        data: Vec<u8>,
    },
    /// The owner closed a transport.
    TransportCloseRequested {
        /// Which.
        transport: TransportId,
    },
    /// The server is closing: this worker closes its share.
    ServerCloseRequested {
        /// When whatever is left is aborted, from now.
        deadline: Duration,
    },
    /// Every worker has acknowledged: carriers may be released.
    ReleaseGranted,

    /// A listener accepted a connection.
    ConnectionAccepted {
        /// Its id, never used before.
        connection: ConnectionId,
        /// Whose.
        listener: ListenerId,
        /// The peer's address.
        remote: SocketAddr,
    },
    /// A check on a connection that is bound to no transport named one of another worker, which gets the connection.
    /// Applied, the connection is not this worker's any more; else it stays.
    ConnectionHandedOver {
        /// This connection.
        connection: ConnectionId,
    },
    /// Another worker handed a connection over.
    ConnectionTakenOver {
        /// Its id here, never used before.
        connection: ConnectionId,
        /// Whose: this worker's listener at the same address as the one that accepted it.
        listener: ListenerId,
        /// The peer's address.
        remote: SocketAddr,
        /// What its peer is still owed.
        queue: SendQueue,
    },
    /// The peer's end of input: FIN.
    ConnectionFinished {
        /// Of this connection.
        connection: ConnectionId,
    },
    /// RST, or any error that ends the connection.
    ConnectionReset {
        /// This connection.
        connection: ConnectionId,
    },
    /// The connection can take bytes again.
    ConnectionWritable {
        /// This connection.
        connection: ConnectionId,
    },
    /// Answer to [`Output::WriteTcp`](super::Output::WriteTcp): this many bytes were taken.
    BytesWritten {
        /// By this connection.
        connection: ConnectionId,
        /// Bytes, from the front of the queue.
        bytes: usize,
    },
    /// Answer to [`Output::WriteTcp`](super::Output::WriteTcp): the send buffer is full.
    ConnectionBlocked {
        /// Of this connection.
        connection: ConnectionId,
    },
    /// After `shutdown(WR)`: the peer's TCP acknowledged every byte.
    ConnectionAcknowledged {
        /// Of this connection.
        connection: ConnectionId,
    },

    /// A socket can take datagrams again.
    SocketWritable {
        /// This socket.
        socket: SocketId,
    },
    /// A STUN check whose integrity was verified with the transport's password.
    CheckReceived {
        /// Where it came from.
        tuple: Tuple,
        /// Whose password it proves.
        transport: TransportId,
        /// What it says.
        check: Check,
        /// The success response that belongs to it.
        reply: Vec<u8>,
    },
    /// A check on this tuple proved the password of another worker's transport: it is not ours any more. A connection
    /// is bound to no transport then.
    TupleTaken {
        /// The tuple.
        tuple: Tuple,
    },
    /// A STUN request that is answered and changes nothing: it earned an error, or is a retransmission.
    CheckRefused {
        /// Where it came from.
        tuple: Tuple,
        /// The response.
        reply: Vec<u8>,
    },
    /// A datagram or frame that is DTLS by its first byte.
    DtlsReceived {
        /// Where it came from.
        tuple: Tuple,
        /// All of its records.
        datagram: Vec<u8>,
    },
    /// A frame that is neither STUN nor DTLS nor RTP, or cannot be read.
    JunkReceived {
        /// Where it came from.
        tuple: Tuple,
    },

    /// DTLS has a datagram to send that is not a close_notify: a flight or application data.
    RecordsMade {
        /// Whose.
        transport: TransportId,
        /// The datagram.
        datagram: Vec<u8>,
        /// What it is.
        kind: RecordKind,
    },
    /// Answer to [`Output::MakeCloseNotify`](super::Output::MakeCloseNotify).
    CloseNotifyMade {
        /// Whose.
        transport: TransportId,
        /// The record; `None` when DTLS would not make one.
        datagram: Option<Vec<u8>>,
    },
    /// Answer to the datagram that carries a close_notify: the kernel took it.
    CloseNotifySent {
        /// Whose.
        transport: TransportId,
    },
    /// Answer to the datagram that carries a close_notify: try again later (EAGAIN, ENOBUFS).
    CloseNotifyBlocked {
        /// Whose.
        transport: TransportId,
    },
    /// Answer to the datagram that carries a close_notify: refused.
    CloseNotifyFailed {
        /// Whose.
        transport: TransportId,
        /// Why.
        reason: DropReason,
    },
    /// The handshake finished and the peer's fingerprint is right.
    HandshakeCompleted {
        /// Whose.
        transport: TransportId,
    },
    /// The handshake failed, or DTLS broke after it: a fatal alert was sent if one can be.
    HandshakeFailed {
        /// Whose.
        transport: TransportId,
        /// Why.
        reason: DtlsReason,
    },
    /// The peer's close_notify was decrypted.
    CloseNotifyReceived {
        /// Whose.
        transport: TransportId,
    },
    /// The peer's fatal alert was decrypted.
    FatalAlertReceived {
        /// Whose.
        transport: TransportId,
        /// Its code.
        code: u8,
    },
    /// Application data was decrypted.
    DataReceived {
        /// Whose.
        transport: TransportId,
        /// One record's bytes.
        data: Vec<u8>,
    },

    /// A timer that was armed has run out.
    TimerFired(Timer),
}

/// What an authenticated check says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Check {
    /// Which credentials it used.
    pub credential: Credential,
    /// USE-CANDIDATE was there.
    pub use_candidate: bool,
    /// The NOMINATION value (draft-thatcher-ice-renomination).
    pub nomination: Option<u32>,
}

/// Credentials before or after an ICE restart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Credential {
    /// The newest.
    Current,
    /// Those before the last restart, valid until the new ones were used.
    Previous,
}

/// What a DTLS datagram carries, as far as queues care.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RecordKind {
    /// A handshake flight, or the alert that ends a failed handshake.
    Flight,
    /// Application data: dropped first.
    Data,
}
