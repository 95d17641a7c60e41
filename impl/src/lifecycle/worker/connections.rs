//! TCP connections: SPEC.md §3.4. All reasons to end one meet in two places: `retire`, the orderly one, and
//! `remove_connection`, after which nothing knows it any more.

use super::{Outputs, Worker, WorkerPhase};
use crate::lifecycle::connection::{Connection, ConnectionPhase, InputHalf, WriteState};
use crate::lifecycle::farewell::Farewell;
use crate::lifecycle::ids::{ConnectionId, ListenerId, TransportId, Tuple};
use crate::lifecycle::output::{Output, Verdict};
use crate::lifecycle::queue::{FrameKind, SendQueue};
use crate::lifecycle::source_of;
use crate::lifecycle::state::DropReason;
use crate::lifecycle::timer::Timer;
use crate::mutants::Mutant;
use std::net::SocketAddr;

impl Worker {
    //= TCP-07
    pub(super) fn accept(
        &mut self,
        id: ConnectionId,
        listener: ListenerId,
        remote: SocketAddr,
        out: &mut Outputs,
    ) -> Verdict {
        if self.connections.contains_key(&id) {
            return Verdict::Impossible;
        }
        let closing = self.phase != WorkerPhase::Open && !self.is(Mutant::AcceptWhileClosing);
        if closing || !self.has_room_for(remote) {
            out.push(Output::CloseTcp(id));
            return Verdict::Late;
        }
        self.connections.insert(id, Connection::new(listener, remote));
        self.strangers.insert((source_of(remote.ip()), id));
        self.arm(Timer::Bind(id), self.limits.bind, out);
        Verdict::Applied
    }

    /// Only what is nobody's may go.
    //= DMX-13
    pub(super) fn hand_over(&mut self, id: ConnectionId, out: &mut Outputs) -> Verdict {
        match self.connections.get(&id).map(|connection| connection.phase) {
            Some(ConnectionPhase::Unbound) if self.phase == WorkerPhase::Open => {
                self.remove_connection(id, DropReason::Reset, out);
                Verdict::Applied
            }
            Some(
                ConnectionPhase::Unbound
                | ConnectionPhase::Bound(_)
                | ConnectionPhase::Flushing { .. }
                | ConnectionPhase::Draining { .. },
            )
            | None => Verdict::Late,
        }
    }

    /// As if it had been accepted here; a frame that was begun elsewhere is ended here.
    //= DMX-13
    pub(super) fn take_over(
        &mut self,
        id: ConnectionId,
        listener: ListenerId,
        remote: SocketAddr,
        queue: SendQueue,
        out: &mut Outputs,
    ) -> Verdict {
        let verdict = self.accept(id, listener, remote, out);
        if verdict == Verdict::Applied
            && !queue.is_empty()
            && let Some(connection) = self.connections.get_mut(&id)
        {
            connection.queue = queue;
            connection.write = WriteState::Writing;
            out.push(Output::WriteTcp(id));
        }
        verdict
    }

    /// A connection in use becomes nobody's again.
    pub(super) fn unbind(&mut self, id: ConnectionId, out: &mut Outputs) {
        let Some(connection) = self.connections.get_mut(&id) else { return };
        connection.phase = ConnectionPhase::Unbound;
        self.strangers.insert((source_of(connection.remote.ip()), id));
        self.arm(Timer::Bind(id), self.limits.bind, out);
    }

    /// Strangers must not starve members, nor one stranger all others.
    //= RES-01
    fn has_room_for(&self, remote: SocketAddr) -> bool {
        let source = source_of(remote.ip());
        let [first, last] = [0, u64::MAX].map(|id| (source, ConnectionId(id)));
        self.strangers.len() < self.limits.unbound_connections_max
            && self.strangers.range(first..=last).count()
                < self.limits.unbound_connections_per_source_max
            && self.connections.len() < self.limits.connections_max
    }

    /// It is bound, or on its way out: a stranger no more.
    pub(super) fn end_strangeness(&mut self, id: ConnectionId, out: &mut Outputs) {
        self.disarm(Timer::Bind(id), out);
        if let Some(connection) = self.connections.get(&id) {
            self.strangers.remove(&(source_of(connection.remote.ip()), id));
        }
    }

    /// Appends a frame to the queue of a connection that is in use.
    pub(super) fn enqueue(
        &mut self,
        id: ConnectionId,
        kind: FrameKind,
        payload: &[u8],
        out: &mut Outputs,
    ) {
        let Some(connection) = self.connections.get_mut(&id) else { return };
        if !connection.queue.push(kind, payload) {
            out.push(Output::CountDropped { frames: 1 });
            return;
        }
        if connection.write == WriteState::Idle {
            connection.write = WriteState::Writing;
            out.push(Output::WriteTcp(id));
        }
    }

    pub(super) fn drop_unbegun(&mut self, id: ConnectionId, out: &mut Outputs) {
        self.drop_frames(id, SendQueue::drop_unbegun, out);
    }

    /// Application data that waits is dropped: what follows on this association is a close_notify or nothing.
    //= CLS-09
    pub(super) fn drop_data(&mut self, id: TransportId, out: &mut Outputs) {
        let connections = self.transports.get(&id).map(|t| t.connections.clone());
        for connection in connections.into_iter().flatten() {
            self.drop_frames(connection, SendQueue::drop_unbegun_data, out);
        }
    }

    /// Whoever waited for the last frame waits no longer.
    fn drop_frames(
        &mut self,
        id: ConnectionId,
        drop: fn(&mut SendQueue, bool) -> usize,
        out: &mut Outputs,
    ) {
        let Some(connection) = self.connections.get_mut(&id) else { return };
        let in_flight = connection.is_writing();
        let frames = drop(&mut connection.queue, in_flight);
        if frames == 0 {
            return;
        }
        out.push(Output::CountDropped { frames });
        if connection.queue.is_empty() && connection.write == WriteState::Blocked {
            connection.write = WriteState::Idle;
        }
        self.end_flush(id, out);
    }

    pub(super) fn writable(&mut self, id: ConnectionId, out: &mut Outputs) -> Verdict {
        let Some(connection) = self.connections.get_mut(&id) else { return Verdict::Late };
        match connection.write {
            WriteState::Blocked => {
                connection.write = WriteState::Writing;
                out.push(Output::WriteTcp(id));
                Verdict::Applied
            }
            WriteState::Idle | WriteState::Writing => Verdict::Late,
        }
    }

    pub(super) fn blocked(&mut self, id: ConnectionId) -> Verdict {
        let Some(connection) = self.connections.get_mut(&id) else { return Verdict::Late };
        connection.write = WriteState::Blocked;
        Verdict::Applied
    }

    pub(super) fn wrote(&mut self, id: ConnectionId, bytes: usize, out: &mut Outputs) -> Verdict {
        let Some(connection) = self.connections.get_mut(&id) else { return Verdict::Late };
        if bytes == 0 || bytes > connection.queue.unwritten().len() {
            return Verdict::Impossible;
        }
        let finished = connection.queue.wrote(bytes);
        let owner = connection.owner();
        if connection.queue.is_empty() {
            connection.write = WriteState::Idle;
        } else {
            connection.write = WriteState::Writing;
            out.push(Output::WriteTcp(id));
        }
        if finished == Some(FrameKind::Alert)
            && let Some(owner) = owner
        {
            let _ = self.farewell_sent(owner, out);
        }
        self.end_flush(id, out);
        Verdict::Applied
    }

    /// The end of use of a connection: what is begun is finished, an alert is written, the rest is dropped.
    //= CLS-06
    //= TCP-18
    pub(super) fn retire(&mut self, id: ConnectionId, out: &mut Outputs) {
        self.drop_unbegun(id, out);
        self.flush(id, InputHalf::Open, out);
    }

    fn flush(&mut self, id: ConnectionId, input: InputHalf, out: &mut Outputs) {
        let Some(connection) = self.connections.get_mut(&id) else { return };
        if !connection.is_in_use() {
            return;
        }
        connection.phase = ConnectionPhase::Flushing { owner: connection.owner(), input };
        let waits = !connection.queue.is_empty();
        self.end_strangeness(id, out);
        //= L2
        if !(waits && self.is(Mutant::NoDrainDeadline)) {
            self.arm(Timer::Linger(id), self.limits.drain, out);
        }
        self.end_flush(id, out);
    }

    /// With the queue empty our half is ended; with the peer's half ended as well, so is the connection.
    fn end_flush(&mut self, id: ConnectionId, out: &mut Outputs) {
        let Some(connection) = self.connections.get(&id) else { return };
        let ConnectionPhase::Flushing { owner, input } = connection.phase else { return };
        let hasty = input == InputHalf::Open && self.is(Mutant::FinFirst);
        if !connection.queue.is_empty() && !hasty {
            return;
        }
        match input {
            InputHalf::Open if self.is(Mutant::HardClose) && self.is_left(owner) => {
                self.close_connection(id, out);
            }
            InputHalf::Open => {
                let Some(connection) = self.connections.get_mut(&id) else { return };
                connection.phase = ConnectionPhase::Draining { owner };
                out.push(Output::ShutdownTcp(id));
            }
            InputHalf::Finished => self.close_connection(id, out),
        }
    }

    /// The peer's FIN. What it had sent before was processed before.
    //= TCP-09
    //= TCP-13
    pub(super) fn finish(&mut self, id: ConnectionId, out: &mut Outputs) -> Verdict {
        let Some(connection) = self.connections.get_mut(&id) else { return Verdict::Late };
        match connection.phase {
            ConnectionPhase::Unbound => self.flush(id, InputHalf::Finished, out),
            ConnectionPhase::Bound(owner) => {
                self.lose_tuple(Tuple::Tcp(id), owner, out);
                self.flush(id, InputHalf::Finished, out);
            }
            ConnectionPhase::Flushing { input: InputHalf::Finished, .. } => {
                return Verdict::Repeated;
            }
            ConnectionPhase::Flushing { owner, input: InputHalf::Open } => {
                connection.phase = ConnectionPhase::Flushing { owner, input: InputHalf::Finished };
            }
            ConnectionPhase::Draining { .. } => self.close_connection(id, out),
        }
        Verdict::Applied
    }

    /// RST, or an error on the connection.
    //= TCP-14
    pub(super) fn reset(&mut self, id: ConnectionId, out: &mut Outputs) -> Verdict {
        let Some(connection) = self.connections.get(&id) else { return Verdict::Late };
        if let ConnectionPhase::Bound(owner) = connection.phase {
            self.lose_tuple(Tuple::Tcp(id), owner, out);
        }
        self.close_connection(id, out);
        Verdict::Applied
    }

    /// The peer's TCP has everything: nothing is left to wait for.
    pub(super) fn acknowledged(&mut self, id: ConnectionId, out: &mut Outputs) -> Verdict {
        let Some(connection) = self.connections.get(&id) else { return Verdict::Late };
        let ConnectionPhase::Draining { owner } = connection.phase else {
            return Verdict::Impossible;
        };
        if let Some(owner) = owner
            && self.transports.get(&owner).and_then(|t| t.farewell.path()) == Some(Tuple::Tcp(id))
        {
            let _ = self.farewell_answered(owner, out);
        }
        self.close_connection(id, out);
        Verdict::Applied
    }

    pub(super) fn bind_deadline(&mut self, id: ConnectionId, out: &mut Outputs) -> Verdict {
        self.retire(id, out);
        Verdict::Applied
    }

    //= CLS-07
    pub(super) fn linger_deadline(&mut self, id: ConnectionId, out: &mut Outputs) -> Verdict {
        self.abort_connection(id, out);
        Verdict::Applied
    }

    fn close_connection(&mut self, id: ConnectionId, out: &mut Outputs) {
        out.push(Output::CloseTcp(id));
        self.remove_connection(id, DropReason::Reset, out);
    }

    pub(super) fn abort_connection(&mut self, id: ConnectionId, out: &mut Outputs) {
        out.push(Output::AbortTcp(id));
        self.remove_connection(id, DropReason::Deadline, out);
    }

    /// Forgets a connection, once: its timers, its place in its transport, and the alert that waited in it.
    //= X1
    pub(super) fn remove_connection(
        &mut self,
        id: ConnectionId,
        cause: DropReason,
        out: &mut Outputs,
    ) {
        self.end_strangeness(id, out);
        let Some(connection) = self.connections.remove(&id) else { return };
        self.disarm(Timer::Linger(id), out);
        if let Some(owner) = connection.owner() {
            if self.is(Mutant::ConnectionKept) && self.is_closing(owner) {
                self.connections.insert(id, connection);
            }
            self.leave_transport(id, owner, cause, out);
        }
    }

    fn leave_transport(
        &mut self,
        id: ConnectionId,
        owner: TransportId,
        cause: DropReason,
        out: &mut Outputs,
    ) {
        let Some(transport) = self.transports.get_mut(&owner) else { return };
        transport.connections.remove(&id);
        match transport.farewell {
            Farewell::Making(Tuple::Tcp(path)) | Farewell::Queued(Tuple::Tcp(path), _)
                if path == id =>
            {
                let _ = self.farewell_dropped(owner, cause, out);
            }
            Farewell::Unsaid
            | Farewell::Making(_)
            | Farewell::Queued(..)
            | Farewell::Sent(_)
            | Farewell::Unanswered
            | Farewell::Confirmed
            | Farewell::Dropped(_) => self.progress(owner, out),
        }
    }
}
