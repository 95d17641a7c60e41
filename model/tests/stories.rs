//! Short stories with every effect in its order, to read what the model takes the SPEC to say.

use webrtc_server_model::Action::*;
use webrtc_server_model::Effect::*;
use webrtc_server_model::{
    Action, CallerId, CloseReason, Config, Connection, DropReason, DtlsState, Effect, Farewell,
    IceState, NoAlert, Outcome, Phase, State, TransportId, Via, step,
};

const T: TransportId = TransportId(0);
const U: TransportId = TransportId(1);
const CALLER: CallerId = CallerId(0);

const UDP_CHECK: Action = PeerChecks { t: T, via: Via::Udp, nominate: false };
const TCP_CHECK: Action = PeerChecks { t: T, via: Via::Tcp, nominate: false };
const CONNECT_UDP: [Action; 2] = [UDP_CHECK, PeerHandshakes { t: T }];
const CONNECT_TCP: [Action; 3] = [PeerConnects { t: T }, TCP_CHECK, PeerHandshakes { t: T }];
const STALL: Action = KernelFillsConnection { t: T };
const CLOSE: Action = OwnerClosesTransport { t: T };
const CLOSE_SERVER: Action = OwnerClosesServer { caller: CALLER };

/// Perform a story; all of it must be possible.
fn tell(state: &mut State, actions: &[Action]) -> Vec<Effect> {
    let mut effects = Vec::new();
    for action in actions {
        let told = step(&Config::standard(), state, *action);
        let (after, more) = told.unwrap_or_else(|| panic!("{action:?} cannot happen"));
        *state = after;
        effects.extend(more);
    }
    effects
}

fn after(actions: &[Action]) -> State {
    let mut state = State::initial(&Config::standard());
    tell(&mut state, actions);
    state
}

fn by_owner(outcome: Outcome) -> Effect {
    TransportClosed(T, CloseReason::Owner, outcome)
}

#[test]
fn the_first_check_selects_then_connects_then_begins_the_handshake() {
    let mut state = after(&[]);
    let expected = [
        SelectedTupleChanged(T, Some(Via::Udp)),
        IceStateChanged(T, IceState::Connected),
        DtlsStateChanged(T, DtlsState::Connecting),
    ];
    assert_eq!(tell(&mut state, &[UDP_CHECK]), expected);
    assert_eq!(tell(&mut state, &[UDP_CHECK]), [], "a repeated check changes nothing");
}

#[test]
fn a_lost_connection_falls_back_to_udp_and_then_there_is_nothing() {
    let nominated = PeerChecks { t: T, via: Via::Tcp, nominate: true };
    let mut state = after(&[UDP_CHECK, PeerConnects { t: T }, nominated]);
    let fallback = [SelectedTupleChanged(T, Some(Via::Udp)), CloseConnection(T)];
    assert_eq!(tell(&mut state, &[PeerResets { t: T }]), fallback);
    assert_eq!(state.core.transport(T).ice, IceState::Completed);
    let expired = [SelectedTupleChanged(T, None), IceStateChanged(T, IceState::Disconnected)];
    assert_eq!(tell(&mut state, &[ConsentExpires { t: T }]), expired);
}

#[test]
fn a_close_over_udp_waits_for_the_answer() {
    let mut state = after(&CONNECT_UDP);
    let effects = tell(&mut state, &[CLOSE, CLOSE]);
    assert_eq!(effects, [MakeAlert(T), OfferDatagramAlert(T), Unmap(T)]);
    let unanswered = tell(&mut state.clone(), &[FarewellDeadlinePasses { t: T }]);
    assert_eq!(unanswered, [by_owner(Outcome::Sent)]);
    let answered = tell(&mut state, &[PeerAnswers { t: T }]);
    assert_eq!(answered, [by_owner(Outcome::Confirmed)]);
}

#[test]
fn a_full_socket_is_offered_the_alert_again_when_it_has_room() {
    let mut state = after(&CONNECT_UDP);
    tell(&mut state, &[KernelFillsSocket, CLOSE]);
    assert_eq!(state.core.transport(T).farewell, Farewell::Queued(Via::Udp));
    assert_eq!(tell(&mut state, &[KernelMakesRoomOnSocket]), [OfferDatagramAlert(T)]);
    assert_eq!(state.core.transport(T).farewell, Farewell::Sent(Via::Udp));
}

#[test]
fn a_close_over_tcp_finishes_the_frame_then_says_goodbye_then_shuts_down() {
    let mut state = after(&CONNECT_TCP);
    assert_eq!(tell(&mut state, &[STALL, CLOSE]), [MakeAlert(T), Unmap(T)]);
    let room = tell(&mut state, &[KernelMakesRoomOnConnection { t: T }]);
    assert_eq!(room, [AlertWritten(T), ShutdownWrite(T)]);
    let acknowledged = tell(&mut state, &[KernelAcknowledges { t: T }]);
    assert_eq!(acknowledged, [CloseConnection(T), by_owner(Outcome::Confirmed)]);
}

#[test]
fn a_stalled_connection_is_aborted_at_its_deadline() {
    let mut state = after(&CONNECT_TCP);
    tell(&mut state, &[STALL, CLOSE]);
    let dropped = by_owner(Outcome::Dropped(DropReason::Deadline));
    let effects = tell(&mut state, &[LingerDeadlinePasses { t: T }]);
    assert_eq!(effects, [AbortConnection(T), dropped]);
}

#[test]
fn a_half_closed_peer_still_gets_what_is_queued() {
    let mut state = after(&CONNECT_TCP);
    tell(&mut state, &[STALL, CLOSE]);
    assert_eq!(tell(&mut state, &[PeerSendsFin { t: T }]), []);
    let effects = tell(&mut state, &[KernelMakesRoomOnConnection { t: T }]);
    assert_eq!(effects, [AlertWritten(T), CloseConnection(T), by_owner(Outcome::Sent)]);
}

#[test]
fn a_reply_is_the_only_goodbye_and_a_close_waits_for_it() {
    let mut state = after(&CONNECT_UDP);
    let reply = tell(&mut state, &[KernelFillsSocket, PeerSendsCloseNotify { t: T }]);
    let closed = DtlsStateChanged(T, DtlsState::Closed);
    assert_eq!(reply, [closed, MakeAlert(T), OfferDatagramAlert(T)]);
    assert_eq!(tell(&mut state, &[CLOSE]), [Unmap(T)]);
    let effects = tell(&mut state, &[KernelMakesRoomOnSocket]);
    let not_needed = by_owner(Outcome::NotNeeded(NoAlert::PeerClosed));
    assert_eq!(effects, [OfferDatagramAlert(T), not_needed]);
}

#[test]
fn expired_consent_silences_the_reply_that_waits() {
    let mut state = after(&CONNECT_TCP);
    tell(&mut state, &[STALL, PeerSendsCloseNotify { t: T }]);
    let effects = tell(&mut state, &[ConsentExpires { t: T }]);
    let gone = [
        SelectedTupleChanged(T, None),
        IceStateChanged(T, IceState::Disconnected),
        CloseConnection(T),
    ];
    assert_eq!(effects, gone);
    assert_eq!(state.core.transport(T).farewell, Farewell::Dropped(DropReason::NoConsent));
}

#[test]
fn an_unbound_connection_is_nobodys_but_the_servers() {
    let mut state = after(&[PeerConnects { t: T }]);
    let not_connected = by_owner(Outcome::NotNeeded(NoAlert::NotConnected));
    assert_eq!(tell(&mut state, &[CLOSE]), [Unmap(T), not_connected]);
    assert_eq!(state.core.transport(T).tcp, Connection::Unbound);
    let reason = CloseReason::ServerClosed;
    let other = TransportClosed(U, reason, Outcome::NotNeeded(NoAlert::NotConnected));
    let effects = tell(&mut state, &[CLOSE_SERVER]);
    assert_eq!(effects, [StopAccepting, Unmap(U), other, ShutdownWrite(T)]);
    let effects = tell(&mut state, &[KernelAcknowledges { t: T }]);
    assert_eq!(effects, [CloseConnection(T), WorkerDrained]);
}

#[test]
fn a_server_closes_its_transports_then_its_carriers_then_answers() {
    let mut state = after(&CONNECT_UDP);
    tell(&mut state, &[CLOSE_SERVER]);
    assert_eq!(state.core.transport(U).phase, Phase::Closed);
    let effects = tell(&mut state, &[ServerDeadlinePasses]);
    let sent = TransportClosed(T, CloseReason::ServerClosed, Outcome::Sent);
    assert_eq!(effects, [sent, WorkerDrained]);
    let released = [ReleaseSocket, ReleaseListener, WorkerReleased, CallersComplete];
    assert_eq!(tell(&mut state, &[WorkersAcknowledge]), released);
    let late = OwnerClosesServer { caller: CallerId(1) };
    assert_eq!(tell(&mut state, &[late]), [CallersComplete]);
}
