//! Which timers must be armed in which state, and for how long: exactly those whose deadline the model could let pass.

use super::names::{self, Names};
use super::real::Real;
use std::collections::BTreeMap;
use std::time::Duration;
use webrtc_server::lifecycle::{Limits, Timer};
use webrtc_server_model::{
    Connection, Core, DtlsState, Farewell, Phase, ServerPhase, Transport, TransportId, Via,
};

/// The timers of a state, with the time that each was given.
pub(crate) type Timers = BTreeMap<Timer, Duration>;

/// The timers that must be armed in a state.
pub(crate) fn expected(core: &Core, book: &dyn Names) -> Timers {
    let limits = Limits::default();
    let mut timers = Timers::new();
    for (index, transport) in core.transports.iter().enumerate() {
        let t = TransportId(index as u8);
        let id = names::transport(t);
        if transport.phase == Phase::Open && (transport.udp || transport.tcp.is_bound()) {
            timers.insert(Timer::Consent(id), names::CONSENT);
        }
        if transport.phase == Phase::Open && transport.dtls == DtlsState::Connecting {
            timers.insert(Timer::Handshake(id), limits.handshake);
        }
        if let Some(deadline) = awaits_udp(transport, &limits) {
            timers.insert(Timer::Farewell(id), deadline);
        }
        match transport.tcp {
            Connection::Unbound => {
                timers.extend(book.connection(t).map(|id| (Timer::Bind(id), limits.bind)));
            }
            Connection::Flushing { .. } | Connection::Draining { .. } => {
                timers.extend(book.connection(t).map(|id| (Timer::Linger(id), limits.drain)));
            }
            Connection::None | Connection::Bound { .. } | Connection::Gone => {}
        }
    }
    match core.server {
        ServerPhase::Closing => {
            timers.insert(Timer::Server, limits.server);
        }
        ServerPhase::Open | ServerPhase::Drained | ServerPhase::Closed => {}
    }
    timers
}

/// How long a farewell over UDP waits: for room, or for the answer. A reply to the peer's close_notify awaits none.
fn awaits_udp(transport: &Transport, limits: &Limits) -> Option<Duration> {
    match (transport.phase, transport.farewell) {
        (Phase::Open | Phase::Closing, Farewell::Queued(Via::Udp)) => Some(limits.drain),
        (Phase::Closing, Farewell::Sent(Via::Udp)) if transport.outcome.is_none() => {
            Some(limits.answer)
        }
        (
            Phase::Open | Phase::Closing | Phase::Closed,
            Farewell::Queued(_)
            | Farewell::Sent(_)
            | Farewell::None
            | Farewell::Confirmed(_)
            | Farewell::Dropped(_),
        ) => None,
    }
}

/// The timers of the clock; an error if the core believes in others, because it forgot to say so.
pub(super) fn armed(real: &Real) -> Result<&Timers, String> {
    let clock = &real.outside.timers;
    let believed = real.worker.timers();
    if believed.iter().eq(clock.keys()) {
        return Ok(clock);
    }
    Err(format!("it believes that {believed:?} are armed, the clock has {:?}", clock.keys()))
}
