//! One DTLS 1.2 session over queues in memory: no socket, no clock of its own.

use std::collections::VecDeque;
use std::io::{self, Read, Write};

use openssl::error::ErrorStack;
use openssl::ssl::{self, Ssl, SslContext, SslStream};

use super::alert;
use super::certificate::{PeerCertificate, sha256_fingerprint};
use super::error::PeerError;
use super::record::Record;
use super::srtp::{self, SrtpMaterial};

/// Bytes of the largest datagram that a handshake sends.
const MTU_BYTES: u32 = 1200;
/// Bytes of the largest plaintext of a record (RFC 5246 section 6.2.1).
const PLAINTEXT_BYTES_MAX: usize = 16_384;
/// OpenSSL reports a fatal alert that it received as this number plus that of the alert.
const ALERT_REASON_OFFSET: i32 = 1000;

/// Who begins the handshake.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum DtlsRole {
    /// This side sends the ClientHello.
    Client,
    /// This side waits for it.
    Server,
}

/// How far the session is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum DtlsPhase {
    /// Not started.
    New,
    /// Flights are exchanged.
    Handshaking,
    /// Both sides may send data.
    Connected,
    /// The other side's close_notify was decrypted. Final.
    PeerClosed,
    /// The other side's fatal alert was decrypted, or the handshake failed. Final.
    Failed,
}

/// What one record brought.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Received {
    /// Application data: one message, or also those that came before the handshake was done.
    pub data: Vec<Vec<u8>>,
    /// Number of the fatal alert that ended the session.
    pub fatal_alert: Option<u8>,
}

/// The "socket" of OpenSSL: one call, one datagram.
#[derive(Debug, Default)]
struct Queues {
    incoming: VecDeque<Vec<u8>>,
    outgoing: Vec<Vec<u8>>,
}

impl Read for Queues {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let datagram = self.incoming.pop_front().ok_or(io::ErrorKind::WouldBlock)?;
        (&datagram[..]).read(buffer)
    }
}

impl Write for Queues {
    fn write(&mut self, datagram: &[u8]) -> io::Result<usize> {
        self.outgoing.push(datagram.to_vec());
        Ok(datagram.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// A session of either role.
///
/// OpenSSL's retransmission timer (1 s, then doubling) is looked at only when the session is given
/// something to do, so that nothing is sent on its own.
#[derive(Debug)]
pub struct DtlsSession {
    stream: SslStream<Queues>,
    role: DtlsRole,
    phase: DtlsPhase,
    failure: Option<String>,
    foreign_errors: usize,
}

impl DtlsSession {
    /// A session that has sent nothing.
    ///
    /// # Errors
    ///
    /// What OpenSSL says.
    pub fn new(role: DtlsRole, certificate: &PeerCertificate) -> Result<Self, ErrorStack> {
        Self::with_mtu(role, certificate, MTU_BYTES)
    }

    /// A session whose flights are cut into datagrams of at most `mtu` bytes; 256 is about the
    /// least that OpenSSL takes.
    ///
    /// # Errors
    ///
    /// What OpenSSL says.
    pub fn with_mtu(
        role: DtlsRole,
        certificate: &PeerCertificate,
        mtu: u32,
    ) -> Result<Self, ErrorStack> {
        Self::of(role, certificate.context(), mtu)
    }

    /// A server that believes a client only with a cookie: its first flight is a HelloVerifyRequest.
    ///
    /// # Errors
    ///
    /// What OpenSSL says.
    pub fn cautious_server(certificate: &PeerCertificate) -> Result<Self, ErrorStack> {
        Self::of(DtlsRole::Server, certificate.cautious(), MTU_BYTES)
    }

    fn of(role: DtlsRole, context: &SslContext, mtu: u32) -> Result<Self, ErrorStack> {
        let mut ssl = Ssl::new(context)?;
        ssl.set_mtu(mtu)?;
        match role {
            DtlsRole::Client => ssl.set_connect_state(),
            DtlsRole::Server => ssl.set_accept_state(),
        }
        let stream = SslStream::new(ssl, Queues::default())?;
        Ok(Self { stream, role, phase: DtlsPhase::New, failure: None, foreign_errors: 0 })
    }

    /// An encrypted fatal alert of this number, as OpenSSL's interface has no word for. The session itself goes on.
    ///
    /// # Errors
    ///
    /// [`PeerError::Dtls`] unless the handshake is done.
    pub fn fatal_alert(&self, description: u8) -> Result<Vec<u8>, PeerError> {
        if self.phase != DtlsPhase::Connected {
            return Err(PeerError::Dtls(format!("no encryption in phase {:?}", self.phase)));
        }
        alert::fatal(self.stream.ssl(), self.role, description)
    }

    /// How far the session is.
    #[must_use]
    pub fn phase(&self) -> DtlsPhase {
        self.phase
    }

    /// Why the session failed, in OpenSSL's words.
    #[must_use]
    pub fn failure(&self) -> Option<&str> {
        self.failure.as_deref()
    }

    /// Errors of other sessions that were found in this thread's OpenSSL error queue. They were
    /// removed: left there, they would have made this session fail.
    #[must_use]
    pub fn foreign_errors(&self) -> usize {
        self.foreign_errors
    }

    /// Begins the handshake, or goes on with it: retransmits the last flight if the timer is due.
    pub fn advance(&mut self) -> Received {
        match self.phase {
            DtlsPhase::New | DtlsPhase::Handshaking => self.shake_hands(),
            DtlsPhase::Connected | DtlsPhase::PeerClosed | DtlsPhase::Failed => Received::default(),
        }
    }

    /// Takes one record from the other side. A final session ignores it.
    pub fn feed(&mut self, record: &Record<'_>) -> Received {
        if matches!(self.phase, DtlsPhase::PeerClosed | DtlsPhase::Failed) {
            return Received::default();
        }
        self.stream.get_mut().incoming.push_back(record.bytes.to_vec());
        let received = match self.phase {
            DtlsPhase::New | DtlsPhase::Handshaking => self.shake_hands(),
            DtlsPhase::Connected => self.read_record(),
            DtlsPhase::PeerClosed | DtlsPhase::Failed => Received::default(),
        };
        // OpenSSL reads until nothing is left, except behind an end.
        self.stream.get_mut().incoming.clear();
        received
    }

    /// Encrypts application data.
    ///
    /// # Errors
    ///
    /// [`PeerError::Dtls`] unless connected, or after this side's close_notify.
    pub fn write(&mut self, data: &[u8]) -> Result<(), PeerError> {
        if self.phase != DtlsPhase::Connected {
            return Err(PeerError::Dtls(format!("no data in phase {:?}", self.phase)));
        }
        self.discard_foreign_errors();
        let result = self.stream.ssl_write(data).map(|_| ()).map_err(|error| failed(&error));
        discard_own_errors();
        result
    }

    /// Makes one close_notify. A second call makes none.
    ///
    /// # Errors
    ///
    /// [`PeerError::Dtls`] unless the handshake was done.
    pub fn close(&mut self) -> Result<(), PeerError> {
        if !matches!(self.phase, DtlsPhase::Connected | DtlsPhase::PeerClosed) {
            return Err(PeerError::Dtls(format!("no close_notify in phase {:?}", self.phase)));
        }
        self.discard_foreign_errors();
        let result = match self.stream.shutdown() {
            // A second call wants to read the answer, which comes through `feed` only.
            Err(error) if error.code() != ssl::ErrorCode::WANT_READ => Err(failed(&error)),
            Ok(_) | Err(_) => Ok(()),
        };
        discard_own_errors();
        result
    }

    /// The datagrams that wait to be sent.
    pub fn take_outgoing(&mut self) -> Vec<Vec<u8>> {
        std::mem::take(&mut self.stream.get_mut().outgoing)
    }

    /// The SRTP keys.
    ///
    /// # Errors
    ///
    /// [`PeerError::Dtls`] before the handshake is done, or if it agreed on no profile.
    pub fn srtp_material(&self) -> Result<SrtpMaterial, PeerError> {
        if matches!(self.phase, DtlsPhase::New | DtlsPhase::Handshaking) {
            return Err(PeerError::Dtls("no keys yet".to_owned()));
        }
        srtp::export(self.stream.ssl())
    }

    /// SHA-256 fingerprint of the certificate that the other side showed.
    #[must_use]
    pub fn remote_fingerprint(&self) -> Option<String> {
        let certificate = self.stream.ssl().peer_certificate()?;
        sha256_fingerprint(&certificate).ok()
    }

    fn shake_hands(&mut self) -> Received {
        self.phase = DtlsPhase::Handshaking;
        self.discard_foreign_errors();
        let result = self.stream.do_handshake();
        let received = match result {
            Ok(()) => {
                self.phase = DtlsPhase::Connected;
                // Records that came early wait inside OpenSSL.
                self.read_record()
            }
            Err(error) => self.stop_for(&error),
        };
        discard_own_errors();
        received
    }

    /// Reads the plaintext of the record that was queued last, and then until nothing is left: a
    /// handshake can have kept early records back, one at the most for each that was fed.
    fn read_record(&mut self) -> Received {
        let mut received = Received::default();
        let mut buffer = vec![0; PLAINTEXT_BYTES_MAX];
        while self.phase == DtlsPhase::Connected {
            self.discard_foreign_errors();
            match self.stream.ssl_read(&mut buffer) {
                Ok(length) => received.data.push(buffer[..length].to_vec()),
                Err(error) if error.code() == ssl::ErrorCode::WANT_READ => break,
                Err(error) => received.fatal_alert = self.stop_for(&error).fatal_alert,
            }
        }
        discard_own_errors();
        received
    }

    /// Goes to the phase that an error means.
    fn stop_for(&mut self, error: &ssl::Error) -> Received {
        match error.code() {
            ssl::ErrorCode::WANT_READ | ssl::ErrorCode::WANT_WRITE => return Received::default(),
            ssl::ErrorCode::ZERO_RETURN => self.phase = DtlsPhase::PeerClosed,
            _ => {
                self.phase = DtlsPhase::Failed;
                self.failure = Some(error.to_string());
            }
        }
        Received { data: Vec::new(), fatal_alert: error.ssl_error().and_then(received_alert) }
    }

    fn discard_foreign_errors(&mut self) {
        self.foreign_errors += ErrorStack::get().errors().len();
    }
}

/// OpenSSL's error queue belongs to the thread, hence to the server as well.
fn discard_own_errors() {
    drop(ErrorStack::get());
}

fn failed(error: &ssl::Error) -> PeerError {
    PeerError::Dtls(error.to_string())
}

/// The fatal alert from the other side, if that is what the errors are about.
fn received_alert(errors: &ErrorStack) -> Option<u8> {
    let mut reasons = errors.errors().iter().map(openssl::error::Error::reason_code);
    reasons.find_map(|reason| u8::try_from(reason.checked_sub(ALERT_REASON_OFFSET)?).ok())
}
