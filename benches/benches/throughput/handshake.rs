//! A DTLS handshake in memory, either side.

use std::time::Duration;

use criterion::Criterion;
use webrtc_server::shell::dtls::DtlsSession;
use webrtc_server_benches::handshake::{Contexts, Finished, RawSide, Side, handshake};
use webrtc_server_benches::{Figure, Report};

const LIMIT: &str = "OpenSSL alone";
const SERVER: Figure = Figure::new("DTLS handshake, server side", LIMIT);
const CLIENT: Figure = Figure::new("DTLS handshake, client side", LIMIT);

pub(crate) const FIGURES: [&Figure; 2] = [&SERVER, &CLIENT];

/// The two figures.
pub(crate) fn figures(criterion: &mut Criterion, report: &mut Report) {
    let contexts = Contexts::default();
    report.measure(
        criterion,
        &SERVER,
        |n| sum::<DtlsSession>(&contexts, n, |done| done.server.time),
        |n| sum::<RawSide>(&contexts, n, |done| done.server.time),
    );
    report.measure(
        criterion,
        &CLIENT,
        |n| sum::<DtlsSession>(&contexts, n, |done| done.client.time),
        |n| sum::<RawSide>(&contexts, n, |done| done.client.time),
    );
}

fn sum<S: Side>(
    contexts: &Contexts,
    iterations: u64,
    time: impl Fn(&Finished<S, S>) -> Duration,
) -> Duration {
    (0..iterations).map(|_| time(&handshake::<S, S>(contexts))).sum()
}
