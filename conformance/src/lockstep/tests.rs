//! Model and core agree; and lockstep notices when they do not.

use super::names::{self, Names};
use super::outside::Stimulus;
use super::real::Real;
use super::{Error, detect, run};
use std::rc::Rc;
use webrtc_server::lifecycle::{ConnectionId as RealConnection, Input, Mutant};
use webrtc_server_model::{
    Action, CallerId, CloseReason, Config, ConnectionId, DtlsState, Effect, Graph, NoAlert,
    Outcome, Preset, Room, State, StunCheck, TransportId, Tuple, WorkerId, step,
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
    assert!(lockstep.effects_compared > lockstep.edges / 4);
}

#[test]
fn model_and_core_agree_on_every_edge_of_small() {
    agrees(&Config::small());
}

/// All of them, or the one that `LOCKSTEP_CONFIG` names.
fn each_agrees<'a>(configs: impl Iterator<Item = &'a Config>) {
    let only = std::env::var("LOCKSTEP_CONFIG").ok();
    configs.filter(|config| only.as_ref().is_none_or(|name| config.name == name)).for_each(agrees);
}

#[test]
fn model_and_core_agree_on_every_edge_of_standard() {
    each_agrees(Preset::standard().configs.iter());
}

#[test]
#[ignore = "takes minutes"]
fn model_and_core_agree_on_every_edge_of_nightly() {
    let standard = Preset::standard().configs;
    each_agrees(Preset::nightly().configs.iter().filter(|config| !standard.contains(config)));
}

#[test]
fn every_mistake_of_the_core_shows_in_standard() {
    let graphs: Vec<_> = Preset::standard().configs.iter().map(Graph::explore).collect();
    let reports: Vec<_> =
        Mutant::of_the_lifecycle().map(|mutant| detect(&graphs, mutant).unwrap()).collect();
    reports.iter().for_each(|report| println!("{report}"));
    let survivors: Vec<_> = reports
        .iter()
        .filter(|report| report.detection.is_none())
        .map(|report| report.mutant)
        .collect();
    assert_eq!(survivors, []);
}

#[test]
fn a_server_that_releases_carriers_first_diverges_at_once() {
    let graph = Graph::explore(&Config::small());
    let lockstep = run(&graph, Some(Mutant::CarriersFirst), &mut |_, _| {}).unwrap();
    println!("{lockstep}");
    let first = &lockstep.divergences[0];
    assert_eq!(first.trace.len(), 1, "{first}");
    assert_eq!(first.action, Some(Action::WorkerHearsClose { w: WorkerId(0) }), "{first}");
}

#[test]
fn nothing_to_compare_is_an_error() {
    let nothing = Graph::explore_until(&Config::small(), |_, _| true);
    assert_eq!(run(&nothing, None, &mut |_, _| {}).unwrap_err(), Error::NothingToCompare);
}

#[test]
fn a_mutant_that_the_core_cannot_have_is_an_error() {
    let graph = Graph::explore(&Config::small());
    for mutant in Mutant::of_the_shell() {
        let error = run(&graph, Some(mutant), &mut |_, _| {}).unwrap_err();
        assert_eq!(error, Error::CannotHave(mutant));
    }
}

const T: TransportId = TransportId(0);
const C: ConnectionId = ConnectionId(0);
const TCP: Tuple = Tuple::Tcp(C);

/// A transport that is connected over TCP.
fn connected_over_tcp() -> Real {
    let config = Rc::new(Config::small());
    let mut real = Real::new(&config, None).unwrap();
    let mut state = State::initial(&config);
    for action in [
        Action::PeerConnects { c: C },
        Action::PeerChecks { t: T, from: TCP, check: StunCheck::Nominating },
        Action::PeerHandshakes { t: T },
    ] {
        real.take(&state, action).unwrap();
        state = step(&config, &state, action).unwrap().0;
    }
    real
}

/// What is in a mailbox arrives in the order in which it was put there.
#[test]
fn a_command_overtakes_no_connection_in_the_mailbox() {
    let config = Rc::new(Config::handover());
    let (mut real, mut state) = (Real::new(&config, None).unwrap(), State::initial(&config));
    for action in [
        Action::PeerConnects { c: C },
        Action::PeerChecks { t: T, from: TCP, check: StunCheck::Plain },
        Action::OwnerClosesServer { caller: CallerId(0) },
    ] {
        real.take(&state, action).unwrap();
        state = step(&config, &state, action).unwrap().0;
    }
    let closes = Action::WorkerHearsClose { w: WorkerId(1) };
    real.clone().take(&state, closes).expect_err("the connection comes first");
    let takes = Action::WorkerTakesOver { c: C };
    real.take(&state, takes).unwrap();
    state = step(&config, &state, takes).unwrap().0;
    real.take(&state, closes).unwrap();
}

/// The same, with a connection that blocked before it took a byte of the frame that waits. The model fills a connection
/// in the middle of a frame only.
fn blocked_between_frames() -> Real {
    let mut real = connected_over_tcp();
    real.outside.stream(C).room = Room::None;
    let data = Input::DataSubmitted { transport: names::transport(T), data: names::DATA.into() };
    assert_eq!(happens(&mut real, data), []);
    real
}

fn id(real: &Real) -> RealConnection {
    real.outside.names().connection(C).expect("it was opened")
}

fn happens(real: &mut Real, input: Input) -> Vec<Effect> {
    let mut effects = Vec::new();
    real.settle(Stimulus::worker(WorkerId(0), input), &mut effects).unwrap();
    effects
}

fn queue_is_empty(real: &Real) -> bool {
    real.workers[0].unwritten(id(real)).is_empty()
}

#[test]
fn a_connection_that_only_flushes_closes_when_its_last_frame_is_dropped() {
    let mut real = blocked_between_frames();
    let fin = Input::ConnectionFinished { connection: id(&real) };
    assert!(!happens(&mut real, fin).contains(&Effect::CloseConnection(C)));
    assert!(!queue_is_empty(&real));
    let close = Input::TransportCloseRequested { transport: names::transport(T) };
    let report =
        Effect::TransportClosed(T, CloseReason::Owner, Outcome::NotNeeded(NoAlert::NoPath));
    let closed = [Effect::Unmap(T), Effect::CloseConnection(C), report];
    assert_eq!(happens(&mut real, close), closed);
}

#[test]
fn data_that_waits_is_dropped_when_the_peer_says_close_notify() {
    let mut real = blocked_between_frames();
    let datagram = names::PEER_CLOSE_NOTIFY.to_vec();
    let goodbye = Input::DtlsReceived { tuple: real.outside.names().tuple(TCP), datagram };
    let closed = Effect::DtlsStateChanged(T, DtlsState::Closed);
    assert_eq!(happens(&mut real, goodbye), [closed, Effect::MakeAlert(T)]);
    real.outside.stream(C).room = Room::Plenty;
    let writable = Input::ConnectionWritable { connection: id(&real) };
    assert_eq!(happens(&mut real, writable), [Effect::AlertWritten(T, C)]);
    assert!(queue_is_empty(&real));
}

/// The model's FIN acknowledges everything. One that crosses our alert does not, and the kernel says so.
#[test]
fn a_fin_that_crosses_the_alert_confirms_nothing() {
    let mut real = connected_over_tcp();
    let close = Input::TransportCloseRequested { transport: names::transport(T) };
    assert!(happens(&mut real, close).contains(&Effect::ShutdownWrite(C)));
    let fin = Input::ConnectionFinished { connection: id(&real) };
    let report = Effect::TransportClosed(T, CloseReason::Owner, Outcome::Sent);
    assert_eq!(happens(&mut real, fin), [Effect::CloseConnection(C), report]);
}
