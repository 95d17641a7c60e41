//! The generated documents are what the model says today. `UPDATE=1` rewrites them.

use std::fs;
use std::path::{Path, PathBuf};

use webrtc_server_model::{Config, Graph, Trace, explain, phase_matrix};

fn in_model(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

fn is_updating() -> bool {
    std::env::var_os("UPDATE").is_some()
}

/// Compare a committed document with what it should be, or rewrite it.
fn assert_current(path: &Path, expected: &str) {
    if is_updating() {
        fs::write(path, expected).expect("a writable document");
    }
    let committed = fs::read_to_string(path).unwrap_or_default();
    assert!(committed == expected, "{} is not current: rewrite it with UPDATE=1", path.display());
}

/// The small graph shows part of what both graphs show together. Quick enough for every build.
#[test]
fn what_the_small_graph_shows_is_in_the_phase_matrix() {
    if is_updating() {
        return;
    }
    let committed = fs::read_to_string(in_model("phase_matrix.md")).expect("the matrix");
    let small = phase_matrix(&[&Graph::explore(&Config::small())]);
    let second_close = "| `OwnerClosesTransport` | **changes** | repeated | impossible |";
    assert!(small.contains(second_close), "impossible is another answer than repeated");
    assert_eq!(small.lines().count(), committed.lines().count());
    for (small, committed) in small.lines().zip(committed.lines()) {
        let [small, committed] = [small, committed].map(|line| line.split(" | "));
        for (part, whole) in small.zip(committed) {
            let part = part.trim_end_matches(" |");
            assert!(part == "impossible" || whole.contains(part), "{part:?} is not in {whole:?}");
        }
    }
}

#[test]
#[cfg_attr(debug_assertions, ignore = "takes a minute without optimisation")]
fn the_phase_matrix_is_current() {
    let [small, standard] = [Config::small(), Config::standard()].map(|c| Graph::explore(&c));
    assert_current(&in_model("phase_matrix.md"), &phase_matrix(&[&small, &standard]));
}

#[test]
fn each_trace_has_its_explanation_beside_it() {
    let files = fs::read_dir(in_model("traces")).expect("the folder of traces");
    let mut explained = 0;
    for file in files.map(|entry| entry.expect("an entry").path()) {
        if file.extension().is_some_and(|extension| extension == "json") {
            let trace = fs::read_to_string(&file).expect("a readable trace");
            let trace: Trace = serde_json::from_str(&trace).expect("a trace");
            let document = explain(&trace).unwrap_or_else(|e| panic!("{}: {e}", file.display()));
            assert_current(&file.with_extension("md"), &document);
            explained += 1;
        }
    }
    assert!(explained >= 2, "only {explained} traces were found");
}
