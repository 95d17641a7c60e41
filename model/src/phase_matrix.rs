//! Which input means what in which phase, read off the explored graphs.

use std::borrow::Borrow;
use std::collections::{BTreeMap, BTreeSet, HashMap};

use crate::action::{Action, Check, Closes, Subject};
use crate::config::Config;
use crate::explore::Graph;
use crate::ids::{CallerId, ConnectionId, TransportId, WorkerId};
use crate::phase_diagram::diagram;
use crate::state::{
    Connection, DtlsState, Farewell, IceState, Phase, ServerPhase, State, Tuple, WorkerPhase,
};
use crate::step::every_action;
use crate::words::worker_of;
use crate::world::Caller;

const INTRODUCTION: &str = "\
# Phases

Generated from the graphs of the configurations of the preset `standard`. It is rewritten by
`UPDATE=1 cargo test --release -p webrtc-server-model --test documents`.

For each machine: how it comes from phase to phase, and then, for each phase and each input that is addressed to it,

- **changes**: it can happen, and something is different afterwards;
- repeated: it can happen, and changes nothing;
- **changes** or repeated: the one or the other, depending on the rest of the state;
- → and phases: it can lead there;
- impossible: there is no reachable state of this phase in which it can happen.

What counts as different: of the server everything, its world included; of a worker its phase and all that it serves; of
a transport, its farewell, its ICE and its DTLS the transport with its peer and its connections; of a connection itself
and its stream; of a caller itself. An input that is addressed to a connection is addressed to its transport as well,
and to its worker.
";

/// A small machine within a state.
pub(crate) struct Machine {
    pub(crate) name: &'static str,
    pub(crate) phases: &'static [&'static str],
    /// How many of it a configuration has.
    instances: fn(&Config) -> usize,
    /// The place in `phases` of one of them.
    phase: fn(&State, usize) -> usize,
    /// Is an input addressed to this one?
    hears: fn(&Step<'_>, usize) -> bool,
    /// Is this one, with what belongs to it, different after a step?
    changes: fn(&Step<'_>, usize) -> bool,
}

/// An edge of a graph with its states.
struct Step<'a> {
    config: &'a Config,
    before: &'a State,
    action: Action,
    after: &'a State,
}

/// An action without its ids.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Input {
    pub(crate) kind: String,
    /// What else tells it from others of its kind.
    pub(crate) details: Vec<&'static str>,
}

/// What was seen of an input in a phase.
#[derive(Clone, Copy, Default)]
struct Seen {
    changes: bool,
    repeated: bool,
}

/// What was seen of a machine. Inputs are numbers.
#[derive(Default)]
pub(crate) struct Sight {
    cells: HashMap<(usize, usize), Seen>,
    /// The phases that it begins in.
    pub(crate) initial: BTreeSet<usize>,
    /// The phases that it ends in: nothing can change any more.
    pub(crate) last: BTreeSet<usize>,
    /// The inputs that lead from a phase to another one.
    pub(crate) ways: BTreeMap<(usize, usize), BTreeSet<usize>>,
}

const MACHINES: [Machine; 8] = [
    Machine {
        name: "Server",
        phases: &["Open", "Closing", "Releasing", "Closed"],
        instances: |_| 1,
        phase: |state, _| match state.core.server {
            ServerPhase::Open => 0,
            ServerPhase::Closing => 1,
            ServerPhase::Releasing => 2,
            ServerPhase::Closed => 3,
        },
        hears: |_, _| true,
        changes: |step, _| {
            step.before.core != step.after.core || step.before.world != step.after.world
        },
    },
    Machine {
        name: "Worker",
        phases: &["Open", "Closing", "Drained", "Released"],
        instances: |config| config.workers,
        phase: |state, index| match state.core.workers[index] {
            WorkerPhase::Open => 0,
            WorkerPhase::Closing => 1,
            WorkerPhase::Drained => 2,
            WorkerPhase::Released => 3,
        },
        hears: |step, index| step.worker() == Some(worker(index)),
        changes: |step, index| step.changes_worker(index),
    },
    Machine {
        name: "Transport",
        phases: &["Absent", "Refused", "Open", "Closing", "Closed"],
        instances: |config| config.transports.len(),
        phase: |state, index| match state.core.transports[index].phase {
            Phase::Absent => 0,
            Phase::Refused => 1,
            Phase::Open => 2,
            Phase::Closing => 3,
            Phase::Closed => 4,
        },
        hears: |step, index| step.is_for_transport(index),
        changes: |step, index| step.changes_transport(index),
    },
    Machine {
        name: "Farewell",
        phases: &["None", "Queued", "Sent", "Confirmed", "Dropped"],
        instances: |config| config.transports.len(),
        phase: |state, index| match state.core.transports[index].farewell {
            Farewell::None => 0,
            Farewell::Queued(_) => 1,
            Farewell::Sent(_) => 2,
            Farewell::Confirmed(_) => 3,
            Farewell::Dropped(_) => 4,
        },
        hears: |step, index| step.is_for_transport(index),
        changes: |step, index| step.changes_transport(index),
    },
    Machine {
        name: "Connection",
        phases: &["None", "Unbound", "InFlight", "Bound", "Flushing", "Draining", "Gone"],
        instances: |config| config.connections.len(),
        phase: |state, index| match state.core.connections[index] {
            Connection::None => 0,
            Connection::Unbound => 1,
            Connection::InFlight { .. } => 2,
            Connection::Bound { .. } => 3,
            Connection::Flushing { .. } => 4,
            Connection::Draining { .. } => 5,
            Connection::Gone => 6,
        },
        hears: |step, index| step.is_for_connection(index),
        changes: |step, index| {
            step.before.core.connections[index] != step.after.core.connections[index]
                || step.before.world.streams[index] != step.after.world.streams[index]
        },
    },
    Machine {
        name: "ICE",
        phases: &["New", "Connected", "Completed", "Disconnected", "Closed"],
        instances: |config| config.transports.len(),
        phase: |state, index| match state.core.transports[index].ice {
            IceState::New => 0,
            IceState::Connected => 1,
            IceState::Completed => 2,
            IceState::Disconnected => 3,
            IceState::Closed => 4,
        },
        hears: |step, index| step.is_for_transport(index),
        changes: |step, index| step.changes_transport(index),
    },
    Machine {
        name: "DTLS",
        phases: &["New", "Connecting", "Connected", "Failed", "Closed"],
        instances: |config| config.transports.len(),
        phase: |state, index| match state.core.transports[index].dtls {
            DtlsState::New => 0,
            DtlsState::Connecting => 1,
            DtlsState::Connected => 2,
            DtlsState::Failed => 3,
            DtlsState::Closed => 4,
        },
        hears: |step, index| step.is_for_transport(index),
        changes: |step, index| step.changes_transport(index),
    },
    Machine {
        name: "Caller",
        phases: &["Idle", "Waiting", "Returned", "Dropped"],
        instances: |config| config.callers,
        phase: |state, index| match state.world.callers[index] {
            Caller::Idle => 0,
            Caller::Waiting => 1,
            Caller::Returned => 2,
            Caller::Dropped => 3,
        },
        hears: |step, index| step.is_for_caller(index),
        changes: |step, index| step.before.world.callers[index] != step.after.world.callers[index],
    },
];

fn worker(index: usize) -> WorkerId {
    WorkerId(index as u8)
}

impl Step<'_> {
    fn worker(&self) -> Option<WorkerId> {
        worker_of(self.config, &self.before.core, self.action)
    }

    fn is_for_transport(&self, index: usize) -> bool {
        let t = TransportId(index as u8);
        match self.action.subject() {
            Subject::Transport(subject) => subject == t,
            Subject::Connection(c) => self.before.core.connection(c).transport() == Some(t),
            // Only a worker that is drained may release its carriers.
            Subject::Worker if matches!(self.action, Action::WorkerHearsGrant { .. }) => false,
            Subject::Worker => self.worker() == Some(self.config.worker_of(t)),
            Subject::Server => false,
        }
    }

    #[expect(clippy::wildcard_enum_match_arm, reason = "the subject decides of the others")]
    fn is_for_connection(&self, index: usize) -> bool {
        let c = ConnectionId(index as u8);
        let worker = self.before.core.holder(c);
        match self.action {
            Action::PeerChecks { from: Tuple::Tcp(from), .. } => from == c,
            Action::PeerChecksTwiceAndResets { c: subject, .. } => subject == c,
            Action::WorkerHearsClose { w } | Action::ServerDeadlinePasses { w } => {
                Some(w) == worker
            }
            _ => match self.action.subject() {
                Subject::Connection(subject) => subject == c,
                Subject::Transport(t) => self.before.core.connection(c).owner() == Some(t),
                Subject::Worker | Subject::Server => false,
            },
        }
    }

    #[expect(clippy::wildcard_enum_match_arm, reason = "nothing else concerns a caller")]
    fn is_for_caller(&self, index: usize) -> bool {
        match self.action {
            Action::OwnerClosesServer { caller } | Action::OwnerDropsHandle { caller } => {
                caller == CallerId(index as u8)
            }
            Action::WorkerHearsGrant { .. } => true,
            _ => false,
        }
    }

    fn changes_transport(&self, index: usize) -> bool {
        let t = TransportId(index as u8);
        let [before, after] = [self.before, self.after];
        let owns = |state: &State, c| state.core.connection(c).owner() == Some(t);
        let is_same = |c| {
            before.core.connection(c) == after.core.connection(c)
                && before.world.stream(c) == after.world.stream(c)
        };
        let mut connections = before.core.connection_ids();
        before.core.transport(t) != after.core.transport(t)
            || before.world.peer(t) != after.world.peer(t)
            || connections.any(|c| (owns(before, c) || owns(after, c)) && !is_same(c))
    }

    fn changes_worker(&self, index: usize) -> bool {
        let (w, config) = (worker(index), self.config);
        let [before, after] = [self.before, self.after];
        let mut transports = config.transport_ids().filter(|t| config.worker_of(*t) == w);
        let mut connections =
            before.core.connection_ids().filter(|c| before.core.receiver(config, *c) == w);
        let socket = |state: &State, index: usize| state.world.sockets[index];
        let listener = |state: &State, index: usize| state.world.listeners[index];
        before.core.worker(w) != after.core.worker(w)
            || transports.any(|t| {
                before.core.transport(t) != after.core.transport(t)
                    || before.world.peer(t) != after.world.peer(t)
            })
            || connections.any(|c| {
                before.core.connection(c) != after.core.connection(c)
                    || before.world.stream(c) != after.world.stream(c)
            })
            || config.sockets_of(w).any(|s| socket(before, s.index()) != socket(after, s.index()))
            || config
                .listeners_of(w)
                .any(|l| listener(before, l.index()) != listener(after, l.index()))
    }
}

/// A Markdown document with a diagram of the phases and a table of phases and inputs for each machine, from all graphs
/// together.
pub fn phase_matrix<G: Borrow<Graph>>(graphs: impl IntoIterator<Item = G>) -> String {
    let mut sights = MACHINES.each_ref().map(|_| Sight::default());
    let mut order = BTreeMap::new();
    let mut inputs = Vec::new();
    for graph in graphs {
        let numbers = number_inputs(graph.borrow().config(), &mut inputs, &mut order);
        for (machine, sight) in MACHINES.iter().zip(&mut sights) {
            look(machine, graph.borrow(), &numbers, sight);
        }
    }
    // Actors and their actions come in the order in which they are declared.
    let order: Vec<usize> = order.into_values().collect();
    let mut document = INTRODUCTION.to_owned();
    for (machine, sight) in MACHINES.iter().zip(&sights) {
        let heading = format!("\n## {}\n\n", machine.name);
        document += &heading;
        document += &diagram(machine, sight, &order, &inputs);
        document.push('\n');
        document += &table(machine, sight, &order, &inputs);
    }
    document
}

/// The number of the input that each action of a configuration is.
fn number_inputs(
    config: &Config,
    inputs: &mut Vec<Input>,
    order: &mut BTreeMap<Action, usize>,
) -> HashMap<Action, usize> {
    let mut numbers = HashMap::new();
    for action in every_action(config) {
        let input = Input::of(action);
        let number = inputs.iter().position(|other| *other == input).unwrap_or_else(|| {
            inputs.push(input);
            order.insert(action, inputs.len() - 1);
            inputs.len() - 1
        });
        numbers.insert(action, number);
    }
    numbers
}

fn look(machine: &Machine, graph: &Graph, numbers: &HashMap<Action, usize>, sight: &mut Sight) {
    let config = graph.config();
    let instances = (machine.instances)(config);
    sight.initial.extend((0..instances).map(|index| (machine.phase)(&graph.states()[0], index)));
    for (number, state) in (0u32..).zip(graph.states()) {
        let mut edges = graph.edges_from(number).map(|edge| graph.edges()[edge]);
        if edges.all(|edge| edge.to == number) {
            sight.last.extend((0..instances).map(|index| (machine.phase)(state, index)));
        }
    }
    for edge in graph.edges() {
        let [before, after] = [edge.from, edge.to].map(|at| &graph.states()[at as usize]);
        let step = Step { config, before, action: edge.action, after };
        let input = numbers[&edge.action];
        for index in 0..instances {
            let changed = (machine.changes)(&step, index);
            if !changed && !(machine.hears)(&step, index) {
                continue;
            }
            let [from, to] = [before, after].map(|state| (machine.phase)(state, index));
            let seen = sight.cells.entry((input, from)).or_default();
            seen.changes |= changed;
            seen.repeated |= !changed;
            if from != to {
                sight.ways.entry((from, to)).or_default().insert(input);
            }
        }
    }
}

fn table(machine: &Machine, sight: &Sight, order: &[usize], inputs: &[Input]) -> String {
    let mut table = format!("| Input | {} |\n", machine.phases.join(" | "));
    table += &format!("|---{}|\n", "|---".repeat(machine.phases.len()));
    for input in order {
        let cells = (0..machine.phases.len()).map(|phase| cell(machine, sight, *input, phase));
        let cells: Vec<_> = cells.collect();
        if cells.iter().any(|cell| cell != IMPOSSIBLE) {
            let Input { kind, details } = &inputs[*input];
            let details = details.join(", ");
            table +=
                &format!("| {} | {} |\n", format!("`{kind}` {details}").trim(), cells.join(" | "));
        }
    }
    table
}

const IMPOSSIBLE: &str = "impossible";

/// What an input does in a phase, and where it can lead.
fn cell(machine: &Machine, sight: &Sight, input: usize, phase: usize) -> String {
    let Seen { changes, repeated } = sight.cells.get(&(input, phase)).copied().unwrap_or_default();
    let text = match (changes, repeated) {
        (true, false) => "**changes**",
        (false, true) => "repeated",
        (true, true) => "**changes** or repeated",
        (false, false) => IMPOSSIBLE,
    };
    let leads = |((from, to), causes): (&(usize, usize), &BTreeSet<usize>)| {
        (*from == phase && causes.contains(&input)).then_some(machine.phases[*to])
    };
    match sight.ways.iter().filter_map(leads).collect::<Vec<_>>().as_slice() {
        [] => text.to_owned(),
        targets => format!("{text} → {}", targets.join(", ")),
    }
}

impl Input {
    #[expect(clippy::wildcard_enum_match_arm, reason = "the others say all with their name")]
    fn of(action: Action) -> Self {
        let text = format!("{action:?}");
        let kind = text.split(' ').next().unwrap_or_default().to_owned();
        let details = match action {
            Action::PeerChecks { from, check, .. } => {
                let over = if from.is_udp() { "over UDP" } else { "over TCP" };
                match check {
                    Check::Plain => vec![over],
                    Check::Nominating => vec![over, "nominating"],
                    Check::WithFormerCredentials => vec![over, "with former credentials"],
                }
            }
            Action::KernelLeavesRoom { part: true, .. } => vec!["for a part"],
            Action::KernelLeavesRoom { part: false, .. } => vec!["for nothing"],
            Action::OwnerArmsCallback { closes: Closes::Server } => vec!["to close the server"],
            Action::OwnerArmsCallback { closes: Closes::Transport(_) } => {
                vec!["to close a transport"]
            }
            _ => Vec::new(),
        };
        Self { kind, details }
    }
}
