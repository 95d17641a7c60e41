//! What a session tells its owner.

use super::srtp::SrtpKeys;

/// Something that happened to a session, in the order in which it happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DtlsEvent {
    /// Handshake done and the peer's certificate has an expected fingerprint. At most once, and
    /// before any [`DtlsEvent::Data`].
    Connected(Box<DtlsConnected>),
    /// The session ended without the peer's consent; final.
    Failed(DtlsFailure),
    /// The peer closed; at most once. The answer is up to the owner (`DtlsSession::close_notify`).
    CloseNotifyReceived,
    /// The peer ended an established session with this fatal alert (RFC 5246 section 7.2); final.
    FatalAlertReceived(u8),
    /// One message of application data, never empty.
    Data(Vec<u8>),
}

/// What a finished handshake yields.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DtlsConnected {
    /// Keys for SRTP (RFC 5764 section 4.2).
    pub srtp: SrtpKeys,
    /// The peer's certificate, PEM.
    pub remote_certificate: String,
    /// Whether the keys are bound to this handshake (RFC 7627). Every browser negotiates that.
    pub extended_master_secret: bool,
}

/// Why a session failed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DtlsFailure {
    /// The peer's certificate has none of the expected fingerprints (RFC 5763 section 5).
    #[error("the peer's certificate does not match the announced fingerprints")]
    FingerprintMismatch,
    /// No SRTP protection profile in common (RFC 5764 section 4.1).
    #[error("no SRTP protection profile in common")]
    NoSrtpProfile,
    /// The peer ended the handshake with this alert; 0 is close_notify.
    #[error("the peer ended the handshake with alert {0}")]
    AlertReceived(u8),
    /// The handshake cannot be completed, in OpenSSL's words.
    #[error("handshake failed: {0}")]
    Handshake(String),
    /// An authenticated peer broke the protocol after the handshake, in OpenSSL's words.
    #[error("protocol violation after the handshake: {0}")]
    Protocol(String),
}

/// Why a message was not sent; the session is as before.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DtlsSendError {
    /// Handshake or fingerprint check not done, or the session has ended.
    #[error("the DTLS session is not connected")]
    NotConnected,
    /// The record would exceed the MTU; DTLS does not fragment application data.
    #[error("a message of {len} bytes exceeds the {max} bytes that fit a datagram")]
    TooLong {
        /// Bytes of the message.
        len: usize,
        /// Bytes that fit.
        max: usize,
    },
    /// OpenSSL refused, in its words.
    #[error("OpenSSL: {0}")]
    OpenSsl(String),
}
