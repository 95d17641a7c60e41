//! The handle of a server.

use super::closing::Closing;
use super::command::{Command, Refused};
use super::drain::{Admissions, Admitted};
use super::dump::{Stats, WebRtcServerDump, WorkerDump};
use super::life::LastHandle;
use super::mailbox::Mailbox;
use super::options::{WebRtcServerOptions, WebRtcTransportOptions};
use super::random;
use super::shutdown::{Outcomes, Shutdown};
use super::spawn::{Deadline, Spawn, Workers};
use super::transport::{Newcomer, WebRtcTransport};
use crate::error::Error;
use crate::fingerprint::Fingerprint;
use crate::lifecycle::server::ServerPhase;
use crate::lifecycle::{Outcome, TransportId};
use crate::parameters::{ListenInfo, candidates};
use crate::shell::bind::bind_for;
use crate::shell::dtls::{Certificate, DtlsContext};
use crate::sync::atomic::{AtomicU64, Ordering};
use crate::sync::{Arc, Mutex, lock};
use std::fmt;
use std::time::{Duration, Instant};

/// A server: UDP sockets and TCP listeners that many transports share (mediasoup `WebRtcServer`).
///
/// Cloning gives another handle. When the last one is dropped the server is closed in order, in the background, and its
/// transports with it: a [`WebRtcTransport`] does not keep its server open. Dropping never blocks.
///
/// ```
/// use webrtc_server::{Error, ListenInfo, Protocol};
/// use webrtc_server::{WebRtcServer, WebRtcServerOptions, WebRtcTransportOptions};
///
/// # fn main() -> Result<(), Error> {
/// let localhost = "127.0.0.1".parse().expect("an IP address");
/// let listen_infos = [Protocol::Udp, Protocol::Tcp].map(|p| ListenInfo::new(p, localhost));
/// let server = WebRtcServer::new(WebRtcServerOptions::new(listen_infos))?;
/// let transport = server.create_transport(WebRtcTransportOptions::default())?;
/// assert_eq!(transport.ice_candidates().len(), 2);
/// let outcomes = server.close().wait().expect("this is no callback");
/// assert_eq!(outcomes.transports().len(), 1);
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct WebRtcServer(Arc<Owned>);

/// What the handles of a server have.
struct Owned {
    shared: Arc<Shared>,
    /// Those of its transports have none.
    _last: LastHandle<Outcome>,
}

/// What every handle needs. Threads have no part in it.
pub(super) struct Shared {
    id: String,
    pub(super) made: Instant,
    listen_infos: Vec<ListenInfo>,
    identity: Mutex<Identity>,
    pub(super) mailboxes: Arc<[Mailbox]>,
    deadline: Arc<Deadline>,
    shutdown: Arc<Shutdown<Outcome>>,
    admissions: Arc<Admissions<Outcome>>,
    created: AtomicU64,
}

/// Who a transport says that it is: a certificate ready for use, and what is announced of it.
#[derive(Clone)]
pub(super) struct Identity {
    pub(super) dtls: DtlsContext,
    pub(super) fingerprints: Arc<[Fingerprint]>,
}

impl WebRtcServer {
    /// Binds every listen info and starts to serve.
    ///
    /// # Errors
    ///
    /// [`Error::NoListenInfos`], [`Error::TooManyListenInfos`], [`Error::Certificate`], [`Error::DtlsOptions`],
    /// [`Error::Bind`], [`Error::Random`], and [`Error::System`] where threads, descriptors or memory are short.
    /// Whatever had been bound is free again by then.
    //= CLS-21
    //= DTL-26
    //= RES-09
    pub fn new(options: WebRtcServerOptions) -> Result<Self, Error> {
        let (count, max) = (options.listen_infos.len(), options.allowed_listen_infos());
        match count {
            0 => return Err(Error::NoListenInfos),
            _ if count > max => return Err(Error::TooManyListenInfos { count, max }),
            _ => {}
        }
        let (workers, sharing) = (options.worker_count(), options.sharing());
        let certificate = options.certificate.map_or_else(Certificate::generate, Ok)?;
        let dtls = DtlsContext::new(&certificate, options.dtls)?;
        let bound = bind_for(&options.listen_infos, workers, sharing)?;
        let listen_infos = bound[0].iter().map(|bound| bound.info.clone()).collect();
        let id = random::uuid()?;
        let mailboxes: Arc<[Mailbox]> = (0..workers).map(|_| Mailbox::new()).collect();
        let deadline = Arc::new(Deadline::new(&options.limits));
        let tell = Workers {
            mailboxes: Arc::clone(&mailboxes),
            deadline: Arc::clone(&deadline),
            #[cfg(feature = "testing")]
            tracer: options.tracer.clone(),
        };
        let shutdown = Shutdown::new(workers, tell);
        #[cfg(feature = "testing")]
        let shutdown = shutdown.with_mutant(options.mutant);
        let shutdown = Arc::new(shutdown);
        let spawn = Spawn {
            limits: options.limits,
            mailboxes: Arc::clone(&mailboxes),
            shutdown: Arc::clone(&shutdown),
            sharing,
            limiter: Arc::default(),
            #[cfg(feature = "testing")]
            mutant: options.mutant,
            #[cfg(feature = "testing")]
            tracer: options.tracer,
        };
        spawn.start(bound)?;
        let last = LastHandle(Arc::clone(&shutdown));
        let shared = Shared {
            id,
            made: Instant::now(),
            listen_infos,
            identity: Mutex::new(Identity {
                dtls,
                fingerprints: certificate.fingerprints().into(),
            }),
            mailboxes,
            deadline,
            admissions: Arc::new(Admissions::new(Arc::clone(&shutdown))),
            shutdown,
            created: AtomicU64::new(0),
        };
        Ok(WebRtcServer(Arc::new(Owned { shared: Arc::new(shared), _last: last })))
    }

    fn shared(&self) -> &Arc<Shared> {
        &self.0.shared
    }

    /// A random UUID, like mediasoup's ids.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.shared().id
    }

    /// Where it listens, with the real ports.
    #[must_use]
    pub fn listen_infos(&self) -> &[ListenInfo] {
        &self.shared().listen_infos
    }

    /// Shows another certificate from now on: transports that are made later have it, those that there are keep theirs.
    ///
    /// # Errors
    ///
    /// [`Error::DtlsOptions`] when OpenSSL refuses the certificate; the former one stays.
    //= DTL-27
    pub fn set_certificate(&self, certificate: &Certificate) -> Result<(), Error> {
        let dtls = self.shared().identity().dtls.with_certificate(certificate)?;
        let fingerprints = certificate.fingerprints().into();
        *lock(&self.shared().identity) = Identity { dtls, fingerprints };
        Ok(())
    }

    /// Makes a transport (mediasoup `router.createWebRtcTransport({ webRtcServer })`).
    ///
    /// Racing with a close it fails, or the transport is closed with the server. It waits for the worker, and while too
    /// many commands wait for that; in a callback it waits for neither, so that there the transport may turn out to be
    /// closed: [`WebRtcTransport::closed`] tells, and no event does.
    ///
    /// # Errors
    ///
    /// [`Error::NoCandidates`], [`Error::Random`], [`Refused::Closed`], [`Refused::Draining`]; in a callback
    /// [`Refused::QueueFull`].
    //= STN-25
    //= CLS-22
    pub fn create_transport(
        &self,
        options: WebRtcTransportOptions,
    ) -> Result<WebRtcTransport, Error> {
        self.admit(options)?.create()
    }

    /// The same to be awaited, on any runtime and on any thread. Dropped before its end it makes nothing, or closes
    /// what it made.
    ///
    /// # Errors
    ///
    /// [`Error::NoCandidates`], [`Error::Random`], [`Refused::Closed`], [`Refused::Draining`].
    //= CLS-22
    pub async fn create_transport_async(
        &self,
        options: WebRtcTransportOptions,
    ) -> Result<WebRtcTransport, Error> {
        self.admit(options)?.create_awaiting().await
    }

    fn admit(&self, options: WebRtcTransportOptions) -> Result<Newcomer, Error> {
        let shared = self.shared();
        let ice_candidates = candidates(&shared.listen_infos, options.filter());
        if ice_candidates.is_empty() {
            return Err(Error::NoCandidates);
        }
        let number = shared.created.fetch_add(1, Ordering::Relaxed);
        Newcomer::admit(shared, TransportId(number), ice_candidates, options)
    }

    /// Closes the server in order, within the deadline of its limits. Idempotent: every call gets the same answer.
    ///
    /// Returns at once. The answer comes when nothing of the server is left, and holds what became of the close_notify
    /// of each transport that this ended, by [`WebRtcTransport::number`].
    //= CLS-04
    //= CLS-10
    pub fn close(&self) -> Closing<Outcomes<Outcome>> {
        self.shared().shutdown.request_close()
    }

    /// The same with another deadline, counted from now; that of the first call counts. One that is longer than the
    /// clock can tell is none.
    //= CLS-07
    pub fn close_with_deadline(&self, deadline: Duration) -> Closing<Outcomes<Outcome>> {
        self.shared().deadline.choose(deadline);
        self.close()
    }

    /// Takes nobody in any more, keeps those who are there, and closes as [`Self::close`] does when the last of them is
    /// closed, or after `deadline`: at once without any. Transports are refused with [`Refused::Draining`], connections
    /// are closed as soon as they are accepted. Idempotent: the deadline of the first call counts. One that is longer
    /// than the clock can tell is none.
    ///
    /// Returns at once. The answer is that of the close, which may also come earlier: by [`Self::close`], or by the
    /// drop of the last handle.
    //= CLS-31
    pub fn drain(&self, deadline: Duration) -> Closing<Outcomes<Outcome>> {
        let shared = self.shared();
        if shared.admissions.drain() {
            let until = Instant::now().checked_add(deadline);
            for mailbox in shared.mailboxes.iter() {
                // One that is gone takes nobody in.
                let _ = mailbox.tell(Command::Drain { until });
            }
        }
        shared.shutdown.closing()
    }

    /// Whether [`Self::drain`] was called.
    #[must_use]
    pub fn is_draining(&self) -> bool {
        self.shared().admissions.is_draining()
    }

    /// Whether it is closed or on its way: it makes no transports any more. [`Closing::is_complete`] says more.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        self.shared().is_closed()
    }

    /// What is there (mediasoup `dump()`), of all workers together.
    ///
    /// # Errors
    ///
    /// [`Refused::Closed`], [`Error::OnWorkerThread`].
    //= RES-16
    pub fn dump(&self) -> Result<WebRtcServerDump, Error> {
        let shared = self.shared();
        let mut all = WorkerDump::default();
        for mailbox in shared.mailboxes.iter() {
            all += mailbox.ask(|reply| Command::DumpServer { reply })?;
        }
        Ok(WebRtcServerDump::new(&shared.id, all, |number| shared.transport_id(number)))
    }

    /// Counters of all workers together.
    ///
    /// # Errors
    ///
    /// [`Refused::Closed`], [`Error::OnWorkerThread`].
    pub fn get_stats(&self) -> Result<Stats, Error> {
        let mut all = Stats::default();
        self.get_worker_stats()?.into_iter().for_each(|stats| all += stats);
        Ok(all)
    }

    /// Counters of each worker.
    ///
    /// # Errors
    ///
    /// [`Refused::Closed`], [`Error::OnWorkerThread`].
    pub fn get_worker_stats(&self) -> Result<Vec<Stats>, Error> {
        let ask = |mailbox: &Mailbox| mailbox.ask(|reply| Command::GetStats { reply });
        self.shared().mailboxes.iter().map(ask).collect()
    }
}

impl fmt::Debug for WebRtcServer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WebRtcServer")
            .field("id", &self.id())
            .field("listen_infos", &self.listen_infos())
            .finish_non_exhaustive()
    }
}

impl Shared {
    /// That of who comes now.
    pub(super) fn identity(&self) -> Identity {
        lock(&self.identity).clone()
    }

    pub(super) fn is_closed(&self) -> bool {
        match self.shutdown.phase() {
            ServerPhase::Open => false,
            ServerPhase::Closing | ServerPhase::Releasing | ServerPhase::Closed => true,
        }
    }

    //= CLS-31
    pub(super) fn admit(&self) -> Result<Admitted<Outcome>, Refused> {
        let why = || if self.is_closed() { Refused::Closed } else { Refused::Draining };
        self.admissions.admit().ok_or_else(why)
    }

    /// They go to the workers in turn, in each round from another on: where every second transport receives much and
    /// the others little, as when each participant has one of both, no worker gets only the ones or the others.
    pub(super) fn worker_of(&self, transport: TransportId) -> usize {
        let (number, workers) = (transport.0, self.mailboxes.len() as u64);
        usize::try_from((number + number / workers) % workers).expect("below the number of workers")
    }

    /// The id of the transport with this number.
    pub(super) fn transport_id(&self, number: u64) -> String {
        format!("{}/{number}", self.id)
    }
}
