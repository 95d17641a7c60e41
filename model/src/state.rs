//! A state of the model: what the server knows, what is true outside it, and what was recorded.

use arrayvec::ArrayVec;
use serde::{Deserialize, Serialize};

use crate::config::Config;
use crate::ids::{AddressId, ConnectionId, TransportId, WorkerId};
use crate::world::{Ghost, World};

/// Transports that a configuration may have.
pub const TRANSPORTS_MAX: usize = 3;
/// TCP connections that the peers of a configuration may open.
pub const CONNECTIONS_MAX: usize = 4;
/// Workers that a configuration may have.
pub const WORKERS_MAX: usize = 2;
/// Tuples that one transport may have.
pub const TUPLES_MAX: usize = 4;

/// One state of the model.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct State {
    /// What the server knows; this is what other implementations are compared with.
    pub core: Core,
    /// What is true of the kernel, the peers and the callers.
    pub world: World,
    /// What the properties remember; no transition reads it.
    pub ghost: Ghost,
}

/// What the server knows.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Core {
    /// Where the barrier of all workers is.
    pub server: ServerPhase,
    /// Where each worker is.
    pub workers: ArrayVec<WorkerPhase, WORKERS_MAX>,
    /// The transports in the order of their ids; closed ones stay, to be looked at.
    pub transports: ArrayVec<Transport, TRANSPORTS_MAX>,
    /// The connections that peers may open, in the order of their ids.
    pub connections: ArrayVec<Connection, CONNECTIONS_MAX>,
    /// The worker that has each connection; of one in flight, the one that gave it away; of others, the one that
    /// accepts it.
    pub holders: ArrayVec<WorkerId, CONNECTIONS_MAX>,
}

/// The phases of the server, all workers together.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum ServerPhase {
    /// In service.
    Open,
    /// `close()` was called; a worker is not drained.
    Closing,
    /// Every worker is drained; a worker has not released its carriers.
    Releasing,
    /// Every carrier is released.
    Closed,
}

/// The phases of one worker's share of the server.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum WorkerPhase {
    /// In service; it may not have heard yet that the server closes.
    Open,
    /// It closes; transports or connections are left.
    Closing,
    /// Nothing is left but its carriers, which wait for the other workers.
    Drained,
    /// Its carriers are released.
    Released,
}

/// The phases of a transport.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Phase {
    /// Not created yet.
    Absent,
    /// Asked for when its worker had begun to close. Final.
    Refused,
    /// In service.
    Open,
    /// Its farewell or a connection is not over yet.
    Closing,
    /// Over and reported. Final.
    Closed,
}

/// One transport as the server knows it.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Transport {
    /// Where it is in its life.
    pub phase: Phase,
    /// The ICE state.
    pub ice: IceState,
    /// The DTLS state.
    pub dtls: DtlsState,
    /// Its tuples in the routing table, the oldest first.
    pub tuples: ArrayVec<Tuple, TUPLES_MAX>,
    /// The tuple that it sends to.
    pub selected: Option<Tuple>,
    /// Its ufrags in the routing table.
    pub ufrags: Ufrags,
    /// How far its one close_notify got, be it its own or the reply to the peer's.
    pub farewell: Farewell,
    /// Why it closes, once it does.
    pub reason: Option<CloseReason>,
    /// What came of the farewell of its close, once that is settled.
    pub outcome: Option<Outcome>,
}

/// The ufrags by which a transport can be found.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Ufrags {
    /// None: it is not there, or not any more.
    None,
    /// Its ufrag.
    Current,
    /// After an ICE restart, until the new one was used: both.
    CurrentAndPrevious,
}

/// The path between the server and a remote address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Tuple {
    /// Datagrams between a UDP socket and this address.
    Udp(AddressId),
    /// One TCP connection.
    Tcp(ConnectionId),
}

/// The ICE states.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum IceState {
    /// No valid check yet.
    New,
    /// There is a selected tuple.
    Connected,
    /// There is a selected tuple and the peer nominated once.
    Completed,
    /// There was a tuple and there is none now.
    Disconnected,
    /// The transport closes.
    Closed,
}

/// The DTLS states.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum DtlsState {
    /// ICE never had a path.
    New,
    /// Handshaking.
    Connecting,
    /// In use.
    Connected,
    /// The handshake failed; final.
    Failed,
    /// The peer said close_notify or sent a fatal alert, or the transport closes; final.
    Closed,
}

/// A TCP connection that a peer opens.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Connection {
    /// Not opened yet.
    None,
    /// Accepted, no authenticated check yet: it is nobody's.
    Unbound,
    /// Between two workers: the one that had it gave it away, the other has not looked into its mailbox.
    InFlight {
        /// The transport that the check names for which it was given away.
        to: TransportId,
    },
    /// A tuple of a transport.
    Bound {
        /// The transport.
        owner: TransportId,
        /// What waits to be written.
        queue: Queue,
    },
    /// At the end of its use, something still waits to be written.
    Flushing {
        /// The transport whose tuple it was.
        owner: TransportId,
        /// What waits to be written.
        queue: Queue,
        /// Whether the peer ended its half.
        eof: ReadSide,
    },
    /// `shutdown(WR)` is done; what comes is read and discarded.
    Draining {
        /// The transport whose tuple it was, which waits for its end; none if it was never bound.
        owner: Option<TransportId>,
    },
    /// Closed.
    Gone,
}

/// What waits in the queue of a connection: other frames first, then the alert.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, Default)]
pub struct Queue {
    /// Media of which the kernel took only the beginning, or replies to checks.
    pub other: Waiting,
    /// The close_notify.
    pub alert: Waiting,
}

/// How much of a frame is still to be written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, Default)]
pub enum Waiting {
    /// Nothing: there is none.
    #[default]
    No,
    /// All of it.
    Whole,
    /// Its rest: the kernel took the beginning.
    Begun,
}

/// The peer's half of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum ReadSide {
    /// More may come.
    Open,
    /// The peer's FIN was read.
    Ended,
}

/// How far the one close_notify of a transport got.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Farewell {
    /// None was made.
    None,
    /// It waits for the socket, or in the queue of the connection.
    Queued(Tuple),
    /// The kernel has it.
    Sent(Tuple),
    /// The peer has it.
    Confirmed(Tuple),
    /// The kernel never got it.
    Dropped(DropReason),
}

/// Why a close_notify was not handed over.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum DropReason {
    /// A deadline passed first.
    Deadline,
    /// The peer reset the connection that it waited on.
    Reset,
    /// Its carrier was released under it. Only mutants show it.
    CarrierReleased,
    /// Consent expired while the reply to the peer's close_notify waited.
    NoConsent,
    /// Another transport proved that the tuple is its own by now.
    PathTaken,
}

/// Why a transport that closed had nothing to say.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum NoAlert {
    /// The peer had ended the DTLS association, and was answered then if it said close_notify.
    PeerClosed,
    /// The handshake had failed.
    Failed,
    /// The handshake was not done.
    Handshaking,
    /// The handshake had not begun.
    NotConnected,
    /// DTLS was connected, but no tuple was selected.
    NoPath,
}

/// What came of the farewell of a close.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Outcome {
    /// The peer has it.
    Confirmed,
    /// The kernel has it.
    Sent,
    /// There was nobody to say it to.
    NotNeeded(NoAlert),
    /// It did not leave.
    Dropped(DropReason),
}

/// Who closed a transport.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum CloseReason {
    /// Its owner.
    Owner,
    /// The server, with everything else.
    ServerClosed,
}

impl Core {
    /// One of its transports.
    pub fn transport(&self, t: TransportId) -> &Transport {
        &self.transports[t.index()]
    }

    /// One of its connections.
    pub fn connection(&self, c: ConnectionId) -> Connection {
        self.connections[c.index()]
    }

    /// One of its workers.
    pub fn worker(&self, w: WorkerId) -> WorkerPhase {
        self.workers[w.index()]
    }

    /// The transports in the order of their ids.
    pub fn transport_ids(&self) -> impl Iterator<Item = TransportId> + use<> {
        (0..self.transports.len() as u8).map(TransportId)
    }

    /// The connections in the order of their ids.
    pub fn connection_ids(&self) -> impl Iterator<Item = ConnectionId> + use<> {
        (0..self.connections.len() as u8).map(ConnectionId)
    }

    /// The connections that a transport's close waits for: those that are its tuples or were.
    pub fn connections_of(&self, t: TransportId) -> impl Iterator<Item = ConnectionId> + '_ {
        self.connection_ids().filter(move |c| self.connection(*c).owner() == Some(t))
    }

    /// The open transport whose tuple that is.
    pub fn owner(&self, tuple: Tuple) -> Option<TransportId> {
        self.transport_ids().find(|t| self.transport(*t).tuples.contains(&tuple))
    }

    /// The worker in whose table a connection is, or would be; none while it is in flight.
    pub fn holder(&self, c: ConnectionId) -> Option<WorkerId> {
        let in_flight = self.connection(c).destination().is_some();
        (!in_flight).then_some(self.holders[c.index()])
    }

    /// The worker that hears next of a connection: who has it, or who will find it in the mailbox.
    pub fn receiver(&self, config: &Config, c: ConnectionId) -> WorkerId {
        match self.connection(c).destination() {
            Some(to) => config.worker_of(to),
            None => self.holders[c.index()],
        }
    }

    /// Does what names this transport arrive on a connection that another worker has?
    pub fn is_misplaced(&self, config: &Config, t: TransportId, c: ConnectionId) -> bool {
        self.holder(c).is_some_and(|holder| holder != config.worker_of(t))
    }

    /// Is nothing left that a closing worker waits for?
    pub fn is_drained(&self, config: &Config, w: WorkerId) -> bool {
        let over = |t: TransportId| config.worker_of(t) != w || !self.transport(t).phase.is_live();
        let gone = |c: ConnectionId| self.holder(c) != Some(w) || !self.connection(c).is_live();
        self.transport_ids().all(over) && self.connection_ids().all(gone)
    }
}

impl Phase {
    /// Is it somewhere between created and reported?
    pub fn is_live(self) -> bool {
        matches!(self, Self::Open | Self::Closing)
    }
}

impl Transport {
    /// A transport that is not created yet.
    pub fn absent() -> Self {
        Self {
            phase: Phase::Absent,
            ice: IceState::New,
            dtls: DtlsState::New,
            tuples: ArrayVec::new(),
            selected: None,
            ufrags: Ufrags::None,
            farewell: Farewell::None,
            reason: None,
            outcome: None,
        }
    }

    /// A transport as it was created.
    pub fn created() -> Self {
        Self { phase: Phase::Open, ufrags: Ufrags::Current, ..Self::absent() }
    }

    /// Is this tuple in the routing table as its own?
    pub fn has_tuple(&self, tuple: Tuple) -> bool {
        self.tuples.contains(&tuple)
    }
}

impl Tuple {
    /// The connection under a TCP tuple.
    pub fn connection(self) -> Option<ConnectionId> {
        match self {
            Self::Udp(_) => None,
            Self::Tcp(c) => Some(c),
        }
    }

    /// Is it a path over a UDP socket?
    pub fn is_udp(self) -> bool {
        matches!(self, Self::Udp(_))
    }
}

impl Connection {
    /// Is it a tuple of a transport?
    pub fn is_bound(self) -> bool {
        matches!(self, Self::Bound { .. })
    }

    /// Is it somewhere between accepted and gone?
    pub fn is_live(self) -> bool {
        !matches!(self, Self::None | Self::Gone)
    }

    /// Does what arrives on it still count?
    pub fn is_in_use(self) -> bool {
        matches!(self, Self::Unbound | Self::Bound { .. })
    }

    /// The transport whose tuple it is or was, and whose close waits for it.
    pub fn owner(self) -> Option<TransportId> {
        match self {
            Self::Bound { owner, .. } | Self::Flushing { owner, .. } => Some(owner),
            Self::Draining { owner } => owner,
            Self::None | Self::Unbound | Self::InFlight { .. } | Self::Gone => None,
        }
    }

    /// The transport for which it is on its way to another worker.
    pub fn destination(self) -> Option<TransportId> {
        match self {
            Self::InFlight { to } => Some(to),
            Self::None
            | Self::Unbound
            | Self::Bound { .. }
            | Self::Flushing { .. }
            | Self::Draining { .. }
            | Self::Gone => None,
        }
    }

    /// The transport that what happens to it concerns, if it concerns one.
    pub(crate) fn transport(self) -> Option<TransportId> {
        self.owner().or(self.destination())
    }

    /// What waits to be written on it.
    pub fn queue(self) -> Queue {
        match self {
            Self::Bound { queue, .. } | Self::Flushing { queue, .. } => queue,
            Self::None
            | Self::Unbound
            | Self::InFlight { .. }
            | Self::Draining { .. }
            | Self::Gone => Queue::default(),
        }
    }

    /// The same with another queue; a connection that has none stays as it is.
    pub(crate) fn with_queue(self, queue: Queue) -> Self {
        match self {
            Self::Bound { owner, .. } => Self::Bound { owner, queue },
            Self::Flushing { owner, eof, .. } => Self::Flushing { owner, queue, eof },
            Self::None
            | Self::Unbound
            | Self::InFlight { .. }
            | Self::Draining { .. }
            | Self::Gone => self,
        }
    }
}

impl Queue {
    /// Does nothing wait?
    pub fn is_empty(self) -> bool {
        self == Self::default()
    }

    /// Does the close_notify wait?
    pub fn holds_alert(self) -> bool {
        self.alert != Waiting::No
    }

    /// Is its first frame written in part?
    pub fn is_begun(self) -> bool {
        self.other == Waiting::Begun || self.alert == Waiting::Begun
    }
}

impl Farewell {
    /// Does it still wait for the kernel?
    pub fn is_queued(self) -> bool {
        matches!(self, Self::Queued(_))
    }

    /// The tuple on which something is still to happen with it.
    pub fn path(self) -> Option<Tuple> {
        match self {
            Self::Queued(tuple) | Self::Sent(tuple) => Some(tuple),
            Self::None | Self::Confirmed(_) | Self::Dropped(_) => None,
        }
    }
}

impl State {
    /// The state before anything happened: the server open, its transports new.
    pub fn initial(config: &Config) -> Self {
        Self {
            core: Core {
                server: ServerPhase::Open,
                workers: (0..config.workers).map(|_| WorkerPhase::Open).collect(),
                transports: config.initial_transports(),
                connections: config.connections.iter().map(|_| Connection::None).collect(),
                holders: config.connection_ids().map(|c| config.home_of(c)).collect(),
            },
            world: World::initial(config),
            ghost: Ghost::initial(config),
        }
    }

    /// Has somebody taken over the UDP address that a farewell of `t` waits on?
    pub(crate) fn is_taken(&self, t: TransportId, address: AddressId) -> bool {
        self.core.owner(Tuple::Udp(address)).is_some_and(|owner| owner != t)
    }
}
