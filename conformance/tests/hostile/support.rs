//! A server on its own thread, its transports, peers for them, and a bystander who must never notice anything.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::net::{Ipv4Addr, SocketAddr};
use std::num::NonZeroUsize;
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};
use webrtc_server::control::Outcomes;
use webrtc_server::control::dump::{ConnectionCounts, Stats, TransportDump};
use webrtc_server::lifecycle::{Limits, Outcome};
use webrtc_server::{
    ListenInfo, TransportEvent, WebRtcServer, WebRtcServerOptions, WebRtcTransport,
    WebRtcTransportOptions,
};
pub(crate) use webrtc_server_conformance::by_hand::{FIRST, PATIENCE, parameters};
use webrtc_server_conformance::peer::{
    DtlsRole, Path, Peer, PeerCertificate, Protocol, ServerCredentials, StreamEnd, TcpOptions,
    TcpPath, UdpPath, Via,
};

pub(crate) const BOTH: [Protocol; 2] = [Protocol::Udp, Protocol::Tcp];

/// Waits until a condition holds.
pub(crate) fn eventually(what: &str, mut holds: impl FnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !holds() {
        assert!(Instant::now() < deadline, "never: {what}");
        std::thread::sleep(Duration::from_millis(1));
    }
}

/// A server with one transport on which all is well.
pub(crate) struct Fixture {
    pub(crate) server: WebRtcServer,
    bystander: (Member, RefCell<Peer>),
}

/// One transport and what its owner has heard.
pub(crate) struct Member {
    pub(crate) transport: WebRtcTransport,
    events: Receiver<TransportEvent>,
    heard: RefCell<Vec<String>>,
}

impl Fixture {
    pub(crate) fn new() -> Self {
        Self::with_limits(Limits::default())
    }

    pub(crate) fn with_limits(limits: Limits) -> Self {
        let loopback = Ipv4Addr::LOCALHOST.into();
        let protocols = [webrtc_server::Protocol::Udp, webrtc_server::Protocol::Tcp];
        Self::with_options(WebRtcServerOptions {
            listen_infos: protocols.map(|protocol| ListenInfo::new(protocol, loopback)).into(),
            limits,
            ..WebRtcServerOptions::default()
        })
    }

    /// The options must listen on UDP. With one worker, whose caps the tests count and whose socket keeps the order of
    /// what different peers send.
    pub(crate) fn with_options(options: WebRtcServerOptions) -> Self {
        let options = WebRtcServerOptions { workers: NonZeroUsize::new(1), ..options };
        let server = WebRtcServer::new(options).expect("loopback can be bound");
        let member = Member::new(&server, 30);
        member.connect("client");
        let peer = member.connected(&server, Protocol::Udp);
        Fixture { server, bystander: (member, RefCell::new(peer)) }
    }

    /// A transport whose owner has told who the peer is.
    pub(crate) fn member(&self) -> Member {
        let member = self.unconnected();
        member.connect("client");
        member
    }

    /// A transport whose owner has not called `connect()`.
    pub(crate) fn unconnected(&self) -> Member {
        Member::new(&self.server, 30)
    }

    /// A transport with a peer that has connected over this protocol.
    pub(crate) fn pair(&self, protocol: Protocol) -> (Member, Peer) {
        let member = self.member();
        let peer = member.connected(&self.server, protocol);
        (member, peer)
    }

    pub(crate) fn address(&self, protocol: Protocol) -> SocketAddr {
        address(&self.server, protocol)
    }

    /// A connection of a stranger.
    pub(crate) fn tcp(&self) -> TcpPath {
        self.tcp_with(TcpOptions::default())
    }

    pub(crate) fn tcp_with(&self, options: TcpOptions) -> TcpPath {
        TcpPath::connect(self.address(Protocol::Tcp), options).expect("the listener is there")
    }

    /// A socket of a stranger.
    pub(crate) fn udp(&self) -> UdpPath {
        UdpPath::open(self.address(Protocol::Udp)).expect("a free port")
    }

    pub(crate) fn stats(&self) -> Stats {
        self.server.get_stats().expect("an open server")
    }

    pub(crate) fn connections(&self) -> ConnectionCounts {
        self.server.dump().expect("an open server").connections
    }

    pub(crate) fn await_stats(&self, what: &str, wanted: impl Fn(&Stats) -> bool) {
        eventually(what, || wanted(&self.stats()));
    }

    pub(crate) fn await_connections(&self, what: &str, wanted: impl Fn(ConnectionCounts) -> bool) {
        eventually(what, || wanted(self.connections()));
    }

    /// Returns when the server has handled every datagram that was sent to its UDP socket before: datagrams on loopback
    /// keep their order. A reply to one of them is in the kernel by then.
    pub(crate) fn udp_barrier(&self) {
        let mut peer = self.bystander.1.borrow_mut();
        peer.await_check(FIRST, true, PATIENCE).expect("the bystander is answered");
    }

    /// Data both ways on the bystander's transport.
    pub(crate) fn assert_bystander_unharmed(&self) {
        let (member, peer) = &self.bystander;
        echo(member, &mut peer.borrow_mut(), FIRST);
    }

    /// The bystander was not harmed, the server closes, every alert that is due arrives, and nothing stays open.
    pub(crate) fn end(self) -> Outcomes<Outcome> {
        self.assert_bystander_unharmed();
        let sockets = server_sockets(&self.server);
        assert!(!sockets.is_empty(), "the server's own sockets are seen");
        let Fixture { server, bystander: (member, peer) } = self;
        let closing = server.close();
        let mut peer = peer.into_inner();
        peer.await_close_notify(PATIENCE).expect("the bystander hears the goodbye");
        peer.answer_close_notify(FIRST).expect("the answer leaves");
        let outcomes = closing.wait().expect("not a worker");
        peer.collect().expect("a socket");
        assert_eq!(peer.observed().close_notifies.len(), 1, "exactly one");
        assert!(outcomes.lost_workers().is_empty());
        let number = member.transport.number();
        let own = outcomes.transports().iter().find(|(id, _)| *id == number).map(|(_, o)| *o);
        assert!(matches!(own, Some(Outcome::Sent | Outcome::Confirmed)), "{own:?}");
        // Those of this process that are open now may have the same ports, but not the same numbers.
        let open = open_sockets();
        let left: Vec<_> = sockets.iter().filter(|(number, _)| open.contains(number)).collect();
        assert!(left.is_empty(), "left open: {left:?}");
        outcomes
    }
}

/// Data both ways.
pub(crate) fn echo(member: &Member, peer: &mut Peer, via: Via) {
    let before = peer.observed().data.len();
    peer.send_data(via, b"to the server").expect("the peer is connected");
    member.await_event("data to the server");
    member.transport.send(b"to the peer").expect("the transport is connected");
    peer.await_until("data", PATIENCE, |peer| peer.observed().data.len() > before)
        .expect("data arrives");
    assert_eq!(peer.observed().data.last().map(Vec::as_slice), Some(&b"to the peer"[..]));
}

/// The DTLS datagrams that a peer makes and that never reach the server, so that a test sends them as it likes.
pub(crate) fn sealed(peer: &mut Peer, make: impl FnOnce(&mut Peer, Via)) -> Vec<Vec<u8>> {
    let discard = UdpPath::open(SocketAddr::from(([127, 0, 0, 1], 9))).expect("a free port");
    let nowhere = peer.add_path(Path::Udp(discard));
    let before = peer.sent().len();
    make(peer, nowhere);
    peer.sent()[before..].to_vec()
}

fn address(server: &WebRtcServer, protocol: Protocol) -> SocketAddr {
    let wanted = match protocol {
        Protocol::Udp => webrtc_server::Protocol::Udp,
        Protocol::Tcp => webrtc_server::Protocol::Tcp,
    };
    let info = server.listen_infos().iter().find(|i| i.protocol == wanted).expect("it listens");
    SocketAddr::new(info.ip, info.port)
}

impl Member {
    /// `consent` in seconds; 0: never.
    pub(crate) fn new(server: &WebRtcServer, consent: u8) -> Self {
        let (sender, events) = channel();
        let transport = server
            .create_transport(WebRtcTransportOptions {
                ice_consent_timeout: consent,
                on_event: Box::new(move |event| {
                    let _ = sender.send(event);
                }),
                ..WebRtcTransportOptions::default()
            })
            .expect("an open server");
        Member { transport, events, heard: RefCell::default() }
    }

    /// Tells the server about the peer, with the certificate that all peers share.
    pub(crate) fn connect(&self, role: &str) {
        self.transport.connect(&parameters(role)).expect("the first connect");
    }

    pub(crate) fn credentials(&self) -> ServerCredentials {
        let ice = self.transport.ice_parameters();
        ServerCredentials { ufrag: ice.username_fragment, password: ice.password }
    }

    /// A peer with one path, which has said nothing.
    pub(crate) fn peer(&self, server: &WebRtcServer, protocol: Protocol) -> Peer {
        let path = Path::open(protocol, address(server, protocol)).expect("a path");
        self.peer_on(path, DtlsRole::Client)
    }

    pub(crate) fn peer_on(&self, path: Path, role: DtlsRole) -> Peer {
        let certificate = PeerCertificate::shared().expect("a certificate");
        let mut peer = Peer::new(self.credentials(), &certificate, role).expect("a session");
        peer.add_path(path);
        peer
    }

    pub(crate) fn connected(&self, server: &WebRtcServer, protocol: Protocol) -> Peer {
        let mut peer = self.peer(server, protocol);
        peer.connect_via(FIRST, PATIENCE).expect("ICE and DTLS connect");
        self.await_event("dtls Connected");
        peer
    }

    /// Waits for an event that was not heard before this call or any other. `None` in `wanted` stands for any.
    pub(crate) fn await_event(&self, wanted: &str) {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            let Ok(event) = self.events.recv_timeout(left) else {
                panic!("{wanted:?} never came; heard {:?}", self.heard.borrow());
            };
            let name = name(&event);
            self.heard.borrow_mut().push(name.clone());
            if name == wanted {
                return;
            }
        }
    }

    /// Every event since the transport was made.
    pub(crate) fn heard(&self) -> Vec<String> {
        let mut heard = self.heard.borrow_mut();
        heard.extend(self.events.try_iter().map(|event| name(&event)));
        heard.clone()
    }

    /// Forgets what was heard so far.
    pub(crate) fn forget(&self) {
        let _ = self.heard();
        self.heard.borrow_mut().clear();
    }

    pub(crate) fn dump(&self) -> TransportDump {
        self.transport.dump().expect("an open server").expect("an open transport")
    }
}

fn name(event: &TransportEvent) -> String {
    match event {
        TransportEvent::IceStateChange(state) => format!("ice {state:?}"),
        TransportEvent::IceSelectedTupleChange(None) => "no tuple".to_owned(),
        TransportEvent::IceSelectedTupleChange(Some(tuple)) => {
            format!("tuple {}", tuple.remote_port)
        }
        TransportEvent::DtlsStateChange { state, reason: None, .. } => format!("dtls {state:?}"),
        TransportEvent::DtlsStateChange { state, reason: Some(reason), .. } => {
            format!("dtls {state:?} {reason:?}")
        }
        TransportEvent::Data(bytes) => format!("data {}", String::from_utf8_lossy(bytes)),
        TransportEvent::ListenServerClose => "listenserverclose".to_owned(),
        TransportEvent::Close { outcome, .. } => format!("close {outcome:?}"),
    }
}

/// Waits for the end of a connection and says which it was; what arrives before is thrown away.
pub(crate) fn end_of(path: &mut TcpPath) -> StreamEnd {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let _ = path.collect().expect("a socket");
        if path.end() != StreamEnd::Open {
            return path.end();
        }
        let left = deadline.saturating_duration_since(Instant::now());
        path.await_readable(left).expect("the connection ends");
    }
}

/// Numbers of the sockets that this process has open.
fn open_sockets() -> BTreeSet<u64> {
    let links = std::fs::read_dir("/proc/self/fd").expect("Linux").flatten();
    let targets = links.filter_map(|link| std::fs::read_link(link.path()).ok());
    targets
        .filter_map(|target| {
            let text = target.to_str()?.strip_prefix("socket:[")?.strip_suffix(']')?;
            text.parse().ok()
        })
        .collect()
}

/// The sockets whose own port is one of the server's for that protocol, carriers and accepted connections: number, and
/// what the kernel says of each.
fn server_sockets(server: &WebRtcServer) -> BTreeMap<u64, String> {
    let is_carrier = |table: &str, port: u16| {
        server
            .listen_infos()
            .iter()
            .any(|info| info.port == port && table.starts_with(&info.protocol.to_string()))
    };
    let mut sockets = BTreeMap::new();
    for table in ["udp", "udp6", "tcp", "tcp6"] {
        let text = std::fs::read_to_string(format!("/proc/self/net/{table}")).unwrap_or_default();
        for line in text.lines().skip(1) {
            let columns: Vec<_> = line.split_whitespace().collect();
            let port =
                columns[1].rsplit_once(':').and_then(|(_, p)| u16::from_str_radix(p, 16).ok());
            let number: u64 = columns[9].parse().expect("an inode");
            if number != 0 && port.is_some_and(|port| is_carrier(table, port)) {
                sockets.insert(number, format!("{table} {line}"));
            }
        }
    }
    sockets
}
