//! The model and the real code share nothing, so that neither can repeat a mistake of the other unnoticed: no package,
//! no type, no file.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

const MODEL: &str = "webrtc-server-model";
const IMPL: &str = "webrtc-server";
/// What the model must not know: sockets and DTLS.
const FORBIDDEN: [&str; 2] = ["openssl", "mio"];

fn workspace() -> PathBuf {
    let model = Path::new(env!("CARGO_MANIFEST_DIR"));
    model.parent().expect("the model is a member of a workspace").to_owned()
}

/// What cargo makes of the manifests: inherited, renamed and platform-specific dependencies included.
fn members() -> Vec<Value> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut command = Command::new(cargo);
    command.args(["metadata", "--no-deps", "--offline", "--format-version", "1"]);
    let output = command.current_dir(workspace()).output().expect("cargo runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let metadata: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    metadata["packages"].as_array().expect("packages").clone()
}

/// Every package that a member names as a dependency of any kind, and those that its dependencies name if they are
/// members too.
fn dependencies(members: &[Value], package: &str) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    let mut open = vec![package.to_owned()];
    while let Some(name) = open.pop() {
        let member = members.iter().find(|member| member["name"] == name.as_str());
        let named = member.and_then(|member| member["dependencies"].as_array());
        for dependency in named.into_iter().flatten() {
            let name = dependency["name"].as_str().expect("a name");
            if found.insert(name.to_owned()) {
                open.push(name.to_owned());
            }
        }
    }
    found
}

/// The packages of `Cargo.lock` that a package needs, and those that these need.
fn locked(package: &str) -> BTreeSet<String> {
    let lock = fs::read_to_string(workspace().join("Cargo.lock")).expect("the lock file");
    let quoted = |line: &str| line.split('"').nth(1).map(ToOwned::to_owned);
    let mut found = BTreeSet::new();
    let mut open = vec![package.to_owned()];
    while let Some(name) = open.pop() {
        let head = format!("\nname = \"{name}\"\n");
        for section in lock.split("[[package]]").filter(|section| section.contains(&head)) {
            let list = section.split("dependencies = [").nth(1).unwrap_or_default();
            // A version follows the name where several versions are locked.
            let names = list.lines().filter_map(quoted);
            let names = names.filter_map(|line| line.split(' ').next().map(ToOwned::to_owned));
            open.extend(names.filter(|name| found.insert(name.clone())));
        }
    }
    found
}

fn sources(folder: &Path, into: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            sources(&path, into);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            into.push(path);
        }
    }
}

/// Each source file of a member with its text.
fn texts(member: &str) -> Vec<(PathBuf, String)> {
    let mut files = Vec::new();
    sources(&workspace().join(member), &mut files);
    assert!(files.len() > 10, "{member} has only {} source files", files.len());
    let read = |file: PathBuf| (file.clone(), fs::read_to_string(file).expect("readable"));
    files.into_iter().map(read).collect()
}

/// Does a text name this crate? The name of the model begins like that of the real code.
fn names(text: &str, package: &str) -> bool {
    let name = package.replace('-', "_");
    let is_of_word = |c: char| c.is_alphanumeric() || c == '_';
    text.match_indices(&name).any(|(at, _)| {
        !text[..at].ends_with(is_of_word) && !text[at + name.len()..].starts_with(is_of_word)
    })
}

#[test]
fn neither_depends_on_the_other() {
    let members = members();
    let [model, real] = [MODEL, IMPL].map(|package| dependencies(&members, package));
    assert!(model.contains("stateright") && real.contains("thiserror"), "both were found");
    assert!(!model.contains(IMPL), "the model depends on the real code");
    assert!(!real.contains(MODEL), "the real code depends on the model");
    assert!(!locked(MODEL).contains(IMPL), "the model depends on the real code");
    assert!(!locked(IMPL).contains(MODEL), "the real code depends on the model");
}

#[test]
fn the_model_knows_no_socket_and_no_dtls() {
    let [named, locked] = [dependencies(&members(), MODEL), locked(MODEL)];
    assert!(locked.contains("stateright"), "the model is in the lock file");
    for package in FORBIDDEN {
        assert!(!named.contains(package), "the model depends on {package}");
        assert!(!locked.contains(package), "something that the model depends on needs {package}");
    }
}

#[test]
fn no_source_file_names_the_other_crate() {
    for (member, other) in [("model", IMPL), ("impl", MODEL)] {
        for (file, text) in texts(member) {
            assert!(!names(&text, other), "{} names {other}", file.display());
        }
    }
}

/// Code could still be shared as text.
#[test]
fn no_source_file_includes_one_of_the_other_crate() {
    for (member, other) in [("model", "impl/"), ("impl", "model/")] {
        for (file, text) in texts(member) {
            let includes = |line: &&str| line.contains("#[path") || line.contains("include");
            let reaches = |line: &str| line.contains("..") && line.contains(other);
            let line = text.lines().filter(includes).find(|line| reaches(line));
            assert_eq!(line, None, "{} reaches into the other crate", file.display());
        }
    }
}

#[test]
fn the_name_of_a_crate_is_told_from_longer_ones() {
    let [real, model] = [IMPL, MODEL].map(|package| package.replace('-', "_"));
    assert!(names(&format!("use {real}::Server;"), IMPL));
    assert!(!names(&format!("use {model}::State;"), IMPL));
    assert!(names(&format!("use {model}::State;"), MODEL));
    assert!(!names(&format!("use my_{real};"), IMPL));
}
