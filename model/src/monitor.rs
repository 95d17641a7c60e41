//! Watches each step and remembers what a single state cannot show.
//!
//! It judges the effects of a step and what they did to the world. Of what the server believes it
//! takes only the states before and after, never how the transition function came from one to the
//! other, so that a mistake there is not repeated here.

use arrayvec::ArrayVec;

use crate::action::{Action, Subject};
use crate::config::Config;
use crate::effect::Effect;
use crate::ids::{ConnectionId, TransportId};
use crate::rank::{is_closing_everywhere, rank};
use crate::state::{
    CONNECTIONS_MAX, Connection, DtlsState, Farewell, Phase, ServerPhase, State, Tuple, WorkerPhase,
};
use crate::world::{Broken, Caller, End, Listener, Room, Socket, count};

/// A rule about steps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub(crate) enum Rule {
    /// S1: nothing is done on a released carrier.
    ReleasedCarrier = 1,
    /// S2: an event names only what is there while it is heard.
    NamesTheGone = 1 << 1,
    /// S3: nothing is done for a transport that is not there, or not any more.
    DeadTransport = 1 << 2,
    /// S6: nothing of a connection that ends within a step is left after it.
    SurvivesItsEnd = 1 << 3,
    /// S7: nothing closes but at the command to close, and a command is carried out once.
    Reentered = 1 << 4,
    /// X2: a carrier is released once, by the worker that has it.
    ReleasedTwice = 1 << 5,
    /// X3: nobody returns before the carriers are released, nor twice.
    EarlyReturn = 1 << 6,
    /// X4: a close that can say farewell makes exactly one alert.
    AlertPerClose = 1 << 7,
    /// X5: nothing is heard of a transport after it was reported closed.
    AfterReport = 1 << 8,
    /// O1: alert, unmap, report: in this order.
    TransportOrder = 1 << 9,
    /// O2: carriers go after all transports, and nothing is accepted while closing.
    ServerOrder = 1 << 10,
    /// O4: a transport that closes is unmapped before its connections go.
    UnmapFirst = 1 << 11,
    /// O6: a connection with our alert in it is not closed over unread input.
    ClosedOverInput = 1 << 12,
    /// L1: every step of a closing system brings its end nearer.
    NoProgress = 1 << 13,
    /// L3: an alert that waits is given up only for a deadline or for something the peer did.
    LostAlert = 1 << 14,
    /// L4: what the kernel tells once is told once.
    Spins = 1 << 15,
    /// L5: a timer of a phase that is over does nothing.
    LateTimer = 1 << 16,
    /// N1: what happens to one transport changes no other.
    Neighbour = 1 << 17,
    /// N2: what a stranger does changes no transport.
    Stranger = 1 << 18,
    /// N3: an event of a connection that is gone does nothing.
    StaleEvent = 1 << 19,
    /// O2: a worker that closes hands nothing over.
    HandsOverLate = 1 << 20,
}

impl Broken {
    fn note(&mut self, rule: Rule, kept: bool) {
        if !kept {
            self.0 |= rule as u32;
        }
    }

    /// Was this rule broken on the way?
    pub(crate) fn has(self, rule: Rule) -> bool {
        self.0 & rule as u32 != 0
    }
}

/// One step as it is seen from outside.
struct Seen<'a> {
    config: &'a Config,
    before: &'a State,
    action: Action,
    effects: &'a [Effect],
}

/// Update the ghost of `after`, which still is the ghost of `before`.
pub(crate) fn observe(
    config: &Config,
    before: &State,
    action: Action,
    after: &mut State,
    effects: &[Effect],
) {
    let seen = Seen { config, before, action, effects };
    seen.judge_carriers(after);
    seen.judge_callers(after);
    for t in before.core.transport_ids() {
        seen.judge_order(t, after);
        seen.judge_alert(t, after);
        seen.count_effects(t, after);
        seen.judge_alert_count(t, after);
    }
    seen.judge_closed_connections(after);
    seen.judge_hand_overs(after);
    seen.judge_commands(after);
    seen.judge_neighbours(after);
    seen.judge_news(after);
    seen.judge_progress(after);
}

impl Seen<'_> {
    /// S1, S2, X2, O2: walk the effects and know at each of them which carriers are still there.
    fn judge_carriers(&self, after: &mut State) {
        let mut sockets = self.before.world.sockets.clone();
        let mut listeners = self.before.world.listeners.clone();
        let mut ends: ArrayVec<End, CONNECTIONS_MAX> =
            self.before.world.streams.iter().map(|stream| stream.end).collect();
        let transports = self.before.core.transports.iter();
        let mut open: Vec<bool> = transports.map(|t| t.phase.is_live()).collect();
        let broken = &mut after.ghost.broken;
        for effect in self.effects {
            match *effect {
                Effect::OfferDatagramAlert(_, s) => {
                    broken.note(Rule::ReleasedCarrier, sockets[s.index()] != Socket::Released);
                }
                Effect::StopAccepting(l) => {
                    let held = listeners[l.index()] != Listener::Released;
                    broken.note(Rule::ReleasedCarrier, held);
                }
                Effect::AlertWritten(_, c) => {
                    broken.note(Rule::ReleasedCarrier, ends[c.index()] == End::Open);
                }
                Effect::ShutdownWrite(c) => {
                    broken.note(Rule::ReleasedCarrier, ends[c.index()] == End::Open);
                    ends[c.index()] = End::Finished;
                }
                Effect::CloseConnection(c) | Effect::AbortConnection(c) => {
                    let held = matches!(ends[c.index()], End::Open | End::Finished);
                    broken.note(Rule::ReleasedTwice, held);
                    ends[c.index()] = End::Closed;
                }
                Effect::ReleaseSocket(s) => {
                    let held = sockets[s.index()] != Socket::Released;
                    let own = self.releasing() == Some(self.config.sockets[s.index()]);
                    broken.note(Rule::ReleasedTwice, held && own);
                    broken.note(Rule::ServerOrder, !open.contains(&true));
                    sockets[s.index()] = Socket::Released;
                }
                Effect::ReleaseListener(l) => {
                    let held = listeners[l.index()] != Listener::Released;
                    let own = self.releasing() == Some(self.config.listeners[l.index()]);
                    broken.note(Rule::ReleasedTwice, held && own);
                    broken.note(Rule::ServerOrder, !open.contains(&true));
                    listeners[l.index()] = Listener::Released;
                }
                Effect::SelectedTupleChanged(_, Some(Tuple::Tcp(c))) => {
                    let ends_now = matches!(
                        self.action,
                        Action::PeerSendsFin { c: d } | Action::PeerResets { c: d } if c == d
                    );
                    broken.note(Rule::NamesTheGone, ends[c.index()] == End::Open && !ends_now);
                }
                Effect::TransportClosed(t, _, _) => open[t.index()] = false,
                Effect::MakeAlert(_)
                | Effect::Unmap(_)
                | Effect::SelectedTupleChanged(_, Some(Tuple::Udp(_)) | None)
                | Effect::IceStateChanged(..)
                | Effect::DtlsStateChanged(..)
                | Effect::WorkerDrained(_)
                | Effect::WorkerReleased(_)
                | Effect::CallersComplete => {}
            }
        }
        if let Action::PeerConnects { c } = self.action {
            let l = self.config.connections[c.index()];
            let accepting = self.before.world.listeners[l.index()] == Listener::Accepting;
            broken.note(Rule::ServerOrder, accepting);
        }
    }

    /// The worker that may release carriers in this step.
    fn releasing(&self) -> Option<crate::ids::WorkerId> {
        if let Action::WorkerHearsGrant { w } | Action::WorkerHearsClose { w } = self.action {
            Some(w)
        } else {
            None
        }
    }

    /// X3: count completions, and judge when they come.
    fn judge_callers(&self, after: &mut State) {
        let released = after.world.sockets.iter().all(|socket| *socket == Socket::Released)
            && after.world.listeners.iter().all(|listener| *listener == Listener::Released)
            && after.core.server == ServerPhase::Closed;
        for (index, old) in self.before.world.callers.iter().enumerate() {
            let new = after.world.callers[index];
            if *old != Caller::Returned && new == Caller::Returned {
                after.ghost.completions[index] = count(after.ghost.completions[index]);
                after.ghost.broken.note(Rule::EarlyReturn, released);
            }
            if *old == Caller::Returned {
                after.ghost.broken.note(Rule::EarlyReturn, new == Caller::Returned);
            }
        }
    }

    /// The connections that are or were tuples of a transport before the step.
    fn is_of(&self, c: ConnectionId, t: TransportId) -> bool {
        self.before.core.connection(c).owner() == Some(t)
    }

    /// S3, O1, O4, X5: the order of the effects of one transport and its connections.
    fn judge_order(&self, t: TransportId, after: &mut State) {
        let history = self.before.ghost.transports[t.index()];
        let lived = self.before.core.transport(t).phase.is_live();
        let closes = self.before.core.transport(t).phase == Phase::Open
            && after.core.transport(t).phase != Phase::Open;
        let mut unmapped = history.unmapped > 0;
        let mut reported = history.closed > 0;
        let broken = &mut after.ghost.broken;
        for effect in self.effects {
            match *effect {
                Effect::ShutdownWrite(c)
                | Effect::CloseConnection(c)
                | Effect::AbortConnection(c)
                    if self.is_of(c, t) =>
                {
                    broken.note(Rule::UnmapFirst, unmapped || !closes);
                    broken.note(Rule::AfterReport, !reported);
                }
                Effect::MakeAlert(u) if u == t => {
                    broken.note(Rule::TransportOrder, !unmapped);
                    broken.note(Rule::DeadTransport, lived);
                }
                Effect::Unmap(u) if u == t => unmapped = true,
                Effect::TransportClosed(u, _, _) if u == t => {
                    broken.note(Rule::TransportOrder, unmapped);
                    broken.note(Rule::AfterReport, !reported);
                    broken.note(Rule::DeadTransport, lived);
                    reported = true;
                }
                Effect::OfferDatagramAlert(u, _)
                | Effect::AlertWritten(u, _)
                | Effect::SelectedTupleChanged(u, _)
                | Effect::IceStateChanged(u, _)
                | Effect::DtlsStateChanged(u, _)
                    if u == t =>
                {
                    broken.note(Rule::AfterReport, !reported);
                    broken.note(Rule::DeadTransport, lived);
                }
                Effect::StopAccepting(_)
                | Effect::MakeAlert(_)
                | Effect::OfferDatagramAlert(..)
                | Effect::Unmap(_)
                | Effect::AlertWritten(..)
                | Effect::ShutdownWrite(_)
                | Effect::CloseConnection(_)
                | Effect::AbortConnection(_)
                | Effect::SelectedTupleChanged(..)
                | Effect::IceStateChanged(..)
                | Effect::DtlsStateChanged(..)
                | Effect::TransportClosed(..)
                | Effect::WorkerDrained(_)
                | Effect::ReleaseSocket(_)
                | Effect::ReleaseListener(_)
                | Effect::WorkerReleased(_)
                | Effect::CallersComplete => {}
            }
        }
    }

    /// L3: a queued alert ends as dropped only if a deadline, consent or a peer ended it.
    fn judge_alert(&self, t: TransportId, after: &mut State) {
        let (old, new) = (self.before.core.transport(t), after.core.transport(t));
        let heard = after.world.peer(t).alerts > 0;
        let attempted =
            self.before.ghost.transports[t.index()].alerts > 0 || new.farewell != Farewell::None;
        let given_up = matches!(new.farewell, Farewell::Dropped(_))
            && !matches!(old.farewell, Farewell::Dropped(_));
        let stream_closed = match old.farewell {
            Farewell::Queued(Tuple::Tcp(c)) => {
                self.before.world.stream(c).end != End::Closed
                    && after.world.stream(c).end == End::Closed
            }
            Farewell::Queued(Tuple::Udp(_))
            | Farewell::None
            | Farewell::Sent(_)
            | Farewell::Confirmed(_)
            | Farewell::Dropped(_) => false,
        };
        let reported = old.phase != Phase::Closed && new.phase == Phase::Closed;
        let ends = given_up || reported || stream_closed;
        let excused = matches!(old.farewell, Farewell::Dropped(_))
            || matches!(
                self.action,
                Action::FarewellDeadlinePasses { .. }
                    | Action::LingerDeadlinePasses { .. }
                    | Action::ServerDeadlinePasses { .. }
                    | Action::ConsentExpires { .. }
                    | Action::PeerResets { .. }
                    | Action::PeerChecksTwiceAndResets { .. }
            )
            || self.was_reset_unseen(t)
            || self.lost_its_path(t);
        after.ghost.broken.note(Rule::LostAlert, !(attempted && ends && !heard) || excused);
    }

    /// Had the peer reset the connection on which the alert was to leave?
    fn was_reset_unseen(&self, t: TransportId) -> bool {
        let old = self.before.core.transport(t);
        let path = old.farewell.path().or(old.selected);
        path.and_then(Tuple::connection)
            .is_some_and(|c| self.before.world.stream(c).room == Room::Broken)
    }

    /// Does another transport prove that the tuple is its own on which the alert waits?
    fn lost_its_path(&self, t: TransportId) -> bool {
        let Action::PeerChecks { t: other, from, .. } = self.action else { return false };
        other != t && self.before.core.transport(t).farewell.path() == Some(from)
    }

    /// Count what X1, X4 and X5 count.
    fn count_effects(&self, t: TransportId, after: &mut State) {
        let history = &mut after.ghost.transports[t.index()];
        let times = |counts: fn(&Effect) -> bool| {
            let of_it = self.effects.iter().filter(|effect| effect.transport() == Some(t));
            of_it.filter(|effect| counts(effect)).fold(0, |number, _| count(number))
        };
        let add = |to: &mut u8, number: u8| *to = (*to + number).min(2);
        add(&mut history.alerts, times(|effect| matches!(effect, Effect::MakeAlert(_))));
        add(&mut history.unmapped, times(|effect| matches!(effect, Effect::Unmap(_))));
        add(&mut history.closed, times(|effect| matches!(effect, Effect::TransportClosed(..))));
    }

    /// X4: a transport that closes while connected and with a path makes one alert, and only then.
    fn judge_alert_count(&self, t: TransportId, after: &mut State) {
        let old = self.before.core.transport(t);
        let made = after.ghost.transports[t.index()].alerts
            - self.before.ghost.transports[t.index()].alerts;
        let connected = old.dtls == DtlsState::Connected && old.selected.is_some();
        let closes = old.phase == Phase::Open && after.core.transport(t).phase != Phase::Open;
        let replies = connected && matches!(self.action, Action::PeerSendsCloseNotify { .. });
        let kept = if closes { made == u8::from(connected) } else { made == 0 || replies };
        after.ghost.broken.note(Rule::AlertPerClose, kept);
    }

    /// S6, O6: what becomes of the connections that end in this step.
    fn judge_closed_connections(&self, after: &mut State) {
        for effect in self.effects {
            let (Effect::CloseConnection(c) | Effect::AbortConnection(c)) = *effect else {
                continue;
            };
            let mapped = after.core.owner(Tuple::Tcp(c)).is_some();
            let alive = after.core.connection(c).is_live();
            after.ghost.broken.note(Rule::SurvivesItsEnd, !mapped && !alive);
            let said = |farewell: Farewell| farewell == Farewell::Sent(Tuple::Tcp(c));
            let carries =
                self.effects.iter().any(|e| matches!(*e, Effect::AlertWritten(_, d) if d == c))
                    || self.before.core.transports.iter().any(|t| said(t.farewell));
            let stream = self.before.world.stream(c);
            let excused = stream.room == Room::Broken
                || matches!(
                    self.action,
                    Action::KernelAcknowledges { .. }
                        | Action::PeerResets { .. }
                        | Action::ConsentExpires { .. }
                        | Action::LingerDeadlinePasses { .. }
                        | Action::ServerDeadlinePasses { .. }
                );
            after.ghost.broken.note(Rule::ClosedOverInput, !(carries && stream.unread) || excused);
        }
    }

    /// O2: whoever gives a connection away is open.
    fn judge_hand_overs(&self, after: &mut State) {
        for c in self.before.core.connection_ids() {
            if after.core.holder(c).is_none()
                && let Some(giver) = self.before.core.holder(c)
            {
                let open = self.before.core.worker(giver) == WorkerPhase::Open;
                after.ghost.broken.note(Rule::HandsOverLate, open);
            }
        }
    }

    /// S7: only the command to close closes, and nothing is done twice.
    fn judge_commands(&self, after: &mut State) {
        let told_all = matches!(self.action, Action::WorkerHearsClose { .. });
        let told_one = match self.action.subject() {
            Subject::Transport(t) => matches!(
                self.action,
                Action::OwnerClosesTransport { .. } | Action::WorkerHearsTransportClose { .. }
            )
            .then_some(t),
            Subject::Connection(_) | Subject::Worker | Subject::Server => None,
        };
        let heard = |effect: &Effect| {
            let stops = matches!(effect, Effect::StopAccepting(_));
            let unmaps = matches!(effect, Effect::Unmap(_));
            told_all || !(stops || unmaps && effect.transport() != told_one)
        };
        let twice = |(index, effect): (usize, &Effect)| {
            matches!(effect, Effect::StopAccepting(_)) && self.effects[..index].contains(effect)
        };
        let kept = self.effects.iter().all(heard) && !self.effects.iter().enumerate().any(twice);
        after.ghost.broken.note(Rule::Reentered, kept);
    }

    /// N1, N2: an action on one transport, or on a connection of it, leaves the others as they are; an action on a
    /// connection that is nobody's leaves all of them.
    fn judge_neighbours(&self, after: &mut State) {
        let (subject, rule) = match self.action.subject() {
            Subject::Transport(t) => (Some(t), Rule::Neighbour),
            Subject::Connection(c) => match self.before.core.connection(c).transport() {
                Some(t) => (Some(t), Rule::Neighbour),
                None => (None, Rule::Stranger),
            },
            Subject::Worker | Subject::Server => return,
        };
        let taken = if let Action::PeerChecksTwiceAndResets { c, .. } = self.action {
            Some(Tuple::Tcp(c))
        } else if let Action::PeerChecks { from, .. } = self.action {
            Some(from)
        } else {
            None
        };
        let waits = |t: TransportId| {
            taken.is_some() && self.before.core.transport(t).farewell.path() == taken
        };
        let owner = taken.and_then(|tuple| self.before.core.owner(tuple));
        let same = |t: TransportId| {
            Some(t) == subject
                || Some(t) == owner
                || waits(t)
                || self.before.core.transport(t) == after.core.transport(t)
                    && self.before.world.peer(t) == after.world.peer(t)
        };
        let alone = self.before.core.transport_ids().all(same);
        let shared = self.before.world.sockets == after.world.sockets
            && self.before.world.listeners == after.world.listeners;
        after.ghost.broken.note(rule, alone && shared);
    }

    /// L4, L5, N3: what is told once, what comes too late, and what is meant for somebody else.
    fn judge_news(&self, after: &mut State) {
        let same = self.before.core == after.core;
        let unchanged = same && self.before.world == after.world;
        let is_news = matches!(
            self.action,
            Action::PeerSendsFin { .. }
                | Action::PeerResets { .. }
                | Action::KernelAcknowledges { .. }
                | Action::WorkerReads { .. }
                | Action::WorkerMeetsStaleEvent { .. }
        );
        let is_stale = matches!(self.action, Action::WorkerMeetsStaleEvent { .. });
        let broken = &mut after.ghost.broken;
        broken.note(Rule::Spins, !(is_news && unchanged));
        broken.note(Rule::LateTimer, self.is_in_time() || same);
        broken.note(Rule::StaleEvent, !is_stale || same);
    }

    /// Is the phase still there that a timer was for?
    fn is_in_time(&self) -> bool {
        let core = &self.before.core;
        if let Action::ConsentExpires { t } | Action::HandshakeDeadlinePasses { t } = self.action {
            return core.transport(t).phase == Phase::Open;
        }
        if let Action::FarewellDeadlinePasses { t } = self.action {
            return core.transport(t).phase.is_live();
        }
        if let Action::BindDeadlinePasses { c } = self.action {
            return core.connection(c) == Connection::Unbound;
        }
        true
    }

    /// L1: once the server closes, a step brings the end nearer, changes nothing, or happens to a worker that has not
    /// heard of it yet.
    fn judge_progress(&self, after: &mut State) {
        let same = self.before.core == after.core && self.before.world == after.world;
        if self.before.core.server == ServerPhase::Open || same {
            return;
        }
        let (old, new) = (rank(self.config, self.before), rank(self.config, after));
        let nearer = if is_closing_everywhere(self.before) { new < old } else { new <= old };
        after.ghost.broken.note(Rule::NoProgress, nearer);
    }
}
