//! What the paths of a peer have in common.

use std::io;
use std::net::SocketAddr;
use std::os::fd::BorrowedFd;

use webrtc_server::Protocol;

use super::error::PeerError;
use super::tcp::{StreamEnd, TcpOptions, TcpPath};
use super::udp::UdpPath;

/// Which path of a peer: its number in the order in which they were added. Never re-used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Via(pub usize);

/// A path of either protocol.
#[derive(Debug)]
pub enum Path {
    /// Over a UDP socket.
    Udp(UdpPath),
    /// Over a TCP connection.
    Tcp(TcpPath),
}

impl Path {
    /// Opens a path with default options.
    ///
    /// # Errors
    ///
    /// As [`UdpPath::open`] and [`TcpPath::connect`].
    pub fn open(protocol: Protocol, server: SocketAddr) -> io::Result<Self> {
        match protocol {
            Protocol::Udp => UdpPath::open(server).map(Self::Udp),
            Protocol::Tcp => TcpPath::connect(server, TcpOptions::default()).map(Self::Tcp),
        }
    }

    /// Where the server sees this path.
    #[must_use]
    pub fn local_addr(&self) -> SocketAddr {
        match self {
            Self::Udp(path) => path.local_addr(),
            Self::Tcp(path) => path.local_addr(),
        }
    }

    /// How it ended; UDP never does.
    #[must_use]
    pub fn end(&self) -> StreamEnd {
        match self {
            Self::Udp(_) => StreamEnd::Open,
            Self::Tcp(path) => path.end(),
        }
    }

    /// Sends one packet, as a datagram or a frame.
    pub(super) fn send(&mut self, packet: &[u8]) -> Result<(), PeerError> {
        match self {
            Self::Udp(path) => Ok(path.send(packet)?),
            Self::Tcp(path) => path.send_frame(packet),
        }
    }

    /// Takes every packet that is here.
    pub(super) fn collect(&mut self) -> io::Result<Vec<Vec<u8>>> {
        match self {
            Self::Udp(path) => path.collect(),
            Self::Tcp(path) => path.collect(),
        }
    }

    pub(super) fn descriptor(&self) -> Option<BorrowedFd<'_>> {
        match self {
            Self::Udp(path) => path.descriptor(),
            Self::Tcp(path) => path.descriptor(),
        }
    }
}
