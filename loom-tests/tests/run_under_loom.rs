//! Builds and runs the loom tests as part of a plain `cargo test`, and compares what they say with `scenarios.md`.
//!
//! loom needs another build of everything (`--cfg loom`), hence a second cargo with a target directory of its own: the
//! directory of the cargo that runs this test may still be locked. With `UPDATE=1` in the environment `scenarios.md` is
//! written anew.

#![cfg(not(loom))]

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

const HEAD: &str = "\
<!-- Generated from a run: UPDATE=1 cargo test -p webrtc-server-loom-tests -->

# Every schedule of what crosses threads

Bound: preemptions after which a schedule is not tried; `all`: every schedule is. The seconds are those of one run.

| Race | Schedules | Seconds | Bound |
|---|---:|---:|---:|
";

const CAUGHT_HEAD: &str = "
Each weakness is planted, and this schedule of this race shows it. `src/table.rs` says where in the sources.

| Weakness | Race | Schedule | What it says |
|---|---|---:|---|
";

#[test]
fn every_schedule_of_what_crosses_threads() {
    let said = run();
    let (races, caught) = (rows(&said, "RACE "), rows(&said, "CAUGHT "));
    let fresh = format!("{HEAD}{}{CAUGHT_HEAD}{}", lines(&races), lines(&caught));
    println!("{fresh}");
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("scenarios.md");
    if env::var_os("UPDATE").is_some() {
        fs::write(&path, fresh).expect("it can be written");
        return;
    }
    let kept = fs::read_to_string(&path).expect("scenarios.md");
    assert_eq!(
        without_seconds(&kept),
        without_seconds(&fresh),
        "the races are others than in scenarios.md: UPDATE=1 writes it anew"
    );
}

/// What the loom tests say, which must all pass.
fn run() -> String {
    let mut cargo = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    cargo
        .current_dir(workspace())
        .args(["test", "--package", "webrtc-server-loom-tests", "--tests", "--release"])
        .arg("--target-dir")
        .arg(target_directory())
        .args(["--", "--nocapture"]);
    compile_for_loom(&mut cargo);
    let output = cargo.output().expect("cargo starts");
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{}\n{said}\n{errors}", output.status);
    said
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

/// The rows of one kind, in order. Without capture one may follow the name of its test on the same line.
fn rows(said: &str, kind: &str) -> Vec<String> {
    let marked = said.lines().filter_map(|line| Some(&line[line.find(kind)? + kind.len()..]));
    let mut rows: Vec<_> = marked.filter(|row| row.starts_with("| ")).map(str::to_owned).collect();
    rows.sort();
    rows
}

fn lines(rows: &[String]) -> String {
    rows.iter().map(|row| format!("{row}\n")).collect()
}

/// The rows of races without their third column.
fn without_seconds(table: &str) -> Vec<String> {
    let is_seconds = |cell: &str| cell.trim().parse::<f64>().is_ok() && cell.contains('.');
    let cells =
        |line: &str| line.split('|').filter(|cell| !is_seconds(cell)).collect::<Vec<_>>().join("|");
    table.lines().map(cells).collect()
}
