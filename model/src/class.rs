//! Which edges are alike, so that one of them stands for all when traces are chosen for replay.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::fmt;

use serde::Serialize;

use crate::action::{Action, CallerId, TransportId};
use crate::effect::Effect;
use crate::explore::Graph;
use crate::state::{Caller, Peer, Phase, ServerPhase, Socket, State, Transport};
use crate::step::step;

/// What a step depends on, seen from one transport. Two edges of one class do the same to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
pub struct EdgeClass {
    /// What happens, with every id replaced by 0.
    pub action: Action,
    /// The transport that it happens to.
    pub transport: Transport,
    /// Its peer.
    pub peer: Peer,
    /// The phase of the server.
    pub server: ServerPhase,
    /// The shared socket.
    pub socket: Socket,
    /// Another transport, or its connection, is left.
    pub others_left: bool,
    /// Callers that wait, at most 1; counted only where callers are concerned.
    pub waiting: u8,
}

impl fmt::Display for EdgeClass {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self:?}")
    }
}

/// The classes of an edge: one for an action on a transport, one per transport for an action on
/// the server.
pub fn edge_classes(state: &State, action: Action) -> Vec<EdgeClass> {
    subjects(state, action).map(|t| edge_class(state, action, t)).collect()
}

/// The class of an edge as one transport sees it.
pub fn edge_class(state: &State, action: Action, t: TransportId) -> EdgeClass {
    let others_left = state.core.transports.iter().enumerate().any(|(index, other)| {
        index != t.index() && (other.phase != Phase::Closed || other.tcp.is_live())
    });
    let concerns_callers =
        matches!(action, Action::OwnerClosesServer { .. } | Action::WorkersAcknowledge);
    let waits = concerns_callers && state.world.callers.contains(&Caller::Waiting);
    EdgeClass {
        action: anonymous(action),
        transport: *state.core.transport(t),
        peer: state.world.peers[t.index()],
        server: state.core.server,
        socket: state.world.socket,
        others_left,
        waiting: u8::from(waits),
    }
}

/// The transports that an action happens to.
fn subjects(state: &State, action: Action) -> impl Iterator<Item = TransportId> + use<> {
    let all = 0..state.core.transports.len();
    all.map(|index| TransportId(index as u8))
        .filter(move |t| action.transport().is_none_or(|subject| subject == *t))
}

/// The same action on transport 0, by caller 0.
fn anonymous(action: Action) -> Action {
    let t = TransportId(0);
    match action {
        Action::PeerChecks { via, nominate, .. } => Action::PeerChecks { t, via, nominate },
        Action::PeerConnects { .. } => Action::PeerConnects { t },
        Action::PeerHandshakes { .. } => Action::PeerHandshakes { t },
        Action::PeerFailsHandshake { .. } => Action::PeerFailsHandshake { t },
        Action::PeerSendsCloseNotify { .. } => Action::PeerSendsCloseNotify { t },
        Action::PeerAnswers { .. } => Action::PeerAnswers { t },
        Action::PeerSendsFin { .. } => Action::PeerSendsFin { t },
        Action::PeerResets { .. } => Action::PeerResets { t },
        Action::KernelFillsConnection { .. } => Action::KernelFillsConnection { t },
        Action::KernelMakesRoomOnConnection { .. } => Action::KernelMakesRoomOnConnection { t },
        Action::KernelAcknowledges { .. } => Action::KernelAcknowledges { t },
        Action::OwnerClosesServer { .. } => Action::OwnerClosesServer { caller: CallerId(0) },
        Action::OwnerClosesTransport { .. } => Action::OwnerClosesTransport { t },
        Action::ConsentExpires { .. } => Action::ConsentExpires { t },
        Action::FarewellDeadlinePasses { .. } => Action::FarewellDeadlinePasses { t },
        Action::LingerDeadlinePasses { .. } => Action::LingerDeadlinePasses { t },
        Action::BindDeadlinePasses { .. } => Action::BindDeadlinePasses { t },
        Action::KernelFillsSocket
        | Action::KernelMakesRoomOnSocket
        | Action::ServerDeadlinePasses
        | Action::WorkersAcknowledge => action,
    }
}

/// The same effect, about transport 0.
fn anonymous_effect(effect: Effect) -> Effect {
    let t = TransportId(0);
    match effect {
        Effect::MakeAlert(_) => Effect::MakeAlert(t),
        Effect::OfferDatagramAlert(_) => Effect::OfferDatagramAlert(t),
        Effect::Unmap(_) => Effect::Unmap(t),
        Effect::AlertWritten(_) => Effect::AlertWritten(t),
        Effect::ShutdownWrite(_) => Effect::ShutdownWrite(t),
        Effect::CloseConnection(_) => Effect::CloseConnection(t),
        Effect::AbortConnection(_) => Effect::AbortConnection(t),
        Effect::SelectedTupleChanged(_, via) => Effect::SelectedTupleChanged(t, via),
        Effect::IceStateChanged(_, ice) => Effect::IceStateChanged(t, ice),
        Effect::DtlsStateChanged(_, dtls) => Effect::DtlsStateChanged(t, dtls),
        Effect::TransportClosed(_, reason, outcome) => Effect::TransportClosed(t, reason, outcome),
        Effect::StopAccepting
        | Effect::WorkerDrained
        | Effect::ReleaseSocket
        | Effect::ReleaseListener
        | Effect::WorkerReleased
        | Effect::CallersComplete => effect,
    }
}

/// Two edges of one class that differ in what they do to their transport.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClassConflict {
    /// The class.
    pub class: EdgeClass,
    /// A shortest way to the state where the second of them begins.
    pub path: Vec<Action>,
}

/// What an edge does, seen from one transport.
#[derive(PartialEq, Eq)]
struct Consequence {
    transport: Transport,
    peer: Peer,
    effects: Vec<Effect>,
}

/// Check that all edges of one class do the same to their transport, and count the classes.
///
/// An action on a transport must also have the same effects on the server. Of an action on the
/// server only the effects on the transport count, since the others depend on its siblings.
pub fn check_classes(graph: &Graph) -> Result<usize, ClassConflict> {
    let mut known: HashMap<EdgeClass, Consequence> = HashMap::new();
    for edge in graph.edges() {
        let state = &graph.states()[edge.from as usize];
        let Some((after, effects)) = step(graph.config(), state, edge.action) else {
            unreachable!("an edge is a step");
        };
        for t in subjects(state, edge.action) {
            let local = edge.action.transport().is_some();
            let seen = effects
                .iter()
                .filter(|effect| effect.transport().map_or(local, |other| other == t))
                .map(|effect| anonymous_effect(*effect));
            let consequence = Consequence {
                transport: *after.core.transport(t),
                peer: after.world.peers[t.index()],
                effects: seen.collect(),
            };
            let class = edge_class(state, edge.action, t);
            match known.entry(class) {
                Entry::Vacant(entry) => {
                    entry.insert(consequence);
                }
                Entry::Occupied(entry) if *entry.get() == consequence => {}
                Entry::Occupied(_) => {
                    return Err(ClassConflict { class, path: graph.path_to(edge.from) });
                }
            }
        }
    }
    Ok(known.len())
}

/// Two actions on different transports whose order matters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OrderMatters {
    /// The two actions.
    pub actions: [Action; 2],
    /// A shortest way to the state where both can happen.
    pub path: Vec<Action>,
}

/// Check that actions on different transports lead to the same state in either order, and count
/// the pairs that were compared.
pub fn check_commutation(graph: &Graph) -> Result<usize, OrderMatters> {
    let mut pairs = 0;
    for state in 0..graph.states().len() as u32 {
        let edges = &graph.edges()[graph.edges_from(state)];
        for first in edges {
            let Some(t) = first.action.transport() else { continue };
            let others = edges.iter().filter(|edge| edge.action.transport().is_some_and(|u| u > t));
            for second in others {
                pairs += 1;
                let one = graph.successor(first.to, second.action);
                let other = graph.successor(second.to, first.action);
                if one.is_none() || one != other {
                    let actions = [first.action, second.action];
                    return Err(OrderMatters { actions, path: graph.path_to(state) });
                }
            }
        }
    }
    Ok(pairs)
}
