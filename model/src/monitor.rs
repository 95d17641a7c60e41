//! Watches each step and remembers what a single state cannot show.
//!
//! It judges the effects of a step and what they did to the world. Of what the server believes it
//! takes only the states before and after, never how the transition function came from one to the
//! other, so that a mistake there is not repeated here.

use crate::action::{Action, TransportId};
use crate::effect::Effect;
use crate::rank::rank;
use crate::state::{DtlsState, Farewell, Phase, ServerPhase, State};
use crate::world::{Broken, Caller, Listener, Socket, Stream, count};

/// A rule about steps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u16)]
pub(crate) enum Rule {
    /// S1: nothing happens on a released carrier.
    ReleasedCarrier = 1,
    /// X3: nobody returns before the carriers are released, nor twice.
    EarlyReturn = 1 << 1,
    /// X4: a close that can say farewell makes exactly one alert.
    AlertPerClose = 1 << 2,
    /// X5: nothing is heard of a transport after it was reported closed.
    AfterReport = 1 << 3,
    /// O1: alert, unmap, report: in this order.
    TransportOrder = 1 << 4,
    /// O2: carriers go after all transports, and nothing is accepted while closing.
    ServerOrder = 1 << 5,
    /// L3: an alert that waits is given up only for a deadline or for something the peer did.
    LostAlert = 1 << 6,
    /// L1: every step of a closing system brings its end nearer.
    NoProgress = 1 << 7,
    /// N1: what happens to one transport changes no other.
    Neighbour = 1 << 8,
    /// O4: a transport that closes is unmapped before its connection goes.
    UnmapFirst = 1 << 9,
}

impl Broken {
    fn note(&mut self, rule: Rule, kept: bool) {
        if !kept {
            self.0 |= rule as u16;
        }
    }

    /// Was this rule broken on the way?
    pub(crate) fn has(self, rule: Rule) -> bool {
        self.0 & rule as u16 != 0
    }
}

/// Update the ghost of `after`, which still is the ghost of `before`.
pub(crate) fn observe(before: &State, action: Action, after: &mut State, effects: &[Effect]) {
    judge_carriers(before, after, effects);
    judge_callers(before, after);
    for index in 0..before.core.transports.len() {
        let t = TransportId(index as u8);
        judge_order(before, t, after, effects);
        judge_alert(before, t, action, after);
        count_effects(t, after, effects);
        judge_alert_count(before, t, after);
    }
    judge_neighbours(before, action, after);
    judge_progress(before, after);
}

/// S1, O2: walk the effects and know at each of them which carriers are still there.
fn judge_carriers(before: &State, after: &mut State, effects: &[Effect]) {
    let mut socket_held = before.world.socket != Socket::Released;
    let mut listener_held = before.world.listener != Listener::Released;
    let mut streams: Vec<Stream> = before.world.peers.iter().map(|peer| peer.stream).collect();
    for (peer, stream) in after.world.peers.iter().zip(&mut streams) {
        if *stream == Stream::None {
            *stream = peer.stream;
        }
    }
    let mut open: Vec<bool> =
        before.core.transports.iter().map(|t| t.phase != Phase::Closed).collect();
    let broken = &mut after.ghost.broken;
    for effect in effects {
        match *effect {
            Effect::OfferDatagramAlert(_) => broken.note(Rule::ReleasedCarrier, socket_held),
            Effect::StopAccepting => broken.note(Rule::ReleasedCarrier, listener_held),
            Effect::AlertWritten(t) | Effect::ShutdownWrite(t) => {
                broken.note(Rule::ReleasedCarrier, streams[t.index()] == Stream::Open);
                if matches!(effect, Effect::ShutdownWrite(_)) {
                    streams[t.index()] = Stream::Finished;
                }
            }
            Effect::CloseConnection(t) | Effect::AbortConnection(t) => {
                let held = matches!(streams[t.index()], Stream::Open | Stream::Finished);
                broken.note(Rule::ReleasedCarrier, held);
                streams[t.index()] = Stream::Closed;
            }
            Effect::ReleaseSocket => {
                broken.note(Rule::ReleasedCarrier, socket_held);
                broken.note(Rule::ServerOrder, !open.contains(&true));
                socket_held = false;
            }
            Effect::ReleaseListener => {
                broken.note(Rule::ReleasedCarrier, listener_held);
                broken.note(Rule::ServerOrder, !open.contains(&true));
                listener_held = false;
            }
            Effect::TransportClosed(t, _, _) => open[t.index()] = false,
            Effect::MakeAlert(_)
            | Effect::Unmap(_)
            | Effect::SelectedTupleChanged(..)
            | Effect::IceStateChanged(..)
            | Effect::DtlsStateChanged(..)
            | Effect::WorkerDrained
            | Effect::WorkerReleased
            | Effect::CallersComplete => {}
        }
    }
    let accepted = before
        .world
        .peers
        .iter()
        .zip(&after.world.peers)
        .any(|(old, new)| old.stream == Stream::None && new.stream != Stream::None);
    broken.note(Rule::ServerOrder, !(accepted && before.world.listener != Listener::Accepting));
}

/// X3: count completions, and judge when they come.
fn judge_callers(before: &State, after: &mut State) {
    let released = after.world.socket == Socket::Released
        && after.world.listener == Listener::Released
        && after.core.server == ServerPhase::Closed;
    for (index, old) in before.world.callers.iter().enumerate() {
        if *old != Caller::Returned && after.world.callers[index] == Caller::Returned {
            after.ghost.completions[index] = count(after.ghost.completions[index]);
            after.ghost.broken.note(Rule::EarlyReturn, released);
        }
        if *old == Caller::Returned {
            let kept = after.world.callers[index] == Caller::Returned;
            after.ghost.broken.note(Rule::EarlyReturn, kept);
        }
    }
}

/// O1, O4, X5: the order of the effects of one transport.
fn judge_order(before: &State, t: TransportId, after: &mut State, effects: &[Effect]) {
    let history = before.ghost.transports[t.index()];
    let closes = before.core.transport(t).phase == Phase::Open
        && after.core.transport(t).phase != Phase::Open;
    let was_bound = before.core.transport(t).tcp.is_bound();
    let mut unmapped = history.unmapped > 0;
    let mut reported = history.closed > 0;
    let broken = &mut after.ghost.broken;
    for effect in effects.iter().filter(|effect| effect.transport() == Some(t)) {
        match *effect {
            Effect::MakeAlert(_) => broken.note(Rule::TransportOrder, !unmapped),
            Effect::Unmap(_) => unmapped = true,
            Effect::ShutdownWrite(_) | Effect::CloseConnection(_) | Effect::AbortConnection(_) => {
                broken.note(Rule::UnmapFirst, unmapped || !(closes && was_bound));
                // A connection that was never bound is not the transport's and may outlive it.
                broken.note(Rule::AfterReport, !(reported && was_bound));
            }
            Effect::TransportClosed(..) => {
                broken.note(Rule::TransportOrder, unmapped);
                broken.note(Rule::AfterReport, !reported);
                reported = true;
            }
            Effect::OfferDatagramAlert(_)
            | Effect::AlertWritten(_)
            | Effect::SelectedTupleChanged(..)
            | Effect::IceStateChanged(..)
            | Effect::DtlsStateChanged(..) => broken.note(Rule::AfterReport, !reported),
            Effect::StopAccepting
            | Effect::WorkerDrained
            | Effect::ReleaseSocket
            | Effect::ReleaseListener
            | Effect::WorkerReleased
            | Effect::CallersComplete => {}
        }
    }
}

/// L3: a queued alert ends as dropped only if a deadline, consent or the peer ended it.
fn judge_alert(before: &State, t: TransportId, action: Action, after: &mut State) {
    let transport = *after.core.transport(t);
    let heard = after.world.peers[t.index()].alerts > 0;
    let attempted =
        before.ghost.transports[t.index()].alerts > 0 || transport.farewell != Farewell::None;
    let given_up = matches!(transport.farewell, Farewell::Dropped(_))
        && !matches!(before.core.transport(t).farewell, Farewell::Dropped(_));
    let stream_closed = before.world.peers[t.index()].stream != Stream::Closed
        && after.world.peers[t.index()].stream == Stream::Closed;
    let waited_on_stream =
        before.core.transport(t).farewell.is_queued() && before.core.transport(t).tcp.queue().alert;
    let reported =
        before.core.transport(t).phase != Phase::Closed && transport.phase == Phase::Closed;
    let ends = given_up || reported || (stream_closed && waited_on_stream);
    let excused = matches!(
        action,
        Action::FarewellDeadlinePasses { .. }
            | Action::LingerDeadlinePasses { .. }
            | Action::ServerDeadlinePasses
            | Action::ConsentExpires { .. }
            | Action::PeerResets { .. }
    ) || matches!(before.core.transport(t).farewell, Farewell::Dropped(_));
    after.ghost.broken.note(Rule::LostAlert, !(attempted && ends && !heard) || excused);
}

/// Count what X1, X4 and X5 count.
fn count_effects(t: TransportId, after: &mut State, effects: &[Effect]) {
    let history = &mut after.ghost.transports[t.index()];
    for effect in effects.iter().filter(|effect| effect.transport() == Some(t)) {
        match effect {
            Effect::MakeAlert(_) => history.alerts = count(history.alerts),
            Effect::Unmap(_) => history.unmapped = count(history.unmapped),
            Effect::TransportClosed(..) => history.closed = count(history.closed),
            Effect::OfferDatagramAlert(_)
            | Effect::AlertWritten(_)
            | Effect::ShutdownWrite(_)
            | Effect::CloseConnection(_)
            | Effect::AbortConnection(_)
            | Effect::SelectedTupleChanged(..)
            | Effect::IceStateChanged(..)
            | Effect::DtlsStateChanged(..)
            | Effect::StopAccepting
            | Effect::WorkerDrained
            | Effect::ReleaseSocket
            | Effect::ReleaseListener
            | Effect::WorkerReleased
            | Effect::CallersComplete => {}
        }
    }
}

/// X4: a transport that closes while connected and with a path makes one alert, and only then.
fn judge_alert_count(before: &State, t: TransportId, after: &mut State) {
    let old = before.core.transport(t);
    let made = after.ghost.transports[t.index()].alerts - before.ghost.transports[t.index()].alerts;
    let connected = old.dtls == DtlsState::Connected && old.selected.is_some();
    let closes = old.phase == Phase::Open && after.core.transport(t).phase != Phase::Open;
    let kept = if closes { made == u8::from(connected) } else { made == 0 || connected };
    after.ghost.broken.note(Rule::AlertPerClose, kept);
}

/// N1: an action on one transport leaves the others as they are.
fn judge_neighbours(before: &State, action: Action, after: &mut State) {
    let Some(t) = action.transport() else { return };
    let alone =
        (0..before.core.transports.len()).filter(|index| *index != t.index()).all(|other| {
            before.core.transports[other] == after.core.transports[other]
                && before.world.peers[other] == after.world.peers[other]
        });
    let drains =
        before.core.server == ServerPhase::Closing && after.core.server == ServerPhase::Drained;
    let server = before.core.server == after.core.server || drains;
    let shared =
        before.world.socket == after.world.socket && before.world.listener == after.world.listener;
    after.ghost.broken.note(Rule::Neighbour, alone && server && shared);
}

/// L1: once the server closes, a step either changes nothing or brings the end nearer.
fn judge_progress(before: &State, after: &mut State) {
    let same = before.core == after.core && before.world == after.world;
    if before.core.server != ServerPhase::Open && !same {
        let nearer = rank(after) < rank(before);
        after.ghost.broken.note(Rule::NoProgress, nearer);
    }
}
