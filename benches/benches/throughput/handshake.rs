//! A DTLS handshake in memory, either side.

use std::time::Duration;

use criterion::Criterion;
use webrtc_server::shell::dtls::DtlsSession;
use webrtc_server_benches::Report;
use webrtc_server_benches::duel::{Duel, Sampling};
use webrtc_server_benches::handshake::{Contexts, Finished, RawSide, Side, handshake};

/// The two figures.
pub(crate) fn figures(criterion: &mut Criterion, report: &mut Report) {
    let contexts = Contexts::default();
    let name = "DTLS handshake, server side";
    let duel = Duel::new(
        |iterations| sum::<DtlsSession>(&contexts, iterations, |done| done.server.time),
        |iterations| sum::<RawSide>(&contexts, iterations, |done| done.server.time),
    );
    report.add(name, duel.run(criterion, name, Sampling::Many));
    let name = "DTLS handshake, client side";
    let duel = Duel::new(
        |iterations| sum::<DtlsSession>(&contexts, iterations, |done| done.client.time),
        |iterations| sum::<RawSide>(&contexts, iterations, |done| done.client.time),
    );
    report.add(name, duel.run(criterion, name, Sampling::Many));
}

fn sum<S: Side>(
    contexts: &Contexts,
    iterations: u64,
    time: impl Fn(&Finished<S>) -> Duration,
) -> Duration {
    (0..iterations).map(|_| time(&handshake::<S>(contexts))).sum()
}
