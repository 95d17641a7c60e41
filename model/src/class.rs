//! Which edges are alike, so that one of them stands for all when traces are chosen for replay.

use std::fmt;

use arrayvec::ArrayVec;
use serde::{Deserialize, Serialize};

use crate::action::{Action, Check};
use crate::config::Config;
use crate::groups::{Group, Groups};
use crate::ids::{CallerId, ConnectionId, SocketId, TransportId, WorkerId};
use crate::parties::Parties;
use crate::reads::{FactKind, reads};
use crate::state::{
    CloseReason, Connection, DtlsState, Farewell, IceState, Outcome, Phase, ServerPhase, State,
    TUPLES_MAX, Tuple, Ufrags, WorkerPhase,
};
use crate::world::{Callback, Caller, End, HandOver, Room, Socket};

/// How fine the classes are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Grain {
    /// A class holds the whole state of a group, whether the action reads it or not.
    Whole,
    /// A class holds only what the action reads.
    Read,
}

/// One thing that a step may depend on, seen from one group.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Fact {
    /// The phase of a transport.
    Phase(TransportId, Phase),
    /// Its ICE state.
    Ice(TransportId, IceState),
    /// Its DTLS state.
    Dtls(TransportId, DtlsState),
    /// Its tuples.
    Tuples(TransportId, ArrayVec<Tuple, TUPLES_MAX>),
    /// Its selected tuple.
    Selected(TransportId, Option<Tuple>),
    /// Its ufrags.
    Ufrags(TransportId, Ufrags),
    /// Its close_notify.
    Farewell(TransportId, Farewell),
    /// Why it closes.
    Reason(TransportId, Option<CloseReason>),
    /// What came of its farewell.
    Outcome(TransportId, Option<Outcome>),
    /// How many flights of its handshake came.
    Flights(TransportId, u8),
    /// Whether its peer has said close_notify.
    SaidClose(TransportId, bool),
    /// How many of our alerts the kernel took.
    Alerts(TransportId, u8),
    /// Whether its close waits for a connection to which the action does not happen.
    Held(TransportId, bool),
    /// A connection as the server knows it.
    Connection(ConnectionId, Connection),
    /// Our end of it.
    End(ConnectionId, End),
    /// What its send buffer takes.
    Room(ConnectionId, Room),
    /// Whether input lies unread.
    Unread(ConnectionId, bool),
    /// How often it was opened.
    Uses(ConnectionId, u8),
    /// A socket.
    Socket(SocketId, Socket),
    /// The phase of a worker.
    Worker(WorkerId, WorkerPhase),
    /// Whether something of the worker is left to which the action does not happen.
    OthersLeft(WorkerId, bool),
    /// How far the other workers are, at least.
    OtherWorkers(Option<WorkerPhase>),
    /// The phase of the server.
    Server(ServerPhase),
    /// What the owner does in callbacks.
    Callback(Callback),
    /// The connection of which an event is still in the batch.
    Stale(Option<ConnectionId>),
    /// Whether a caller waits.
    CallerWaits(bool),
    /// What is under way between workers about a connection.
    Mail(ConnectionId, Option<(HandOver, TransportId, Check)>),
    /// Whether somebody has a handle beside the one that acts.
    OtherHandles(bool),
}

/// What a step depends on, seen from one group. Two edges of one class do the same to it.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct EdgeClass {
    /// What happens; the caller, if one does it, is 0.
    pub action: Action,
    /// What it depends on.
    pub facts: Vec<Fact>,
}

impl fmt::Display for EdgeClass {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} when", self.action)?;
        self.facts.iter().try_for_each(|fact| write!(f, " {fact:?}"))
    }
}

/// The classes of the edges of one configuration.
///
/// An action on a transport or a connection happens to the whole group. An action on what all share happens to each
/// transport with its connections, and to each connection that is nobody's, one by one; and to the workers and the
/// server, for whom it matters whether anything is left to which it did not happen.
#[derive(Clone, Debug)]
pub struct Classes<'a> {
    config: &'a Config,
    grain: Grain,
    groups: Groups,
}

impl<'a> Classes<'a> {
    /// Classes as fine as that.
    pub fn new(grain: Grain, config: &'a Config) -> Self {
        Self { config, grain, groups: Groups::of(config) }
    }

    /// The classes of an edge: one for an action on a group; for an action on what all share one for each group, and
    /// one for the workers and the server.
    pub fn of(&self, state: &State, action: Action) -> Vec<EdgeClass> {
        let mut classes = Vec::new();
        for group in self.subjects(state, action) {
            let class = self.as_seen_by(&group, state, action);
            if !classes.contains(&class) {
                classes.push(class);
            }
        }
        if self.groups.subject(action).is_none() {
            classes.push(self.as_seen_by_the_server(state, action));
        }
        classes
    }

    fn as_seen_by_the_server(&self, state: &State, action: Action) -> EdgeClass {
        let transports = state.core.transport_ids().collect();
        let connections = state.core.connection_ids().collect();
        let everybody = Group { transports, connections };
        self.with_kinds(&everybody, state, action, |kind| {
            matches!(
                kind,
                FactKind::Worker | FactKind::OthersLeft | FactKind::OtherWorkers | FactKind::Stale
            )
        })
    }

    /// To whom an action happens, as far as they are seen by themselves.
    pub(crate) fn subjects(&self, state: &State, action: Action) -> Vec<Group> {
        if let Some(one) = self.groups.subject(action) {
            return vec![self.groups.all()[one].clone()];
        }
        let with_its_connections = |t: TransportId| {
            let connections = state.core.connections_of(t).collect();
            Group { transports: vec![t], connections }
        };
        let strangers =
            state.core.connection_ids().filter(|c| state.core.connection(*c).owner().is_none());
        let alone = |c| Group { transports: Vec::new(), connections: vec![c] };
        let transports = state.core.transport_ids().map(with_its_connections);
        transports.chain(strangers.map(alone)).collect()
    }

    /// The class of an edge as one group sees it.
    pub(crate) fn as_seen_by(&self, group: &Group, state: &State, action: Action) -> EdgeClass {
        self.with_kinds(group, state, action, |kind| match self.grain {
            Grain::Whole => kind != FactKind::CallerWaits || reads(action).contains(&kind),
            Grain::Read => reads(action).contains(&kind),
        })
    }

    /// The class that holds these kinds.
    pub(crate) fn with_kinds(
        &self,
        group: &Group,
        state: &State,
        action: Action,
        holds: impl Fn(FactKind) -> bool,
    ) -> EdgeClass {
        let parties = match self.grain {
            Grain::Whole => Parties::all(self.config, group, state),
            Grain::Read => Parties::of(self.config, group, state, action),
        };
        let mut facts = Vec::new();
        let mut add = |fact: Fact| {
            if holds(fact.kind()) {
                facts.push(fact);
            }
        };
        parties
            .transports
            .iter()
            .for_each(|t| of_transport(state, *t).into_iter().for_each(&mut add));
        parties
            .connections
            .iter()
            .for_each(|c| of_connection(state, *c).into_iter().for_each(&mut add));
        parties.shared(self.config, state, action).into_iter().for_each(&mut add);
        EdgeClass { action: anonymous(action), facts }
    }
}

/// The classes of an edge, see [`Classes::of`].
pub fn edge_classes(
    grain: Grain,
    config: &Config,
    state: &State,
    action: Action,
) -> Vec<EdgeClass> {
    Classes::new(grain, config).of(state, action)
}

/// Everything about one transport.
pub(crate) fn of_transport(state: &State, t: TransportId) -> [Fact; 12] {
    let transport = state.core.transport(t);
    let peer = state.world.peer(t);
    [
        Fact::Phase(t, transport.phase),
        Fact::Ice(t, transport.ice),
        Fact::Dtls(t, transport.dtls),
        Fact::Tuples(t, transport.tuples.clone()),
        Fact::Selected(t, transport.selected),
        Fact::Ufrags(t, transport.ufrags),
        Fact::Farewell(t, transport.farewell),
        Fact::Reason(t, transport.reason),
        Fact::Outcome(t, transport.outcome),
        Fact::Flights(t, peer.flights),
        Fact::SaidClose(t, peer.said_close),
        Fact::Alerts(t, peer.alerts),
    ]
}

/// Everything about one connection.
pub(crate) fn of_connection(state: &State, c: ConnectionId) -> [Fact; 6] {
    let stream = state.world.stream(c);
    [
        Fact::Connection(c, state.core.connection(c)),
        Fact::End(c, stream.end),
        Fact::Room(c, stream.room),
        Fact::Unread(c, stream.unread),
        Fact::Uses(c, stream.uses),
        Fact::Mail(c, state.world.letter(c).map(|letter| (letter.what, letter.t, letter.check))),
    ]
}

/// What all groups share and what an action on one of them may change.
pub(crate) fn of_server(config: &Config, state: &State) -> Vec<Fact> {
    let mut facts = vec![
        Fact::Server(state.core.server),
        Fact::Callback(state.world.callback),
        Fact::Stale(state.world.stale),
        Fact::CallerWaits(state.world.callers.contains(&Caller::Waiting)),
    ];
    facts.extend(config.worker_ids().map(|w| Fact::Worker(w, state.core.worker(w))));
    facts
}

impl Fact {
    /// What it is about.
    pub(crate) fn kind(&self) -> FactKind {
        match self {
            Self::Phase(..) => FactKind::Phase,
            Self::Ice(..) => FactKind::Ice,
            Self::Dtls(..) => FactKind::Dtls,
            Self::Tuples(..) => FactKind::Tuples,
            Self::Selected(..) => FactKind::Selected,
            Self::Ufrags(..) => FactKind::Ufrags,
            Self::Farewell(..) => FactKind::Farewell,
            Self::Reason(..) => FactKind::Reason,
            Self::Outcome(..) => FactKind::Outcome,
            Self::Flights(..) => FactKind::Flights,
            Self::SaidClose(..) => FactKind::SaidClose,
            Self::Alerts(..) => FactKind::Alerts,
            Self::Held(..) => FactKind::Held,
            Self::Connection(..) => FactKind::Connection,
            Self::End(..) => FactKind::End,
            Self::Room(..) => FactKind::Room,
            Self::Unread(..) => FactKind::Unread,
            Self::Uses(..) => FactKind::Uses,
            Self::Socket(..) => FactKind::Socket,
            Self::Worker(..) => FactKind::Worker,
            Self::OthersLeft(..) => FactKind::OthersLeft,
            Self::OtherWorkers(_) => FactKind::OtherWorkers,
            Self::Server(_) => FactKind::Server,
            Self::Callback(_) => FactKind::Callback,
            Self::Stale(_) => FactKind::Stale,
            Self::CallerWaits(_) => FactKind::CallerWaits,
            Self::Mail(..) => FactKind::Mail,
            Self::OtherHandles(_) => FactKind::OtherHandles,
        }
    }
}

/// The same action by caller 0: nobody else has a number that means nothing.
fn anonymous(action: Action) -> Action {
    let caller = CallerId(0);
    if let Action::OwnerClosesServer { .. } = action {
        Action::OwnerClosesServer { caller }
    } else if let Action::OwnerDropsHandle { .. } = action {
        Action::OwnerDropsHandle { caller }
    } else {
        action
    }
}
