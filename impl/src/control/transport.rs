//! The handle of a transport.

use super::closing::Closing;
use super::command::{ClosedTransport, Command, Refused, Reply};
use super::dump::{TransportDump, TransportState, TransportStats};
use super::latch::Latch;
use super::mailbox::{Mailbox, may_wait};
use super::options::WebRtcTransportOptions;
use super::owner::Owner;
use super::random;
use super::server::{Identity, Shared};
use super::view::View;
use crate::error::Error;
use crate::fingerprint::Fingerprint;
use crate::lifecycle::{Credentials, DtlsRole, DtlsState, IceState, TransportId};
use crate::parameters::{DtlsParameters, IceCandidate, IceParameters, TransportTuple};
use crate::shell::dtls::{DtlsContext, RECORD_CONTENT_BYTES_MAX};
use crate::sync::atomic::{AtomicBool, Ordering};
use crate::sync::{Arc, Mutex, lock};
use std::fmt;
use std::time::Duration;

/// A transport: an ICE-lite agent and a DTLS association (mediasoup `WebRtcTransport`).
///
/// Cloning gives another handle. When the last one is dropped the transport is closed in order, in the background; a
/// handle of it does not keep its server open. Dropping never blocks.
#[derive(Clone)]
pub struct WebRtcTransport(Arc<Inner>);

struct Inner {
    id: String,
    transport: TransportId,
    /// The worker that has it.
    worker: usize,
    ice_candidates: Vec<IceCandidate>,
    /// Of the certificate that it shows.
    fingerprints: Arc<[Fingerprint]>,
    view: View,
    /// Held over a restart, so that the credentials that are shown are those of the last one.
    restarting: Mutex<()>,
    closed: Arc<Latch<ClosedTransport>>,
    close_requested: AtomicBool,
    server: Arc<Shared>,
}

/// A transport that its worker has not heard of.
pub(super) struct Newcomer {
    handle: WebRtcTransport,
    credentials: Credentials,
    consent: Option<Duration>,
    dtls: DtlsContext,
    owner: Owner,
}

impl Newcomer {
    /// Counts as one of the server's transports from now on.
    ///
    /// # Errors
    ///
    /// `Draining`, `Closed`, [`Error::Random`].
    pub(super) fn admit(
        server: &Arc<Shared>,
        transport: TransportId,
        ice_candidates: Vec<IceCandidate>,
        options: WebRtcTransportOptions,
    ) -> Result<Self, Error> {
        let admitted = server.admit()?;
        let worker = server.worker_of(transport);
        let credentials = random::credentials(worker)?;
        let consent = options.consent();
        let Identity { dtls, fingerprints } = server.identity();
        let closed = Arc::new(Latch::new());
        closed.on_set(move |_| drop(admitted));
        let owner = Owner::new(&credentials, options.on_event, Arc::clone(&closed));
        let handle = WebRtcTransport(Arc::new(Inner {
            id: server.transport_id(transport.0),
            transport,
            worker,
            ice_candidates,
            fingerprints,
            view: owner.view(),
            restarting: Mutex::new(()),
            closed,
            // There is nothing to close before a worker hears of it.
            close_requested: AtomicBool::new(true),
            server: Arc::clone(server),
        }));
        Ok(Newcomer { handle, credentials, consent, dtls, owner })
    }

    /// Has its worker make it, and waits for that where it may: in a callback the answer is that the worker will hear
    /// of it.
    pub(super) fn create(self) -> Result<WebRtcTransport, Error> {
        let (handle, command) = self.into_command();
        let mailbox = handle.0.mailbox();
        let made = match may_wait() {
            Ok(()) => flatten(mailbox.ask(command)),
            Err(_) => mailbox.post(command(Reply::new().0)).map_err(Error::from),
        };
        handle.made(made)
    }

    /// The same for a task. One that gives up has its transport closed, if it is made.
    pub(super) async fn create_awaiting(self) -> Result<WebRtcTransport, Error> {
        let (handle, command) = self.into_command();
        let put_in = || handle.0.close_requested.store(false, Ordering::Relaxed);
        let made = handle.0.mailbox().ask_awaiting(command, put_in).await;
        handle.made(flatten(made))
    }

    fn into_command(self) -> (WebRtcTransport, impl FnOnce(Reply<Result<(), Refused>>) -> Command) {
        let Newcomer { handle, credentials, consent, dtls, owner } = self;
        let transport = handle.0.transport;
        let command = move |reply| Command::CreateTransport {
            transport,
            credentials,
            consent,
            dtls,
            owner,
            reply,
        };
        (handle, command)
    }
}

impl WebRtcTransport {
    fn made(self, made: Result<(), Error>) -> Result<Self, Error> {
        // What was not made is not to be closed.
        self.0.close_requested.store(made.is_err(), Ordering::Relaxed);
        made.map(|()| self)
    }

    /// Unique: the id of its server, a slash, and [`Self::number`].
    #[must_use]
    pub fn id(&self) -> &str {
        &self.0.id
    }

    /// Its number within its server, counted from 0: the key of its outcome in the answer to the server's close.
    #[must_use]
    pub fn number(&self) -> u64 {
        self.0.transport.0
    }

    /// `iceParameters`: those of the last [`Self::restart_ice`].
    #[must_use]
    pub fn ice_parameters(&self) -> IceParameters {
        lock(&self.0.view).ice_parameters.clone()
    }

    /// `iceCandidates`
    #[must_use]
    pub fn ice_candidates(&self) -> &[IceCandidate] {
        &self.0.ice_candidates
    }

    /// `dtlsParameters`; the role is `auto` until `connect()` decided it.
    #[must_use]
    pub fn dtls_parameters(&self) -> DtlsParameters {
        let role = lock(&self.0.view).dtls_role;
        DtlsParameters { role, fingerprints: self.0.fingerprints.to_vec() }
    }

    /// `iceState`, as of the last event; `closed` as soon as [`Self::is_closed`] is true.
    //= CLS-11
    #[must_use]
    pub fn ice_state(&self) -> IceState {
        if self.is_closed() { IceState::Closed } else { lock(&self.0.view).ice_state }
    }

    /// `dtlsState`, as of the last event; `closed` as soon as [`Self::is_closed`] is true.
    //= CLS-11
    #[must_use]
    pub fn dtls_state(&self) -> DtlsState {
        if self.is_closed() { DtlsState::Closed } else { lock(&self.0.view).dtls_state }
    }

    /// `iceSelectedTuple`, as of the last event; `None` as soon as [`Self::is_closed`] is true.
    //= CLS-11
    #[must_use]
    pub fn ice_selected_tuple(&self) -> Option<TransportTuple> {
        if self.is_closed() { None } else { lock(&self.0.view).ice_selected_tuple.clone() }
    }

    /// `dtlsRemoteCert`: the peer's certificate as PEM text, once DTLS was connected.
    #[must_use]
    pub fn dtls_remote_cert(&self) -> Option<String> {
        lock(&self.0.view).dtls_remote_cert.clone()
    }

    /// Tells the peer's DTLS parameters, once. Our role then.
    ///
    /// # Errors
    ///
    /// [`Error::DtlsParameters`], `AlreadyConnected`, `Closed`, [`Error::OnWorkerThread`]; nothing was changed.
    //= DTL-03
    pub fn connect(&self, remote: &DtlsParameters) -> Result<DtlsRole, Error> {
        remote.check()?;
        flatten(self.0.mailbox().ask(|reply| Command::Connect {
            transport: self.0.transport,
            remote_role: remote.role,
            fingerprints: remote.fingerprints.clone(),
            reply,
        }))
    }

    /// Makes new ICE credentials; the old ones are valid until the new ones are used.
    ///
    /// # Errors
    ///
    /// `Closed`, [`Error::OnWorkerThread`], [`Error::Random`].
    //= STN-23
    pub fn restart_ice(&self) -> Result<IceParameters, Error> {
        // Who holds the lock waits for the worker.
        may_wait()?;
        let credentials = random::credentials(self.0.worker)?;
        let parameters = IceParameters::from(&credentials);
        let _restarting = lock(&self.0.restarting);
        flatten(self.0.mailbox().ask(|reply| Command::RestartIce {
            transport: self.0.transport,
            credentials,
            reply,
        }))?;
        lock(&self.0.view).ice_parameters.clone_from(&parameters);
        Ok(parameters)
    }

    /// Sends one message as DTLS application data. Accepted means taken; a full send queue may still drop it.
    ///
    /// # Errors
    ///
    /// `NotConnected`, `TooLong`, `Closed`, [`Error::OnWorkerThread`] (use [`WebRtcTransport::post`] there).
    pub fn send(&self, data: &[u8]) -> Result<(), Error> {
        let (transport, data) = (self.0.transport, message(data)?);
        flatten(self.0.mailbox().ask(|reply| Command::Send { transport, data, reply: Some(reply) }))
    }

    /// The same without an answer: for event callbacks, and for those who do not care. It waits while too many commands
    /// wait for the worker, but never inside an event callback.
    ///
    /// # Errors
    ///
    /// `Closed`, when the whole server is gone; `QueueFull` inside an event callback, where nothing was lost yet: try
    /// again at another event; `TooLong` for what no record holds.
    pub fn post(&self, data: &[u8]) -> Result<(), Error> {
        let (transport, data) = (self.0.transport, message(data)?);
        Ok(self.0.mailbox().post(Command::Send { transport, data, reply: None })?)
    }

    /// Closes the transport in order. Idempotent: every call gets the same answer, which comes when nothing of the
    /// transport is left.
    //= CLS-04
    //= CLS-10
    pub fn close(&self) -> Closing<ClosedTransport> {
        self.0.request_close();
        self.closed()
    }

    /// The answer to a close, whoever asks for it and whenever.
    #[must_use]
    pub fn closed(&self) -> Closing<ClosedTransport> {
        Closing::new(&self.0.closed)
    }

    /// Whether it is closed or on its way, by itself or with its server. [`Closing::is_complete`] of [`Self::closed`]
    /// says more.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        self.0.close_requested.load(Ordering::Relaxed)
            || self.0.closed.is_set()
            || self.0.server.is_closed()
    }

    /// What is there (mediasoup `dump()`); `None` when it is closed.
    ///
    /// # Errors
    ///
    /// `Closed` when the server is, [`Error::OnWorkerThread`].
    //= RES-16
    pub fn dump(&self) -> Result<Option<TransportDump>, Error> {
        let Inner { id, ice_candidates, .. } = &*self.0;
        let dump = |state| TransportDump::new(id, ice_candidates, self.dtls_parameters(), state);
        Ok(self.state()?.map(dump))
    }

    /// Counters (mediasoup `getStats()`); `None` when it is closed.
    ///
    /// # Errors
    ///
    /// `Closed` when the server is, [`Error::OnWorkerThread`].
    //= RES-16
    pub fn get_stats(&self) -> Result<Option<TransportStats>, Error> {
        let Inner { id, server, .. } = &*self.0;
        Ok(self.state()?.map(|state| TransportStats::new(id, server.made, state)))
    }

    fn state(&self) -> Result<Option<TransportState>, Error> {
        let transport = self.0.transport;
        self.0.mailbox().ask(|reply| Command::DumpTransport { transport, reply })
    }
}

impl fmt::Debug for WebRtcTransport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WebRtcTransport").field("id", &self.0.id).finish_non_exhaustive()
    }
}

/// What waits in a queue that counts messages is no longer than the worker could ever send: it knows the exact bound.
//= RES-14
fn message(data: &[u8]) -> Result<Vec<u8>, Refused> {
    if data.len() > RECORD_CONTENT_BYTES_MAX { Err(Refused::TooLong) } else { Ok(data.to_vec()) }
}

impl Inner {
    fn mailbox(&self) -> &Mailbox {
        &self.server.mailboxes[self.worker]
    }

    fn request_close(&self) {
        if !self.close_requested.swap(true, Ordering::Relaxed) {
            // Without a worker it is closed already.
            let _ = self.mailbox().tell(Command::CloseTransport { transport: self.transport });
        }
    }
}

impl Drop for Inner {
    /// Nobody can use the transport any more: it closes in the background.
    //= CLS-24
    fn drop(&mut self) {
        self.request_close();
    }
}

/// Turns a refused command into the error of the call.
fn flatten<T>(result: Result<Result<T, Refused>, Error>) -> Result<T, Error> {
    result.and_then(|inner| inner.map_err(Error::from))
}
