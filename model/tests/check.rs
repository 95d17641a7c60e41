//! The check says what it found, and fails for each reason that it has to fail.

use webrtc_server_model::{
    Check, ClassesRow, Config, CyclesRow, EndingsRow, KNOWN_BUGS, Kill, KnownBug, Mutant, Preset,
    Why, check, itf,
};

fn bug(mutant: Mutant) -> KnownBug {
    *KNOWN_BUGS.iter().find(|bug| bug.mutant == mutant).expect("it is in the table")
}

fn check_small(bugs: &[KnownBug]) -> Check {
    check(&Preset::small(), bugs)
}

fn planted(config: Config, mutant: Mutant) -> Preset {
    Preset { name: "planted", configs: vec![config.with_mutant(mutant)] }
}

#[test]
fn a_right_model_passes_and_its_mutants_are_told_apart() {
    let bugs = [Mutant::CarriersFirst, Mutant::NoDeadline, Mutant::SilentServerClose].map(bug);
    let check = check_small(&bugs);
    assert_eq!(check.failures, Vec::<String>::new());
    let [small] = check.configs.as_slice() else { panic!("one configuration") };
    assert_eq!(small.stateright_size, (small.states, small.edges));
    assert!(matches!(small.endings, EndingsRow::All { largest_rank: 23, .. }));
    assert!(matches!(small.cycles, CyclesRow::None { .. }));
    assert!(matches!(small.classes, ClassesRow::Right { classes: 1.., .. }));
    for (row, bug) in check.mutants.iter().zip(&bugs) {
        assert!(row.breaks(bug.killed_by).is_some(), "{:?}", bug.mutant);
        let trace = row.counterexample.as_ref().expect("killed");
        let last = trace.perform().expect("it happens").pop().expect("a step");
        assert!(last.broken.contains(&bug.killed_by));
    }
    let told = check.to_string();
    assert!(told.contains("fair cycles"));
    assert!(told.ends_with("3 mutants, 0 survive: ok"), "{told}");
}

#[test]
fn a_property_that_no_mutant_needs_is_named_with_the_reason() {
    let check = check_small(&[Mutant::NoDeadline, Mutant::SilentServerClose].map(bug));
    let why = |id| check.unneeded.iter().find(|row| row.property.starts_with(id)).map(|r| r.why);
    assert_eq!(why("X5"), Some(Why::NeverBroken));
    assert_eq!(why("E1"), Some(Why::CaughtByOthers), "the silent close breaks it");
    assert_eq!(why("X4"), None, "it ought to catch the silent close");
    assert_eq!(why("L2 whatever"), None, "it ought to catch the missing deadline");
}

#[test]
fn what_a_mutant_needs_of_its_configuration_is_found_by_taking_it_away() {
    let check = check_small(&[Mutant::NoDeadline, Mutant::CallerForgotten].map(bug));
    let needed = |index: usize| {
        let needs = check.needs[index].needs.iter().filter(|need| need.is_needed);
        needs.map(|need| need.aspect).collect::<Vec<_>>()
    };
    assert_eq!(needed(0), ["TCP", "full connections"]);
    assert_eq!(needed(1), ["several callers"]);
    assert_eq!(check.kills[1].only_in(), Some("small"));
}

#[test]
fn a_mutant_survives_where_what_it_needs_is_missing() {
    let configs = vec![Config::handshake(), Config::small()];
    let check = check(&Preset { name: "two", configs }, &[bug(Mutant::CallerForgotten)]);
    let kills: Vec<_> = check.kills[0].kills.iter().map(|(_, kill)| *kill).collect();
    assert!(matches!(kills[..], [Kill::Survives, Kill::After(_)]), "{kills:?}");
}

#[test]
fn a_violation_fails_and_its_counterexample_can_be_explained() {
    let check = check(&planted(Config::small(), Mutant::NoDeadline), &[bug(Mutant::CarriersFirst)]);
    assert!(check.has_failed());
    for failure in [
        "\"L2 whatever a close waits for has a deadline\" is violated",
        "small: deadlines and workers alone do not end it",
        "small: the server closes for ever",
    ] {
        assert!(check.failures.contains(&failure.to_owned()), "{:#?}", check.failures);
    }
    let told = check.to_string();
    assert!(told.contains("VIOLATED") && told.ends_with("FAILED"), "{told}");
    let (name, trace) = &check.counterexamples()[0];
    assert_eq!(name, "small_L2a.itf.json");
    let written = itf::write(trace).expect("it happens");
    let read = itf::read(&written).expect("the same again");
    let last = read.perform().expect("it happens").pop().expect("a step");
    assert_eq!(last.broken[0], "L2 whatever a close waits for has a deadline");
    let names: Vec<_> = check.counterexamples().into_iter().map(|(name, _)| name).collect();
    assert!(names.contains(&"small_endings.itf.json".to_owned()), "{names:?}");
    assert!(names.contains(&"small_cycle.itf.json".to_owned()), "{names:?}");
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
    let nothing = Preset { name: "nothing", configs: Vec::new() };
    assert_eq!(self::check(&nothing, &KNOWN_BUGS).failures, ["nothing was checked"]);
}

/// All of `standard` together must reach every `sometimes`; fewer configurations cannot.
#[test]
fn a_state_that_is_never_reached_fails() {
    let mut preset = Preset::standard();
    for config in &mut preset.configs {
        config.kernel.full_connections = false;
        config.kernel.little_room = false;
    }
    let check = check(&preset, &[bug(Mutant::CarriersFirst)]);
    let missed = "\"O6 an alert waits behind a begun frame\" is never reached".to_owned();
    assert!(check.complete && check.failures.contains(&missed), "{:#?}", check.failures);
    assert!(check.to_string().contains("NOT REACHED"));
}

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
        let nothing = run(&["--config", "pair"]);
        let codes = (run(&[]), run(&["--mutant", "CarriersFirst"]));
        let report = fs::read_to_string(&report).expect("a report");
        let explained = ["small_S1.itf.json", "mutant_NoDeadline.itf.json"].map(|name| {
            let mut explain = Command::new(env!("CARGO_BIN_EXE_explain"));
            explain.arg(folder.join(name)).output().expect("the program runs").status.success()
        });
        fs::remove_dir_all(&folder).expect("removed");
        assert_eq!(nothing, Some(1), "small has no such configuration");
        assert_eq!(codes, (Some(0), Some(1)));
        let report: serde_json::Value = serde_json::from_str(&report).expect("JSON");
        assert_eq!(report["mutant"], "CarriersFirst");
        assert_eq!(explained, [true, true]);
    }
}
