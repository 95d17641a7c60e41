//! A server on threads of its own, as tests use it: transports, what their owners hear, and peers. What goes wrong
//! panics.

use crate::PATIENCE;
use crate::by_hand::{FIRST, parameters};
use crate::peer::{
    DtlsRole, Path, Peer, PeerCertificate, Protocol, ServerCredentials, StreamEnd, Via,
};
use std::cell::RefCell;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::mpsc::{Receiver, channel};
use std::time::Instant;
use webrtc_server::control::dump::{TransportDump, TransportStats};
use webrtc_server::{
    ListenInfo, TransportEvent, WebRtcServer, WebRtcTransport, WebRtcTransportOptions,
};

/// Both protocols.
pub const BOTH: [Protocol; 2] = [Protocol::Udp, Protocol::Tcp];
/// Seconds: longer than any test takes.
const CONSENT: u8 = 30;

/// One UDP socket and one listener on loopback.
#[must_use]
pub fn loopback() -> [ListenInfo; 2] {
    BOTH.map(|protocol| ListenInfo::new(protocol, Ipv4Addr::LOCALHOST.into()))
}

/// Where a server is reached.
#[must_use]
pub fn address(server: &WebRtcServer, protocol: Protocol) -> SocketAddr {
    let info = server.listen_infos().iter().find(|i| i.protocol == protocol).expect("it listens");
    SocketAddr::new(info.ip, info.port)
}

/// One transport and what its owner has heard.
pub struct Member {
    /// The transport.
    pub transport: WebRtcTransport,
    events: Receiver<TransportEvent>,
    heard: RefCell<Vec<String>>,
}

impl Member {
    /// A transport whose owner has told who the peer is.
    #[must_use]
    pub fn new(server: &WebRtcServer) -> Self {
        let member = Self::unconnected(server, CONSENT);
        member.connect("client");
        member
    }

    /// A transport whose owner has not called `connect()`. `consent` in seconds; 0: never.
    #[must_use]
    pub fn unconnected(server: &WebRtcServer, consent: u8) -> Self {
        let (sender, events) = channel();
        let options = WebRtcTransportOptions {
            ice_consent_timeout: consent,
            on_event: Box::new(move |event| {
                let _ = sender.send(event);
            }),
            ..WebRtcTransportOptions::default()
        };
        let transport = server.create_transport(options).expect("an open server");
        Member { transport, events, heard: RefCell::default() }
    }

    /// Tells the server about the peer, with the certificate that all peers share.
    pub fn connect(&self, role: &str) {
        self.transport.connect(&parameters(role)).expect("the first connect");
    }

    /// What the transport announces.
    #[must_use]
    pub fn credentials(&self) -> ServerCredentials {
        let ice = self.transport.ice_parameters();
        ServerCredentials { ufrag: ice.username_fragment, password: ice.password }
    }

    /// A peer with one path, which has said nothing.
    #[must_use]
    pub fn peer(&self, server: &WebRtcServer, protocol: Protocol) -> Peer {
        let path = Path::open(protocol, address(server, protocol)).expect("a path");
        self.peer_on(path, DtlsRole::Client)
    }

    /// A peer with this path, which has said nothing.
    #[must_use]
    pub fn peer_on(&self, path: Path, role: DtlsRole) -> Peer {
        let certificate = PeerCertificate::shared().expect("a certificate");
        let mut peer = Peer::new(self.credentials(), &certificate, role).expect("a session");
        peer.add_path(path);
        peer
    }

    /// A peer that has connected, and the owner knows.
    #[must_use]
    pub fn connected(&self, server: &WebRtcServer, protocol: Protocol) -> Peer {
        let mut peer = self.peer(server, protocol);
        peer.connect_via(FIRST, PATIENCE).expect("ICE and DTLS connect");
        self.await_event("dtls Connected");
        peer
    }

    /// Waits for an event that was not heard before this call or any other.
    pub fn await_event(&self, wanted: &str) {
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
    #[must_use]
    pub fn heard(&self) -> Vec<String> {
        let mut heard = self.heard.borrow_mut();
        heard.extend(self.events.try_iter().map(|event| name(&event)));
        heard.clone()
    }

    /// Forgets what was heard so far.
    pub fn forget(&self) {
        let _ = self.heard();
        self.heard.borrow_mut().clear();
    }

    /// How many tuples the open transport has.
    #[must_use]
    pub fn tuples(&self) -> usize {
        self.dump().tuples.len()
    }

    /// What the open transport says of itself.
    #[must_use]
    pub fn dump(&self) -> TransportDump {
        self.transport.dump().expect("an open server").expect("an open transport")
    }

    /// What the open transport has counted.
    #[must_use]
    pub fn stats(&self) -> TransportStats {
        self.transport.get_stats().expect("an open server").expect("an open transport")
    }
}

/// The transport has counted what passed the sockets of its only peer, but for `ignored` bytes that it was sent.
/// Nothing is under way.
pub fn assert_counted(member: &Member, peer: &Peer, ignored: usize) {
    let stats = member.stats();
    let received = peer.sent_bytes() - ignored as u64;
    assert_eq!((stats.bytes_received, stats.bytes_sent), (received, peer.observed().bytes));
}

/// How the first path of a peer ends, which reads on.
pub fn await_end(peer: &mut Peer) -> StreamEnd {
    peer.await_until("an end", PATIENCE, |p| p.end(FIRST).ok() != Some(StreamEnd::Open))
        .expect("the connection ends");
    peer.end(FIRST).expect("a path")
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

/// Data both ways.
pub fn echo(member: &Member, peer: &mut Peer, via: Via) {
    let before = peer.observed().data.len();
    peer.send_data(via, b"to the server").expect("the peer is connected");
    member.await_event("data to the server");
    member.transport.send(b"to the peer").expect("the transport is connected");
    peer.await_until("data", PATIENCE, |peer| peer.observed().data.len() > before)
        .expect("data arrives");
    assert_eq!(peer.observed().data.last().map(Vec::as_slice), Some(&b"to the peer"[..]));
}
