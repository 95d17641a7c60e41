//! Model and real stack agree; and replay notices when they do not.

use super::{Descriptors, Divergence, Plan, Replay, ReplayError, replay};
use webrtc_server::lifecycle::Mutant;
use webrtc_server_model::{
    Action, AddressId, CallerId, Config, ConnectionId, Graph, Role, StunCheck, TransportId, Tuple,
    WorkerId,
};

const T: TransportId = TransportId(0);
const U: TransportId = TransportId(1);
const W: WorkerId = WorkerId(0);
const C: ConnectionId = ConnectionId(0);
const UDP: Tuple = Tuple::Udp(AddressId(0));
const TCP: Tuple = Tuple::Tcp(C);
const CLOSES_SERVER: Action = Action::OwnerClosesServer { caller: CallerId(0) };
const HEARS_CLOSE: Action = Action::WorkerHearsClose { w: W };
const HEARS_GRANT: Action = Action::WorkerHearsGrant { w: W };

fn checked(t: TransportId, from: Tuple) -> Vec<Action> {
    let connects = from.connection().map(|c| Action::PeerConnects { c });
    let check = Action::PeerChecks { t, from, check: StunCheck::Plain };
    connects.into_iter().chain([check]).collect()
}

fn connected(t: TransportId, from: Tuple) -> Vec<Action> {
    story(&[&checked(t, from), &[Action::PeerHandshakes { t }]])
}

fn story(parts: &[&[Action]]) -> Vec<Action> {
    parts.concat()
}

fn perform(config: &Config, trace: Vec<Action>, mutant: Option<Mutant>) -> Replay {
    let plan = Plan::traces(config, vec![trace]).unwrap();
    let plan = mutant.into_iter().fold(plan, Plan::with_mutant);
    let replay = replay(&plan, &mut |_, _| {}).unwrap();
    println!("{replay}");
    replay
}

fn agrees(config: &Config, trace: Vec<Action>) {
    let replay = perform(config, trace, None);
    assert!(replay.is_complete(), "{replay}");
}

/// Replays every class of a configuration.
fn all_classes(config: &Config) -> Replay {
    let plan = Plan::classes(&Graph::explore(config)).unwrap();
    let replay = replay(&plan, &mut |_, _| {}).unwrap();
    println!("{replay}");
    assert!(replay.is_complete(), "{replay}");
    replay
}

#[test]
fn cls_03_udp_alert_before_the_socket_closes() {
    let end = [CLOSES_SERVER, HEARS_CLOSE, Action::PeerAnswers { t: T }, HEARS_GRANT];
    agrees(&Config::small(), story(&[&connected(T, UDP), &end]));
}

#[test]
#[ignore = "for looking at one configuration: REPLAY=name"]
fn one() {
    let name = std::env::var("REPLAY").unwrap();
    let graph = Graph::explore(&Config::named(&name).unwrap());
    let plan = match std::env::var("EDGES") {
        Ok(_) => Plan::edges(&graph).unwrap(),
        Err(_) => Plan::classes(&graph).unwrap(),
    };
    println!("{} traces, {} edges", plan.len(), graph.edges().len());
    let replay = replay(&plan, &mut |_, _| {}).unwrap();
    println!("{replay}");
}
