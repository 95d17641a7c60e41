//! Which actions can happen in which state.

use crate::action::{Action, CallerId, TransportId};
use crate::config::{Aspects, Config};
use crate::mutants::Mutant;
use crate::state::{
    Connection, DtlsState, Farewell, Phase, ReadSide, ServerPhase, State, Transport, Via,
};
use crate::world::{Caller, Peer, Socket};

/// Every action that can happen in a state, in a fixed order.
pub fn actions(config: &Config, state: &State) -> Vec<Action> {
    every_action(config).filter(|action| is_enabled(config, state, *action)).collect()
}

/// Every action that has a meaning in a configuration, whether it can ever happen or not.
pub(crate) fn every_action(config: &Config) -> impl Iterator<Item = Action> + use<> {
    let transports = (0..config.transports()).map(|index| TransportId(index as u8));
    let callers = (0..config.callers).map(|index| CallerId(index as u8));
    transports
        .flat_map(actions_of_transport)
        .chain(callers.map(|caller| Action::OwnerClosesServer { caller }))
        .chain([
            Action::KernelFillsSocket,
            Action::KernelMakesRoomOnSocket,
            Action::ServerDeadlinePasses,
            Action::WorkersAcknowledge,
        ])
}

/// Every action that may ever happen to a transport.
fn actions_of_transport(t: TransportId) -> [Action; 19] {
    let check = |via, nominate| Action::PeerChecks { t, via, nominate };
    [
        check(Via::Udp, false),
        check(Via::Udp, true),
        Action::PeerConnects { t },
        check(Via::Tcp, false),
        check(Via::Tcp, true),
        Action::PeerHandshakes { t },
        Action::PeerFailsHandshake { t },
        Action::PeerSendsCloseNotify { t },
        Action::PeerAnswers { t },
        Action::PeerSendsFin { t },
        Action::PeerResets { t },
        Action::KernelFillsConnection { t },
        Action::KernelMakesRoomOnConnection { t },
        Action::KernelAcknowledges { t },
        Action::OwnerClosesTransport { t },
        Action::ConsentExpires { t },
        Action::FarewellDeadlinePasses { t },
        Action::LingerDeadlinePasses { t },
        Action::BindDeadlinePasses { t },
    ]
}

/// Can this action happen in this state?
pub(super) fn is_enabled(config: &Config, state: &State, action: Action) -> bool {
    let Some(t) = action.transport() else { return is_enabled_on_server(config, state, action) };
    let (Some(transport), Some(aspects)) =
        (state.core.transports.get(t.index()), config.aspects.get(t.index()))
    else {
        return false;
    };
    if !is_in_aspects(aspects, action) {
        return false;
    }
    if is_for_open_only(action)
        && (state.core.server != ServerPhase::Open || transport.phase != Phase::Open)
    {
        return false;
    }
    is_enabled_on_transport(config, state, transport, t, action)
}

/// Actions that only happen to an open transport of an open server.
fn is_for_open_only(action: Action) -> bool {
    matches!(
        action,
        Action::PeerChecks { .. }
            | Action::PeerHandshakes { .. }
            | Action::PeerFailsHandshake { .. }
            | Action::PeerSendsCloseNotify { .. }
            | Action::KernelFillsConnection { .. }
            | Action::ConsentExpires { .. }
    )
}

fn is_in_aspects(aspects: &Aspects, action: Action) -> bool {
    match action {
        Action::PeerChecks { via, nominate, .. } => {
            let path = match via {
                Via::Udp => aspects.udp,
                Via::Tcp => aspects.tcp,
            };
            path && (!nominate || aspects.nomination)
        }
        Action::PeerConnects { .. } => aspects.tcp,
        Action::PeerFailsHandshake { .. } => aspects.handshake_failure,
        Action::PeerSendsCloseNotify { .. } => aspects.peer_closes,
        Action::OwnerClosesTransport { .. } => aspects.owner_closes,
        Action::ConsentExpires { .. } => aspects.consent,
        Action::PeerHandshakes { .. }
        | Action::PeerAnswers { .. }
        | Action::PeerSendsFin { .. }
        | Action::PeerResets { .. }
        | Action::KernelFillsSocket
        | Action::KernelMakesRoomOnSocket
        | Action::KernelFillsConnection { .. }
        | Action::KernelMakesRoomOnConnection { .. }
        | Action::KernelAcknowledges { .. }
        | Action::OwnerClosesServer { .. }
        | Action::FarewellDeadlinePasses { .. }
        | Action::LingerDeadlinePasses { .. }
        | Action::BindDeadlinePasses { .. }
        | Action::ServerDeadlinePasses
        | Action::WorkersAcknowledge => true,
    }
}

fn is_enabled_on_server(config: &Config, state: &State, action: Action) -> bool {
    let server = state.core.server;
    let transports = &state.core.transports;
    match action {
        // Nothing is offered to the socket any more once the server closes, so filling it then
        // would make no difference.
        Action::KernelFillsSocket => {
            server == ServerPhase::Open
                && state.world.socket == Socket::Room
                && transports.iter().any(|t| t.phase != Phase::Closed)
        }
        Action::KernelMakesRoomOnSocket => {
            matches!(server, ServerPhase::Open | ServerPhase::Closing)
                && state.world.socket == Socket::Full
        }
        Action::OwnerClosesServer { caller } => {
            state.world.callers.get(caller.index()) == Some(&Caller::Idle)
        }
        Action::ServerDeadlinePasses => {
            let waits_forever = config.is(Mutant::NoDeadline)
                && transports.iter().any(|t| matches!(t.tcp, Connection::Flushing { .. }));
            server == ServerPhase::Closing && !waits_forever
        }
        Action::WorkersAcknowledge => server == ServerPhase::Drained,
        Action::PeerChecks { .. }
        | Action::PeerConnects { .. }
        | Action::PeerHandshakes { .. }
        | Action::PeerFailsHandshake { .. }
        | Action::PeerSendsCloseNotify { .. }
        | Action::PeerAnswers { .. }
        | Action::PeerSendsFin { .. }
        | Action::PeerResets { .. }
        | Action::KernelFillsConnection { .. }
        | Action::KernelMakesRoomOnConnection { .. }
        | Action::KernelAcknowledges { .. }
        | Action::OwnerClosesTransport { .. }
        | Action::ConsentExpires { .. }
        | Action::FarewellDeadlinePasses { .. }
        | Action::LingerDeadlinePasses { .. }
        | Action::BindDeadlinePasses { .. } => unreachable!("{action:?} happens to a transport"),
    }
}

fn is_enabled_on_transport(
    config: &Config,
    state: &State,
    transport: &Transport,
    t: TransportId,
    action: Action,
) -> bool {
    let server = state.core.server;
    let tcp = transport.tcp;
    let dtls = transport.dtls;
    let has_path = transport.selected.is_some();
    match action {
        Action::PeerChecks { via: Via::Udp, .. } => state.world.socket != Socket::Released,
        Action::PeerChecks { via: Via::Tcp, .. } => tcp.is_bound() || tcp == Connection::Unbound,
        Action::PeerConnects { .. } => {
            let late = config.is(Mutant::AcceptWhileClosing) && server == ServerPhase::Closing;
            tcp == Connection::None && (server == ServerPhase::Open || late)
        }
        Action::PeerHandshakes { .. } => {
            dtls == DtlsState::Connecting && is_writable(state, transport)
        }
        Action::PeerFailsHandshake { .. } => dtls == DtlsState::Connecting && has_path,
        Action::PeerSendsCloseNotify { .. } => dtls == DtlsState::Connected && has_path,
        Action::PeerAnswers { .. } => may_answer(transport, &state.world.peers[t.index()]),
        Action::PeerSendsFin { .. } => {
            tcp.is_live() && !matches!(tcp, Connection::Flushing { eof: ReadSide::Ended, .. })
        }
        Action::PeerResets { .. } => tcp.is_live(),
        Action::KernelFillsConnection { .. } => {
            tcp.is_bound()
                && tcp.queue().is_empty()
                && transport.selected == Some(Via::Tcp)
                && dtls == DtlsState::Connected
        }
        Action::KernelMakesRoomOnConnection { .. } => !tcp.queue().is_empty(),
        Action::KernelAcknowledges { .. } => matches!(tcp, Connection::Draining { .. }),
        Action::OwnerClosesTransport { .. } => transport.phase != Phase::Closed,
        Action::ConsentExpires { .. } => has_path,
        Action::FarewellDeadlinePasses { .. } => awaits_udp(transport),
        Action::LingerDeadlinePasses { .. } => match tcp {
            Connection::Flushing { .. } => !config.is(Mutant::NoDeadline),
            Connection::Draining { .. } => true,
            Connection::None
            | Connection::Unbound
            | Connection::Bound { .. }
            | Connection::Gone => false,
        },
        Action::BindDeadlinePasses { .. } => tcp == Connection::Unbound,
        Action::KernelFillsSocket
        | Action::KernelMakesRoomOnSocket
        | Action::OwnerClosesServer { .. }
        | Action::ServerDeadlinePasses
        | Action::WorkersAcknowledge => unreachable!("{action:?} happens to the server"),
    }
}

/// Has the peer seen an alert that it can still answer?
fn may_answer(transport: &Transport, peer: &Peer) -> bool {
    transport.phase == Phase::Closing
        && matches!(transport.farewell, Farewell::Sent(_))
        && transport.outcome.is_none()
        && peer.alerts > 0
        && !peer.said_close
}

/// Does the selected path take a packet?
fn is_writable(state: &State, transport: &Transport) -> bool {
    match transport.selected {
        None => false,
        Some(Via::Udp) => state.world.socket == Socket::Room,
        Some(Via::Tcp) => !transport.tcp.queue().begun,
    }
}

/// Does a deadline run for an alert over UDP, to hand it over or to hear the answer?
fn awaits_udp(transport: &Transport) -> bool {
    let unanswered = transport.phase == Phase::Closing
        && transport.farewell == Farewell::Sent(Via::Udp)
        && transport.outcome.is_none();
    transport.farewell == Farewell::Queued(Via::Udp) || unanswered
}
