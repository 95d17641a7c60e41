//! The checks in memory: the model, its mutants, and lockstep.

use super::Row;
use super::rungs::failed;
use crate::lockstep::{self, Kill};
use std::collections::BTreeSet;
use webrtc_server_model::{
    Graph, KnownBug, Verdict, check_cycles, check_endings, judge, run_mutant,
};

/// Every `always` on every state, and every close to its end.
pub(super) fn model(graph: &Graph, verdicts: &mut Vec<Verdict>) -> Row {
    *verdicts = judge(graph);
    let broken = verdicts.iter().filter(|verdict| verdict.must_always_hold() && !verdict.holds());
    let mut failures: Vec<_> = broken
        .map(|verdict| format!("violated: {} by {:?}", verdict.property, verdict.witness))
        .collect();
    if let Err(stuck) = check_endings(graph) {
        failures.push(format!("{stuck:?}"));
    }
    if let Err(cycle) = check_cycles(graph) {
        failures.push(format!("{cycle:?}"));
    }
    Row {
        states: graph.states().len(),
        transitions: graph.edges().len(),
        // The endings and the fair cycles count as one more property each.
        compared: verdicts.iter().filter(|verdict| verdict.must_always_hold()).count() + 2,
        things: "invariants",
        failures,
        ..Row::default()
    }
}

/// The states that the model comes near enough to, in one configuration or another.
pub(super) fn reached(verdicts: &[Vec<Verdict>]) -> Row {
    let all: BTreeSet<_> = verdicts
        .iter()
        .flatten()
        .filter(|verdict| !verdict.must_always_hold())
        .map(|verdict| verdict.property)
        .collect();
    let shown: BTreeSet<_> = verdicts
        .iter()
        .flatten()
        .filter(|verdict| !verdict.must_always_hold() && verdict.holds())
        .map(|verdict| verdict.property)
        .collect();
    let failures = all.difference(&shown).map(|property| format!("never reached: {property}"));
    Row {
        check: "model",
        of: "all of them together".to_owned(),
        compared: all.len(),
        things: "situations that must occur",
        failures: failures.collect(),
        ..Row::default()
    }
}

/// A known bug, planted in the model, is seen by the property that ought to see it.
pub(super) fn mutant_of_the_model(bug: &KnownBug) -> Row {
    let report = run_mutant(bug);
    let failure = match report.counterexample.as_ref().map(Vec::len) {
        Some(length) if length == bug.length => None,
        Some(length) => {
            Some(format!("{} is seen after {length} steps, not after {}", bug.id, bug.length))
        }
        None => Some(format!("{} survives {}", bug.id, bug.killed_by)),
    };
    Row {
        states: report.states,
        compared: 1,
        failures: failure.into_iter().collect(),
        ..Row::default()
    }
}

/// Every edge of the model on the real core.
pub(super) fn in_lockstep(graph: &Graph) -> Row {
    match lockstep::run(graph, None, &mut |_, _| {}) {
        Ok(run) => {
            let mut failures: Vec<_> = run.divergences.iter().map(ToString::to_string).collect();
            if run.edges != graph.edges().len() {
                let (walked, all) = (run.edges, graph.edges().len());
                failures.push(format!("only {walked} of {all} transitions were walked"));
            }
            Row {
                states: run.states,
                transitions: run.edges,
                compared: run.edges + run.effects_compared,
                things: "states and effects",
                failures,
                ..Row::default()
            }
        }
        Err(error) => failed(&error),
    }
}

/// Every mistake of the core shows in lockstep with some configuration.
pub(super) fn killed(kills: &[Kill]) -> Row {
    let survivors = kills.iter().filter(|kill| kill.found.is_none());
    Row {
        check: "mutants",
        of: "the core, lockstep".to_owned(),
        compared: kills.len(),
        things: "mutants",
        failures: survivors.map(ToString::to_string).collect(),
        ..Row::default()
    }
}
