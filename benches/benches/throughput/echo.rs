//! Application data that comes back: client, server, its event callback, `post`, client. One message at a time for how
//! long that takes; several to each of several peers for how many there are in a second.
//!
//! One message at a time wakes two threads, and on a machine without other work that takes longer than all they do if
//! they have different cores: the spread of the ratio is wide then. `taskset -c 0 cargo bench -- "round trip over"` has
//! both on one core, on either side.

use std::io;
use std::thread::JoinHandle;
use std::time::Duration;

use criterion::Criterion;
use webrtc_server::Protocol;
use webrtc_server_benches::bare::{BareServer, end_echo};
use webrtc_server_benches::client::Client;
use webrtc_server_benches::exchange::{Messages, Traffic};
use webrtc_server_benches::handshake::Contexts;
use webrtc_server_benches::scene::Scene;
use webrtc_server_benches::{Figure, Report};

const LIMIT: &str = "OpenSSL and a blocking socket";
/// It waits for one connection after the other, where a poll takes all that have come: ours may be the faster.
const LIMIT_IN_TURN: &str = "the same, connections in turn: no lower bound";
/// About what a packet of audio has.
const AUDIO_BYTES: usize = 160;
/// About the most that a browser puts into a packet of a data channel.
const DATA_BYTES: usize = 1200;

const UDP: Load = Load::single(Figure::new("round trip over UDP", LIMIT), Protocol::Udp);
const TCP: Load = Load::single(Figure::new("round trip over TCP", LIMIT), Protocol::Tcp);
const UDP_RATE: Load =
    Load::many(Figure::new("data of 16 peers over UDP, 64 under way", LIMIT), Protocol::Udp);
const TCP_RATE: Load = Load::many(
    Figure::new("data of 16 peers over TCP, 64 under way", LIMIT_IN_TURN),
    Protocol::Tcp,
);

pub(crate) const FIGURES: [&Figure; 4] =
    [&UDP.figure, &TCP.figure, &UDP_RATE.figure, &TCP_RATE.figure];

/// The four figures.
pub(crate) fn figures(criterion: &mut Criterion, report: &mut Report) {
    [UDP, TCP, UDP_RATE, TCP_RATE].iter().for_each(|load| measure(criterion, report, load));
}

struct Load {
    figure: Figure,
    protocol: Protocol,
    peers: usize,
    in_flight_each: usize,
    bytes: usize,
}

impl Load {
    const fn single(figure: Figure, protocol: Protocol) -> Self {
        Self { figure, protocol, peers: 1, in_flight_each: 1, bytes: AUDIO_BYTES }
    }

    /// No more in flight than a socket holds by default, so that nothing should be lost.
    const fn many(figure: Figure, protocol: Protocol) -> Self {
        let figure = figure.per_second(DATA_BYTES as u64);
        Self { figure, protocol, peers: 16, in_flight_each: 4, bytes: DATA_BYTES }
    }
}

/// Both sides are set up once, when they are first needed. The end counts nowhere.
fn measure(criterion: &mut Criterion, report: &mut Report, load: &Load) {
    let contexts = Contexts::default();
    let (mut ours, mut limit) = (None, None);
    report.measure(
        criterion,
        &load.figure,
        |iterations| ours.get_or_insert_with(|| Ours::set(&contexts, load)).exchange(iterations),
        |iterations| limit.get_or_insert_with(|| Bare::set(&contexts, load)).exchange(iterations),
    );
    let (Some(ours), Some(limit)) = (ours, limit) else { return };
    let same = ours.scene.clients.iter().zip(&limit.clients);
    same.for_each(|(ours, limit)| assert_eq!(ours.negotiated(), limit.negotiated()));
    report.count(&load.figure, [ours.side.traffic, limit.side.traffic]);
    ours.scene.end();
    end_echo(limit.echo, limit.clients).expect("the echo met no error");
}

/// What is counted on either side.
struct Side {
    messages: Messages,
    traffic: Traffic,
}

impl Side {
    fn new(load: &Load) -> Self {
        let messages = Messages::new(load.bytes, load.in_flight_each);
        Self { messages, traffic: Traffic::default() }
    }

    fn exchange(&mut self, clients: &mut [Client], iterations: u64) -> Duration {
        let exchanged = self.messages.exchange(clients, iterations);
        self.traffic += exchanged.traffic;
        exchanged.time()
    }
}

struct Ours {
    scene: Scene,
    side: Side,
}

impl Ours {
    fn set(contexts: &Contexts, load: &Load) -> Self {
        Self { scene: Scene::set(contexts, load.protocol, load.peers), side: Side::new(load) }
    }

    fn exchange(&mut self, iterations: u64) -> Duration {
        self.side.exchange(&mut self.scene.clients, iterations)
    }
}

struct Bare {
    clients: Vec<Client>,
    echo: JoinHandle<io::Result<()>>,
    side: Side,
}

impl Bare {
    fn set(contexts: &Contexts, load: &Load) -> Self {
        let (server, clients) =
            BareServer::with_clients(contexts, load.protocol, load.peers).expect("loopback");
        Self { clients, echo: server.echo(), side: Side::new(load) }
    }

    fn exchange(&mut self, iterations: u64) -> Duration {
        self.side.exchange(&mut self.clients, iterations)
    }
}
