//! Model and core agree; and lockstep notices when they do not.

use super::names;
use super::outside::{Answer, Room};
use super::real::Real;
use super::{Error, run};
use webrtc_server::lifecycle::{Input, Mutant};
use webrtc_server_model::{
    Action, CloseReason, Config, DtlsState, Effect, Graph, NoAlert, Outcome, State, TransportId,
    Via, step,
};

fn agrees(config: &Config) {
    let graph = Graph::explore(config);
    let mut last = (0, 0);
    let lockstep = run(&graph, None, &mut |done, total| last = (done, total)).unwrap();
    println!("{lockstep}");
    assert!(lockstep.divergences.is_empty(), "{lockstep}");
    assert_eq!(lockstep.edges, graph.edges().len());
    assert_eq!(lockstep.states, graph.states().len());
    assert_eq!(last, (lockstep.edges, lockstep.edges));
    assert!(lockstep.effects_compared > lockstep.edges / 2);
}

#[test]
fn model_and_core_agree_on_every_edge_of_small() {
    agrees(&Config::small());
}

#[test]
#[cfg_attr(debug_assertions, ignore = "takes minutes without optimisation")]
fn model_and_core_agree_on_every_edge_of_standard() {
    agrees(&Config::standard());
}

#[test]
fn a_server_that_releases_carriers_first_diverges_at_once() {
    let graph = Graph::explore(&Config::small());
    let lockstep = run(&graph, Some(Mutant::CarriersFirst), &mut |_, _| {}).unwrap();
    println!("{lockstep}");
    let first = &lockstep.divergences[0];
    assert!(first.trace.is_empty(), "{first}");
    assert!(matches!(first.action, Some(Action::OwnerClosesServer { .. })), "{first}");
}

#[test]
fn nothing_to_compare_is_an_error() {
    let nothing = Graph::explore_until(&Config::small(), |_, _| true);
    assert_eq!(run(&nothing, None, &mut |_, _| {}).unwrap_err(), Error::NothingToCompare);
}

const T: TransportId = TransportId(0);

/// A transport that is connected over TCP.
fn connected_over_tcp() -> Real {
    let config = Config::small();
    let mut real = Real::new(&config, None).unwrap();
    let mut state = State::initial(&config);
    for action in [
        Action::PeerConnects { t: T },
        Action::PeerChecks { t: T, via: Via::Tcp, nominate: true },
        Action::PeerHandshakes { t: T },
    ] {
        real.take(&state, action).unwrap();
        state = step(&config, &state, action).unwrap().0;
    }
    real
}

/// The same, with a connection that blocked before it took a byte of the frame that waits. The model fills a connection in
/// the middle of a frame only.
fn blocked_between_frames() -> Real {
    let mut real = connected_over_tcp();
    real.outside.room[0] = Room::None;
    let data = Input::DataSubmitted { transport: names::transport(T), data: names::DATA.into() };
    assert_eq!(happens(&mut real, data), []);
    real
}

fn happens(real: &mut Real, input: Input) -> Vec<Effect> {
    let mut effects = Vec::new();
    real.settle(Answer::worker(input), &mut effects).unwrap();
    effects
}

fn queue_is_empty(real: &Real) -> bool {
    real.worker.unwritten(names::connection(T)).is_empty()
}

#[test]
fn a_connection_that_only_flushes_closes_when_its_last_frame_is_dropped() {
    let mut real = blocked_between_frames();
    let fin = Input::ConnectionFinished { connection: names::connection(T) };
    assert!(!happens(&mut real, fin).contains(&Effect::CloseConnection(T)));
    assert!(!queue_is_empty(&real));
    let close = Input::TransportCloseRequested { transport: names::transport(T) };
    let report =
        Effect::TransportClosed(T, CloseReason::Owner, Outcome::NotNeeded(NoAlert::NoPath));
    let closed = [Effect::Unmap(T), Effect::CloseConnection(T), report];
    assert_eq!(happens(&mut real, close), closed);
}

#[test]
fn data_that_waits_is_dropped_when_the_peer_says_close_notify() {
    let mut real = blocked_between_frames();
    let datagram = names::PEER_CLOSE_NOTIFY.to_vec();
    let goodbye = Input::DtlsReceived { tuple: names::tuple(T, Via::Tcp), datagram };
    let closed = Effect::DtlsStateChanged(T, DtlsState::Closed);
    assert_eq!(happens(&mut real, goodbye), [closed, Effect::MakeAlert(T)]);
    real.outside.room[0] = Room::Plenty;
    let writable = Input::ConnectionWritable { connection: names::connection(T) };
    assert_eq!(happens(&mut real, writable), [Effect::AlertWritten(T)]);
    assert!(queue_is_empty(&real));
}

/// The model's FIN acknowledges everything. One that crosses our alert does not, and the kernel says so.
#[test]
fn a_fin_that_crosses_the_alert_confirms_nothing() {
    let mut real = connected_over_tcp();
    let close = Input::TransportCloseRequested { transport: names::transport(T) };
    assert!(happens(&mut real, close).contains(&Effect::ShutdownWrite(T)));
    let fin = Input::ConnectionFinished { connection: names::connection(T) };
    let report = Effect::TransportClosed(T, CloseReason::Owner, Outcome::Sent);
    assert_eq!(happens(&mut real, fin), [Effect::CloseConnection(T), report]);
}
