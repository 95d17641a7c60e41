//! Which address and which number of the real stack is which of the model's names.

use std::net::SocketAddr;
use webrtc_server::lifecycle as real;
use webrtc_server_model::{AddressId, Config, ConnectionId, ListenerId, SocketId, WorkerId};

use crate::lockstep::names::Names;

/// The names of one stage, as they come up.
#[derive(Debug)]
pub(super) struct Book {
    /// Each worker numbers its carriers from 0, its sockets first.
    sockets: Vec<(WorkerId, real::SocketId)>,
    listeners: Vec<(WorkerId, real::ListenerId)>,
    /// Where the server sees each address, and at which socket.
    addresses: Vec<(SocketId, Option<SocketAddr>)>,
    /// The numbers of each connection, the latest last: one in each of its uses, and one at each worker that took it
    /// over.
    connections: Vec<Vec<(WorkerId, real::ConnectionId)>>,
}

impl Book {
    pub(super) fn new(config: &Config) -> Self {
        let sockets = config.sockets.iter().enumerate().map(|(index, w)| {
            let earlier = config.sockets[..index].iter().filter(|other| *other == w).count();
            (*w, real::SocketId(number(earlier)))
        });
        let listeners = config.listeners.iter().enumerate().map(|(index, w)| {
            let earlier = config.listeners[..index].iter().filter(|other| *other == w).count();
            (*w, real::ListenerId(number(config.sockets_of(*w).count() + earlier)))
        });
        Book {
            sockets: sockets.collect(),
            listeners: listeners.collect(),
            addresses: config.addresses.iter().map(|s| (*s, None)).collect(),
            connections: vec![Vec::new(); config.connections.len()],
        }
    }

    pub(super) fn note_address(&mut self, a: AddressId, remote: SocketAddr) {
        self.addresses[a.index()].1 = Some(remote);
    }

    pub(super) fn note_connection(&mut self, c: ConnectionId, w: WorkerId, id: real::ConnectionId) {
        self.connections[c.index()].push((w, id));
    }

    /// A socket, and the worker that has it.
    pub(super) fn socket(&self, s: SocketId) -> (WorkerId, real::SocketId) {
        self.sockets[s.index()]
    }

    /// A listener, and the worker that has it.
    pub(super) fn listener(&self, l: ListenerId) -> (WorkerId, real::ListenerId) {
        self.listeners[l.index()]
    }

    /// The latest number of a connection, and whose it is.
    pub(super) fn connection(&self, c: ConnectionId) -> Option<(WorkerId, real::ConnectionId)> {
        self.connections[c.index()].last().copied()
    }

    /// The names as one worker uses them.
    pub(super) fn of(&self, w: WorkerId) -> Page<'_> {
        Page { book: self, w: Some(w) }
    }

    /// The names of all workers, where those of connections and of remote addresses are enough: no two have the same.
    pub(super) fn of_all(&self) -> Page<'_> {
        Page { book: self, w: None }
    }
}

/// The names of one worker, or of all.
#[derive(Clone, Copy, Debug)]
pub(super) struct Page<'a> {
    book: &'a Book,
    w: Option<WorkerId>,
}

impl Page<'_> {
    fn is_of(&self, w: WorkerId) -> bool {
        self.w.is_none_or(|one| one == w)
    }
}

impl Names for Page<'_> {
    fn connection(&self, c: ConnectionId) -> Option<real::ConnectionId> {
        self.book.connection(c).map(|(_, id)| id)
    }

    fn model_connection(&self, id: real::ConnectionId) -> Result<ConnectionId, String> {
        let mut connections = self.book.connections.iter();
        let is_it = |(w, number): &(WorkerId, real::ConnectionId)| self.is_of(*w) && *number == id;
        let index = connections.position(|numbers| numbers.iter().any(is_it));
        named(index, &id).map(ConnectionId)
    }

    fn model_address(
        &self,
        socket: real::SocketId,
        remote: SocketAddr,
    ) -> Result<AddressId, String> {
        let index = self.book.addresses.iter().position(|(s, seen)| {
            let (w, id) = self.book.socket(*s);
            self.is_of(w) && id == socket && *seen == Some(remote)
        });
        named(index, &remote).map(AddressId)
    }

    fn model_socket(&self, id: real::SocketId) -> Result<SocketId, String> {
        let mut sockets = self.book.sockets.iter();
        let index = sockets.position(|(w, socket)| self.is_of(*w) && *socket == id);
        named(index, &id).map(SocketId)
    }

    fn model_listener(&self, id: real::ListenerId) -> Result<ListenerId, String> {
        let mut listeners = self.book.listeners.iter();
        let index = listeners.position(|(w, listener)| self.is_of(*w) && *listener == id);
        named(index, &id).map(ListenerId)
    }
}

fn named(index: Option<usize>, what: &dyn std::fmt::Debug) -> Result<u8, String> {
    let index = index.and_then(|index| u8::try_from(index).ok());
    index.ok_or_else(|| format!("{what:?} has no name in the model"))
}

fn number(count: usize) -> u32 {
    u32::try_from(count).unwrap_or(u32::MAX)
}
