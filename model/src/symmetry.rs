//! What could be left out because it is the same under other names. It is counted, and nothing relies on it.

use std::hash::BuildHasher;

use hashbrown::HashTable;
use rustc_hash::FxBuildHasher;

use crate::action::{Action, Closes};
use crate::config::{Config, TransportConfig};
use crate::explore::Graph;
use crate::ids::{AddressId, ConnectionId, TransportId};
use crate::state::{Connection, Farewell, State, Transport, Tuple};
use crate::world::Callback;

/// New names for things of which a configuration has several alike.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Renaming {
    callers: Vec<u8>,
    transports: Vec<u8>,
    addresses: Vec<u8>,
    connections: Vec<u8>,
}

/// Every way to rename the callers, transports, addresses and connections of a configuration that leaves it as it is.
#[derive(Clone, Debug)]
pub struct Symmetry(Vec<Renaming>);

/// How much smaller the graph would be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reduced {
    /// In how many ways the configuration can be renamed into itself; 1 means that nothing is interchangeable.
    pub renamings: usize,
    /// States that are not another state with other names.
    pub states: usize,
}

/// A state at which states and their renamed selves part.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Asymmetry {
    /// What is wrong.
    pub what: &'static str,
    /// A shortest way to the state.
    pub path: Vec<Action>,
}

impl Symmetry {
    /// That of a configuration.
    pub fn of(config: &Config) -> Self {
        let mut renamings = Vec::new();
        for transports in permutations(config.transports.len()) {
            for addresses in permutations(config.addresses.len()) {
                for connections in permutations(config.connections.len()) {
                    let (transports, addresses) = (transports.clone(), addresses.clone());
                    let callers = Vec::new();
                    renamings.push(Renaming { callers, transports, addresses, connections });
                }
            }
        }
        renamings.retain(|renaming| renaming.leaves(config));
        let of_callers = permutations(config.callers);
        let with_callers = |renaming: Renaming| {
            of_callers
                .clone()
                .into_iter()
                .map(move |callers| Renaming { callers, ..renaming.clone() })
        };
        Self(renamings.into_iter().flat_map(with_callers).collect())
    }

    /// The state with the names that stand for all others.
    pub fn canon(&self, state: &State) -> State {
        let renamed = self.0.iter().map(|renaming| renaming.apply(state));
        renamed.min_by_key(hash).expect("a configuration can be renamed into itself")
    }
}

/// Check on every state and edge that renaming twice is renaming once, and that a state and its renamed self have the
/// same successors up to their names; count the states that are left.
pub fn check_symmetry(graph: &Graph) -> Result<Reduced, Asymmetry> {
    let symmetry = Symmetry::of(graph.config());
    let at = |index: u32, what| Asymmetry { what, path: graph.path_to(index) };
    let mut known = HashTable::with_capacity(graph.states().len());
    for (index, state) in graph.states().iter().enumerate() {
        known.insert_unique(hash(state), index as u32, |other| {
            hash(&graph.states()[*other as usize])
        });
    }
    let mut canons = Vec::with_capacity(graph.states().len());
    for (index, state) in graph.states().iter().enumerate() {
        let canon = symmetry.canon(state);
        let found = known.find(hash(&canon), |other| graph.states()[*other as usize] == canon);
        canons.push(*found.ok_or_else(|| at(index as u32, "it is not reached under other names"))?);
    }
    let successors = |index: u32| {
        let edges = &graph.edges()[graph.edges_from(index)];
        let mut after: Vec<_> = edges.iter().map(|edge| canons[edge.to as usize]).collect();
        after.sort_unstable();
        after.dedup();
        after
    };
    let mut states = 0;
    for index in 0..canons.len() as u32 {
        let canon = canons[index as usize];
        states += usize::from(canon == index);
        if canons[canon as usize] != canon {
            return Err(at(index, "its canonical form has another canonical form"));
        }
        if canon != index && successors(index) != successors(canon) {
            return Err(at(index, "its canonical form leads elsewhere"));
        }
    }
    Ok(Reduced { renamings: symmetry.0.len(), states })
}

fn hash(state: &State) -> u64 {
    FxBuildHasher.hash_one(state)
}

fn permutations(count: usize) -> Vec<Vec<u8>> {
    let mut found = vec![Vec::new()];
    for next in 0..count as u8 {
        let longer = |shorter: &Vec<u8>| {
            let shorter = shorter.clone();
            (0..=shorter.len()).map(move |place| {
                let mut longer = shorter.clone();
                longer.insert(place, next);
                longer
            })
        };
        found = found.iter().flat_map(longer).collect();
    }
    found
}

impl Renaming {
    /// Is the renamed configuration the same?
    fn leaves(&self, config: &Config) -> bool {
        let same = |t: TransportId| {
            let one = config.transport(t);
            let mut addresses: Vec<_> = one.addresses.iter().map(|a| self.address(*a)).collect();
            let mut connections: Vec<_> =
                one.connections.iter().map(|c| self.connection(*c)).collect();
            addresses.sort();
            connections.sort();
            let renamed = TransportConfig { addresses, connections, ..one.clone() };
            renamed == *config.transport(self.transport(t))
        };
        let addresses = (0..config.addresses.len() as u8).map(AddressId);
        let connections = (0..config.connections.len() as u8).map(ConnectionId);
        let listener = |c: ConnectionId| config.connections[c.index()];
        config.transport_ids().all(same)
            && addresses
                .into_iter()
                .all(|a| config.socket_of(a) == config.socket_of(self.address(a)))
            && connections.into_iter().all(|c| listener(c) == listener(self.connection(c)))
    }

    fn transport(&self, t: TransportId) -> TransportId {
        TransportId(self.transports[t.index()])
    }

    fn address(&self, a: AddressId) -> AddressId {
        AddressId(self.addresses[a.index()])
    }

    fn connection(&self, c: ConnectionId) -> ConnectionId {
        ConnectionId(self.connections[c.index()])
    }

    fn tuple(&self, tuple: Tuple) -> Tuple {
        match tuple {
            Tuple::Udp(a) => Tuple::Udp(self.address(a)),
            Tuple::Tcp(c) => Tuple::Tcp(self.connection(c)),
        }
    }

    fn apply(&self, state: &State) -> State {
        let mut after = state.clone();
        for (t, transport) in state.core.transports.iter().enumerate() {
            let new = usize::from(self.transports[t]);
            after.core.transports[new] = self.of_transport(transport);
            after.world.peers[new] = state.world.peers[t];
            after.ghost.transports[new] = state.ghost.transports[t];
        }
        for (c, connection) in state.core.connections.iter().enumerate() {
            let new = usize::from(self.connections[c]);
            after.core.connections[new] = self.of_connection(*connection);
            after.core.holders[new] = state.core.holders[c];
            after.world.streams[new] = state.world.streams[c];
        }
        for (caller, new) in self.callers.iter().enumerate() {
            after.world.callers[usize::from(*new)] = state.world.callers[caller];
            after.ghost.completions[usize::from(*new)] = state.ghost.completions[caller];
        }
        after.world.callback = match state.world.callback {
            Callback::Armed(Closes::Transport(t)) => {
                Callback::Armed(Closes::Transport(self.transport(t)))
            }
            Callback::Asked(t) => Callback::Asked(self.transport(t)),
            Callback::Idle | Callback::Armed(Closes::Server) | Callback::Done => {
                state.world.callback
            }
        };
        after.world.stale = state.world.stale.map(|c| self.connection(c));
        for hand_over in &mut after.world.mail {
            hand_over.c = self.connection(hand_over.c);
        }
        after
    }

    fn of_transport(&self, transport: &Transport) -> Transport {
        let farewell = match transport.farewell {
            Farewell::Queued(path) => Farewell::Queued(self.tuple(path)),
            Farewell::Sent(path) => Farewell::Sent(self.tuple(path)),
            Farewell::Confirmed(path) => Farewell::Confirmed(self.tuple(path)),
            Farewell::None | Farewell::Dropped(_) => transport.farewell,
        };
        Transport {
            tuples: transport.tuples.iter().map(|tuple| self.tuple(*tuple)).collect(),
            selected: transport.selected.map(|tuple| self.tuple(tuple)),
            farewell,
            ..transport.clone()
        }
    }

    fn of_connection(&self, connection: Connection) -> Connection {
        match connection {
            Connection::Bound { owner, queue } => {
                Connection::Bound { owner: self.transport(owner), queue }
            }
            Connection::Flushing { owner, queue, eof } => {
                Connection::Flushing { owner: self.transport(owner), queue, eof }
            }
            Connection::Draining { owner } => {
                Connection::Draining { owner: owner.map(|t| self.transport(t)) }
            }
            Connection::InFlight { to } => Connection::InFlight { to: self.transport(to) },
            Connection::None | Connection::Unbound | Connection::Gone => connection,
        }
    }
}
