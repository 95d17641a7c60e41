//! Traces that together walk every class of edges, or every edge.

use std::collections::VecDeque;

use rustc_hash::{FxHashMap, FxHashSet};

use crate::action::Action;
use crate::class::{Classes, Grain};
use crate::explore::Graph;

/// How many states the search for the next edge looks at before a new trace is begun.
const SEARCH_STATES_MAX: usize = 4_000;

/// Traces from the initial state, and what they cover.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cover {
    /// The traces.
    pub traces: Vec<Vec<Action>>,
    /// How many classes or edges there were to cover; all of them are.
    pub covered: usize,
}

impl Cover {
    /// How many steps all traces take together.
    pub fn steps(&self) -> usize {
        self.traces.iter().map(Vec::len).sum()
    }
}

/// Traces that walk an edge of every class. An edge that synchronises has a class for each group that it happens to:
/// each of these is walked, whatever the other groups are in.
pub fn cover(grain: Grain, graph: &Graph) -> Cover {
    let (labels, classes) = label_classes(grain, graph);
    Covering::new(graph, labels, classes).run()
}

/// The same; and of the edges that synchronise one with every combination of classes that there is, for what a step
/// does to one group while another one is in its way. Up to four times as many steps where groups are alike.
pub fn cover_combinations(grain: Grain, graph: &Graph) -> Cover {
    let (mut labels, classes) = label_classes(grain, graph);
    let combinations = label_combinations(&mut labels, classes);
    Cover { covered: classes, ..Covering::new(graph, labels, classes + combinations).run() }
}

/// The numbers of the classes of each edge, and how many classes there are.
fn label_classes(grain: Grain, graph: &Graph) -> (Vec<Vec<usize>>, usize) {
    let mut numbers = FxHashMap::default();
    let of = Classes::new(grain, graph.config());
    let labels = graph.edges().iter().map(|edge| {
        let state = &graph.states()[edge.from as usize];
        let number = |class| {
            let next = numbers.len();
            *numbers.entry(class).or_insert(next)
        };
        of.of(state, edge.action).into_iter().map(number).collect()
    });
    let labels = labels.collect();
    (labels, numbers.len())
}

/// Gives every edge with several labels one more, for the combination of them; the first of these is `next`. How many
/// combinations there are.
fn label_combinations(labels: &mut [Vec<usize>], next: usize) -> usize {
    let mut numbers = FxHashMap::default();
    for labels in labels.iter_mut().filter(|labels| labels.len() > 1) {
        let number = next + numbers.len();
        labels.push(*numbers.entry(labels.clone()).or_insert(number));
    }
    numbers.len()
}

/// Traces that walk every edge. About one of them ends wherever more edges arrive than leave, so that there are many
/// however they are chosen: a close cannot be undone.
pub fn cover_edges(graph: &Graph) -> Cover {
    let edges = graph.edges().len();
    Covering::new(graph, (0..edges).map(|edge| vec![edge]).collect(), edges).run()
}

/// A cover in the making.
struct Covering<'a> {
    graph: &'a Graph,
    /// What walking each edge covers.
    labels: Vec<Vec<usize>>,
    /// What is not covered yet.
    open: Vec<bool>,
}

impl<'a> Covering<'a> {
    fn new(graph: &'a Graph, labels: Vec<Vec<usize>>, count: usize) -> Self {
        Self { graph, labels, open: vec![true; count] }
    }

    /// Begin a trace with the edge nearest to the initial state that covers something new, and
    /// go on to the nearest such edge for as long as there is one nearby.
    fn run(mut self) -> Cover {
        let mut traces = Vec::new();
        // Edges are in the order of their distance from the initial state.
        for edge in 0..self.graph.edges().len() {
            if !self.is_new(edge) {
                continue;
            }
            let mut trace = Vec::new();
            let mut at = 0;
            self.walk(
                &self.graph.tree_edges_to(self.graph.edges()[edge].from),
                &mut at,
                &mut trace,
            );
            self.walk(&[edge], &mut at, &mut trace);
            while let Some(way) = self.nearest_new(at) {
                self.walk(&way, &mut at, &mut trace);
            }
            traces.push(trace);
        }
        debug_assert!(!self.open.contains(&true));
        Cover { traces, covered: self.open.len() }
    }

    fn is_new(&self, edge: usize) -> bool {
        self.labels[edge].iter().any(|label| self.open[*label])
    }

    fn walk(&mut self, edges: &[usize], at: &mut u32, trace: &mut Vec<Action>) {
        for edge in edges {
            let step = self.graph.edges()[*edge];
            debug_assert_eq!(step.from, *at);
            for label in &self.labels[*edge] {
                self.open[*label] = false;
            }
            trace.push(step.action);
            *at = step.to;
        }
    }

    /// A shortest way from a state to and over an edge that covers something new.
    fn nearest_new(&self, start: u32) -> Option<Vec<usize>> {
        let mut seen = FxHashSet::from_iter([start]);
        let mut arrived_by = FxHashMap::default();
        let mut queue = VecDeque::from([start]);
        while let Some(at) = queue.pop_front() {
            for edge in self.graph.edges_from(at) {
                if self.is_new(edge) {
                    return Some(self.way_back(&arrived_by, start, edge));
                }
                let to = self.graph.edges()[edge].to;
                if seen.len() < SEARCH_STATES_MAX && seen.insert(to) {
                    arrived_by.insert(to, edge);
                    queue.push_back(to);
                }
            }
        }
        None
    }

    fn way_back(&self, arrived_by: &FxHashMap<u32, usize>, start: u32, last: usize) -> Vec<usize> {
        let mut way = vec![last];
        let mut at = self.graph.edges()[last].from;
        while at != start {
            let edge = arrived_by[&at];
            way.push(edge);
            at = self.graph.edges()[edge].from;
        }
        way.reverse();
        way
    }
}
