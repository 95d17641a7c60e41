//! What can go wrong, by whose fault it is.

use crate::control::command::Refused;
use crate::parameters::DtlsParametersError;
use crate::shell::bind::{BindError, BindFailure};
use crate::shell::dtls::{CertificateError, DtlsContextError};
use openssl::error::ErrorStack;
use std::io;

/// Why a call failed; nothing was changed and nothing was left open.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The caller's: there is nothing to listen on.
    #[error("empty listenInfos")]
    NoListenInfos,
    /// The caller's: more listen infos than its options allow, or than candidates can have priorities.
    #[error("{count} listenInfos, at most {max} are allowed")]
    TooManyListenInfos {
        /// How many there are.
        count: usize,
        /// How many are allowed.
        max: usize,
    },
    /// The caller's: the protocols that are enabled match none of the listen infos.
    #[error("empty iceCandidates: no listenInfo has an enabled protocol")]
    NoCandidates,
    /// The caller's: the peer's DTLS parameters.
    #[error(transparent)]
    DtlsParameters(#[from] DtlsParametersError),
    /// The caller's: the DTLS options.
    #[error(transparent)]
    DtlsOptions(#[from] DtlsContextError),
    /// The caller's: certificate and key.
    #[error(transparent)]
    Certificate(#[from] CertificateError),
    /// The caller's or the system's: a listen info.
    #[error(transparent)]
    Bind(#[from] BindError),
    /// The caller's: the state does not allow it.
    #[error(transparent)]
    Refused(#[from] Refused),
    /// The caller's: this call waits for a worker, and no callback may: it runs on the thread of one.
    #[error("this call waits for a worker and was made inside a callback, on the thread of one")]
    OnWorkerThread,
    /// The system's.
    #[error("the system refused: {0}")]
    System(#[from] io::Error),
    /// OpenSSL's: no randomness.
    #[error("no random bytes: {0}")]
    Random(#[from] ErrorStack),
}

impl Error {
    /// The name under which mediasoup's API throws it: `TypeError`, `InvalidStateError`, `NotFoundError` or `IoError`.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Error::NoListenInfos
            | Error::TooManyListenInfos { .. }
            | Error::NoCandidates
            | Error::DtlsParameters(_)
            | Error::DtlsOptions(_)
            | Error::Certificate(_)
            | Error::Refused(Refused::TooLong) => "TypeError",
            Error::Bind(bind) => match bind.reason {
                BindFailure::PortRange(_) | BindFailure::BufferSize(_) => "TypeError",
                BindFailure::PortRangeExhausted { .. } | BindFailure::Io { .. } => "IoError",
            },
            Error::Refused(Refused::Closed) => "NotFoundError",
            Error::Refused(
                Refused::AlreadyConnected
                | Refused::NotConnected
                | Refused::Draining
                | Refused::QueueFull,
            )
            | Error::OnWorkerThread => "InvalidStateError",
            Error::System(_) | Error::Random(_) => "IoError",
        }
    }
}
