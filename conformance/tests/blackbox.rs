//! Traces against a server in a process of its own: ours, ours with a mistake, and such as are none.

use std::path::{Path, PathBuf};
use std::time::Duration;
use webrtc_server::lifecycle::Mutant;
use webrtc_server_conformance::Finding;
use webrtc_server_conformance::replay::{
    AdapterError, BlackboxError, Seen, Target, TraceFile, perform_outside, read_traces,
};

const PATIENCE: Duration = Duration::from_secs(20);
/// For what never comes.
const SOME_PATIENCE: Duration = Duration::from_secs(5);
const LITTLE_PATIENCE: Duration = Duration::from_millis(100);
const SUT: &str = env!("CARGO_BIN_EXE_sut");

fn traces(path: &str) -> Vec<TraceFile> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("in the workspace");
    let path: PathBuf = root.join("model/traces").join(path);
    read_traces(Target::Core, &[path]).expect("traces of the model")
}

/// What our server with this mistake does otherwise than the model in this trace.
fn findings(mutant: Mutant, trace: &str) -> Vec<Finding> {
    let command = format!("{SUT} --mutant {}", mutant.id());
    let file = &traces(&format!("{trace}.itf.json"))[0];
    let seen = perform_outside(&command, &file.config, &file.trace, SOME_PATIENCE);
    match seen.expect("it is driven") {
        Seen::Performed { findings, .. } => findings,
        Seen::Skipped { step, why } => panic!("{trace} is skipped for step {step}: {why}"),
    }
}

#[test]
fn our_server_agrees_with_every_golden_trace_that_can_be_performed_from_outside() {
    let mut skipped = Vec::new();
    for file in traces("") {
        let name = file.path.file_name().expect("a file").to_string_lossy().into_owned();
        let seen = perform_outside(SUT, &file.config, &file.trace, PATIENCE);
        match seen.unwrap_or_else(|error| panic!("{name}: {error}")) {
            Seen::Performed { comparisons, findings } => {
                assert!(findings.is_empty(), "{name}: {findings:?}");
                assert!(comparisons > 6, "{name}: {comparisons}");
            }
            Seen::Skipped { step, .. } => {
                let name = name.trim_end_matches(".itf.json").to_owned();
                skipped.push(format!("{name} {step}"));
            }
        }
    }
    let known = [
        "alert_written_in_part_then_finished 4",
        "connection_taken_while_an_alert_waits 6",
        "last_handle_dropped 3",
        "path_taken_while_an_alert_waits 3",
        "proof_that_comes_after_the_close 3",
        "reconnect_on_a_new_tuple_after_consent_expired 3",
        "reset_that_only_the_write_shows 4",
        "server_closed_from_inside_a_callback 1",
        "transport_closed_from_inside_a_callback 2",
    ];
    assert_eq!(skipped, known);
}

#[test]
fn carriers_that_go_first_are_noticed_from_outside() {
    let found = findings(Mutant::CarriersFirst, "transport_created_while_the_server_closes");
    assert!(found.iter().any(|f| f.what.contains("close_notify alerts")), "{found:?}");
}

#[test]
fn connections_that_go_first_are_noticed_from_outside() {
    let found = findings(Mutant::ConnectionsFirst, "two_workers_acknowledge_one_after_the_other");
    assert!(found.iter().any(|f| f.what.contains("close_notify alerts")), "{found:?}");
}

#[test]
fn who_is_no_server_is_told_so() {
    let file = &traces("unread_input_at_close.itf.json")[0];
    let drive = |command: &str| match perform_outside(
        command,
        &file.config,
        &file.trace,
        LITTLE_PATIENCE,
    ) {
        Err(BlackboxError::Adapter(error)) => error,
        other => panic!("{command}: {other:?}"),
    };
    assert!(matches!(drive("/nonexistent/server"), AdapterError::Start { .. }));
    assert!(matches!(drive(""), AdapterError::Start { .. }));
    assert!(matches!(drive("true"), AdapterError::Died { .. }));
    // It says again what it is asked, which is neither answer nor event.
    assert!(matches!(drive("cat"), AdapterError::Nonsense { .. }));
    // It reads and says nothing.
    assert!(matches!(drive("sleep 3600"), AdapterError::Silent { .. }));
}
