//! How far the one close_notify of a transport has come.

use super::{Outputs, Worker, WorkerPhase};
use crate::lifecycle::farewell::{Farewell, QueuedRecord};
use crate::lifecycle::ids::{SocketId, TransportId, Tuple};
use crate::lifecycle::output::{About, Output, Verdict};
use crate::lifecycle::queue::FrameKind;
use crate::lifecycle::state::DropReason;
use crate::lifecycle::timer::Timer;
use crate::mutants::Mutant;

impl Worker {
    /// DTLS made the record: offer it to the socket, or queue it on the connection.
    //= CLS-01
    pub(super) fn farewell_made(
        &mut self,
        id: TransportId,
        datagram: Option<Vec<u8>>,
        out: &mut Outputs,
    ) -> Verdict {
        let Some(transport) = self.transports.get_mut(&id) else { return Verdict::Late };
        let Farewell::Making(path) = transport.farewell else { return Verdict::Late };
        let Some(datagram) = datagram else {
            return self.farewell_dropped(id, DropReason::Io, out);
        };
        match path {
            Tuple::Udp { .. } => {
                transport.farewell = Farewell::Queued(path, QueuedRecord::Datagram(datagram));
                self.arm(Timer::Farewell(id), self.limits.drain, out);
                self.offer(id, About::CloseNotify(id), out);
            }
            Tuple::Tcp(connection) => {
                transport.farewell = Farewell::Queued(path, QueuedRecord::Frame);
                if !self.connections.get(&connection).is_some_and(|c| c.is_in_use()) {
                    return self.farewell_dropped(id, DropReason::Reset, out);
                }
                if self.is_closing(id) {
                    self.drop_unbegun(connection, out);
                }
                self.enqueue(connection, FrameKind::Alert, &datagram, out);
            }
        }
        self.progress(id, out);
        Verdict::Applied
    }

    /// Hands a queued datagram to its socket. The answer says whether the socket took it.
    fn offer(&self, id: TransportId, about: About, out: &mut Outputs) {
        if let Some(Farewell::Queued(
            Tuple::Udp { socket, remote },
            QueuedRecord::Datagram(record),
        )) = self.transports.get(&id).map(|transport| &transport.farewell)
        {
            out.push(Output::SendDatagram {
                socket: *socket,
                remote: *remote,
                datagram: record.clone(),
                about,
            });
        }
    }

    /// The socket has room again: every farewell that waits for it is offered once more, in the order of the ids.
    ///
    /// A socket is reported writable with every datagram that arrives, so only transports with a deadline are looked
    /// at: each farewell that waits for a socket has one.
    //= CLS-05
    //= L3
    //= RES-06
    pub(super) fn socket_writable(&mut self, socket: SocketId, out: &mut Outputs) -> Verdict {
        let [first, last] = [0, u64::MAX].map(|id| Timer::Farewell(TransportId(id)));
        let deadlines = self.timers.range(first..=last);
        let ids: Vec<_> = deadlines.filter_map(|timer| self.waits_for(socket, timer)).collect();
        for id in &ids {
            let unheard = self.is(Mutant::CompletionAfterClose) && self.is_closing(*id);
            let about = if unheard { About::Records(*id) } else { About::CloseNotify(*id) };
            self.offer(*id, about, out);
        }
        if ids.is_empty() { Verdict::Late } else { Verdict::Applied }
    }

    /// Whose deadline that is, if its farewell waits for this socket.
    fn waits_for(&self, wanted: SocketId, deadline: &Timer) -> Option<TransportId> {
        let Timer::Farewell(id) = deadline else { return None };
        match self.transports.get(id)?.farewell {
            Farewell::Queued(Tuple::Udp { socket, .. }, _) if socket == wanted => Some(*id),
            Farewell::Queued(..)
            | Farewell::Unsaid
            | Farewell::Making(_)
            | Farewell::Sent(_)
            | Farewell::Unanswered
            | Farewell::Confirmed
            | Farewell::Dropped(_) => None,
        }
    }

    /// The kernel took the close_notify.
    pub(super) fn farewell_sent(&mut self, id: TransportId, out: &mut Outputs) -> Verdict {
        let closing = self.is_closing(id);
        if closing && self.is(Mutant::FarewellForgotten) {
            return Verdict::Late;
        }
        let Some(transport) = self.transports.get_mut(&id) else { return Verdict::Late };
        let Farewell::Queued(path, _) = transport.farewell else { return Verdict::Late };
        transport.farewell = Farewell::Sent(path);
        let awaited = closing && !transport.farewell.is_over(transport.phase.excuse());
        match path {
            Tuple::Udp { .. } if awaited => {
                self.arm(Timer::Farewell(id), self.limits.answer, out);
            }
            Tuple::Udp { .. } | Tuple::Tcp(_) => {
                self.disarm(Timer::Farewell(id), out);
                self.routes.end_parting(&path, id);
            }
        }
        self.progress(id, out);
        Verdict::Applied
    }

    /// The socket is full; the deadline is armed already.
    pub(super) fn farewell_blocked(&mut self, id: TransportId, out: &mut Outputs) -> Verdict {
        if self.phase != WorkerPhase::Open && self.is(Mutant::AlertCancelled) {
            return self.farewell_dropped(id, DropReason::CarrierReleased, out);
        }
        match self.transports.get(&id).map(|transport| &transport.farewell) {
            Some(Farewell::Queued(Tuple::Udp { .. }, _)) => Verdict::Applied,
            Some(_) | None => Verdict::Late,
        }
    }

    /// It can never leave.
    //= CLS-17
    pub(super) fn farewell_dropped(
        &mut self,
        id: TransportId,
        reason: DropReason,
        out: &mut Outputs,
    ) -> Verdict {
        let Some(transport) = self.transports.get_mut(&id) else { return Verdict::Late };
        let (Farewell::Making(path) | Farewell::Queued(path, _)) = transport.farewell else {
            return Verdict::Late;
        };
        transport.farewell = Farewell::Dropped(reason);
        self.end_farewell(id, path, out);
        Verdict::Applied
    }

    /// The peer answered.
    //= CLS-32
    pub(super) fn farewell_answered(&mut self, id: TransportId, out: &mut Outputs) -> Verdict {
        let Some(transport) = self.transports.get_mut(&id) else { return Verdict::Late };
        let Farewell::Sent(path) = transport.farewell else { return Verdict::Late };
        transport.farewell = Farewell::Confirmed;
        self.end_farewell(id, path, out);
        Verdict::Applied
    }

    /// It waited long enough: for room, or for the answer.
    //= CLS-07
    pub(super) fn farewell_deadline(&mut self, id: TransportId, out: &mut Outputs) -> Verdict {
        let Some(transport) = self.transports.get_mut(&id) else { return Verdict::Late };
        let path = match transport.farewell {
            Farewell::Making(_) | Farewell::Queued(..) => {
                return self.farewell_dropped(id, DropReason::Deadline, out);
            }
            Farewell::Sent(path) => path,
            Farewell::Unsaid
            | Farewell::Unanswered
            | Farewell::Confirmed
            | Farewell::Dropped(_) => return Verdict::Late,
        };
        transport.farewell = Farewell::Unanswered;
        self.end_farewell(id, path, out);
        Verdict::Applied
    }

    fn end_farewell(&mut self, id: TransportId, path: Tuple, out: &mut Outputs) {
        self.disarm(Timer::Farewell(id), out);
        self.routes.end_parting(&path, id);
        self.progress(id, out);
    }
}
