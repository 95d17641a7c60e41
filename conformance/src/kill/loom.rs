//! Which loom test catches which weakness of what crosses threads. Only a build for loom can run them: here it is read
//! from the sources which tests there are, and `loom-tests` runs each of them.

use std::fs;
use std::io;
use std::path::Path;

/// The list of weaknesses, and the folder of the tests, in the workspace.
const LIST: &str = "impl/src/sync.rs";
const TESTS: &str = "loom-tests/tests";

/// A place where what crosses threads can be made wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Weakness {
    pub(super) name: String,
    pub(super) about: String,
    /// The tests that demand to see it caught.
    pub(super) caught_by: Vec<String>,
}

/// Every weakness that can be asked for.
pub(super) fn weaknesses(workspace: &Path) -> io::Result<Vec<Weakness>> {
    let list = fs::read_to_string(workspace.join(LIST))?;
    let mut files: Vec<_> = fs::read_dir(workspace.join(TESTS))?
        .map(|entry| entry.map(|entry| entry.path()))
        .collect::<io::Result<_>>()?;
    files.sort();
    let tests: Vec<_> = files.iter().map(fs::read_to_string).collect::<io::Result<_>>()?;
    let mut weaknesses = listed(&list);
    for weakness in &mut weaknesses {
        let caught_by = tests.iter().flat_map(|file| catching(file, &weakness.name));
        weakness.caught_by = caught_by.collect();
    }
    Ok(weaknesses)
}

/// The variants of the enum, each with what is said of it.
fn listed(source: &str) -> Vec<Weakness> {
    let body = source.split("pub enum Weakness {").nth(1).and_then(|rest| rest.split('}').next());
    let (mut about, mut found) = (Vec::new(), Vec::new());
    for line in body.unwrap_or_default().lines().map(str::trim) {
        match (line.strip_prefix("/// "), line.strip_suffix(',')) {
            (Some(words), _) => about.push(words),
            (None, Some(name)) => {
                let (name, about) = (name.to_owned(), std::mem::take(&mut about).join(" "));
                found.push(Weakness { name, about, caught_by: Vec::new() });
            }
            (None, None) => {}
        }
    }
    found
}

/// The tests of a file that demand to see a weakness caught.
fn catching(file: &str, weakness: &str) -> Vec<String> {
    let demand = format!("caught(Weakness::{weakness},");
    let tests = file.split("#[test]").skip(1).filter(|test| test.contains(&demand));
    let names = tests.filter_map(|test| test.split("fn ").nth(1)?.split('(').next());
    names.map(str::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_weakness_that_no_test_demands_is_caught_by_none() {
        let list = "pub enum Weakness {\n    /// One\n    /// thing.\n    A,\n    /// Another.\n    B,\n}\n";
        let file = "#[test]\nfn shown() {\n    explore();\n}\n#[test]\nfn a_is_caught() {\n    caught(Weakness::A, race);\n}\n";
        let found = listed(list);
        let about: Vec<_> = found.iter().map(|weakness| weakness.about.as_str()).collect();
        assert_eq!(about, ["One thing.", "Another."]);
        assert_eq!(catching(file, &found[0].name), ["a_is_caught"]);
        assert!(catching(file, &found[1].name).is_empty());
    }
}
