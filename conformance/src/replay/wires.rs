//! The peers' ends of all paths. Several peers may share one: what comes in is given to the peer that it is for.
//!
//! A STUN response is for the peer whose transaction it answers. A DTLS record is for the peer of the transport whose
//! DTLS made it, which the journal of the server tells: it is the same bytes on the wire.

use std::collections::{HashMap, HashSet};
use std::io;
use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::os::fd::{AsFd, BorrowedFd};
use std::time::Duration;

use webrtc_server::wire::demux::{PacketKind, classify};
use webrtc_server::wire::stun::Message;
use webrtc_server_model::{AddressId, Config, ConnectionId, SocketId, TransportId, Tuple};

use super::client::Client;
use super::perform::impossible;
use super::report::Harness;
use crate::peer::kernel::{self, Interest};
use crate::peer::{StreamEnd, TcpOptions, TcpPath, Via};

/// `SO_RCVBUF` of a peer: twice the least that Linux gives. It is full soon; with the least itself, segments that the
/// window promised room for are dropped, and come again after 200 ms only.
const RECEIVE_BUFFER_BYTES: usize = 4608;
/// Bytes of the largest UDP payload.
const DATAGRAM_BYTES_MAX: usize = 65_535;

/// Whether a peer reads its end of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reading {
    On,
    Paused,
}

/// One TCP connection as its peer has it.
pub(super) struct PeerConnection {
    pub(super) path: TcpPath,
    pub(super) reading: Reading,
    /// Whether it was paused at any time: what comes in may have been sent long ago.
    pub(super) was_paused: bool,
    /// How the server's half must have ended by now; none if the peer reset it.
    pub(super) end: Option<StreamEnd>,
}

impl PeerConnection {
    pub(super) fn pause(&mut self) {
        self.reading = Reading::Paused;
        self.was_paused = true;
    }
}

/// Where an address of the model sends from, and to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Route {
    /// Which of the peers' sockets. The first address at each socket of one worker is one remote address, and so on.
    remote: usize,
    to: SocketId,
}

/// Every path, opened when first used.
pub(super) struct Wires {
    sockets: Vec<SocketAddr>,
    routes: Vec<Route>,
    remotes: Vec<Option<UdpSocket>>,
    connections: Vec<Option<PeerConnection>>,
    /// Who made each DTLS datagram of the server.
    authors: HashMap<Vec<u8>, TransportId>,
    /// Those of them that came in.
    arrived: HashSet<Vec<u8>>,
    /// What came for nobody.
    pub(super) strays: Vec<String>,
    buffer: Box<[u8]>,
}

impl Wires {
    /// `sockets`: where the server's UDP sockets are.
    pub(super) fn new(config: &Config, sockets: Vec<SocketAddr>) -> Self {
        let routes = config.addresses.iter().enumerate().map(|(index, to)| {
            let w = |s: &SocketId| config.sockets[s.index()];
            let earlier = config.addresses[..index].iter();
            let elsewhere = earlier.clone().filter(|other| w(other) != w(to)).count();
            let remote = elsewhere + earlier.filter(|other| *other == to).count();
            Route { remote, to: *to }
        });
        let routes: Vec<_> = routes.collect();
        Wires {
            sockets,
            remotes: routes.iter().map(|_| None).collect(),
            routes,
            connections: config.connections.iter().map(|_| None).collect(),
            authors: HashMap::new(),
            arrived: HashSet::new(),
            strays: Vec::new(),
            buffer: vec![0; DATAGRAM_BYTES_MAX].into_boxed_slice(),
        }
    }

    /// The path that a peer calls so.
    pub(super) fn tuple(&self, via: Via) -> Tuple {
        let number = |index: usize| u8::try_from(index).unwrap_or(u8::MAX);
        match via.0.checked_sub(self.routes.len()) {
            None => Tuple::Udp(AddressId(number(via.0))),
            Some(index) => Tuple::Tcp(ConnectionId(number(index))),
        }
    }

    /// What a peer calls a path.
    pub(super) fn via(&self, tuple: Tuple) -> Via {
        match tuple {
            Tuple::Udp(a) => Via(a.index()),
            Tuple::Tcp(c) => Via(self.routes.len() + c.index()),
        }
    }

    /// Whether the peer left a connection unread at any time.
    pub(super) fn was_paused(&self, c: ConnectionId) -> bool {
        self.connections[c.index()].as_ref().is_some_and(|connection| connection.was_paused)
    }

    /// A DTLS datagram of the server belongs to this transport.
    pub(super) fn note_author(&mut self, datagram: Vec<u8>, t: TransportId) {
        self.authors.insert(datagram, t);
    }

    /// Whether a DTLS datagram of the server came in.
    pub(super) fn has_arrived(&self, datagram: &[u8]) -> bool {
        self.arrived.contains(datagram)
    }

    /// Whether the kernel still has what a peer sent over a path. Of datagrams on loopback it keeps none back.
    pub(super) fn is_under_way(&self, path: Tuple) -> Result<bool, Harness> {
        let connection = path.connection().and_then(|c| self.connections[c.index()].as_ref());
        let bytes =
            connection.map(|connection| connection.path.unacknowledged_bytes()).transpose()?;
        Ok(bytes.is_some_and(|bytes| bytes > 0))
    }

    /// Opens an address unless it is open. Where the server sees it.
    pub(super) fn open_address(&mut self, a: AddressId) -> Result<SocketAddr, Harness> {
        let slot = &mut self.remotes[self.routes[a.index()].remote];
        if let Some(socket) = slot {
            return Ok(socket.local_addr()?);
        }
        let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0))?;
        socket.set_nonblocking(true)?;
        Ok(slot.insert(socket).local_addr()?)
    }

    /// Opens a connection, from the port of its former use unless the kernel keeps that in TIME_WAIT. Where the server
    /// sees it.
    pub(super) fn connect(
        &mut self,
        c: ConnectionId,
        listener: SocketAddr,
    ) -> Result<SocketAddr, Harness> {
        let slot = &mut self.connections[c.index()];
        let local = match slot.take() {
            Some(mut former) => {
                former.path.reset()?;
                Some(former.path.local_addr())
            }
            None => None,
        };
        let options = TcpOptions { receive_buffer: Some(RECEIVE_BUFFER_BYTES), local };
        let path = match TcpPath::connect(listener, options) {
            Err(error) if local.is_some() && is_taken(&error) => {
                TcpPath::connect(listener, TcpOptions { local: None, ..options })?
            }
            result => result?,
        };
        let end = Some(StreamEnd::Open);
        let connection = PeerConnection { path, reading: Reading::On, was_paused: false, end };
        Ok(slot.insert(connection).path.local_addr())
    }

    /// A connection that was opened.
    pub(super) fn connection(&mut self, c: ConnectionId) -> Result<&mut PeerConnection, Harness> {
        self.connections[c.index()].as_mut().ok_or_else(|| impossible("the connection is not open"))
    }

    /// How the server's half of a connection ended, as far as its peer has read.
    pub(super) fn end(&self, c: ConnectionId) -> Option<StreamEnd> {
        self.connections[c.index()].as_ref().map(|connection| connection.path.end())
    }

    /// How many descriptors the peers have open.
    pub(super) fn descriptors(&self) -> usize {
        let connections = self.connections.iter().flatten();
        let open = connections.filter(|connection| connection.path.descriptor().is_some()).count();
        open + self.remotes.iter().flatten().count()
    }

    /// Where the server sees a path.
    pub(super) fn local(&self, tuple: Tuple) -> Result<SocketAddr, Harness> {
        let never = || impossible("the path was never opened");
        match tuple {
            Tuple::Udp(a) => {
                let socket = self.remotes[self.routes[a.index()].remote].as_ref();
                Ok(socket.ok_or_else(never)?.local_addr()?)
            }
            Tuple::Tcp(c) => {
                let connection = self.connections[c.index()].as_ref();
                Ok(connection.ok_or_else(never)?.path.local_addr())
            }
        }
    }

    /// Sends one packet.
    pub(super) fn send(&mut self, tuple: Tuple, packet: &[u8]) -> Result<(), Harness> {
        match tuple {
            Tuple::Udp(a) => {
                let Route { remote, to } = self.routes[a.index()];
                let socket = self.remotes[remote].as_ref();
                let socket = socket.ok_or_else(|| impossible("the address was never opened"))?;
                socket.send_to(packet, self.sockets[to.index()])?;
            }
            Tuple::Tcp(c) => self.connection(c)?.path.send_frame(packet)?,
        }
        Ok(())
    }

    /// Takes everything that the kernel holds for the peers. How many packets that were.
    pub(super) fn collect(&mut self, clients: &mut [Option<Client>]) -> Result<usize, Harness> {
        let mut packets = Vec::new();
        for remote in 0..self.remotes.len() {
            self.collect_datagrams(remote, &mut packets)?;
        }
        for (index, connection) in self.connections.iter_mut().enumerate() {
            let Some(connection) =
                connection.as_mut().filter(|connection| connection.reading == Reading::On)
            else {
                continue;
            };
            let via = Via(self.routes.len() + index);
            packets.extend(connection.path.collect()?.into_iter().map(|packet| (via, packet)));
        }
        let count = packets.len();
        for (via, packet) in packets {
            if self.authors.contains_key(&packet) {
                self.arrived.insert(packet.clone());
            }
            match self.addressee(&packet, clients) {
                Some(client) => client.peer.receive(via, packet),
                None => self.strays.push(format!("{:?}: {packet:02x?}", self.tuple(via))),
            }
        }
        Ok(count)
    }

    fn collect_datagrams(
        &mut self,
        remote: usize,
        packets: &mut Vec<(Via, Vec<u8>)>,
    ) -> Result<(), Harness> {
        let Some(socket) = &self.remotes[remote] else { return Ok(()) };
        loop {
            match socket.recv_from(&mut self.buffer) {
                Ok((length, from)) => {
                    let to = self.sockets.iter().position(|socket| *socket == from);
                    let route = to.map(|to| Route { remote, to: SocketId(to as u8) });
                    let via = self.routes.iter().position(|other| Some(*other) == route);
                    match via {
                        Some(via) => packets.push((Via(via), self.buffer[..length].to_vec())),
                        None => self.strays.push(format!("a datagram from {from}")),
                    }
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error.into()),
            }
        }
    }

    fn addressee<'c>(
        &self,
        packet: &[u8],
        clients: &'c mut [Option<Client>],
    ) -> Option<&'c mut Client> {
        match classify(packet) {
            Ok(PacketKind::Stun) => {
                let transaction = Message::parse(packet).ok()?.transaction;
                clients.iter_mut().flatten().find(|client| client.peer.began(transaction))
            }
            Ok(PacketKind::Dtls) => clients[self.authors.get(packet)?.index()].as_mut(),
            Ok(PacketKind::Rtp | PacketKind::Rtcp) | Err(_) => None,
        }
    }

    /// Waits until a path that is read has something, or has ended; `false` when nothing came in time.
    pub(super) fn await_readable(&self, timeout: Duration) -> Result<bool, Harness> {
        let connections = self.connections.iter().flatten().filter(|connection| {
            connection.reading == Reading::On && connection.path.end() == StreamEnd::Open
        });
        let connections = connections.filter_map(|connection| connection.path.descriptor());
        let remotes = self.remotes.iter().flatten().map(AsFd::as_fd);
        let descriptors: Vec<BorrowedFd<'_>> = remotes.chain(connections).collect();
        Ok(!descriptors.is_empty() && kernel::wait(&descriptors, Interest::Readable, timeout)?)
    }
}

fn is_taken(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::AddrInUse | io::ErrorKind::AddrNotAvailable)
}
