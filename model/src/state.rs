//! A state of the model: what the server knows, what is true outside it, and what was recorded.

use serde::{Deserialize, Serialize};

use crate::action::TransportId;
use crate::config::Config;
use crate::world::{Broken, Caller, Ghost, History, Listener, Peer, Socket, Stream, World};

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
    /// Where the server is in its life.
    pub server: ServerPhase,
    /// Its transports in the order of their ids; closed ones stay, to be looked at.
    pub transports: Vec<Transport>,
}

/// The phases of the server and of its one worker, taken together.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum ServerPhase {
    /// In service.
    Open,
    /// `close()` was called; transports or connections are left.
    Closing,
    /// Nothing is left but the carriers, which wait for the other workers.
    Drained,
    /// The carriers are released.
    Closed,
}

/// The phases of a transport.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Phase {
    /// In service.
    Open,
    /// Its farewell or its connection is not over yet.
    Closing,
    /// Over and reported.
    Closed,
}

/// One transport as the server knows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Transport {
    /// Where it is in its life.
    pub phase: Phase,
    /// The ICE state.
    pub ice: IceState,
    /// The DTLS state.
    pub dtls: DtlsState,
    /// Its UDP tuple is in the routing table.
    pub udp: bool,
    /// The one TCP connection that its peer opens.
    pub tcp: Connection,
    /// The tuple that it sends to.
    pub selected: Option<Via>,
    /// How far its one close_notify got, be it its own or the reply to the peer's.
    pub farewell: Farewell,
    /// Why it closes, once it does.
    pub reason: Option<CloseReason>,
    /// What came of the farewell of its close, once that is settled.
    pub outcome: Option<Outcome>,
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
    /// The peer said close_notify, or the transport closes; final.
    Closed,
}

/// The two paths of a transport.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Via {
    /// The tuple on the shared UDP socket.
    Udp,
    /// The tuple on the TCP connection.
    Tcp,
}

/// The one TCP connection that the peer of a transport opens.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Connection {
    /// Not opened yet.
    None,
    /// Accepted, no authenticated check yet: it is nobody's.
    Unbound,
    /// A tuple of its transport.
    Bound {
        /// What waits to be written.
        queue: Queue,
    },
    /// At the end of its use, something still waits to be written.
    Flushing {
        /// What waits to be written.
        queue: Queue,
        /// Whether the peer ended its half.
        eof: ReadSide,
    },
    /// `shutdown(WR)` is done; what comes is read and discarded.
    Draining {
        /// Whose close waits for it.
        holder: Holder,
    },
    /// Closed. Final: the peer opens one connection only, which is a bound of the model.
    Gone,
}

/// What waits in the queue of a connection. An alert only ever waits behind a begun frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, Default)]
pub struct Queue {
    /// The rest of a media frame of which the kernel took only the beginning.
    pub begun: bool,
    /// The alert frame behind it.
    pub alert: bool,
}

/// The peer's half of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum ReadSide {
    /// More may come.
    Open,
    /// The peer's FIN was read.
    Ended,
}

/// Who waits for a lingering connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Holder {
    /// Only the server: it was never bound.
    Nobody,
    /// The transport that it was bound to.
    Transport,
}

/// How far the one close_notify of a transport got.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Farewell {
    /// None was made.
    None,
    /// It waits for the socket or behind a begun frame.
    Queued(Via),
    /// The kernel has it.
    Sent(Via),
    /// The peer has it.
    Confirmed(Via),
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
}

/// Why a transport that closed had nothing to say.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum NoAlert {
    /// The peer had closed the DTLS association, and that was answered then.
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

    /// Is nothing left that a closing server waits for?
    pub fn is_drained(&self) -> bool {
        self.transports.iter().all(|t| t.phase == Phase::Closed && !t.tcp.is_live())
    }
}

impl Transport {
    /// A transport as it was created.
    pub fn new() -> Self {
        Self {
            phase: Phase::Open,
            ice: IceState::New,
            dtls: DtlsState::New,
            udp: false,
            tcp: Connection::None,
            selected: None,
            farewell: Farewell::None,
            reason: None,
            outcome: None,
        }
    }

    /// Is this tuple in the routing table?
    pub fn has_tuple(&self, via: Via) -> bool {
        match via {
            Via::Udp => self.udp,
            Via::Tcp => self.tcp.is_bound(),
        }
    }
}

impl Default for Transport {
    fn default() -> Self {
        Self::new()
    }
}

impl Connection {
    /// Is it a tuple of its transport?
    pub fn is_bound(self) -> bool {
        matches!(self, Self::Bound { .. })
    }

    /// Is it somewhere between accepted and gone?
    pub fn is_live(self) -> bool {
        !matches!(self, Self::None | Self::Gone)
    }

    /// Does its transport's close wait for it?
    pub fn is_held(self) -> bool {
        match self {
            Self::Bound { .. }
            | Self::Flushing { .. }
            | Self::Draining { holder: Holder::Transport } => true,
            Self::None | Self::Unbound | Self::Draining { holder: Holder::Nobody } | Self::Gone => {
                false
            }
        }
    }

    /// What waits to be written on it.
    pub fn queue(self) -> Queue {
        match self {
            Self::Bound { queue } | Self::Flushing { queue, .. } => queue,
            Self::None | Self::Unbound | Self::Draining { .. } | Self::Gone => Queue::default(),
        }
    }
}

impl Queue {
    /// Does nothing wait?
    pub fn is_empty(self) -> bool {
        !self.begun && !self.alert
    }
}

impl Farewell {
    /// Does it still wait for the kernel?
    pub fn is_queued(self) -> bool {
        matches!(self, Self::Queued(_))
    }
}

impl State {
    /// The state before anything happened: the server open, its transports new.
    pub fn initial(config: &Config) -> Self {
        let transports = config.transports();
        let peer = Peer { stream: Stream::None, said_close: false, alerts: 0 };
        Self {
            core: Core {
                server: ServerPhase::Open,
                transports: vec![Transport::new(); transports],
            },
            world: World {
                socket: Socket::Room,
                listener: Listener::Accepting,
                peers: vec![peer; transports],
                callers: vec![Caller::Idle; config.callers],
            },
            ghost: Ghost {
                transports: vec![History::default(); transports],
                completions: vec![0; config.callers],
                broken: Broken::default(),
            },
        }
    }
}
