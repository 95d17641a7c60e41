//! How fast the model is explored and judged, beside stateright's breadth-first search on the same model.

use std::hint::black_box;
use std::time::{Duration, Instant};

use criterion::Criterion;
use stateright::{Checker, Model};
use webrtc_server_benches::{Figure, Report};
use webrtc_server_model::{Config, Graph, LifecycleModel, judge};

const STATES: Figure = Figure::new("model, all states", "stateright's breadth-first search").few();

pub(crate) const FIGURES: [&Figure; 1] = [&STATES];

/// The figure. Both on one thread; both judge every property on every state and keep a way to each of them. Stateright
/// keeps fingerprints of states, we the states and all edges.
pub(crate) fn figures(criterion: &mut Criterion, report: &mut Report) {
    let config = Config::takeover();
    let states = Graph::explore(&config).states().len();
    let ours = |n| explore(&config, states, n);
    report.measure(criterion, &STATES, ours, |n| search(&config, states, n));
}

fn explore(config: &Config, states: usize, iterations: u64) -> Duration {
    let start = Instant::now();
    for _ in 0..iterations {
        let graph = Graph::explore(config);
        assert_eq!(graph.states().len(), states);
        assert!(!black_box(judge(&graph)).is_empty());
    }
    start.elapsed()
}

fn search(config: &Config, states: usize, iterations: u64) -> Duration {
    let start = Instant::now();
    for _ in 0..iterations {
        let checker = LifecycleModel(config.clone()).checker().threads(1).spawn_bfs().join();
        assert_eq!(checker.unique_state_count(), states);
    }
    start.elapsed()
}
