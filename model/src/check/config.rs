//! Everything that is checked about one configuration.

use std::time::Instant;

use serde::Serialize;
use stateright::{Checker, Model};

use crate::class::Grain;
use crate::class_check::{check_classes, check_commutation};
use crate::config::Config;
use crate::cycles::check_cycles;
use crate::endings::{Endings, check_endings};
use crate::explore::Graph;
use crate::model::LifecycleModel;
use crate::mutants::Mutant;
use crate::properties::{PropertyResult, judge};
use crate::symmetry::check_symmetry;
use crate::trace::Trace;

/// Larger graphs are not classed: nobody could replay what would come of it.
const CLASSED_EDGES_MAX: usize = 4_000_000;

/// What became of one configuration.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ConfigRow {
    /// Its name.
    pub name: &'static str,
    /// What it is for.
    pub purpose: &'static str,
    /// The mutant that was planted.
    pub mutant: Option<Mutant>,
    /// States of the model.
    pub states: usize,
    /// Steps between them.
    pub edges: usize,
    /// How many states and steps stateright counted.
    pub stateright_size: (usize, usize),
    /// How long it took.
    pub seconds: Seconds,
    /// Whether every close ends.
    pub endings: EndingsRow,
    /// Whether a fair run may stay where it ought to leave.
    pub cycles: CyclesRow,
    /// Whether the classes of its edges mean what they say.
    pub classes: ClassesRow,
    /// What could be left out because it is the same under other names.
    pub symmetry: SymmetryRow,
}

/// How long each part took, in seconds.
#[derive(Clone, Copy, Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Seconds {
    /// To explore the graph.
    pub explore: f64,
    /// To judge every property on it.
    pub judge: f64,
    /// To check that every close ends, by rank and by search for fair cycles.
    pub endings: f64,
    /// To check the classes and the symmetry.
    pub classes: f64,
    /// What stateright's breadth-first search takes, on one thread as well, to explore and judge the same.
    pub stateright: f64,
}

/// The check of all endings.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all_fields = "camelCase", untagged)]
pub enum EndingsRow {
    /// Every close ends.
    All {
        /// States in which the server is not open.
        closing_states: usize,
        /// States that nothing leads out of.
        final_states: usize,
        /// No shutdown takes more steps than this once every worker has heard of it.
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

/// The search for fair cycles.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all_fields = "camelCase", untagged)]
pub enum CyclesRow {
    /// There is none.
    None {
        /// States that were looked at, counted once for each place that must be left.
        states: usize,
        /// Strongly connected components of several states among them.
        circular: usize,
    },
    /// A fair run never leaves.
    Found {
        /// What it never leaves.
        place: String,
        /// The way to where it shows, and once around.
        counterexample: Trace,
        /// How many of these actions are the way round; with 0 nothing more need happen.
        cycle: usize,
    },
}

/// The check of the classes and of the order of actions.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all_fields = "camelCase", untagged)]
pub enum ClassesRow {
    /// Edges of one class do the same, and the order of actions of different groups makes no difference.
    Right {
        /// Classes by what actions read.
        classes: usize,
        /// Pairs of actions that were compared.
        pairs: usize,
    },
    /// The graph is too large, or a mutant is planted in it.
    NotChecked,
    /// Two edges of one class differ, or the order of two actions matters.
    Wrong {
        /// What is wrong.
        what: String,
        /// The way to where it shows.
        counterexample: Trace,
    },
}

/// The check of the symmetry.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all_fields = "camelCase", untagged)]
pub enum SymmetryRow {
    /// States and their renamed selves have the same successors.
    Holds {
        /// In how many ways the configuration can be renamed into itself.
        renamings: usize,
        /// States that are not another state with other names.
        states: usize,
    },
    /// They have not, so that nothing could be left out.
    Broken {
        /// What differs.
        what: &'static str,
        /// The way to where it shows.
        counterexample: Trace,
    },
    /// The graph is too large.
    NotChecked,
}

/// Explore a configuration and check everything on it.
pub(super) fn check_config(config: &Config) -> (ConfigRow, Vec<PropertyResult>) {
    let mut seconds = Seconds::default();
    let graph = timed(&mut seconds.explore, || Graph::explore(config));
    let results = timed(&mut seconds.judge, || judge(&graph));
    let (endings, cycles) = timed(&mut seconds.endings, || (endings(&graph), cycles(&graph)));
    let small = graph.edges().len() <= CLASSED_EDGES_MAX;
    let (classes, symmetry) = timed(&mut seconds.classes, || match small {
        true => (classes(&graph), symmetry(&graph)),
        false => (ClassesRow::NotChecked, SymmetryRow::NotChecked),
    });
    let (states, edges) = (graph.states().len(), graph.edges().len());
    // Two explored graphs at once would be the peak of all memory.
    drop(graph);
    let stateright_size = timed(&mut seconds.stateright, || run_stateright(config));
    let row = ConfigRow {
        name: config.name,
        purpose: config.purpose,
        mutant: config.mutant,
        states,
        edges,
        stateright_size,
        seconds,
        endings,
        cycles,
        classes,
        symmetry,
    };
    (row, results)
}

fn timed<R>(seconds: &mut f64, work: impl FnOnce() -> R) -> R {
    let begun = Instant::now();
    let result = work();
    *seconds = begun.elapsed().as_secs_f64();
    result
}

/// On one thread. Stateright counts the initial state among what it generates; that is taken off.
fn run_stateright(config: &Config) -> (usize, usize) {
    let checker = LifecycleModel(config.clone()).checker().threads(1).spawn_bfs().join();
    (checker.unique_state_count(), checker.state_count() - 1)
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

fn cycles(graph: &Graph) -> CyclesRow {
    match check_cycles(graph) {
        Ok(cycles) => CyclesRow::None { states: cycles.states, circular: cycles.circular },
        Err(found) => {
            let place = found.place.to_string();
            let cycle = found.cycle.len();
            let about = match cycle {
                0 => format!("{place} for ever: nothing more need happen."),
                _ => format!("{place} for ever: the last {cycle} actions may repeat."),
            };
            let actions = found.path.into_iter().chain(found.cycle).collect();
            let counterexample = Trace::of(graph.config(), &about, actions);
            CyclesRow::Found { place, counterexample, cycle }
        }
    }
}

/// A mutant may well reach from one group into another; then it is for the properties to say so.
fn classes(graph: &Graph) -> ClassesRow {
    if graph.config().mutant.is_some() {
        return ClassesRow::NotChecked;
    }
    let wrong = |what: String, path| {
        let counterexample = Trace::of(graph.config(), &what, path);
        ClassesRow::Wrong { what, counterexample }
    };
    let classes = match check_classes(Grain::Read, graph) {
        Ok(classes) => classes,
        Err(conflict) => {
            let class: Vec<_> = conflict.class.iter().map(ToString::to_string).collect();
            return wrong(format!("two edges differ: {}", class.join("; ")), conflict.path);
        }
    };
    match check_commutation(graph) {
        Ok(pairs) => ClassesRow::Right { classes, pairs },
        Err(order) => wrong(format!("the order matters of {:?}", order.actions), order.path),
    }
}

fn symmetry(graph: &Graph) -> SymmetryRow {
    match check_symmetry(graph) {
        Ok(reduced) => SymmetryRow::Holds { renamings: reduced.renamings, states: reduced.states },
        Err(broken) => SymmetryRow::Broken {
            what: broken.what,
            counterexample: Trace::of(graph.config(), broken.what, broken.path),
        },
    }
}

impl ConfigRow {
    /// States per second, explored and judged: ours and stateright's.
    pub fn speeds(&self) -> (f64, f64) {
        let of = |states: usize, seconds: f64| states as f64 / seconds;
        let ours = of(self.states, self.seconds.explore + self.seconds.judge);
        (ours, of(self.stateright_size.0, self.seconds.stateright))
    }

    pub(super) fn failures(&self) -> Vec<String> {
        let mut failures = Vec::new();
        if let EndingsRow::Stuck { what, .. } = &self.endings {
            failures.push((*what).to_owned());
        }
        if let CyclesRow::Found { place, .. } = &self.cycles {
            failures.push(format!("{place} for ever"));
        }
        if let ClassesRow::Wrong { what, .. } = &self.classes {
            failures.push(what.clone());
        }
        let size = (self.states, self.edges);
        if self.mutant.is_none() && size != self.stateright_size {
            let other = self.stateright_size;
            failures.push(format!("stateright counts {other:?} states and edges, not {size:?}"));
        }
        failures
    }

    pub(super) fn counterexamples(&self) -> Vec<(&'static str, &Trace)> {
        let mut traces = Vec::new();
        if let EndingsRow::Stuck { counterexample, .. } = &self.endings {
            traces.push(("endings", counterexample));
        }
        if let CyclesRow::Found { counterexample, .. } = &self.cycles {
            traces.push(("cycle", counterexample));
        }
        if let ClassesRow::Wrong { counterexample, .. } = &self.classes {
            traces.push(("classes", counterexample));
        }
        traces
    }
}
