//! A client's socket of either protocol, and a bare echo to stand behind it.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use webrtc_server::Protocol;
use webrtc_server::wire::framing;

/// Nothing on loopback takes this long; a bench that waits for ever is worse than one that fails.
const PATIENCE: Duration = Duration::from_secs(10);
/// More than any packet of a bench has.
pub const PACKET_BYTES_MAX: usize = 2048;
/// Bytes before each packet on a stream (RFC 4571).
const FRAME_HEADER_BYTES: usize = 2;

/// A blocking socket to one address.
#[derive(Debug)]
pub enum Link {
    /// A packet per datagram.
    Udp(UdpSocket),
    /// A packet per RFC 4571 frame.
    Tcp(TcpStream),
}

impl Link {
    /// Opens one.
    ///
    /// # Errors
    ///
    /// What the kernel says.
    pub fn open(protocol: Protocol, server: SocketAddr) -> io::Result<Self> {
        match protocol {
            Protocol::Udp => {
                let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0))?;
                socket.connect(server)?;
                socket.set_read_timeout(Some(PATIENCE))?;
                Ok(Self::Udp(socket))
            }
            Protocol::Tcp => {
                let stream = TcpStream::connect(server)?;
                stream.set_nodelay(true)?;
                stream.set_read_timeout(Some(PATIENCE))?;
                Ok(Self::Tcp(stream))
            }
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
                stream.write_all(&frame)
            }
        }
    }

    /// Waits for one packet.
    ///
    /// # Errors
    ///
    /// What the kernel says; [`ErrorKind::WouldBlock`] when none came within ten seconds.
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
            Self::Tcp(stream) => {
                stream.set_nonblocking(true)?;
                stream.peek(&mut byte)
            }
        };
        match peeked {
            Ok(length) => Ok(length == 0),
            Err(error) if error.kind() == ErrorKind::WouldBlock => Ok(true),
            Err(error) => Err(error),
        }
    }
}

/// A thread that sends back what arrives, without looking at it.
#[derive(Debug)]
pub struct RawEcho {
    address: SocketAddr,
    thread: JoinHandle<io::Result<()>>,
}

impl RawEcho {
    /// Starts it. It serves one client.
    ///
    /// # Errors
    ///
    /// What the kernel says.
    pub fn start(protocol: Protocol) -> io::Result<Self> {
        let loopback = (Ipv4Addr::LOCALHOST, 0);
        match protocol {
            Protocol::Udp => {
                let socket = UdpSocket::bind(loopback)?;
                let address = socket.local_addr()?;
                Ok(Self { address, thread: thread::spawn(move || echo_datagrams(&socket)) })
            }
            Protocol::Tcp => {
                let listener = TcpListener::bind(loopback)?;
                let address = listener.local_addr()?;
                Ok(Self { address, thread: thread::spawn(move || echo_stream(&listener)) })
            }
        }
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Ends it, and the client's link with it.
    ///
    /// # Errors
    ///
    /// What the thread met.
    pub fn stop(self, link: Link) -> io::Result<()> {
        match &link {
            // An empty datagram is the sign to stop.
            Link::Udp(socket) => drop(socket.send(&[])?),
            Link::Tcp(_) => {}
        }
        drop(link);
        self.thread.join().expect("the echo does not panic")
    }
}

fn echo_datagrams(socket: &UdpSocket) -> io::Result<()> {
    let mut buffer = [0; PACKET_BYTES_MAX];
    loop {
        let (length, from) = socket.recv_from(&mut buffer)?;
        if length == 0 {
            return Ok(());
        }
        socket.send_to(&buffer[..length], from)?;
    }
}

fn echo_stream(listener: &TcpListener) -> io::Result<()> {
    let (mut stream, _) = listener.accept()?;
    stream.set_nodelay(true)?;
    let mut buffer = [0; PACKET_BYTES_MAX];
    loop {
        let length = stream.read(&mut buffer)?;
        if length == 0 {
            return Ok(());
        }
        stream.write_all(&buffer[..length])?;
    }
}
