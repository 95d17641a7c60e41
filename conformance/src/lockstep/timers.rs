//! Which timers must be armed in which state, and for how long: exactly those whose deadline the model could let pass.

use super::names::{self, Names};
use super::real::Real;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;
use webrtc_server::lifecycle::{Limits, Timer};
use webrtc_server_model::{
    Action, Config, Connection, Core, DtlsState, Farewell, Phase, Transport, Tuple, WorkerId,
    WorkerPhase,
};

/// The timers of a state by their workers, with the time that each was given.
pub(crate) type Timers = BTreeMap<(WorkerId, Timer), Duration>;

/// The timers that must be armed in a state.
pub(crate) fn expected(config: &Config, limits: &Limits, core: &Core, book: &dyn Names) -> Timers {
    let mut timers = Timers::new();
    for t in core.transport_ids() {
        let (w, id, transport) = (config.worker_of(t), names::transport(t), core.transport(t));
        if transport.phase == Phase::Open && transport.selected.is_some() {
            timers.insert((w, Timer::Consent(id)), names::CONSENT);
        }
        if transport.phase == Phase::Open && transport.dtls == DtlsState::Connecting {
            timers.insert((w, Timer::Handshake(id)), limits.handshake);
        }
        if let Some(deadline) = awaits_udp(transport, limits) {
            timers.insert((w, Timer::Farewell(id)), deadline);
        }
    }
    for c in core.connection_ids() {
        let (Some(w), Some(id)) = (core.holder(c), book.connection(c)) else { continue };
        match core.connection(c) {
            Connection::Unbound => {
                timers.insert((w, Timer::Bind(id)), limits.bind);
            }
            Connection::Flushing { .. } | Connection::Draining { .. } => {
                timers.insert((w, Timer::Linger(id)), limits.drain);
            }
            Connection::None
            | Connection::InFlight { .. }
            | Connection::Bound { .. }
            | Connection::Gone => {}
        }
    }
    for w in config.worker_ids() {
        match core.worker(w) {
            WorkerPhase::Closing => {
                timers.insert((w, Timer::Server), limits.server);
            }
            WorkerPhase::Open | WorkerPhase::Drained | WorkerPhase::Released => {}
        }
    }
    timers
}

/// How long a farewell over UDP waits: for room, or for the answer. A reply to the peer's close_notify awaits none.
fn awaits_udp(transport: &Transport, limits: &Limits) -> Option<Duration> {
    match (transport.phase, transport.farewell) {
        (Phase::Open | Phase::Closing, Farewell::Queued(Tuple::Udp(_))) => Some(limits.drain),
        (Phase::Closing, Farewell::Sent(Tuple::Udp(_))) if transport.outcome.is_none() => {
            Some(limits.answer)
        }
        (
            Phase::Absent | Phase::Refused | Phase::Open | Phase::Closing | Phase::Closed,
            Farewell::Queued(_)
            | Farewell::Sent(_)
            | Farewell::None
            | Farewell::Confirmed(_)
            | Farewell::Dropped(_),
        ) => None,
    }
}

/// Which of the timers that run after an action must have begun with it: those that are new, or run for another time,
/// and consent, which each check renews. No other timer may begin again, or it would never end.
#[expect(clippy::wildcard_enum_match_arm, reason = "nothing else renews consent")]
pub(super) fn begun(
    config: &Config,
    core: &Core,
    action: Action,
    before: &Timers,
    after: &Timers,
) -> BTreeSet<(WorkerId, Timer)> {
    let renewed = match action {
        Action::PeerChecks { t, from: Tuple::Tcp(c), .. } if core.is_misplaced(config, t, c) => {
            None
        }
        Action::PeerChecks { t, .. } | Action::PeerChecksTwiceAndResets { t, .. } => Some(t),
        Action::WorkerTakesOver { c } => core.connection(c).destination(),
        _ => None,
    };
    let renewed = renewed.map(|t| (config.worker_of(t), Timer::Consent(names::transport(t))));
    let begins = |timer: &(WorkerId, Timer), time: &Duration| {
        before.get(timer) != Some(time) || renewed == Some(*timer)
    };
    let begun = after.iter().filter(|(timer, time)| begins(timer, time));
    begun.map(|(timer, _)| *timer).collect()
}

/// The timers of the clock; an error if a worker believes in others, because it forgot to say so.
pub(super) fn armed(real: &Real) -> Result<&Timers, String> {
    let clock = &real.outside.timers;
    let workers = real.workers.iter().zip(0..).map(|(worker, w)| (WorkerId(w), worker));
    let believed = workers.flat_map(|(w, worker)| worker.timers().iter().map(move |t| (w, *t)));
    if believed.clone().eq(clock.keys().copied()) {
        return Ok(clock);
    }
    let believed: Vec<_> = believed.collect();
    Err(format!("it believes that {believed:?} are armed, the clock has {:?}", clock.keys()))
}
