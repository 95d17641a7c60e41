//! The close of a server with a hundred connected transports. A bare server's thread does what a worker does: a
//! shutdown and a send for each, over TCP a FIN too, then it takes every answer and frees all that there is.

use std::cell::Cell;
use std::time::{Duration, Instant};

use criterion::Criterion;
use webrtc_server::Protocol;
use webrtc_server_benches::bare::BareServer;
use webrtc_server_benches::client::Client;
use webrtc_server_benches::goodbye::Goodbye;
use webrtc_server_benches::handshake::Contexts;
use webrtc_server_benches::scene::Scene;
use webrtc_server_benches::{Figure, Report};

const TRANSPORTS: usize = 100;
const LIMIT: &str = "100 times shutdown, send, receive on one thread";

const UDP_ALERTS: Figure =
    Figure::new("close of 100 over UDP, to the last alert at its client", LIMIT).few();
const UDP_ANSWER: Figure =
    Figure::new("close of 100 over UDP, to the answer of close()", LIMIT).few();
const TCP_ALERTS: Figure =
    Figure::new("close of 100 over TCP, to the last alert at its client", LIMIT).few();
const TCP_ANSWER: Figure =
    Figure::new("close of 100 over TCP, to the answer of close()", LIMIT).few();

pub(crate) const FIGURES: [&Figure; 4] = [&UDP_ALERTS, &UDP_ANSWER, &TCP_ALERTS, &TCP_ANSWER];

#[derive(Clone, Copy)]
enum Until {
    LastAlert,
    Answer,
}

/// The four figures.
pub(crate) fn figures(criterion: &mut Criterion, report: &mut Report) {
    let contexts = Contexts::default();
    for (figure, protocol, until) in [
        (UDP_ALERTS, Protocol::Udp, Until::LastAlert),
        (UDP_ANSWER, Protocol::Udp, Until::Answer),
        (TCP_ALERTS, Protocol::Tcp, Until::LastAlert),
        (TCP_ANSWER, Protocol::Tcp, Until::Answer),
    ] {
        let (bytes, bytes_of_limit) = (Cell::new(0), Cell::new(0));
        report.measure(
            criterion,
            &figure,
            |n| (0..n).map(|_| ours(&contexts, protocol, until, &bytes)).sum(),
            |n| (0..n).map(|_| limit(&contexts, protocol, until, &bytes_of_limit)).sum(),
        );
        assert_eq!(bytes, bytes_of_limit, "the alerts have the same size");
    }
}

/// From the call of `close()`.
fn ours(contexts: &Contexts, protocol: Protocol, until: Until, bytes: &Cell<usize>) -> Duration {
    let mut scene = Scene::set(contexts, protocol, TRANSPORTS);
    let mut goodbye = Goodbye::prepare(&mut scene.clients);
    let start = Instant::now();
    let closing = scene.server.close();
    let to_last_alert = hear(&mut goodbye, &mut scene.clients, until, start);
    let outcomes = closing.wait().expect("not a worker");
    let elapsed = to_last_alert.unwrap_or_else(|| start.elapsed());
    bytes.set(goodbye.check(&mut scene.clients));
    scene.expect_confirmed(outcomes.transports());
    elapsed
}

/// From the word to close.
fn limit(contexts: &Contexts, protocol: Protocol, until: Until, bytes: &Cell<usize>) -> Duration {
    let (server, mut clients) =
        BareServer::with_clients(contexts, protocol, TRANSPORTS).expect("loopback");
    let server = server.closable();
    let mut goodbye = Goodbye::prepare(&mut clients);
    let start = Instant::now();
    server.close();
    let to_last_alert = hear(&mut goodbye, &mut clients, until, start);
    server.wait().expect("loopback");
    let elapsed = to_last_alert.unwrap_or_else(|| start.elapsed());
    bytes.set(goodbye.check(&mut clients));
    elapsed
}

/// The time to the last alert, if that is wanted.
fn hear(
    goodbye: &mut Goodbye,
    clients: &mut [Client],
    until: Until,
    start: Instant,
) -> Option<Duration> {
    match until {
        Until::LastAlert => {
            goodbye.hear_all(clients);
            let elapsed = start.elapsed();
            goodbye.answer_all(clients);
            Some(elapsed)
        }
        Until::Answer => {
            goodbye.answer_each(clients);
            None
        }
    }
}
