//! A WebRTC client for tests: ICE controlling agent, DTLS 1.2 endpoint, over real sockets.
//!
//! A [`Peer`] belongs to one transport of the server under test. It has paths, each a [`UdpPath`]
//! or a [`TcpPath`], and names them by [`Via`]; it has one DTLS session; and it writes down what it
//! saw in [`Observed`].
//!
//! # The contract
//!
//! The thread that drives a peer may be the one that steps the server, so a peer never waits for an
//! answer on its own account. Every exchange has two halves:
//!
//! | Half | Methods | Effect |
//! |---|---|---|
//! | send | [`Peer::check`], [`Peer::flush`], [`Peer::send_data`], ... | hands bytes to the kernel |
//! | collect | [`Peer::collect`] | takes what the kernel holds, sends nothing |
//!
//! Only methods named `await_*` wait. They wait for the peer's own sockets, through `poll(2)`, up to
//! a deadline, and answer [`PeerError::Barrier`] when it passes.
//! [`Peer::handshake`] is given the server's step and calls it; [`Peer::connect_over`] is for a
//! server that has its own thread.
//!
//! # What is not shared with the server under test
//!
//! STUN and framing are written and read by `webrtc_server::wire`, which has test vectors of its
//! own. DTLS is not: [`DtlsSession`] is a second, small user of OpenSSL, so that a mistake in the
//! server's engine has no twin here.

mod agent;
mod alert;
mod blocking;
mod certificate;
mod check;
mod collecting;
mod dialogue;
mod dtls;
mod error;
pub(crate) mod kernel;
mod observed;
mod path;
mod record;
mod srtp;
mod tcp;
#[cfg(test)]
mod test_server;
#[cfg(test)]
mod tests_dtls;
#[cfg(test)]
mod tests_peer;
#[cfg(test)]
mod tests_tcp;
mod udp;

pub use agent::{Feed, Peer, ServerCredentials};
pub use alert::{FATAL, HANDSHAKE_FAILURE, INTERNAL_ERROR};
pub use certificate::PeerCertificate;
pub use check::CheckOptions;
pub use dialogue::{Delivery, HandshakeGoal};
pub use dtls::{DtlsPhase, DtlsRole, DtlsSession, Received};
pub use error::PeerError;
pub use observed::{Late, Observed, PacketSort, StunObserved};
pub use path::{Path, Via};
pub use record::{Record, plaintext_alert, records};
pub use srtp::SrtpMaterial;
pub use tcp::{StreamEnd, TcpOptions, TcpPath};
pub use udp::UdpPath;
pub use webrtc_server::Protocol;
