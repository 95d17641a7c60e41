//! The peer itself: who it is and which paths it has.

use std::net::SocketAddr;
use std::os::fd::BorrowedFd;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use webrtc_server::Protocol;
use webrtc_server::wire::stun::TransactionId;

use super::certificate::PeerCertificate;
use super::dtls::{DtlsPhase, DtlsRole, DtlsSession};
use super::error::PeerError;
use super::kernel::{self, Interest};
use super::observed::Observed;
use super::path::{Path, Via};
use super::tcp::{StreamEnd, TcpPath};
use super::udp::UdpPath;

/// What the transport under test announced as its ICE parameters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServerCredentials {
    /// `usernameFragment`.
    pub ufrag: String,
    /// `password`.
    pub password: String,
}

/// What becomes of a DTLS datagram that is collected.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Feed {
    /// The session gets it at once.
    AtOnce,
    /// It waits for [`Peer::feed_inbox`], or for the test to take it away.
    Held,
}

/// A client of one transport.
#[derive(Debug)]
pub struct Peer {
    number: u32,
    transactions: u64,
    credentials: ServerCredentials,
    ufrag: String,
    paths: Vec<PathSlot>,
    pub(super) session: DtlsSession,
    pub(super) feed: Feed,
    /// DTLS datagrams that wait, with the path that each came by.
    pub(super) inbox: Vec<(Via, Vec<u8>)>,
    /// DTLS datagrams that the session made and nobody has sent.
    pub(super) outbox: Vec<Vec<u8>>,
    sent_bytes: u64,
    /// DTLS datagrams that were sent, for [`Peer::resend`].
    pub(super) sent: Vec<Vec<u8>>,
    /// Alert records that the session did not get to yet.
    pub(super) undecided_alerts: Vec<Via>,
    pub(super) observed: Observed,
}

#[derive(Debug)]
struct PathSlot {
    path: Path,
    reading: Reading,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Reading {
    On,
    Paused,
}

/// Tells peers of one process apart, so that no two have the same ufrag.
static NEXT_NUMBER: AtomicU32 = AtomicU32::new(1);

impl Peer {
    /// A peer without paths. `role` is its DTLS role.
    ///
    /// # Errors
    ///
    /// What OpenSSL says.
    pub fn new(
        credentials: ServerCredentials,
        certificate: &PeerCertificate,
        role: DtlsRole,
    ) -> Result<Self, PeerError> {
        Ok(Self::with_session(credentials, DtlsSession::new(role, certificate)?))
    }

    /// A peer without paths that has this session.
    #[must_use]
    pub fn with_session(credentials: ServerCredentials, session: DtlsSession) -> Self {
        let number = NEXT_NUMBER.fetch_add(1, Ordering::Relaxed);
        Self {
            number,
            transactions: 0,
            credentials,
            ufrag: format!("peer{number:04}"),
            paths: Vec::new(),
            session,
            feed: Feed::AtOnce,
            inbox: Vec::new(),
            outbox: Vec::new(),
            sent_bytes: 0,
            sent: Vec::new(),
            undecided_alerts: Vec::new(),
            observed: Observed::default(),
        }
    }

    /// Adds a path that was opened elsewhere.
    pub fn add_path(&mut self, path: Path) -> Via {
        self.paths.push(PathSlot { path, reading: Reading::On });
        Via(self.paths.len() - 1)
    }

    /// Opens a path with default options and adds it.
    ///
    /// # Errors
    ///
    /// As [`Path::open`].
    pub fn open(&mut self, protocol: Protocol, server: SocketAddr) -> Result<Via, PeerError> {
        let path = Path::open(protocol, server)?;
        Ok(self.add_path(path))
    }

    /// A path.
    ///
    /// # Errors
    ///
    /// [`PeerError::NoPath`].
    pub fn path(&mut self, via: Via) -> Result<&mut Path, PeerError> {
        let slot = self.paths.get_mut(via.0).ok_or(PeerError::NoPath(via))?;
        Ok(&mut slot.path)
    }

    /// A path that is a UDP socket.
    ///
    /// # Errors
    ///
    /// [`PeerError::NoPath`].
    pub fn udp(&mut self, via: Via) -> Result<&mut UdpPath, PeerError> {
        match self.path(via)? {
            Path::Udp(path) => Ok(path),
            Path::Tcp(_) => Err(PeerError::NoPath(via)),
        }
    }

    /// A path that is a TCP connection.
    ///
    /// # Errors
    ///
    /// [`PeerError::NoPath`].
    pub fn tcp(&mut self, via: Via) -> Result<&mut TcpPath, PeerError> {
        match self.path(via)? {
            Path::Tcp(path) => Ok(path),
            Path::Udp(_) => Err(PeerError::NoPath(via)),
        }
    }

    /// How a path ended.
    ///
    /// # Errors
    ///
    /// [`PeerError::NoPath`].
    pub fn end(&self, via: Via) -> Result<StreamEnd, PeerError> {
        self.paths.get(via.0).map(|slot| slot.path.end()).ok_or(PeerError::NoPath(via))
    }

    /// How each path ended, in the order of their numbers.
    pub fn ends(&self) -> impl Iterator<Item = (Via, StreamEnd)> {
        self.paths.iter().enumerate().map(|(number, slot)| (Via(number), slot.path.end()))
    }

    /// Stops reading a path, so that the server's send buffer fills up.
    ///
    /// # Errors
    ///
    /// [`PeerError::NoPath`].
    pub fn pause(&mut self, via: Via) -> Result<(), PeerError> {
        self.set_reading(via, Reading::Paused)
    }

    /// Reads a path again.
    ///
    /// # Errors
    ///
    /// [`PeerError::NoPath`].
    pub fn resume(&mut self, via: Via) -> Result<(), PeerError> {
        self.set_reading(via, Reading::On)
    }

    /// Sends one packet of any kind, as a datagram or a frame.
    ///
    /// # Errors
    ///
    /// [`PeerError::NoPath`], and as [`UdpPath::send`] and [`TcpPath::send_frame`].
    pub fn send_packet(&mut self, via: Via, packet: &[u8]) -> Result<(), PeerError> {
        self.path(via)?.send(packet)?;
        self.sent_bytes += packet.len() as u64;
        Ok(())
    }

    /// Bytes of the packets of any kind that were sent, without the lengths of TCP frames.
    #[must_use]
    pub fn sent_bytes(&self) -> u64 {
        self.sent_bytes
    }

    /// Chooses what becomes of DTLS datagrams from now on.
    pub fn set_feed(&mut self, feed: Feed) {
        self.feed = feed;
    }

    /// What was seen so far.
    #[must_use]
    pub fn observed(&self) -> &Observed {
        &self.observed
    }

    /// Takes what was seen so far, so that a long run does not keep it. A close_notify that was seen
    /// stays known.
    pub fn take_observed(&mut self) -> Observed {
        std::mem::take(&mut self.observed)
    }

    /// How far DTLS is.
    #[must_use]
    pub fn phase(&self) -> DtlsPhase {
        self.session.phase()
    }

    /// Whether the handshake is done and nobody has ended the session.
    #[must_use]
    pub fn is_connected(&self) -> bool {
        self.phase() == DtlsPhase::Connected
    }

    /// The DTLS session, for its keys and its errors.
    #[must_use]
    pub fn session(&self) -> &DtlsSession {
        &self.session
    }

    /// Waits until a path that is read has something, or has ended.
    ///
    /// # Errors
    ///
    /// [`PeerError::Barrier`] when nothing came in time, at once if no path can bring anything.
    pub fn await_readable(&self, timeout: Duration) -> Result<(), PeerError> {
        let descriptors: Vec<BorrowedFd<'_>> = self.live_descriptors().collect();
        if !descriptors.is_empty() && kernel::wait(&descriptors, Interest::Readable, timeout)? {
            return Ok(());
        }
        Err(PeerError::Barrier { what: "something to read", waited: timeout })
    }

    /// Collects until the peer is as wanted. `what` names that in the error.
    ///
    /// # Errors
    ///
    /// [`PeerError::Barrier`] when it was not in time; as [`Peer::collect`].
    pub fn await_until(
        &mut self,
        what: &'static str,
        timeout: Duration,
        wanted: impl Fn(&Self) -> bool,
    ) -> Result<(), PeerError> {
        let deadline = Instant::now() + timeout;
        loop {
            self.collect()?;
            if wanted(self) {
                return Ok(());
            }
            // A server that never stops sending must not keep the barrier up.
            let left = deadline.saturating_duration_since(Instant::now());
            match self.await_readable(left) {
                Ok(()) if !left.is_zero() => {}
                Ok(()) | Err(PeerError::Barrier { .. }) => {
                    return Err(PeerError::Barrier { what, waited: timeout });
                }
                Err(error) => return Err(error),
            }
        }
    }

    /// Collects, after a short wait if need be; `false` when nothing came.
    pub(super) fn collect_within(&mut self, wait: Duration) -> Result<bool, PeerError> {
        match self.await_readable(wait) {
            Ok(()) => Ok(self.collect()? > 0),
            Err(PeerError::Barrier { .. }) => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// The server's credentials.
    #[must_use]
    pub fn credentials(&self) -> &ServerCredentials {
        &self.credentials
    }

    /// Speaks of another transport, or of the same one after an ICE restart, from now on.
    pub fn set_credentials(&mut self, credentials: ServerCredentials) {
        self.credentials = credentials;
    }

    /// The peer's own `usernameFragment`.
    #[must_use]
    pub fn ufrag(&self) -> &str {
        &self.ufrag
    }

    /// A transaction id that no peer of this process has used. They count up: a run can be repeated.
    pub fn next_transaction(&mut self) -> TransactionId {
        self.transactions += 1;
        let mut id = [0; 12];
        id[..4].copy_from_slice(&self.number.to_be_bytes());
        id[4..].copy_from_slice(&self.transactions.to_be_bytes());
        TransactionId(id)
    }

    /// Whether a transaction is one of this peer's.
    #[must_use]
    pub fn began(&self, transaction: TransactionId) -> bool {
        transaction.0[..4] == self.number.to_be_bytes()
    }

    pub(super) fn tie_breaker(&self) -> u64 {
        u64::from(self.number)
    }

    /// Takes the packets of every path that is read, path by path.
    pub(super) fn collect_packets(&mut self) -> Result<Vec<(Via, Vec<u8>)>, PeerError> {
        let mut packets = Vec::new();
        for (number, slot) in self.paths.iter_mut().enumerate() {
            if slot.reading == Reading::On {
                let arrived = slot.path.collect()?;
                packets.extend(arrived.into_iter().map(|packet| (Via(number), packet)));
            }
        }
        Ok(packets)
    }

    /// An ended stream is left out: it would be readable for ever.
    fn live_descriptors(&self) -> impl Iterator<Item = BorrowedFd<'_>> {
        let live =
            |slot: &&PathSlot| slot.reading == Reading::On && slot.path.end() == StreamEnd::Open;
        self.paths.iter().filter(live).filter_map(|slot| slot.path.descriptor())
    }

    fn set_reading(&mut self, via: Via, reading: Reading) -> Result<(), PeerError> {
        let slot = self.paths.get_mut(via.0).ok_or(PeerError::NoPath(via))?;
        slot.reading = reading;
        Ok(())
    }
}
