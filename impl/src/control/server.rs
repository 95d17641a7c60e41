//! The handle of a server.

use super::closing::Closing;
use super::command::{Command, Refused};
use super::dump::{Stats, WorkerDump};
use super::latch::Latch;
use super::mailbox::Mailbox;
use super::random;
use super::shutdown::{Outcomes, Shutdown};
use super::spawn::{Barrier, Mailboxes, Prepared, Report};
use super::transport::{WebRtcTransport, WebRtcTransportOptions};
use crate::error::Error;
use crate::fingerprint::Fingerprint;
use crate::lifecycle::server::{ServerPhase, WorkerId};
use crate::lifecycle::{Limits, Outcome, TransportId};
use crate::parameters::{LISTEN_INFOS_MAX, ListenInfo, candidates};
use crate::shell::bind::bind;
use crate::shell::dtls::{Certificate, DtlsContext, DtlsOptions};
use crate::shell::{Clock, WorkerConfig};
use crate::sync::atomic::{AtomicU64, Ordering};
use crate::sync::{Arc, Mutex, lock};
use std::fmt;
use std::time::Duration;

/// What a server is made of. Like mediasoup's `WebRtcServerOptions`, with the certificate per server.
#[derive(Clone, Debug, Default)]
pub struct WebRtcServerOptions {
    /// Where it listens, at least one; the order is the order of preference.
    pub listen_infos: Vec<ListenInfo>,
    /// Its DTLS certificate; `None`: a fresh self-signed one (P-256).
    pub certificate: Option<Certificate>,
    /// Deadlines and caps.
    pub limits: Limits,
    /// DTLS: MTU and retransmission.
    pub dtls: DtlsOptions,
    /// The defect of the lifecycle, if it is to have one.
    #[cfg(feature = "testing")]
    pub mutant: Option<crate::lifecycle::Mutant>,
}

/// A server: UDP sockets and TCP listeners that many transports share (mediasoup `WebRtcServer`).
///
/// Cloning gives another handle. When the last one is dropped the server is closed in order, in the background.
#[derive(Clone)]
pub struct WebRtcServer(Arc<Inner>);

struct Inner {
    id: String,
    listen_infos: Vec<ListenInfo>,
    fingerprints: Vec<Fingerprint>,
    mailboxes: Arc<Vec<Mailbox>>,
    deadline: Arc<Mutex<Duration>>,
    shutdown: Arc<Shutdown<Outcome>>,
    created: AtomicU64,
}

impl WebRtcServer {
    /// Binds every listen info and starts to serve.
    ///
    /// # Errors
    ///
    /// [`Error`]; whatever had been bound is free again by then.
    //= CLS-21
    //= RES-09
    pub fn new(options: WebRtcServerOptions) -> Result<Self, Error> {
        match options.listen_infos.len() {
            0 => return Err(Error::NoListenInfos),
            count if count > LISTEN_INFOS_MAX => return Err(Error::TooManyListenInfos(count)),
            _ => {}
        }
        let certificate = match options.certificate {
            Some(certificate) => certificate,
            None => Certificate::generate()?,
        };
        let dtls = DtlsContext::new(&certificate, options.dtls)?;
        let bound = bind(&options.listen_infos)?;
        let listen_infos = bound.iter().map(|bound| bound.info.clone()).collect();
        let deadline = Arc::new(Mutex::new(options.limits.server));
        let id = random::id()?;
        let server_key = random::key()?;
        let barrier = Barrier::default();
        let report = Report { worker: WorkerId(0), barrier: Arc::clone(&barrier) };
        let config = WorkerConfig {
            limits: options.limits,
            dtls,
            bound,
            notify: Box::new(report),
            clock: Clock::System,
            #[cfg(feature = "testing")]
            mutant: options.mutant,
        };
        let (worker, mailbox) = Prepared::new(config, server_key)?;
        let mailboxes = Arc::new(vec![mailbox]);
        let tell = Mailboxes { boxes: Arc::clone(&mailboxes), deadline: Arc::clone(&deadline) };
        let shutdown = Arc::new(Shutdown::new(server_key, mailboxes.len(), tell));
        barrier.get_or_init(|| Arc::clone(&shutdown));
        worker.start(WorkerId(0))?;
        Ok(WebRtcServer(Arc::new(Inner {
            id,
            listen_infos,
            fingerprints: certificate.fingerprints(),
            mailboxes,
            deadline,
            shutdown,
            created: AtomicU64::new(0),
        })))
    }

    /// Random, like mediasoup's ids.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.0.id
    }

    /// Where it listens, with the real ports.
    #[must_use]
    pub fn listen_infos(&self) -> &[ListenInfo] {
        &self.0.listen_infos
    }

    /// Makes a transport (mediasoup `router.createWebRtcTransport({ webRtcServer })`).
    ///
    /// # Errors
    ///
    /// [`Error::NoCandidates`], [`Refused::Closed`], [`Error::OnWorkerThread`].
    //= STN-25
    pub fn create_transport(
        &self,
        options: WebRtcTransportOptions,
    ) -> Result<WebRtcTransport, Error> {
        let ice_candidates = candidates(&self.0.listen_infos, options.filter());
        if ice_candidates.is_empty() {
            return Err(Error::NoCandidates);
        }
        let number = self.0.created.fetch_add(1, Ordering::Relaxed);
        let worker = usize::try_from(number).unwrap_or(0) % self.0.mailboxes.len();
        WebRtcTransport::create(
            options,
            TransportId(number),
            (Arc::clone(&self.0.mailboxes), worker),
            ice_candidates,
            self.0.fingerprints.clone(),
        )
    }

    /// Closes the server in order, within the deadline of its limits. Idempotent: every call gets the same answer.
    ///
    /// The answer holds what became of the close_notify of each transport that this ended, by
    /// [`WebRtcTransport::number`].
    //= CLS-04
    pub fn close(&self) -> Closing<Outcomes<Outcome>> {
        self.0.shutdown.request_close()
    }

    /// The same with another deadline; that of the first call counts.
    pub fn close_with_deadline(&self, deadline: Duration) -> Closing<Outcomes<Outcome>> {
        if self.0.shutdown.phase() == ServerPhase::Open {
            *lock(&self.0.deadline) = deadline;
        }
        self.close()
    }

    /// Whether `close()` was called, by anybody.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        self.0.shutdown.phase() != ServerPhase::Open
    }

    /// What is there (mediasoup `dump()`), of all workers together.
    ///
    /// # Errors
    ///
    /// [`Refused::Closed`], [`Error::OnWorkerThread`].
    pub fn dump(&self) -> Result<WorkerDump, Error> {
        let mut all = WorkerDump::default();
        for mailbox in self.0.mailboxes.iter() {
            all += mailbox.ask(|reply| Command::DumpServer { reply })?;
        }
        Ok(all)
    }

    /// Counters of all workers together.
    ///
    /// # Errors
    ///
    /// [`Refused::Closed`], [`Error::OnWorkerThread`].
    pub fn get_stats(&self) -> Result<Stats, Error> {
        let mut all = Stats::default();
        for mailbox in self.0.mailboxes.iter() {
            all += mailbox.ask(|reply| Command::GetStats { reply })?;
        }
        Ok(all)
    }
}

impl Drop for Inner {
    //= CLS-24
    fn drop(&mut self) {
        drop(self.shutdown.request_close());
    }
}

impl fmt::Debug for WebRtcServer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WebRtcServer").field("id", &self.0.id).finish_non_exhaustive()
    }
}

/// Set when a transport is closed.
pub(super) type ClosedLatch = Arc<Latch<super::command::ClosedTransport>>;

/// Turns a refused command into the error of the call.
pub(super) fn flatten<T>(result: Result<Result<T, Refused>, Error>) -> Result<T, Error> {
    result.and_then(|inner| inner.map_err(Error::from))
}
