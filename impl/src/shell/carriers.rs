//! Sockets, listeners and connections by the token that mio knows them by. Tokens are counted up and never used again,
//! because the events of one poll outlive a deregistration (mutant K40).

use super::bind::{BACKLOG, Role};
use super::worker::Arrival;
use crate::lifecycle::{ConnectionId, ListenerId, SocketId};
use crate::mutants::{Mutant, Planted};
use crate::parameters::ListenInfo;
use crate::sync::Weak;
use crate::wire::framing::Deframer;
use mio::net::{TcpListener, TcpStream, UdpSocket};
use mio::{Interest, Registry, Token};
use std::collections::{BTreeMap, HashMap};
use std::io::{self, Write};
use std::net::SocketAddr;

/// What a token stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Carrier {
    Socket(SocketId),
    Listener(ListenerId),
    Connection(ConnectionId),
}

pub(super) struct UdpCarrier {
    pub(super) socket: UdpSocket,
    pub(super) info: ListenInfo,
    pub(super) role: Role,
    token: Token,
    #[cfg(feature = "testing")]
    pub(super) faults: SocketFaults,
}

/// What the kernel pretends to answer where a test cannot make it do so.
#[cfg(feature = "testing")]
#[derive(Debug, Default)]
pub(super) struct SocketFaults {
    /// This error of every send.
    pub(super) of_sends: Option<i32>,
    /// An error of as many receives, before any other looks at what is there.
    pub(super) receives_that_fail: usize,
}

impl UdpCarrier {
    pub(super) fn send(&self, datagram: &[u8], remote: SocketAddr) -> io::Result<usize> {
        #[cfg(feature = "testing")]
        if let Some(error) = self.faults.of_sends {
            return Err(io::Error::from_raw_os_error(error));
        }
        self.socket.send_to(datagram, remote)
    }

    pub(super) fn receive(&mut self, buffer: &mut [u8]) -> io::Result<(usize, SocketAddr)> {
        #[cfg(feature = "testing")]
        if let Some(left) = self.faults.receives_that_fail.checked_sub(1) {
            self.faults.receives_that_fail = left;
            return Err(io::Error::from_raw_os_error(libc::ENOMEM));
        }
        self.socket.recv_from(buffer)
    }
}

pub(super) struct ListenerCarrier {
    pub(super) listener: TcpListener,
    pub(super) info: ListenInfo,
    token: Option<Token>,
    #[cfg(feature = "testing")]
    pub(super) accepts_that_fail: usize,
}

impl ListenerCarrier {
    fn accept(&mut self) -> io::Result<(TcpStream, SocketAddr)> {
        #[cfg(feature = "testing")]
        if let Some(left) = self.accepts_that_fail.checked_sub(1) {
            self.accepts_that_fail = left;
            return Err(io::Error::from_raw_os_error(libc::EPERM));
        }
        self.listener.accept()
    }
}

pub(super) struct TcpCarrier {
    pub(super) stream: TcpStream,
    pub(super) remote: SocketAddr,
    pub(super) deframer: Deframer,
    pub(super) arrival: Arrival,
    /// Of the last question about it to another worker: whether that is still under way.
    pub(super) asking: Weak<()>,
    token: Token,
    /// What the kernel pretends to have room for.
    #[cfg(feature = "testing")]
    pub(super) room: WriteRoom,
}

impl TcpCarrier {
    /// Offers bytes to the kernel, once.
    pub(super) fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        #[cfg(feature = "testing")]
        let bytes = self.room.admit(bytes)?;
        let written = self.stream.write(bytes)?;
        #[cfg(feature = "testing")]
        self.room.spend(written);
        Ok(written)
    }
}

/// What the kernel pretends to have room for on a connection, where a test cannot make it say so.
#[cfg(feature = "testing")]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WriteRoom {
    /// Whatever it really has.
    Real,
    /// So many bytes; then it says "try again".
    Bytes(usize),
    /// Nothing ever again: the peer has reset the connection, and a write is the first to tell.
    Broken,
}

#[cfg(feature = "testing")]
impl WriteRoom {
    fn admit(self, bytes: &[u8]) -> io::Result<&[u8]> {
        match self {
            WriteRoom::Real => Ok(bytes),
            WriteRoom::Bytes(0) => Err(io::ErrorKind::WouldBlock.into()),
            WriteRoom::Bytes(room) => Ok(&bytes[..bytes.len().min(room)]),
            WriteRoom::Broken => Err(io::ErrorKind::ConnectionReset.into()),
        }
    }

    fn spend(&mut self, written: usize) {
        if let WriteRoom::Bytes(room) = self {
            *room -= written;
        }
    }
}

/// Every carrier of one worker.
pub(super) struct Carriers {
    planted: Planted,
    registry: Registry,
    next_token: usize,
    tokens: HashMap<Token, Carrier>,
    pub(super) sockets: BTreeMap<SocketId, UdpCarrier>,
    pub(super) listeners: BTreeMap<ListenerId, ListenerCarrier>,
    pub(super) connections: HashMap<ConnectionId, TcpCarrier>,
    /// What the connection that blocked last has still to write: only with [`Mutant::QueueInherited`].
    #[cfg(feature = "testing")]
    leftover: Vec<u8>,
    /// Pretends that the poll takes no further connection.
    #[cfg(feature = "testing")]
    pub(super) refuses_connections: bool,
}

impl Carriers {
    /// `first_token` and all after it belong to carriers.
    pub(super) fn new(registry: Registry, first_token: usize, planted: Planted) -> Self {
        Carriers {
            planted,
            registry,
            next_token: first_token,
            tokens: HashMap::new(),
            sockets: BTreeMap::new(),
            listeners: BTreeMap::new(),
            connections: HashMap::new(),
            #[cfg(feature = "testing")]
            leftover: Vec::new(),
            #[cfg(feature = "testing")]
            refuses_connections: false,
        }
    }

    /// Nothing else ever has the same.
    //= N3
    fn next_token(&mut self) -> Token {
        if self.planted.is(Mutant::TokenReused)
            && let Some(free) =
                (1..self.next_token).map(Token).find(|token| !self.tokens.contains_key(token))
        {
            return free;
        }
        let token = Token(self.next_token);
        self.next_token += 1;
        token
    }

    /// What an event is about; `None` for a carrier that is gone.
    pub(super) fn by_token(&self, token: Token) -> Option<Carrier> {
        self.tokens.get(&token).copied()
    }

    pub(super) fn add_socket(
        &mut self,
        id: SocketId,
        socket: std::net::UdpSocket,
        info: ListenInfo,
        role: Role,
    ) -> io::Result<()> {
        socket.set_nonblocking(true)?;
        let mut socket = UdpSocket::from_std(socket);
        let token = self.next_token();
        let interest = match role {
            Role::Receive => Interest::READABLE | Interest::WRITABLE,
            Role::SendOnly => Interest::WRITABLE,
        };
        self.registry.register(&mut socket, token, interest)?;
        self.tokens.insert(token, Carrier::Socket(id));
        let carrier = UdpCarrier {
            socket,
            info,
            role,
            token,
            #[cfg(feature = "testing")]
            faults: SocketFaults::default(),
        };
        self.sockets.insert(id, carrier);
        Ok(())
    }

    pub(super) fn add_listener(
        &mut self,
        id: ListenerId,
        listener: std::net::TcpListener,
        info: ListenInfo,
        role: Role,
    ) -> io::Result<()> {
        listener.set_nonblocking(true)?;
        let mut listener = TcpListener::from_std(listener);
        let token = match role {
            Role::Receive => {
                let token = self.next_token();
                self.registry.register(&mut listener, token, Interest::READABLE)?;
                self.tokens.insert(token, Carrier::Listener(id));
                Some(token)
            }
            Role::SendOnly => None,
        };
        let carrier = ListenerCarrier {
            listener,
            info,
            token,
            #[cfg(feature = "testing")]
            accepts_that_fail: 0,
        };
        self.listeners.insert(id, carrier);
        Ok(())
    }

    pub(super) fn add_connection(
        &mut self,
        id: ConnectionId,
        mut stream: TcpStream,
        remote: SocketAddr,
        deframer: Deframer,
        arrival: Arrival,
    ) -> io::Result<()> {
        #[cfg(feature = "testing")]
        if self.refuses_connections {
            return Err(io::Error::from_raw_os_error(libc::ENOSPC));
        }
        //= TCP-17
        stream.set_nodelay(true)?;
        #[cfg(feature = "testing")]
        stream.write_all(&std::mem::take(&mut self.leftover))?;
        let token = self.next_token();
        self.registry.register(&mut stream, token, Interest::READABLE | Interest::WRITABLE)?;
        self.tokens.insert(token, Carrier::Connection(id));
        let carrier = TcpCarrier {
            stream,
            remote,
            deframer,
            arrival,
            asking: Weak::new(),
            token,
            #[cfg(feature = "testing")]
            room: WriteRoom::Real,
        };
        self.connections.insert(id, carrier);
        Ok(())
    }

    /// Accepts one connection; `None` when none waits or the listener is gone.
    pub(super) fn accept(&mut self, id: ListenerId) -> io::Result<Option<(TcpStream, SocketAddr)>> {
        let Some(carrier) = self.listeners.get_mut(&id) else { return Ok(None) };
        match carrier.accept() {
            Ok(accepted) => Ok(Some(accepted)),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Accepts and closes what the kernel has accepted already, so that those peers see a FIN and not a reset; no more
    /// than can be there: peers who connect again and again must not hold up the close.
    //= CLS-34
    fn empty_backlog(&mut self, id: ListenerId) {
        // One more than asked for is let in.
        for _ in 0..=BACKLOG {
            match self.accept(id) {
                Ok(Some((stream, _))) => drop(stream),
                Err(error) if is_of_one_connection(&error) => {}
                Ok(None) | Err(_) => break,
            }
        }
    }

    /// The listener stays open and is no longer watched.
    pub(super) fn stop_accepting(&mut self, id: ListenerId) {
        if self.planted.is(Mutant::ListenerWatched) {
            return;
        }
        self.empty_backlog(id);
        let Some(carrier) = self.listeners.get_mut(&id) else { return };
        if let Some(token) = carrier.token.take() {
            // A failure would mean that it is not registered, which is what is wanted.
            let _ = self.registry.deregister(&mut carrier.listener);
            self.tokens.remove(&token);
        }
    }

    pub(super) fn release_listener(&mut self, id: ListenerId) {
        self.stop_accepting(id);
        self.empty_backlog(id);
        self.listeners.remove(&id);
    }

    pub(super) fn release_socket(&mut self, id: SocketId) {
        if self.planted.is(Mutant::SocketKept) {
            return;
        }
        if let Some(mut carrier) = self.sockets.remove(&id) {
            let _ = self.registry.deregister(&mut carrier.socket);
            self.tokens.remove(&carrier.token);
        }
    }

    /// For how many carriers the poll is asked.
    #[cfg(feature = "testing")]
    pub(super) fn watched(&self) -> usize {
        self.tokens.len()
    }

    /// Bytes wait from a write that blocked to the next that does not.
    #[cfg(feature = "testing")]
    pub(super) fn note_leftover(&mut self, result: &io::Result<usize>, bytes: &[u8]) {
        if self.planted.is(Mutant::QueueInherited) {
            self.leftover.clear();
            if result.as_ref().is_err_and(|error| error.kind() == io::ErrorKind::WouldBlock) {
                self.leftover.extend_from_slice(bytes);
            }
        }
    }

    /// The token of a connection.
    #[cfg(feature = "testing")]
    pub(super) fn token(&self, id: ConnectionId) -> Option<Token> {
        self.connections.get(&id).map(|carrier| carrier.token)
    }

    /// Not watched any more, and nobody's but the caller's.
    pub(super) fn take_connection(&mut self, id: ConnectionId) -> Option<TcpCarrier> {
        let mut carrier = self.connections.remove(&id)?;
        let _ = self.registry.deregister(&mut carrier.stream);
        if !self.planted.is(Mutant::TokenKept) {
            self.tokens.remove(&carrier.token);
        }
        Some(carrier)
    }
}

/// Whether an error of accept is of the connection that would have come next, and not of the listener or the process
/// (accept(2)).
pub(super) fn is_of_one_connection(error: &io::Error) -> bool {
    matches!(
        error.raw_os_error(),
        Some(
            libc::ECONNABORTED
                | libc::EINTR
                | libc::EPERM
                | libc::EPROTO
                | libc::ENOPROTOOPT
                | libc::EOPNOTSUPP
                | libc::ENETDOWN
                | libc::ENETUNREACH
                | libc::EHOSTDOWN
                | libc::EHOSTUNREACH
        )
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn res_02_only_an_error_of_the_process_makes_accept_pause() {
        let is_skipped = |error| is_of_one_connection(&io::Error::from_raw_os_error(error));
        let of_one = [libc::ECONNABORTED, libc::EINTR, libc::EPROTO, libc::ENETDOWN];
        assert!(of_one.into_iter().all(is_skipped) && is_skipped(libc::EHOSTUNREACH));
        let of_all = [libc::EMFILE, libc::ENFILE, libc::ENOBUFS, libc::ENOMEM, libc::EBADF];
        assert!(!of_all.into_iter().any(is_skipped));
    }
}
