//! A blocking socket of either protocol, one packet at a time.

use std::io::{self, BufReader, ErrorKind, Read, Write};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpStream, UdpSocket};
use std::time::Duration;

use webrtc_server::Protocol;
use webrtc_server::wire::framing;

/// Nothing on loopback takes this long; a bench that waits for ever is worse than one that fails.
pub const PATIENCE: Duration = Duration::from_secs(10);
/// More than any packet of a bench has.
pub const PACKET_BYTES_MAX: usize = 2048;
/// Bytes that one read of a stream can take: as many as our server's.
const READ_BYTES_MAX: usize = 65_536;
/// Bytes before each packet on a stream (RFC 4571).
const FRAME_HEADER_BYTES: usize = 2;

/// A blocking socket to one address.
#[derive(Debug)]
pub enum Link {
    /// A packet per datagram.
    Udp(UdpSocket),
    /// A packet per RFC 4571 frame; one read may take several.
    Tcp(BufReader<TcpStream>),
}

impl Link {
    /// Opens one.
    ///
    /// # Errors
    ///
    /// What the kernel says.
    pub fn open(protocol: Protocol, server: SocketAddr) -> io::Result<Self> {
        let link = match protocol {
            Protocol::Udp => {
                let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0))?;
                socket.connect(server)?;
                Self::Udp(socket)
            }
            Protocol::Tcp => Self::accepted(TcpStream::connect(server)?)?,
        };
        link.set_patience(Some(PATIENCE))?;
        Ok(link)
    }

    /// A connection's other end, which waits for as long as it takes.
    ///
    /// # Errors
    ///
    /// What the kernel says.
    pub fn accepted(stream: TcpStream) -> io::Result<Self> {
        stream.set_nodelay(true)?;
        Ok(Self::Tcp(BufReader::with_capacity(READ_BYTES_MAX, stream)))
    }

    /// How long [`Link::receive`] waits; `None`: for as long as it takes.
    ///
    /// # Errors
    ///
    /// What the kernel says.
    pub fn set_patience(&self, patience: Option<Duration>) -> io::Result<()> {
        match self {
            Self::Udp(socket) => socket.set_read_timeout(patience),
            Self::Tcp(stream) => stream.get_ref().set_read_timeout(patience),
        }
    }

    /// Its own address.
    ///
    /// # Errors
    ///
    /// What the kernel says.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        match self {
            Self::Udp(socket) => socket.local_addr(),
            Self::Tcp(stream) => stream.get_ref().local_addr(),
        }
    }

    /// Sends one packet.
    ///
    /// # Errors
    ///
    /// What the kernel says.
    pub fn send(&mut self, packet: &[u8]) -> io::Result<()> {
        match self {
            Self::Udp(socket) => socket.send(packet).map(|_| ()),
            Self::Tcp(stream) => {
                let frame = framing::frame(packet).map_err(io::Error::other)?;
                stream.get_mut().write_all(&frame)
            }
        }
    }

    /// Says that nothing follows: a FIN over TCP, nothing over UDP.
    ///
    /// # Errors
    ///
    /// What the kernel says.
    pub fn finish(&mut self) -> io::Result<()> {
        match self {
            Self::Udp(_) => Ok(()),
            Self::Tcp(stream) => stream.get_ref().shutdown(Shutdown::Write),
        }
    }

    /// Waits for one packet.
    ///
    /// # Errors
    ///
    /// What the kernel says; [`ErrorKind::WouldBlock`] when none came in time, [`ErrorKind::UnexpectedEof`] when none
    /// will.
    pub fn receive<'a>(&mut self, buffer: &'a mut [u8; PACKET_BYTES_MAX]) -> io::Result<&'a [u8]> {
        let length = match self {
            Self::Udp(socket) => socket.recv(buffer)?,
            Self::Tcp(stream) => {
                let mut header = [0; FRAME_HEADER_BYTES];
                stream.read_exact(&mut header)?;
                let length = usize::from(u16::from_be_bytes(header)).min(buffer.len());
                stream.read_exact(&mut buffer[..length])?;
                length
            }
        };
        Ok(&buffer[..length])
    }

    /// Throws away the datagrams that wait.
    ///
    /// # Errors
    ///
    /// What the kernel says.
    pub fn discard(&mut self) -> io::Result<()> {
        if let Self::Udp(socket) = self {
            socket.set_nonblocking(true)?;
            while socket.recv(&mut [0; PACKET_BYTES_MAX]).is_ok() {}
            socket.set_nonblocking(false)?;
        }
        Ok(())
    }

    /// Whether nothing waits to be received.
    ///
    /// # Errors
    ///
    /// What the kernel says.
    pub fn is_silent(&self) -> io::Result<bool> {
        let mut byte = [0];
        let peeked = match self {
            Self::Udp(socket) => {
                socket.set_nonblocking(true)?;
                socket.peek(&mut byte)
            }
            Self::Tcp(stream) if !stream.buffer().is_empty() => return Ok(false),
            Self::Tcp(stream) => {
                stream.get_ref().set_nonblocking(true)?;
                stream.get_ref().peek(&mut byte)
            }
        };
        match peeked {
            Ok(length) => Ok(length == 0),
            // Our answer came when the connection was closed already: its alert had been acknowledged.
            Err(error) if error.kind() == ErrorKind::ConnectionReset => Ok(true),
            Err(error) if error.kind() == ErrorKind::WouldBlock => Ok(true),
            Err(error) => Err(error),
        }
    }
}

impl AsMut<Link> for Link {
    fn as_mut(&mut self) -> &mut Link {
        self
    }
}
