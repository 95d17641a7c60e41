//! The table has a row for every ordering, every wait and every weakness of the sources, and no other.

#![cfg(not(loom))]

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use webrtc_server_loom_tests::table::{ORDERINGS, Row, Shown, WAITS, rows};

fn sources() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("a member").join("impl/src")
}

/// The files that cross threads, by their names below `impl/src`, without comments and unit tests, line by line.
fn files() -> Vec<(String, Vec<String>)> {
    let control = std::fs::read_dir(sources().join("control")).expect("it is there");
    let names = control.map(|entry| entry.expect("readable").file_name());
    let mut names: Vec<_> = names.map(|name| format!("control/{}", name.display())).collect();
    names.push("sync.rs".to_owned());
    names.sort();
    names.into_iter().map(|name| (name.clone(), code_of(&name))).collect()
}

fn code_of(name: &str) -> Vec<String> {
    let text = std::fs::read_to_string(sources().join(name)).expect("a source");
    let code = text.split("#[cfg(test)]\nmod tests").next().unwrap_or_default();
    let lines = code.lines().map(str::trim).filter(|line| !line.starts_with("//"));
    lines.map(str::to_owned).collect()
}

/// File and line of each that satisfies `wanted`.
fn lines_with(wanted: impl Fn(&str, &str) -> bool) -> BTreeSet<(String, String)> {
    let lines = |(name, code): (String, Vec<String>)| {
        code.into_iter()
            .filter(|line| wanted(&name, line))
            .map(|line| (name.clone(), line))
            .collect::<Vec<_>>()
    };
    files().into_iter().flat_map(lines).collect()
}

fn in_table(rows: &[Row]) -> BTreeSet<(String, String)> {
    rows.iter().map(|row| (row.file.to_owned(), row.line.to_owned())).collect()
}

#[test]
fn every_atomic_ordering_has_a_row() {
    let is_ordering = |line: &str| {
        ["Relaxed", "Acquire", "Release", "AcqRel", "SeqCst"]
            .iter()
            .any(|ordering| line.contains(&format!("Ordering::{ordering}")))
    };
    assert_eq!(lines_with(|_, line| is_ordering(line)), in_table(ORDERINGS));
    for row in ORDERINGS.iter().filter(|row| matches!(row.shown, Shown::NothingWeaker(_))) {
        let orderings = row.line.matches("Ordering::").count();
        assert_eq!(row.line.matches("Ordering::Relaxed").count(), orderings, "{row:?}");
    }
}

/// Waits are in one file, where each is inside of a loop.
#[test]
fn every_wait_has_a_row() {
    let waits = |line: &str| {
        [".wait(guard", ".wait_timeout(guard", ".wait_while("]
            .iter()
            .any(|wait| line.contains(wait))
    };
    assert_eq!(lines_with(|_, line| waits(line)), in_table(WAITS));
    let names_a_way_to_sleep = |file: &str, line: &str| {
        let elsewhere = ["std::sync::", "std::thread::spawn", "std::thread::sleep", "park"];
        file != "sync.rs" && elsewhere.iter().any(|way| line.contains(way))
    };
    assert_eq!(lines_with(names_a_way_to_sleep), BTreeSet::new(), "not expressed over sync.rs");
    let on_a_condvar =
        |line: &str| line.contains("self.changed.wait") || line.contains("self.room.wait");
    assert_eq!(lines_with(|file, line| file != "sync.rs" && on_a_condvar(line)), BTreeSet::new());
    let loops = code_of("sync.rs").iter().filter(|line| line.starts_with("while ")).count();
    assert_eq!(loops, in_table(WAITS).len());
}

#[test]
fn every_weakness_has_a_row_and_is_planted_where_it_says() {
    let code = code_of("sync.rs");
    let of_enum = code.iter().skip_while(|line| !line.starts_with("pub enum Weakness"));
    let variants = of_enum.skip(1).take_while(|line| *line != "}");
    let variants: BTreeSet<_> = variants
        .map(|line| line.trim_end_matches(',').to_owned())
        .filter(|v| !v.is_empty())
        .collect();
    let caught = rows().filter_map(|row| match row.shown {
        Shown::Caught(weakness, ..) => Some((row, format!("{weakness:?}"))),
        Shown::NothingWeaker(_) => None,
    });
    let caught: Vec<_> = caught.collect();
    assert_eq!(caught.iter().map(|(_, name)| name.clone()).collect::<BTreeSet<_>>(), variants);
    for (row, name) in caught {
        let planted = format!("Weakness::{name})");
        let code = if row.line.contains("fn ") { body_of(row) } else { code_of(row.file) };
        assert!(code.iter().any(|line| line.contains(&planted)), "{name} is nowhere in {row:?}");
    }
}

/// The lines of a function.
fn body_of(row: &Row) -> Vec<String> {
    let text = std::fs::read_to_string(sources().join(row.file)).expect("a source");
    let from = text.lines().skip_while(|line| !line.trim_start().starts_with(row.line));
    let mut from = from.peekable();
    let first = from.peek().unwrap_or_else(|| panic!("{} is not in {}", row.line, row.file));
    let end = format!("{}}}", &first[..first.len() - first.trim_start().len()]);
    from.take_while(|line| **line != end).map(str::to_owned).collect()
}
