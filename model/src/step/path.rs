//! Paths of an open transport and the life of its TCP connection.

use super::Run;
use crate::action::TransportId;
use crate::effect::Effect;
use crate::mutants::Mutant;
use crate::state::{
    Connection, DropReason, DtlsState, Farewell, Holder, IceState, Phase, Queue, ReadSide, Via,
};
use crate::world::Stream;

/// How a connection comes to its close.
#[derive(Clone, Copy)]
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
    /// SPEC 3.5, and 3.6 for the beginning of the handshake.
    pub(super) fn check(&mut self, t: TransportId, via: Via, nominate: bool) {
        let transport = self.at(t);
        let before = *transport;
        match via {
            Via::Udp => transport.udp = true,
            Via::Tcp => {
                if transport.tcp == Connection::Unbound {
                    transport.tcp = Connection::Bound { queue: Queue::default() };
                }
            }
        }
        let is_first = matches!(before.ice, IceState::New | IceState::Disconnected);
        if nominate {
            transport.ice = IceState::Completed;
        } else if is_first {
            transport.ice = IceState::Connected;
        }
        if nominate || is_first {
            transport.selected = Some(via);
        }
        let after = *transport;
        if after.selected != before.selected {
            self.emit(Effect::SelectedTupleChanged(t, after.selected));
        }
        if after.ice != before.ice {
            self.emit(Effect::IceStateChanged(t, after.ice));
        }
        if after.dtls == DtlsState::New {
            self.set_dtls(t, DtlsState::Connecting);
        }
    }

    /// The peer said close_notify first: the state is closed, and one alert goes back.
    pub(super) fn reply_to_close_notify(&mut self, t: TransportId) {
        self.world.peers[t.index()].said_close = true;
        self.set_dtls(t, DtlsState::Closed);
        let via = self.at(t).selected.expect("it came over a tuple");
        self.say_farewell(t, via);
        self.write_alert(t);
    }

    /// Every tuple is gone, and what is left of the connection with them.
    pub(super) fn expire_consent(&mut self, t: TransportId) {
        self.at(t).udp = false;
        self.leave_without_tuple(t);
        if self.at(t).farewell.is_queued() {
            self.at(t).farewell = Farewell::Dropped(DropReason::NoConsent);
        }
        if self.at(t).tcp.is_held() {
            self.end_connection(t, Ending::NoConsent);
        }
    }

    /// The peer's FIN.
    pub(super) fn end_of_input(&mut self, t: TransportId) {
        match self.at(t).tcp {
            Connection::Unbound => self.end_connection(t, Ending::Finished),
            Connection::Bound { queue } => {
                self.at(t).tcp = Connection::Flushing { queue, eof: ReadSide::Ended };
                self.lose_tcp_tuple(t);
                if queue.is_empty() {
                    self.end_connection(t, Ending::Finished);
                }
            }
            Connection::Flushing { queue, .. } => {
                self.at(t).tcp = Connection::Flushing { queue, eof: ReadSide::Ended };
            }
            Connection::Draining { .. } => self.end_connection(t, Ending::Acknowledged),
            Connection::None | Connection::Gone => unreachable!("no connection, no FIN"),
        }
        self.settle(t);
    }

    /// The peer's RST.
    pub(super) fn reset(&mut self, t: TransportId) {
        if self.at(t).tcp.is_bound() {
            self.lose_tcp_tuple(t);
        }
        self.end_connection(t, Ending::Reset);
        self.settle(t);
    }

    pub(super) fn fill_connection(&mut self, t: TransportId) {
        self.at(t).tcp = Connection::Bound { queue: Queue { begun: true, alert: false } };
    }

    /// Everything that was queued is written, and what waited for that happens.
    pub(super) fn connection_writable(&mut self, t: TransportId) {
        match self.at(t).tcp {
            Connection::Bound { queue } => {
                self.at(t).tcp = Connection::Bound { queue: Queue { begun: false, ..queue } };
                self.write_alert(t);
            }
            Connection::Flushing { queue, eof } => {
                let queue = Queue { begun: false, ..queue };
                self.at(t).tcp = Connection::Flushing { queue, eof };
                self.write_alert(t);
                match eof {
                    ReadSide::Open => self.finish_writing(t),
                    ReadSide::Ended => self.end_connection(t, Ending::Finished),
                }
            }
            Connection::None
            | Connection::Unbound
            | Connection::Draining { .. }
            | Connection::Gone => unreachable!("nothing is queued on it"),
        }
        self.settle(t);
    }

    pub(super) fn acknowledged(&mut self, t: TransportId) {
        self.end_connection(t, Ending::Acknowledged);
        self.settle(t);
    }

    pub(super) fn linger_overdue(&mut self, t: TransportId) {
        self.end_connection(t, Ending::Deadline);
        self.settle(t);
    }

    /// The end of the use of a connection: flush it, then `shutdown(WR)`.
    pub(super) fn linger(&mut self, t: TransportId) {
        match self.at(t).tcp {
            Connection::Unbound => {
                self.at(t).tcp = Connection::Draining { holder: Holder::Nobody };
                self.emit(Effect::ShutdownWrite(t));
            }
            Connection::Bound { .. } => {
                self.write_alert(t);
                let queue = self.at(t).tcp.queue();
                self.at(t).tcp = Connection::Flushing { queue, eof: ReadSide::Open };
                if queue.is_empty() {
                    self.finish_writing(t);
                } else if self.config.is(Mutant::FinFirst) {
                    self.emit(Effect::ShutdownWrite(t));
                }
            }
            Connection::None
            | Connection::Flushing { .. }
            | Connection::Draining { .. }
            | Connection::Gone => {}
        }
    }

    /// The queue of a connection at the end of its use is empty.
    fn finish_writing(&mut self, t: TransportId) {
        self.at(t).tcp = Connection::Draining { holder: Holder::Transport };
        let finished = self.config.is(Mutant::FinFirst)
            && self.world.peers[t.index()].stream == Stream::Finished;
        if !finished {
            self.emit(Effect::ShutdownWrite(t));
        }
    }

    /// Hand over the queued alert if no frame is in front of it.
    pub(super) fn write_alert(&mut self, t: TransportId) {
        let written = match &mut self.at(t).tcp {
            Connection::Bound { queue } | Connection::Flushing { queue, .. } => {
                let ready = queue.alert && !queue.begun;
                queue.alert &= queue.begun;
                ready
            }
            Connection::None
            | Connection::Unbound
            | Connection::Draining { .. }
            | Connection::Gone => false,
        };
        if written {
            self.at(t).farewell = Farewell::Sent(Via::Tcp);
            self.emit(Effect::AlertWritten(t));
        }
    }

    /// The connection is closed, and what was still to be said over it is settled.
    pub(super) fn end_connection(&mut self, t: TransportId, ending: Ending) {
        let kept = self.config.is(Mutant::ConnectionKept) && self.at(t).phase == Phase::Closing;
        let transport = self.at(t);
        debug_assert!(transport.tcp.is_live());
        transport.tcp =
            if kept { Connection::Draining { holder: Holder::Nobody } } else { Connection::Gone };
        transport.farewell = farewell_after(transport.farewell, ending);
        match ending {
            Ending::Deadline => self.emit(Effect::AbortConnection(t)),
            Ending::Acknowledged | Ending::Finished | Ending::Reset | Ending::NoConsent => {
                self.emit(Effect::CloseConnection(t));
            }
        }
    }

    /// The tuple of the connection is lost: another one is selected if there is one.
    fn lose_tcp_tuple(&mut self, t: TransportId) {
        let transport = self.at(t);
        debug_assert_eq!(transport.phase, Phase::Open);
        if transport.selected != Some(Via::Tcp) {
            return;
        }
        if transport.udp {
            transport.selected = Some(Via::Udp);
            self.emit(Effect::SelectedTupleChanged(t, Some(Via::Udp)));
        } else {
            self.leave_without_tuple(t);
        }
    }

    fn leave_without_tuple(&mut self, t: TransportId) {
        if !self.config.is(Mutant::SelectionKept) {
            self.at(t).selected = None;
        }
        self.at(t).ice = IceState::Disconnected;
        self.emit(Effect::SelectedTupleChanged(t, None));
        self.emit(Effect::IceStateChanged(t, IceState::Disconnected));
    }
}

/// What the end of its connection makes of a close_notify.
fn farewell_after(farewell: Farewell, ending: Ending) -> Farewell {
    match farewell {
        Farewell::Sent(Via::Tcp) => match ending {
            Ending::Acknowledged => Farewell::Confirmed(Via::Tcp),
            Ending::Finished | Ending::Reset | Ending::Deadline | Ending::NoConsent => farewell,
        },
        Farewell::Queued(Via::Tcp) => match ending {
            Ending::Acknowledged | Ending::Finished => farewell,
            Ending::Reset => Farewell::Dropped(DropReason::Reset),
            Ending::Deadline => Farewell::Dropped(DropReason::Deadline),
            Ending::NoConsent => Farewell::Dropped(DropReason::NoConsent),
        },
        Farewell::None
        | Farewell::Queued(Via::Udp)
        | Farewell::Sent(Via::Udp)
        | Farewell::Confirmed(_)
        | Farewell::Dropped(_) => farewell,
    }
}
