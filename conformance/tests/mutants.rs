//! A mutant is asked for by its name or its number, and refused where nobody would see it.

use std::path::Path;
use std::process::{Command, Output};

const REPLAY: &str = env!("CARGO_BIN_EXE_replay");
const VALIDATE: &str = env!("CARGO_BIN_EXE_validate");

fn run(program: &str, arguments: &[&str]) -> Output {
    let mut command = Command::new(program);
    // The traces are named from the root of the workspace.
    let workspace = Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("a workspace");
    command.current_dir(workspace).args(arguments).output().expect("the program runs")
}

#[test]
fn a_mutant_diverges_under_its_name_and_under_its_number() {
    for mutant in ["FinFirst", "K28"] {
        let trace = "model/traces/alert_behind_a_begun_frame.itf.json";
        let output = run(REPLAY, &["--lockstep", "--mutant", mutant, trace]);
        assert_eq!(output.status.code(), Some(1), "{output:?}");
    }
}

#[test]
fn a_mutant_that_a_rung_cannot_see_is_no_agreement() {
    let trace = "model/traces/unread_input_at_close.itf.json";
    let cases = [
        (run(REPLAY, &["--lockstep", "--mutant", "CLS-06", trace]), "cannot have ClosesUnread"),
        (
            run(VALIDATE, &["stress", "--runs", "1", "--mutant", "CLS-06"]),
            "not look for ClosesUnread",
        ),
    ];
    for (output, why) in cases {
        let error = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{error}");
        assert!(error.contains(why), "{error}");
    }
}
