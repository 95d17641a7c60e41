//! What is true outside the server, and what the properties remember.

use serde::{Deserialize, Serialize};

/// What is true outside the server.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct World {
    /// The UDP socket.
    pub socket: Socket,
    /// The TCP listener.
    pub listener: Listener,
    /// The peer of each transport.
    pub peers: Vec<Peer>,
    /// The threads that may close the server.
    pub callers: Vec<Caller>,
}

/// The UDP socket as the kernel sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Socket {
    /// It takes a datagram.
    Room,
    /// It says EAGAIN.
    Full,
    /// It is closed.
    Released,
}

/// The TCP listener as the kernel sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Listener {
    /// Connections are accepted.
    Accepting,
    /// They are closed unseen.
    Refusing,
    /// It is closed.
    Released,
}

/// The peer of one transport, and the kernel's side of its connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Peer {
    /// The connection, whatever the server believes.
    pub stream: Stream,
    /// It has said close_notify, first or in answer.
    pub said_close: bool,
    /// How many of our close_notify alerts were handed over to the kernel; 2 means several.
    pub alerts: u8,
}

/// A TCP connection as the kernel sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Stream {
    /// Not opened.
    None,
    /// Open on our side.
    Open,
    /// We sent FIN.
    Finished,
    /// Our descriptor is closed.
    Closed,
}

/// A thread that may close the server once.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Caller {
    /// It has not called yet.
    Idle,
    /// It waits in `close()`.
    Waiting,
    /// `close()` returned.
    Returned,
}

/// What the properties remember of the way to a state.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Ghost {
    /// Per transport.
    pub transports: Vec<History>,
    /// How often each caller's `close()` completed; 2 means several.
    pub completions: Vec<u8>,
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
pub struct Broken(pub(crate) u16);

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
