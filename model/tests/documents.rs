//! The generated documents are what the model says today. `UPDATE=1` rewrites them.

use std::fs;
use std::path::{Path, PathBuf};

use webrtc_server_model::{
    Graph, KNOWN_BUGS, KnownBug, Mutant, Preset, Refused, Trace, catalogue, explain, itf,
    phase_matrix, run_mutant,
};

fn in_model(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

/// Compare a committed document with what it should be, or rewrite it.
fn assert_current(path: &Path, expected: &str) {
    if std::env::var_os("UPDATE").is_some() {
        fs::create_dir_all(path.parent().expect("a folder")).expect("a folder for the document");
        fs::write(path, expected).expect("a writable document");
    }
    let committed = fs::read_to_string(path).unwrap_or_default();
    assert!(committed == expected, "{} is not current: rewrite it with UPDATE=1", path.display());
}

fn traces_in(folder: &str) -> Vec<PathBuf> {
    let files = fs::read_dir(in_model(folder)).expect("the folder of traces");
    let files = files.map(|entry| entry.expect("an entry").path());
    files.filter(|file| file.to_string_lossy().ends_with(".itf.json")).collect()
}

#[test]
fn what_the_graphs_show_is_current() {
    let graphs: Vec<_> = Preset::standard().configs.iter().map(Graph::explore).collect();
    assert_current(&in_model("catalogue.md"), &catalogue(&graphs));
    let document = phase_matrix(&graphs);
    assert_current(&in_model("phase_matrix.md"), &document);
    let closes = "| `OwnerClosesTransport` |";
    let transport = document.split("\n## ").find(|part| part.starts_with("Transport\n"));
    let line = transport.and_then(|part| part.lines().find(|line| line.starts_with(closes)));
    let [absent, refused, open, closing, closed] = cells(line.expect("a line of the matrix"));
    assert_eq!([absent, refused, closed], ["impossible"; 3], "what is not there cannot be closed");
    assert_eq!(
        [open, closing],
        ["**changes** → Closing, Closed", "repeated"],
        "repeated is another answer than impossible"
    );
}

fn cells<const N: usize>(line: &str) -> [&str; N] {
    let cells: Vec<_> = line.trim_matches(['|', ' ']).split(" | ").skip(1).collect();
    cells.try_into().expect("one cell for each phase")
}

/// The actions of a story are written by hand; its states and its explanation are not.
#[test]
fn each_story_has_its_explanation_beside_it() {
    let files = traces_in("traces");
    assert!(files.len() >= 20, "only {} stories were found", files.len());
    for file in files {
        let text = fs::read_to_string(&file).expect("a readable trace");
        let trace = itf::draft(&text).unwrap_or_else(|e| panic!("{}: {e}", file.display()));
        assert_story(&file, &trace);
    }
}

/// The file of a trace is what the model makes of it, and so is the explanation beside it.
fn assert_story(file: &Path, trace: &Trace) -> String {
    let refused = |refused: Refused| -> String { panic!("{}: {refused}", file.display()) };
    let document = explain(trace).unwrap_or_else(refused);
    assert_current(file, &itf::write(trace).unwrap_or_else(refused));
    assert_current(&file.with_extension("").with_extension("md"), &document);
    document
}

#[test]
fn each_known_bug_has_its_shortest_counterexample() {
    for bug in &KNOWN_BUGS {
        let actions = run_mutant(bug).counterexample.expect("the property catches it");
        let config = (bug.config)().with_mutant(bug.mutant);
        let about = format!("{}: {}.", bug.source, bug.description);
        let trace = Trace::of(&config, &about, actions);
        let file = in_model("traces/known_bugs").join(file_of(bug));
        let document = assert_story(&file, &trace);
        let broken = document.split("\nBroken on the way:\n").nth(1).unwrap_or_default();
        assert!(broken.contains(&format!("\n- {}\n", bug.killed_by)), "{document}");
        let right = Trace { mutant: None, ..trace };
        if let Ok(document) = explain(&right) {
            assert!(document.ends_with("holds all the way.\n"), "without the mistake: {document}");
        }
    }
}

#[test]
fn there_is_no_counterexample_of_a_bug_that_is_not_known() {
    let known: Vec<_> = KNOWN_BUGS.iter().map(file_of).collect();
    for file in traces_in("traces/known_bugs") {
        let name = file.file_name().and_then(|name| name.to_str()).expect("a name");
        assert!(known.iter().any(|known| known == name), "{name} is of no known bug");
    }
}

/// `CarriersFirst` becomes `carriers_first.itf.json`.
fn file_of(KnownBug { mutant, .. }: &KnownBug) -> String {
    snake_case(*mutant) + ".itf.json"
}

fn snake_case(mutant: Mutant) -> String {
    let mut name = String::new();
    for letter in format!("{mutant:?}").chars() {
        if letter.is_uppercase() && !name.is_empty() {
            name.push('_');
        }
        name.extend(letter.to_lowercase());
    }
    name
}
