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

/// Where a test or a property is, in the words of SPEC.md §5; none of these words elsewhere.
const PLACES: [(&str, &str); 12] = [
    ("impl/src/", "unit"),
    ("impl/tests/", "handles"),
    ("conformance/tests/hostile/", "hostile"),
    ("conformance/tests/end_to_end.rs", "end to end"),
    ("conformance/tests/workers.rs", "end to end"),
    ("conformance/tests/thousands.rs", "end to end"),
    ("conformance/tests/adapter.rs", "adapter"),
    ("conformance/src/replay/", "replay"),
    ("conformance/src/validate/", "validation"),
    ("conformance/browser/", "browser"),
    ("loom-tests/", "loom"),
    ("model/src/", "model"),
];

/// What is longer is a sentence.
const PLACE_WORDS_MAX: usize = 3;

fn place(path: &Path) -> &'static str {
    let path = path.strip_prefix(root()).expect("within the workspace").to_string_lossy();
    PLACES.iter().find(|(start, _)| path.starts_with(start)).map_or("", |(_, word)| word)
}

/// IDs and where they are carried: by names of tests that run, `fn cls_03_...`, by the start of the names of properties
/// and browser tests, `"S1 ..."`, and by citations above tests under loom, which are named after races.
fn carried(sources: &[(PathBuf, String)]) -> BTreeMap<String, BTreeSet<&'static str>> {
    let mut ids: BTreeMap<String, BTreeSet<_>> = BTreeMap::new();
    for (path, text) in sources {
        let place = place(path);
        let found = match path.extension().and_then(|extension| extension.to_str()) {
            Some("mjs") => ids_of_calls(text, &["test("]),
            _ if place == "loom" => ids_above_tests(text),
            _ if place == "model" => {
                // Each with a state beside it that comes near.
                let near = ids_of_calls(text, &["sometimes("]);
                let held = ids_of_calls(text, &["always("]).into_iter();
                held.filter(|id| near.contains(id)).chain(ids_of_tests(text)).collect()
            }
            _ => ids_of_tests(text),
        };
        for id in found {
            ids.entry(id).or_default().insert(place);
        }
    }
    ids
}

/// `call("S1 ...`, on one line or two.
fn ids_of_calls(text: &str, calls: &[&str]) -> Vec<String> {
    let is_quote = |c: char| matches!(c, '"' | '\'' | '`');
    let after = |call: &&str| text.split(*call).skip(1).map(str::trim_start).collect::<Vec<_>>();
    let quoted = calls.iter().flat_map(after).filter_map(|rest| rest.strip_prefix(is_quote));
    let ids = quoted.filter_map(|name| name.split_once(' ')).map(|(id, _)| id.to_owned());
    ids.filter(|id| is_id(id)).collect()
}

/// Of functions that cargo runs: under `#[test]` and not ignored, or in a block of `quickcheck!`.
fn ids_of_tests(text: &str) -> Vec<String> {
    let (mut ids, mut attributes, mut block) = (Vec::new(), Vec::new(), None);
    for line in text.lines() {
        let (code, depth) = (line.trim_start(), line.len() - line.trim_start().len());
        if code.starts_with("quickcheck! {") {
            block = Some(depth);
        } else if code == "}" && block == Some(depth) {
            block = None;
        }
        if code.starts_with("#[") {
            attributes.push(code);
        } else if !code.starts_with("//") {
            let is_test = attributes.contains(&"#[test]") || block.is_some();
            let is_ignored = attributes.iter().any(|attribute| attribute.contains("ignore"));
            if let (Some(name), true, false) = (code.strip_prefix("fn "), is_test, is_ignored) {
                ids.extend(ids_of_test(name));
            }
            attributes.clear();
        }
    }
    ids
}

fn ids_above_tests(text: &str) -> Vec<String> {
    let blocks = text.split("\n\n").filter(|block| block.contains("#[test]"));
    let cited = blocks.flat_map(str::lines).filter_map(|line| line.strip_prefix("//= "));
    cited.map(|id| id.trim().to_owned()).collect()
}

/// A test may carry several: `cls_01_cls_13_...`.
fn ids_of_test(name: &str) -> Vec<String> {
    let words: Vec<_> = name.split(['_', '(']).map(str::to_uppercase).collect();
    let pairs = words.windows(2).map(|pair| pair.join("-"));
    let first = words.first().cloned();
    pairs.chain(first).filter(|word| is_id(word)).collect()
}

/// Tests whose name begins like an ID, of which SPEC.md has none: `t15_...`, `w4_...`.
fn of_another_catalogue(name: &str) -> bool {
    let first = name.split('_').next().unwrap_or_default();
    let digits = first.trim_start_matches(|c: char| c.is_ascii_lowercase());
    let letters = first.len() - digits.len();
    letters == 1 && !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit())
}

/// What is wrong with a row of SPEC.md: a place that it names and that there is not, or where no test carries its ID,
/// an ID that it names and that no test carries, an exception that has a test, or nothing at all that checks it.
fn faults(id: &str, row: &str, carried: &BTreeMap<String, BTreeSet<&'static str>>) -> Vec<String> {
    let here = carried.get(id).cloned().unwrap_or_default();
    let by = row.trim_end_matches(['|', ' ']).rsplit('|').next().unwrap_or_default().trim();
    let heads = by.split(';').map(|part| part.split([':', '(']).next().unwrap_or_default().trim());
    let heads = heads.filter(|head| *head != "exception" && !is_id(head));
    let places = heads.filter(|head| head.split(' ').count() <= PLACE_WORDS_MAX);
    let empty = places.filter(|place| !here.contains(place));
    let mut faults: Vec<_> = empty.map(|place| format!("{id}: none in {place}")).collect();
    let words = by.split(|c: char| !(c.is_ascii_alphanumeric() || c == '-'));
    let others = words.filter(|word| is_id(word) && !carried.contains_key(*word));
    faults.extend(others.map(|other| format!("{id}: {other} is carried by none")));
    match (here.is_empty(), by.starts_with("exception:")) {
        (true, false) => faults.push(format!("{id}: carried by none")),
        (false, true) => faults.push(format!("{id}: no exception, carried in {here:?}")),
        (true, true) | (false, false) => {}
    }
    faults
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
    let faults: Vec<_> = listed.iter().flat_map(|(id, row)| faults(id, row, &carried)).collect();
    assert!(faults.is_empty(), "{faults:#?}");
    // `RFC-5769` has the form of an ID.
    let area = |id: &str| id.split('-').next().unwrap_or_default().to_owned();
    let areas: BTreeSet<_> = listed.keys().map(|id| area(id)).collect();
    let unlisted = carried.keys().filter(|id| !listed.contains_key(*id));
    let stray: Vec<_> = unlisted.filter(|id| areas.contains(&area(id))).collect();
    assert!(stray.is_empty(), "tests carry what SPEC.md does not list: {stray:?}");
    let names = sources.iter().flat_map(|(_, text)| text.lines());
    let names = names.filter_map(|line| line.trim_start().strip_prefix("fn "));
    let others: Vec<_> = names
        .filter(|name| of_another_catalogue(name))
        .filter(|name| !ids_of_test(name).iter().any(|id| listed.contains_key(id)))
        .collect();
    assert!(others.is_empty(), "names from another catalogue: {others:#?}");
    let citations = cited(&sources);
    assert!(!citations.is_empty(), "no citation was found");
    let unknown: Vec<_> = citations.iter().filter(|(id, _)| !listed.contains_key(id)).collect();
    assert!(unknown.is_empty(), "code cites what SPEC.md does not list: {unknown:?}");
}

/// Sockets, clocks, threads and OpenSSL, and collections whose order differs from run to run.
const IMPURE: [&str; 14] = [
    "HashMap",
    "HashSet",
    "Instant",
    "SystemTime",
    "TcpListener",
    "TcpStream",
    "UdpSocket",
    "mio::",
    "openssl",
    "std::thread",
    "std::sync",
    "crate::shell",
    "crate::control",
    "crate::sync",
];

#[test]
fn the_lifecycle_names_no_socket_clock_or_thread() {
    let folder = root().join("impl/src/lifecycle");
    let files = sources().into_iter().filter(|(path, _)| path.starts_with(&folder));
    let files: Vec<_> = files.collect();
    assert!(files.iter().any(|(_, text)| text.contains("WORKER_CLOSE_ORDER")));
    for (path, text) in files {
        let code = text.split("#[cfg(test)]\nmod tests {").next().unwrap_or_default();
        let lines = code.lines().filter(|line| !line.trim_start().starts_with("//"));
        let found: Vec<_> =
            lines.filter(|line| IMPURE.iter().any(|word| line.contains(word))).collect();
        assert!(found.is_empty(), "{}: {found:#?}", path.display());
    }
}

#[test]
fn ids_are_told_from_other_words() {
    for id in ["CLS-03", "S1", "X5", "RES-19", "E1"] {
        assert!(is_id(id), "{id}");
    }
    for word in ["CLS", "Si", "SO_SNDBUF", "RFC-", "S", "cls-03", "CLSX-1"] {
        assert!(!is_id(word), "{word}");
    }
    assert_eq!(ids_of_test("cls_03_cls_04_sockets_go_last()"), ["CLS-03", "CLS-04"]);
    assert_eq!(ids_of_test("s1_nothing_is_sent()"), ["S1"]);
    assert!(ids_of_test("an_alarm_is_due_once()").is_empty());
}

#[test]
fn only_what_runs_carries_an_id() {
    let runs = "#[test]\nfn cls_03_a() {}\n#[test]\n// Why.\n#[expect(x)]\nfn cls_04_a() {}\n";
    assert_eq!(ids_of_tests(runs), ["CLS-03", "CLS-04"]);
    let block = "quickcheck! {\n    fn s1_a() {}\n}\nfn s2_a() {}\n";
    assert_eq!(ids_of_tests(block), ["S1"]);
    let not = "fn cls_03_a() {}\n#[test]\n#[ignore = \"long\"]\nfn cls_04_a() {}\n// fn s1_a()\n";
    assert!(ids_of_tests(not).is_empty());
    assert_eq!(ids_of_calls("always(\n    \"S1 a\") \"S2 b\" // S3 c", &["always("]), ["S1"]);
    assert_eq!(ids_above_tests("//= X3\n#[test]\nfn a() {}\n\n//= X5\nfn b() {}\n"), ["X3"]);
    assert!(of_another_catalogue("w6_w7_a") && !of_another_catalogue("cls_03_a"));
}

#[test]
fn a_row_that_says_what_is_not_so_is_a_fault() {
    let carried = BTreeMap::from([
        ("CLS-03".to_owned(), BTreeSet::from(["unit"])),
        ("CLS-04".to_owned(), BTreeSet::from([""])),
    ]);
    let found = |id, by: &str| faults(id, &format!("What must be | {by} |"), &carried).join("; ");
    assert_eq!(found("CLS-03", "unit: one of them; what replay compares all day"), "");
    assert_eq!(found("CLS-03", "unit; unti"), "CLS-03: none in unti");
    assert_eq!(found("CLS-04", "the tests of CLS-03"), "");
    assert_eq!(found("CLS-05", "exception: the tests of CLS-03"), "");
    assert_eq!(found("CLS-03", "unit; hostile"), "CLS-03: none in hostile");
    assert_eq!(found("CLS-03", "CLS-06"), "CLS-03: CLS-06 is carried by none");
    assert_eq!(found("CLS-05", "replay"), "CLS-05: none in replay; CLS-05: carried by none");
    assert!(found("CLS-04", "exception: no reason").contains("no exception"));
}
