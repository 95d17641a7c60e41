//! Strongly connected components of a part of a graph.
//!
//! Tarjan's algorithm without recursion, over the edges of the graph itself: what it needs beside them is a few numbers
//! for each state.

use crate::explore::Graph;
use crate::state::State;

/// The component of a state that does not belong to the part.
pub(crate) const OUTSIDE: u32 = u32::MAX;
const UNSEEN: u32 = u32::MAX - 1;

/// The strongly connected components of the states that satisfy a condition.
pub(crate) struct Components {
    of: Vec<u32>,
    sizes: Vec<u32>,
}

impl Components {
    pub(crate) fn of(graph: &Graph, holds: impl Fn(&State) -> bool) -> Self {
        let place = |state| if holds(state) { UNSEEN } else { OUTSIDE };
        let of: Vec<u32> = graph.states().iter().map(place).collect();
        let mut search = Search {
            graph,
            numbers: vec![UNSEEN; of.len()],
            lowest: vec![UNSEEN; of.len()],
            open: Vec::new(),
            found: Self { of, sizes: Vec::new() },
        };
        let mut next = 0;
        for state in 0..graph.states().len() as u32 {
            if search.found.at(state) == UNSEEN && search.numbers[state as usize] == UNSEEN {
                search.from(state, &mut next);
            }
        }
        search.found
    }

    /// The component of a state.
    pub(crate) fn at(&self, state: u32) -> u32 {
        self.of[state as usize]
    }

    /// How many states each component has.
    pub(crate) fn sizes(&self) -> &[u32] {
        &self.sizes
    }
}

struct Search<'a> {
    graph: &'a Graph,
    /// In which order the states were met.
    numbers: Vec<u32>,
    /// The lowest number of an open state that each is known to lead to.
    lowest: Vec<u32>,
    /// States that were met and whose component is not known yet.
    open: Vec<u32>,
    found: Components,
}

impl Search<'_> {
    /// Every component that can be reached from a state and is not known yet.
    fn from(&mut self, root: u32, next: &mut u32) {
        let mut way = vec![(root, self.meet(root, next))];
        while let Some((at, edge)) = way.last_mut() {
            let at = *at;
            if *edge == self.graph.edges_from(at).end {
                way.pop();
                self.leave(at);
                if let Some((before, _)) = way.last() {
                    self.hear(*before, self.lowest[at as usize]);
                }
                continue;
            }
            let to = self.graph.edges()[*edge].to;
            *edge += 1;
            if self.found.at(to) != UNSEEN {
                continue;
            }
            match self.numbers[to as usize] {
                UNSEEN => way.push((to, self.meet(to, next))),
                number => self.hear(at, number),
            }
        }
    }

    /// Number a state; the first of its edges.
    fn meet(&mut self, state: u32, next: &mut u32) -> usize {
        self.numbers[state as usize] = *next;
        self.lowest[state as usize] = *next;
        *next += 1;
        self.open.push(state);
        self.graph.edges_from(state).start
    }

    fn hear(&mut self, state: u32, number: u32) {
        let lowest = &mut self.lowest[state as usize];
        *lowest = (*lowest).min(number);
    }

    /// All edges of a state are done: if it leads to nothing older, a component ends with it.
    fn leave(&mut self, state: u32) {
        if self.lowest[state as usize] != self.numbers[state as usize] {
            return;
        }
        let component = self.found.sizes.len() as u32;
        let begin = self.open.iter().rposition(|open| *open == state).expect("it is open");
        let states = self.open.split_off(begin);
        states.iter().for_each(|member| self.found.of[*member as usize] = component);
        self.found.sizes.push(states.len() as u32);
    }
}
