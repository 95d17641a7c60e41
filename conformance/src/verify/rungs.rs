//! Each check, as a row of the report.

use super::{Progress, Row};
use crate::{lockstep, replay};
use std::time::Instant;
use webrtc_server::lifecycle::Mutant;
use webrtc_server_model::{Graph, KNOWN_BUGS, check_endings, judge, run_mutant};

/// Every property on every state, and every close to its end.
pub(super) fn model(graph: &Graph, progress: &mut dyn Progress) -> Row {
    timed("model", graph.config().name, progress, |_| {
        let verdicts = judge(graph);
        let mut failures: Vec<_> = verdicts
            .iter()
            .filter(|verdict| !verdict.holds())
            .map(|verdict| match &verdict.witness {
                Some(trace) => format!("violated: {} by {trace:?}", verdict.property),
                None => format!("never reached: {}", verdict.property),
            })
            .collect();
        if let Err(stuck) = check_endings(graph) {
            failures.push(format!("{}: {:?}", stuck.what, stuck.path));
        }
        Row {
            states: graph.states().len(),
            transitions: graph.edges().len(),
            // The endings count as one more property.
            compared: verdicts.len() + 1,
            things: "properties",
            failures,
            ..Row::default()
        }
    })
}

/// Every known bug, planted in the model, is seen by the property that ought to see it.
pub(super) fn mutants_of_the_model(progress: &mut dyn Progress) -> Row {
    timed("mutants", "the model", progress, |progress| {
        let mut row = Row { things: "mutants", ..Row::default() };
        for (done, bug) in KNOWN_BUGS.iter().enumerate() {
            progress.at(done, KNOWN_BUGS.len());
            let report = run_mutant(bug);
            row.states += report.states;
            row.compared += 1;
            match report.counterexample.as_ref().map(Vec::len) {
                Some(length) if length == bug.length => {}
                Some(length) => row.failures.push(format!(
                    "{} is seen after {length} steps, not after {}",
                    bug.id, bug.length
                )),
                None => row.failures.push(format!("{} survives {}", bug.id, bug.killed_by)),
            }
        }
        row
    })
}

/// Every edge of the model on the real core.
pub(super) fn lockstep(graph: &Graph, progress: &mut dyn Progress) -> Row {
    timed("lockstep", graph.config().name, progress, |progress| {
        match lockstep::run(graph, None, &mut |done, total| progress.at(done, total)) {
            Ok(run) => {
                let mut failures: Vec<_> =
                    run.divergences.iter().map(ToString::to_string).collect();
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
    })
}

/// Every edge of a model on real sockets and real OpenSSL.
pub(super) fn replay_edges(graph: &Graph, progress: &mut dyn Progress) -> Row {
    let of = format!("{}, every edge", graph.config().name);
    timed("replay", &of, progress, |progress| replayed(replay::Plan::edges(graph), progress))
}

/// One edge of every class of a model on real sockets and real OpenSSL.
pub(super) fn replay_classes(graph: &Graph, progress: &mut dyn Progress) -> Row {
    let of = format!("{}, every class", graph.config().name);
    timed("replay", &of, progress, |progress| replayed(replay::Plan::classes(graph), progress))
}

/// No other thread opens anything meanwhile, so that descriptors can be counted.
fn replayed(plan: replay::Plan, progress: &mut dyn Progress) -> Row {
    let plan = plan.with_descriptors(replay::Descriptors::Counted);
    match replay::replay(&plan, &mut |done, total| progress.at(done, total)) {
        Ok(run) => {
            let mut failures: Vec<_> = run.divergences.iter().map(ToString::to_string).collect();
            if failures.is_empty() && !run.is_complete() {
                failures.push(format!(
                    "{} of {} traces and {} of {} classes were replayed",
                    run.traces, run.traces_planned, run.classes_covered, run.classes_total
                ));
            }
            Row {
                transitions: run.edges_covered,
                traces: run.traces,
                steps: run.steps,
                handshakes: run.handshakes,
                compared: run.comparisons,
                things: "states, effects, alarms, packets, callbacks",
                failures,
                ..Row::default()
            }
        }
        Err(error) => failed(&error),
    }
}

/// Every wrong variant of the real core is seen by lockstep and by replay.
pub(super) fn mutants_of_the_core(graph: &Graph, progress: &mut dyn Progress) -> Row {
    timed("mutants", "the real core", progress, |_| {
        let mut row = Row { things: "mutants x checks", ..Row::default() };
        for mutant in Mutant::ALL {
            row.compared += 2;
            match lockstep::run(graph, Some(mutant), &mut |_, _| {}) {
                Ok(run) if run.divergences.is_empty() => {
                    row.failures.push(format!("{mutant:?} survives lockstep"));
                }
                Ok(_) => {}
                Err(error) => row.failures.push(error.to_string()),
            }
            let plan = replay::Plan::classes(graph).with_mutant(mutant);
            match replay::replay(&plan, &mut |_, _| {}) {
                Ok(run) if run.divergences.is_empty() => {
                    row.failures.push(format!("{mutant:?} survives replay"));
                }
                Ok(_) => {}
                Err(error) => row.failures.push(error.to_string()),
            }
        }
        row
    })
}

fn timed(
    check: &'static str,
    of: &str,
    progress: &mut dyn Progress,
    run: impl FnOnce(&mut dyn Progress) -> Row,
) -> Row {
    progress.begin(&format!("{check} {of}"));
    let began = Instant::now();
    let row = run(progress);
    let row = Row { check, of: of.to_owned(), seconds: began.elapsed().as_secs_f64(), ..row };
    progress.end(&row);
    row
}

fn failed(error: &impl ToString) -> Row {
    Row { failures: vec![error.to_string()], ..Row::default() }
}
