//! Which properties each mutant breaks, and which of them it takes to catch all mutants.

use serde::Serialize;

use super::Check;
use crate::cycles::check_cycles;
use crate::endings::check_endings;
use crate::explore::Graph;
use crate::known_bugs::KnownBug;
use crate::mutants::Mutant;
use crate::properties::judge;
use crate::trace::Trace;

/// What one mutant breaks among all states that can be reached with it.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct MutantRow {
    /// The mutant.
    pub mutant: Mutant,
    /// Its number in the list of known bugs.
    pub id: &'static str,
    /// The smallest configuration that shows it.
    pub config: &'static str,
    /// How many states there are with it.
    pub states: usize,
    /// The property that ought to catch it.
    pub killed_by: &'static str,
    /// Every `always` property that it breaks.
    pub breaks: Vec<Breach>,
    /// How long the way is to a state from which its closing does not end, if there is one.
    pub stuck_after: Option<usize>,
    /// How long the way is to where a fair run stays for ever where it ought to leave, if there is one.
    pub stays_after: Option<usize>,
    /// A shortest way to break the property that ought to catch it.
    pub counterexample: Option<Trace>,
}

/// One property that a mutant breaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Breach {
    /// The property.
    pub property: &'static str,
    /// How many actions the shortest counterexample takes.
    pub length: usize,
}

/// A property that no mutant needs, and why.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Unneeded {
    /// The property.
    pub property: &'static str,
    /// Why no mutant needs it.
    pub why: Why,
    /// The mutants that break it.
    pub broken_by: Vec<Mutant>,
}

/// Why a property is not needed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Why {
    /// No mutant breaks it.
    NeverBroken,
    /// Whatever breaks it ought to be caught by another property, and is.
    CaughtByOthers,
}

impl MutantRow {
    /// How soon it breaks a property, if it does.
    pub fn breaks(&self, property: &str) -> Option<usize> {
        self.breaks.iter().find(|breach| breach.property == property).map(|breach| breach.length)
    }

    /// Does it go unnoticed by the property that ought to catch it?
    pub fn survives(&self) -> bool {
        self.breaks(self.killed_by).is_none()
    }
}

/// Explore a mutant in full.
pub(super) fn check_mutant(bug: &KnownBug) -> MutantRow {
    let config = (bug.config)().with_mutant(bug.mutant);
    let graph = Graph::explore(&config);
    let mut breaks = Vec::new();
    let mut counterexample = None;
    for result in judge(&graph).into_iter().filter(|result| result.must_always_hold()) {
        let Some(actions) = result.witness else { continue };
        breaks.push(Breach { property: result.property, length: actions.len() });
        if result.property == bug.killed_by {
            counterexample = Some(Trace::of(&config, bug.description, actions));
        }
    }
    MutantRow {
        mutant: bug.mutant,
        id: bug.id,
        config: config.name,
        states: graph.states().len(),
        killed_by: bug.killed_by,
        breaks,
        stuck_after: check_endings(&graph).err().map(|stuck| stuck.path.len()),
        stays_after: check_cycles(&graph).err().map(|found| found.path.len()),
        counterexample,
    }
}

/// The `always` properties of a check that are neither expected to catch a mutant nor alone in
/// catching one.
pub(super) fn unneeded(check: &Check) -> Vec<Unneeded> {
    let is_needed = |property: &str| {
        check.mutants.iter().any(|row| {
            let is_alone = row.breaks.len() == 1 && row.breaks(property).is_some();
            row.killed_by == property || is_alone
        })
    };
    let reason = |property: &'static str| {
        let breaking = check.mutants.iter().filter(|row| row.breaks(property).is_some());
        let broken_by: Vec<_> = breaking.map(|row| row.mutant).collect();
        let why = if broken_by.is_empty() { Why::NeverBroken } else { Why::CaughtByOthers };
        Unneeded { property, why, broken_by }
    };
    let names = check.always().into_iter().map(|(name, _)| name);
    names.filter(|property| !is_needed(property)).map(reason).collect()
}
