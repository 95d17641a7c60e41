//! Connecting to a server that runs on its own: in another thread or another process.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use super::agent::{Peer, ServerCredentials};
use super::certificate::PeerCertificate;
use super::dialogue::HandshakeGoal;
use super::dtls::{DtlsPhase, DtlsRole};
use super::error::PeerError;
use super::path::{Protocol, Via};

/// First wait for the answer to a check; doubles (RFC 8445 section 14.3 has 500 ms, which loopback
/// does not need).
const CHECK_WAIT: Duration = Duration::from_millis(100);
/// How often OpenSSL is asked whether its retransmission timer is due.
const TIMER_TICK: Duration = Duration::from_millis(100);

impl Peer {
    /// Opens a path, has it checked and nominated, and handshakes as DTLS client. Blocks.
    ///
    /// # Errors
    ///
    /// As [`Peer::connect_via`].
    pub fn connect_over(
        protocol: Protocol,
        server: SocketAddr,
        credentials: ServerCredentials,
        certificate: &PeerCertificate,
        timeout: Duration,
    ) -> Result<(Self, Via), PeerError> {
        let mut peer = Self::new(credentials, certificate, DtlsRole::Client)?;
        let via = peer.open(protocol, server)?;
        peer.connect_via(via, timeout)?;
        Ok((peer, via))
    }

    /// Has a path checked and nominated, and handshakes over it in the peer's role. Blocks.
    ///
    /// # Errors
    ///
    /// [`PeerError::Barrier`] when it takes longer than `timeout` or the check is refused;
    /// [`PeerError::Dtls`] when the handshake fails.
    pub fn connect_via(&mut self, via: Via, timeout: Duration) -> Result<(), PeerError> {
        let deadline = Instant::now() + timeout;
        self.await_check(via, true, timeout)?;
        self.start_handshake(via)?;
        while !self.has_reached(HandshakeGoal::Connected, 0)? {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Err(PeerError::Barrier { what: "DTLS handshake", waited: timeout });
            }
            match self.await_readable(left.min(TIMER_TICK)) {
                Ok(()) => {
                    self.collect()?;
                    self.pump(via)?;
                }
                Err(PeerError::Barrier { .. }) => drop(self.retransmit_if_due(via)?),
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// Sends checks until one is granted. Blocks.
    ///
    /// # Errors
    ///
    /// [`PeerError::Barrier`] when none was granted in time; as [`Peer::check`].
    pub fn await_check(
        &mut self,
        via: Via,
        nominate: bool,
        timeout: Duration,
    ) -> Result<(), PeerError> {
        let what = "an answer to a check";
        let deadline = Instant::now() + timeout;
        let mut wait = CHECK_WAIT;
        loop {
            let transaction = self.check(via, nominate)?;
            let left = deadline.saturating_duration_since(Instant::now());
            let answered = self.await_until(what, wait.min(left), |peer| {
                peer.observed().answer_to(transaction).is_some()
            });
            let granted = self.observed().answer_to(transaction).map(|answer| answer.is_success());
            match (answered, granted) {
                (Ok(()), Some(true)) => return Ok(()),
                (Ok(()), Some(false) | None) => {
                    return Err(PeerError::Barrier { what: "a granted check", waited: timeout });
                }
                (Err(PeerError::Barrier { .. }), _) if wait < left => wait *= 2,
                (Err(PeerError::Barrier { .. }), _) => {
                    return Err(PeerError::Barrier { what, waited: timeout });
                }
                (Err(error), _) => return Err(error),
            }
        }
    }

    /// Waits for the server's close_notify. Blocks.
    ///
    /// # Errors
    ///
    /// [`PeerError::Barrier`] when it did not come in time.
    pub fn await_close_notify(&mut self, timeout: Duration) -> Result<(), PeerError> {
        self.await_until("close_notify", timeout, |peer| peer.phase() == DtlsPhase::PeerClosed)
    }

    /// Checks that the server showed the certificate that it announced.
    ///
    /// # Errors
    ///
    /// [`PeerError::Fingerprint`]; [`PeerError::Dtls`] before there is a certificate.
    pub fn expect_fingerprint(&self, expected: &str) -> Result<(), PeerError> {
        let Some(actual) = self.session.remote_fingerprint() else {
            return Err(PeerError::Dtls("the server has shown no certificate".to_owned()));
        };
        if actual == expected {
            return Ok(());
        }
        Err(PeerError::Fingerprint { expected: expected.to_owned(), actual })
    }
}
