//! One TCP connection of a peer.

use std::io::{self, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::os::fd::{AsFd, BorrowedFd};
use std::time::{Duration, Instant};

use socket2::{Domain, Protocol, SockRef, Socket, Type};
use webrtc_server::wire::framing::{self, Deframer};

use super::error::PeerError;
use super::kernel::{self, Interest};

/// The server's kernel accepts on its own; longer means that its backlog is full.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(3);
/// Bytes of one read.
const READ_BYTES: usize = 16 * 1024;
/// Pause between two looks at what no event reports.
const LOOK_AGAIN: Duration = Duration::from_micros(200);

/// How to connect.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TcpOptions {
    /// `SO_RCVBUF` in bytes, set before the connection is made; 2304 is the least that Linux
    /// takes. It makes the server's writes partial.
    pub receive_buffer: Option<usize>,
    /// Local address to bind to, `None` for any.
    pub local: Option<SocketAddr>,
}

/// How the server's half of a stream ended, as far as this side has read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum StreamEnd {
    /// It has not, or nobody has read that far.
    Open,
    /// With a FIN: everything before it arrived.
    Fin,
    /// With a RST.
    Reset,
}

/// A connection that carries RFC 4571 frames. Never blocks: what the kernel does not take waits in
/// [`TcpPath::unsent_bytes`] for the next [`TcpPath::flush`].
#[derive(Debug)]
pub struct TcpPath {
    /// `None` once this side closed it.
    stream: Option<TcpStream>,
    local: SocketAddr,
    server: SocketAddr,
    deframer: Deframer,
    unsent: Vec<u8>,
    end: StreamEnd,
}

impl TcpPath {
    /// Connects, without Nagle's delay. The kernel of the server answers even while nobody accepts.
    ///
    /// # Errors
    ///
    /// What `connect` says; `TimedOut` after 3 s.
    pub fn connect(server: SocketAddr, options: TcpOptions) -> io::Result<Self> {
        let socket = Socket::new(Domain::for_address(server), Type::STREAM, Some(Protocol::TCP))?;
        if let Some(bytes) = options.receive_buffer {
            socket.set_recv_buffer_size(bytes)?;
        }
        if let Some(local) = options.local {
            socket.set_reuse_address(true)?;
            socket.bind(&local.into())?;
        }
        socket.connect_timeout(&server.into(), CONNECT_TIMEOUT)?;
        socket.set_tcp_nodelay(true)?;
        socket.set_nonblocking(true)?;
        let stream = TcpStream::from(socket);
        let local = stream.local_addr()?;
        let (deframer, unsent, end) = (Deframer::new(), Vec::new(), StreamEnd::Open);
        Ok(Self { stream: Some(stream), local, server, deframer, unsent, end })
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

    /// Sends one packet behind its length.
    ///
    /// # Errors
    ///
    /// As [`TcpPath::send_raw`], and [`PeerError::FrameTooLong`].
    pub fn send_frame(&mut self, payload: &[u8]) -> Result<(), PeerError> {
        let bytes = framing::frame(payload)?;
        Ok(self.send_raw(&bytes)?)
    }

    /// Sends bytes as they are, behind what is still unsent.
    ///
    /// A connection that the server has reset swallows them: [`TcpPath::end`] then says so.
    ///
    /// # Errors
    ///
    /// [`io::ErrorKind::NotConnected`] after this side closed, and `BrokenPipe` after
    /// [`TcpPath::finish`].
    pub fn send_raw(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.unsent.extend_from_slice(bytes);
        self.flush()
    }

    /// Sends each segment with a write of its own. The server reads them apart only if it reads in
    /// between, or if the test lets it.
    ///
    /// # Errors
    ///
    /// As [`TcpPath::send_raw`].
    pub fn send_segments(&mut self, segments: &[&[u8]]) -> io::Result<()> {
        segments.iter().try_for_each(|segment| self.send_raw(segment))
    }

    /// Offers what is unsent to the kernel again.
    ///
    /// # Errors
    ///
    /// As [`TcpPath::send_raw`].
    pub fn flush(&mut self) -> io::Result<()> {
        let stream = self.stream.as_mut().ok_or(io::ErrorKind::NotConnected)?;
        while !self.unsent.is_empty() {
            match stream.write(&self.unsent) {
                Ok(length) => drop(self.unsent.drain(..length)),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return self.write_failed(error),
            }
        }
        Ok(())
    }

    /// Bytes that the kernel did not take yet.
    #[must_use]
    pub fn unsent_bytes(&self) -> usize {
        self.unsent.len()
    }

    /// Ends this side's half with a FIN. What is unsent is dropped, wherever that cuts a frame.
    ///
    /// # Errors
    ///
    /// What `shutdown` says, except that the server was faster.
    pub fn finish(&mut self) -> io::Result<()> {
        self.unsent.clear();
        let Some(stream) = &self.stream else { return Ok(()) };
        match stream.shutdown(Shutdown::Write) {
            Err(error) if error.kind() != io::ErrorKind::NotConnected => Err(error),
            Ok(()) | Err(_) => Ok(()),
        }
    }

    /// Ends both halves with a RST.
    ///
    /// # Errors
    ///
    /// What `setsockopt` says.
    pub fn reset(&mut self) -> io::Result<()> {
        if let Some(stream) = self.stream.take() {
            SockRef::from(&stream).set_linger(Some(Duration::ZERO))?;
        }
        Ok(())
    }

    /// Closes the descriptor: a FIN, or a RST if something was left unread.
    pub fn close(&mut self) {
        self.stream = None;
    }

    /// Takes every frame that is complete, in order, and notices the end of the stream.
    ///
    /// # Errors
    ///
    /// What `read` says, except that nothing is there or that the server reset the connection.
    pub fn collect(&mut self) -> io::Result<Vec<Vec<u8>>> {
        self.read_all()?;
        Ok(std::iter::from_fn(|| self.deframer.next_frame()).collect())
    }

    /// Bytes of a frame that is not complete.
    #[must_use]
    pub fn partial_bytes(&self) -> usize {
        self.deframer.buffered_bytes()
    }

    /// How the server's half ended. The first end stands: a RST behind a FIN changes nothing.
    #[must_use]
    pub fn end(&self) -> StreamEnd {
        self.end
    }

    /// Bytes, and the FIN, that the server's kernel has not acknowledged; 0 after this side closed.
    ///
    /// # Errors
    ///
    /// What `ioctl` says.
    pub fn unacknowledged_bytes(&self) -> io::Result<usize> {
        self.descriptor().map_or(Ok(0), kernel::unacknowledged)
    }

    /// Acknowledges at once what has arrived, where the kernel might wait 40 ms (Linux; elsewhere nothing is done).
    ///
    /// # Errors
    ///
    /// What `setsockopt` says.
    pub fn acknowledge_now(&self) -> io::Result<()> {
        #[cfg(target_os = "linux")]
        if let Some(stream) = &self.stream {
            SockRef::from(stream).set_tcp_quickack(true)?;
        }
        Ok(())
    }

    /// Waits for bytes or an end.
    ///
    /// # Errors
    ///
    /// [`PeerError::Barrier`] when nothing came in time.
    pub fn await_readable(&self, timeout: Duration) -> Result<(), PeerError> {
        self.wait_for(Interest::Readable, "bytes of the stream", timeout)
    }

    /// Waits for the server's FIN or RST, even behind bytes that nobody read. [`TcpPath::end`]
    /// knows which it was after the next [`TcpPath::collect`].
    ///
    /// # Errors
    ///
    /// [`PeerError::Barrier`] when none came in time.
    pub fn await_end(&self, timeout: Duration) -> Result<(), PeerError> {
        self.wait_for(Interest::End, "the end of the stream", timeout)
    }

    /// Waits until the kernel has taken all that is unsent.
    ///
    /// # Errors
    ///
    /// [`PeerError::Barrier`] when it did not in time; as [`TcpPath::flush`].
    pub fn await_flushed(&mut self, timeout: Duration) -> Result<(), PeerError> {
        let deadline = Instant::now() + timeout;
        self.flush()?;
        while !self.unsent.is_empty() {
            let left = deadline.saturating_duration_since(Instant::now());
            self.wait_for(Interest::Writable, "room in the send buffer", left)?;
            self.flush()?;
        }
        Ok(())
    }

    /// Waits until the server's kernel has all that was sent. An acknowledgement may be delayed by
    /// 40 ms.
    ///
    /// # Errors
    ///
    /// [`PeerError::Barrier`] when it had not in time.
    pub fn await_acknowledged(&self, timeout: Duration) -> Result<(), PeerError> {
        let deadline = Instant::now() + timeout;
        while self.unacknowledged_bytes()? > 0 {
            if Instant::now() >= deadline {
                return Err(PeerError::Barrier { what: "acknowledgement", waited: timeout });
            }
            std::thread::sleep(LOOK_AGAIN);
        }
        Ok(())
    }

    /// The descriptor, while open.
    pub(crate) fn descriptor(&self) -> Option<BorrowedFd<'_>> {
        self.stream.as_ref().map(AsFd::as_fd)
    }

    fn wait_for(
        &self,
        interest: Interest,
        what: &'static str,
        timeout: Duration,
    ) -> Result<(), PeerError> {
        let missed = PeerError::Barrier { what, waited: timeout };
        let Some(descriptor) = self.descriptor() else { return Err(missed) };
        if kernel::wait(&[descriptor], interest, timeout)? { Ok(()) } else { Err(missed) }
    }

    fn read_all(&mut self) -> io::Result<()> {
        let Some(stream) = &mut self.stream else { return Ok(()) };
        let mut buffer = [0; READ_BYTES];
        loop {
            match stream.read(&mut buffer) {
                Ok(0) => {
                    note_end(&mut self.end, StreamEnd::Fin);
                    return Ok(());
                }
                Ok(length) => self.deframer.push(&buffer[..length]),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) if error.kind() == io::ErrorKind::ConnectionReset => {
                    note_end(&mut self.end, StreamEnd::Reset);
                    return Ok(());
                }
                Err(error) => return Err(error),
            }
        }
    }

    /// A write takes the error of a RST away, so that a later read shows a mere end of file: it has
    /// to be noted here. A broken pipe says that a FIN came before the RST, or that this side has
    /// finished.
    fn write_failed(&mut self, error: io::Error) -> io::Result<()> {
        self.unsent.clear();
        if error.kind() == io::ErrorKind::ConnectionReset {
            note_end(&mut self.end, StreamEnd::Reset);
        } else if error.kind() == io::ErrorKind::BrokenPipe {
            self.read_all()?;
        } else {
            return Err(error);
        }
        if self.end == StreamEnd::Open { Err(error) } else { Ok(()) }
    }
}

fn note_end(end: &mut StreamEnd, observed: StreamEnd) {
    if *end == StreamEnd::Open {
        *end = observed;
    }
}
