//! The life of a TCP connection and of its queue (SPEC 3.4).

use super::Run;
use crate::effect::Effect;
use crate::ids::{ConnectionId, TransportId};
use crate::mutants::Mutant;
use crate::state::{Connection, DropReason, Farewell, Phase, Queue, ReadSide, Tuple, Waiting};
use crate::world::{End, Room, Stream};

/// How a connection comes to its close.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Ending {
    /// The peer acknowledged every byte.
    Acknowledged,
    /// Both directions are done, but nobody can tell whether the peer read what we wrote.
    Finished,
    /// The peer reset it.
    Reset,
    /// A deadline passed.
    Deadline,
    /// Consent expired.
    NoConsent,
}

impl Run<'_> {
    pub(super) fn connect(&mut self, c: ConnectionId) {
        *self.connection(c) = Connection::Unbound;
        let uses = self.stream(c).uses + 1;
        *self.stream(c) = Stream { end: End::Open, room: Room::Plenty, unread: false, uses };
    }

    /// The kernel closes what it cannot give away.
    pub(super) fn connect_in_vain(&mut self, c: ConnectionId) {
        let kept = self.config.is(Mutant::VainConnectionKept);
        *self.connection(c) = if kept { Connection::Unbound } else { Connection::Gone };
        self.stream(c).end = End::Closed;
        self.stream(c).uses += 1;
    }

    /// The peer's FIN.
    pub(super) fn end_of_input(&mut self, c: ConnectionId) {
        let owner = self.core.connection(c).owner();
        match self.core.connection(c) {
            Connection::Unbound => self.end_connection(c, Ending::Finished),
            Connection::Bound { owner, queue } => {
                *self.connection(c) = Connection::Flushing { owner, queue, eof: ReadSide::Ended };
                self.lose_tuple(owner, Tuple::Tcp(c));
                if queue.is_empty() {
                    self.end_connection(c, Ending::Finished);
                }
            }
            Connection::Flushing { owner, queue, .. } => {
                if !self.config.is(Mutant::EndlessEof) {
                    *self.connection(c) =
                        Connection::Flushing { owner, queue, eof: ReadSide::Ended };
                }
            }
            Connection::Draining { .. } => self.end_connection(c, Ending::Acknowledged),
            Connection::None | Connection::InFlight { .. } | Connection::Gone => {
                unreachable!("no connection, no FIN")
            }
        }
        self.settle_owner(owner);
    }

    /// The peer's RST.
    pub(super) fn reset(&mut self, c: ConnectionId) {
        let owner = self.core.connection(c).owner();
        if let Connection::Bound { owner, .. } = self.core.connection(c) {
            self.lose_tuple(owner, Tuple::Tcp(c));
        }
        if owner.is_none() && self.config.is(Mutant::StrangerBreaks) {
            self.lose_somebodys_tuple();
        }
        self.end_connection(c, Ending::Reset);
        self.settle_owner(owner);
    }

    /// Media until a frame is cut.
    pub(super) fn fill(&mut self, c: ConnectionId) {
        let queue = Queue { other: Waiting::Begun, alert: Waiting::No };
        *self.connection(c) = self.core.connection(c).with_queue(queue);
        self.stream(c).room = Room::None;
    }

    /// The reply to a check: behind an alert it makes no difference, since it leaves with it or is dropped.
    pub(super) fn reply(&mut self, c: ConnectionId) {
        let queue = self.core.connection(c).queue();
        if queue.is_empty() {
            let queue = Queue { other: Waiting::Whole, alert: Waiting::No };
            *self.connection(c) = self.core.connection(c).with_queue(queue);
            self.write(c);
        }
    }

    /// There is room again, and what waited for that happens.
    pub(super) fn writable(&mut self, c: ConnectionId, room: Room) {
        let owner = self.core.connection(c).owner();
        self.stream(c).room = room;
        self.write(c);
        self.end_flush(c);
        self.settle_owner(owner);
    }

    /// Write from the front of the queue what there is room for. Without room for a frame that waits there is none for
    /// another one.
    pub(super) fn write(&mut self, c: ConnectionId) {
        let Some(owner) = self.core.connection(c).owner() else { return };
        let mut queue = self.core.connection(c).queue();
        if queue.is_empty() {
            return;
        }
        match self.world.stream(c).room {
            Room::Plenty => {
                let alert = queue.holds_alert();
                *self.connection(c) = self.core.connection(c).with_queue(Queue::default());
                if alert {
                    self.at(owner).farewell = Farewell::Sent(Tuple::Tcp(c));
                    self.emit(Effect::AlertWritten(owner, c));
                }
            }
            Room::Little => {
                let front =
                    if queue.other == Waiting::No { &mut queue.alert } else { &mut queue.other };
                *front = Waiting::Begun;
                *self.connection(c) = self.core.connection(c).with_queue(queue);
                self.stream(c).room = Room::None;
                if queue.alert == Waiting::Begun && self.config.is(Mutant::PartIsWhole) {
                    self.at(owner).farewell = Farewell::Sent(Tuple::Tcp(c));
                }
            }
            Room::None => {}
            Room::Broken => self.reset(c),
        }
    }

    pub(super) fn acknowledged(&mut self, c: ConnectionId) {
        let owner = self.core.connection(c).owner();
        self.end_connection(c, Ending::Acknowledged);
        self.settle_owner(owner);
    }

    pub(super) fn linger_overdue(&mut self, c: ConnectionId) {
        let mut queue = self.core.connection(c).queue();
        if self.config.is(Mutant::StartsOver) && queue.other == Waiting::Begun {
            queue.other = Waiting::Whole;
            *self.connection(c) = self.core.connection(c).with_queue(queue);
            return;
        }
        let owner = self.core.connection(c).owner();
        self.end_connection(c, Ending::Deadline);
        self.settle_owner(owner);
    }

    /// The end of the use of a connection: what is begun and an alert are still written, the rest is dropped.
    pub(super) fn retire(&mut self, c: ConnectionId) {
        let mut queue = self.core.connection(c).queue();
        if queue.other == Waiting::Whole {
            queue.other = Waiting::No;
        }
        if self.config.is(Mutant::QueueDropped) {
            queue.alert = Waiting::No;
        }
        match self.core.connection(c) {
            Connection::Unbound => {
                *self.connection(c) = Connection::Draining { owner: None };
                self.emit(Effect::ShutdownWrite(c));
            }
            Connection::Bound { owner, .. } => {
                *self.connection(c) = Connection::Flushing { owner, queue, eof: ReadSide::Open };
                self.end_flush(c);
            }
            Connection::Flushing { .. } => {
                *self.connection(c) = self.core.connection(c).with_queue(queue);
                self.end_flush(c);
            }
            Connection::None
            | Connection::InFlight { .. }
            | Connection::Draining { .. }
            | Connection::Gone => {}
        }
    }

    /// With the queue empty our half is ended; with the peer's half ended as well, so is the connection.
    pub(super) fn end_flush(&mut self, c: ConnectionId) {
        let Connection::Flushing { owner, queue, eof } = self.core.connection(c) else { return };
        let early = self.config.is(Mutant::FinFirst) && self.world.stream(c).end == End::Open;
        if !queue.is_empty() {
            if early && eof == ReadSide::Open {
                self.emit(Effect::ShutdownWrite(c));
            }
            return;
        }
        match eof {
            ReadSide::Open if self.config.is(Mutant::HardClose) => {
                self.end_connection(c, Ending::Finished);
            }
            ReadSide::Open => {
                *self.connection(c) = Connection::Draining { owner: Some(owner) };
                self.stream(c).room = Room::Plenty;
                if !self.config.is(Mutant::FinFirst) || early {
                    self.emit(Effect::ShutdownWrite(c));
                }
            }
            ReadSide::Ended => self.end_connection(c, Ending::Finished),
        }
    }

    /// The connection is closed, and what was still to be said over it is settled.
    pub(super) fn end_connection(&mut self, c: ConnectionId, ending: Ending) {
        debug_assert!(self.core.connection(c).is_live());
        let owner = self.core.connection(c).owner();
        let closing = owner.is_some_and(|t| self.core.transport(t).phase == Phase::Closing);
        let kept = self.config.is(Mutant::ConnectionKept) && closing;
        *self.connection(c) =
            if kept { Connection::Draining { owner: None } } else { Connection::Gone };
        self.core.holders[c.index()] = self.config.home_of(c);
        self.stream(c).room = Room::Plenty;
        self.stream(c).unread = false;
        if let Some(t) = owner {
            self.at(t).farewell = farewell_after(self.core.transport(t).farewell, c, ending);
        }
        if self.config.kernel.stale_events && self.world.stale.is_none() {
            self.world.stale = Some(c);
        }
        match ending {
            Ending::Deadline => self.emit(Effect::AbortConnection(c)),
            Ending::Acknowledged | Ending::Finished | Ending::Reset | Ending::NoConsent => {
                self.emit(Effect::CloseConnection(c));
            }
        }
    }

    /// The event is of a connection that is not there any more, whatever its token means by now.
    pub(super) fn meet_stale_event(&mut self, c: ConnectionId) {
        self.world.stale = None;
        if self.config.is(Mutant::TokenReused) && self.core.connection(c).is_live() {
            self.end_of_input(c);
        }
    }

    fn lose_somebodys_tuple(&mut self) {
        let mut ids = self.core.transport_ids();
        let victim = ids.find_map(|t| Some((t, self.core.transport(t).selected?)));
        if let Some((t, tuple)) = victim {
            self.lose_tuple(t, tuple);
        }
    }

    fn settle_owner(&mut self, owner: Option<TransportId>) {
        if let Some(t) = owner {
            self.settle(t);
        }
    }
}

/// What the end of a connection makes of the close_notify of its transport.
fn farewell_after(farewell: Farewell, c: ConnectionId, ending: Ending) -> Farewell {
    match farewell {
        Farewell::Sent(path) if path == Tuple::Tcp(c) && ending == Ending::Acknowledged => {
            Farewell::Confirmed(path)
        }
        Farewell::Queued(path) if path == Tuple::Tcp(c) => match ending {
            Ending::Acknowledged | Ending::Finished => farewell,
            Ending::Reset => Farewell::Dropped(DropReason::Reset),
            Ending::Deadline => Farewell::Dropped(DropReason::Deadline),
            Ending::NoConsent => Farewell::Dropped(DropReason::NoConsent),
        },
        Farewell::None
        | Farewell::Queued(_)
        | Farewell::Sent(_)
        | Farewell::Confirmed(_)
        | Farewell::Dropped(_) => farewell,
    }
}
