//! `cargo replay`: what it says of traces in files.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use webrtc_server_model::{Action, Config, SocketId, Trace, itf};

fn stories() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../model/traces")
}

fn story(name: &str) -> PathBuf {
    stories().join(format!("{name}.itf.json"))
}

fn run(arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_replay"));
    command.args(arguments).output().expect("the program runs")
}

fn said(output: &[u8]) -> String {
    String::from_utf8_lossy(output).into_owned()
}

/// From the divergence on, without the name of the file before it.
fn divergence(output: &Output) -> String {
    let said = said(&output.stdout);
    let at = said.find("diverges at step").unwrap_or_else(|| panic!("no divergence: {said}"));
    said[at..].to_owned()
}

#[test]
fn a_divergence_is_shown_again_by_the_command_that_it_ends_with() {
    let file = story("alert_behind_a_begun_frame");
    let file = file.to_str().expect("a name");
    for target in [&[][..], &["--lockstep"]] {
        let first = run(&[target, &["--mutant", "K28", file]].concat());
        assert_eq!(first.status.code(), Some(1), "{}", said(&first.stderr));
        let shown = divergence(&first);
        assert!(shown.starts_with("diverges at step 6, worker: w0 hears of the close:"), "{shown}");
        let again = shown.lines().find_map(|line| line.strip_prefix("again: cargo replay "));
        let again: Vec<_> = again.expect("a command").split(' ').collect();
        let kept = Path::new(again.last().expect("a file"));
        let second = run(&again);
        assert_eq!(second.status.code(), Some(1), "{}", said(&second.stderr));
        assert_eq!(divergence(&second), shown);
        let sound: Vec<_> =
            again.iter().copied().filter(|a| !["--mutant", "K28"].contains(a)).collect();
        assert_eq!(run(&sound).status.code(), Some(0), "without the mutant nothing diverges");
        let length = itf::read(&fs::read_to_string(kept).expect("a file")).expect("a trace");
        assert_eq!(length.actions.len(), 6, "up to the action that shows it");
    }
}

#[test]
fn what_agrees_is_a_table() {
    let output = run(&[story("unread_input_at_close").to_str().expect("a name")]);
    let table = said(&output.stdout);
    assert_eq!(output.status.code(), Some(0), "{table}");
    for cell in
        ["owner: close() of t0", "make close_notify of t0", "at the peers", "1 traces, 0 diverge"]
    {
        assert!(table.contains(cell), "{table}");
    }
}

/// A file with this text.
fn file(name: &str, text: &str) -> PathBuf {
    let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    fs::write(&path, text).expect("written");
    path
}

#[test]
fn what_cannot_be_performed_is_no_divergence() {
    let sound = fs::read_to_string(story("unread_input_at_close")).expect("a story");
    let empty = Path::new(env!("CARGO_TARGET_TMPDIR")).join("no_traces");
    fs::create_dir_all(&empty).expect("a directory");
    let alone = Config::named("alone").expect("a configuration");
    let fills = Action::KernelFillsSocket { s: SocketId(0) };
    let of = |actions| itf::write(&Trace::of(&alone, "", actions)).expect("it can happen");
    let cases = [
        (PathBuf::from("nowhere.itf.json"), "No such file"),
        (empty, "no *.itf.json is in it"),
        (file("a.itf.json", &sound[..sound.len() / 2]), "no JSON"),
        (file("b.itf.json", "{}"), "no #meta.source"),
        (file("c.itf.json", &sound.replacen("\"kernel\"", "\"kernal\"", 1)), "\"kernal\""),
        (
            file("d.itf.json", &sound.replacen("PeerConnects", "KernelAcknowledges", 1)),
            "action 1 cannot happen here",
        ),
        (
            file("e.itf.json", &sound.replacen("Confirmed", "Sent", 1)),
            "state 7, core.transports.0.farewell.tag",
        ),
        (file("f.itf.json", &of(Vec::new())), "nothing happens in it"),
        (file("g.itf.json", &of(vec![fills])), "alone is not replayed"),
        (stories().join("known_bugs/fin_first.itf.json"), "plant it in the core"),
    ];
    for (path, why) in cases {
        let output = run(&[path.to_str().expect("a name")]);
        let error = said(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{}: {error}", path.display());
        assert!(error.contains(&path.display().to_string()) && error.contains(why), "{error}");
    }
    let unknown = run(&["--mutant", "K99", "nowhere.itf.json"]);
    assert_eq!(unknown.status.code(), Some(2));
    assert!(said(&unknown.stderr).contains("there are: K01"));
}
