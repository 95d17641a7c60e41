//! Which actions depend on which facts: the table behind the classes of edges.
//!
//! That it does not say too little is checked on every edge of every configuration. Where it says more, it keeps apart
//! what an implementation may treat differently though the model does not.

use crate::action::Action;

/// What a fact is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum FactKind {
    Phase,
    Ice,
    Dtls,
    Tuples,
    Selected,
    Ufrags,
    Farewell,
    Reason,
    Outcome,
    Flights,
    SaidClose,
    Alerts,
    Held,
    Connection,
    End,
    Room,
    Unread,
    Uses,
    Socket,
    Worker,
    OthersLeft,
    OtherWorkers,
    Server,
    Callback,
    Stale,
    CallerWaits,
    Mail,
    OtherHandles,
}

/// The facts about those to whom an action happens that make a difference to what it does.
#[expect(clippy::too_many_lines, reason = "a table")]
pub(crate) fn reads(action: Action) -> &'static [FactKind] {
    use FactKind::*;
    match action {
        Action::PeerChecks { .. } => &[
            Ice, Dtls, Tuples, Selected, Farewell, Outcome, Held, Connection, Room, Stale, Callback,
        ],
        Action::WorkerTakesOver { .. } => {
            &[Phase, Ice, Dtls, Tuples, Selected, Ufrags, Connection, Worker, Stale, Callback, Mail]
        }
        Action::WorkerJudges { .. } => &[Phase, Ufrags, Server, Mail],
        Action::WorkerHearsProof { .. } => {
            &[Tuples, Selected, Farewell, Connection, Worker, Server, Callback, Mail]
        }
        Action::PeerChecksTwiceAndResets { .. } => &[Dtls, Tuples, Selected, Stale, Callback],
        Action::PeerSendsFlight { .. } => &[Flights, Selected],
        Action::PeerHandshakes { .. }
        | Action::PeerFailsHandshake { .. }
        | Action::HandshakeDeadlinePasses { .. } => &[Selected, Callback],
        Action::PeerSendsFatalAlert { .. } => &[Dtls, Selected, Callback],
        Action::PeerSendsCloseNotify { .. } => {
            &[Selected, Connection, Room, Socket, Stale, Callback]
        }
        Action::ConsentExpires { .. } => &[Selected, Farewell, Connection, Stale, Callback],
        Action::OwnerClosesTransport { .. } | Action::WorkerHearsTransportClose { .. } => {
            &[Phase, Dtls, Selected, Farewell, Connection, Room, Socket, Stale, Callback]
        }
        Action::WorkerHearsClose { .. } => {
            &[Phase, Dtls, Selected, Farewell, Connection, Room, Socket, Callback]
        }
        Action::ServerDeadlinePasses { .. } => {
            &[Phase, Farewell, Reason, Outcome, Connection, Callback]
        }
        Action::KernelMakesRoomOnSocket { .. } => &[Farewell, Reason, Outcome, Held, Callback],
        Action::PeerAnswers { .. } | Action::FarewellDeadlinePasses { .. } => {
            &[Farewell, Reason, Outcome, Held, OthersLeft, OtherWorkers, Callback]
        }
        Action::KernelAcknowledges { .. } => {
            &[Farewell, Reason, Outcome, Held, OthersLeft, OtherWorkers, Stale, Callback]
        }
        Action::LingerDeadlinePasses { .. } | Action::KernelMakesRoomOnConnection { .. } => &[
            Farewell,
            Reason,
            Outcome,
            Held,
            Connection,
            OthersLeft,
            OtherWorkers,
            Stale,
            Callback,
        ],
        Action::PeerSendsFin { .. } | Action::PeerResets { .. } => &[
            Tuples,
            Selected,
            Farewell,
            Reason,
            Outcome,
            Held,
            Connection,
            OthersLeft,
            OtherWorkers,
            Stale,
            Callback,
        ],
        Action::PeerConnects { .. } | Action::PeerConnectsInVain { .. } => &[Connection],
        Action::PeerStreams { .. }
        | Action::PeerVanishes { .. }
        | Action::KernelFillsConnection { .. }
        | Action::KernelLeavesRoom { .. }
        | Action::KernelMakesLittleRoom { .. }
        | Action::WorkerReads { .. }
        | Action::WorkerMeetsStaleEvent { .. } => &[Connection],
        Action::OwnerCreatesTransport { .. } | Action::BindDeadlinePasses { .. } => &[Worker],
        Action::OwnerRestartsIce { .. } => &[Ufrags],
        Action::WorkerHearsGrant { .. } => &[OtherWorkers, CallerWaits],
        Action::OwnerClosesServer { .. } => &[Server, CallerWaits],
        Action::OwnerDropsHandle { .. } => &[Server, OtherHandles],
        Action::OwnerArmsCallback { .. } | Action::KernelFillsSocket { .. } => &[],
    }
}
