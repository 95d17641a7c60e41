//! What is true outside the server, and what the properties remember.

use arrayvec::ArrayVec;
use serde::{Deserialize, Serialize};

use crate::action::{Check, Closes};
use crate::config::Config;
use crate::ids::{ConnectionId, TransportId, WorkerId};
use crate::state::{CONNECTIONS_MAX, TRANSPORTS_MAX};

/// UDP sockets, or TCP listeners, that a configuration may have.
pub const CARRIERS_MAX: usize = 2;
/// Handles of the server that a configuration may have.
pub const CALLERS_MAX: usize = 3;

/// What is true outside the server.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct World {
    /// The UDP sockets.
    pub sockets: ArrayVec<Socket, CARRIERS_MAX>,
    /// The TCP listeners.
    pub listeners: ArrayVec<Listener, CARRIERS_MAX>,
    /// The kernel's side of each connection.
    pub streams: ArrayVec<Stream, CONNECTIONS_MAX>,
    /// The peer of each transport.
    pub peers: ArrayVec<Peer, TRANSPORTS_MAX>,
    /// The threads that have a handle of the server.
    pub callers: ArrayVec<Caller, CALLERS_MAX>,
    /// What the owner does inside an event callback.
    pub callback: Callback,
    /// A connection that ended while the batch of events at hand holds another event of it.
    pub stale: Option<ConnectionId>,
    /// What is on its way between the workers. What goes to the same worker arrives in this order. Of one connection
    /// there is one thing at a time.
    pub mail: ArrayVec<Letter, CONNECTIONS_MAX>,
}

/// What one worker has put into the mailbox of another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Letter {
    /// The other.
    pub to: WorkerId,
    /// The connection that it is about.
    pub c: ConnectionId,
    /// What it is.
    pub what: HandOver,
    /// The transport that a check on the connection names.
    pub t: TransportId,
    /// What that check says.
    pub check: Check,
    /// It was put in before the command to close, and is taken out before it.
    pub early: bool,
}

/// What a worker hands to another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum HandOver {
    /// A connection that is nobody's, with its check.
    Connection,
    /// A check on a connection that is a transport's: does it prove a password?
    Question,
    /// It does.
    Proof,
}

/// A UDP socket as the kernel sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Socket {
    /// It takes a datagram.
    Room,
    /// It says EAGAIN.
    Full,
    /// It is closed.
    Released,
}

/// A TCP listener as the kernel sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Listener {
    /// Connections are accepted.
    Accepting,
    /// They are closed unseen.
    Refusing,
    /// It is closed.
    Released,
}

/// A TCP connection as the kernel sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Stream {
    /// Its descriptor.
    pub end: End,
    /// What its send buffer takes.
    pub room: Room,
    /// Bytes have arrived that the server has not read.
    pub unread: bool,
    /// How often it was opened: 2 means that its addresses and ports, and its descriptor, came back.
    pub uses: u8,
}

/// Our end of a TCP connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum End {
    /// Not opened.
    None,
    /// Open.
    Open,
    /// We sent FIN.
    Finished,
    /// Our descriptor is closed.
    Closed,
}

/// What the send buffer of a connection takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Room {
    /// Everything.
    Plenty,
    /// The beginning of the next frame, and nothing after it.
    Little,
    /// Nothing.
    None,
    /// Nothing ever again: the peer has reset the connection, and a write will tell.
    Broken,
}

/// The peer of one transport.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, Default)]
pub struct Peer {
    /// How many flights of its handshake have arrived, the last one not counted.
    pub flights: u8,
    /// It has said close_notify, first or in answer.
    pub said_close: bool,
    /// How many of our close_notify alerts were handed over to the kernel; 2 means several.
    pub alerts: u8,
}

/// A thread that has a handle of the server.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Caller {
    /// It uses the server.
    Idle,
    /// It waits in `close()`.
    Waiting,
    /// `close()` returned.
    Returned,
    /// It has dropped its handle without closing.
    Dropped,
}

/// What the owner does inside an event callback, once.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Callback {
    /// Nothing so far.
    Idle,
    /// The next event makes it close this.
    Armed(Closes),
    /// It has asked for the close of a transport; the worker has not heard it yet.
    Asked(TransportId),
    /// It has done so.
    Done,
}

/// What the properties remember of the way to a state.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Ghost {
    /// Per transport.
    pub transports: ArrayVec<History, TRANSPORTS_MAX>,
    /// How often each caller's `close()` completed; 2 means several.
    pub completions: ArrayVec<u8, CALLERS_MAX>,
    /// Which rules were broken on the way.
    pub broken: Broken,
}

/// What happened to one transport so far. Counts stop at 2, which means several.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, Default)]
pub struct History {
    /// Close_notify alerts made.
    pub alerts: u8,
    /// Times it left the routing tables.
    pub unmapped: u8,
    /// Times it was reported closed.
    pub closed: u8,
}

/// A set of broken rules.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, Default)]
pub struct Broken(pub(crate) u32);

impl World {
    /// Before anything happened.
    pub(crate) fn initial(config: &Config) -> Self {
        let stream = Stream { end: End::None, room: Room::Plenty, unread: false, uses: 0 };
        Self {
            sockets: config.sockets.iter().map(|_| Socket::Room).collect(),
            listeners: config.listeners.iter().map(|_| Listener::Accepting).collect(),
            streams: config.connections.iter().map(|_| stream).collect(),
            peers: config.transports.iter().map(|_| Peer::default()).collect(),
            callers: (0..config.callers).map(|_| Caller::Idle).collect(),
            callback: Callback::Idle,
            stale: None,
            mail: ArrayVec::new(),
        }
    }

    /// The kernel's side of a connection.
    pub fn stream(&self, c: ConnectionId) -> Stream {
        self.streams[c.index()]
    }

    /// What a worker finds next in its mailbox, whether the command to close comes before it or not.
    pub fn next_letter(&self, w: WorkerId) -> Option<Letter> {
        self.mail.iter().find(|letter| letter.to == w).copied()
    }

    /// What is under way about a connection.
    pub fn letter(&self, c: ConnectionId) -> Option<Letter> {
        self.mail.iter().find(|letter| letter.c == c).copied()
    }

    /// The peer of a transport.
    pub fn peer(&self, t: TransportId) -> Peer {
        self.peers[t.index()]
    }
}

impl Ghost {
    pub(crate) fn initial(config: &Config) -> Self {
        Self {
            transports: config.transports.iter().map(|_| History::default()).collect(),
            completions: (0..config.callers).map(|_| 0).collect(),
            broken: Broken::default(),
        }
    }
}

impl Peer {
    /// The kernel took one more close_notify for it.
    pub(crate) fn hear_alert(&mut self) {
        self.alerts = count(self.alerts);
    }
}

/// One more, where 2 means several.
pub(crate) fn count(number: u8) -> u8 {
    (number + 1).min(2)
}
