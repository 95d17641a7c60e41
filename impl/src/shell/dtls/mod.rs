//! The DTLS 1.2 engine of a WebRTC transport: OpenSSL over in-memory datagrams.
//!
//! Nothing in here owns a socket or a thread. A [`DtlsSession`] is fed with the datagrams that ICE
//! accepted ([`DtlsSession::receive`]) and hands back datagrams ([`DtlsSession::poll_datagram`])
//! and events ([`DtlsSession::poll_event`]); the caller asks [`DtlsSession::next_timeout`] how long
//! it may sleep. One `DtlsContext` (certificate, ciphers, limits) serves many sessions.
//!
//! Rules that hold everywhere below:
//!
//! 1. The thread's OpenSSL error queue is emptied before every call into a session's `SSL` object,
//!    so what one session left behind never ends another (one place: `DtlsSession::call`).
//! 2. All records of a datagram are processed before `receive` returns.
//! 3. A session that ended stays ended: no event, datagram or timer follows, except datagrams
//!    queued before.
//! 4. Unauthenticated bytes allocate a bounded amount of memory (`records.rs`).

mod certificate;
mod context;
mod event;
mod outcome;
mod queue;
mod records;
mod session;
mod srtp;
mod timer;

#[cfg(test)]
mod test_pair;
#[cfg(test)]
mod tests_certificate;
#[cfg(test)]
mod tests_close;
#[cfg(test)]
mod tests_forged;
#[cfg(test)]
mod tests_handshake;
#[cfg(test)]
mod tests_loss;
#[cfg(test)]
mod tests_records;

pub use crate::fingerprint::{Fingerprint, FingerprintError, HashAlgorithm};
pub use certificate::{Certificate, CertificateError};
pub use context::{DtlsContext, DtlsContextError, DtlsOptions};
pub use event::{DtlsConnected, DtlsEvent, DtlsFailure, DtlsSendError};
pub(crate) use session::RECORD_CONTENT_BYTES_MAX;
pub use session::{DtlsRole, DtlsSession};
pub use srtp::{SrtpKey, SrtpKeys, SrtpProfile};
