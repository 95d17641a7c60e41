//! How far the one close_notify of a transport has come (SPEC 3.3).

use super::Run;
use crate::effect::Effect;
use crate::ids::{SocketId, TransportId};
use crate::mutants::Mutant;
use crate::state::{DropReason, DtlsState, Farewell, IceState, Outcome, Phase, Tuple, Waiting};
use crate::world::Socket;

impl Run<'_> {
    /// The peer said close_notify first: the state is closed, and one alert goes back.
    pub(super) fn reply_to_close_notify(&mut self, t: TransportId) {
        self.world.peers[t.index()].said_close = true;
        self.set_dtls(t, DtlsState::Closed);
        let path = self.at(t).selected.expect("it came over a tuple");
        self.say_farewell(t, path);
        if let Tuple::Tcp(c) = path {
            self.write(c);
        }
    }

    /// The peer's fatal alert: no answer, and nothing at the close either.
    pub(super) fn end_association(&mut self, t: TransportId) {
        let connected = self.at(t).dtls == DtlsState::Connected;
        self.set_dtls(t, if connected { DtlsState::Closed } else { DtlsState::Failed });
        if let (true, Some(path)) = (self.config.is(Mutant::FatalAnswered), self.at(t).selected) {
            self.say_farewell(t, path);
        }
    }

    /// Make the one close_notify; offer it to the socket, or queue it on the connection.
    pub(super) fn say_farewell(&mut self, t: TransportId, path: Tuple) {
        self.emit(Effect::MakeAlert(t));
        match path {
            Tuple::Udp(_) => self.offer(t, path),
            Tuple::Tcp(c) => {
                let mut queue = self.core.connection(c).queue();
                queue.alert = Waiting::Whole;
                if self.at(t).dtls != DtlsState::Closed && queue.other == Waiting::Whole {
                    queue.other = Waiting::No;
                }
                *self.connection(c) = self.core.connection(c).with_queue(queue);
                self.at(t).farewell = Farewell::Queued(path);
            }
        }
    }

    /// Offer the alert to the UDP socket.
    pub(super) fn offer(&mut self, t: TransportId, path: Tuple) {
        let Tuple::Udp(address) = path else { return };
        let s = self.config.socket_of(address);
        self.emit(Effect::OfferDatagramAlert(t, s));
        self.at(t).farewell = match self.world.sockets[s.index()] {
            Socket::Room => Farewell::Sent(path),
            Socket::Full => Farewell::Queued(path),
            Socket::Released => Farewell::Dropped(DropReason::CarrierReleased),
        };
    }

    /// Every alert that waits for the socket is offered again, in the order of the transports.
    pub(super) fn socket_writable(&mut self, s: SocketId) {
        self.world.sockets[s.index()] = Socket::Room;
        for t in self.config.transport_ids() {
            let Farewell::Queued(path @ Tuple::Udp(address)) = self.at(t).farewell else {
                continue;
            };
            if self.config.socket_of(address) == s {
                self.offer(t, path);
                self.settle(t);
            }
        }
    }

    /// The peer's close_notify came after ours.
    pub(super) fn confirm(&mut self, t: TransportId) {
        self.world.peers[t.index()].said_close = true;
        let transport = self.at(t);
        if let Farewell::Sent(path) = transport.farewell {
            transport.farewell = Farewell::Confirmed(path);
        }
        self.settle(t);
    }

    /// The drain deadline of a queued alert, or the answer deadline of a sent one.
    pub(super) fn farewell_overdue(&mut self, t: TransportId) {
        let kept = self.config.is(Mutant::CompletionToClosed);
        let transport = self.at(t);
        if transport.farewell.is_queued() && kept && transport.phase == Phase::Closing {
            let (Some(reason), outcome) =
                (transport.reason, Outcome::Dropped(DropReason::Deadline))
            else {
                return;
            };
            transport.phase = Phase::Closed;
            transport.outcome = Some(outcome);
            self.emit(Effect::TransportClosed(t, reason, outcome));
        } else if transport.farewell.is_queued() {
            transport.farewell = Farewell::Dropped(DropReason::Deadline);
        } else {
            transport.outcome = Some(Outcome::Sent);
        }
        self.settle(t);
    }

    /// Close and report a closing transport if nothing of it is left.
    pub(super) fn settle(&mut self, t: TransportId) {
        let early = self.config.is(Mutant::ReportedEarly);
        let held = self.core.connections_of(t).next().is_some();
        let transport = self.at(t);
        if transport.phase != Phase::Closing {
            return;
        }
        if transport.outcome.is_none() {
            transport.outcome = match transport.farewell {
                Farewell::Confirmed(Tuple::Udp(_)) => Some(Outcome::Confirmed),
                Farewell::Confirmed(Tuple::Tcp(_)) => (!held).then_some(Outcome::Confirmed),
                Farewell::Sent(Tuple::Tcp(_)) => (!held).then_some(Outcome::Sent),
                Farewell::Dropped(reason) => Some(Outcome::Dropped(reason)),
                Farewell::Queued(_) => early.then_some(Outcome::Sent),
                Farewell::None | Farewell::Sent(Tuple::Udp(_)) => None,
            };
        }
        let over = !transport.farewell.is_queued() && !held;
        if let (Some(outcome), Some(reason)) = (transport.outcome, transport.reason)
            && (over || early)
        {
            transport.phase = Phase::Closed;
            self.emit(Effect::TransportClosed(t, reason, outcome));
            if self.config.is(Mutant::EventAfterReport) {
                self.emit(Effect::IceStateChanged(t, IceState::Closed));
            }
        }
    }
}
