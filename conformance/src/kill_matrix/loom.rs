//! In which race loom catches which weakness of what crosses threads. Only a build for loom can explore them: here the
//! table is read that `loom-tests` keeps current.

use std::fs;
use std::io;
use std::path::Path;

/// The list of weaknesses, and what each exploration came to, in the workspace.
const LIST: &str = "impl/src/sync.rs";
const SCENARIOS: &str = "loom-tests/scenarios.md";

/// A place where what crosses threads can be made wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Weakness {
    pub(super) name: String,
    pub(super) about: String,
    /// The races in which it is caught.
    pub(super) caught_by: Vec<String>,
}

/// Every weakness that can be asked for.
pub(super) fn weaknesses(workspace: &Path) -> io::Result<Vec<Weakness>> {
    let list = fs::read_to_string(workspace.join(LIST))?;
    let scenarios = fs::read_to_string(workspace.join(SCENARIOS))?;
    let mut weaknesses = listed(&list);
    for weakness in &mut weaknesses {
        weakness.caught_by = catching(&scenarios, &weakness.name);
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

/// The races that the table names beside a weakness.
fn catching(scenarios: &str, weakness: &str) -> Vec<String> {
    let head = format!("| {weakness} | ");
    let rows = scenarios.lines().filter_map(|line| line.strip_prefix(&head));
    rows.filter_map(|row| row.split(" | ").next()).map(str::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_weakness_that_no_race_shows_is_caught_by_none() {
        let list = "pub enum Weakness {\n    /// One\n    /// thing.\n    A,\n    /// Another.\n    B,\n}\n";
        let scenarios = "| A | two against one | 7 | nobody waits |\n| AB | none | 1 | - |\n";
        let found = listed(list);
        let about: Vec<_> = found.iter().map(|weakness| weakness.about.as_str()).collect();
        assert_eq!(about, ["One thing.", "Another."]);
        assert_eq!(catching(scenarios, &found[0].name), ["two against one"]);
        assert!(catching(scenarios, &found[1].name).is_empty());
    }
}
