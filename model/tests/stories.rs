//! Short stories with every effect in its order, to read what the model takes the SPEC to say.

use webrtc_server_model::Action::*;
use webrtc_server_model::Effect::*;
use webrtc_server_model::{
    Action, AddressId, CallerId, CloseReason, Closes, Config, Connection, ConnectionId, DropReason,
    DtlsState, Effect, Farewell, IceState, ListenerId, NoAlert, Outcome, Phase, SocketId, State,
    StunCheck, TransportId, Tuple, WorkerId, step,
};

const T: TransportId = TransportId(0);
const U: TransportId = TransportId(1);
const C: ConnectionId = ConnectionId(0);
const S: SocketId = SocketId(0);
const W: WorkerId = WorkerId(0);
const V: WorkerId = WorkerId(1);
const UDP: Tuple = Tuple::Udp(AddressId(0));
const TCP: Tuple = Tuple::Tcp(C);

const UDP_CHECK: Action = PeerChecks { t: T, from: UDP, check: StunCheck::Plain };
const TCP_CHECK: Action = PeerChecks { t: T, from: TCP, check: StunCheck::Plain };
const CONNECT_UDP: [Action; 2] = [UDP_CHECK, PeerHandshakes { t: T }];
const CONNECT_TCP: [Action; 3] = [PeerConnects { c: C }, TCP_CHECK, PeerHandshakes { t: T }];
const STALL: Action = KernelFillsConnection { c: C };
const ROOM: Action = KernelMakesRoomOnConnection { c: C };
const CLOSE: Action = OwnerClosesTransport { t: T };
const CLOSE_SERVER: Action = OwnerClosesServer { caller: CallerId(0) };

/// A state of a configuration on its way.
#[derive(Clone)]
struct Story {
    config: Config,
    state: State,
}

impl Story {
    /// All of it must be possible.
    fn of(config: Config, actions: &[Action]) -> Self {
        let mut story = Self { state: State::initial(&config), config };
        story.tell(actions);
        story
    }

    fn tell(&mut self, actions: &[Action]) -> Vec<Effect> {
        let mut effects = Vec::new();
        for action in actions {
            let told = step(&self.config, &self.state, *action);
            let (after, more) = told.unwrap_or_else(|| panic!("{action:?} cannot happen"));
            self.state = after;
            effects.extend(more);
        }
        effects
    }

    fn farewell(&self) -> Farewell {
        self.state.core.transport(T).farewell
    }
}

fn small(actions: &[Action]) -> Story {
    Story::of(Config::small(), actions)
}

fn by_owner(outcome: Outcome) -> Effect {
    TransportClosed(T, CloseReason::Owner, outcome)
}

fn with_server(t: TransportId, outcome: Outcome) -> Effect {
    TransportClosed(t, CloseReason::ServerClosed, outcome)
}

#[test]
fn the_first_check_selects_then_connects_then_begins_the_handshake() {
    let mut story = small(&[]);
    let expected = [
        SelectedTupleChanged(T, Some(UDP)),
        IceStateChanged(T, IceState::Connected),
        DtlsStateChanged(T, DtlsState::Connecting),
    ];
    assert_eq!(story.tell(&[UDP_CHECK]), expected);
    assert_eq!(story.tell(&[UDP_CHECK]), [], "a repeated check changes nothing");
}

#[test]
fn a_lost_connection_falls_back_to_udp_and_then_there_is_nothing() {
    let nominated = PeerChecks { t: T, from: TCP, check: StunCheck::Nominating };
    let mut story = small(&[UDP_CHECK, PeerConnects { c: C }, nominated]);
    let fallback = [SelectedTupleChanged(T, Some(UDP)), CloseConnection(C)];
    assert_eq!(story.tell(&[PeerResets { c: C }]), fallback);
    assert_eq!(story.state.core.transport(T).ice, IceState::Completed);
    let expired = [SelectedTupleChanged(T, None), IceStateChanged(T, IceState::Disconnected)];
    assert_eq!(story.tell(&[ConsentExpires { t: T }]), expired);
}

#[test]
fn a_close_over_udp_waits_for_the_answer() {
    let mut story = small(&CONNECT_UDP);
    let effects = story.tell(&[CLOSE, CLOSE]);
    assert_eq!(effects, [MakeAlert(T), OfferDatagramAlert(T, S), Unmap(T)]);
    let unanswered = story.clone().tell(&[FarewellDeadlinePasses { t: T }]);
    assert_eq!(unanswered, [by_owner(Outcome::Sent)]);
    let answered = story.tell(&[PeerAnswers { t: T }]);
    assert_eq!(answered, [by_owner(Outcome::Confirmed)]);
}

#[test]
fn a_full_socket_is_offered_the_alert_again_when_it_has_room() {
    let mut story = small(&CONNECT_UDP);
    story.tell(&[KernelFillsSocket { s: S }, CLOSE]);
    assert_eq!(story.farewell(), Farewell::Queued(UDP));
    let offered = story.tell(&[KernelMakesRoomOnSocket { s: S }]);
    assert_eq!(offered, [OfferDatagramAlert(T, S)]);
    assert_eq!(story.farewell(), Farewell::Sent(UDP));
}

#[test]
fn a_close_over_tcp_finishes_the_frame_then_says_goodbye_then_shuts_down() {
    let mut story = small(&CONNECT_TCP);
    assert_eq!(story.tell(&[STALL, CLOSE]), [MakeAlert(T), Unmap(T)]);
    assert_eq!(story.tell(&[ROOM]), [AlertWritten(T, C), ShutdownWrite(C)]);
    let acknowledged = story.tell(&[KernelAcknowledges { c: C }]);
    assert_eq!(acknowledged, [CloseConnection(C), by_owner(Outcome::Confirmed)]);
}

#[test]
fn a_stalled_connection_is_aborted_at_its_deadline() {
    let mut story = small(&CONNECT_TCP);
    story.tell(&[STALL, CLOSE]);
    let dropped = by_owner(Outcome::Dropped(DropReason::Deadline));
    let effects = story.tell(&[LingerDeadlinePasses { c: C }]);
    assert_eq!(effects, [AbortConnection(C), dropped]);
}

#[test]
fn a_half_closed_peer_still_gets_what_is_queued() {
    let mut story = small(&CONNECT_TCP);
    story.tell(&[STALL, CLOSE]);
    assert_eq!(story.tell(&[PeerSendsFin { c: C }]), []);
    let effects = story.tell(&[ROOM]);
    assert_eq!(effects, [AlertWritten(T, C), CloseConnection(C), by_owner(Outcome::Sent)]);
}

#[test]
fn a_reply_is_the_only_goodbye_and_a_close_waits_for_it() {
    let mut story = small(&CONNECT_UDP);
    let reply = story.tell(&[KernelFillsSocket { s: S }, PeerSendsCloseNotify { t: T }]);
    let closed = DtlsStateChanged(T, DtlsState::Closed);
    assert_eq!(reply, [closed, MakeAlert(T), OfferDatagramAlert(T, S)]);
    assert_eq!(story.tell(&[CLOSE]), [Unmap(T)]);
    let effects = story.tell(&[KernelMakesRoomOnSocket { s: S }]);
    let not_needed = by_owner(Outcome::NotNeeded(NoAlert::PeerClosed));
    assert_eq!(effects, [OfferDatagramAlert(T, S), not_needed]);
}

#[test]
fn expired_consent_silences_the_reply_that_waits() {
    let mut story = small(&CONNECT_TCP);
    story.tell(&[STALL, PeerSendsCloseNotify { t: T }]);
    let effects = story.tell(&[ConsentExpires { t: T }]);
    let gone = [
        SelectedTupleChanged(T, None),
        IceStateChanged(T, IceState::Disconnected),
        CloseConnection(C),
    ];
    assert_eq!(effects, gone);
    assert_eq!(story.farewell(), Farewell::Dropped(DropReason::NoConsent));
}

#[test]
fn an_unbound_connection_is_nobodys_but_the_servers() {
    let mut story = Story::of(Config::takeover(), &[PeerConnects { c: C }]);
    let nobody = Outcome::NotNeeded(NoAlert::NotConnected);
    assert_eq!(story.tell(&[CLOSE]), [Unmap(T), by_owner(nobody)]);
    assert_eq!(story.state.core.connection(C), Connection::Unbound);
    assert_eq!(story.tell(&[CLOSE_SERVER]), [], "the worker has not heard of it");
    let effects = story.tell(&[WorkerHearsClose { w: W }]);
    let closed = [StopAccepting(ListenerId(0)), Unmap(U), with_server(U, nobody), ShutdownWrite(C)];
    assert_eq!(effects, closed);
    let effects = story.tell(&[KernelAcknowledges { c: C }]);
    assert_eq!(effects, [CloseConnection(C), WorkerDrained(W)]);
}

#[test]
fn a_server_closes_its_transports_then_its_carriers_then_answers() {
    let mut story = small(&CONNECT_UDP);
    story.tell(&[CLOSE_SERVER, WorkerHearsClose { w: W }]);
    let effects = story.tell(&[ServerDeadlinePasses { w: W }]);
    assert_eq!(effects, [with_server(T, Outcome::Sent), WorkerDrained(W)]);
    let released =
        [ReleaseSocket(S), ReleaseListener(ListenerId(0)), WorkerReleased(W), CallersComplete];
    assert_eq!(story.tell(&[WorkerHearsGrant { w: W }]), released);
    let late = OwnerClosesServer { caller: CallerId(1) };
    assert_eq!(story.tell(&[late]), [CallersComplete]);
}

#[test]
fn no_worker_releases_before_every_worker_is_drained() {
    let mut story = Story::of(Config::pair(), &CONNECT_TCP);
    story.tell(&[CLOSE_SERVER, WorkerHearsClose { w: W }, WorkerHearsClose { w: V }]);
    assert_eq!(story.state.core.transport(U).phase, Phase::Closed);
    assert!(step(&story.config, &story.state, WorkerHearsGrant { w: V }).is_none());
    let effects = story.tell(&[KernelAcknowledges { c: C }]);
    let closed = with_server(T, Outcome::Confirmed);
    assert_eq!(effects, [CloseConnection(C), closed, WorkerDrained(W)]);
    let effects = story.tell(&[WorkerHearsGrant { w: V }]);
    let released = [ReleaseSocket(SocketId(1)), ReleaseListener(ListenerId(1)), WorkerReleased(V)];
    assert_eq!(effects, released, "nobody is answered yet");
    let effects = story.tell(&[WorkerHearsGrant { w: W }]);
    assert_eq!(effects.last(), Some(&CallersComplete));
}

#[test]
fn what_a_callback_closes_is_closed_after_its_step() {
    let armed = OwnerArmsCallback { closes: Closes::Transport(T) };
    let mut story = Story::of(Config::owner(), &[UDP_CHECK, armed]);
    let effects = story.tell(&[PeerHandshakes { t: T }]);
    assert_eq!(effects, [DtlsStateChanged(T, DtlsState::Connected)]);
    let effects = story.tell(&[WorkerHearsTransportClose { t: T }]);
    assert_eq!(effects, [MakeAlert(T), OfferDatagramAlert(T, S), Unmap(T)]);
}

#[test]
fn the_third_tuple_evicts_the_oldest_that_is_not_selected() {
    let nominated = PeerChecks { t: T, from: UDP, check: StunCheck::Nominating };
    let mut story = Story::of(Config::eviction(), &[PeerConnects { c: C }, TCP_CHECK, nominated]);
    let from = Tuple::Udp(AddressId(1));
    let effects = story.tell(&[PeerChecks { t: T, from, check: StunCheck::Plain }]);
    assert_eq!(effects, [ShutdownWrite(C)]);
    assert_eq!(story.state.core.transport(T).tuples.as_slice(), [UDP, from]);
}

#[test]
fn who_proves_a_tuple_has_it_and_the_former_owner_is_told_first() {
    let mut story = Story::of(Config::takeover(), &CONNECT_UDP);
    let effects = story.tell(&[PeerChecks { t: U, from: UDP, check: StunCheck::Plain }]);
    let expected = [
        SelectedTupleChanged(T, None),
        IceStateChanged(T, IceState::Disconnected),
        SelectedTupleChanged(U, Some(UDP)),
        IceStateChanged(U, IceState::Connected),
        DtlsStateChanged(U, DtlsState::Connecting),
    ];
    assert_eq!(effects, expected);
    let no_path = by_owner(Outcome::NotNeeded(NoAlert::NoPath));
    assert_eq!(story.tell(&[CLOSE]), [Unmap(T), no_path]);
}

#[test]
fn a_transport_of_a_closing_worker_is_refused_without_a_word() {
    let create = OwnerCreatesTransport { t: U };
    let mut story = Story::of(Config::owner(), &CONNECT_UDP);
    story.tell(&[CLOSE_SERVER, WorkerHearsClose { w: W }]);
    assert_eq!(story.tell(&[create]), []);
    assert_eq!(story.state.core.transport(U).phase, Phase::Refused);
}
