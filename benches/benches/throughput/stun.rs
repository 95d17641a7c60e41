//! What a server does with a check, in memory: parse, verify, answer.

use std::hint::black_box;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use criterion::Criterion;
use webrtc_server::wire::stun::check::{Judgement, judge};
use webrtc_server::wire::stun::{Message, TransactionId, binding_request, success_response};
use webrtc_server_benches::duel::{Duel, Sampling};
use webrtc_server_benches::{Report, raw};

/// As long as the credentials of a transport.
const PASSWORD: &[u8] = b"thirty-two letters of a password";
const USERNAME: &str = "thirty-two-letters-of-a-fragment:abcd";
const TRANSACTION: TransactionId = TransactionId(*b"transaction!");
/// MESSAGE-INTEGRITY and FINGERPRINT, which end every message and are not hashed.
const CHECKSUM_BYTES: usize = 24 + 8;

/// The figure.
pub(crate) fn figures(criterion: &mut Criterion, report: &mut Report) {
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
    let name = "STUN check";
    report.add(name, Duel::new(ours, limit).run(criterion, name, Sampling::Many));
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
