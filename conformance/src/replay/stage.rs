//! The world of one trace: a server on loopback, its owner, its callers, and a peer for each transport.

use std::net::{Ipv4Addr, SocketAddr, TcpListener, UdpSocket};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use socket2::SockRef;
use webrtc_server::control::by_hand::Mailboxes;
use webrtc_server::lifecycle::{self, ConnectionId, Limits, Mutant, WriteState};
use webrtc_server::parameters::{ListenInfo, Protocol};
use webrtc_server::shell::bind::{Bound, BoundCarrier};
use webrtc_server::shell::dtls::{Certificate, DtlsContext, DtlsOptions};
use webrtc_server::shell::{Clock, JournalEntry, Ready, Worker, WorkerConfig};
use webrtc_server_model::{
    self as model, Action, CloseReason, Config, Effect, Outcome, Phase, State, TransportId, Tuple,
    WorkerId,
};

use super::barrier::{Barrier, WorkerEnd};
use super::book::Book;
use super::client::{Arm, Client, Owner};
use super::flights::Flight;
use super::handovers::InFlight;
use super::report::Harness;
use super::wires::Wires;
use crate::divergence::Finding;
use crate::lockstep::abstraction::Place;
use crate::lockstep::names;
use crate::lockstep::outside::Creation;
use crate::peer::{DtlsRole, DtlsSession, PeerCertificate};

/// `SO_SNDBUF` of accepted connections, inherited from the listener: the least that Linux gives.
const SEND_BUFFER_BYTES: usize = 4608;
/// Events that one action may lead to before the workers must have come to rest.
const DELIVERIES_MAX: usize = 1_000;
/// More connections than one worker of a stage accepts.
const CONNECTIONS_PER_WORKER: u64 = 1_000;
/// First wait before a flight is repeated. Flights that were lost are waited for, and none is repeated by itself.
const RETRANSMISSION: Duration = Duration::from_millis(50);

/// What all stages of a run share: keys take long to make.
pub(super) struct Wardrobe {
    pub(super) dtls: DtlsContext,
    pub(super) certificate: PeerCertificate,
    /// The first flight of a client that nobody knows.
    pub(super) hello: Vec<u8>,
}

impl Wardrobe {
    pub(super) fn new() -> Result<Self, Harness> {
        let failed = |error: &dyn std::fmt::Display| Harness::Impossible(error.to_string());
        let own = Certificate::generate().map_err(|error| failed(&error))?;
        let options =
            DtlsOptions { retransmission_initial: RETRANSMISSION, ..DtlsOptions::default() };
        let dtls = DtlsContext::new(&own, options).map_err(|error| failed(&error))?;
        let certificate = PeerCertificate::shared().map_err(|error| failed(&error))?;
        let stranger = DtlsSession::new(DtlsRole::Client, &certificate);
        let mut stranger = stranger.map_err(|error| failed(&error))?;
        stranger.advance();
        let hello = stranger.take_outgoing().concat();
        Ok(Wardrobe { dtls, certificate, hello })
    }
}

/// A connection as far as the stage interferes with it.
#[derive(Clone, Debug, Default)]
pub(super) struct Interference {
    /// Its events that something can be read are held back.
    pub(super) unread: bool,
    /// How often it was opened, in vain or not.
    pub(super) uses: u8,
    /// The token of its latest use.
    pub(super) token: Option<usize>,
    /// The use that ended last, by its token and its number.
    pub(super) stale: Option<(usize, ConnectionId)>,
}

/// One server, and everybody around it.
pub(super) struct Stage<'a> {
    /// The bounds.
    pub(super) config: &'a Config,
    /// What it shares with others.
    pub(super) wardrobe: &'a Wardrobe,
    /// The server's workers.
    pub(super) workers: Vec<Worker>,
    /// The barrier and the callers.
    pub(super) barrier: Barrier,
    /// Who is who.
    pub(super) book: Book,
    /// The peers' ends of all paths.
    pub(super) wires: Wires,
    /// The peers, by transport; none before it is created.
    pub(super) clients: Vec<Option<Client>>,
    /// The owner's side of each transport.
    pub(super) owners: Vec<Owner>,
    /// What the owner does inside a callback.
    pub(super) arm: Arm,
    /// Which transports were created.
    pub(super) creation: Vec<Creation>,
    /// The connections in flight between two workers.
    pub(super) in_flight: Vec<Option<InFlight>>,
    /// The checks on connections about which another worker was asked.
    pub(super) asked: Vec<Option<InFlight>>,
    /// Which UDP sockets play full.
    pub(super) full: Vec<bool>,
    /// What is done to each connection.
    pub(super) interference: Vec<Interference>,
    /// Where each UDP socket is.
    pub(super) sockets: Vec<SocketAddr>,
    /// Where each listener is.
    pub(super) listeners: Vec<SocketAddr>,
    /// What was reported of each transport at its end.
    pub(super) reports: Vec<Option<(CloseReason, Outcome)>>,
    /// The tuple that each farewell went to.
    pub(super) farewell_paths: Vec<Option<Tuple>>,
    /// Alerts of each transport that were begun on a connection which was another's before they were written.
    pub(super) leftover: Vec<usize>,
    /// Handshakes that were completed.
    pub(super) handshakes: usize,
    /// What went wrong on the way, in this step.
    pub(super) findings: Vec<Finding>,
    /// The effects of the barrier in this step.
    pub(super) barrier_effects: Vec<Effect>,
    /// The phases of the transports when their worker began to close.
    pub(super) at_close: Vec<Phase>,
    /// Each core before this step.
    pub(super) former: Vec<lifecycle::Worker>,
    /// Flights of the server that were sent to where nothing keeps them from the peer.
    pub(super) flights: Vec<Flight>,
    /// What the journals said in this step.
    pub(super) entries: Vec<(WorkerId, JournalEntry)>,
    /// How many descriptors were open before, where they are counted.
    pub(super) descriptors: Option<usize>,
}

impl<'a> Stage<'a> {
    /// A server with the transports that a configuration begins with, each of them told who its peer is.
    pub(super) fn new(
        config: &'a Config,
        wardrobe: &'a Wardrobe,
        mutant: Option<Mutant>,
        descriptors: Option<usize>,
    ) -> Result<Self, Harness> {
        let (barrier, ends) = Barrier::new(config, mutant);
        let bound = Carriers::bind(config)?;
        let (sockets, listeners) = (bound.sockets.clone(), bound.listeners.clone());
        let workers = bound.workers(config, ends, &barrier.mailboxes, mutant)?;
        let transports = config.transports.len();
        let mut stage = Stage {
            config,
            wardrobe,
            former: workers.iter().map(|worker| worker.core().clone()).collect(),
            workers,
            barrier,
            book: Book::new(config),
            wires: Wires::new(config, sockets.clone()),
            clients: (0..transports).map(|_| None).collect(),
            owners: (0..transports).map(|_| Owner::default()).collect(),
            arm: Arm::default(),
            creation: vec![Creation::Absent; transports],
            in_flight: vec![None; config.connections.len()],
            asked: vec![None; config.connections.len()],
            full: vec![false; config.sockets.len()],
            interference: vec![Interference::default(); config.connections.len()],
            sockets,
            listeners,
            reports: vec![None; transports],
            farewell_paths: vec![None; transports],
            leftover: vec![0; transports],
            handshakes: 0,
            findings: Vec::new(),
            barrier_effects: Vec::new(),
            at_close: vec![Phase::Absent; transports],
            flights: Vec::new(),
            entries: Vec::new(),
            descriptors,
        };
        for t in config.transport_ids().filter(|t| !config.transport(*t).aspects.created_later) {
            stage.create(t)?;
        }
        stage.settle()?;
        // From here on the journals are kept.
        stage.entries.clear();
        for (former, worker) in stage.former.iter_mut().zip(&mut stage.workers) {
            drop(worker.take_journal());
            *former = worker.core().clone();
        }
        Ok(stage)
    }

    /// Lets an action happen, and everything that follows from it until the server waits for the world again.
    pub(super) fn take(&mut self, before: &State, action: Action) -> Result<Vec<Effect>, Harness> {
        if let Action::WorkerHearsClose { w } = action {
            self.note_close(before, w);
        }
        self.perform(before, action)?;
        self.settle()?;
        self.end_uses(before);
        if self.arm.take_server_close() {
            let effects = self.barrier.request_close();
            self.barrier_effects.extend(effects);
        }
        let effects = self.barrier.hear();
        self.barrier_effects.extend(effects);
        self.findings.append(&mut self.barrier.findings);
        self.read_journal()
    }

    fn note_close(&mut self, before: &State, w: WorkerId) {
        for t in self.config.transport_ids().filter(|t| self.config.worker_of(*t) == w) {
            self.at_close[t.index()] = before.core.transport(t).phase;
        }
    }

    /// A connection that is gone is interfered with no longer, and may have left an event behind.
    fn end_uses(&mut self, before: &State) {
        for c in before.core.connection_ids() {
            let gone = self.connection(c).is_err();
            let entry = &mut self.interference[c.index()];
            if gone && let Some(token) = entry.token.take() {
                let id = self.book.connection(c);
                *entry = Interference {
                    uses: entry.uses,
                    stale: id.map(|(_, id)| (token, id)),
                    ..Interference::default()
                };
            }
        }
    }

    /// The worker of a connection, and its number there while it is there.
    pub(super) fn connection(
        &self,
        c: model::ConnectionId,
    ) -> Result<(WorkerId, ConnectionId), Harness> {
        let is_there = |(w, id): &(WorkerId, ConnectionId)| {
            self.workers[w.index()].core().connections().contains_key(id)
        };
        let there = self.book.connection(c).filter(is_there);
        there.ok_or_else(|| super::perform::impossible("the connection is gone"))
    }

    /// Where each connection is.
    pub(super) fn places(&self) -> Vec<Place> {
        let place = |c| match (self.in_flight[model::ConnectionId::index(c)], self.connection(c)) {
            (Some(InFlight { to, .. }), _) => Place::InFlight { from: self.config.home_of(c), to },
            (None, Ok((w, _))) => Place::With(w),
            (None, Err(_)) => Place::With(self.config.home_of(c)),
        };
        self.config.connection_ids().map(place).collect()
    }

    /// The worker of a transport.
    pub(super) fn worker_of(&mut self, t: TransportId) -> &mut Worker {
        &mut self.workers[self.config.worker_of(t).index()]
    }

    /// Polls until this is ready, and lets it happen.
    pub(super) fn deliver(
        &mut self,
        w: WorkerId,
        ready: Ready,
        what: &'static str,
    ) -> Result<(), Harness> {
        if self.await_ready(w, ready, what)? {
            self.workers[w.index()].deliver(ready);
        }
        Ok(())
    }

    /// Lets everything happen that is ready and not held back. A server that has always something left to do is a
    /// finding.
    pub(super) fn settle(&mut self) -> Result<(), Harness> {
        for index in 0..self.workers.len() {
            self.settle_worker(WorkerId(index as u8))?;
        }
        Ok(())
    }

    fn settle_worker(&mut self, w: WorkerId) -> Result<(), Harness> {
        for _ in 0..DELIVERIES_MAX {
            let worker = &mut self.workers[w.index()];
            worker.poll(Some(Duration::ZERO))?;
            let ready: Vec<_> = worker.ready().iter().copied().collect();
            let Some(ready) = ready.into_iter().find(|ready| !self.is_held(w, *ready)) else {
                return Ok(());
            };
            self.workers[w.index()].deliver(ready);
        }
        let ready = format!("{:?} once more", self.workers[w.index()].ready().front());
        self.findings.push(Finding::broken("what never ends", ready));
        Ok(())
    }

    /// Whether the model decides when this happens.
    pub(super) fn is_held(&self, w: WorkerId, ready: Ready) -> bool {
        match ready {
            Ready::SocketWritable(id) => self
                .config
                .sockets_of(w)
                .any(|s| self.book.socket(s).1 == id && self.full[s.index()]),
            Ready::ConnectionWritable(id) => self.is_blocked(w, id),
            Ready::ConnectionReadable(id) => self.is_unread(w, id),
            Ready::SocketReadable(_) | Ready::ListenerReadable(_) | Ready::Alarm(_) => false,
        }
    }

    /// Whether the queue of a connection waits for room.
    pub(super) fn is_blocked(&self, w: WorkerId, id: ConnectionId) -> bool {
        let connection = self.workers[w.index()].core().connections().get(&id);
        connection.is_some_and(|connection| connection.write == WriteState::Blocked)
    }

    fn is_unread(&self, w: WorkerId, id: ConnectionId) -> bool {
        let connections = (0..self.interference.len() as u8).map(model::ConnectionId);
        connections
            .filter(|c| self.interference[c.index()].unread)
            .any(|c| self.connection(c).is_ok_and(|connection| connection == (w, id)))
    }
}

/// An address of this host: on Linux another one for each stage. Connections that ended keep their port for a minute,
/// and where thousands of them have one address, the kernel looks long for a free port.
fn loopback() -> Ipv4Addr {
    static STAGES: AtomicU32 = AtomicU32::new(0);
    if cfg!(target_os = "linux") {
        let [.., high, low] = STAGES.fetch_add(1, Ordering::Relaxed).to_be_bytes();
        let [.., process] = std::process::id().to_be_bytes();
        // Neither the first nor the last: they are the network's own.
        Ipv4Addr::new(127, process, high, low.clamp(1, 254))
    } else {
        Ipv4Addr::LOCALHOST
    }
}

/// Everything that the server will listen on.
struct Carriers {
    udp: Vec<Option<UdpSocket>>,
    tcp: Vec<Option<TcpListener>>,
    sockets: Vec<SocketAddr>,
    listeners: Vec<SocketAddr>,
}

impl Carriers {
    fn bind(config: &Config) -> Result<Self, Harness> {
        let mut carriers = Carriers {
            udp: Vec::new(),
            tcp: Vec::new(),
            sockets: Vec::new(),
            listeners: Vec::new(),
        };
        let ip = loopback();
        for _ in &config.sockets {
            let socket = UdpSocket::bind((ip, 0))?;
            carriers.sockets.push(socket.local_addr()?);
            carriers.udp.push(Some(socket));
        }
        for _ in &config.listeners {
            let listener = TcpListener::bind((ip, 0))?;
            SockRef::from(&listener).set_send_buffer_size(SEND_BUFFER_BYTES)?;
            carriers.listeners.push(listener.local_addr()?);
            carriers.tcp.push(Some(listener));
        }
        Ok(carriers)
    }

    /// The carriers of one worker, in the order in which it numbers them.
    fn of(&mut self, config: &Config, w: WorkerId) -> Vec<Bound> {
        let mut bound = Vec::new();
        for s in config.sockets_of(w) {
            let info = listen_info(Protocol::Udp, self.sockets[s.index()]);
            let carrier = self.udp[s.index()].take().map(BoundCarrier::Udp);
            bound.extend(carrier.map(|carrier| Bound { info, carrier }));
        }
        for l in config.listeners_of(w) {
            let info = listen_info(Protocol::Tcp, self.listeners[l.index()]);
            let carrier = self.tcp[l.index()].take().map(BoundCarrier::Tcp);
            bound.extend(carrier.map(|carrier| Bound { info, carrier }));
        }
        bound
    }

    fn workers(
        mut self,
        config: &Config,
        ends: Vec<WorkerEnd>,
        mailboxes: &Mailboxes,
        mutant: Option<Mutant>,
    ) -> Result<Vec<Worker>, Harness> {
        let mut workers = Vec::new();
        for (w, end) in config.worker_ids().zip(ends) {
            let worker = WorkerConfig {
                limits: limits(config),
                bound: self.of(config, w),
                notify: Box::new(end),
                clock: Clock::Manual,
                mutant,
            };
            let mut worker = Worker::among(worker, mailboxes.neighbours(names::worker(w)))?;
            mailboxes.connect(names::worker(w), worker.waker());
            worker.number_connections_from(u64::from(w.0) * CONNECTIONS_PER_WORKER);
            workers.push(worker);
        }
        Ok(workers)
    }
}

/// The limits of a configuration.
fn limits(config: &Config) -> Limits {
    Limits { tuples_per_transport_max: config.tuples_max, ..Limits::default() }
}

fn listen_info(protocol: Protocol, address: SocketAddr) -> ListenInfo {
    let mut info = ListenInfo::new(protocol, address.ip());
    info.port = address.port();
    info
}
