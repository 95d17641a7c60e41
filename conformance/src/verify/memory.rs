//! The checks in memory: the model, its mutants, and lockstep.

use super::rungs::failed;
use super::{Caught, Check, Row};
use crate::lockstep::{self, MutantReport};
use crate::replay::{Target, again};
use std::collections::BTreeSet;
use webrtc_server::lifecycle::Mutant;
use webrtc_server_model::{
    Grain, Graph, KnownBug, PropertyResult, check_classes, check_commutation, check_cycles,
    check_endings, judge, run_mutant,
};

/// Every `always` on every state, and every close to its end.
pub(super) fn model(graph: &Graph, verdicts: &mut Vec<PropertyResult>) -> Row {
    *verdicts = judge(graph);
    let again = again_in_the_model(graph);
    let broken = verdicts.iter().filter(|verdict| verdict.must_always_hold() && !verdict.holds());
    let mut failures: Vec<_> = broken
        .map(|verdict| {
            format!("violated: {} by {:?}\n  {again}", verdict.property, verdict.witness)
        })
        .collect();
    if let Err(stuck) = check_endings(graph) {
        failures.push(format!("{stuck:?}\n  {again}"));
    }
    if let Err(cycle) = check_cycles(graph) {
        failures.push(format!("{cycle:?}\n  {again}"));
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

/// The model alone explores and checks a configuration in the same way, and keeps the counterexamples.
fn again_in_the_model(graph: &Graph) -> String {
    format!("again: cargo check-model standard --config {}", graph.config().name)
}

/// The states that the model comes near enough to, in one configuration or another.
pub(super) fn reached(verdicts: &[Vec<PropertyResult>]) -> Row {
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
        check: Check::Model,
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
    let caught = report.counterexample.map(|way| Caught {
        id: bug.id,
        name: format!("{:?}", bug.mutant),
        config: Some((bug.config)().name),
        length: Some(way.len()),
    });
    Row {
        states: report.states,
        compared: 1,
        mutants: caught.into_iter().collect(),
        failures: failure.into_iter().collect(),
        ..Row::default()
    }
}

/// What makes a cover sound, on the graph that is covered: edges of a class have the same effect, and what happens to
/// different groups of transports may happen in either order. `covered`: how many classes the cover has that is
/// replayed.
pub(super) fn classes(graph: &Graph, covered: Option<usize>) -> Row {
    let (mut compared, mut found, mut failures) = (0, 0, Vec::new());
    let again = again_in_the_model(graph);
    match check_classes(Grain::Read, graph) {
        Ok(classes) => {
            (found, compared) = (classes, graph.edges().len());
            failures.extend(other_cover(classes, covered));
        }
        Err(conflict) => {
            failures.push(format!("two edges of a class differ: {conflict:?}\n  {again}"));
        }
    }
    match check_commutation(graph) {
        Ok(pairs) => compared += pairs,
        Err(order) => failures.push(format!("the order matters: {order:?}\n  {again}")),
    }
    Row {
        states: graph.states().len(),
        transitions: graph.edges().len(),
        classes: found,
        compared,
        things: "effects of a class, orders of two actions",
        failures,
        ..Row::default()
    }
}

/// The classes that are replayed must be those that were found sound.
fn other_cover(found: usize, covered: Option<usize>) -> Option<String> {
    let other = covered.filter(|covered| *covered != found);
    other.map(|covered| format!("{found} classes were checked, and the cover is of {covered}"))
}

/// Every edge of the model on the real core.
pub(super) fn in_lockstep(graph: &Graph, mutant: Option<Mutant>) -> Row {
    match lockstep::run(graph, mutant, &mut |_, _| {}) {
        Ok(run) => {
            let found = run.divergences.iter().map(|divergence| {
                let again = again(Target::Core, graph.config(), &divergence.way(), mutant);
                format!("{divergence}  {again}")
            });
            let mut failures: Vec<_> = found.collect();
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

/// Every mistake of the core shows in lockstep with some configuration. `errors`: why it could not be looked for.
pub(super) fn killed(kills: &[MutantReport], errors: Vec<String>) -> Row {
    let survivors = kills.iter().filter(|kill| kill.detection.is_none());
    Row {
        check: Check::Mutants,
        of: "the core, lockstep".to_owned(),
        compared: kills.len(),
        things: "mutants",
        mutants: kills.iter().filter_map(caught).collect(),
        failures: survivors.map(ToString::to_string).chain(errors).collect(),
        ..Row::default()
    }
}

fn caught(report: &MutantReport) -> Option<Caught> {
    let MutantReport { mutant, detection } = report;
    let found = detection.as_ref()?;
    let (config, length) = (Some(found.config), Some(found.length()));
    Some(Caught { id: mutant.id(), name: format!("{mutant:?}"), config, length })
}

#[cfg(test)]
mod tests {
    use super::*;
    use webrtc_server_model::Config;

    #[test]
    fn a_cover_of_other_classes_than_were_checked_is_a_failure() {
        let graph = Graph::explore(&Config::small());
        let alone = classes(&graph, None);
        assert!(alone.classes > 0 && !alone.has_failed(), "{alone:?}");
        assert!(!classes(&graph, Some(alone.classes)).has_failed());
        assert!(classes(&graph, Some(alone.classes + 1)).has_failed());
    }
}
