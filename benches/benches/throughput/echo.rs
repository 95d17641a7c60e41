//! One round trip of application data: client, server, its event callback, `post`, client.

use std::time::{Duration, Instant};

use criterion::Criterion;
use webrtc_server::Protocol;
use webrtc_server_benches::Report;
use webrtc_server_benches::duel::{Duel, Measured, Sampling};
use webrtc_server_benches::handshake::Contexts;
use webrtc_server_benches::link::{Link, PACKET_BYTES_MAX, RawEcho};
use webrtc_server_benches::scene::{Client, Scene};

const UDP: &str = "round trip over UDP";
const TCP: &str = "round trip over TCP";
/// About what a packet of audio has.
const MESSAGE_BYTES: usize = 160;
/// With what DTLS adds to it: header, explicit nonce and tag of AES-GCM.
const RECORD_BYTES: usize = MESSAGE_BYTES + 37;

/// The two figures.
pub(crate) fn figures(criterion: &mut Criterion, report: &mut Report) {
    report.add(UDP, figure(criterion, Protocol::Udp, UDP));
    report.add(TCP, figure(criterion, Protocol::Tcp, TCP));
}

/// Both sides are set up once, when they are first needed. The end counts nowhere.
fn figure(criterion: &mut Criterion, protocol: Protocol, name: &str) -> Option<Measured> {
    let contexts = Contexts::default();
    let (mut scene, mut bare) = (None, None);
    let duel = Duel::new(
        |iterations| {
            let scene = scene.get_or_insert_with(|| Scene::set(&contexts, protocol, 1));
            through_the_server(&mut scene.clients[0], iterations)
        },
        |iterations| {
            let (_, link) = bare.get_or_insert_with(|| bare_echo(protocol));
            through_bare_sockets(link, iterations)
        },
    );
    let measured = duel.run(criterion, name, Sampling::Many);
    if let Some(scene) = scene {
        scene.end();
    }
    if let Some((echo, link)) = bare {
        echo.stop(link).expect("the echo met no error");
    }
    measured
}

fn through_the_server(client: &mut Client, iterations: u64) -> Duration {
    let start = Instant::now();
    for number in 0..iterations {
        let message = numbered::<MESSAGE_BYTES>(number);
        assert_eq!(client.round_trip(&message), message);
    }
    start.elapsed()
}

fn bare_echo(protocol: Protocol) -> (RawEcho, Link) {
    let echo = RawEcho::start(protocol).expect("loopback can be bound");
    let link = Link::open(protocol, echo.address()).expect("loopback");
    (echo, link)
}

fn through_bare_sockets(link: &mut Link, iterations: u64) -> Duration {
    let mut buffer = [0; PACKET_BYTES_MAX];
    let start = Instant::now();
    for number in 0..iterations {
        let message = numbered::<RECORD_BYTES>(number);
        link.send(&message).expect("loopback");
        assert_eq!(link.receive(&mut buffer).expect("an echo"), message);
    }
    start.elapsed()
}

/// A message that differs from the one before, so that a late echo is not taken for the one awaited.
fn numbered<const BYTES: usize>(number: u64) -> [u8; BYTES] {
    let mut message = [0x55; BYTES];
    message[..8].copy_from_slice(&number.to_be_bytes());
    message
}
