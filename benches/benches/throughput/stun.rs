//! Checks: in memory what the parser and the integrity cost, through a server's socket all that a worker does.

use std::hint::black_box;
use std::io;
use std::net::SocketAddr;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use criterion::Criterion;
use webrtc_server::Protocol;
use webrtc_server::wire::stun::check::{Judgement, judge};
use webrtc_server::wire::stun::{Class, Message, TransactionId, binding_request, success_response};
use webrtc_server_benches::bare::{answer_checks, end_echo};
use webrtc_server_benches::exchange::{Traffic, request};
use webrtc_server_benches::handshake::Contexts;
use webrtc_server_benches::link::Link;
use webrtc_server_benches::scene::{Checks, Scene};
use webrtc_server_benches::{Figure, Report, raw};

/// As long as the credentials of a transport.
const PASSWORD: &[u8] = b"thirty-two letters of a password";
const FRAGMENT: &str = "thirty-two-letters-of-a-fragment";
const USERNAME: &str = "thirty-two-letters-of-a-fragment:abcd";
const RESPONSE_BYTES: usize = 64;
const TRANSACTION: TransactionId = TransactionId(*b"transaction!");
/// MESSAGE-INTEGRITY and FINGERPRINT, which end every message and are not hashed.
const CHECKSUM_BYTES: usize = 24 + 8;

const IN_MEMORY: Figure =
    Figure::new("STUN check in memory: parse, verify, answer", "two SHA-1 HMACs by hand");
const SERVED: Figure = Figure::new(
    "STUN checks of 16 peers over UDP, 64 under way",
    "two SHA-1 HMACs and a blocking socket",
)
.per_second(0);

pub(crate) const FIGURES: [&Figure; 2] = [&IN_MEMORY, &SERVED];

/// The two figures.
pub(crate) fn figures(criterion: &mut Criterion, report: &mut Report) {
    in_memory(criterion, report);
    served(criterion, report);
}

fn in_memory(criterion: &mut Criterion, report: &mut Report) {
    let request = binding_request(TRANSACTION, USERNAME, 0x6E00_01FF, 7)
        .use_candidate()
        .message_integrity(PASSWORD)
        .fingerprint();
    let mapped: SocketAddr = ([127, 0, 0, 1], 50_000).into();
    let response = answer(&request, mapped).expect("a check with the right password");
    let mut forged = request.clone();
    forged[TRANSACTION_AT] ^= 1;
    assert!(answer(&forged, mapped).is_none(), "the password is looked at");

    let ours = |iterations| {
        let start = Instant::now();
        for _ in 0..iterations {
            assert!(black_box(answer(black_box(&request), mapped)).is_some());
        }
        start.elapsed()
    };
    let hashed = [&request, &response].map(|message| &message[..message.len() - CHECKSUM_BYTES]);
    let limit = |iterations| two_hashes(iterations, hashed);
    report.measure(criterion, &IN_MEMORY, ours, limit);
}

/// Where the transaction id stands in a message.
const TRANSACTION_AT: usize = 8;

/// What a worker does between the datagram and its answer, without the look-up of the password.
fn answer(request: &[u8], mapped: SocketAddr) -> Option<Vec<u8>> {
    let message = Message::parse(request).ok()?;
    match judge(&message, PASSWORD) {
        Judgement::Check { .. } => Some(success_response(message.transaction, mapped, PASSWORD)),
        Judgement::Refuse { .. } | Judgement::Ignore(_) => None,
    }
}

/// Hashes as many bytes as a request and its response have: nobody can answer a check with less.
fn two_hashes(iterations: u64, hashed: [&[u8]; 2]) -> Duration {
    let start = Instant::now();
    for _ in 0..iterations {
        for covered in hashed {
            black_box(raw::hmac_sha1(black_box(PASSWORD), &[black_box(covered)]));
        }
    }
    start.elapsed()
}

const PEERS: usize = 16;
/// Sockets hold all of these by default, so that nothing should be lost.
const IN_FLIGHT_EACH: usize = 4;

/// The peers' consent: parse, look up, verify, the core, answer. Both sides are set up once, when they are first
/// needed.
fn served(criterion: &mut Criterion, report: &mut Report) {
    let (mut ours, mut limit) = (None, None);
    let (mut traffic, mut traffic_of_limit) = (Traffic::default(), Traffic::default());
    report.measure(
        criterion,
        &SERVED,
        |iterations| {
            let scene =
                ours.get_or_insert_with(|| Scene::set(&Contexts::default(), Protocol::Udp, PEERS));
            let (clients, checks) = (&mut scene.clients, &mut scene.checks);
            let make = |client: usize| checks[client].make();
            let done = request(clients, make, IN_FLIGHT_EACH, iterations, expect_success);
            traffic += done.traffic;
            done.time()
        },
        |iterations| {
            let (_, links, checks) = limit.get_or_insert_with(bare);
            let make = |client: usize| checks[client].make();
            let done = request(links, make, IN_FLIGHT_EACH, iterations, expect_success);
            traffic_of_limit += done.traffic;
            done.time()
        },
    );
    let (Some(mut scene), Some((answering, links, mut checks))) = (ours, limit) else { return };
    let bytes = |checks: &mut [Checks]| checks.iter_mut().map(|of| of.make().len()).sum::<usize>();
    assert_eq!(bytes(&mut scene.checks), bytes(&mut checks), "the checks have the same size");
    report.count(&SERVED, [traffic, traffic_of_limit]);
    scene.end();
    end_echo(answering, links).expect("the bare server met no error");
}

/// As our server's answers to IPv4: so they have the same bytes on either side.
fn expect_success(response: &[u8]) {
    let message = Message::parse(response).expect("a STUN message");
    assert_eq!(message.class, Class::SuccessResponse);
    assert_eq!(response.len(), RESPONSE_BYTES);
}

/// A bare server for as many peers, who prove one password of the usual length, and their checks.
fn bare() -> (JoinHandle<io::Result<()>>, Vec<Link>, Vec<Checks>) {
    let mapped: SocketAddr = ([127, 0, 0, 1], 50_000).into();
    let response = success_response(TRANSACTION, mapped, PASSWORD);
    let (answering, links) = answer_checks(PASSWORD, response, PEERS).expect("loopback");
    let password = String::from_utf8_lossy(PASSWORD);
    (answering, links, (0..PEERS).map(|_| Checks::of(FRAGMENT, &*password)).collect())
}
