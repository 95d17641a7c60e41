//! Everything that is checked about one preset, as data: `check` prints it and writes it as JSON.

mod bounds;
mod config;
mod mutants;
mod parallel;
mod render;

use std::collections::BTreeMap;

use serde::Serialize;

use crate::known_bugs::KnownBug;
use crate::mutants::Mutant;
use crate::presets::Preset;
use crate::properties::{PropertyResult, properties};
use crate::trace::Trace;

pub use bounds::{Kill, KillRow, Need, NeedRow};
pub use config::{ClassesRow, ConfigRow, CyclesRow, EndingsRow, Seconds, SymmetryRow};
pub use mutants::{Breach, MutantRow, Unneeded, Why};

/// What became of a preset.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Check {
    /// The name of the preset.
    pub preset: &'static str,
    /// The mutant that was planted, to see the check fail.
    pub mutant: Option<Mutant>,
    /// Whether every `sometimes` must be reached: only the configurations of `standard` together reach all.
    pub complete: bool,
    /// The configurations.
    pub configs: Vec<ConfigRow>,
    /// The properties over all of them, in the order in which the model has them.
    pub properties: Vec<PropertyRow>,
    /// What the mutants break.
    pub mutants: Vec<MutantRow>,
    /// The `always` properties without which each mutant would still be caught.
    pub unneeded: Vec<Unneeded>,
    /// Which configurations catch which mutant.
    pub kills: Vec<KillRow>,
    /// What of its configuration each mutant needs to be caught.
    pub needs: Vec<NeedRow>,
    /// The most memory that the process had, in KiB.
    pub peak_kib: Option<u64>,
    /// What failed, in sentences.
    pub failures: Vec<String>,
}

/// One property, over all configurations.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct PropertyRow {
    /// Its name.
    pub name: &'static str,
    /// Whether it must hold in every state of every configuration, rather than in one state of one.
    pub always: bool,
    /// Whether it is as it ought to be.
    pub holds: bool,
    /// The configurations that break an `always` or show a `sometimes`.
    pub shown_in: Vec<&'static str>,
    /// How many actions lead to the nearest state that does, and in which configuration.
    pub nearest: Option<(usize, &'static str)>,
    /// These actions, for an `always` that is broken.
    pub counterexample: Option<Trace>,
}

/// Explore every configuration, judge everything on it, and explore each of these mutants: in full in the smallest
/// configuration that shows it, and as far as needed in the others.
pub fn check(preset: &Preset, bugs: &[KnownBug]) -> Check {
    let is_ours =
        |bug: &&KnownBug| preset.configs.iter().any(|config| config.name == (bug.config)().name);
    let ours: Vec<_> = bugs.iter().filter(is_ours).copied().collect();
    let mut check = check_alone(preset);
    check.mutants = parallel::map(&ours, mutants::check_mutant);
    check.unneeded = mutants::unneeded(&check);
    check.kills = bounds::kills(preset, &ours);
    check.needs = bounds::needs(&ours);
    check.peak_kib = peak_kib();
    check.failures = failures(&check);
    if preset.configs.is_empty() || bugs.is_empty() {
        check.failures.push("nothing was checked".to_owned());
    }
    check
}

/// The same without the mutants.
fn check_alone(preset: &Preset) -> Check {
    let standard = Preset::standard().configs;
    let has = |name| preset.configs.iter().any(|config| config.name == name);
    let mut results = BTreeMap::new();
    let mut configs = Vec::new();
    for config in &preset.configs {
        let (row, judged) = config::check_config(config);
        configs.push(row);
        results.insert(configs.len(), (config, judged));
    }
    let complete = standard.iter().all(|config| has(config.name));
    Check {
        preset: preset.name,
        mutant: preset.configs.first().and_then(|config| config.mutant),
        complete,
        properties: property_rows(results.into_values().collect(), complete),
        configs,
        mutants: Vec::new(),
        unneeded: Vec::new(),
        kills: Vec::new(),
        needs: Vec::new(),
        peak_kib: peak_kib(),
        failures: Vec::new(),
    }
}

/// The high-water mark of this process, where the kernel tells it.
fn peak_kib() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    peak.split_whitespace().next()?.parse().ok()
}

fn property_rows(
    results: Vec<(&crate::config::Config, Vec<PropertyResult>)>,
    complete: bool,
) -> Vec<PropertyRow> {
    let row = |index: usize, name: &'static str, always: bool| {
        let of_each = results.iter().map(|(config, judged)| (*config, &judged[index]));
        let shown: Vec<_> = of_each
            .filter_map(|(config, result)| Some((config, result.witness.as_ref()?)))
            .collect();
        let nearest = shown.iter().min_by_key(|(_, witness)| witness.len());
        PropertyRow {
            name,
            always,
            holds: if always { shown.is_empty() } else { !shown.is_empty() || !complete },
            shown_in: shown.iter().map(|(config, _)| config.name).collect(),
            nearest: nearest.map(|(config, witness)| (witness.len(), config.name)),
            counterexample: nearest.filter(|_| always).map(|(config, witness)| {
                Trace::of(config, &format!("It breaks {name}."), (*witness).clone())
            }),
        }
    };
    let all = properties().into_iter().enumerate();
    let rows = all.map(|(index, property)| {
        row(index, property.name, property.expectation.discovery_is_failure())
    });
    rows.filter(|_| !results.is_empty()).collect()
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
    for row in &check.configs {
        failures.extend(row.failures().into_iter().map(|what| format!("{}: {what}", row.name)));
    }
    for row in check.mutants.iter().filter(|row| row.survives()) {
        failures.push(format!("{:?} does not break {:?}", row.mutant, row.killed_by));
    }
    failures
}

impl Check {
    /// Every `always` property, each with a short name.
    fn always(&self) -> Vec<(&'static str, String)> {
        let always = self.properties.iter().filter(|row| row.always).map(|row| row.name);
        with_keys(&always.collect::<Vec<_>>())
    }

    /// The ways to what is violated, each with a name for its file.
    pub fn counterexamples(&self) -> Vec<(String, &Trace)> {
        let keys = self.always();
        let broken = self.properties.iter().filter(|row| !row.holds).filter_map(|row| {
            let (_, key) = keys.iter().find(|(name, _)| *name == row.name)?;
            let (_, config) = row.nearest?;
            Some((format!("{config}_{key}.itf.json"), row.counterexample.as_ref()?))
        });
        let stuck = self.configs.iter().flat_map(|row| {
            let traces = row.counterexamples().into_iter();
            traces.map(|(what, trace)| (format!("{}_{what}.itf.json", row.name), trace))
        });
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
        let mut check = check_alone(&Preset::small());
        let disagrees =
            |check: &Check| failures(check).iter().any(|why| why.contains("stateright"));
        assert!(!disagrees(&check));
        check.configs[0].edges += 1;
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
