//! Liveness without a rank: no fair run stays for ever where it ought to leave.
//!
//! A run is fair if no fair action stays possible for ever without happening (weak fairness, one for each value of
//! [`Action`] that [`Action::is_fair`]). Whoever is not fair may do nothing for ever, so that every state counts as if
//! it led to itself. A fair run can stay in a strongly connected component if each fair action is impossible in one of
//! its states or happens on one of its inner edges: then a run that walks through all of it is fair. If not, one fair
//! action is possible in all of its states and always leads out, and no run stays in any part of it.

use std::collections::VecDeque;
use std::fmt;

use rustc_hash::FxHashMap;

use crate::action::Action;
use crate::components::{Components, OUTSIDE};
use crate::endings::is_over;
use crate::explore::Graph;
use crate::ids::{ConnectionId, TransportId};
use crate::state::{Connection, Phase, ServerPhase, State};
use crate::step::every_action;

/// A place that must be left in the end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Transit {
    /// The server closes, and is not closed with nothing left.
    ServerCloses,
    /// A transport closes.
    TransportCloses(TransportId),
    /// A connection is at the end of its use.
    ConnectionLingers(ConnectionId),
    /// A connection is nobody's yet.
    ConnectionUnbound(ConnectionId),
}

/// A fair run that never leaves a place that it ought to leave.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FairCycle {
    /// The place.
    pub place: Transit,
    /// A shortest way to it.
    pub path: Vec<Action>,
    /// What may go on for ever after that; empty if nothing need happen any more.
    pub cycle: Vec<Action>,
}

/// What the search looked at, when it found nothing wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Cycles {
    /// States within the places that must be left, counted once for each place.
    pub states: usize,
    /// Strongly connected components among them.
    pub components: usize,
    /// Those of several states: what a run may walk through again and again, if not for ever.
    pub circular: usize,
}

/// Search every place that must be left for a fair run that stays in it.
pub fn check_cycles(graph: &Graph) -> Result<Cycles, FairCycle> {
    let mut found = Cycles::default();
    for place in places(graph) {
        let search = Search::new(graph, place);
        let sizes = search.components.sizes();
        found.states += sizes.iter().map(|size| *size as usize).sum::<usize>();
        found.components += sizes.len();
        found.circular += sizes.iter().filter(|size| **size > 1).count();
        if let Some(start) = search.first_state_to_stay_in() {
            let cycle = search.fair_walk(start);
            return Err(FairCycle { place, path: graph.path_to(start), cycle });
        }
    }
    Ok(found)
}

fn places(graph: &Graph) -> Vec<Transit> {
    let transports = graph.config().transport_ids().map(Transit::TransportCloses);
    let connections = (0..graph.config().connections.len() as u8).map(ConnectionId);
    let lingering = connections.clone().map(Transit::ConnectionLingers);
    let unbound = connections.map(Transit::ConnectionUnbound);
    [Transit::ServerCloses].into_iter().chain(transports).chain(lingering).chain(unbound).collect()
}

impl fmt::Display for Transit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::ServerCloses => write!(f, "the server closes"),
            Self::TransportCloses(t) => write!(f, "transport {} closes", t.0),
            Self::ConnectionLingers(c) => write!(f, "connection {} lingers", c.0),
            Self::ConnectionUnbound(c) => write!(f, "connection {} is nobody's", c.0),
        }
    }
}

impl Transit {
    fn holds(self, state: &State) -> bool {
        match self {
            Self::ServerCloses => state.core.server != ServerPhase::Open && !is_over(state),
            Self::TransportCloses(t) => state.core.transport(t).phase == Phase::Closing,
            Self::ConnectionLingers(c) => {
                state.core.connection(c).is_live() && !state.core.connection(c).is_in_use()
            }
            Self::ConnectionUnbound(c) => state.core.connection(c) == Connection::Unbound,
        }
    }
}

/// The search of one place.
struct Search<'a> {
    graph: &'a Graph,
    /// The fair actions; each of them is a bit in a mask.
    fair: Vec<Action>,
    components: Components,
}

impl<'a> Search<'a> {
    fn new(graph: &'a Graph, place: Transit) -> Self {
        let fair: Vec<_> =
            every_action(graph.config()).into_iter().filter(|action| action.is_fair()).collect();
        assert!(fair.len() <= 64, "a mask has 64 bits");
        let components = Components::of(graph, |state| place.holds(state));
        Self { graph, fair, components }
    }

    fn bit(&self, action: Action) -> u64 {
        let place = self.fair.iter().position(|fair| *fair == action);
        place.map_or(0, |place| 1 << place)
    }

    /// The fair actions that can happen in a state.
    fn possible(&self, state: u32) -> u64 {
        let edges = &self.graph.edges()[self.graph.edges_from(state)];
        let fair = edges.iter().filter(|edge| edge.action.is_fair());
        fair.fold(0, |mask, edge| mask | self.bit(edge.action))
    }

    /// The state nearest to the initial one in whose component a fair run can stay.
    fn first_state_to_stay_in(&self) -> Option<u32> {
        let count = self.components.sizes().len();
        let mut always_possible = vec![u64::MAX; count];
        let mut inner = vec![0; count];
        for state in self.states() {
            let component = self.components.at(state);
            let mut possible = 0;
            for edge in &self.graph.edges()[self.graph.edges_from(state)] {
                if !edge.action.is_fair() {
                    continue;
                }
                let bit = self.bit(edge.action);
                possible |= bit;
                if self.components.at(edge.to) == component {
                    inner[component as usize] |= bit;
                }
            }
            always_possible[component as usize] &= possible;
        }
        self.states().find(|state| {
            let component = self.components.at(*state) as usize;
            always_possible[component] & !inner[component] == 0
        })
    }

    fn states(&self) -> impl Iterator<Item = u32> + '_ {
        let all = 0..self.graph.states().len() as u32;
        all.filter(|state| self.components.at(*state) != OUTSIDE)
    }

    /// A way through the component of a state and back, on which every fair action happens or is impossible once.
    fn fair_walk(&self, start: u32) -> Vec<Action> {
        let mut owed = self.possible(start);
        let mut at = start;
        let mut walk = Vec::new();
        while owed != 0 {
            let pays = |edge: usize| {
                let edge = self.graph.edges()[edge];
                owed & (self.bit(edge.action) | !self.possible(edge.to)) != 0
            };
            for edge in self.way(at, pays) {
                let edge = self.graph.edges()[edge];
                owed &= self.possible(edge.to) & !self.bit(edge.action);
                walk.push(edge.action);
                at = edge.to;
            }
        }
        if at != start {
            let home = self.way(at, |edge| self.graph.edges()[edge].to == start);
            walk.extend(home.into_iter().map(|edge| self.graph.edges()[edge].action));
        }
        walk
    }

    /// A shortest way within the component to and over an edge that satisfies the condition.
    fn way(&self, start: u32, is_wanted: impl Fn(usize) -> bool) -> Vec<usize> {
        let component = self.components.at(start);
        let mut arrived_by = FxHashMap::from_iter([(start, None)]);
        let mut queue = VecDeque::from([start]);
        while let Some(at) = queue.pop_front() {
            for edge in self.graph.edges_from(at) {
                let to = self.graph.edges()[edge].to;
                if self.components.at(to) != component {
                    continue;
                }
                if is_wanted(edge) {
                    let mut way = vec![edge];
                    let mut at = at;
                    while let Some(edge) = arrived_by[&at] {
                        way.push(edge);
                        at = self.graph.edges()[edge].from;
                    }
                    way.reverse();
                    return way;
                }
                arrived_by.entry(to).or_insert_with(|| {
                    queue.push_back(to);
                    Some(edge)
                });
            }
        }
        unreachable!("a component is connected, and its inner edges pay what its states do not")
    }
}
