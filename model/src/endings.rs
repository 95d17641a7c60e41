//! Liveness on the explicit graph: closing always comes to its end.

use crate::action::Action;
use crate::explore::Graph;
use crate::rank::{is_closing_everywhere, rank};
use crate::state::{ServerPhase, State, WorkerPhase};
use crate::world::{Caller, End, Listener, Socket};

/// What the check of all endings found, when it found nothing wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Endings {
    /// States in which the server is not open.
    pub closing_states: usize,
    /// Those that nothing leads out of.
    pub final_states: usize,
    /// The largest rank of a state in which every worker has heard of the close: from there on no shutdown takes more
    /// steps than this.
    pub largest_rank: u32,
}

/// Why closing does not always end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stuck {
    /// What is wrong.
    pub what: &'static str,
    /// A shortest way to the state where it shows.
    pub path: Vec<Action>,
}

/// Check on every state and edge of a closing server that
/// a step lowers the rank or changes nothing once every worker has heard of the close, and never raises it;
/// a state that nothing leads out of is the end, with nothing left;
/// the clock and the workers alone lead to the end from everywhere.
pub fn check_endings(graph: &Graph) -> Result<Endings, Stuck> {
    let mut endings = Endings { closing_states: 0, final_states: 0, largest_rank: 0 };
    let ranks: Vec<u32> = graph.states().iter().map(|state| rank(graph.config(), state)).collect();
    let reaches_end = reaches_end_by_fair_actions(graph);
    for (index, state) in graph.states().iter().enumerate() {
        if state.core.server == ServerPhase::Open {
            continue;
        }
        let index = index as u32;
        let stuck = |what| Err(Stuck { what, path: graph.path_to(index) });
        endings.closing_states += 1;
        if is_closing_everywhere(state) {
            endings.largest_rank = endings.largest_rank.max(ranks[index as usize]);
        }
        if !makes_progress(graph, &ranks, index) {
            return stuck("a step of a closing system is no progress");
        }
        if graph.edges()[graph.edges_from(index)].iter().all(|edge| edge.to == index) {
            endings.final_states += 1;
            if !is_over(state) {
                return stuck("nothing can happen and something is left");
            }
        }
        if !reaches_end[index as usize] {
            return stuck("deadlines and workers alone do not end it");
        }
    }
    Ok(endings)
}

/// Does every step from here lower the rank, or at least not raise it where a worker has not heard yet?
fn makes_progress(graph: &Graph, ranks: &[u32], index: u32) -> bool {
    let state = &graph.states()[index as usize];
    let everywhere = is_closing_everywhere(state);
    graph.edges()[graph.edges_from(index)].iter().all(|edge| {
        let (old, new) = (ranks[index as usize], ranks[edge.to as usize]);
        let after = &graph.states()[edge.to as usize];
        new < old
            || new == old && !everywhere
            || state.core == after.core && state.world == after.world
    })
}

/// From which states the clock and the workers lead to the end.
fn reaches_end_by_fair_actions(graph: &Graph) -> Vec<bool> {
    let count = graph.states().len();
    let fair = || graph.edges().iter().filter(|edge| edge.action.is_fair());
    let mut begins = vec![0u32; count + 1];
    fair().for_each(|edge| begins[edge.to as usize + 1] += 1);
    for index in 0..count {
        begins[index + 1] += begins[index];
    }
    let mut next = begins.clone();
    let mut before = vec![0u32; begins[count] as usize];
    for edge in fair() {
        before[next[edge.to as usize] as usize] = edge.from;
        next[edge.to as usize] += 1;
    }
    let mut reaches: Vec<bool> = graph.states().iter().map(is_over).collect();
    let mut stack: Vec<u32> = (0..count as u32).filter(|at| reaches[*at as usize]).collect();
    while let Some(at) = stack.pop() {
        let from = begins[at as usize] as usize..begins[at as usize + 1] as usize;
        for source in &before[from] {
            if !std::mem::replace(&mut reaches[*source as usize], true) {
                stack.push(*source);
            }
        }
    }
    reaches
}

/// Is the server closed, with nothing left and nobody waiting?
pub(crate) fn is_over(state: &State) -> bool {
    state.core.server == ServerPhase::Closed
        && state.core.workers.iter().all(|worker| *worker == WorkerPhase::Released)
        && state.core.transports.iter().all(|transport| !transport.phase.is_live())
        && state.core.connections.iter().all(|connection| !connection.is_live())
        && state.world.sockets.iter().all(|socket| *socket == Socket::Released)
        && state.world.listeners.iter().all(|listener| *listener == Listener::Released)
        && state.world.streams.iter().all(|s| matches!(s.end, End::None | End::Closed))
        && !state.world.callers.contains(&Caller::Waiting)
}
