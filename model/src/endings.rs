//! Liveness on the explicit graph: closing always comes to its end.

use crate::action::Action;
use crate::explore::Graph;
use crate::rank::rank;
use crate::state::{Phase, ServerPhase, State};
use crate::world::{Caller, Socket, Stream};

/// What the check of all endings found, when it found nothing wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Endings {
    /// States in which the server is closing, drained or closed.
    pub closing_states: usize,
    /// States that nothing leads out of.
    pub final_states: usize,
    /// The largest rank of a closing state: no close takes more steps than this.
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

/// Check on every state and edge that
/// a step of a closing system lowers its rank or changes nothing;
/// a closing state that nothing leads out of is the end, with nothing left;
/// deadlines and the workers alone lead from every closing state to the end.
pub fn check_endings(graph: &Graph) -> Result<Endings, Stuck> {
    let mut endings = Endings { closing_states: 0, final_states: 0, largest_rank: 0 };
    let reaches_end = reaches_end_by_deadlines(graph);
    for (index, state) in graph.states().iter().enumerate() {
        if state.core.server == ServerPhase::Open {
            continue;
        }
        let index = index as u32;
        let stuck = |what| Stuck { what, path: graph.path_to(index) };
        endings.closing_states += 1;
        endings.largest_rank = endings.largest_rank.max(rank(state));
        let mut leads_on = false;
        for edge in &graph.edges()[graph.edges_from(index)] {
            let after = &graph.states()[edge.to as usize];
            if edge.to != index {
                leads_on = true;
                if rank(after) >= rank(state) {
                    return Err(stuck("a step of a closing system is no progress"));
                }
            }
        }
        if !leads_on {
            endings.final_states += 1;
            if !has_nothing_left(state) {
                return Err(stuck("nothing can happen and something is left"));
            }
        }
        if !reaches_end[index as usize] {
            return Err(stuck("deadlines and workers alone do not end it"));
        }
    }
    Ok(endings)
}

/// From which states deadlines and the workers lead to a closed server.
fn reaches_end_by_deadlines(graph: &Graph) -> Vec<bool> {
    let mut before = vec![Vec::new(); graph.states().len()];
    for edge in graph.edges().iter().filter(|edge| is_inevitable(edge.action)) {
        before[edge.to as usize].push(edge.from);
    }
    let mut reaches = vec![false; graph.states().len()];
    let ends = graph
        .states()
        .iter()
        .enumerate()
        .filter(|(_, state)| state.core.server == ServerPhase::Closed);
    let mut stack: Vec<u32> = ends.map(|(index, _)| index as u32).collect();
    while let Some(at) = stack.pop() {
        if !std::mem::replace(&mut reaches[at as usize], true) {
            stack.extend(&before[at as usize]);
        }
    }
    reaches
}

/// Does it happen whatever the peer, the kernel and the owner do?
fn is_inevitable(action: Action) -> bool {
    matches!(
        action,
        Action::FarewellDeadlinePasses { .. }
            | Action::LingerDeadlinePasses { .. }
            | Action::ServerDeadlinePasses
            | Action::WorkersAcknowledge
    )
}

fn has_nothing_left(state: &State) -> bool {
    state.core.server == ServerPhase::Closed
        && state.core.transports.iter().all(|t| t.phase == Phase::Closed && !t.tcp.is_live())
        && state.world.socket == Socket::Released
        && state.world.peers.iter().all(|p| matches!(p.stream, Stream::None | Stream::Closed))
        && state.world.callers.iter().all(|caller| *caller == Caller::Returned)
}
