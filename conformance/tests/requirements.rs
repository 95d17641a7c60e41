//! SPEC.md is the only vocabulary: every requirement that it lists is checked by a test or a property that carries its
//! ID, and code cites no ID that it does not list.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

/// Crates whose code cites requirements and whose tests carry them.
const CRATES: [&str; 5] = ["impl", "model", "conformance", "loom-tests", "benches"];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the workspace").to_owned()
}

fn sources() -> Vec<(PathBuf, String)> {
    let mut folders: Vec<_> = CRATES.iter().map(|name| root().join(name)).collect();
    let mut files = Vec::new();
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).expect("a folder of the workspace") {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                let name = path.file_name().and_then(|n| n.to_str()).unwrap_or_default();
                if !["target", "node_modules"].contains(&name) {
                    folders.push(path);
                }
            } else if path.extension().is_some_and(|e| e == "rs" || e == "mjs") {
                let text = fs::read_to_string(&path).expect("a source file in UTF-8");
                files.push((path, text));
            }
        }
    }
    files
}

/// `CLS-03` (requirements) or `S1` (invariants).
fn is_id(word: &str) -> bool {
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    match word.split_once('-') {
        Some((area, number)) => {
            area.len() == 3 && area.bytes().all(|b| b.is_ascii_uppercase()) && digits(number)
        }
        None => {
            word.len() <= 3
                && word.starts_with(['S', 'X', 'O', 'L', 'N', 'E'])
                && digits(&word[1..])
        }
    }
}

/// The rows of SPEC.md's tables whose first cell is an ID, with the rest of the row.
fn listed() -> BTreeMap<String, String> {
    let spec = fs::read_to_string(root().join("SPEC.md")).expect("SPEC.md");
    let mut rows = BTreeMap::new();
    for line in spec.lines() {
        let mut cells = line.trim_start_matches('|').splitn(2, '|').map(str::trim);
        let (Some(id), Some(rest)) = (cells.next(), cells.next()) else { continue };
        if is_id(id) {
            let former = rows.insert(id.to_owned(), rest.to_owned());
            assert!(former.is_none(), "SPEC.md lists {id} twice");
        }
    }
    rows
}

/// IDs in names of tests, `fn cls_03_...`, and at the start of the names of properties and browser tests, `"S1 ..."`.
fn carried(sources: &[(PathBuf, String)]) -> BTreeSet<String> {
    let mut ids = BTreeSet::new();
    for (_, text) in sources {
        for line in text.lines() {
            if let Some(name) = line.trim_start().strip_prefix("fn ") {
                ids.extend(ids_of_test(name));
            }
            for (at, _) in line.match_indices(['"', '\'', '`']) {
                let quoted = &line[at + 1..];
                let word = quoted.split(' ').next().unwrap_or_default();
                if quoted.len() > word.len() && is_id(word) {
                    ids.insert(word.to_owned());
                }
            }
        }
    }
    ids
}

/// A test may carry several: `cls_01_cls_13_...`, or another catalogue's number before ours: `w4_res_09_...`.
fn ids_of_test(name: &str) -> Vec<String> {
    let words: Vec<_> = name.split(['_', '(']).map(str::to_uppercase).collect();
    let pairs = words.windows(2).map(|pair| pair.join("-"));
    let first = words.first().cloned();
    pairs.chain(first).filter(|word| is_id(word)).collect()
}

fn cited(sources: &[(PathBuf, String)]) -> Vec<(String, PathBuf)> {
    let mut citations = Vec::new();
    for (path, text) in sources {
        for line in text.lines() {
            if let Some(id) = line.trim_start().strip_prefix("//= ") {
                citations.push((id.trim().to_owned(), path.clone()));
            }
        }
    }
    citations
}

#[test]
fn every_requirement_is_checked_and_every_citation_is_known() {
    let (sources, listed) = (sources(), listed());
    assert!(listed.len() >= 60, "only {} requirements were found in SPEC.md", listed.len());
    let carried = carried(&sources);
    let unchecked: Vec<_> = listed
        .iter()
        .filter(|(id, row)| !carried.contains(*id) && !row.contains("exception:"))
        .map(|(id, _)| id)
        .collect();
    assert!(unchecked.is_empty(), "no test or property carries {unchecked:?}");
    let citations = cited(&sources);
    assert!(!citations.is_empty(), "no citation was found");
    let unknown: Vec<_> = citations.iter().filter(|(id, _)| !listed.contains_key(id)).collect();
    assert!(unknown.is_empty(), "code cites what SPEC.md does not list: {unknown:?}");
}

#[test]
fn ids_are_told_from_other_words() {
    for id in ["CLS-03", "S1", "X5", "RES-19", "E1"] {
        assert!(is_id(id), "{id}");
    }
    for word in ["CLS", "Si", "SO_SNDBUF", "RFC-", "S", "cls-03", "CLSX-1"] {
        assert!(!is_id(word), "{word}");
    }
    assert_eq!(ids_of_test("w1_cls_03_cls_04_sockets_go_last()"), ["CLS-03", "CLS-04"]);
    assert_eq!(ids_of_test("s1_nothing_is_sent()"), ["S1"]);
    assert!(ids_of_test("an_alarm_is_due_once()").is_empty());
}
