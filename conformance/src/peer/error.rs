//! What can go wrong on the peer's side of a test.

use std::io;
use std::time::Duration;

use openssl::error::ErrorStack;
use thiserror::Error;
use webrtc_server::wire::framing::FrameTooLong;

use super::path::Via;

/// Why a peer could not do what it was told.
#[derive(Debug, Error)]
pub enum PeerError {
    /// What a barrier waited for did not come in time: most often the finding of a test.
    #[error("{what}: not within {waited:?}")]
    Barrier {
        /// What was waited for.
        what: &'static str,
        /// How long.
        waited: Duration,
    },
    /// The kernel refused something that no server can cause.
    #[error(transparent)]
    Io(#[from] io::Error),
    /// OpenSSL refused a certificate or a setting.
    #[error("OpenSSL: {0}")]
    OpenSsl(#[from] ErrorStack),
    /// The DTLS session does not allow this now, or failed.
    #[error("DTLS: {0}")]
    Dtls(String),
    /// The server showed another certificate than it announced.
    #[error("the server's fingerprint is {actual}, not {expected}")]
    Fingerprint {
        /// As announced.
        expected: String,
        /// As computed.
        actual: String,
    },
    /// The test names a path that this peer does not have, or of the other protocol.
    #[error("no such path: {0:?}")]
    NoPath(Via),
    /// The test names a datagram that was never sent.
    #[error("no sent DTLS datagram has the index {0}")]
    NeverSent(usize),
    /// More than one RFC 4571 frame can hold.
    #[error(transparent)]
    FrameTooLong(#[from] FrameTooLong),
}
