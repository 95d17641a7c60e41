//! One round trip of application data: client, server, its event callback, `post`, client.

use std::time::{Duration, Instant};

use criterion::Criterion;
use webrtc_server::Protocol;
use webrtc_server_benches::Report;
use webrtc_server_benches::duel::{Duel, Sampling};
use webrtc_server_benches::handshake::Contexts;
use webrtc_server_benches::link::{Link, PACKET_BYTES_MAX, RawEcho};
use webrtc_server_benches::scene::Scene;

/// About what a packet of audio has.
const MESSAGE_BYTES: usize = 160;
/// With what DTLS adds to it: header, explicit nonce and tag of AES-GCM.
const RECORD_BYTES: usize = MESSAGE_BYTES + 37;

/// The two figures.
pub(crate) fn figures(criterion: &mut Criterion, report: &mut Report) {
    let contexts = Contexts::default();
    for (protocol, name) in
        [(Protocol::Udp, "round trip over UDP"), (Protocol::Tcp, "round trip over TCP")]
    {
        let duel = Duel::new(
            |iterations| through_the_server(&contexts, protocol, iterations),
            |iterations| through_bare_sockets(protocol, iterations),
        );
        report.add(name, duel.run(criterion, name, Sampling::Many));
    }
}

/// A server of its own for each sample; its start, the connection and the goodbye do not count.
fn through_the_server(contexts: &Contexts, protocol: Protocol, iterations: u64) -> Duration {
    let mut scene = Scene::set(contexts, protocol, 1);
    let client = &mut scene.clients[0];
    let start = Instant::now();
    for number in 0..iterations {
        let message = numbered::<MESSAGE_BYTES>(number);
        assert_eq!(client.round_trip(&message), message);
    }
    let elapsed = start.elapsed();
    scene.end();
    elapsed
}

fn through_bare_sockets(protocol: Protocol, iterations: u64) -> Duration {
    let echo = RawEcho::start(protocol).expect("loopback can be bound");
    let mut link = Link::open(protocol, echo.address()).expect("loopback");
    let mut buffer = [0; PACKET_BYTES_MAX];
    let start = Instant::now();
    for number in 0..iterations {
        let message = numbered::<RECORD_BYTES>(number);
        link.send(&message).expect("loopback");
        assert_eq!(link.receive(&mut buffer).expect("an echo"), message);
    }
    let elapsed = start.elapsed();
    echo.stop(link).expect("the echo met no error");
    elapsed
}

/// A message that no other of the run equals, so that a late echo is not taken for the one awaited.
fn numbered<const BYTES: usize>(number: u64) -> [u8; BYTES] {
    let mut message = [0x55; BYTES];
    message[..8].copy_from_slice(&number.to_be_bytes());
    message
}
