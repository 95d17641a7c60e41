//! Which edges are alike, so that one of them stands for all when traces are chosen for replay.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::action::{Action, CallerId, TransportId};
use crate::state::{
    CloseReason, Connection, DtlsState, Farewell, IceState, Outcome, Phase, ServerPhase, State, Via,
};
use crate::world::{Caller, Socket, Stream};

/// How fine the classes are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Grain {
    /// A class holds the whole local state, whether the action reads it or not.
    Whole,
    /// A class holds only what the action reads.
    Read,
}

/// One thing that a step may depend on, seen from one transport.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Fact {
    /// The phase of the transport.
    Phase(Phase),
    /// Its ICE state.
    Ice(IceState),
    /// Its DTLS state.
    Dtls(DtlsState),
    /// Whether it has a UDP tuple.
    Udp(bool),
    /// Its peer's connection.
    Tcp(Connection),
    /// Its selected tuple.
    Selected(Option<Via>),
    /// Its close_notify.
    Farewell(Farewell),
    /// Why it closes.
    Reason(Option<CloseReason>),
    /// What came of its farewell.
    Outcome(Option<Outcome>),
    /// The kernel's side of the connection.
    Stream(Stream),
    /// Whether the peer has said close_notify.
    SaidClose(bool),
    /// How many of our alerts the kernel took.
    Alerts(u8),
    /// The phase of the server.
    Server(ServerPhase),
    /// The shared socket.
    Socket(Socket),
    /// Whether another transport, or its connection, is left.
    OthersLeft(bool),
    /// Whether a caller waits.
    CallerWaits(bool),
}

/// How many of the facts are local to the transport; they come first.
pub(crate) const LOCAL_FACTS: usize = 12;

/// What a step depends on, seen from one transport. Two edges of one class do the same to it.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct EdgeClass {
    /// What happens, with every id replaced by 0.
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

/// The classes of an edge: one for an action on a transport, one per transport for an action on
/// the server.
pub fn edge_classes(grain: Grain, state: &State, action: Action) -> Vec<EdgeClass> {
    subjects(state, action).map(|t| edge_class(grain, state, action, t)).collect()
}

/// The class of an edge as one transport sees it.
pub fn edge_class(grain: Grain, state: &State, action: Action, t: TransportId) -> EdgeClass {
    let facts = facts(state, t).into_iter();
    let held = facts.filter(|fact| match grain {
        Grain::Whole => !matches!(fact, Fact::CallerWaits(_)) || reads(action, *fact),
        Grain::Read => reads(action, *fact) && is_telling(state, t, *fact),
    });
    EdgeClass { action: anonymous(action), facts: held.collect() }
}

/// Everything that a step may depend on; the local facts come first.
pub(crate) fn facts(state: &State, t: TransportId) -> [Fact; LOCAL_FACTS + 4] {
    let transport = state.core.transport(t);
    let peer = state.world.peers[t.index()];
    let others_left = state.core.transports.iter().enumerate().any(|(index, other)| {
        index != t.index() && (other.phase != Phase::Closed || other.tcp.is_live())
    });
    [
        Fact::Phase(transport.phase),
        Fact::Ice(transport.ice),
        Fact::Dtls(transport.dtls),
        Fact::Udp(transport.udp),
        Fact::Tcp(transport.tcp),
        Fact::Selected(transport.selected),
        Fact::Farewell(transport.farewell),
        Fact::Reason(transport.reason),
        Fact::Outcome(transport.outcome),
        Fact::Stream(peer.stream),
        Fact::SaidClose(peer.said_close),
        Fact::Alerts(peer.alerts),
        Fact::Server(state.core.server),
        Fact::Socket(state.world.socket),
        Fact::OthersLeft(others_left),
        Fact::CallerWaits(state.world.callers.contains(&Caller::Waiting)),
    ]
}

/// Which actions depend on which facts. That this is not too little is checked on every edge.
fn reads(action: Action, fact: Fact) -> bool {
    let checks = matches!(action, Action::PeerChecks { .. });
    let handshakes =
        matches!(action, Action::PeerHandshakes { .. } | Action::PeerFailsHandshake { .. });
    let says = matches!(action, Action::PeerSendsCloseNotify { .. });
    let closes =
        matches!(action, Action::OwnerClosesServer { .. } | Action::OwnerClosesTransport { .. });
    let loses = matches!(
        action,
        Action::PeerSendsFin { .. } | Action::PeerResets { .. } | Action::ConsentExpires { .. }
    );
    let callers = matches!(action, Action::OwnerClosesServer { .. } | Action::WorkersAcknowledge);
    let finishes = loses || may_finish(action);
    match fact {
        Fact::Phase(_) | Fact::Server(_) => true,
        Fact::Ice(_) => checks || loses,
        Fact::Dtls(_) => checks || closes,
        Fact::Udp(_) => checks || loses,
        Fact::Tcp(_) => checks || says || closes || finishes,
        Fact::Selected(_) => checks || handshakes || says || closes || loses,
        Fact::Farewell(_) => closes || finishes,
        Fact::Reason(_) | Fact::Outcome(_) | Fact::OthersLeft(_) => closes || finishes,
        Fact::Socket(_) => says || closes,
        Fact::CallerWaits(_) => callers,
        // The peer's side follows from the rest or decides only whether an action can happen.
        Fact::Stream(_) | Fact::SaidClose(_) | Fact::Alerts(_) => false,
    }
}

/// Actions that end something that a close waits for.
fn may_finish(action: Action) -> bool {
    matches!(
        action,
        Action::PeerAnswers { .. }
            | Action::KernelMakesRoomOnSocket
            | Action::KernelMakesRoomOnConnection { .. }
            | Action::KernelAcknowledges { .. }
            | Action::FarewellDeadlinePasses { .. }
            | Action::LingerDeadlinePasses { .. }
            | Action::ServerDeadlinePasses
    )
}

/// Does this fact make a difference in this state?
fn is_telling(state: &State, t: TransportId, fact: Fact) -> bool {
    let transport = state.core.transport(t);
    match fact {
        Fact::Socket(_) => transport.selected == Some(Via::Udp),
        Fact::OthersLeft(_) => state.core.server == ServerPhase::Closing,
        Fact::Phase(_)
        | Fact::Ice(_)
        | Fact::Dtls(_)
        | Fact::Udp(_)
        | Fact::Tcp(_)
        | Fact::Selected(_)
        | Fact::Farewell(_)
        | Fact::Reason(_)
        | Fact::Outcome(_)
        | Fact::Stream(_)
        | Fact::SaidClose(_)
        | Fact::Alerts(_)
        | Fact::Server(_)
        | Fact::CallerWaits(_) => true,
    }
}

/// The transports that an action happens to.
pub(crate) fn subjects(state: &State, action: Action) -> impl Iterator<Item = TransportId> + use<> {
    let all = 0..state.core.transports.len();
    all.map(|index| TransportId(index as u8))
        .filter(move |t| action.transport().is_none_or(|subject| subject == *t))
}

/// The same action on transport 0, by caller 0.
pub(crate) fn anonymous(action: Action) -> Action {
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
