//! The checks on real sockets with real OpenSSL: replay, and what the mutants of the core do there.

use super::rungs::{failed, timed};
use super::{Progress, Row};
use crate::lockstep::{Found, Kill};
use crate::replay::{self, Descriptors, Plan, ReplayError};
use webrtc_server::lifecycle::Mutant;
use webrtc_server_model::{Action, Config, Graph, Preset};

/// Every edge of this one is replayed, of the others one of each class.
const EVERY_EDGE: &str = "small";
/// Mistakes that lockstep sees in an input that comes too late, for which the model has no action in so small a
/// configuration: replay needs one that has.
const ELSEWHERE: [(Mutant, &str); 1] = [(Mutant::RegistrationLeft, "owner")];

/// The shortest way to see a mistake in lockstep, walked on real sockets with the same mistake.
pub(super) fn killed_on_sockets(
    kills: &[Kill],
    graphs: &[Graph],
    progress: &mut dyn Progress,
) -> Row {
    progress.begin("mutants of the core, replay");
    timed("mutants", "the core, replay", || {
        let mut row = Row { things: "mutants", ..Row::default() };
        for (done, kill) in kills.iter().enumerate() {
            progress.at(done, kills.len());
            let Some(found) = &kill.found else { continue };
            let elsewhere = ELSEWHERE.iter().find(|(mutant, _)| *mutant == kill.mutant);
            let name = elsewhere.map_or(found.config, |(_, config)| config);
            let Some(graph) = graphs.iter().find(|graph| graph.config().name == name) else {
                continue;
            };
            row.compared += 1;
            let plan = match elsewhere {
                Some(_) => Plan::classes(graph),
                None => Plan::traces(graph.config(), vec![way_to(found)]),
            };
            match diverges(plan, kill.mutant) {
                Ok(true) => {}
                Ok(false) => row.failures.push(format!("{:?} survives replay", kill.mutant)),
                Err(error) => row.failures.push(format!("{:?}: {error}", kill.mutant)),
            }
        }
        row
    })
}

fn way_to(found: &Found) -> Vec<Action> {
    found.divergence.trace.iter().copied().chain(found.divergence.action).collect()
}

fn diverges(plan: Result<Plan, ReplayError>, mutant: Mutant) -> Result<bool, ReplayError> {
    let plan = plan?.with_mutant(mutant);
    Ok(!replay::replay(&plan, &mut |_, _| {})?.divergences.is_empty())
}

/// The edges of a model on real sockets and real OpenSSL.
pub(super) fn replayed(graph: &Graph, progress: &mut dyn Progress) -> Row {
    let name = graph.config().name;
    let (of, plan) = match name == EVERY_EDGE {
        true => (format!("{name}, every edge"), Plan::edges(graph)),
        false => (format!("{name}, every class"), Plan::classes(graph)),
    };
    progress.begin(&format!("replay {of}"));
    timed("replay", &of, || {
        let plan = plan.map(|plan| plan.with_descriptors(Descriptors::Counted));
        match plan.and_then(|plan| replay::replay(&plan, &mut |done, all| progress.at(done, all))) {
            Ok(run) => row_of(&run),
            Err(error @ ReplayError::Unsupported { .. }) => {
                Row { skipped: Some(error.to_string()), ..Row::default() }
            }
            Err(error) => failed(&error),
        }
    })
}

fn row_of(run: &replay::Replay) -> Row {
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

/// The configurations of the model that are not replayed here.
pub(super) fn left_out(graphs: &[Graph]) -> Vec<Row> {
    let mut configs = Preset::nightly().configs;
    configs.retain(|config| graphs.iter().all(|graph| graph.config() != config));
    let row = |config: Config| {
        let why = match replay::check_support(&config) {
            Ok(()) => format!("{} is a configuration for every night", config.name),
            Err(error) => error.to_string(),
        };
        let of = config.name.to_owned();
        Row { check: "replay", of, skipped: Some(why), ..Row::default() }
    };
    configs.into_iter().map(row).collect()
}
