//! One DTLS association (RFC 6347) of one transport.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use openssl::error::ErrorStack;
use openssl::ssl::{Ssl, SslStream};

use super::context::{DtlsContext, PeerCheck, VERIFY_MODE};
use super::event::{DtlsConnected, DtlsEvent, DtlsFailure, DtlsSendError};
use super::outcome::{Outcome, discard_stale_errors};
use super::queue::DatagramQueues;
use super::records::{
    CHACHA20_OVERHEAD_BYTES, CIPHER_OVERHEAD_BYTES_MAX, HandshakeAdmission, records,
};
use super::{srtp, timer};
use crate::fingerprint::Fingerprint;
use crate::mutants::{Mutant, Planted};

/// Record header and what the cipher adds.
const RECORD_OVERHEAD_BYTES: usize = 13 + CIPHER_OVERHEAD_BYTES_MAX;
/// Content of one record (RFC 5246 section 6.2.1).
pub(crate) const RECORD_CONTENT_BYTES_MAX: usize = 16_384;
/// Messages kept between the end of the handshake and the arrival of the fingerprints; more are
/// dropped.
const HELD_MESSAGES_MAX: usize = 16;
/// Enough for what one record can lead to; no reading loop runs longer.
const READS_PER_RECORD_MAX: usize = 16;

/// Which side of the handshake a session plays (RFC 5763 section 5: `active` is the client).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum DtlsRole {
    /// Sends the ClientHello.
    Client,
    /// Waits for it.
    Server,
}

/// Where a session stands. Each phase is left at most once.
#[derive(Debug)]
enum Phase {
    /// A client that was not started.
    Idle,
    /// Exchanging flights.
    Handshaking,
    /// Handshake done, fingerprints not known yet: these messages wait for them.
    Unverified { held: Vec<Vec<u8>> },
    /// In use.
    Connected,
    /// The peer's close_notify came; ours is not sent.
    PeerClosed,
    /// Our close_notify is sent; the peer's may still come.
    LocallyClosed,
    /// Final.
    Ended,
}

/// One DTLS association over in-memory datagrams.
///
/// After each call fetch the datagrams ([`Self::poll_datagram`]) and the events
/// ([`Self::poll_event`]), then ask for [`Self::next_timeout`]. Dropping a session sends nothing.
#[derive(Debug)]
pub struct DtlsSession {
    stream: SslStream<DatagramQueues>,
    role: DtlsRole,
    phase: Phase,
    peer: Arc<PeerCheck>,
    admission: HandshakeAdmission,
    events: VecDeque<DtlsEvent>,
    data_bytes_max: usize,
    planted: Planted,
}

impl DtlsSession {
    /// Makes a session; nothing is sent before [`Self::start`] or [`Self::receive`].
    ///
    /// # Errors
    ///
    /// What OpenSSL says, which can only be a lack of memory.
    pub fn new(context: &DtlsContext, role: DtlsRole) -> Result<Self, ErrorStack> {
        Self::with_mutant(context, role, Planted::default())
    }

    /// As [`Self::new`], with the mutant that its worker has.
    pub(crate) fn with_mutant(
        context: &DtlsContext,
        role: DtlsRole,
        planted: Planted,
    ) -> Result<Self, ErrorStack> {
        discard_stale_errors();
        let mut ssl = Ssl::new(&context.ssl)?;
        let mtu = u32::try_from(context.options.mtu).unwrap_or(u32::MAX);
        ssl.set_mtu(mtu)?;
        timer::install(&mut ssl, context.options.retransmission_initial)?;
        let peer = Arc::new(PeerCheck { planted, ..PeerCheck::default() });
        let check = Arc::clone(&peer);
        ssl.set_verify_callback(VERIFY_MODE, move |_, store| check.verify(store));
        //= DTL-01
        let phase = match role {
            DtlsRole::Client => {
                ssl.set_connect_state();
                Phase::Idle
            }
            DtlsRole::Server => {
                ssl.set_accept_state();
                Phase::Handshaking
            }
        };
        Ok(Self {
            stream: SslStream::new(ssl, DatagramQueues::default())?,
            role,
            phase,
            peer,
            admission: HandshakeAdmission::default(),
            events: VecDeque::new(),
            data_bytes_max: context.options.mtu - RECORD_OVERHEAD_BYTES,
            planted,
        })
    }

    /// Which side this session plays.
    pub fn role(&self) -> DtlsRole {
        self.role
    }

    /// Largest message for [`Self::send`], in bytes.
    pub fn data_bytes_max(&self) -> usize {
        self.data_bytes_max
    }

    /// Whether [`Self::send`] may be used.
    pub fn is_connected(&self) -> bool {
        matches!(self.phase, Phase::Connected)
    }

    /// A client sends its ClientHello. For a server, and when called again, nothing happens.
    pub fn start(&mut self) {
        if matches!(self.phase, Phase::Idle) {
            self.phase = Phase::Handshaking;
            self.advance_handshake();
        }
    }

    /// Announces what the peer's certificate must look like (RFC 8122). The first call counts.
    ///
    /// Before the end of the handshake a peer that does not match gets a fatal `bad_certificate`
    /// alert. After it, OpenSSL has no way to send one: the session fails silently, and neither
    /// keys nor data come out.
    //= DTL-10
    pub fn expect_fingerprints(&mut self, fingerprints: Vec<Fingerprint>) {
        // `Unverified` says that none were set before.
        let _ = self.peer.expected.set(fingerprints);
        if matches!(self.phase, Phase::Unverified { .. }) {
            self.announce();
        }
    }

    /// Processes one datagram, with all of its records in order.
    ///
    /// What does not authenticate, does not parse or comes too late is ignored.
    //= DTL-17
    pub fn receive(&mut self, datagram: &[u8]) {
        for record in records(datagram) {
            // One by one, because each may be the one that leads to another phase.
            let (admitted, process): (_, fn(&mut Self)) = match self.phase {
                Phase::Handshaking => {
                    let encrypted = self.has_taken_change_cipher_spec();
                    (self.admission.admits(&record, encrypted), Self::advance_handshake)
                }
                Phase::Unverified { .. } | Phase::Connected | Phase::LocallyClosed => {
                    (record.may_decrypt(self.cipher_overhead()), Self::drain)
                }
                Phase::Idle | Phase::PeerClosed | Phase::Ended => return,
            };
            if admitted {
                self.stream.get_mut().incoming.push_back(record.as_dtls_1_2());
                process(self);
            }
        }
    }

    /// Encrypts one message into one datagram. An empty message sends nothing.
    ///
    /// # Errors
    ///
    /// [`DtlsSendError`]; the session goes on.
    pub fn send(&mut self, data: &[u8]) -> Result<(), DtlsSendError> {
        if !self.is_connected() {
            return Err(DtlsSendError::NotConnected);
        }
        //= DTL-20
        if data.len() > self.data_bytes_max {
            let (len, max) = (data.len(), self.data_bytes_max);
            return Err(DtlsSendError::TooLong { len, max });
        }
        match self.call(|stream| stream.ssl_write(data)) {
            Ok(_) => Ok(()),
            Err(error) => Err(DtlsSendError::OpenSsl(error.to_string())),
        }
    }

    /// Says goodbye: puts exactly one close_notify (RFC 5246 section 7.2.1) into the outgoing queue
    /// and returns `true`, if the handshake is done and none was sent before.
    ///
    /// During a handshake, after a failure and when called again, nothing is sent and nothing
    /// changes. After it, datagrams are only looked through for the peer's own close_notify. If the
    /// peer closed first this is the answer, and final.
    //= CLS-15
    //= DTL-28
    pub fn close_notify(&mut self) -> bool {
        self.phase = match self.phase {
            Phase::Unverified { .. } | Phase::Connected => Phase::LocallyClosed,
            Phase::PeerClosed => Phase::Ended,
            Phase::Idle | Phase::Handshaking | Phase::LocallyClosed | Phase::Ended => return false,
        };
        let before = self.stream.get_ref().outgoing.len();
        // Any error would show in the queue.
        let _ = self.call(SslStream::shutdown);
        self.stream.get_ref().outgoing.len() > before
    }

    /// How long to wait before [`Self::handle_timeout`]; `None` if nothing is to be repeated.
    ///
    /// The first wait is `DtlsOptions::retransmission_initial`. The clock is OpenSSL's, which is
    /// the system's wall clock; waits below 15 ms are reported as zero.
    //= DTL-14
    pub fn next_timeout(&self) -> Option<Duration> {
        if !matches!(self.phase, Phase::Handshaking) {
            return None;
        }
        discard_stale_errors();
        timer::time_left(self.stream.ssl())
    }

    /// Repeats the last flight if its time has come. After twelve times in vain the session fails.
    //= DTL-14
    pub fn handle_timeout(&mut self) {
        if matches!(self.phase, Phase::Handshaking)
            && let Err(errors) = self.call(|stream| timer::retransmit_if_due(stream.ssl()))
        {
            self.fail(DtlsFailure::Handshake(errors.to_string()));
        }
    }

    /// Next datagram to send to the peer, in order.
    pub fn poll_datagram(&mut self) -> Option<Vec<u8>> {
        self.stream.get_mut().outgoing.pop_front()
    }

    /// Next event, in order.
    pub fn poll_event(&mut self) -> Option<DtlsEvent> {
        self.events.pop_front()
    }

    /// `SSL_shutdown` whatever the state, without a look at what comes of it: [`Mutant::ErrorQueueLeft`].
    pub(crate) fn shut_down_blindly(&self) {
        timer::shut_down(self.stream.ssl());
    }

    #[cfg(test)]
    pub(super) fn ssl(&self) -> &openssl::ssl::SslRef {
        self.stream.ssl()
    }

    /// Every call into OpenSSL that works on the session's state goes through here.
    //= CLS-36
    //= N1
    fn call<T>(&mut self, operation: impl FnOnce(&mut SslStream<DatagramQueues>) -> T) -> T {
        if !self.planted.is(Mutant::ErrorQueueLeft) {
            discard_stale_errors();
        }
        operation(&mut self.stream)
    }

    /// Whether the peer's Finished is all that a handshake still waits for.
    fn has_taken_change_cipher_spec(&self) -> bool {
        self.stream.ssl().state_string() == "TRCCS"
    }

    /// What the cipher adds to a message.
    fn cipher_overhead(&self) -> usize {
        match self.stream.ssl().current_cipher() {
            Some(cipher) if cipher.name().contains("CHACHA20") => CHACHA20_OVERHEAD_BYTES,
            Some(_) | None => CIPHER_OVERHEAD_BYTES_MAX,
        }
    }

    fn advance_handshake(&mut self) {
        match self.call(SslStream::do_handshake) {
            Ok(()) => {
                self.phase = Phase::Unverified { held: Vec::new() };
                if self.peer.expected.get().is_some() {
                    self.announce();
                }
            }
            Err(error) => match Outcome::of(&error) {
                Outcome::NeedsInput | Outcome::Skipped => {}
                Outcome::CloseNotify => self.fail(DtlsFailure::AlertReceived(0)),
                //= CLS-14
                Outcome::FatalAlert(alert) => self.fail(DtlsFailure::AlertReceived(alert)),
                Outcome::Broken(text) => {
                    let refusal = self.peer.refusal.get().cloned();
                    self.fail(refusal.unwrap_or(DtlsFailure::Handshake(text)));
                }
            },
        }
    }

    /// Leaves `Unverified`: checks the certificate once more, then hands out keys and held
    /// messages.
    fn announce(&mut self) {
        let Phase::Unverified { held } = std::mem::replace(&mut self.phase, Phase::Ended) else {
            return;
        };
        match self.connected_event() {
            Ok(event) => {
                self.phase = Phase::Connected;
                self.events.push_back(event);
                self.events.extend(held.into_iter().map(DtlsEvent::Data));
            }
            Err(failure) => self.events.push_back(DtlsEvent::Failed(failure)),
        }
    }

    //= DTL-25
    fn connected_event(&self) -> Result<DtlsEvent, DtlsFailure> {
        let words = |errors: ErrorStack| DtlsFailure::Handshake(errors.to_string());
        discard_stale_errors();
        let ssl = self.stream.ssl();
        //= DTL-08
        let certificate = ssl.peer_certificate().ok_or(DtlsFailure::FingerprintMismatch)?;
        if !self.peer.accepts(&certificate) {
            return Err(DtlsFailure::FingerprintMismatch);
        }
        let profile = srtp::selected_profile(ssl).ok_or(DtlsFailure::NoSrtpProfile)?;
        let srtp = srtp::export_keys(ssl, self.role, profile).map_err(words)?;
        let pem = certificate.to_pem().map_err(words)?;
        let remote_certificate = String::from_utf8_lossy(&pem).into_owned();
        //= DTL-13
        let extended_master_secret = ssl.extms_support().unwrap_or(false);
        let connected = DtlsConnected { srtp, remote_certificate, extended_master_secret };
        Ok(DtlsEvent::Connected(Box::new(connected)))
    }

    /// Reads until OpenSSL asks for more input.
    fn drain(&mut self) {
        let mut buffer = [0u8; RECORD_CONTENT_BYTES_MAX];
        for _ in 0..READS_PER_RECORD_MAX {
            match self.call(|stream| stream.ssl_read(&mut buffer)) {
                Ok(length) => self.deliver(&buffer[..length]),
                Err(error) => match Outcome::of(&error) {
                    Outcome::NeedsInput if self.is_renegotiating() => {
                        let words = "the peer began another handshake".to_owned();
                        return self.fail(DtlsFailure::Protocol(words));
                    }
                    Outcome::NeedsInput => return,
                    Outcome::Skipped => {}
                    Outcome::CloseNotify => return self.peer_closed(),
                    Outcome::FatalAlert(alert) => return self.peer_aborted(alert),
                    Outcome::Broken(text) => return self.fail(DtlsFailure::Protocol(text)),
                },
            }
        }
    }

    /// OpenSSL refuses a renegotiation when its first message is complete. Until then it would send
    /// neither data nor a close_notify, for as long as the peer likes.
    //= DTL-22
    fn is_renegotiating(&self) -> bool {
        !self.stream.ssl().is_init_finished()
    }

    fn deliver(&mut self, data: &[u8]) {
        if data.is_empty() {
            return;
        }
        match &mut self.phase {
            Phase::Connected => {
                self.events.push_back(DtlsEvent::Data(data.to_vec()));
            }
            //= DTL-10
            Phase::Unverified { held } if held.len() < HELD_MESSAGES_MAX => {
                held.push(data.to_vec());
            }
            Phase::Unverified { .. }
            | Phase::Idle
            | Phase::Handshaking
            | Phase::PeerClosed
            | Phase::LocallyClosed
            | Phase::Ended => {}
        }
    }

    fn peer_closed(&mut self) {
        self.phase = match self.phase {
            Phase::Unverified { .. } | Phase::Connected => Phase::PeerClosed,
            Phase::LocallyClosed => Phase::Ended,
            Phase::Idle | Phase::Handshaking | Phase::PeerClosed | Phase::Ended => return,
        };
        self.events.push_back(DtlsEvent::CloseNotifyReceived);
    }

    //= CLS-14
    fn peer_aborted(&mut self, alert: u8) {
        let event = match self.phase {
            Phase::Connected | Phase::LocallyClosed => DtlsEvent::FatalAlertReceived(alert),
            Phase::Unverified { .. } => DtlsEvent::Failed(DtlsFailure::AlertReceived(alert)),
            Phase::Idle | Phase::Handshaking | Phase::PeerClosed | Phase::Ended => return,
        };
        self.phase = Phase::Ended;
        self.events.push_back(event);
    }

    fn fail(&mut self, failure: DtlsFailure) {
        self.phase = Phase::Ended;
        self.events.push_back(DtlsEvent::Failed(failure));
    }
}
