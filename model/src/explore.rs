//! Breadth-first exploration into an explicit graph.

use std::hash::BuildHasher;

use hashbrown::HashTable;
use hashbrown::hash_table::Entry;
use rustc_hash::FxBuildHasher;

use crate::action::Action;
use crate::config::Config;
use crate::state::State;
use crate::step::{every_action, step};

/// One step of the graph.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Edge {
    /// The index of the state that it leaves.
    pub from: u32,
    /// What happens.
    pub action: Action,
    /// The index of the state that it leads to.
    pub to: u32,
}

/// Every reachable state of a configuration, and every step between them.
///
/// States are numbered in the order in which breadth-first search meets them; 0 is the initial one.
#[derive(Debug)]
pub struct Graph {
    config: Config,
    states: Vec<State>,
    edges: Vec<Edge>,
    /// Where the edges of each state begin in `edges`; one entry more than there are states.
    offsets: Vec<u32>,
    /// The edge by which each state was met first; none for the initial state.
    parents: Vec<Option<u32>>,
}

impl Graph {
    /// Explore all of it.
    pub fn explore(config: &Config) -> Self {
        Self::explore_until(config, |_, _| false)
    }

    /// Explore until a state that satisfies `done` was met; then no further state is expanded.
    pub fn explore_until(config: &Config, done: impl Fn(&Config, &State) -> bool) -> Self {
        let alphabet = every_action(config);
        let initial = State::initial(config);
        let mut finished = done(config, &initial);
        let mut known = HashTable::new();
        known.insert_unique(hash(&initial), 0, |_| 0);
        let mut graph = Self {
            config: config.clone(),
            states: vec![initial],
            edges: Vec::new(),
            offsets: Vec::new(),
            parents: vec![None],
        };
        let mut next = 0;
        while next < graph.states.len() {
            graph.offsets.push(index_of(graph.edges.len()));
            for action in if finished { &[] } else { alphabet.as_slice() } {
                let Some((after, _)) = step(config, &graph.states[next], *action) else { continue };
                let edge = index_of(graph.edges.len());
                let (to, is_new) = graph.number(&mut known, after, edge);
                finished |= is_new && done(config, &graph.states[to as usize]);
                graph.edges.push(Edge { from: index_of(next), action: *action, to });
            }
            next += 1;
        }
        graph.offsets.push(index_of(graph.edges.len()));
        graph
    }

    /// The number of a state, and whether it was met for the first time.
    fn number(&mut self, known: &mut HashTable<u32>, state: State, edge: u32) -> (u32, bool) {
        let states = &mut self.states;
        let hash_of = |index: &u32| hash(&states[*index as usize]);
        let is_it = |index: &u32| states[*index as usize] == state;
        match known.entry(hash(&state), is_it, hash_of) {
            Entry::Occupied(entry) => (*entry.get(), false),
            Entry::Vacant(entry) => {
                let index = index_of(states.len());
                entry.insert(index);
                states.push(state);
                self.parents.push(Some(edge));
                (index, true)
            }
        }
    }

    /// What was explored.
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// The states by their indices.
    pub fn states(&self) -> &[State] {
        &self.states
    }

    /// All edges, grouped by the state that they leave.
    pub fn edges(&self) -> &[Edge] {
        &self.edges
    }

    /// The indices of the edges that leave a state.
    pub fn edges_from(&self, state: u32) -> std::ops::Range<usize> {
        let at = state as usize;
        self.offsets[at] as usize..self.offsets[at + 1] as usize
    }

    /// The state that an action leads to from a state, if it can happen there.
    pub fn successor(&self, state: u32, action: Action) -> Option<u32> {
        let edges = &self.edges[self.edges_from(state)];
        edges.iter().find(|edge| edge.action == action).map(|edge| edge.to)
    }

    /// A shortest way from the initial state.
    pub fn path_to(&self, state: u32) -> Vec<Action> {
        let edges = self.tree_edges_to(state).into_iter();
        edges.map(|edge| self.edges[edge].action).collect()
    }

    /// The edges of a shortest way from the initial state.
    pub(crate) fn tree_edges_to(&self, state: u32) -> Vec<usize> {
        let mut way = Vec::new();
        let mut at = state;
        while let Some(edge) = self.parents[at as usize] {
            way.push(edge as usize);
            at = self.edges[edge as usize].from;
        }
        way.reverse();
        way
    }

    /// A shortest way to a state that satisfies the condition, if there is one.
    pub fn shortest(&self, condition: impl Fn(&Config, &State) -> bool) -> Option<Vec<Action>> {
        let found = self.states.iter().position(|state| condition(&self.config, state))?;
        Some(self.path_to(index_of(found)))
    }
}

fn hash(state: &State) -> u64 {
    FxBuildHasher.hash_one(state)
}

fn index_of(number: usize) -> u32 {
    u32::try_from(number).expect("a graph this large does not fit into memory")
}
