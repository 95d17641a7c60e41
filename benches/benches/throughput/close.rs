//! The close of a server with a hundred connected transports, over UDP.

use std::io;
use std::net::{Ipv4Addr, UdpSocket};
use std::time::{Duration, Instant};

use criterion::Criterion;
use webrtc_server::Protocol;
use webrtc_server_benches::Report;
use webrtc_server_benches::duel::{Duel, Sampling};
use webrtc_server_benches::handshake::{Contexts, RawSide, handshake};
use webrtc_server_benches::link::{Link, PACKET_BYTES_MAX};
use webrtc_server_benches::raw::RawSession;
use webrtc_server_benches::scene::Scene;

const TRANSPORTS: usize = 100;
/// The content type of a DTLS record that holds an alert.
const ALERT: u8 = 21;

/// The two figures.
pub(crate) fn figures(criterion: &mut Criterion, report: &mut Report) {
    let contexts = Contexts::default();
    let name = "close of 100: to the last alert at its client";
    let duel = Duel::new(
        |iterations| repeat(iterations, || ours_to_last_alert(&contexts)),
        |iterations| repeat(iterations, || RawScene::set(&contexts).send_and_receive()),
    );
    report.add(name, duel.run(criterion, name, Sampling::Few));
    let name = "close of 100: to the answer of close()";
    let duel = Duel::new(
        |iterations| repeat(iterations, || ours_to_answer(&contexts)),
        |iterations| repeat(iterations, || RawScene::set(&contexts).send_and_receive_both_ways()),
    );
    report.add(name, duel.run(criterion, name, Sampling::Few));
}

fn repeat(iterations: u64, mut once: impl FnMut() -> Duration) -> Duration {
    (0..iterations).map(|_| once()).sum()
}

/// From the call of `close()` until each client's socket has given its alert. The server goes through its transports in
/// order: with the last one taken first, this thread is woken once and not for each of them.
fn ours_to_last_alert(contexts: &Contexts) -> Duration {
    let mut scene = Scene::set(contexts, Protocol::Udp, TRANSPORTS);
    let mut buffers = vec![[0; PACKET_BYTES_MAX]; TRANSPORTS];
    let mut alerts = Vec::with_capacity(TRANSPORTS);
    let start = Instant::now();
    let closing = scene.server.close();
    for (client, buffer) in scene.clients.iter_mut().zip(&mut buffers).rev() {
        alerts.push(client.link.receive(buffer).expect("an alert"));
    }
    let elapsed = start.elapsed();
    for (client, alert) in scene.clients.iter_mut().rev().zip(alerts) {
        client.decrypt_close_notify(alert);
        client.answer_close_notify();
    }
    scene.expect_confirmed(closing.wait().expect("not a worker").transports());
    elapsed
}

/// From the call of `close()` until it has answered, while every client answers its alert.
fn ours_to_answer(contexts: &Contexts) -> Duration {
    let mut scene = Scene::set(contexts, Protocol::Udp, TRANSPORTS);
    let start = Instant::now();
    let closing = scene.server.close();
    for client in &mut scene.clients {
        client.hear_close_notify();
        client.answer_close_notify();
    }
    let outcomes = closing.wait().expect("not a worker");
    let elapsed = start.elapsed();
    scene.expect_confirmed(outcomes.transports());
    elapsed
}

/// A hundred bare sessions whose server sides share a socket. One thread does the work of all.
struct RawScene {
    socket: UdpSocket,
    sessions: Vec<RawPair>,
}

struct RawPair {
    server: RawSession,
    client: RawSession,
    link: Link,
}

impl RawScene {
    fn set(contexts: &Contexts) -> Self {
        let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).expect("loopback");
        let address = socket.local_addr().expect("bound");
        let pair = || {
            let finished = handshake::<RawSide>(contexts);
            let [client, server] =
                [finished.client.side, finished.server.side].map(RawSide::into_session);
            RawPair { server, client, link: Link::open(Protocol::Udp, address).expect("loopback") }
        };
        let sessions = (0..TRANSPORTS).map(|_| pair()).collect();
        Self { socket, sessions }
    }

    /// A shutdown, a send and a receive for each.
    fn send_and_receive(mut self) -> Duration {
        let addresses = self.addresses();
        let mut buffer = [0; PACKET_BYTES_MAX];
        let start = Instant::now();
        self.send_alerts(&addresses).expect("loopback");
        for pair in &mut self.sessions {
            assert_eq!(pair.link.receive(&mut buffer).expect("an alert")[0], ALERT);
        }
        start.elapsed()
    }

    /// The same, then each client decrypts, answers, and the server decrypts that.
    fn send_and_receive_both_ways(mut self) -> Duration {
        let addresses = self.addresses();
        let mut buffer = [0; PACKET_BYTES_MAX];
        let start = Instant::now();
        self.send_alerts(&addresses).expect("loopback");
        for pair in &mut self.sessions {
            pair.client.feed(pair.link.receive(&mut buffer).expect("an alert"));
            pair.client.expect_close_notify();
            assert!(pair.client.shutdown(), "both sides have said it");
            let answer = pair.client.take().expect("an answer");
            pair.link.send(&answer).expect("loopback");
            // Answers keep the order of the sessions, as one thread sends them all.
            let length = self.socket.recv(&mut buffer).expect("an answer");
            pair.server.feed(&buffer[..length]);
            pair.server.expect_close_notify();
        }
        start.elapsed()
    }

    fn send_alerts(&mut self, addresses: &[std::net::SocketAddr]) -> io::Result<()> {
        for (pair, address) in self.sessions.iter_mut().zip(addresses) {
            assert!(!pair.server.shutdown(), "the server speaks first");
            let alert = pair.server.take().expect("an alert");
            self.socket.send_to(&alert, address)?;
        }
        Ok(())
    }

    fn addresses(&self) -> Vec<std::net::SocketAddr> {
        let address = |pair: &RawPair| match &pair.link {
            Link::Udp(socket) => socket.local_addr().expect("bound"),
            Link::Tcp(stream) => stream.local_addr().expect("connected"),
        };
        self.sessions.iter().map(address).collect()
    }
}
