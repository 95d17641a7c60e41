//! Traces: the two stories are what they claim to be, and a wrong trace is refused with a reason.

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use webrtc_server_model::{
    Action, Config, Effect, KNOWN_BUGS, Mutant, Outcome, Refused, Trace, TransportId, Via, explain,
    run_mutant,
};

const T: TransportId = TransportId(0);

fn story(name: &str) -> Trace {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("traces").join(name);
    serde_json::from_str(&fs::read_to_string(path).expect("a readable trace")).expect("a trace")
}

#[test]
fn sockets_released_before_transports_is_the_shortest_counterexample() {
    let trace = story("sockets_released_before_transports.json");
    let is_carriers_first = |bug: &&_| -> bool {
        let bug: &&webrtc_server_model::KnownBug = bug;
        bug.mutant == Mutant::CarriersFirst
    };
    let bug = KNOWN_BUGS.iter().find(is_carriers_first).expect("it is in the table");
    assert_eq!(Some(&trace.actions), run_mutant(bug).counterexample.as_ref());
    let document = explain(&trace).expect("it can be performed");
    assert!(document.contains(&format!("BROKEN: {}", bug.killed_by)));
    let right = Trace { mutant: None, ..trace };
    assert!(explain(&right).expect("the right variant").ends_with("holds all the way.\n"));
}

#[test]
fn alert_behind_a_begun_frame_leaves_before_the_fin() {
    let trace = story("alert_behind_a_begun_frame.json");
    let steps = trace.perform().expect("it can be performed");
    assert!(steps.iter().all(|step| step.broken.is_empty()));
    let effects: Vec<_> = steps.iter().flat_map(|step| &step.effects).collect();
    let at = |effect| effects.iter().position(|other| **other == effect).expect("it happens");
    assert!(at(Effect::MakeAlert(T)) < at(Effect::AlertWritten(T)));
    assert!(at(Effect::AlertWritten(T)) < at(Effect::ShutdownWrite(T)));
    assert_eq!(
        steps.last().and_then(|s| s.after.core.transport(T).outcome),
        Some(Outcome::Confirmed)
    );
    let document = explain(&trace).expect("it can be performed");
    assert!(document.contains("an alert waits behind a begun frame"));
    assert!(document.contains("Kernel-->>Peer0: close_notify"));
}

#[test]
fn the_first_action_that_cannot_happen_is_named_with_what_can() {
    let mut trace = story("alert_behind_a_begun_frame.json");
    trace.actions.remove(1);
    let refused = trace.perform().expect_err("a handshake without a path");
    let Refused::NotEnabled { number, action, enabled } = &refused else { panic!("{refused:?}") };
    assert_eq!((*number, *action), (2, Action::PeerHandshakes { t: T }));
    assert!(enabled.contains(&Action::PeerChecks { t: T, via: Via::Tcp, nominate: false }));
    assert!(!enabled.contains(action));
    let told = refused.to_string();
    assert!(told.starts_with("action 2 cannot happen here: {\"PeerHandshakes\":{\"t\":0}}"));
    assert!(told.contains("{\"PeerChecks\":{\"t\":0,\"via\":\"Tcp\",\"nominate\":false}}"));
}

#[test]
fn a_transport_or_a_preset_that_there_is_not_is_refused() {
    let trace = Trace {
        about: String::new(),
        config: Config::small().name.to_owned(),
        mutant: None,
        actions: vec![Action::OwnerClosesTransport { t: TransportId(7) }],
    };
    let refused = trace.perform().expect_err("there is one transport");
    assert!(matches!(refused, Refused::NotEnabled { number: 1, .. }));
    let elsewhere = Trace { config: "smal".to_owned(), ..trace };
    let refused = explain(&elsewhere).expect_err("a misspelt preset");
    assert_eq!(refused, Refused::NoSuchConfig("smal".to_owned()));
    assert!(refused.to_string().contains("small, standard"));
}

fn run_explain(file: &Path) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_explain"));
    command.arg(file).output().expect("the program runs")
}

#[test]
fn the_command_line_explains_and_refuses() {
    let traces = Path::new(env!("CARGO_MANIFEST_DIR")).join("traces");
    let good = run_explain(&traces.join("alert_behind_a_begun_frame.json"));
    assert!(good.status.success());
    assert!(String::from_utf8_lossy(&good.stdout).contains("sequenceDiagram"));

    let wrong = std::env::temp_dir().join(format!("wrong_trace_{}.json", std::process::id()));
    fs::write(&wrong, r#"{ "config": "small", "actions": ["WorkersAcknowledge"] }"#)
        .expect("written");
    let refused = run_explain(&wrong);
    fs::write(&wrong, r#"{ "config": "small", "acts": [] }"#).expect("written");
    let unread = run_explain(&wrong);
    fs::remove_file(&wrong).expect("removed");
    assert_eq!(refused.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&refused.stderr).contains("action 1 cannot happen here"));
    assert_eq!(unread.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&unread.stderr).contains("unknown field `acts`"));
}
