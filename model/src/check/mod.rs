//! Everything that is checked about one preset, as data: `check` prints it and writes it as JSON.

mod mutants;
mod render;

use std::time::Instant;

use serde::Serialize;
use stateright::{Checker, Model};

use crate::config::Config;
use crate::endings::{Endings, check_endings};
use crate::explore::Graph;
use crate::model::LifecycleModel;
use crate::mutants::{KnownBug, Mutant};
use crate::properties::{Verdict, judge};
use crate::trace::Trace;

pub use mutants::{Breach, MutantRow, Need, Unneeded};

/// What became of a configuration.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Check {
    /// The name of the preset.
    pub preset: &'static str,
    /// The mistake that was planted, to see the check fail.
    pub mutant: Option<Mutant>,
    /// States of the model.
    pub states: usize,
    /// Steps between them.
    pub edges: usize,
    /// How long that took.
    pub speed: Speed,
    /// The properties, in the order in which the model has them.
    pub properties: Vec<PropertyRow>,
    /// Whether every close ends.
    pub endings: EndingsRow,
    /// What the known mistakes break.
    pub mutants: Vec<MutantRow>,
    /// The `always` properties without which each mistake would still be caught.
    pub unneeded: Vec<Unneeded>,
    /// What failed, in sentences.
    pub failures: Vec<String>,
}

/// Time and memory.
#[derive(Clone, Copy, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Speed {
    /// To explore the graph.
    pub explore_seconds: f64,
    /// To judge every property on it.
    pub judge_seconds: f64,
    /// To check that every close ends.
    pub endings_seconds: f64,
    /// What stateright's breadth-first search takes, on one thread, to explore and judge the same.
    pub stateright_seconds: f64,
    /// How many states and steps stateright counted.
    pub stateright_size: (usize, usize),
    /// The most memory that the process had when the three checks above were done, in KiB.
    pub peak_kib: Option<u64>,
}

/// One property.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct PropertyRow {
    /// Its name.
    pub name: &'static str,
    /// Whether it must hold in every state, rather than in one.
    pub always: bool,
    /// Whether it is as it ought to be.
    pub holds: bool,
    /// How many actions lead to the first state that breaks an `always` or shows a `sometimes`.
    pub length: Option<usize>,
    /// These actions, for an `always` that is broken.
    pub counterexample: Option<Trace>,
}

/// The check of all endings.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase", untagged)]
pub enum EndingsRow {
    /// Every close ends.
    All {
        /// States in which the server is not open.
        closing_states: usize,
        /// States that nothing leads out of.
        final_states: usize,
        /// No shutdown takes more steps than this.
        largest_rank: u32,
    },
    /// One does not.
    Stuck {
        /// What is wrong.
        what: &'static str,
        /// The way to where it shows.
        counterexample: Trace,
    },
}

/// Explore a configuration, judge everything on it, and explore each of these mistakes in full.
pub fn check(config: &Config, bugs: &[KnownBug]) -> Check {
    let mut check = check_alone(config);
    check.mutants = bugs.iter().map(mutants::check_mutant).collect();
    check.unneeded = mutants::unneeded(&check);
    check.failures = failures(&check);
    check
}

/// The same without the mutants.
fn check_alone(config: &Config) -> Check {
    let begun = Instant::now();
    let graph = Graph::explore(config);
    let explore_seconds = begun.elapsed().as_secs_f64();
    let begun = Instant::now();
    let verdicts = judge(&graph);
    let judge_seconds = begun.elapsed().as_secs_f64();
    let begun = Instant::now();
    let endings = endings(&graph);
    let endings_seconds = begun.elapsed().as_secs_f64();
    let peak_kib = peak_kib();
    let (stateright_seconds, stateright_size) = run_stateright(config);
    Check {
        preset: config.name,
        mutant: config.mutant,
        states: graph.states().len(),
        edges: graph.edges().len(),
        speed: Speed {
            explore_seconds,
            judge_seconds,
            endings_seconds,
            stateright_seconds,
            stateright_size,
            peak_kib,
        },
        properties: properties(config, verdicts),
        endings,
        mutants: Vec::new(),
        unneeded: Vec::new(),
        failures: Vec::new(),
    }
}

/// On one thread. Stateright counts the initial state among what it generates; that is taken off.
fn run_stateright(config: &Config) -> (f64, (usize, usize)) {
    let begun = Instant::now();
    let checker = LifecycleModel(config.clone()).checker().threads(1).spawn_bfs().join();
    let size = (checker.unique_state_count(), checker.state_count() - 1);
    (begun.elapsed().as_secs_f64(), size)
}

/// The high-water mark of this process, where the kernel tells it.
fn peak_kib() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    peak.split_whitespace().next()?.parse().ok()
}

fn endings(graph: &Graph) -> EndingsRow {
    match check_endings(graph) {
        Ok(Endings { closing_states, final_states, largest_rank }) => {
            EndingsRow::All { closing_states, final_states, largest_rank }
        }
        Err(stuck) => EndingsRow::Stuck {
            what: stuck.what,
            counterexample: Trace::of(graph.config(), stuck.what, stuck.path),
        },
    }
}

fn properties(config: &Config, verdicts: Vec<Verdict>) -> Vec<PropertyRow> {
    let row = |verdict: Verdict| {
        let always = verdict.must_always_hold();
        let name = verdict.property;
        PropertyRow {
            name,
            always,
            holds: verdict.holds(),
            length: verdict.witness.as_ref().map(Vec::len),
            counterexample: verdict
                .witness
                .filter(|_| always)
                .map(|actions| Trace::of(config, &format!("It breaks {name}."), actions)),
        }
    };
    verdicts.into_iter().map(row).collect()
}

/// A short name for each property: its ID, with a letter where several have the same.
fn with_keys(names: &[&'static str]) -> Vec<(&'static str, String)> {
    let id = |name: &'static str| name.split(' ').next().unwrap_or(name);
    let key = |(index, name): (usize, &&'static str)| {
        let same = |others: &[&'static str]| others.iter().filter(|o| id(o) == id(name)).count();
        let letter = (b'a' + same(&names[..index]) as u8) as char;
        let letter = if same(names) > 1 { letter.to_string() } else { String::new() };
        (*name, format!("{}{letter}", id(name)))
    };
    names.iter().enumerate().map(key).collect()
}

fn failures(check: &Check) -> Vec<String> {
    let mut failures = Vec::new();
    for row in check.properties.iter().filter(|row| !row.holds) {
        let verb = if row.always { "is violated" } else { "is never reached" };
        failures.push(format!("{:?} {verb}", row.name));
    }
    if let EndingsRow::Stuck { what, .. } = check.endings {
        failures.push(what.to_owned());
    }
    if check.properties.is_empty() || check.mutants.is_empty() {
        failures.push("nothing was checked".to_owned());
    }
    let size = (check.states, check.edges);
    if check.mutant.is_none() && size != check.speed.stateright_size {
        let other = check.speed.stateright_size;
        failures.push(format!("stateright counts {other:?} states and edges, not {size:?}"));
    }
    for row in check.mutants.iter().filter(|row| row.survives()) {
        failures.push(format!("{:?} does not break {:?}", row.mutant, row.killed_by));
    }
    failures
}

impl Check {
    /// Every `always` property of the preset, then those that only a mutant's preset has, each with
    /// a short name.
    fn always(&self) -> Vec<(&'static str, String)> {
        let own = self.properties.iter().filter(|row| row.always).map(|row| row.name);
        let mut names: Vec<_> = own.collect();
        for name in self.mutants.iter().flat_map(MutantRow::properties) {
            if !names.contains(&name) {
                names.push(name);
            }
        }
        with_keys(&names)
    }

    /// The ways to what is violated, each with a name for its file.
    pub fn counterexamples(&self) -> Vec<(String, &Trace)> {
        let keys = self.always();
        let broken = self.properties.iter().filter(|row| !row.holds).filter_map(|row| {
            let (_, key) = keys.iter().find(|(name, _)| *name == row.name)?;
            Some((format!("{}_{key}.json", self.preset), row.counterexample.as_ref()?))
        });
        let stuck = match &self.endings {
            EndingsRow::All { .. } => None,
            EndingsRow::Stuck { counterexample, .. } => {
                Some((format!("{}_endings.json", self.preset), counterexample))
            }
        };
        broken.chain(stuck).collect()
    }

    /// Did anything fail?
    pub fn has_failed(&self) -> bool {
        !self.failures.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn another_size_than_stateright_counts_is_a_failure() {
        let mut check = check_alone(&Config::small());
        let disagrees =
            |check: &Check| failures(check).iter().any(|why| why.contains("stateright"));
        assert!(!disagrees(&check));
        check.edges += 1;
        assert!(disagrees(&check));
    }

    #[test]
    fn properties_with_the_same_id_have_letters() {
        let keys = with_keys(&["S1 one", "L1 one", "L1 another"]);
        let keys: Vec<_> = keys.iter().map(|(_, key)| key.as_str()).collect();
        assert_eq!(keys, ["S1", "L1a", "L1b"]);
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn linux_tells_the_peak() {
        assert!(peak_kib().is_some_and(|kib| kib > 0));
    }
}
