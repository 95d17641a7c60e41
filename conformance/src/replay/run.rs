//! Traces in, report out.

use std::collections::HashSet;
use std::time::Instant;
use webrtc_server::lifecycle::Mutant;
use webrtc_server_model::{
    Action, Classes, Config, Cover, EdgeClass, Effect, Grain, Graph, State, cover,
    cover_combinations, cover_edges, step,
};

use super::compare::Expected;
use super::descriptors::Descriptors;
use super::perform::impossible;
use super::report::{Harness, Replay, ReplayError};
use super::shard::Shard;
use super::stage::{Stage, Wardrobe};
use super::support;
use super::things::Things;
use crate::divergence::{Divergence, Finding};
use crate::lockstep::guarded;

/// After so many divergences the run ends: the first says what is wrong.
const DIVERGENCES_MAX: usize = 5;

/// How fine the classes are: by what an action reads.
const GRAIN: Grain = Grain::Read;

/// What is to be replayed.
#[derive(Clone, Debug)]
pub struct Suite {
    config: Config,
    traces: Vec<Vec<Action>>,
    classes_total: usize,
    edges_total: usize,
    mutant: Option<Mutant>,
    descriptors: Descriptors,
    divergences_max: usize,
}

impl Suite {
    /// These traces, and nothing but what they walk.
    ///
    /// # Errors
    ///
    /// [`ReplayError::NotATrace`], [`ReplayError::Unsupported`].
    pub fn traces(config: &Config, traces: Vec<Vec<Action>>) -> Result<Self, ReplayError> {
        support::check(config)?;
        let mut walked = Walked::of(config);
        for trace in &traces {
            let mut state = State::initial(config);
            for (index, action) in trace.iter().enumerate() {
                let (after, _) = model_step(config, &state, trace, index)?;
                walked.note(&state, *action);
                state = after;
            }
        }
        Ok(Self::of(config, traces, walked.classes.len(), walked.edges.len()))
    }

    /// Every edge of the graph.
    ///
    /// # Errors
    ///
    /// [`ReplayError::Unsupported`].
    pub fn edges(graph: &Graph) -> Result<Self, ReplayError> {
        support::check(graph.config())?;
        let state = |index: u32| &graph.states()[index as usize];
        let of = Classes::new(GRAIN, graph.config());
        let edges = graph.edges().iter();
        let classes: HashSet<EdgeClass> =
            edges.flat_map(|edge| of.of(state(edge.from), edge.action)).collect();
        let traces = cover_edges(graph).traces;
        Ok(Self::of(graph.config(), traces, classes.len(), graph.edges().len()))
    }

    /// An edge of every class of the graph, by what its action reads.
    ///
    /// # Errors
    ///
    /// [`ReplayError::Unsupported`].
    pub fn classes(graph: &Graph) -> Result<Self, ReplayError> {
        Self::cover(graph, cover)
    }

    /// The same, and an edge of every combination of classes where it synchronises.
    ///
    /// # Errors
    ///
    /// [`ReplayError::Unsupported`].
    pub fn combinations(graph: &Graph) -> Result<Self, ReplayError> {
        Self::cover(graph, cover_combinations)
    }

    fn cover(graph: &Graph, cover: fn(Grain, &Graph) -> Cover) -> Result<Self, ReplayError> {
        support::check(graph.config())?;
        let cover = cover(GRAIN, graph);
        Ok(Self::of(graph.config(), cover.traces, cover.covered, graph.edges().len()))
    }

    fn of(
        config: &Config,
        traces: Vec<Vec<Action>>,
        classes_total: usize,
        edges_total: usize,
    ) -> Self {
        let (config, descriptors) = (config.clone(), Descriptors::Ignored);
        let divergences_max = DIVERGENCES_MAX;
        Suite {
            config,
            traces,
            classes_total,
            edges_total,
            mutant: None,
            descriptors,
            divergences_max,
        }
    }

    /// With a mutant.
    #[must_use]
    pub fn with_mutant(self, mutant: Mutant) -> Self {
        Suite { mutant: Some(mutant), ..self }
    }

    /// With or without the descriptors.
    #[must_use]
    pub fn with_descriptors(self, descriptors: Descriptors) -> Self {
        Suite { descriptors, ..self }
    }

    /// Until something differs.
    #[must_use]
    pub fn until_the_first(self) -> Self {
        Suite { divergences_max: 1, ..self }
    }

    /// Its share of the traces, and nothing but what they walk.
    ///
    /// # Errors
    ///
    /// None: the share of a suite that is supported is.
    pub fn share(&self, shard: Shard) -> Result<Self, ReplayError> {
        Self::traces(&self.config, shard.of(&self.traces))
    }

    /// The bounds.
    #[must_use]
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// That of the server.
    #[must_use]
    pub fn mutant(&self) -> Option<Mutant> {
        self.mutant
    }

    /// The traces.
    #[must_use]
    pub fn as_traces(&self) -> &[Vec<Action>] {
        &self.traces
    }

    /// How many steps they have together.
    #[must_use]
    pub fn steps(&self) -> usize {
        self.traces.iter().map(Vec::len).sum()
    }

    /// How many classes and how many edges a graph has that these traces cover, or how many they walk themselves.
    #[must_use]
    pub fn totals(&self) -> (usize, usize) {
        (self.classes_total, self.edges_total)
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

/// Performs traces on the real stack, or on one with a mutant, and compares after every step. `progress` is told how
/// many of all traces are done.
///
/// A trace ends at its first divergence, and the run where the stage could not do its part, which the report says.
///
/// # Errors
///
/// [`ReplayError`] when there is nothing to perform, or nothing to perform it with.
pub fn replay(
    suite: &Suite,
    progress: &mut dyn FnMut(usize, usize),
) -> Result<Replay, ReplayError> {
    replay_watched(suite, progress, &mut |_| {})
}

/// The same; `watch` is told of each step what was compared after it, whether it agreed or not.
///
/// # Errors
///
/// As [`replay`].
pub fn replay_watched(
    suite: &Suite,
    progress: &mut dyn FnMut(usize, usize),
    watch: &mut dyn FnMut(Things),
) -> Result<Replay, ReplayError> {
    if suite.traces.is_empty() || suite.traces.iter().all(Vec::is_empty) {
        return Err(ReplayError::NothingToCompare);
    }
    let began = Instant::now();
    let failed = |error: Harness| harness(&[], 0, &error);
    let wardrobe = Wardrobe::new().map_err(failed)?;
    let mut run = Run::new(suite, &wardrobe);
    for trace in &suite.traces {
        if run.replay.divergences.len() >= suite.divergences_max {
            break;
        }
        if let Err(error) = run.trace(trace, watch) {
            run.replay.harness = Some(error);
            break;
        }
        run.replay.traces += 1;
        progress(run.replay.traces, suite.traces.len());
    }
    Ok(Replay {
        classes_covered: run.walked.classes.len(),
        edges_covered: run.walked.edges.len(),
        seconds: began.elapsed().as_secs_f64(),
        ..run.replay
    })
}

/// What was performed and agreed.
struct Walked<'a> {
    of: Classes<'a>,
    classes: HashSet<EdgeClass>,
    /// By the state that they leave.
    edges: HashSet<(State, Action)>,
}

impl<'a> Walked<'a> {
    fn of(config: &'a Config) -> Self {
        let of = Classes::new(GRAIN, config);
        Walked { of, classes: HashSet::new(), edges: HashSet::new() }
    }

    fn note(&mut self, state: &State, action: Action) {
        self.classes.extend(self.of.of(state, action));
        self.edges.insert((state.clone(), action));
    }
}

struct Run<'a> {
    suite: &'a Suite,
    wardrobe: &'a Wardrobe,
    walked: Walked<'a>,
    replay: Replay,
    /// Which step of the trace is under way, counted from 1. 0: none yet; one more than there are: what is tried at the
    /// end.
    step: usize,
}

impl<'a> Run<'a> {
    fn new(suite: &'a Suite, wardrobe: &'a Wardrobe) -> Self {
        let replay = Replay {
            config: suite.config.clone(),
            traces: 0,
            traces_planned: suite.traces.len(),
            steps: 0,
            handshakes: 0,
            comparisons: 0,
            probes: 0,
            classes_covered: 0,
            classes_total: suite.classes_total,
            edges_covered: 0,
            edges_total: suite.edges_total,
            divergences: Vec::new(),
            harness: None,
            seconds: 0.0,
        };
        Run { suite, wardrobe, walked: Walked::of(&suite.config), replay, step: 0 }
    }

    /// Performs one trace on a stage of its own. A stack that panics diverges.
    fn trace(
        &mut self,
        trace: &[Action],
        watch: &mut dyn FnMut(Things),
    ) -> Result<(), ReplayError> {
        self.step = 0;
        match guarded(|| Ok(self.perform(trace, watch))) {
            Ok(Ok(findings)) if findings.is_empty() => {}
            Ok(Ok(findings)) => self.diverge(trace, findings),
            Ok(Err(error)) => return Err(harness(trace, self.step, &error)),
            Err(panic) => self.diverge(trace, vec![Finding::broken("what becomes of it", panic)]),
        }
        Ok(())
    }

    /// What differed in one step, or when all was over. What is known already to differ no failure of the stage hides.
    fn perform(
        &mut self,
        trace: &[Action],
        watch: &mut dyn FnMut(Things),
    ) -> Result<Vec<Finding>, Harness> {
        let suite = self.suite;
        let before = suite.descriptors.open()?;
        let mut stage = Stage::new(&suite.config, self.wardrobe, suite.mutant, before)?;
        let walked = self.walk(&mut stage, trace, watch);
        self.replay.handshakes += stage.handshakes;
        let mut findings = std::mem::take(&mut stage.findings);
        drop(stage);
        if findings.is_empty() {
            walked?;
            let after = suite.descriptors.open()?;
            self.replay.comparisons += usize::from(before.is_some());
            if before != after {
                findings.push(Finding::new("open descriptors after the trace", &before, &after));
            }
        }
        Ok(findings)
    }

    /// Until something differs.
    fn walk(
        &mut self,
        stage: &mut Stage<'_>,
        trace: &[Action],
        watch: &mut dyn FnMut(Things),
    ) -> Result<(), Harness> {
        let config = &self.suite.config;
        let mut state = State::initial(config);
        for action in trace {
            self.step += 1;
            let Some((after, effects)) = step(config, &state, *action) else {
                return Err(impossible("the action cannot happen there"));
            };
            let got = stage.take(&state, *action)?;
            let expected = Expected {
                config,
                before: &state,
                action: *action,
                effects: &effects,
                after: &after,
            };
            let compared = stage.compare(&expected, &got)?;
            self.replay.comparisons += compared.total();
            watch(compared);
            self.replay.steps += 1;
            if stage.findings.is_empty() && matches!(action, Action::PeerHandshakes { .. }) {
                self.replay.probes += stage.probe_on_the_way(&after)?;
            }
            if !stage.findings.is_empty() {
                return Ok(());
            }
            self.walked.note(&state, *action);
            state = after;
        }
        self.step += 1;
        self.replay.probes += stage.probe_at_the_end(&state)?;
        Ok(())
    }

    /// In the step that is under way. What differs before the first shows with it.
    fn diverge(&mut self, trace: &[Action], findings: Vec<Finding>) {
        let before = self.step.saturating_sub(1);
        let (trace, action) = (trace[..before].to_vec(), trace.get(before).copied());
        self.replay.divergences.push(Divergence { trace, action, findings });
    }
}

/// A step of the model without a mutant.
fn model_step(
    config: &Config,
    state: &State,
    trace: &[Action],
    index: usize,
) -> Result<(State, Vec<Effect>), ReplayError> {
    let action = trace[index];
    let not_a_trace = || ReplayError::NotATrace { trace: trace[..index].to_vec(), action };
    step(config, state, action).ok_or_else(not_a_trace)
}

fn harness(trace: &[Action], step: usize, error: &Harness) -> ReplayError {
    ReplayError::Harness { trace: trace.to_vec(), step, what: error.to_string() }
}
