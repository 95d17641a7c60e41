//! The states that an application sees, with mediasoup's names, and the reasons that it is given.

use serde::{Deserialize, Serialize};

/// `iceState` (mediasoup `WebRtcTransport`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum IceState {
    /// No valid check yet.
    New,
    /// A valid check came; none of them nominated.
    Connected,
    /// The peer nominated a tuple.
    Completed,
    /// Every tuple was lost, or consent expired.
    Disconnected,
    /// The transport was closed.
    Closed,
}

/// `dtlsState` (mediasoup `WebRtcTransport`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum DtlsState {
    /// There was no ICE path yet.
    New,
    /// The handshake is under way, or done and waits for `connect()`.
    Connecting,
    /// Keys are agreed and the peer's fingerprint is the announced one.
    Connected,
    /// The handshake failed. Final.
    Failed,
    /// The peer, or the owner, closed the association. Final.
    Closed,
}

/// A DTLS role (RFC 5763 §5).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum DtlsRole {
    /// Not decided yet.
    Auto,
    /// Sends the ClientHello.
    Client,
    /// Waits for it.
    Server,
}

/// Why a transport was closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum CloseReason {
    /// Its owner called `close()`.
    Owner,
    /// Its server was closed: mediasoup's `listenserverclose`.
    ServerClosed,
}

/// What became of the one close_notify of a transport that was closed.
//= CLS-04
//= CLS-32
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(tag = "type", content = "reason", rename_all = "camelCase")]
pub enum Outcome {
    /// The peer answered with its own, or its TCP acknowledged every byte.
    Confirmed,
    /// It was handed to the kernel.
    Sent,
    /// There was nobody to say it to.
    NotNeeded(NotNeeded),
    /// It could not be handed to the kernel.
    Dropped(DropReason),
}

/// Why no close_notify was called for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum NotNeeded {
    /// DTLS never began.
    NotConnected,
    /// The handshake was under way: no keys to encrypt it with.
    Handshaking,
    /// DTLS had failed.
    Failed,
    /// The peer had said it first, and was answered then; or its fatal alert, or a breach of the protocol, had ended
    /// the association.
    PeerClosed,
    /// No tuple was left to send it on.
    NoPath,
}

/// Why a close_notify could not leave.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum DropReason {
    /// The send buffer stayed full until the deadline.
    Deadline,
    /// The peer reset the TCP connection under it.
    Reset,
    /// Consent expired while it waited: nothing more may be sent (RFC 7675 §5.1).
    NoConsent,
    /// Another transport proved that the tuple is its own by now.
    PathTaken,
    /// The socket or connection was gone already: a defect of the close order if it ever shows.
    CarrierReleased,
    /// The system refused it for another reason.
    Io,
}

/// Why DTLS became `failed` or `closed`.
//= CLS-30
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum DtlsReason {
    /// The peer's close_notify.
    CloseNotify,
    /// The peer's fatal alert, with its code (RFC 5246 §7.2).
    Alert(u8),
    /// The peer's certificate is not the one that was announced.
    FingerprintMismatch,
    /// No SRTP profile in common.
    NoSrtpProfile,
    /// The handshake did not finish in time.
    HandshakeTimeout,
    /// The handshake broke.
    Handshake,
    /// The peer broke the protocol after the handshake. It gets a fatal alert, unless it left a renegotiation
    /// unfinished.
    Protocol,
}
