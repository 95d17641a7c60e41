//! The close orders of the server and of a transport (SPEC 3.1 to 3.3).

use super::Run;
use super::path::Ending;
use crate::action::TransportId;
use crate::effect::Effect;
use crate::mutants::Mutant;
use crate::state::{
    CloseReason, Connection, DropReason, DtlsState, Farewell, IceState, NoAlert, Outcome, Phase,
    ServerPhase, Via,
};
use crate::world::Socket;

impl Run<'_> {
    /// Refuse newcomers, close every transport, let every unbound connection linger.
    pub(super) fn begin_close(&mut self) {
        self.core.server = ServerPhase::Closing;
        self.emit(Effect::StopAccepting);
        self.release_too_early();
        for t in self.ids() {
            if self.config.is(Mutant::EverySecondTransport) && t.index() % 2 == 1 {
                continue;
            }
            self.close_transport(t, CloseReason::ServerClosed);
            if self.config.is(Mutant::AlertCancelled)
                && self.at(t).farewell == Farewell::Queued(Via::Udp)
            {
                self.at(t).farewell = Farewell::Dropped(DropReason::CarrierReleased);
                self.settle(t);
            }
        }
        for t in self.ids() {
            if self.at(t).tcp == Connection::Unbound {
                self.linger(t);
            }
        }
    }

    /// What two of the mistakes do before the transports close.
    fn release_too_early(&mut self) {
        if self.config.is(Mutant::CarriersFirst) {
            self.emit(Effect::ReleaseSocket);
            self.emit(Effect::ReleaseListener);
        }
        if self.config.is(Mutant::ConnectionsFirst) {
            for t in self.ids() {
                if self.at(t).tcp.is_bound() {
                    self.emit(Effect::CloseConnection(t));
                }
            }
        }
    }

    /// A repeated close changes nothing.
    pub(super) fn owner_closes(&mut self, t: TransportId) {
        self.close_transport(t, CloseReason::Owner);
    }

    /// Say farewell, unmap, close the connection, report: in this order.
    fn close_transport(&mut self, t: TransportId, reason: CloseReason) {
        if self.at(t).phase != Phase::Open {
            return;
        }
        self.leak_error(t);
        self.at(t).reason = Some(reason);
        let due = self.farewell_due(t, reason);
        if self.config.is(Mutant::AlertAfterUnmap) {
            self.unmap(t);
        }
        match due {
            Ok(via) => self.say_farewell(t, via),
            Err(no_alert) => self.at(t).outcome = Some(Outcome::NotNeeded(no_alert)),
        }
        if self.config.is(Mutant::CloseBeforeUnmap) && self.at(t).tcp.is_bound() {
            self.linger(t);
        }
        if self.at(t).phase == Phase::Open {
            self.unmap(t);
        }
        if self.at(t).tcp.is_bound() {
            self.linger(t);
        }
        self.settle(t);
    }

    /// The tuple that the close_notify of a close goes to, or why there is none.
    fn farewell_due(&mut self, t: TransportId, reason: CloseReason) -> Result<Via, NoAlert> {
        let transport = *self.at(t);
        if self.config.is(Mutant::SilentServerClose) && reason == CloseReason::ServerClosed {
            return Err(NoAlert::NotConnected);
        }
        match transport.dtls {
            DtlsState::New => Err(NoAlert::NotConnected),
            DtlsState::Connecting => Err(NoAlert::Handshaking),
            DtlsState::Connected => transport.selected.ok_or(NoAlert::NoPath),
            DtlsState::Failed => Err(NoAlert::Failed),
            DtlsState::Closed => match transport.selected {
                Some(via) if self.config.is(Mutant::AlertTwice) => Ok(via),
                Some(_) | None => Err(NoAlert::PeerClosed),
            },
        }
    }

    /// Make the one close_notify; offer it to the socket, or queue it on the connection.
    pub(super) fn say_farewell(&mut self, t: TransportId, via: Via) {
        self.emit(Effect::MakeAlert(t));
        match via {
            Via::Udp => self.offer(t),
            Via::Tcp => {
                let transport = self.at(t);
                if let Connection::Bound { queue } = &mut transport.tcp {
                    queue.alert = true;
                }
                transport.farewell = Farewell::Queued(Via::Tcp);
            }
        }
    }

    /// Offer the alert to the UDP socket.
    pub(super) fn offer(&mut self, t: TransportId) {
        self.emit(Effect::OfferDatagramAlert(t));
        self.at(t).farewell = match self.world.socket {
            Socket::Room => Farewell::Sent(Via::Udp),
            Socket::Full => Farewell::Queued(Via::Udp),
            Socket::Released => Farewell::Dropped(DropReason::CarrierReleased),
        };
    }

    fn unmap(&mut self, t: TransportId) {
        let transport = self.at(t);
        transport.phase = Phase::Closing;
        transport.ice = IceState::Closed;
        transport.dtls = DtlsState::Closed;
        transport.udp = false;
        transport.selected = None;
        self.emit(Effect::Unmap(t));
    }

    /// The peer's close_notify came after ours.
    pub(super) fn confirm(&mut self, t: TransportId) {
        self.world.peers[t.index()].said_close = true;
        let transport = self.at(t);
        if let Farewell::Sent(via) = transport.farewell {
            transport.farewell = Farewell::Confirmed(via);
        }
        self.settle(t);
    }

    /// Close and report a closing transport if nothing of it is left.
    pub(super) fn settle(&mut self, t: TransportId) {
        let early = self.config.is(Mutant::ReportedEarly);
        let transport = self.at(t);
        if transport.phase != Phase::Closing {
            return;
        }
        if transport.outcome.is_none() {
            let gone = !transport.tcp.is_held();
            transport.outcome = match transport.farewell {
                Farewell::Confirmed(Via::Udp) => Some(Outcome::Confirmed),
                Farewell::Confirmed(Via::Tcp) => gone.then_some(Outcome::Confirmed),
                Farewell::Sent(Via::Tcp) => gone.then_some(Outcome::Sent),
                Farewell::Dropped(reason) => Some(Outcome::Dropped(reason)),
                Farewell::Queued(_) => early.then_some(Outcome::Sent),
                Farewell::None | Farewell::Sent(Via::Udp) => None,
            };
        }
        let over = !transport.farewell.is_queued() && !transport.tcp.is_held();
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

    /// Everything that is left ends now: first the connections, then the transports.
    pub(super) fn server_overdue(&mut self) {
        for t in self.ids() {
            if self.at(t).tcp.is_live() {
                self.end_connection(t, Ending::Deadline);
            }
        }
        for t in self.ids() {
            let transport = self.at(t);
            if transport.farewell.is_queued() {
                transport.farewell = Farewell::Dropped(DropReason::Deadline);
            }
            if transport.farewell == Farewell::Sent(Via::Udp) && transport.outcome.is_none() {
                transport.outcome = Some(Outcome::Sent);
            }
            self.settle(t);
        }
    }

    /// The mistake of a shared error queue: an unfinished handshake that is closed leaves an error
    /// behind, and the next association that looks takes it for its own.
    fn leak_error(&mut self, t: TransportId) {
        if !self.config.is(Mutant::ErrorLeaks) || self.at(t).dtls != DtlsState::Connecting {
            return;
        }
        let victim = self.ids().find(|u| self.core.transport(*u).dtls == DtlsState::Connected);
        if let Some(victim) = victim {
            self.set_dtls(victim, DtlsState::Closed);
        }
    }
}
