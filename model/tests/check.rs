//! The check says what it found, and fails for each reason that it has to fail.

use webrtc_server_model::{
    Aspects, Check, Config, EndingsRow, KNOWN_BUGS, KnownBug, Mutant, Need, Trace, check,
};

fn bug(mutant: Mutant) -> KnownBug {
    *KNOWN_BUGS.iter().find(|bug| bug.mutant == mutant).expect("it is in the table")
}

fn check_small(bugs: &[KnownBug]) -> Check {
    check(&Config::small(), bugs)
}

#[test]
fn a_right_model_passes_and_its_mutants_are_told_apart() {
    let bugs = [Mutant::CarriersFirst, Mutant::NoDeadline, Mutant::SilentServerClose].map(bug);
    let check = check_small(&bugs);
    assert_eq!(check.failures, Vec::<String>::new());
    assert_eq!(check.speed.stateright_size, (check.states, check.edges));
    assert!(matches!(check.endings, EndingsRow::All { largest_rank: 13, .. }));
    for (row, bug) in check.mutants.iter().zip(&bugs) {
        assert_eq!(row.breaks(bug.killed_by), Some(bug.length));
        let trace = row.counterexample.as_ref().expect("killed");
        let last = trace.perform().expect("it happens").pop().expect("a step");
        assert!(last.broken.contains(&bug.killed_by));
    }
    let told = check.to_string();
    assert!(told.contains("a shutdown takes 13 steps at most"));
    assert!(told.ends_with("3 mutants, 0 survive: ok"), "{told}");
}

#[test]
fn a_property_that_no_mutant_needs_is_named_with_the_reason() {
    let check = check_small(&[Mutant::NoDeadline, Mutant::SilentServerClose].map(bug));
    let why = |id| check.unneeded.iter().find(|row| row.property.starts_with(id)).map(|r| r.why);
    assert_eq!(why("X5"), Some(Need::NeverBroken));
    assert_eq!(why("E1"), Some(Need::CaughtByOthers), "the silent close breaks it");
    assert_eq!(why("X4"), None, "it ought to catch the silent close");
    assert_eq!(why("L1 deadlines alone"), None, "it ought to catch the missing deadline");
    let alone = KnownBug { killed_by: "S1 another", ..bug(Mutant::CloseBeforeUnmap) };
    let check = check_small(&[alone]);
    assert!(
        check.unneeded.iter().all(|row| !row.property.starts_with("O4")),
        "nothing else sees it"
    );
}

#[test]
fn a_violation_fails_and_its_counterexample_can_be_explained() {
    let planted = Config::small().with_mutant(Mutant::NoDeadline);
    let check = check(&planted, &[bug(Mutant::CarriersFirst)]);
    assert!(check.has_failed());
    assert!(check.failures.contains(&"deadlines and workers alone do not end it".to_owned()));
    let violated = "\"L1 deadlines alone end a closing server\" is violated".to_owned();
    assert!(check.failures.contains(&violated), "{:#?}", check.failures);
    let told = check.to_string();
    assert!(told.contains("VIOLATED") && told.ends_with("FAILED"), "{told}");
    let (name, trace) = &check.counterexamples()[0];
    assert_eq!(name, "small_L1b.json");
    let written = serde_json::to_string(trace).expect("JSON");
    let read: Trace = serde_json::from_str(&written).expect("the same again");
    let last = read.perform().expect("it happens").pop().expect("a step");
    assert_eq!(last.broken[0], "L1 deadlines alone end a closing server");
    assert!(check.counterexamples().iter().any(|(name, _)| name == "small_endings.json"));
}

#[test]
fn a_state_that_is_never_reached_fails() {
    let aspects = vec![Aspects { tcp: false, ..Aspects::full() }];
    let check = check(&Config { aspects, ..Config::small() }, &[bug(Mutant::CarriersFirst)]);
    let missed = "\"O6 an alert waits behind a begun frame\" is never reached".to_owned();
    assert!(check.failures.contains(&missed), "{:#?}", check.failures);
    assert!(check.to_string().contains("NOT REACHED"));
}

#[test]
fn a_mutant_that_survives_fails_and_so_does_a_check_of_nothing() {
    let unseen =
        KnownBug { killed_by: bug(Mutant::FinFirst).killed_by, ..bug(Mutant::CarriersFirst) };
    let check = check_small(&[unseen]);
    assert_eq!(
        check.failures,
        ["CarriersFirst does not break \"O6 no FIN while the alert waits\""]
    );
    assert!(check.to_string().contains("LIVES"));
    assert_eq!(check_small(&[]).failures, ["nothing was checked"]);
}

#[cfg(not(debug_assertions))]
mod command_line {
    use std::fs;
    use std::process::Command;

    #[test]
    fn the_exit_code_and_the_files_say_what_failed() {
        let folder = std::env::temp_dir().join(format!("check_model_{}", std::process::id()));
        fs::create_dir_all(&folder).expect("a folder");
        let report = folder.join("report.json");
        let run = |more: &[&str]| {
            let mut command = Command::new(env!("CARGO_BIN_EXE_check"));
            command.arg("small").arg("--json").arg(&report).arg("--counterexamples").arg(&folder);
            command.args(more).output().expect("the program runs").status.code()
        };
        let codes = (run(&[]), run(&["--mutant", "CarriersFirst"]));
        let report = fs::read_to_string(&report).expect("a report");
        let explained = ["small_S1.json", "mutant_ErrorLeaks.json"].map(|name| {
            let mut explain = Command::new(env!("CARGO_BIN_EXE_explain"));
            explain.arg(folder.join(name)).output().expect("the program runs").status.success()
        });
        fs::remove_dir_all(&folder).expect("removed");
        assert_eq!(codes, (Some(0), Some(1)));
        let report: serde_json::Value = serde_json::from_str(&report).expect("JSON");
        assert_eq!(report["mutant"], "CarriersFirst");
        assert_eq!(explained, [true, true]);
    }
}
