//! A number that shows that closing ends: every step of a closing system makes it smaller.

use crate::state::{Connection, Farewell, Phase, ReadSide, ServerPhase, State, Transport};
use crate::world::{Caller, Socket};

/// How much is left to happen at most before a closing system comes to rest.
///
/// What the owner and the peers may still do is part of it: each of them can act only so often.
/// Of a system that is not closing it says nothing.
pub fn rank(state: &State) -> u32 {
    let server = match state.core.server {
        ServerPhase::Open => 3,
        ServerPhase::Closing => 2,
        ServerPhase::Drained => 1,
        ServerPhase::Closed => 0,
    };
    let callers: u32 = state.world.callers.iter().map(|caller| rank_of_caller(*caller)).sum();
    let transports: u32 = state.core.transports.iter().map(rank_of_transport).sum();
    server + u32::from(state.world.socket == Socket::Full) + callers + transports
}

fn rank_of_caller(caller: Caller) -> u32 {
    match caller {
        Caller::Idle => 2,
        Caller::Waiting => 1,
        Caller::Returned => 0,
    }
}

fn rank_of_transport(transport: &Transport) -> u32 {
    let phase = match transport.phase {
        Phase::Open => 2,
        Phase::Closing => 1,
        Phase::Closed => 0,
    };
    let farewell = match transport.farewell {
        Farewell::Queued(_) => 2,
        Farewell::Sent(_) => 1,
        Farewell::None | Farewell::Confirmed(_) | Farewell::Dropped(_) => 0,
    };
    let connection = match transport.tcp {
        Connection::Unbound | Connection::Bound { .. } => 4,
        Connection::Flushing { eof: ReadSide::Open, .. } => 3,
        Connection::Flushing { eof: ReadSide::Ended, .. } => 2,
        Connection::Draining { .. } => 1,
        Connection::None | Connection::Gone => 0,
    };
    phase + farewell + connection + u32::from(transport.outcome.is_none())
}
