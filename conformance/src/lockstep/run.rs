//! The walk over the graph.

use super::abstraction;
use super::effects;
use super::late;
use super::real::Real;
use super::report::{Lockstep, describe_cores};
use super::timers;
use crate::divergence::{Divergence, Finding};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::rc::Rc;
use std::time::Instant;
use thiserror::Error;
use webrtc_server::lifecycle::{Layer, Mutant};
use webrtc_server_model::{Action, Config, Graph, State, step};

/// After so many divergences the walk ends, unless it is told otherwise.
const DIVERGENCES_MAX: usize = 10;

/// Progress is told after so many edges.
const EDGES_PER_REPORT: usize = 1024;

/// Why nothing was compared.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum Error {
    /// The graph is empty: lockstep with nothing would always agree.
    #[error("the graph has no edges: nothing was compared")]
    NothingToCompare,
    /// The mutant is of the shell.
    #[error("the pure core cannot have {0:?}: it is a mutant of the shell")]
    CannotHave(Mutant),
}

/// Feeds every edge of the graph to the real core, or to one with a mutant, and compares. After some divergences it
/// ends: the first says what is wrong.
///
/// # Errors
///
/// When the graph has no edges, and when the core cannot have the mutant.
pub fn run(
    graph: &Graph,
    mutant: Option<Mutant>,
    progress: &mut dyn FnMut(usize, usize),
) -> Result<Lockstep, Error> {
    run_until(graph, mutant, DIVERGENCES_MAX, progress)
}

/// The same, until there are so many divergences.
///
/// For each state of the model one real state is kept, the first that reaches it, and given up when all edges that
/// leave it were taken. An edge that diverges leads nowhere: what can only be reached over it is not compared.
///
/// # Errors
///
/// When the graph has no edges, and when the core cannot have the mutant.
pub fn run_until(
    graph: &Graph,
    mutant: Option<Mutant>,
    divergences_max: usize,
    progress: &mut dyn FnMut(usize, usize),
) -> Result<Lockstep, Error> {
    let total = graph.edges().len();
    if total == 0 {
        return Err(Error::NothingToCompare);
    }
    can_have(mutant)?;
    let began = Instant::now();
    let mut walk = Walk::new(graph, mutant);
    walk.all(divergences_max, progress);
    progress(walk.edges, total);
    Ok(Lockstep {
        config: graph.config().clone(),
        states: walk.states,
        edges: walk.edges,
        divergences: walk.divergences,
        effects_compared: walk.effects_compared,
        late_inputs: walk.late_inputs,
        seconds: began.elapsed().as_secs_f64(),
    })
}

/// How a state of the model was reached by a real server.
enum Reached {
    /// Not at all yet.
    Not,
    /// By this edge (none: it is the initial state); its own edges are still to be taken.
    By(Option<usize>, Box<Real>),
    /// By this edge; its own edges are taken.
    Left(Option<usize>),
}

struct Walk<'a> {
    graph: &'a Graph,
    reached: Vec<Reached>,
    states: usize,
    edges: usize,
    effects_compared: usize,
    late_inputs: usize,
    divergences: Vec<Divergence>,
}

impl<'a> Walk<'a> {
    fn new(graph: &'a Graph, mutant: Option<Mutant>) -> Self {
        let mut reached: Vec<_> = graph.states().iter().map(|_| Reached::Not).collect();
        let mut divergences = Vec::new();
        match begin(graph.config(), mutant) {
            Ok(real) => reached[0] = Reached::By(None, Box::new(real)),
            Err(finding) => divergences.push(finding.into_divergence(Vec::new(), None)),
        }
        let (states, edges, effects_compared, late_inputs) = (0, 0, 0, 0);
        Walk { graph, reached, states, edges, effects_compared, late_inputs, divergences }
    }

    /// In the order in which breadth-first search met the states, so that every trace is a shortest one.
    fn all(&mut self, divergences_max: usize, progress: &mut dyn FnMut(usize, usize)) {
        for state in 0..self.reached.len() {
            if self.divergences.len() >= divergences_max {
                return;
            }
            let by = match &self.reached[state] {
                Reached::By(edge, _) => Reached::Left(*edge),
                Reached::Not | Reached::Left(_) => continue,
            };
            let Reached::By(_, real) = std::mem::replace(&mut self.reached[state], by) else {
                continue;
            };
            self.states += 1;
            let state = u32::try_from(state).expect("the graph numbers its states so");
            self.come_too_late(&real, state);
            for edge in self.graph.edges_from(state) {
                self.take(&real, edge);
                if self.edges.is_multiple_of(EDGES_PER_REPORT) {
                    progress(self.edges, self.graph.edges().len());
                }
                if self.divergences.len() >= divergences_max {
                    return;
                }
            }
        }
    }

    fn come_too_late(&mut self, real: &Real, state: u32) {
        match come_too_late(real, self.state(state)) {
            Ok(inputs) => self.late_inputs += inputs,
            Err(finding) => {
                self.divergences.push(finding.into_divergence(self.trace(state), None));
            }
        }
    }

    fn take(&mut self, real: &Real, index: usize) {
        let edge = self.graph.edges()[index];
        let mut real = real.clone();
        self.edges += 1;
        match compare(self.graph.config(), &mut real, self.state(edge.from), edge.action) {
            Ok(effects) => {
                self.effects_compared += effects;
                let to = &mut self.reached[edge.to as usize];
                match to {
                    Reached::Not => *to = Reached::By(Some(index), Box::new(real)),
                    Reached::By(..) | Reached::Left(_) => {}
                }
            }
            Err(finding) => {
                let trace = self.trace(edge.from);
                self.divergences.push(finding.into_divergence(trace, Some(edge.action)));
            }
        }
    }

    fn state(&self, index: u32) -> &State {
        &self.graph.states()[index as usize]
    }

    /// The way on which the real server came to a state.
    fn trace(&self, mut state: u32) -> Vec<Action> {
        let mut trace = Vec::new();
        while let Reached::By(Some(edge), _) | Reached::Left(Some(edge)) =
            &self.reached[state as usize]
        {
            let edge = self.graph.edges()[*edge];
            trace.push(edge.action);
            state = edge.from;
        }
        trace.reverse();
        trace
    }
}

/// Lets an action happen to the real server, and compares what it does and where it leads. How many effects it had.
pub(super) fn compare(
    config: &Config,
    real: &mut Real,
    before: &State,
    action: Action,
) -> Result<usize, Finding> {
    let (after, expected) = step(config, before, action)
        .ok_or_else(|| Finding::breach("not an edge of the model".to_owned()))?;
    let got = guarded(|| real.take(before, action)).map_err(Finding::breach)?;
    let difference = effects::difference(&before.core, action, &expected, &got);
    if let Some((expected, got)) = difference {
        return Err(Finding::new("the effects", &expected, &got));
    }
    compare_states(real, &after)?;
    compare_begun(real, before, action)?;
    Ok(expected.len())
}

/// With a mutant of the shell the core would be as it should, and always agree.
pub(super) fn can_have(mutant: Option<Mutant>) -> Result<(), Error> {
    match mutant {
        Some(mutant) if mutant.layer() == Layer::Shell => Err(Error::CannotHave(mutant)),
        Some(_) | None => Ok(()),
    }
}

/// The real server at the beginning of everything.
pub(super) fn begin(config: &Config, mutant: Option<Mutant>) -> Result<Real, Finding> {
    let real = Real::new(&Rc::new(config.clone()), mutant).map_err(Finding::breach)?;
    compare_states(&real, &State::initial(config))?;
    Ok(real)
}

/// What comes too late changes nothing. How many inputs that were.
pub(super) fn come_too_late(real: &Real, state: &State) -> Result<usize, Finding> {
    guarded(|| late::changes_nothing(real, &state.core)).map_err(Finding::breach)
}

/// The states, the world and the timers, in this order.
fn compare_states(real: &Real, model: &State) -> Result<(), Finding> {
    let names = real.outside.names();
    let streams = &model.world.streams;
    let expected = abstraction::comparable(&model.core, streams);
    let got = abstraction::core(&real.view(&names)).map_err(Finding::breach)?;
    let got = abstraction::comparable(&got, streams);
    if expected != got {
        let (expected, got) = describe_cores(&expected, &got);
        return Err(Finding { what: "the states".to_owned(), expected, got });
    }
    let world = &real.outside.world;
    if *world != model.world {
        return Err(Finding::new("the worlds", &model.world, world));
    }
    let expected = timers::expected(real.config(), &real.outside.limits, &model.core, &names);
    let armed = timers::armed(real).map_err(Finding::breach)?;
    if expected == *armed { Ok(()) } else { Err(Finding::new("the timers", &expected, armed)) }
}

/// The timers that were armed in the step, as far as they still run.
fn compare_begun(real: &Real, before: &State, action: Action) -> Result<(), Finding> {
    let (config, clock) = (real.config(), &real.outside.timers);
    let ran = timers::expected(config, &real.outside.limits, &before.core, &real.outside.names());
    let expected = timers::begun(config, &before.core, action, &ran, clock);
    let armed = real.outside.tally.armed.iter().copied();
    let begun = armed.filter(|timer| clock.contains_key(timer)).collect();
    if expected == begun {
        return Ok(());
    }
    Err(Finding::new("the timers that begin", &expected, &begun))
}

/// Code that panics is a divergence with a trace, not the end of the run.
pub(crate) fn guarded<T>(act: impl FnOnce() -> Result<T, String>) -> Result<T, String> {
    catch_unwind(AssertUnwindSafe(act)).unwrap_or_else(|panic| {
        let words = panic.downcast_ref::<String>().map(String::as_str);
        let words = words.or_else(|| panic.downcast_ref::<&str>().copied());
        Err(format!("it panics: {}", words.unwrap_or("without words")))
    })
}
