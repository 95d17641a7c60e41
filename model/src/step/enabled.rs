//! Which actions can happen in which state.

use crate::action::{Action, Check, Closes, Subject};
use crate::config::{Config, TransportConfig};
use crate::ids::{CallerId, ConnectionId, SocketId, TransportId};
use crate::mutants::Mutant;
use crate::state::{
    Connection, DtlsState, Farewell, Phase, ReadSide, ServerPhase, State, Transport, Tuple, Ufrags,
    Waiting, WorkerPhase,
};
use crate::world::{Callback, Caller, End, HandOver, Room, Socket};

/// How many flights of the peer's handshake arrive before its last.
const FLIGHTS: u8 = 2;
/// How often a connection may be opened where it may be opened again.
const USES_MAX: u8 = 2;

/// Every action that can happen in a state, in a fixed order.
pub fn actions(config: &Config, state: &State) -> Vec<Action> {
    let all = every_action(config).into_iter();
    all.filter(|action| is_enabled(config, state, *action)).collect()
}

/// Every action that a configuration allows, whether it can ever happen or not.
pub fn every_action(config: &Config) -> Vec<Action> {
    let mut actions = Vec::new();
    for t in config.transport_ids() {
        of_transport(config.transport(t), t, &mut actions);
    }
    for c in config.connection_ids() {
        of_connection(config, c, &mut actions);
    }
    for s in (0..config.sockets.len() as u8).map(SocketId).filter(|_| config.kernel.full_sockets) {
        actions.extend([Action::KernelFillsSocket { s }, Action::KernelMakesRoomOnSocket { s }]);
    }
    of_server(config, &mut actions);
    actions
}

fn of_transport(config: &TransportConfig, t: TransportId, actions: &mut Vec<Action>) {
    let aspects = config.aspects;
    let mut add = |when: bool, action: Action| actions.extend(when.then_some(action));
    for from in config.tuples() {
        add(true, Action::PeerChecks { t, from, check: Check::Plain });
        add(aspects.nomination, Action::PeerChecks { t, from, check: Check::Nominating });
        let check = Check::WithFormerCredentials;
        add(aspects.restarts, Action::PeerChecks { t, from, check });
    }
    add(aspects.flights, Action::PeerSendsFlight { t });
    add(true, Action::PeerHandshakes { t });
    add(aspects.handshake_failure, Action::PeerFailsHandshake { t });
    add(aspects.handshake_failure, Action::HandshakeDeadlinePasses { t });
    add(aspects.peer_closes, Action::PeerSendsCloseNotify { t });
    add(aspects.fatal_alert, Action::PeerSendsFatalAlert { t });
    add(true, Action::PeerAnswers { t });
    add(aspects.created_later, Action::OwnerCreatesTransport { t });
    add(aspects.restarts, Action::OwnerRestartsIce { t });
    add(aspects.owner_closes, Action::OwnerClosesTransport { t });
    add(aspects.consent, Action::ConsentExpires { t });
    add(true, Action::FarewellDeadlinePasses { t });
}

fn of_connection(config: &Config, c: ConnectionId, actions: &mut Vec<Action>) {
    let kernel = config.kernel;
    let mut add = |when: bool, action: Action| actions.extend(when.then_some(action));
    add(true, Action::PeerConnects { c });
    add(kernel.missing_descriptors, Action::PeerConnectsInVain { c });
    add(kernel.unread_input, Action::PeerStreams { c });
    add(true, Action::PeerSendsFin { c });
    add(true, Action::PeerResets { c });
    add(kernel.unseen_resets, Action::PeerVanishes { c });
    for t in config.transport_ids().filter(|_| kernel.unseen_resets) {
        let may = config.transport(t).may_use(Tuple::Tcp(c));
        add(may, Action::PeerChecksTwiceAndResets { t, c });
    }
    add(kernel.full_connections, Action::KernelFillsConnection { c });
    add(kernel.little_room, Action::KernelLeavesRoom { c, part: false });
    add(kernel.little_room, Action::KernelLeavesRoom { c, part: true });
    add(kernel.little_room || kernel.full_connections, Action::KernelMakesRoomOnConnection { c });
    add(kernel.little_room, Action::KernelMakesLittleRoom { c });
    add(true, Action::KernelAcknowledges { c });
    add(true, Action::LingerDeadlinePasses { c });
    add(true, Action::BindDeadlinePasses { c });
    add(kernel.unread_input, Action::WorkerReads { c });
    add(kernel.stale_events, Action::WorkerMeetsStaleEvent { c });
    add(config.hands_over(c), Action::WorkerTakesOver { c });
    add(config.hands_over(c), Action::WorkerHearsProof { c });
    for t in config.transport_ids() {
        let elsewhere = config.worker_of(t) != config.home_of(c);
        let may = elsewhere && config.transport(t).may_use(Tuple::Tcp(c));
        add(may, Action::WorkerJudges { t, c });
    }
}

fn of_server(config: &Config, actions: &mut Vec<Action>) {
    for caller in (0..config.callers as u8).map(CallerId) {
        actions.push(Action::OwnerClosesServer { caller });
        if config.owner.dropped_handles {
            actions.push(Action::OwnerDropsHandle { caller });
        }
    }
    if config.owner.callbacks {
        actions.push(Action::OwnerArmsCallback { closes: Closes::Server });
        for t in config.transport_ids() {
            actions.push(Action::OwnerArmsCallback { closes: Closes::Transport(t) });
            actions.push(Action::WorkerHearsTransportClose { t });
        }
    }
    for w in config.worker_ids() {
        actions.extend([
            Action::WorkerHearsClose { w },
            Action::ServerDeadlinePasses { w },
            Action::WorkerHearsGrant { w },
        ]);
    }
}

/// Can this action, which the configuration allows, happen in this state?
pub(crate) fn is_enabled(config: &Config, state: &State, action: Action) -> bool {
    let at = At { config, state };
    match action.subject() {
        Subject::Transport(t) => at.is_enabled_on_transport(action, t),
        Subject::Connection(c) => at.is_enabled_on_connection(action, c),
        Subject::Worker | Subject::Server => at.is_enabled_on_server(action),
    }
}

/// A state to ask.
struct At<'a> {
    config: &'a Config,
    state: &'a State,
}

impl At<'_> {
    fn transport(&self, t: TransportId) -> &Transport {
        self.state.core.transport(t)
    }

    /// Does the worker of a transport still work?
    fn is_heard(&self, t: TransportId) -> bool {
        matches!(
            self.state.core.worker(self.config.worker_of(t)),
            WorkerPhase::Open | WorkerPhase::Closing
        )
    }

    /// A transport that is open, on a worker that is.
    fn open(&self, t: TransportId) -> Option<&Transport> {
        let open = self.state.core.worker(self.config.worker_of(t)) == WorkerPhase::Open;
        Some(self.transport(t)).filter(|transport| open && transport.phase == Phase::Open)
    }

    /// The DTLS state of an open transport.
    fn dtls(&self, t: TransportId) -> Option<DtlsState> {
        self.open(t).map(|transport| transport.dtls)
    }

    fn may_check(&self, t: TransportId, from: Tuple, check: Check) -> bool {
        let transport = self.transport(t);
        let arrives = match from {
            Tuple::Udp(_) => self.open(t).is_some(),
            Tuple::Tcp(c) if self.is_misplaced(t, c) => self.may_pass_on(t, c),
            Tuple::Tcp(c) => self.open(t).is_some() && self.state.core.connection(c).is_in_use(),
        };
        let known =
            check != Check::WithFormerCredentials || transport.ufrags == Ufrags::CurrentAndPrevious;
        arrives && known && self.is_reachable(from)
    }

    fn is_misplaced(&self, t: TransportId, c: ConnectionId) -> bool {
        self.state.core.is_misplaced(self.config, t, c)
    }

    /// May its home give this connection away, or ask about it? What has become of the transport the home does not
    /// know. One check at a time is under way.
    fn may_pass_on(&self, t: TransportId, c: ConnectionId) -> bool {
        let home = self.config.home_of(c);
        let open = self.state.core.worker(home) == WorkerPhase::Open
            || self.config.is(Mutant::StrangersForgotten);
        let was_created = !matches!(self.transport(t).phase, Phase::Absent | Phase::Refused);
        let at_home = self.state.core.holder(c) == Some(home);
        let in_use = self.state.core.connection(c).is_in_use();
        open && was_created && at_home && in_use && self.state.world.letter(c).is_none()
    }

    /// Is that about this connection next in a mailbox, and not behind the command to close?
    fn may_take(&self, c: ConnectionId, what: HandOver) -> bool {
        let State { core, world, .. } = self.state;
        world.letter(c).is_some_and(|letter| {
            letter.what == what
                && world.next_letter(letter.to) == Some(letter)
                && (letter.early || core.worker(letter.to) != WorkerPhase::Open)
        })
    }

    /// Does what the peer sends on this path still arrive, in order?
    fn is_reachable(&self, path: Tuple) -> bool {
        path.connection().is_none_or(|c| {
            let stream = self.state.world.stream(c);
            stream.room != Room::Broken && !stream.unread
        })
    }

    /// Does the peer of an open transport have a path?
    fn hears(&self, t: TransportId) -> bool {
        self.transport(t).selected.is_some_and(|path| self.is_reachable(path))
    }

    /// Can a flight come in, and its answer go out?
    fn may_handshake(&self, t: TransportId) -> bool {
        let writable = match self.transport(t).selected {
            None => false,
            Some(Tuple::Udp(address)) => {
                let s = self.config.socket_of(address);
                self.state.world.sockets[s.index()] == Socket::Room
            }
            Some(Tuple::Tcp(c)) => {
                let room = self.state.world.stream(c).room;
                self.state.core.connection(c).queue().is_empty() && room == Room::Plenty
            }
        };
        self.dtls(t) == Some(DtlsState::Connecting) && self.hears(t) && writable
    }

    /// Has the peer seen an alert that it can still answer?
    fn may_answer(&self, t: TransportId) -> bool {
        let transport = self.transport(t);
        let peer = self.state.world.peer(t);
        let Farewell::Sent(path) = transport.farewell else { return false };
        let open = match path {
            Tuple::Udp(address) => !self.state.is_taken(t, address),
            Tuple::Tcp(c) => {
                self.state.core.connection(c).owner() == Some(t) && self.is_reachable(path)
            }
        };
        transport.phase == Phase::Closing
            && transport.outcome.is_none()
            && peer.alerts > 0
            && !peer.said_close
            && open
    }

    /// Does a deadline run for an alert over UDP, to hand it over or to hear the answer?
    fn awaits_udp(&self, t: TransportId) -> bool {
        let transport = self.transport(t);
        let unanswered = transport.phase == Phase::Closing && transport.outcome.is_none();
        transport.phase.is_live()
            && match transport.farewell {
                Farewell::Queued(path) => path.is_udp(),
                Farewell::Sent(path) => path.is_udp() && unanswered,
                Farewell::None | Farewell::Confirmed(_) | Farewell::Dropped(_) => false,
            }
    }

    fn may_arm(&self, closes: Closes) -> bool {
        let subject_lives = match closes {
            Closes::Server => self.state.core.server == ServerPhase::Open,
            Closes::Transport(t) => self.transport(t).phase == Phase::Open,
        };
        self.state.world.callback == Callback::Idle && subject_lives
    }

    /// Is anything of the server at the end of its use and not written yet?
    fn flushes(&self) -> bool {
        let mut connections = self.state.core.connections.iter();
        connections.any(|connection| matches!(connection, Connection::Flushing { .. }))
    }

    #[expect(clippy::wildcard_enum_match_arm, reason = "the caller has sorted them out")]
    fn is_enabled_on_transport(&self, action: Action, t: TransportId) -> bool {
        let peer = self.state.world.peer(t);
        match action {
            Action::PeerChecks { from, check, .. } => self.may_check(t, from, check),
            Action::PeerChecksTwiceAndResets { c, .. } => {
                self.may_check(t, Tuple::Tcp(c), Check::Plain)
                    && !self.is_misplaced(t, c)
                    && self.state.core.connection(c).queue().is_empty()
                    && self.state.world.stream(c).room == Room::Plenty
            }
            Action::PeerSendsFlight { .. } => self.may_handshake(t) && peer.flights < FLIGHTS,
            Action::PeerHandshakes { .. } => {
                let step_by_step = self.config.transport(t).aspects.flights;
                let flights = if step_by_step { FLIGHTS } else { 0 };
                self.may_handshake(t) && peer.flights == flights
            }
            // The alert that we answer with has its room, as a flight would.
            Action::PeerFailsHandshake { .. } => self.may_handshake(t),
            Action::HandshakeDeadlinePasses { .. } => self.dtls(t) == Some(DtlsState::Connecting),
            Action::PeerSendsCloseNotify { .. } => {
                self.dtls(t) == Some(DtlsState::Connected) && self.hears(t)
            }
            Action::PeerSendsFatalAlert { .. } => {
                let alive = [Some(DtlsState::Connecting), Some(DtlsState::Connected)];
                alive.contains(&self.dtls(t)) && self.hears(t)
            }
            Action::PeerAnswers { .. } => self.may_answer(t),
            Action::OwnerCreatesTransport { .. } => self.transport(t).phase == Phase::Absent,
            Action::OwnerRestartsIce { .. } => self.open(t).is_some(),
            Action::OwnerClosesTransport { .. } => {
                self.transport(t).phase.is_live() && self.is_heard(t)
            }
            Action::ConsentExpires { .. } => {
                let closing = self.transport(t).phase == Phase::Closing;
                let late = self.config.is(Mutant::LateTimer) && closing;
                late || self.open(t).is_some_and(|transport| transport.selected.is_some())
            }
            Action::FarewellDeadlinePasses { .. } => self.awaits_udp(t),
            Action::WorkerJudges { c, .. } => {
                let letter = self.state.world.letter(c);
                letter.is_some_and(|letter| letter.t == t) && self.may_take(c, HandOver::Question)
            }
            Action::WorkerHearsTransportClose { .. } => {
                self.state.world.callback == Callback::Asked(t)
            }
            _ => unreachable!("{action:?} does not happen to a transport"),
        }
    }

    #[expect(clippy::wildcard_enum_match_arm, reason = "the caller has sorted them out")]
    fn is_enabled_on_server(&self, action: Action) -> bool {
        let State { core, world, .. } = self.state;
        match action {
            // Nothing is offered to the socket of a worker once it closes, so filling it then makes no difference.
            Action::KernelFillsSocket { s } => {
                core.worker(self.config.sockets[s.index()]) == WorkerPhase::Open
                    && world.sockets[s.index()] == Socket::Room
                    && core.transports.iter().any(|transport| transport.phase.is_live())
            }
            Action::KernelMakesRoomOnSocket { s } => {
                let worker = core.worker(self.config.sockets[s.index()]);
                matches!(worker, WorkerPhase::Open | WorkerPhase::Closing)
                    && world.sockets[s.index()] == Socket::Full
            }
            Action::OwnerClosesServer { caller } => world.callers[caller.index()] == Caller::Idle,
            Action::OwnerDropsHandle { caller } => {
                world.callers[caller.index()] == Caller::Idle && core.server == ServerPhase::Open
            }
            Action::OwnerArmsCallback { closes } => self.may_arm(closes),
            Action::ServerDeadlinePasses { w } => {
                let waits_forever = self.config.is(Mutant::NoDeadline) && self.flushes();
                core.worker(w) == WorkerPhase::Closing && !waits_forever
            }
            Action::WorkerHearsClose { w } => {
                let waits = self.config.is(Mutant::CloseBlocks) && self.flushes();
                let told = core.server != ServerPhase::Open && core.worker(w) == WorkerPhase::Open;
                told && !waits && !world.next_letter(w).is_some_and(|next| next.early)
            }
            Action::WorkerHearsGrant { w } => {
                let drained = core.worker(w) == WorkerPhase::Drained;
                let early = self.config.is(Mutant::FirstWorkerReleases);
                let waits =
                    world.next_letter(w).is_some() && !self.config.is(Mutant::GrantOvertakes);
                core.server == ServerPhase::Releasing && (drained || early) && !waits
            }
            _ => unreachable!("{action:?} does not happen to the server"),
        }
    }

    #[expect(clippy::wildcard_enum_match_arm, reason = "the caller has sorted them out")]
    fn is_enabled_on_connection(&self, action: Action, c: ConnectionId) -> bool {
        let connection = self.state.core.connection(c);
        let stream = self.state.world.stream(c);
        let queue = connection.queue();
        let lingers = match connection {
            Connection::Flushing { .. } => !self.config.is(Mutant::NoDeadline),
            Connection::Draining { .. } => true,
            Connection::None
            | Connection::Unbound
            | Connection::InFlight { .. }
            | Connection::Bound { .. }
            | Connection::Gone => false,
        };
        // What happens to one in flight nobody sees.
        let seen = connection.is_live() && self.state.core.holder(c).is_some();
        match action {
            Action::PeerConnects { .. } => self.may_connect(c),
            Action::PeerConnectsInVain { .. } => {
                connection == Connection::None && self.may_connect(c)
            }
            Action::PeerStreams { .. } => {
                connection.is_bound() && !stream.unread && stream.room != Room::Broken
            }
            Action::PeerSendsFin { .. } => {
                let ended = matches!(connection, Connection::Flushing { eof: ReadSide::Ended, .. });
                seen && !ended && !stream.unread && stream.room != Room::Broken
            }
            Action::PeerResets { .. } => seen,
            Action::PeerVanishes { .. } => {
                // Where something waits the server polls for room, and is told.
                connection.is_bound() && queue.is_empty() && stream.room != Room::Broken
            }
            Action::KernelFillsConnection { .. } => {
                let owner = connection.owner().filter(|_| connection.is_bound());
                queue.is_empty()
                    && stream.room == Room::Plenty
                    && owner.is_some_and(|t| {
                        self.dtls(t) == Some(DtlsState::Connected)
                            && self.transport(t).selected == Some(Tuple::Tcp(c))
                    })
            }
            Action::KernelLeavesRoom { .. } => {
                connection.is_bound() && queue.is_empty() && stream.room == Room::Plenty
            }
            Action::KernelMakesRoomOnConnection { .. } => {
                let used =
                    connection.is_bound() || matches!(connection, Connection::Flushing { .. });
                used && matches!(stream.room, Room::Little | Room::None)
            }
            Action::KernelMakesLittleRoom { .. } => {
                let front = if queue.other == Waiting::No { queue.alert } else { queue.other };
                front == Waiting::Whole && stream.room == Room::None
            }
            Action::KernelAcknowledges { .. } => {
                matches!(connection, Connection::Draining { .. }) && stream.end == End::Finished
            }
            Action::LingerDeadlinePasses { .. } => lingers,
            Action::BindDeadlinePasses { .. } => connection == Connection::Unbound,
            Action::WorkerTakesOver { .. } => self.may_take(c, HandOver::Connection),
            Action::WorkerHearsProof { .. } => self.may_take(c, HandOver::Proof),
            Action::WorkerReads { .. } => connection.is_live() && stream.unread,
            Action::WorkerMeetsStaleEvent { .. } => self.state.world.stale == Some(c),
            _ => unreachable!("{action:?} does not happen to a connection"),
        }
    }

    fn may_connect(&self, c: ConnectionId) -> bool {
        let uses = self.state.world.stream(c).uses;
        let again = match self.config.kernel.reopened_connections {
            true => uses < USES_MAX,
            false => uses == 0,
        };
        let worker = self.state.core.worker(self.config.home_of(c));
        let late = self.config.is(Mutant::AcceptWhileClosing) && worker == WorkerPhase::Closing;
        let connection = self.state.core.connection(c);
        !connection.is_live() && again && (worker == WorkerPhase::Open || late)
    }
}
