//! Builds and runs the loom tests as part of a plain `cargo test`.
//!
//! loom needs another build of everything (`--cfg loom`), hence a second cargo with a target
//! directory of its own: the directory of the cargo that runs this test may still be locked.

#![cfg(not(loom))]

use std::env;
use std::path::{Path, PathBuf};
use std::process::Command;

/// A test that is renamed away, or a file that is no longer built, must not pass unnoticed.
const LOOM_TESTS_MIN: usize = 19;

#[test]
fn every_schedule_of_what_crosses_threads() {
    let mut cargo = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    cargo
        .current_dir(workspace())
        .args(["test", "--package", "webrtc-server-loom-tests", "--tests", "--release"])
        .arg("--target-dir")
        .arg(target_directory())
        .args(["--", "--nocapture"]);
    compile_for_loom(&mut cargo);
    let output = cargo.output().expect("cargo starts");
    let said = String::from_utf8_lossy(&output.stdout);
    println!("| race | executions | seconds |\n|---|---|---|");
    // Without capture a row may follow the name of its test.
    said.lines()
        .filter_map(|line| line.find("| ").map(|at| &line[at..]))
        .for_each(|row| println!("{row}"));
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{}\n{said}\n{errors}", output.status);
    let passed = tests_passed(&said);
    assert!(passed >= LOOM_TESTS_MIN, "only {passed} loom tests ran\n{said}\n{errors}");
}

fn workspace() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("this package is a member")
}

fn target_directory() -> PathBuf {
    let ours = env::var_os("CARGO_TARGET_DIR").map_or_else(|| "target".into(), PathBuf::from);
    workspace().join(ours).join("loom")
}

/// Adds `--cfg loom` to the flags in force. cargo reads the first of the two variables that is set.
fn compile_for_loom(cargo: &mut Command) {
    let (name, separator) = match env::var_os("CARGO_ENCODED_RUSTFLAGS") {
        Some(_) => ("CARGO_ENCODED_RUSTFLAGS", "\u{1f}"),
        None => ("RUSTFLAGS", " "),
    };
    let inherited = env::var(name).unwrap_or_default();
    let flags = inherited.split(separator).filter(|flag| !flag.is_empty());
    let flags: Vec<_> = flags.chain(["--cfg", "loom"]).collect();
    cargo.env(name, flags.join(separator));
}

/// The sum of the `N passed` of all test binaries.
fn tests_passed(said: &str) -> usize {
    let results = said.lines().filter_map(|line| line.split_once("test result: ok. "));
    let counts = results.filter_map(|(_, rest)| rest.split_once(" passed"));
    counts.filter_map(|(count, _)| count.parse::<usize>().ok()).sum()
}
