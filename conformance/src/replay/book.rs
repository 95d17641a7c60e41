//! Which address and which number of the real stack is which of the model's names.

use std::net::SocketAddr;
use webrtc_server::lifecycle::{ConnectionId, SocketId, Tuple};
use webrtc_server_model::{TransportId, Via};

use crate::lockstep::names::Names;

/// The names of one stage, as they come up.
#[derive(Debug)]
pub(super) struct Book {
    socket: SocketId,
    /// Where each peer's UDP path is seen.
    udp: Vec<Option<SocketAddr>>,
    /// The number of each peer's connection.
    tcp: Vec<Option<ConnectionId>>,
}

impl Book {
    pub(super) fn new(transports: usize, socket: SocketId) -> Self {
        Book { socket, udp: vec![None; transports], tcp: vec![None; transports] }
    }

    pub(super) fn note_udp(&mut self, t: TransportId, remote: SocketAddr) {
        self.udp[t.index()] = Some(remote);
    }

    pub(super) fn note_connection(&mut self, t: TransportId, id: ConnectionId) {
        self.tcp[t.index()] = Some(id);
    }
}

impl Names for Book {
    fn connection(&self, t: TransportId) -> Option<ConnectionId> {
        self.tcp[t.index()]
    }

    fn tuple(&self, t: TransportId, via: Via) -> Option<Tuple> {
        match via {
            Via::Udp => {
                self.udp[t.index()].map(|remote| Tuple::Udp { socket: self.socket, remote })
            }
            Via::Tcp => self.connection(t).map(Tuple::Tcp),
        }
    }

    fn opener(&self, id: ConnectionId) -> Result<TransportId, String> {
        let index = self.tcp.iter().position(|connection| *connection == Some(id));
        let index = index.and_then(|index| u8::try_from(index).ok());
        index.map(TransportId).ok_or_else(|| format!("{id:?} is nobody's"))
    }
}
