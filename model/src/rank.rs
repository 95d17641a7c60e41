//! A number that shows that closing ends: every step of a closing system makes it smaller.

use crate::config::Config;
use crate::state::{
    Connection, Farewell, Phase, Queue, ReadSide, ServerPhase, State, Transport, Waiting,
    WorkerPhase,
};
use crate::world::{Callback, Caller, Room, Socket, Stream};

/// More than all that a worker which closes can still do.
const UNHEARD: u32 = 1_000;

/// How much is left to happen at most before a closing system comes to rest.
///
/// What the owner and the peers may still do is part of it: once a worker has heard of the close, each of them can act
/// only so often. A worker that has not heard of it counts as more than any other. Of a system that is not closing it
/// says nothing.
pub fn rank(config: &Config, state: &State) -> u32 {
    let server = match state.core.server {
        ServerPhase::Open => 3,
        ServerPhase::Closing => 2,
        ServerPhase::Releasing => 1,
        ServerPhase::Closed => 0,
    };
    let callers: u32 = state.world.callers.iter().map(|caller| of_caller(*caller)).sum();
    let callback = match state.world.callback {
        Callback::Idle => 3,
        Callback::Armed(_) => 2,
        Callback::Asked(_) => 1,
        Callback::Done => 0,
    };
    let stale = state.world.stale.map(|c| state.core.worker(config.home_of(c)));
    let stale = u32::from(stale.is_some_and(|worker| worker != WorkerPhase::Open));
    let workers: u32 = config.worker_ids().map(|w| of_worker(config, state, w.index())).sum();
    server + callers + callback + stale + workers
}

/// Have all workers heard of the close?
pub(crate) fn is_closing_everywhere(state: &State) -> bool {
    state.core.server != ServerPhase::Open && !state.core.workers.contains(&WorkerPhase::Open)
}

fn of_worker(config: &Config, state: &State, w: usize) -> u32 {
    let phase = match state.core.workers[w] {
        WorkerPhase::Open => return UNHEARD,
        WorkerPhase::Closing => 2,
        WorkerPhase::Drained => 1,
        WorkerPhase::Released => 0,
    };
    let full = |socket: &Socket| u32::from(*socket == Socket::Full);
    let sockets = state.world.sockets.iter().zip(&config.sockets);
    let sockets: u32 =
        sockets.filter(|(_, worker)| worker.index() == w).map(|(socket, _)| full(socket)).sum();
    let transports = config.transport_ids().filter(|t| config.worker_of(*t).index() == w);
    let transports: u32 = transports.map(|t| of_transport(state.core.transport(t))).sum();
    let connections = state.core.connection_ids();
    // One in flight is counted with who gave it away.
    let connections = connections.filter(|c| state.core.holders[c.index()].index() == w);
    let connections: u32 =
        connections.map(|c| of_connection(state.core.connection(c), state.world.stream(c))).sum();
    phase + sockets + transports + connections
}

fn of_caller(caller: Caller) -> u32 {
    match caller {
        Caller::Idle => 2,
        Caller::Waiting => 1,
        Caller::Returned | Caller::Dropped => 0,
    }
}

fn of_transport(transport: &Transport) -> u32 {
    let phase = match transport.phase {
        Phase::Open => 2,
        Phase::Absent | Phase::Closing => 1,
        Phase::Refused | Phase::Closed => 0,
    };
    let farewell = match transport.farewell {
        Farewell::Queued(_) => 2,
        Farewell::Sent(_) => 1,
        Farewell::None | Farewell::Confirmed(_) | Farewell::Dropped(_) => 0,
    };
    phase + farewell + u32::from(transport.phase.is_live() && transport.outcome.is_none())
}

fn of_connection(connection: Connection, stream: Stream) -> u32 {
    let phase = match connection {
        Connection::Unbound | Connection::Bound { .. } => 4,
        Connection::Flushing { eof: ReadSide::Open, .. } => 3,
        Connection::Flushing { eof: ReadSide::Ended, .. } => 2,
        Connection::InFlight { .. } | Connection::Draining { .. } => 1,
        Connection::None | Connection::Gone => return 0,
    };
    let room = match stream.room {
        Room::Little => 3,
        Room::None => 2,
        Room::Plenty => 1,
        Room::Broken => 0,
    };
    let Queue { other, alert } = connection.queue();
    phase + room + of_frame(other) + of_frame(alert) + u32::from(stream.unread)
}

fn of_frame(waiting: Waiting) -> u32 {
    match waiting {
        Waiting::Whole => 2,
        Waiting::Begun => 1,
        Waiting::No => 0,
    }
}
