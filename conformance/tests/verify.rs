//! `verify` as a program: one configuration to its end, what it refuses, and its children.

use serde_json::{Value, json};
use std::io::Write;
use std::process::{Child, Command, Output, Stdio};
use webrtc_server_model::{Config, Grain, Graph, cover};

fn verify(arguments: &[&str]) -> Child {
    let mut command = Command::new(env!("CARGO_BIN_EXE_verify"));
    command.args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command.spawn().expect("verify starts")
}

fn perform(task: &Value) -> Output {
    let mut child = verify(&["--perform"]);
    let mut input = child.stdin.take().expect("a pipe");
    input.write_all(task.to_string().as_bytes()).expect("the child reads");
    drop(input);
    child.wait_with_output().expect("the child ends")
}

#[test]
fn a_child_performs_what_it_is_told_and_says_what_came_of_it() {
    let close = json!({ "OwnerClosesServer": { "caller": 0 } });
    let output = perform(&json!({ "config": "small", "traces": [[close]] }));
    assert!(output.status.success());
    let text = String::from_utf8(output.stdout).expect("text");
    let last: Value = serde_json::from_str(text.lines().last().expect("a line")).expect("JSON");
    let done = &last["done"];
    assert_eq!(
        (&done["traces"], &done["steps"], &done["edges"]),
        (&json!(1), &json!(1), &json!(1))
    );
    assert_eq!(done["failures"], json!([]));
    assert!(done["comparisons"].as_u64() > Some(0));
}

#[test]
fn a_child_that_has_nothing_to_do_has_failed() {
    let nothing = perform(&json!({ "config": "small", "traces": [] }));
    let text = String::from_utf8(nothing.stdout).expect("text");
    assert!(text.contains("nothing was compared"), "{text}");
    assert!(!perform(&json!({})).status.success(), "no task");
}

#[test]
fn a_child_whose_parent_is_gone_ends_before_its_work_is_done() {
    let traces = cover(Grain::Read, &Graph::explore(&Config::peer())).traces;
    let task = json!({ "config": "peer", "traces": traces });
    let mut child = verify(&["--perform"]);
    drop(child.stdout.take());
    let mut input = child.stdin.take().expect("a pipe");
    input.write_all(task.to_string().as_bytes()).expect("the child reads");
    drop(input);
    let status = child.wait().expect("the child ends");
    assert_eq!(status.code(), Some(3), "it did not go on to the end");
}

/// One configuration to its end: the status, and what the report for machines says.
fn whole(name: &str, more: &[&str]) -> (Option<i32>, Value) {
    let file = format!("{}/verify-{name}.json", env!("CARGO_TARGET_TMPDIR"));
    let keep = format!("{}/verify-{name}", env!("CARGO_TARGET_TMPDIR"));
    let arguments = [&["--config", "small", "--json", &file, "--keep", &keep], more].concat();
    let output = verify(&arguments).wait_with_output().expect("verify ends");
    println!("{}", String::from_utf8_lossy(&output.stdout));
    let told = String::from_utf8_lossy(&output.stderr);
    assert!(told.contains("replay small") || name == "nothing", "each row as it ends: {told}");
    let report = std::fs::read_to_string(&file).expect("a report");
    (output.status.code(), serde_json::from_str(&report).expect("JSON"))
}

/// The checks of the rows that failed.
fn failed(report: &Value) -> Vec<&str> {
    let failed = |row: &&Value| !row["failures"].as_array().expect("failures").is_empty();
    let rows = report["rows"].as_array().expect("rows").iter().filter(failed);
    rows.map(|row| row["check"].as_str().expect("a word")).collect()
}

#[test]
fn the_right_server_passes_and_a_mistake_is_a_failure_by_its_status_and_its_report() {
    let (status, report) = whole("right", &[]);
    assert_eq!(status, Some(0), "{report:#}");
    let rows = report["rows"].as_array().expect("rows");
    let checks: Vec<_> = rows.iter().map(|row| row["check"].as_str().expect("a word")).collect();
    assert_eq!(checks, ["model", "classes", "lockstep", "replay"]);
    assert!(rows.iter().all(|row| row["compared"].as_u64() > Some(0)), "{report:#}");

    let (status, report) = whole("wrong", &["--mutant", "K01"]);
    assert_eq!(status, Some(1), "{report:#}");
    assert_eq!(failed(&report), ["lockstep", "replay"]);
    let kept = report["artifacts"].as_array().expect("ways");
    let exists = |way: &Value| std::fs::exists(way.as_str().expect("a path")).expect("readable");
    assert!(kept.len() >= 2 && kept.iter().all(exists), "{kept:?}");
    assert!(kept[0].as_str().expect("a path").contains("verify-wrong"), "{kept:?}");
    assert_eq!((&report["failed"], &report["mutant"]), (&json!(true), &json!("K01")));
}

#[test]
fn a_mutant_of_the_shell_is_looked_for_on_sockets_alone() {
    let (status, report) = whole("shell", &["--mutant", "CLS-07"]);
    assert_eq!((status, failed(&report)), (Some(1), vec!["replay"]), "{report:#}");
    assert_eq!(report["owed"], json!(["replay", "model", "classes"]));
}

#[test]
fn a_share_without_traces_checks_nothing_and_fails() {
    let (status, report) = whole("nothing", &["--shard", "9000/9000"]);
    assert_eq!(status, Some(1), "{report:#}");
}

#[test]
fn what_there_is_not_is_refused() {
    for (shard, why) in [("5/4", "there is no share 5 of 4"), ("0/4", "no share 0"), ("x", "1/4")] {
        let output = verify(&["--shard", shard]).wait_with_output().expect("verify ends");
        assert_eq!(output.status.code(), Some(2));
        let text = String::from_utf8(output.stderr).expect("text");
        assert!(text.contains(why), "{text}");
    }
    for (option, why) in [("--config", "small"), ("--mutant", "--config")] {
        let output = verify(&[option, "K01"]).wait_with_output().expect("verify ends");
        let text = String::from_utf8(output.stderr).expect("text");
        assert!(output.status.code() == Some(2) && text.contains(why), "{text}");
    }
}
