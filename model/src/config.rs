//! How much of the world a run of the model contains.

use arrayvec::ArrayVec;
use serde::Serialize;

use crate::ids::{AddressId, ConnectionId, ListenerId, SocketId, TransportId, WorkerId};
use crate::mutants::Mutant;
use crate::state::{TRANSPORTS_MAX, Transport, Tuple};

/// The bounds of one exploration, and the mutant that is planted in it, if any.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize)]
pub struct Config {
    /// What reports and traces call it.
    pub name: &'static str,
    /// What it is for, in a sentence.
    pub purpose: &'static str,
    /// How many workers there are.
    pub workers: usize,
    /// The worker of each UDP socket.
    pub sockets: Vec<WorkerId>,
    /// The worker of each TCP listener.
    pub listeners: Vec<WorkerId>,
    /// The socket at which the datagrams from each address arrive.
    pub addresses: Vec<SocketId>,
    /// The listener that accepts each connection.
    pub connections: Vec<ListenerId>,
    /// The transports in the order of their ids.
    pub transports: Vec<TransportConfig>,
    /// How many threads have a handle of the server and may close it, each of them once.
    pub callers: usize,
    /// Tuples of one transport before the oldest gives way.
    pub tuples_max: usize,
    /// What the kernel may do.
    pub kernel: KernelAspects,
    /// What the owner may do with the server.
    pub owner: OwnerAspects,
    /// The wrong variant to explore instead of the right one.
    pub mutant: Option<Mutant>,
}

/// One transport of a configuration.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize)]
pub struct TransportConfig {
    /// Its worker.
    pub worker: WorkerId,
    /// The role that it plays in DTLS.
    pub role: Role,
    /// The addresses that its peer sends from. Those that it shares with another peer may change hands.
    pub addresses: Vec<AddressId>,
    /// The connections that its peer opens. Those that it shares with another peer may change hands.
    pub connections: Vec<ConnectionId>,
    /// What its peer and its owner may do.
    pub aspects: Aspects,
}

/// Our role in the DTLS handshake (RFC 5763 §5).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
pub enum Role {
    /// The peer sends the ClientHello.
    Server,
    /// We do.
    Client,
}

/// What the peer and the owner of one transport may do.
///
/// A switch only takes actions away: no transition reads it (but that only where events may be stale one is left
/// behind), so what a transport does in a given state is the same in every configuration.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Default)]
pub struct Aspects {
    /// Checks with USE-CANDIDATE exist beside checks without it.
    pub nomination: bool,
    /// Consent may expire.
    pub consent: bool,
    /// The DTLS handshake may fail, or take too long.
    pub handshake_failure: bool,
    /// The handshake may stop after a flight.
    pub flights: bool,
    /// The peer may say close_notify first.
    pub peer_closes: bool,
    /// The peer may send a fatal alert.
    pub fatal_alert: bool,
    /// The owner may close this transport by itself, not only with the server.
    pub owner_closes: bool,
    /// The owner may restart ICE.
    pub restarts: bool,
    /// The transport is not there from the beginning: the owner creates it, perhaps too late.
    pub created_later: bool,
}

/// What the kernel may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Default)]
pub struct KernelAspects {
    /// The send buffer of a UDP socket may be full.
    pub full_sockets: bool,
    /// That of a connection may be full in the middle of a frame.
    pub full_connections: bool,
    /// It may be full, or nearly so, between two frames.
    pub little_room: bool,
    /// Input may lie unread.
    pub unread_input: bool,
    /// Connections may be reset without anybody's noticing before the next write.
    pub unseen_resets: bool,
    /// Connections may be opened again with the same addresses and ports.
    pub reopened_connections: bool,
    /// A batch of events may hold several of one connection.
    pub stale_events: bool,
    /// There may be no descriptor for a new connection.
    pub missing_descriptors: bool,
}

/// What the owner may do with the server.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Default)]
pub struct OwnerAspects {
    /// Handles may be dropped without `close()`.
    pub dropped_handles: bool,
    /// The server or a transport may be closed from inside an event callback.
    pub callbacks: bool,
}

impl Aspects {
    /// Whatever one peer and one owner do when nothing is restarted or created late.
    pub const fn usual() -> Self {
        Self {
            nomination: true,
            consent: true,
            handshake_failure: true,
            flights: false,
            peer_closes: true,
            fatal_alert: false,
            owner_closes: true,
            restarts: false,
            created_later: false,
        }
    }
}

impl Aspects {
    /// Whatever one peer and one owner do, but for the flights of a handshake one by one.
    pub const fn rich() -> Self {
        Self { fatal_alert: true, restarts: true, ..Self::usual() }
    }
}

impl KernelAspects {
    /// Everything.
    pub const fn all() -> Self {
        Self {
            full_sockets: true,
            full_connections: true,
            little_room: true,
            unread_input: true,
            unseen_resets: true,
            reopened_connections: true,
            stale_events: true,
            missing_descriptors: true,
        }
    }
}

impl TransportConfig {
    /// A transport of worker 0 that plays the server in DTLS.
    pub(crate) fn new(addresses: &[u8], connections: &[u8], aspects: Aspects) -> Self {
        Self {
            worker: WorkerId(0),
            role: Role::Server,
            addresses: addresses.iter().copied().map(AddressId).collect(),
            connections: connections.iter().copied().map(ConnectionId).collect(),
            aspects,
        }
    }

    /// The same in another role.
    pub(crate) fn playing(self, role: Role) -> Self {
        Self { role, ..self }
    }

    /// The same on another worker.
    pub(crate) fn on(self, worker: u8) -> Self {
        Self { worker: WorkerId(worker), ..self }
    }

    /// May its peer use this tuple?
    pub fn may_use(&self, tuple: Tuple) -> bool {
        match tuple {
            Tuple::Udp(address) => self.addresses.contains(&address),
            Tuple::Tcp(connection) => self.connections.contains(&connection),
        }
    }

    /// Every tuple that its peer may use.
    pub fn tuples(&self) -> impl Iterator<Item = Tuple> + '_ {
        let udp = self.addresses.iter().copied().map(Tuple::Udp);
        udp.chain(self.connections.iter().copied().map(Tuple::Tcp))
    }
}

impl Config {
    /// The same bounds with a mutant planted.
    pub fn with_mutant(self, mutant: Mutant) -> Self {
        Self { mutant: Some(mutant), ..self }
    }

    /// The ids of the transports.
    pub fn transport_ids(&self) -> impl Iterator<Item = TransportId> + use<> {
        (0..self.transports.len() as u8).map(TransportId)
    }

    /// The ids of the workers.
    pub fn worker_ids(&self) -> impl Iterator<Item = WorkerId> + use<> {
        (0..self.workers as u8).map(WorkerId)
    }

    /// One of its transports.
    pub fn transport(&self, t: TransportId) -> &TransportConfig {
        &self.transports[t.index()]
    }

    /// The worker of a transport.
    pub fn worker_of(&self, t: TransportId) -> WorkerId {
        self.transports[t.index()].worker
    }

    /// The ids of the connections.
    pub fn connection_ids(&self) -> impl Iterator<Item = ConnectionId> + use<> {
        (0..self.connections.len() as u8).map(ConnectionId)
    }

    /// The worker that accepts a connection.
    pub fn home_of(&self, c: ConnectionId) -> WorkerId {
        self.listeners[self.connections[c.index()].index()]
    }

    /// May a connection arrive at another worker than that of a transport which it is for?
    pub fn hands_over(&self, c: ConnectionId) -> bool {
        let home = self.home_of(c);
        self.transports.iter().any(|t| t.worker != home && t.connections.contains(&c))
    }

    /// The socket at which the datagrams from an address arrive.
    pub fn socket_of(&self, address: AddressId) -> SocketId {
        self.addresses[address.index()]
    }

    /// The UDP sockets of a worker.
    pub fn sockets_of(&self, w: WorkerId) -> impl Iterator<Item = SocketId> + '_ {
        let all = self.sockets.iter().enumerate();
        all.filter(move |(_, worker)| **worker == w).map(|(index, _)| SocketId(index as u8))
    }

    /// The TCP listeners of a worker.
    pub fn listeners_of(&self, w: WorkerId) -> impl Iterator<Item = ListenerId> + '_ {
        let all = self.listeners.iter().enumerate();
        all.filter(move |(_, worker)| **worker == w).map(|(index, _)| ListenerId(index as u8))
    }

    pub(crate) fn initial_transports(&self) -> ArrayVec<Transport, TRANSPORTS_MAX> {
        let initial = |t: &TransportConfig| match t.aspects.created_later {
            true => Transport::absent(),
            false => Transport::created(),
        };
        self.transports.iter().map(initial).collect()
    }

    /// Is this mutant planted?
    pub(crate) fn is(&self, mutant: Mutant) -> bool {
        self.mutant == Some(mutant)
    }
}
