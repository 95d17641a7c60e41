//! Model and real stack agree; and replay notices when they do not.

use super::{Descriptors, Replay, ReplayError, Suite, replay};
use crate::Divergence;
use webrtc_server::lifecycle::Mutant;
use webrtc_server_model::{
    Action, AddressId, CallerId, Config, ConnectionId, Graph, Role, SocketId, StunCheck,
    TransportId, Tuple, WorkerId,
};

pub(super) const T: TransportId = TransportId(0);
pub(super) const U: TransportId = TransportId(1);
const W: WorkerId = WorkerId(0);
pub(super) const C: ConnectionId = ConnectionId(0);
pub(super) const UDP: Tuple = Tuple::Udp(AddressId(0));
pub(super) const TCP: Tuple = Tuple::Tcp(C);
pub(super) const CLOSES_SERVER: Action = Action::OwnerClosesServer { caller: CallerId(0) };
pub(super) const HEARS_CLOSE: Action = Action::WorkerHearsClose { w: W };
pub(super) const HEARS_GRANT: Action = Action::WorkerHearsGrant { w: W };

pub(super) fn checked(t: TransportId, from: Tuple) -> Vec<Action> {
    let connects = from.connection().map(|c| Action::PeerConnects { c });
    let check = Action::PeerChecks { t, from, check: StunCheck::Plain };
    connects.into_iter().chain([check]).collect()
}

pub(super) fn connected(t: TransportId, from: Tuple) -> Vec<Action> {
    story(&[&checked(t, from), &[Action::PeerHandshakes { t }]])
}

pub(super) fn story(parts: &[&[Action]]) -> Vec<Action> {
    parts.concat()
}

pub(super) fn perform(config: &Config, trace: Vec<Action>, mutant: Option<Mutant>) -> Replay {
    let suite = Suite::traces(config, vec![trace]).unwrap();
    let suite = mutant.into_iter().fold(suite, Suite::with_mutant);
    let replay = replay(&suite, &mut |_, _| {}).unwrap();
    println!("{replay}");
    replay
}

fn agrees(config: &Config, trace: Vec<Action>) {
    let replay = perform(config, trace, None);
    assert!(replay.is_complete(), "{replay}");
}

/// Replays every class of a configuration.
fn all_classes(config: &Config) -> Replay {
    let suite = Suite::classes(&Graph::explore(config)).unwrap();
    let replay = replay(&suite, &mut |_, _| {}).unwrap();
    println!("{replay}");
    assert!(replay.is_complete(), "{replay}");
    replay
}

#[test]
fn dmx_13_a_connection_in_the_mailbox_of_a_drained_worker_is_closed_before_its_release() {
    let other = WorkerId(1);
    let way = [
        Action::PeerConnects { c: C },
        CLOSES_SERVER,
        Action::WorkerHearsClose { w: other },
        Action::PeerChecks { t: T, from: TCP, check: StunCheck::Plain },
        HEARS_CLOSE,
        HEARS_GRANT,
        Action::WorkerTakesOver { c: C },
        Action::WorkerHearsGrant { w: other },
    ];
    agrees(&Config::handover(), way.to_vec());
}

#[test]
fn dmx_13_a_connection_in_use_moves_to_the_worker_whose_password_a_check_proves() {
    let c = ConnectionId(1);
    let moves = [
        Action::PeerChecks { t: T, from: Tuple::Tcp(c), check: StunCheck::Plain },
        Action::WorkerJudges { t: T, c },
        Action::WorkerHearsProof { c },
        Action::WorkerTakesOver { c },
        Action::PeerHandshakes { t: T },
        CLOSES_SERVER,
        HEARS_CLOSE,
        Action::WorkerHearsClose { w: WorkerId(1) },
        Action::KernelAcknowledges { c },
        HEARS_GRANT,
        Action::WorkerHearsGrant { w: WorkerId(1) },
    ];
    agrees(&Config::handover(), story(&[&connected(U, Tuple::Tcp(c)), &moves]));
}

#[test]
fn cls_03_udp_alert_before_the_socket_closes() {
    let end = [CLOSES_SERVER, HEARS_CLOSE, Action::PeerAnswers { t: T }, HEARS_GRANT];
    agrees(&Config::small(), story(&[&connected(T, UDP), &end]));
}

#[test]
fn cls_05_udp_alert_waits_for_a_full_socket() {
    let s = SocketId(0);
    let end = [
        Action::KernelFillsSocket { s },
        CLOSES_SERVER,
        HEARS_CLOSE,
        Action::KernelMakesRoomOnSocket { s },
        Action::FarewellDeadlinePasses { t: T },
        HEARS_GRANT,
    ];
    agrees(&Config::small(), story(&[&connected(T, UDP), &end]));
}

#[test]
fn cls_06_tcp_alert_behind_a_begun_frame() {
    let end = [
        Action::KernelFillsConnection { c: C },
        CLOSES_SERVER,
        HEARS_CLOSE,
        Action::KernelMakesRoomOnConnection { c: C },
        Action::KernelAcknowledges { c: C },
        HEARS_GRANT,
    ];
    agrees(&Config::small(), story(&[&connected(T, TCP), &end]));
}

#[test]
fn cls_07_the_server_deadline_resets_a_peer_that_never_reads() {
    let end = [
        Action::KernelFillsConnection { c: C },
        CLOSES_SERVER,
        HEARS_CLOSE,
        Action::ServerDeadlinePasses { w: W },
        HEARS_GRANT,
    ];
    agrees(&Config::small(), story(&[&connected(T, TCP), &end]));
}

#[test]
fn cls_06_unread_input_does_not_turn_the_end_of_a_connection_into_a_reset() {
    let end = [
        Action::PeerStreams { c: C },
        CLOSES_SERVER,
        HEARS_CLOSE,
        Action::KernelAcknowledges { c: C },
        HEARS_GRANT,
    ];
    agrees(&Config::kernel(), story(&[&connected(T, TCP), &end]));
}

#[test]
fn cls_04_callers_return_when_both_workers_have_released() {
    let (other, via) = (WorkerId(1), ConnectionId(1));
    let end = [
        CLOSES_SERVER,
        Action::OwnerClosesServer { caller: CallerId(1) },
        Action::WorkerHearsClose { w: other },
        HEARS_CLOSE,
        Action::PeerSendsFin { c: C },
        Action::PeerAnswers { t: U },
        Action::KernelAcknowledges { c: via },
        HEARS_GRANT,
        Action::WorkerHearsGrant { w: other },
    ];
    let begin = [connected(T, TCP), checked(T, Tuple::Tcp(via)), connected(U, UDP)].concat();
    agrees(&Config::pair(), story(&[&begin, &end]));
}

#[test]
fn cls_14_a_fatal_alert_in_either_half_of_the_life_of_an_association() {
    let alert = [Action::PeerSendsFatalAlert { t: T }];
    let flights = [Action::PeerSendsFlight { t: T }; 2];
    let done = [Action::PeerHandshakes { t: T }];
    for trace in [
        story(&[&checked(T, UDP), &flights[..1], &alert]),
        story(&[&checked(T, UDP), &flights, &done, &alert]),
    ] {
        agrees(&Config::handshake(), trace);
    }
}

/// The alert of a transport whose carriers went first never left.
fn misses_an_alert(divergence: &Divergence) -> bool {
    divergence.findings.iter().any(|finding| {
        finding.what == "close_notify alerts that the peer of transport 0 saw"
            && (finding.expected.as_str(), finding.got.as_str()) == ("1", "0")
    })
}

#[test]
fn cls_03_carriers_that_go_first_take_the_alert_along() {
    for via in [UDP, TCP] {
        let trace = story(&[&connected(T, via), &[CLOSES_SERVER, HEARS_CLOSE]]);
        let replay = perform(&Config::small(), trace, Some(Mutant::CarriersFirst));
        let [divergence] = replay.divergences.as_slice() else { panic!("{replay}") };
        assert_eq!(divergence.action, Some(HEARS_CLOSE));
        assert!(misses_an_alert(divergence), "{divergence}");
        assert!(!replay.is_complete());
    }
}

#[test]
fn every_class_of_small_happens_on_real_sockets_as_in_the_model() {
    let replay = all_classes(&Config::small());
    assert!(replay.classes_total > 100 && replay.handshakes > 100 && replay.probes > 10);
}

/// The others are in `cargo verify`. `REPLAY` names one of them, `EDGES` asks for every edge.
#[test]
#[ignore = "takes minutes"]
fn one_configuration() {
    let name = std::env::var("REPLAY").unwrap_or_else(|_| "peer".to_owned());
    let graph = Graph::explore(&Config::named(&name).unwrap());
    let suite = match std::env::var("EDGES") {
        Ok(_) => Suite::edges(&graph).unwrap(),
        Err(_) => Suite::classes(&graph).unwrap(),
    };
    println!("{} traces, {} edges", suite.len(), graph.edges().len());
    let replay = replay(&suite, &mut |_, _| {}).unwrap();
    println!("{replay}");
    assert!(replay.is_complete(), "{replay}");
}

/// Descriptors can be counted only where no other test opens any: in a process of its own.
#[test]
fn descriptors_are_back_after_every_trace() {
    let test = std::env::current_exe().unwrap();
    let arguments = ["--exact", "replay::tests::alone", "--ignored", "--test-threads", "1"];
    let child = std::process::Command::new(test).args(arguments).output().unwrap();
    let said = String::from_utf8_lossy(&child.stdout);
    assert!(child.status.success() && said.contains("1 passed"), "{said}");
}

#[test]
#[ignore = "descriptors_are_back_after_every_trace runs it"]
fn alone() {
    let suite = Suite::classes(&Graph::explore(&Config::small())).unwrap();
    let replay = replay(&suite.with_descriptors(Descriptors::Counted), &mut |_, _| {}).unwrap();
    assert!(replay.is_complete(), "{replay}");
}

#[test]
fn nothing_to_replay_is_an_error() {
    let suite = Suite::traces(&Config::small(), Vec::new()).unwrap();
    assert!(matches!(replay(&suite, &mut |_, _| {}), Err(ReplayError::NothingToCompare)));
    let suite = Suite::traces(&Config::small(), vec![Vec::new()]).unwrap();
    assert!(matches!(replay(&suite, &mut |_, _| {}), Err(ReplayError::NothingToCompare)));
}

#[test]
fn what_the_model_does_not_know_is_an_error() {
    let suite = Suite::traces(&Config::small(), vec![vec![Action::PeerHandshakes { t: T }]]);
    assert!(matches!(suite, Err(ReplayError::NotATrace { .. })));
}

#[test]
fn a_configuration_that_the_stage_cannot_play_is_an_error() {
    let mut config = Config::handshake();
    config.transports[0].role = Role::Server;
    let suite = Suite::traces(&config, Vec::new());
    assert!(matches!(suite, Err(ReplayError::Unsupported { config: "handshake", .. })));
}

#[test]
fn what_has_diverged_is_said_although_the_stage_failed() {
    let failed = || ReplayError::Harness { trace: Vec::new(), step: 1, what: "late".to_owned() };
    let mut run = perform(&Config::small(), checked(T, UDP), None);
    run.harness = Some(failed());
    assert!(!run.is_complete());
    let action = Some(CLOSES_SERVER);
    run.divergences.push(Divergence { trace: Vec::new(), action, findings: Vec::new() });
    let both = run.judged().unwrap();
    assert!(both.to_string().contains("late") && both.divergences.len() == 1);
    let only = Replay { divergences: Vec::new(), ..both };
    assert!(matches!(only.judged(), Err(ReplayError::Harness { .. })));
}
