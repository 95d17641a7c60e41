//! A worker without a thread, whose clock stands still until a test lets a moment come. What goes wrong panics.

use crate::PATIENCE;
use crate::live::loopback;
use crate::peer::{DtlsRole, Path, Peer, PeerCertificate, Protocol, ServerCredentials, Via};
use std::net::SocketAddr;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::{Duration, Instant};
use webrtc_server::control::Latch;
use webrtc_server::control::command::{Command, Reply};
use webrtc_server::control::dump::Stats;
use webrtc_server::control::owner::Owner;
use webrtc_server::lifecycle::{
    Credentials, DtlsRole as Role, Limits, Mutant, Outcome, Output, Timer, Transport, TransportId,
};
use webrtc_server::shell::bind::{BoundCarrier, bind};
use webrtc_server::shell::dtls::{Certificate, DtlsContext, DtlsOptions};
use webrtc_server::shell::{Alarm, Clock, Notify, Worker, WorkerConfig};
use webrtc_server::sync::Arc;
use webrtc_server::{DtlsParameters, ListenInfo, TransportEvent};

/// The first path of a peer.
pub const FIRST: Via = Via(0);
/// Of the server's sockets and connections: enough for a flood to wait there.
const RECEIVE_BUFFER_BYTES: u32 = 200_000;

/// An event, and the number of the transport whose it is.
type Heard = (u64, TransportEvent);

/// A worker that does something only when told.
pub struct ByHand {
    /// The worker.
    pub worker: Worker,
    dtls: DtlsContext,
    /// Where its UDP socket is.
    pub udp: SocketAddr,
    /// Where its listener is.
    pub tcp: SocketAddr,
    events: (Sender<Heard>, Receiver<Heard>),
    drained: Receiver<Vec<(u64, Outcome)>>,
}

struct Drained(Sender<Vec<(u64, Outcome)>>);

impl Notify for Drained {
    fn drained(&mut self, outcomes: Vec<(u64, Outcome)>) {
        let _ = self.0.send(outcomes);
    }

    fn released(&mut self) {}
}

impl Default for ByHand {
    fn default() -> Self {
        Self::new()
    }
}

impl ByHand {
    /// Its clock stands still.
    #[must_use]
    pub fn new() -> Self {
        Self::with(Clock::Manual, None)
    }

    /// With the system's clock or none, and with a mutant or none.
    #[must_use]
    pub fn with(clock: Clock, mutant: Option<Mutant>) -> Self {
        let infos = loopback()
            .map(|info| ListenInfo { recv_buffer_size: Some(RECEIVE_BUFFER_BYTES), ..info });
        let bound = bind(&infos).expect("loopback can be bound");
        let address = |at: usize| match &bound[at].carrier {
            BoundCarrier::Udp(socket) => socket.local_addr().expect("bound"),
            BoundCarrier::Tcp(listener) => listener.local_addr().expect("bound"),
        };
        let (udp, tcp) = (address(0), address(1));
        let certificate = Certificate::generate().expect("a certificate");
        let dtls = DtlsContext::new(&certificate, DtlsOptions::default()).expect("a context");
        let (sender, drained) = channel();
        let notify = Box::new(Drained(sender));
        let limits = Limits::default();
        let config = WorkerConfig { limits, bound, notify, clock, mutant };
        let worker = Worker::new(config).expect("descriptors");
        ByHand { worker, dtls, udp, tcp, events: channel(), drained }
    }

    /// A transport whose peer is known.
    pub fn transport(&mut self, number: u64, consent: Duration) {
        let transport = TransportId(number);
        let events = self.events.0.clone();
        let sink = Box::new(move |event| {
            let _ = events.send((number, event));
        });
        let (reply, made) = Reply::new();
        let credentials = credentials(number);
        let owner = Owner::new(&credentials, sink, Arc::new(Latch::new()));
        self.worker.execute(Command::CreateTransport {
            transport,
            credentials,
            consent: Some(consent),
            dtls: self.dtls.clone(),
            owner,
            reply,
        });
        made.try_recv().expect("an answer").expect("it is made");
        let (reply, connected) = Reply::new();
        let fingerprints = parameters("client").fingerprints;
        let remote_role = Role::Client;
        self.worker.execute(Command::Connect { transport, remote_role, fingerprints, reply });
        connected.try_recv().expect("an answer").expect("the first connect");
    }

    /// A transport with a peer that has connected.
    pub fn pair(&mut self, number: u64, protocol: Protocol) -> Peer {
        self.transport(number, Duration::from_secs(30));
        let mut peer = self.peer(number, protocol);
        self.check(&mut peer);
        let mut step = || {
            self.step();
            Ok(())
        };
        peer.handshake(FIRST, &mut step, 20_000).expect("a handshake");
        peer
    }

    /// A peer with one path that has said nothing.
    pub fn peer(&self, number: u64, protocol: Protocol) -> Peer {
        let mut peer = self.peer_without_path(number);
        let server = match protocol {
            Protocol::Udp => self.udp,
            Protocol::Tcp => self.tcp,
        };
        peer.add_path(Path::open(protocol, server).expect("a path"));
        peer
    }

    /// A peer with no path yet.
    #[must_use]
    pub fn peer_without_path(&self, number: u64) -> Peer {
        let certificate = PeerCertificate::shared().expect("a certificate");
        let Credentials { ufrag, password } = credentials(number);
        let credentials = ServerCredentials { ufrag, password };
        Peer::new(credentials, &certificate, DtlsRole::Client).expect("a session")
    }

    /// Has the peer's newest check granted.
    pub fn check(&mut self, peer: &mut Peer) {
        let id = peer.check(FIRST, true).expect("it leaves");
        self.until("a check is granted", |_| {
            peer.collect().expect("a socket");
            peer.observed().answer_to(id).is_some_and(|answer| answer.is_success())
        });
    }

    /// Handles what is here, without waiting for more.
    pub fn step(&mut self) {
        self.worker.poll(Some(Duration::ZERO)).expect("a poll");
        for _ in 0..self.worker.ready().len() {
            self.worker.deliver_next();
        }
    }

    /// Steps until a condition holds.
    pub fn until(&mut self, what: &str, mut holds: impl FnMut(&Self) -> bool) {
        let deadline = Instant::now() + PATIENCE;
        while !holds(self) {
            assert!(Instant::now() < deadline, "never: {what}");
            self.worker.poll(Some(Duration::from_millis(1))).expect("a poll");
            self.step();
            // The kernel tells nobody that everything was acknowledged: it is asked.
            let asks = |alarm: &Alarm| matches!(alarm, Alarm::Acknowledged(_));
            for alarm in self.worker.alarms().into_iter().filter(asks) {
                self.worker.fire(alarm);
            }
        }
    }

    /// Lets the moment of a lifecycle timer come; it must be armed.
    pub fn fire(&mut self, timer: Timer) {
        assert!(self.worker.fire(Alarm::Lifecycle(timer)), "{timer:?} is not armed");
        self.step();
    }

    /// Whether a lifecycle timer is armed.
    #[must_use]
    pub fn is_armed(&self, timer: Timer) -> bool {
        self.worker.alarms().contains(&Alarm::Lifecycle(timer))
    }

    /// A transport as the core has it.
    #[must_use]
    pub fn look(&self, number: u64) -> &Transport {
        &self.worker.core().transports()[&TransportId(number)]
    }

    /// What the core put out since the last call; nothing before the first.
    pub fn outputs(&mut self) -> Vec<Output> {
        self.worker.take_journal().into_iter().flat_map(|entry| entry.step.outputs).collect()
    }

    /// How often this timer was armed or moved since then.
    pub fn moves(&mut self, wanted: Timer) -> usize {
        let is_move = |o: &&Output| matches!(o, Output::ArmTimer { timer, .. } if *timer == wanted);
        self.outputs().iter().filter(is_move).count()
    }

    /// States that the owner of a transport has heard of since the last call.
    pub fn heard(&self, number: u64) -> Vec<String> {
        let mine = self.events.1.try_iter().filter(|(owner, _)| *owner == number);
        mine.filter_map(|(_, event)| match event {
            TransportEvent::IceStateChange(state) => Some(format!("ice {state:?}")),
            TransportEvent::DtlsStateChange { state, reason, .. } => {
                Some(reason.map_or(format!("dtls {state:?}"), |r| format!("dtls {state:?} {r:?}")))
            }
            TransportEvent::Close { outcome, .. } => Some(format!("close {outcome:?}")),
            TransportEvent::IceSelectedTupleChange(_)
            | TransportEvent::Data(_)
            | TransportEvent::ListenServerClose => None,
        })
        .collect()
    }

    /// What it has counted.
    pub fn stats(&mut self) -> Stats {
        let (reply, stats) = Reply::new();
        self.worker.execute(Command::GetStats { reply });
        stats.try_recv().expect("an answer")
    }

    /// Asks for the close of the server.
    pub fn close(&mut self) {
        let until = Instant::now() + Duration::from_secs(3);
        self.worker.execute(Command::CloseServer { until: Some(until) });
        self.step();
    }

    /// What the worker reported when it was drained, if it is.
    pub fn outcomes(&self) -> Option<Vec<(u64, Outcome)>> {
        self.drained.try_recv().ok()
    }

    /// After the drain: carriers are released, no alarm is armed and none that was does anything.
    pub fn release(&mut self) {
        self.worker.execute(Command::GrantRelease);
        assert!(self.worker.is_released());
        assert_eq!(self.worker.alarms(), []);
    }
}

/// What the transport of that number announces.
#[must_use]
pub fn credentials(number: u64) -> Credentials {
    Credentials { ufrag: format!("ufrag{number}"), password: format!("the password of {number}") }
}

/// What a peer with the shared certificate announces.
#[must_use]
pub fn parameters(role: &str) -> DtlsParameters {
    let certificate = PeerCertificate::shared().expect("a certificate");
    DtlsParameters::parse(Some(role), [("sha-256", certificate.fingerprint())])
        .expect("well formed")
}

/// Data both ways.
pub fn echo(by_hand: &mut ByHand, number: u64, peer: &mut Peer) {
    peer.send_data(FIRST, b"in").expect("connected");
    by_hand.until("data arrives", |by_hand| {
        by_hand
            .events
            .1
            .try_iter()
            .any(|(owner, event)| owner == number && event == TransportEvent::Data(b"in".to_vec()))
    });
    let before = peer.observed().data.len();
    let (reply, sent) = Reply::new();
    let (transport, data) = (TransportId(number), b"out".to_vec());
    by_hand.worker.execute(Command::Send { transport, data, reply: Some(reply) });
    sent.try_recv().expect("an answer").expect("connected");
    by_hand.until("data arrives", |_| {
        peer.collect().expect("a socket");
        peer.observed().data.len() > before
    });
}
