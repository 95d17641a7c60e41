//! Which timers must be armed in which state: exactly those whose deadline the model could let pass.

use super::names::{self, Names};
use super::real::Real;
use std::collections::BTreeSet;
use webrtc_server::lifecycle::Timer;
use webrtc_server_model::{
    Connection, Core, DtlsState, Farewell, Phase, ServerPhase, Transport, TransportId, Via,
};

/// The timers that must be armed in a state.
pub(crate) fn expected(core: &Core, book: &dyn Names) -> BTreeSet<Timer> {
    let mut timers = BTreeSet::new();
    for (index, transport) in core.transports.iter().enumerate() {
        let t = TransportId(index as u8);
        let id = names::transport(t);
        if transport.phase == Phase::Open && (transport.udp || transport.tcp.is_bound()) {
            timers.insert(Timer::Consent(id));
        }
        if transport.phase == Phase::Open && transport.dtls == DtlsState::Connecting {
            timers.insert(Timer::Handshake(id));
        }
        if awaits_udp(transport) {
            timers.insert(Timer::Farewell(id));
        }
        match transport.tcp {
            Connection::Unbound => timers.extend(book.connection(t).map(Timer::Bind)),
            Connection::Flushing { .. } | Connection::Draining { .. } => {
                timers.extend(book.connection(t).map(Timer::Linger));
            }
            Connection::None | Connection::Bound { .. } | Connection::Gone => {}
        }
    }
    match core.server {
        ServerPhase::Closing => {
            timers.insert(Timer::Server);
        }
        ServerPhase::Open | ServerPhase::Drained | ServerPhase::Closed => {}
    }
    timers
}

/// A farewell over UDP waits for room, or for the answer. A reply to the peer's close_notify awaits none.
fn awaits_udp(transport: &Transport) -> bool {
    match transport.farewell {
        Farewell::Queued(Via::Udp) => transport.phase != Phase::Closed,
        Farewell::Sent(Via::Udp) => {
            transport.phase == Phase::Closing && transport.outcome.is_none()
        }
        Farewell::Queued(Via::Tcp)
        | Farewell::Sent(Via::Tcp)
        | Farewell::None
        | Farewell::Confirmed(_)
        | Farewell::Dropped(_) => false,
    }
}

/// The timers that the core believes to be armed, and those that the clock has: they may differ if an output is forgotten.
pub(super) fn armed(real: &Real) -> [&BTreeSet<Timer>; 2] {
    [real.worker.timers(), &real.outside.timers]
}
