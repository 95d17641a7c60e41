//! Which input means what in which phase, read off the explored graphs.

use std::collections::HashMap;

use crate::action::{Action, TransportId};
use crate::class::anonymous;
use crate::explore::Graph;
use crate::state::{
    Connection, DtlsState, Farewell, IceState, Phase, ServerPhase, State, Transport,
};
use crate::step::every_action;

const INTRODUCTION: &str = "\
# Phase x input

Generated from the graphs of `small` and `standard`. It is rewritten by
`UPDATE=1 cargo test --release -p webrtc-server-model --test documents`. For each phase of a machine and each input:

- **changes**: it can happen, and something is different afterwards;
- repeated: it can happen, and changes nothing;
- **changes** or repeated: the one or the other, depending on the rest of the state;
- impossible: there is no reachable state of this phase in which it can happen.

Of the server everything counts, its world included; of the other machines the transport and its peer.
";

/// A small machine within a state: its name and phases, and the phase that a transport is in.
struct Machine {
    name: &'static str,
    phases: &'static [&'static str],
    /// The place in `phases`.
    phase: fn(&State, TransportId) -> usize,
    scope: Scope,
}

/// Of what a step must change something to count as a change.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Scope {
    Everything,
    Transport,
}

/// What was seen of an input in a phase.
#[derive(Clone, Copy, Default)]
struct Seen {
    changes: bool,
    repeated: bool,
}

const MACHINES: [Machine; 6] = [
    Machine {
        name: "Server",
        phases: &["Open", "Closing", "Drained", "Closed"],
        phase: |state, _| match state.core.server {
            ServerPhase::Open => 0,
            ServerPhase::Closing => 1,
            ServerPhase::Drained => 2,
            ServerPhase::Closed => 3,
        },
        scope: Scope::Everything,
    },
    Machine {
        name: "Transport",
        phases: &["Open", "Closing", "Closed"],
        phase: |state, t| match of(state, t).phase {
            Phase::Open => 0,
            Phase::Closing => 1,
            Phase::Closed => 2,
        },
        scope: Scope::Transport,
    },
    Machine {
        name: "Farewell",
        phases: &["None", "Queued", "Sent", "Confirmed", "Dropped"],
        phase: |state, t| match of(state, t).farewell {
            Farewell::None => 0,
            Farewell::Queued(_) => 1,
            Farewell::Sent(_) => 2,
            Farewell::Confirmed(_) => 3,
            Farewell::Dropped(_) => 4,
        },
        scope: Scope::Transport,
    },
    Machine {
        name: "TCP connection",
        phases: &["None", "Unbound", "Bound", "Flushing", "Draining", "Gone"],
        phase: |state, t| match of(state, t).tcp {
            Connection::None => 0,
            Connection::Unbound => 1,
            Connection::Bound { .. } => 2,
            Connection::Flushing { .. } => 3,
            Connection::Draining { .. } => 4,
            Connection::Gone => 5,
        },
        scope: Scope::Transport,
    },
    Machine {
        name: "ICE",
        phases: &["New", "Connected", "Completed", "Disconnected", "Closed"],
        phase: |state, t| match of(state, t).ice {
            IceState::New => 0,
            IceState::Connected => 1,
            IceState::Completed => 2,
            IceState::Disconnected => 3,
            IceState::Closed => 4,
        },
        scope: Scope::Transport,
    },
    Machine {
        name: "DTLS",
        phases: &["New", "Connecting", "Connected", "Failed", "Closed"],
        phase: |state, t| match of(state, t).dtls {
            DtlsState::New => 0,
            DtlsState::Connecting => 1,
            DtlsState::Connected => 2,
            DtlsState::Failed => 3,
            DtlsState::Closed => 4,
        },
        scope: Scope::Transport,
    },
];

fn of(state: &State, t: TransportId) -> &Transport {
    state.core.transport(t)
}

/// A Markdown document with a table of phases and inputs for each machine, from all graphs
/// together.
pub fn phase_matrix(graphs: &[&Graph]) -> String {
    let mut document = INTRODUCTION.to_owned();
    let inputs = inputs(graphs);
    for machine in &MACHINES {
        let mut seen = HashMap::new();
        graphs.iter().for_each(|graph| look(machine, graph, &mut seen));
        document += &format!("\n## {}\n\n", machine.name);
        document += &table(machine, &inputs, &seen);
    }
    document
}

/// Every kind of input that has a meaning in one of the configurations.
fn inputs(graphs: &[&Graph]) -> Vec<Action> {
    let mut inputs = Vec::new();
    for action in graphs.iter().flat_map(|graph| every_action(graph.config())).map(anonymous) {
        if !inputs.contains(&action) {
            inputs.push(action);
        }
    }
    inputs
}

fn look(machine: &Machine, graph: &Graph, seen: &mut HashMap<(Action, usize), Seen>) {
    for edge in graph.edges() {
        let [from, to] = [edge.from, edge.to].map(|at| &graph.states()[at as usize]);
        for index in 0..graph.config().transports() {
            let t = TransportId(index as u8);
            let is_subject = edge.action.transport().is_none_or(|subject| subject == t);
            let changed = match machine.scope {
                Scope::Everything => edge.from != edge.to,
                Scope::Transport if !is_subject => continue,
                Scope::Transport => {
                    of(from, t) != of(to, t)
                        || from.world.peers[t.index()] != to.world.peers[t.index()]
                }
            };
            let at = (anonymous(edge.action), (machine.phase)(from, t));
            let seen = seen.entry(at).or_default();
            seen.changes |= changed;
            seen.repeated |= !changed;
        }
    }
}

fn table(machine: &Machine, inputs: &[Action], seen: &HashMap<(Action, usize), Seen>) -> String {
    let mut table = format!("| Input | {} |\n", machine.phases.join(" | "));
    table += &format!("|---{}|\n", "|---".repeat(machine.phases.len()));
    for input in inputs {
        table += &format!("| {}", name(*input));
        for phase in 0..machine.phases.len() {
            let seen = seen.get(&(*input, phase)).copied().unwrap_or_default();
            table += &format!(" | {}", cell(seen));
        }
        table += " |\n";
    }
    table
}

fn cell(seen: Seen) -> &'static str {
    match (seen.changes, seen.repeated) {
        (true, false) => "**changes**",
        (false, true) => "repeated",
        (true, true) => "**changes** or repeated",
        (false, false) => "impossible",
    }
}

/// The name of an input without its ids.
fn name(input: Action) -> String {
    let text = format!("{input:?}");
    let kind = text.split(' ').next().unwrap_or_default();
    if let Action::PeerChecks { via, nominate, .. } = input {
        format!("`{kind}`, {via:?}{}", if nominate { ", nominating" } else { "" })
    } else {
        format!("`{kind}`")
    }
}
