//! The handle of a transport.

use super::closing::Closing;
use super::command::{ClosedTransport, Command, EventSink};
use super::dump::TransportDump;
use super::events::TransportEvent;
use super::latch::Latch;
use super::mailbox::Mailbox;
use super::random;
use super::server::{ClosedLatch, flatten};
use crate::error::Error;
use crate::fingerprint::Fingerprint;
use crate::lifecycle::{Credentials, DtlsRole, DtlsState, IceState, TransportId};
use crate::parameters::{
    CandidateFilter, DtlsParameters, IceCandidate, IceParameters, TransportTuple,
};
use crate::sync::{Arc, Mutex, lock};
use std::fmt;
use std::time::Duration;

/// Consent timeouts outside of this are clamped to it, in seconds (mediasoup `iceConsentTimeout`).
const CONSENT_TIMEOUT_SECONDS: std::ops::RangeInclusive<u8> = 10..=60;

/// What a transport is made of: the part of mediasoup's `WebRtcTransportOptions` that is about ICE and DTLS.
pub struct WebRtcTransportOptions {
    /// Offer UDP candidates. Default `true`.
    pub enable_udp: bool,
    /// Offer TCP candidates. Default `true`.
    pub enable_tcp: bool,
    /// Raise the priority of UDP candidates.
    pub prefer_udp: bool,
    /// Raise the priority of TCP candidates.
    pub prefer_tcp: bool,
    /// Seconds of silence after which consent has expired: 10 to 60, others are clamped; 0: never. Default 30.
    pub ice_consent_timeout: u8,
    /// Hears every event, on the worker's thread: it must not block, and must not wait for an answer of this server.
    pub on_event: EventSink,
}

impl Default for WebRtcTransportOptions {
    fn default() -> Self {
        WebRtcTransportOptions {
            enable_udp: true,
            enable_tcp: true,
            prefer_udp: false,
            prefer_tcp: false,
            ice_consent_timeout: 30,
            on_event: Box::new(|_| {}),
        }
    }
}

impl WebRtcTransportOptions {
    pub(super) fn filter(&self) -> CandidateFilter {
        CandidateFilter {
            enable_udp: self.enable_udp,
            enable_tcp: self.enable_tcp,
            prefer_udp: self.prefer_udp,
            prefer_tcp: self.prefer_tcp,
        }
    }

    //= STN-26
    fn consent(&self) -> Option<Duration> {
        let (min, max) = CONSENT_TIMEOUT_SECONDS.into_inner();
        let seconds = self.ice_consent_timeout;
        (seconds != 0).then(|| Duration::from_secs(seconds.clamp(min, max).into()))
    }
}

/// A transport: an ICE-lite agent and a DTLS association (mediasoup `WebRtcTransport`).
///
/// Cloning gives another handle. A transport lives until it, or its server, is closed, whether or not there are handles.
#[derive(Clone)]
pub struct WebRtcTransport(Arc<Inner>);

struct Inner {
    id: String,
    transport: TransportId,
    mailboxes: Arc<Vec<Mailbox>>,
    worker: usize,
    ice_parameters: Mutex<IceParameters>,
    ice_candidates: Vec<IceCandidate>,
    fingerprints: Vec<Fingerprint>,
    local_role: Mutex<DtlsRole>,
    seen: Arc<Mutex<Seen>>,
    closed: ClosedLatch,
}

/// What the events have said so far.
#[derive(Clone)]
struct Seen {
    ice: IceState,
    dtls: DtlsState,
    tuple: Option<TransportTuple>,
}

impl Seen {
    fn note(&mut self, event: &TransportEvent) {
        match event {
            TransportEvent::IceStateChange(state) => self.ice = *state,
            TransportEvent::IceSelectedTupleChange(tuple) => self.tuple.clone_from(tuple),
            TransportEvent::DtlsStateChange { state, .. } => self.dtls = *state,
            TransportEvent::Close { .. } => {
                *self = Seen { ice: IceState::Closed, dtls: DtlsState::Closed, tuple: None };
            }
            TransportEvent::Data(_) | TransportEvent::ListenServerClose => {}
        }
    }
}

impl WebRtcTransport {
    pub(super) fn create(
        options: WebRtcTransportOptions,
        transport: TransportId,
        (mailboxes, worker): (Arc<Vec<Mailbox>>, usize),
        ice_candidates: Vec<IceCandidate>,
        fingerprints: Vec<Fingerprint>,
    ) -> Result<Self, Error> {
        let credentials = random::credentials()?;
        let ice_parameters = Mutex::new(IceParameters::from(&credentials));
        let seen = Seen { ice: IceState::New, dtls: DtlsState::New, tuple: None };
        let inner = Inner {
            id: random::id()?,
            transport,
            mailboxes,
            worker,
            ice_parameters,
            ice_candidates,
            fingerprints,
            local_role: Mutex::new(DtlsRole::Auto),
            seen: Arc::new(Mutex::new(seen)),
            closed: Arc::new(Latch::new()),
        };
        let (consent, closed) = (options.consent(), Arc::clone(&inner.closed));
        let (seen, mut on_event) = (Arc::clone(&inner.seen), options.on_event);
        let sink: EventSink = Box::new(move |event| {
            lock(&seen).note(&event);
            on_event(event);
        });
        flatten(inner.mailbox().ask(|reply| Command::CreateTransport {
            transport,
            credentials,
            consent,
            sink,
            closed,
            reply,
        }))?;
        Ok(WebRtcTransport(Arc::new(inner)))
    }

    /// Random, like mediasoup's ids.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.0.id
    }

    /// Its number within its server, counted from 0: the key of its outcome in the answer to the server's close.
    #[must_use]
    pub fn number(&self) -> u64 {
        self.0.transport.0
    }

    /// `iceParameters`
    #[must_use]
    pub fn ice_parameters(&self) -> IceParameters {
        lock(&self.0.ice_parameters).clone()
    }

    /// `iceCandidates`
    #[must_use]
    pub fn ice_candidates(&self) -> &[IceCandidate] {
        &self.0.ice_candidates
    }

    /// `dtlsParameters`; the role is `auto` until `connect()` decided it.
    #[must_use]
    pub fn dtls_parameters(&self) -> DtlsParameters {
        let role = *lock(&self.0.local_role);
        DtlsParameters { role, fingerprints: self.0.fingerprints.clone() }
    }

    /// `iceState`, as of the last event.
    #[must_use]
    pub fn ice_state(&self) -> IceState {
        lock(&self.0.seen).ice
    }

    /// `dtlsState`, as of the last event.
    #[must_use]
    pub fn dtls_state(&self) -> DtlsState {
        lock(&self.0.seen).dtls
    }

    /// `iceSelectedTuple`, as of the last event.
    #[must_use]
    pub fn ice_selected_tuple(&self) -> Option<TransportTuple> {
        lock(&self.0.seen).tuple.clone()
    }

    /// Tells the peer's DTLS parameters, once. Our role then.
    ///
    /// # Errors
    ///
    /// [`Error::DtlsParameters`], `AlreadyConnected`, `Closed`, [`Error::OnWorkerThread`]; nothing was changed.
    //= DTL-03
    pub fn connect(&self, remote: &DtlsParameters) -> Result<DtlsRole, Error> {
        remote.check()?;
        let role = flatten(self.0.mailbox().ask(|reply| Command::Connect {
            transport: self.0.transport,
            remote_role: remote.role,
            fingerprints: remote.fingerprints.clone(),
            reply,
        }))?;
        *lock(&self.0.local_role) = role;
        Ok(role)
    }

    /// Makes new ICE credentials; the old ones are valid until the new ones are used.
    ///
    /// # Errors
    ///
    /// `Closed`, [`Error::OnWorkerThread`].
    //= STN-23
    pub fn restart_ice(&self) -> Result<IceParameters, Error> {
        let credentials: Credentials = random::credentials()?;
        let parameters = IceParameters::from(&credentials);
        flatten(self.0.mailbox().ask(|reply| Command::RestartIce {
            transport: self.0.transport,
            credentials,
            reply,
        }))?;
        lock(&self.0.ice_parameters).clone_from(&parameters);
        Ok(parameters)
    }

    /// Sends one message as DTLS application data. Accepted means taken; a full queue may still drop it.
    ///
    /// # Errors
    ///
    /// `NotConnected`, `TooLong`, `Closed`, [`Error::OnWorkerThread`] (use [`WebRtcTransport::post`] there).
    pub fn send(&self, data: &[u8]) -> Result<(), Error> {
        let (transport, data) = (self.0.transport, data.to_vec());
        flatten(self.0.mailbox().ask(|reply| Command::Send { transport, data, reply: Some(reply) }))
    }

    /// The same without an answer: for event callbacks, and for those who do not care.
    ///
    /// # Errors
    ///
    /// `Closed`, when the whole server is gone.
    pub fn post(&self, data: &[u8]) -> Result<(), Error> {
        let (transport, data) = (self.0.transport, data.to_vec());
        Ok(self.0.mailbox().post(Command::Send { transport, data, reply: None })?)
    }

    /// Closes the transport in order. Idempotent: every call gets the same answer.
    //= CLS-04
    pub fn close(&self) -> Closing<ClosedTransport> {
        // Without a worker it is closed already.
        let _ = self.0.mailbox().post(Command::CloseTransport { transport: self.0.transport });
        self.closed()
    }

    /// The answer to a close, whoever asks for it and whenever.
    #[must_use]
    pub fn closed(&self) -> Closing<ClosedTransport> {
        Closing::new(&self.0.closed, self.0.mailbox().server_key)
    }

    /// What is there (mediasoup `dump()`); `None` when it is closed.
    ///
    /// # Errors
    ///
    /// `Closed` when the server is, [`Error::OnWorkerThread`].
    pub fn dump(&self) -> Result<Option<TransportDump>, Error> {
        let transport = self.0.transport;
        self.0.mailbox().ask(|reply| Command::DumpTransport { transport, reply })
    }
}

impl Inner {
    fn mailbox(&self) -> &Mailbox {
        &self.mailboxes[self.worker]
    }
}

impl fmt::Debug for WebRtcTransport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WebRtcTransport").field("id", &self.0.id).finish_non_exhaustive()
    }
}
