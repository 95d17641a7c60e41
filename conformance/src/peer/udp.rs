//! One UDP socket of a peer.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};
use std::os::fd::{AsFd, BorrowedFd};
use std::time::Duration;

use super::error::PeerError;
use super::kernel::{self, Interest};

/// Bytes of the largest UDP payload.
const DATAGRAM_BYTES_MAX: usize = 65_535;

/// A socket that talks to one address of the server.
///
/// It is not connected, as that of a browser: the kernel reports no ICMP errors on it, and a
/// datagram that comes from another of the server's sockets is seen and counted rather than lost.
#[derive(Debug)]
pub struct UdpPath {
    /// `None` once closed.
    socket: Option<UdpSocket>,
    local: SocketAddr,
    server: SocketAddr,
    strangers: usize,
}

impl UdpPath {
    /// Opens a socket on a free port, on loopback if the server is there.
    ///
    /// # Errors
    ///
    /// What `bind` says.
    pub fn open(server: SocketAddr) -> io::Result<Self> {
        let ip = match server.ip() {
            IpAddr::V4(ip) if ip.is_loopback() => IpAddr::V4(Ipv4Addr::LOCALHOST),
            IpAddr::V4(_) => IpAddr::V4(Ipv4Addr::UNSPECIFIED),
            IpAddr::V6(ip) if ip.is_loopback() => IpAddr::V6(Ipv6Addr::LOCALHOST),
            IpAddr::V6(_) => IpAddr::V6(Ipv6Addr::UNSPECIFIED),
        };
        Self::open_from(SocketAddr::new(ip, 0), server)
    }

    /// Opens a socket on an address of the caller's choice, for example one that another peer gave
    /// up.
    ///
    /// # Errors
    ///
    /// What `bind` says.
    pub fn open_from(local: SocketAddr, server: SocketAddr) -> io::Result<Self> {
        let socket = UdpSocket::bind(local)?;
        socket.set_nonblocking(true)?;
        let local = socket.local_addr()?;
        Ok(Self { socket: Some(socket), local, server, strangers: 0 })
    }

    /// Where the server sees this path.
    #[must_use]
    pub fn local_addr(&self) -> SocketAddr {
        self.local
    }

    /// The server's end.
    #[must_use]
    pub fn server_addr(&self) -> SocketAddr {
        self.server
    }

    /// Sends one datagram.
    ///
    /// # Errors
    ///
    /// What `sendto` says; [`io::ErrorKind::NotConnected`] once closed.
    pub fn send(&self, datagram: &[u8]) -> io::Result<()> {
        let socket = self.socket.as_ref().ok_or(io::ErrorKind::NotConnected)?;
        socket.send_to(datagram, self.server).map(|_| ())
    }

    /// Takes every datagram that is here, in order.
    ///
    /// # Errors
    ///
    /// What `recvfrom` says, except that nothing is there.
    pub fn collect(&mut self) -> io::Result<Vec<Vec<u8>>> {
        let Some(socket) = &self.socket else { return Ok(Vec::new()) };
        let mut datagrams = Vec::new();
        let mut buffer = vec![0; DATAGRAM_BYTES_MAX];
        loop {
            match socket.recv_from(&mut buffer) {
                Ok((length, from)) if from == self.server => {
                    datagrams.push(buffer[..length].to_vec());
                }
                Ok(_) => self.strangers += 1,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(datagrams),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
    }

    /// Datagrams that came from elsewhere than the server's end of this path; they were dropped.
    #[must_use]
    pub fn strangers(&self) -> usize {
        self.strangers
    }

    /// Goes away without a word, as a client that lost its network.
    pub fn close(&mut self) {
        self.socket = None;
    }

    /// Waits for a datagram.
    ///
    /// # Errors
    ///
    /// [`PeerError::Barrier`] when none came in time.
    pub fn await_readable(&self, timeout: Duration) -> Result<(), PeerError> {
        let what = "a datagram";
        let waited = timeout;
        let Some(socket) = &self.socket else { return Err(PeerError::Barrier { what, waited }) };
        if kernel::wait(&[socket.as_fd()], Interest::Readable, timeout)? {
            return Ok(());
        }
        Err(PeerError::Barrier { what, waited })
    }

    /// The descriptor, while open.
    pub(super) fn descriptor(&self) -> Option<BorrowedFd<'_>> {
        self.socket.as_ref().map(AsFd::as_fd)
    }
}
