//! To whom within a group an action happens, and what the rest looks like from there.

use crate::action::{Action, Subject};
use crate::class::Fact;
use crate::config::Config;
use crate::groups::Group;
use crate::ids::{ConnectionId, SocketId, TransportId, WorkerId};
use crate::state::{Farewell, ServerPhase, State, Tuple, WorkerPhase};
use crate::world::{Callback, Caller};

/// The transports and connections of a group that an action happens to. It reads and changes no others.
pub(crate) struct Parties {
    /// The transports.
    pub(crate) transports: Vec<TransportId>,
    /// The connections.
    pub(crate) connections: Vec<ConnectionId>,
    /// The workers of these.
    workers: Vec<WorkerId>,
}

impl Parties {
    /// Everybody in the group.
    pub(crate) fn all(config: &Config, group: &Group, state: &State) -> Self {
        Self::new(config, state, group.transports.clone(), group.connections.clone())
    }

    /// Those that an action happens to.
    pub(crate) fn of(config: &Config, group: &Group, state: &State, action: Action) -> Self {
        let transports = group.transports.iter().copied();
        let transports: Vec<_> =
            transports.filter(|t| happens_to_transport(config, state, action, *t)).collect();
        let connections = group.connections.iter().copied();
        let connections = connections
            .filter(|c| happens_to_connection(config, state, action, &transports, *c))
            .collect();
        let parties = Self::new(config, state, transports, connections);
        match worker_named_by(action) {
            Some(w) => Self { workers: vec![w], ..parties },
            None => parties,
        }
    }

    fn new(
        config: &Config,
        state: &State,
        transports: Vec<TransportId>,
        connections: Vec<ConnectionId>,
    ) -> Self {
        let of_transports = transports.iter().map(|t| config.worker_of(*t));
        let of_connections = connections.iter().map(|c| state.core.receiver(config, *c));
        let mut workers: Vec<_> = of_transports.chain(of_connections).collect();
        workers.sort();
        workers.dedup();
        Self { transports, connections, workers }
    }

    /// What is not theirs alone, as far as it can make a difference in this state.
    pub(crate) fn shared(&self, config: &Config, state: &State, action: Action) -> Vec<Fact> {
        let mut facts = Vec::new();
        for t in &self.transports {
            let mut held = state.core.connections_of(*t);
            facts.push(Fact::Held(*t, held.any(|c| !self.connections.contains(&c))));
        }
        for s in self.sockets(config, state) {
            facts.push(Fact::Socket(s, state.world.sockets[s.index()]));
        }
        for w in &self.workers {
            let phase = state.core.worker(*w);
            facts.push(Fact::Worker(*w, phase));
            if phase == WorkerPhase::Closing {
                facts.push(Fact::OthersLeft(*w, self.others_left(config, state, *w)));
            }
        }
        let closing = |w: &WorkerId| state.core.worker(*w) == WorkerPhase::Closing;
        let releases = matches!(action, Action::WorkerHearsGrant { .. });
        if releases || self.workers.iter().any(closing) {
            facts.push(Fact::OtherWorkers(self.other_workers(config, state)));
        }
        let armed = matches!(state.world.callback, Callback::Armed(_));
        let on_server = matches!(action.subject(), Subject::Worker | Subject::Server);
        if armed {
            facts.push(Fact::Callback(state.world.callback));
        }
        if armed || on_server {
            let asked = state.core.server != ServerPhase::Open;
            let phase = if on_server { state.core.server } else { closed_or_open(asked) };
            facts.push(Fact::Server(phase));
        }
        facts.push(Fact::Stale(state.world.stale));
        facts.push(Fact::CallerWaits(state.world.callers.contains(&Caller::Waiting)));
        facts
    }

    /// The sockets that they would send to.
    fn sockets(&self, config: &Config, state: &State) -> Vec<SocketId> {
        let selected = self.transports.iter().filter_map(|t| state.core.transport(*t).selected);
        let mut sockets: Vec<_> = selected
            .filter_map(|tuple| match tuple {
                Tuple::Udp(address) => Some(config.socket_of(address)),
                Tuple::Tcp(_) => None,
            })
            .collect();
        sockets.sort();
        sockets.dedup();
        sockets
    }

    fn others_left(&self, config: &Config, state: &State, w: WorkerId) -> bool {
        let mut transports = state.core.transport_ids().filter(|t| !self.transports.contains(t));
        let mut connections = state.core.connection_ids().filter(|c| !self.connections.contains(c));
        transports.any(|t| config.worker_of(t) == w && state.core.transport(t).phase.is_live())
            || connections
                .any(|c| state.core.holder(c) == Some(w) && state.core.connection(c).is_live())
    }

    /// The phase of the worker that is least far among the others.
    fn other_workers(&self, config: &Config, state: &State) -> Option<WorkerPhase> {
        let others = config.worker_ids().filter(|w| !self.workers.contains(w));
        others.map(|w| state.core.worker(w)).min_by_key(|phase| *phase as u8)
    }
}

fn closed_or_open(asked: bool) -> ServerPhase {
    if asked { ServerPhase::Closing } else { ServerPhase::Open }
}

/// Who is the subject of the action, or loses a tuple by it.
fn happens_to_transport(config: &Config, state: &State, action: Action, t: TransportId) -> bool {
    let transport = state.core.transport(t);
    let loses =
        |from: Tuple| transport.tuples.contains(&from) || transport.farewell.path() == Some(from);
    match (action, action.subject()) {
        (Action::PeerChecks { t: subject, from, .. }, _) => subject == t || loses(from),
        (Action::PeerChecksTwiceAndResets { t: subject, c }, _) => {
            subject == t || loses(Tuple::Tcp(c))
        }
        (Action::KernelMakesRoomOnSocket { s }, _) => match transport.farewell {
            Farewell::Queued(Tuple::Udp(address)) => config.socket_of(address) == s,
            Farewell::Queued(Tuple::Tcp(_))
            | Farewell::None
            | Farewell::Sent(_)
            | Farewell::Confirmed(_)
            | Farewell::Dropped(_) => false,
        },
        (Action::WorkerHearsClose { w } | Action::ServerDeadlinePasses { w }, _) => {
            config.worker_of(t) == w
        }
        (_, Subject::Transport(subject)) => subject == t,
        (_, Subject::Connection(c)) => state.core.connection(c).transport() == Some(t),
        (_, Subject::Worker | Subject::Server) => false,
    }
}

/// Those that the action names, and those of the transports that close, lose their consent, or write.
fn happens_to_connection(
    config: &Config,
    state: &State,
    action: Action,
    transports: &[TransportId],
    c: ConnectionId,
) -> bool {
    let owned = || state.core.connection(c).owner().is_some_and(|t| transports.contains(&t));
    let gives_way = |t: TransportId| {
        let full = state.core.transport(t).tuples.len() >= config.tuples_max;
        full && state.core.connection(c).owner() == Some(t)
    };
    match (action, action.subject()) {
        (Action::PeerChecks { t, from, .. }, _) => from == Tuple::Tcp(c) || gives_way(t),
        (Action::PeerChecksTwiceAndResets { t, c: named }, _) => named == c || gives_way(t),
        (
            Action::OwnerClosesTransport { .. }
            | Action::WorkerHearsTransportClose { .. }
            | Action::ConsentExpires { .. },
            _,
        ) => owned(),
        (Action::WorkerHearsClose { w } | Action::ServerDeadlinePasses { w }, _) => {
            state.core.holder(c) == Some(w) || owned()
        }
        (Action::PeerSendsCloseNotify { t }, _) => {
            state.core.transport(t).selected == Some(Tuple::Tcp(c))
        }
        (_, Subject::Connection(named)) => named == c,
        (_, Subject::Transport(_) | Subject::Worker | Subject::Server) => false,
    }
}

fn worker_named_by(action: Action) -> Option<WorkerId> {
    if let Action::WorkerHearsClose { w }
    | Action::WorkerHearsGrant { w }
    | Action::ServerDeadlinePasses { w } = action
    {
        Some(w)
    } else {
        None
    }
}
