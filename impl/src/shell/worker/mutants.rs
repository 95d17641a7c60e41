//! What only a [`Mutant`] does. Where it departs from the right code, that code asks `planted.is`.

use super::Worker;
use crate::lifecycle::{ConnectionId, SocketId, Tuple};
use crate::mutants::Mutant;
use crate::wire::framing::Deframer;
use std::net::SocketAddr;

impl Worker {
    /// The socket that the tuples of its datagrams name: itself.
    pub(super) fn socket_in_keys(&self, id: SocketId) -> SocketId {
        let first = self.carriers.sockets.keys().next().copied();
        first.filter(|_| self.planted.is(Mutant::KeyWithoutSocket)).unwrap_or(id)
    }

    /// The tuple of what comes over a connection: the connection.
    pub(super) fn tuple_in_keys(&self, id: ConnectionId, remote: SocketAddr) -> Tuple {
        let key = Tuple::Tcp(id);
        if !self.planted.is(Mutant::KeyWithoutProtocol) {
            return key;
        }
        let same_address = |tuple: &Tuple| match tuple {
            Tuple::Udp { remote: other, .. } => *other == remote,
            Tuple::Tcp(_) => false,
        };
        let mut tuples = self.core.routes().tuples().map(|(tuple, _)| tuple);
        tuples.find(same_address).unwrap_or(key)
    }

    /// All frames of a read, whatever becomes of their connection.
    pub(super) fn take_all_frames(&mut self, id: ConnectionId, remote: SocketAddr) {
        let Some(carrier) = self.carriers.connections.get_mut(&id) else { return };
        let arrival = carrier.arrival;
        let frames: Vec<_> = std::iter::from_fn(|| carrier.deframer.next_frame()).collect();
        for frame in frames {
            let _ = self.receive(arrival, Tuple::Tcp(id), remote, &frame);
        }
    }

    pub(super) fn forget_half_a_frame(&mut self, id: ConnectionId) {
        if let Some(carrier) = self.carriers.connections.get_mut(&id) {
            carrier.deframer = Deframer::new();
        }
    }
}
