//! Model and real stack agree; and replay notices when they do not.

use super::{
    Descriptors, Divergence, Plan, Replay, ReplayError, replay, replay_small, replay_standard,
};
use std::time::Duration;
use webrtc_server::lifecycle::Mutant;
use webrtc_server_model::{Action, Aspects, CallerId, Config, Graph, TransportId, Via};

const T: TransportId = TransportId(0);
const U: TransportId = TransportId(1);
const CLOSES_SERVER: Action = Action::OwnerClosesServer { caller: CallerId(0) };

fn connected(t: TransportId, via: Via) -> Vec<Action> {
    let connects = (via == Via::Tcp).then_some(Action::PeerConnects { t });
    let check = Action::PeerChecks { t, via, nominate: false };
    connects.into_iter().chain([check, Action::PeerHandshakes { t }]).collect()
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

/// Two transports without nomination, consent or failures: enough for stories about two.
fn two() -> Config {
    Config { name: "two", aspects: vec![Aspects::companion(); 2], ..Config::small() }
}

fn agrees(config: &Config, trace: Vec<Action>) {
    let replay = perform(config, trace, None);
    assert!(replay.is_complete(), "{replay}");
}

#[test]
fn cls_03_udp_alert_before_the_socket_closes() {
    let end = [CLOSES_SERVER, Action::PeerAnswers { t: T }, Action::WorkersAcknowledge];
    agrees(&Config::small(), story(&[&connected(T, Via::Udp), &end]));
}

#[test]
fn cls_05_udp_alert_waits_for_a_full_socket() {
    let end = [
        Action::KernelFillsSocket,
        CLOSES_SERVER,
        Action::KernelMakesRoomOnSocket,
        Action::FarewellDeadlinePasses { t: T },
        Action::WorkersAcknowledge,
    ];
    agrees(&Config::small(), story(&[&connected(T, Via::Udp), &end]));
}

#[test]
fn cls_06_tcp_alert_behind_a_begun_frame() {
    let end = [
        Action::KernelFillsConnection { t: T },
        CLOSES_SERVER,
        Action::KernelMakesRoomOnConnection { t: T },
        Action::KernelAcknowledges { t: T },
        Action::WorkersAcknowledge,
    ];
    agrees(&Config::small(), story(&[&connected(T, Via::Tcp), &end]));
}

#[test]
fn cls_07_the_server_deadline_resets_a_peer_that_never_reads() {
    let end = [
        Action::KernelFillsConnection { t: T },
        CLOSES_SERVER,
        Action::ServerDeadlinePasses,
        Action::WorkersAcknowledge,
    ];
    agrees(&Config::small(), story(&[&connected(T, Via::Tcp), &end]));
}

#[test]
fn two_tcp_connections_of_which_one_ends_before_the_server() {
    let end = [
        Action::PeerSendsFin { t: T },
        CLOSES_SERVER,
        Action::OwnerClosesServer { caller: CallerId(1) },
        Action::PeerAnswers { t: U },
        Action::PeerSendsFin { t: U },
        Action::WorkersAcknowledge,
    ];
    agrees(&two(), story(&[&connected(T, Via::Tcp), &connected(U, Via::Tcp), &end]));
}

#[test]
fn cls_36_old_datagrams_change_nothing() {
    let replay = perform(&two(), story(&[&connected(T, Via::Udp), &connected(U, Via::Tcp)]), None);
    assert!(replay.is_complete(), "{replay}");
    assert_eq!(replay.probes, 10, "2, 4 and at the end 4");
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
    for via in [Via::Udp, Via::Tcp] {
        let trace = story(&[&connected(T, via), &[CLOSES_SERVER]]);
        let replay = perform(&Config::small(), trace, Some(Mutant::CarriersFirst));
        let [divergence] = replay.divergences.as_slice() else { panic!("{replay}") };
        assert_eq!(divergence.action, Some(CLOSES_SERVER));
        assert!(misses_an_alert(divergence), "{divergence}");
        assert!(!replay.is_complete());
    }
}

#[test]
#[cfg_attr(debug_assertions, ignore = "the classes are enough without optimisation")]
fn every_edge_of_small_happens_on_real_sockets_as_in_the_model() {
    let mut last = (0, 0);
    let replay = replay_small(Descriptors::Ignored, &mut |done, all| last = (done, all)).unwrap();
    println!("{replay}");
    assert!(replay.is_complete(), "{replay}");
    assert_eq!(replay.edges_covered, replay.edges_total);
    assert_eq!(last, (replay.traces, replay.traces_planned));
}

#[test]
fn every_class_of_small_happens_on_real_sockets_as_in_the_model() {
    let plan = Plan::classes(&Graph::explore(&Config::small()));
    let replay = replay(&plan, &mut |_, _| {}).unwrap();
    println!("{replay}");
    assert!(replay.is_complete(), "{replay}");
    assert!(replay.classes_total > 100 && replay.handshakes > 100 && replay.probes > 10);
}

#[test]
#[cfg_attr(debug_assertions, ignore = "takes minutes without optimisation")]
fn classes_of_standard_happen_on_real_sockets_as_in_the_model() {
    let budget = Duration::from_secs(40);
    let replay = replay_standard(Descriptors::Ignored, budget, &mut |_, _| {}).unwrap();
    println!("{replay}");
    assert!(replay.divergences.is_empty(), "{replay}");
    assert!(replay.classes_covered > replay.classes_total / 4, "{replay}");
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
    let plan = Plan::classes(&Graph::explore(&Config::small()));
    let replay = replay(&plan.with_descriptors(Descriptors::Counted), &mut |_, _| {}).unwrap();
    assert!(replay.is_complete(), "{replay}");
}

#[test]
fn nothing_to_replay_is_an_error() {
    let plan = Plan::traces(&Config::small(), Vec::new()).unwrap();
    assert!(matches!(replay(&plan, &mut |_, _| {}), Err(ReplayError::NothingToCompare)));
    let plan = Plan::traces(&Config::small(), vec![Vec::new()]).unwrap();
    assert!(matches!(replay(&plan, &mut |_, _| {}), Err(ReplayError::NothingToCompare)));
}

#[test]
fn what_the_model_does_not_know_is_an_error() {
    let plan = Plan::traces(&Config::small(), vec![vec![Action::PeerHandshakes { t: T }]]);
    assert!(matches!(plan, Err(ReplayError::NotATrace { .. })));
}
