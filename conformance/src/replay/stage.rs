//! The world of one trace: a server on loopback, its owner, its callers, and a peer for each transport.

use std::net::{Ipv4Addr, SocketAddr, TcpListener, UdpSocket};
use std::sync::Arc;
use std::time::{Duration, Instant};

use socket2::SockRef;
use webrtc_server::control::command::{Command, Reply};
use webrtc_server::fingerprint::Fingerprint;
use webrtc_server::lifecycle::{
    self, ConnectionId, DtlsRole, Limits, ListenerId, Mutant, SocketId, WriteState,
};
use webrtc_server::parameters::{ListenInfo, Protocol};
use webrtc_server::shell::bind::{Bound, BoundCarrier};
use webrtc_server::shell::dtls::{Certificate, DtlsContext, DtlsOptions};
use webrtc_server::shell::{Clock, Ready, Worker, WorkerConfig};
use webrtc_server_model::{
    Action, CloseReason, Config, Effect, Outcome, Phase, State, TransportId,
};

use super::PATIENCE;
use super::barrier::Barrier;
use super::book::Book;
use super::client::{Client, Owner};
use super::journal;
use super::report::{Finding, Harness};
use crate::lockstep::names;
use crate::peer::{self, Peer, PeerCertificate, ServerCredentials};

/// The UDP socket: the first carrier of the worker.
pub(super) const SOCKET: SocketId = SocketId(0);
/// The listener: the second one.
pub(super) const LISTENER: ListenerId = ListenerId(1);
/// `SO_SNDBUF` of accepted connections, inherited from the listener: the least that Linux gives.
const SEND_BUFFER_BYTES: usize = 4608;
/// Longest wait of one poll: what is ready is noticed at once, this only bounds the deadline's granularity.
const POLL_SLICE: Duration = Duration::from_millis(20);
/// Events that one action may lead to before the worker must have come to rest.
const DELIVERIES_MAX: usize = 1_000;

/// What all stages of a run share: keys take long to make.
pub(super) struct Wardrobe {
    dtls: DtlsContext,
    certificate: PeerCertificate,
}

impl Wardrobe {
    pub(super) fn new() -> Result<Self, Harness> {
        let failed = |error: &dyn std::fmt::Display| Harness::Impossible(error.to_string());
        let own = Certificate::generate().map_err(|error| failed(&error))?;
        let dtls =
            DtlsContext::new(&own, DtlsOptions::default()).map_err(|error| failed(&error))?;
        let certificate = PeerCertificate::shared().map_err(|error| failed(&error))?;
        Ok(Wardrobe { dtls, certificate })
    }
}

/// Whether the UDP socket plays full.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Room {
    Plenty,
    None,
}

/// One server, and everybody around it.
pub(super) struct Stage {
    /// The server's one worker.
    pub(super) worker: Worker,
    /// The barrier and the callers.
    pub(super) barrier: Barrier,
    /// Who is who.
    pub(super) book: Book,
    /// The peers, by transport.
    pub(super) clients: Vec<Client>,
    /// The owner's side of each transport.
    pub(super) owners: Vec<Owner>,
    /// Whether the socket plays full.
    pub(super) room: Room,
    /// Where the UDP socket is.
    pub(super) udp: SocketAddr,
    /// Where the listener is.
    pub(super) tcp: SocketAddr,
    /// What was reported of each transport at its end.
    pub(super) reports: Vec<Option<(CloseReason, Outcome)>>,
    /// The tuple that each farewell went to.
    pub(super) farewell_paths: Vec<Option<lifecycle::Tuple>>,
    /// Handshakes that were completed.
    pub(super) handshakes: usize,
    /// What went wrong on the way, in this step.
    pub(super) findings: Vec<Finding>,
    /// The effects of the barrier in this step.
    pub(super) barrier_effects: Vec<Effect>,
    /// The phases of the transports when the server's close began.
    pub(super) open_at_close: Vec<Phase>,
    /// The core before this step.
    pub(super) former_core: lifecycle::Worker,
}

impl Stage {
    /// A server with all transports of a configuration, each of them told who its peer is.
    pub(super) fn new(
        config: &Config,
        wardrobe: &Wardrobe,
        mutant: Option<Mutant>,
    ) -> Result<Self, Harness> {
        let (barrier, line) = Barrier::new(config.callers);
        let (udp, tcp) = (bind_udp()?, bind_tcp()?);
        let addresses = (udp.1, tcp.1);
        let worker = Worker::new(WorkerConfig {
            limits: Limits::default(),
            dtls: wardrobe.dtls.clone(),
            bound: vec![udp.0, tcp.0],
            notify: Box::new(line),
            clock: Clock::Manual,
            mutant,
        })?;
        let former_core = worker.core().clone();
        let mut stage = Stage {
            worker,
            barrier,
            book: Book::new(config.transports(), SOCKET),
            clients: Vec::new(),
            owners: Vec::new(),
            room: Room::Plenty,
            udp: addresses.0,
            tcp: addresses.1,
            reports: vec![None; config.transports()],
            farewell_paths: vec![None; config.transports()],
            handshakes: 0,
            findings: Vec::new(),
            barrier_effects: Vec::new(),
            open_at_close: Vec::new(),
            former_core,
        };
        for index in 0..config.transports() {
            stage.create(TransportId(index as u8), wardrobe)?;
        }
        stage.settle()?;
        // From here on the journal is kept.
        drop(stage.worker.take_journal());
        stage.former_core = stage.worker.core().clone();
        Ok(stage)
    }

    fn create(&mut self, t: TransportId, wardrobe: &Wardrobe) -> Result<(), Harness> {
        let (owner, credentials) = (Owner::default(), names::credentials(t));
        let theirs = ServerCredentials {
            ufrag: credentials.ufrag.clone(),
            password: credentials.password.clone(),
        };
        let (reply, created) = Reply::new();
        self.worker.execute(Command::CreateTransport {
            transport: names::transport(t),
            credentials,
            consent: Some(names::CONSENT),
            sink: owner.sink(),
            closed: Arc::clone(&owner.closed),
            reply,
        });
        let (reply, connected) = Reply::new();
        let fingerprint = Fingerprint::parse("sha-256", wardrobe.certificate.fingerprint());
        self.worker.execute(Command::Connect {
            transport: names::transport(t),
            remote_role: DtlsRole::Client,
            fingerprints: fingerprint.into_iter().collect(),
            reply,
        });
        let refused = |what: &str| Harness::Impossible(format!("{what} transport {}", t.0));
        created.try_recv().ok().and_then(Result::ok).ok_or_else(|| refused("create"))?;
        connected.try_recv().ok().and_then(Result::ok).ok_or_else(|| refused("connect"))?;
        let peer = Peer::new(theirs, &wardrobe.certificate, peer::DtlsRole::Client)?;
        self.clients.push(Client::new(peer));
        self.owners.push(owner);
        Ok(())
    }

    /// Lets an action happen, and everything that follows from it until the server waits for the world again.
    pub(super) fn take(&mut self, before: &State, action: Action) -> Result<Vec<Effect>, Harness> {
        self.note_close(before, action);
        self.perform(before, action)?;
        self.settle()?;
        let effects = self.barrier.hear(&mut self.worker)?;
        self.barrier_effects.extend(effects);
        self.read_journal()
    }

    /// The effects since the last call, and what else the journal tells.
    pub(super) fn read_journal(&mut self) -> Result<Vec<Effect>, Harness> {
        let entries = self.worker.take_journal();
        let mut before = self.former_core.clone();
        let mut effects = Vec::new();
        for entry in entries {
            if let Err(what) = journal::contract(&entry) {
                self.findings.push(Finding::broken("the core's contract", what));
            }
            match journal::effects(&before, &entry, &self.book) {
                Ok(found) => effects.extend(found),
                Err(what) => self.findings.push(Finding::broken("the outputs", what)),
            }
            journal::remember_paths(&entry.core, &mut self.farewell_paths);
            before = entry.core;
        }
        self.former_core = before;
        effects.append(&mut self.barrier_effects);
        for effect in &effects {
            if let Effect::TransportClosed(t, reason, outcome) = effect {
                self.reports[t.index()] = Some((*reason, *outcome));
            }
        }
        Ok(effects)
    }

    /// Polls until this is ready, and lets it happen.
    pub(super) fn deliver(&mut self, ready: Ready, what: &'static str) -> Result<(), Harness> {
        let deadline = Instant::now() + PATIENCE;
        while !self.worker.deliver(ready) {
            if Instant::now() >= deadline {
                return Err(Harness::Barrier(what));
            }
            self.worker.poll(Some(POLL_SLICE))?;
        }
        Ok(())
    }

    /// Lets everything happen that is ready and not held back.
    pub(super) fn settle(&mut self) -> Result<(), Harness> {
        for _ in 0..DELIVERIES_MAX {
            self.worker.poll(Some(Duration::ZERO))?;
            let next = self.worker.ready().iter().copied().find(|ready| !self.is_held(*ready));
            let Some(ready) = next else { return Ok(()) };
            self.worker.deliver(ready);
        }
        Err(Harness::Impossible("the worker never comes to rest".to_owned()))
    }

    /// Whether the model decides when this happens.
    pub(super) fn is_held(&self, ready: Ready) -> bool {
        match ready {
            Ready::SocketWritable(_) => self.room == Room::None,
            Ready::ConnectionWritable(id) => self.is_blocked(id),
            Ready::SocketReadable(_)
            | Ready::ListenerReadable(_)
            | Ready::ConnectionReadable(_)
            | Ready::Alarm(_) => false,
        }
    }

    /// Whether the queue of a connection waits for room.
    pub(super) fn is_blocked(&self, id: ConnectionId) -> bool {
        let connection = self.worker.core().connections().get(&id);
        connection.is_some_and(|connection| connection.write == WriteState::Blocked)
    }
}

fn bind_udp() -> Result<(Bound, SocketAddr), Harness> {
    let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0))?;
    let address = socket.local_addr()?;
    let info = listen_info(Protocol::Udp, address);
    Ok((Bound { info, carrier: BoundCarrier::Udp(socket) }, address))
}

fn bind_tcp() -> Result<(Bound, SocketAddr), Harness> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    SockRef::from(&listener).set_send_buffer_size(SEND_BUFFER_BYTES)?;
    let address = listener.local_addr()?;
    let info = listen_info(Protocol::Tcp, address);
    Ok((Bound { info, carrier: BoundCarrier::Tcp(listener) }, address))
}

fn listen_info(protocol: Protocol, address: SocketAddr) -> ListenInfo {
    let mut info = ListenInfo::new(protocol, address.ip());
    info.port = address.port();
    info
}
