//! Names of things. Every id is counted up and never used twice, so a late message about something that is gone can
//! only miss: it cannot reach somebody else.

use std::net::SocketAddr;

/// A transport of this process.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TransportId(pub u64);

/// An accepted TCP connection of one worker.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ConnectionId(pub u64);

/// A listening UDP socket of one worker.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SocketId(pub u32);

/// A TCP listener of one worker.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ListenerId(pub u32);

/// The path between this server and a remote address: mediasoup's `TransportTuple` as a key, compared exactly.
///
/// A TCP connection is its own identity: a peer that reconnects from the same port is somebody new.
//= DMX-04
//= DMX-05
//= TCP-08
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Tuple {
    /// Datagrams between one of our sockets and a remote address.
    Udp {
        /// Our socket.
        socket: SocketId,
        /// Where the peer sends from.
        remote: SocketAddr,
    },
    /// One TCP connection.
    Tcp(ConnectionId),
}

impl Tuple {
    /// The connection under a TCP tuple.
    pub fn connection(&self) -> Option<ConnectionId> {
        match self {
            Tuple::Udp { .. } => None,
            Tuple::Tcp(connection) => Some(*connection),
        }
    }
}
