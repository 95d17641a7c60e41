//! A server on its own thread, its transports, peers for them, and a bystander who must never notice anything.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::num::NonZeroUsize;
use std::time::{Duration, Instant};
use webrtc_server::control::Outcomes;
use webrtc_server::control::dump::{ConnectionCounts, Stats};
use webrtc_server::lifecycle::{Limits, Outcome};
use webrtc_server::{WebRtcServer, WebRtcServerOptions};
pub(crate) use webrtc_server_conformance::PATIENCE;
pub(crate) use webrtc_server_conformance::by_hand::{FIRST, parameters};
pub(crate) use webrtc_server_conformance::live::{BOTH, Member, assert_counted, await_end, echo};
use webrtc_server_conformance::live::{address, loopback};
use webrtc_server_conformance::peer::{
    Path, Peer, Protocol, StreamEnd, TcpOptions, TcpPath, UdpPath, Via,
};

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

impl Fixture {
    pub(crate) fn new() -> Self {
        Self::with_limits(Limits::default())
    }

    pub(crate) fn with_limits(limits: Limits) -> Self {
        Self::with_options(WebRtcServerOptions { limits, ..WebRtcServerOptions::new(loopback()) })
    }

    /// The options must listen on UDP. With one worker, whose caps the tests count and whose socket keeps the order of
    /// what different peers send.
    pub(crate) fn with_options(options: WebRtcServerOptions) -> Self {
        let options = WebRtcServerOptions { workers: NonZeroUsize::new(1), ..options };
        let server = WebRtcServer::new(options).expect("loopback can be bound");
        let member = Member::new(&server);
        let peer = member.connected(&server, Protocol::Udp);
        Fixture { server, bystander: (member, RefCell::new(peer)) }
    }

    /// A transport whose owner has told who the peer is.
    pub(crate) fn member(&self) -> Member {
        Member::new(&self.server)
    }

    /// A transport whose owner has not called `connect()`.
    pub(crate) fn unconnected(&self) -> Member {
        Member::unconnected(&self.server, 30)
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

/// The DTLS datagrams that a peer makes and that never reach the server, so that a test sends them as it likes.
pub(crate) fn sealed(peer: &mut Peer, make: impl FnOnce(&mut Peer, Via)) -> Vec<Vec<u8>> {
    let discard = UdpPath::open(SocketAddr::from(([127, 0, 0, 1], 9))).expect("a free port");
    let nowhere = peer.add_path(Path::Udp(discard));
    let before = peer.sent().len();
    make(peer, nowhere);
    peer.sent()[before..].to_vec()
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
