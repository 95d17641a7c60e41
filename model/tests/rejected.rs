//! Traces that must be refused: all is well until the last state, which is as a mutant of the server would have it,
//! and breaks an invariant of SPEC.md.

mod committed;

use std::collections::BTreeSet;
use std::fs;
use std::path::PathBuf;

use committed::{assert_current, in_model, traces_in};
use webrtc_server_model::itf::{self, ItfError};
use webrtc_server_model::{KNOWN_BUGS, KnownBug, Mutant, Refused, Trace, properties, run_mutant};

/// A trace, the invariant that it breaks, and who breaks it so.
type Rejected = (&'static str, &'static str, Mutant);
const REJECTED: [Rejected; 33] = [
    ("connections_closed_before_their_transports", "S1", Mutant::ConnectionsFirst),
    ("event_that_names_what_is_gone", "S2", Mutant::SelectsTheGone),
    ("completion_for_a_closed_transport", "S3", Mutant::CompletionToClosed),
    ("alert_thrown_away_with_its_queue", "S4", Mutant::QueueDropped),
    ("transport_left_open_by_a_closing_worker", "S5", Mutant::EverySecondTransport),
    ("check_that_is_granted_after_the_reset", "S6", Mutant::HandledAfterReset),
    ("close_inside_a_callback", "S7", Mutant::ReentrantClose),
    ("tuple_of_two_transports", "S8", Mutant::StaleTupleShadows),
    ("selection_without_tuples", "S9", Mutant::SelectionKept),
    ("ufrag_of_a_refused_transport", "S10", Mutant::RegistrationLeft),
    ("connection_that_never_leaves", "X1", Mutant::ConnectionKept),
    ("carriers_released_by_another_worker", "X2", Mutant::WrongPool),
    ("caller_answered_before_the_release", "X3", Mutant::EarlyReturn),
    ("caller_never_answered", "X3", Mutant::CallerForgotten),
    ("alert_said_twice", "X4", Mutant::AlertTwice),
    ("transports_closed_without_a_word", "X4", Mutant::SilentServerClose),
    ("event_after_the_report", "X5", Mutant::EventAfterReport),
    ("alert_made_after_the_unmapping", "O1", Mutant::AlertAfterUnmap),
    ("sockets_released_before_transports", "O2", Mutant::CarriersFirst),
    ("connection_accepted_while_closing", "O2", Mutant::AcceptWhileClosing),
    ("ufrag_that_outlives_its_restart", "O3", Mutant::RestartedUfragKept),
    ("connection_closed_before_the_unmapping", "O4", Mutant::CloseBeforeUnmap),
    ("carriers_released_before_every_worker_is_drained", "O5", Mutant::FirstWorkerReleases),
    ("fin_before_the_alert", "O6", Mutant::FinFirst),
    ("connection_closed_over_unread_input", "O6", Mutant::HardClose),
    ("handshake_that_begins_again", "L1", Mutant::StartsOver),
    ("alert_cancelled_with_its_socket", "L3", Mutant::AlertCancelled),
    ("end_of_input_told_again", "L4", Mutant::EndlessEof),
    ("consent_of_a_closing_transport_expires", "L5", Mutant::LateTimer),
    ("error_that_ends_another_association", "N1", Mutant::ErrorLeaks),
    ("stranger_that_changes_a_transport", "N2", Mutant::StrangerBreaks),
    ("alert_that_waits_on_anothers_tuple", "N3", Mutant::AlertToNewOwner),
    ("report_while_the_alert_waits", "E1", Mutant::ReportedEarly),
];

/// Invariants that no single trace of states breaks: a deadline that is missing is seen by what cannot happen.
const NOT_SEEN: [&str; 1] = ["L2"];

fn bug(mutant: Mutant) -> &'static KnownBug {
    KNOWN_BUGS.iter().find(|bug| bug.mutant == mutant).expect("it is in the table")
}

fn file(name: &str) -> PathBuf {
    in_model("traces/rejected").join(format!("{name}.itf.json"))
}

fn is_of(property: &str, id: &str) -> bool {
    property.split(' ').next() == Some(id)
}

/// The state that a reader refuses, and what is broken there.
fn refusal(error: ItfError) -> (usize, Vec<&'static str>) {
    if let ItfError::Differs { state, breaks, .. } = error {
        return (state, breaks);
    }
    let told = error.to_string();
    let ItfError::NotEnabled { refused: Refused::NotEnabled { number, .. }, breaks } = error else {
        panic!("{told}");
    };
    (number, breaks)
}

/// The trace of the sound model up to the last action, and what the mutant makes of that.
fn composed(bug: &KnownBug) -> String {
    let actions = run_mutant(bug).counterexample.expect("the property catches it");
    let (_, earlier) = actions.split_last().expect("something happens");
    let about = format!("{}: {}.", bug.source, bug.description);
    let config = (bug.config)();
    let text = |trace: Trace| itf::write(&trace).expect("it happens");
    let sound = text(Trace::of(&config, &about, earlier.to_vec()));
    let wrong = text(Trace::of(&config.with_mutant(bug.mutant), &about, actions));
    // A file has a state on each line, behind a head, and before two lines that close what is open.
    let (head, rest) = sound.split_once("\n  ]\n").expect("the end of the states");
    let last = wrong.lines().rev().nth(2).expect("the last state");
    format!("{head},\n{last}\n  ]\n{rest}")
}

#[test]
fn each_rejected_trace_ends_as_its_mistake_has_it() {
    for (name, _, mutant) in REJECTED {
        let text = composed(bug(mutant));
        let (_, breaks) = refusal(itf::read(&text).expect_err(name));
        let breaks = format!("\"#meta\": {{\"breaks\":{},", serde_json::json!(breaks));
        assert_current(&file(name), &text.replacen("\"#meta\": {", &breaks, 1));
    }
    let known: BTreeSet<_> = REJECTED.iter().map(|(name, ..)| file(name)).collect();
    assert_eq!(traces_in("traces/rejected").into_iter().collect::<BTreeSet<_>>(), known);
}

#[test]
fn each_rejected_trace_is_refused_where_it_breaks_its_rule() {
    let mut wrong = Vec::new();
    for (name, id, _) in REJECTED {
        let text = fs::read_to_string(file(name)).expect("a rejected trace");
        let error = itf::read(&text).expect_err(name);
        let told = error.to_string();
        let (state, breaks) = refusal(error);
        let length = itf::draft(&text).expect("its actions are the model's").actions.len();
        let said: serde_json::Value = serde_json::from_str(&text).expect("JSON");
        let rule = breaks.iter().find(|property| is_of(property, id));
        let is_said = said["#meta"]["breaks"] == serde_json::json!(breaks);
        if state != length || !is_said || rule.is_none_or(|rule| !told.contains(rule)) {
            wrong.push(format!(
                "{name}, {length} steps: state {state} breaks {breaks:?}, not {id}: {told}"
            ));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn each_invariant_has_a_rejected_trace() {
    for property in properties() {
        let id = property.name.split(' ').next().expect("an ID");
        let rejected = REJECTED.iter().any(|(_, rejected, _)| *rejected == id);
        assert!(rejected != NOT_SEEN.contains(&id), "{id} is broken by no trace, or by one");
    }
}
