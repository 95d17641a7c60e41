//! The peer of one transport, and what the owner of the transport heard.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use webrtc_server::control::Latch;
use webrtc_server::control::command::{ClosedTransport, EventSink};
use webrtc_server::control::events::TransportEvent;
use webrtc_server_model::Via;

use super::report::Harness;
use crate::peer::{self, Path, Peer, StreamEnd, TcpOptions, TcpPath};

/// `SO_RCVBUF` of a peer: twice the least that Linux gives. It is full soon; with the least itself, segments that the
/// window promised room for are dropped, and come again after 200 ms only.
const RECEIVE_BUFFER_BYTES: usize = 4608;

/// One peer with its paths, opened when first used.
pub(super) struct Client {
    /// The peer.
    pub(super) peer: Peer,
    udp: Option<peer::Via>,
    tcp: Option<peer::Via>,
    /// How the server's half of the connection must have ended by now; none if the peer reset it.
    pub(super) end: Option<StreamEnd>,
    /// STUN packets behind the close_notify that were seen so far.
    pub(super) late_stun: usize,
}

impl Client {
    pub(super) fn new(peer: Peer) -> Self {
        Client { peer, udp: None, tcp: None, end: Some(StreamEnd::Open), late_stun: 0 }
    }

    /// The path of the peer for one of the model's.
    pub(super) fn path(&self, via: Via) -> Result<peer::Via, Harness> {
        let path = match via {
            Via::Udp => self.udp,
            Via::Tcp => self.tcp,
        };
        path.ok_or_else(|| Harness::Impossible(format!("the peer has no path over {via:?}")))
    }

    /// Its connection, if it ever opened one and has not reset it.
    pub(super) fn stream(&self) -> Option<peer::Via> {
        self.tcp.filter(|_| self.end.is_some())
    }

    /// Opens the UDP path unless it is open. Where the server will see it, if it is new.
    pub(super) fn open_udp(&mut self, server: SocketAddr) -> Result<Option<SocketAddr>, Harness> {
        if self.udp.is_some() {
            return Ok(None);
        }
        let via = self.peer.open(peer::Protocol::Udp, server)?;
        self.udp = Some(via);
        Ok(Some(self.peer.udp(via)?.local_addr()))
    }

    /// Opens the connection. Where the server will see it.
    pub(super) fn connect(&mut self, server: SocketAddr) -> Result<SocketAddr, Harness> {
        let options =
            TcpOptions { receive_buffer: Some(RECEIVE_BUFFER_BYTES), ..TcpOptions::default() };
        let path = TcpPath::connect(server, options)?;
        let local = path.local_addr();
        self.tcp = Some(self.peer.add_path(Path::Tcp(path)));
        Ok(local)
    }
}

/// What the owner of a transport is told.
#[derive(Default)]
pub(super) struct Owner {
    heard: Arc<Mutex<Vec<TransportEvent>>>,
    /// Set at the end.
    pub(super) closed: Arc<Latch<ClosedTransport>>,
}

impl Owner {
    /// Where the transport's events go.
    pub(super) fn sink(&self) -> EventSink {
        let heard = Arc::clone(&self.heard);
        Box::new(move |event| heard.lock().unwrap_or_else(PoisonError::into_inner).push(event))
    }

    /// What was heard since the last call.
    pub(super) fn take_heard(&self) -> Vec<TransportEvent> {
        std::mem::take(&mut *self.heard.lock().unwrap_or_else(PoisonError::into_inner))
    }
}
