//! Traces in, report out.

use std::collections::HashSet;
use std::time::{Duration, Instant};
use webrtc_server::lifecycle::Mutant;
use webrtc_server_model::{
    Action, Config, EdgeClass, Grain, Graph, State, cover, cover_edges, edge_classes, step,
};

use super::compare::Expected;
use super::report::{Divergence, Finding, Harness, Replay, ReplayError};
use super::stage::{Stage, Wardrobe};

/// After so many divergences the run ends: the first says what is wrong.
const DIVERGENCES_MAX: usize = 5;

/// Whether open descriptors of the process are counted before and after each trace.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Descriptors {
    /// They are (on Linux): no other thread may open or close any meanwhile.
    Counted,
    /// They are not.
    Ignored,
}

/// What is to be replayed.
#[derive(Debug)]
pub struct Plan<'a> {
    graph: &'a Graph,
    grain: Grain,
    traces: Vec<Vec<Action>>,
    mutant: Option<Mutant>,
    descriptors: Descriptors,
    budget: Option<Duration>,
}

impl<'a> Plan<'a> {
    /// These traces of the graph's configuration.
    #[must_use]
    pub fn traces(graph: &'a Graph, traces: Vec<Vec<Action>>) -> Self {
        let descriptors = Descriptors::Ignored;
        Plan { graph, grain: Grain::Read, traces, mutant: None, descriptors, budget: None }
    }

    /// Every edge of the graph.
    #[must_use]
    pub fn edges(graph: &'a Graph) -> Self {
        Self::traces(graph, cover_edges(graph).traces)
    }

    /// An edge of every class of the graph, by what its action reads.
    #[must_use]
    pub fn classes(graph: &'a Graph) -> Self {
        Self::traces(graph, cover(Grain::Read, graph).traces)
    }

    /// With a defect in the core.
    #[must_use]
    pub fn with_mutant(self, mutant: Mutant) -> Self {
        Plan { mutant: Some(mutant), ..self }
    }

    /// With or without the descriptors.
    #[must_use]
    pub fn with_descriptors(self, descriptors: Descriptors) -> Self {
        Plan { descriptors, ..self }
    }

    /// For about so long: no trace is begun later, and what was left out shows in the report.
    #[must_use]
    pub fn within(self, budget: Duration) -> Self {
        Plan { budget: Some(budget), ..self }
    }

    /// How many traces there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.traces.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.traces.is_empty()
    }
}

/// Every edge of the model's small configuration.
///
/// # Errors
///
/// As [`replay`].
pub fn replay_small(
    descriptors: Descriptors,
    progress: &mut dyn FnMut(usize, usize),
) -> Result<Replay, ReplayError> {
    let graph = Graph::explore(&Config::small());
    replay(&Plan::edges(&graph).with_descriptors(descriptors), progress)
}

/// Every class of edges of the model's standard configuration, as far as the time allows.
///
/// # Errors
///
/// As [`replay`].
pub fn replay_standard(
    descriptors: Descriptors,
    budget: Duration,
    progress: &mut dyn FnMut(usize, usize),
) -> Result<Replay, ReplayError> {
    let graph = Graph::explore(&Config::standard());
    replay(&Plan::classes(&graph).with_descriptors(descriptors).within(budget), progress)
}

/// Performs traces on the real stack, or on one with a defect, and compares after every step. `progress` is told how many
/// of all traces are done.
///
/// A trace ends at its first divergence.
///
/// # Errors
///
/// [`ReplayError`] when nothing was compared, or the stage could not do its part.
pub fn replay(
    plan: &Plan<'_>,
    progress: &mut dyn FnMut(usize, usize),
) -> Result<Replay, ReplayError> {
    if plan.traces.is_empty() || plan.traces.iter().all(Vec::is_empty) {
        return Err(ReplayError::NothingToCompare);
    }
    let began = Instant::now();
    let failed = |error: Harness| harness(&[], 0, &error);
    let mut run = Run::new(plan, Wardrobe::new().map_err(failed)?);
    for trace in &plan.traces {
        let is_late = plan.budget.is_some_and(|budget| began.elapsed() >= budget);
        if is_late || run.replay.divergences.len() >= DIVERGENCES_MAX {
            break;
        }
        run.trace(trace)?;
        run.replay.traces += 1;
        progress(run.replay.traces, plan.traces.len());
    }
    Ok(Replay {
        classes_covered: run.classes.len(),
        edges_covered: run.edges.len(),
        seconds: began.elapsed().as_secs_f64(),
        ..run.replay
    })
}

struct Run<'a> {
    plan: &'a Plan<'a>,
    wardrobe: Wardrobe,
    classes: HashSet<EdgeClass>,
    /// By the state that they leave.
    edges: HashSet<(u32, Action)>,
    replay: Replay,
}

impl<'a> Run<'a> {
    fn new(plan: &'a Plan<'a>, wardrobe: Wardrobe) -> Self {
        let graph = plan.graph;
        let classes: HashSet<EdgeClass> = graph
            .edges()
            .iter()
            .flat_map(|e| edge_classes(plan.grain, &graph.states()[e.from as usize], e.action))
            .collect();
        let replay = Replay {
            config: graph.config().clone(),
            traces: 0,
            traces_planned: plan.traces.len(),
            steps: 0,
            handshakes: 0,
            comparisons: 0,
            classes_covered: 0,
            classes_total: classes.len(),
            edges_covered: 0,
            edges_total: graph.edges().len(),
            divergences: Vec::new(),
            seconds: 0.0,
        };
        Run { plan, wardrobe, classes: HashSet::new(), edges: HashSet::new(), replay }
    }

    /// Performs one trace on a stage of its own, and counts the descriptors before and after.
    fn trace(&mut self, trace: &[Action]) -> Result<(), ReplayError> {
        let before = open_descriptors(self.plan.descriptors);
        let agreed = self.perform(trace)?;
        let after = open_descriptors(self.plan.descriptors);
        self.replay.comparisons += usize::from(before.is_some());
        if agreed && before != after {
            let finding = Finding::new("open descriptors after the trace", &before, &after);
            self.diverge(trace, None, vec![finding]);
        }
        Ok(())
    }

    /// Whether all steps agreed.
    fn perform(&mut self, trace: &[Action]) -> Result<bool, ReplayError> {
        let config = self.plan.graph.config();
        let (mut state, mut at) = (State::initial(config), 0_u32);
        let mut stage = Stage::new(config, &self.wardrobe, self.plan.mutant)
            .map_err(|error| harness(trace, 0, &error))?;
        for (index, action) in trace.iter().enumerate() {
            let failed = |error: Harness| harness(trace, index + 1, &error);
            let next = self.plan.graph.successor(at, *action);
            let (Some((after, effects)), Some(next)) = (step(config, &state, *action), next) else {
                return Err(ReplayError::NotATrace {
                    trace: trace[..index].to_vec(),
                    action: *action,
                });
            };
            let got = stage.take(&state, *action).map_err(failed)?;
            let expected = Expected { config, before: &state, effects: &effects, after: &after };
            self.replay.comparisons += stage.compare(&expected, &got).map_err(failed)?;
            self.replay.steps += 1;
            if !stage.findings.is_empty() {
                let findings = std::mem::take(&mut stage.findings);
                self.replay.handshakes += stage.handshakes;
                self.diverge(&trace[..index], Some(*action), findings);
                return Ok(false);
            }
            self.classes.extend(edge_classes(self.plan.grain, &state, *action));
            self.edges.insert((at, *action));
            (state, at) = (after, next);
        }
        self.replay.comparisons +=
            stage.probe(&state).map_err(|error| harness(trace, trace.len(), &error))?;
        self.replay.handshakes += stage.handshakes;
        let agreed = stage.findings.is_empty();
        if !agreed {
            self.diverge(trace, None, std::mem::take(&mut stage.findings));
        }
        Ok(agreed)
    }

    fn diverge(&mut self, trace: &[Action], action: Option<Action>, findings: Vec<Finding>) {
        self.replay.divergences.push(Divergence { trace: trace.to_vec(), action, findings });
    }
}

fn harness(trace: &[Action], step: usize, error: &Harness) -> ReplayError {
    ReplayError::Harness { trace: trace.to_vec(), step, what: error.to_string() }
}

/// `None` where there is no such list, or nobody asks.
fn open_descriptors(descriptors: Descriptors) -> Option<usize> {
    match descriptors {
        Descriptors::Counted => Some(std::fs::read_dir("/proc/self/fd").ok()?.count()),
        Descriptors::Ignored => None,
    }
}
