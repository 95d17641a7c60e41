//! The close orders of the server and of a transport (SPEC 3.1 to 3.3).

use super::Run;
use super::connections::Ending;
use crate::effect::Effect;
use crate::ids::{TransportId, WorkerId};
use crate::mutants::Mutant;
use crate::state::{
    CloseReason, Connection, DropReason, DtlsState, Farewell, IceState, NoAlert, Outcome, Phase,
    Tuple, Ufrags, WorkerPhase,
};

impl Run<'_> {
    /// Refuse newcomers, close every transport, let every unbound connection linger.
    pub(super) fn begin_close(&mut self, w: WorkerId) {
        self.core.workers[w.index()] = WorkerPhase::Closing;
        for listener in self.config.listeners_of(w) {
            self.emit(Effect::StopAccepting(listener));
        }
        self.release_too_early(w);
        for (index, t) in self.transports_of(w).enumerate() {
            if self.config.is(Mutant::EverySecondTransport) && index % 2 == 1 {
                continue;
            }
            self.close_transport(t, CloseReason::ServerClosed);
            if self.config.is(Mutant::AlertCancelled)
                && matches!(self.at(t).farewell, Farewell::Queued(Tuple::Udp(_)))
            {
                self.at(t).farewell = Farewell::Dropped(DropReason::CarrierReleased);
                self.settle(t);
            }
        }
        self.close_what_was_given_away(w);
        for c in self.connections_of_worker(w) {
            let forgotten = self.config.is(Mutant::StrangersForgotten);
            if self.core.connection(c) == Connection::Unbound && !forgotten {
                self.retire(c);
            }
        }
    }

    /// What two of the mistakes do before the transports close.
    fn release_too_early(&mut self, w: WorkerId) {
        if self.config.is(Mutant::CarriersFirst) {
            self.release_carriers(w);
        }
        if self.config.is(Mutant::ConnectionsFirst) {
            for c in self.connections_of_worker(w) {
                if self.core.connection(c).is_bound() {
                    self.emit(Effect::CloseConnection(c));
                }
            }
        }
    }

    /// Say farewell, unmap, close the connections, report: in this order. A repeated close changes nothing.
    pub(super) fn close_transport(&mut self, t: TransportId, reason: CloseReason) {
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
            Ok(path) => self.say_farewell(t, path),
            Err(no_alert) => self.at(t).outcome = Some(Outcome::NotNeeded(no_alert)),
        }
        let leaks = self.config.is(Mutant::RemoteCloseLeaks) && due == Err(NoAlert::PeerClosed);
        if self.config.is(Mutant::CloseBeforeUnmap) {
            self.close_connections(t, due.ok());
        }
        if self.at(t).phase == Phase::Open {
            self.unmap(t);
        }
        if !leaks {
            self.close_connections(t, due.ok());
        }
        self.settle(t);
    }

    /// All of them come to the end of their use; then the alert is written.
    fn close_connections(&mut self, t: TransportId, path: Option<Tuple>) {
        let newest = self.core.connections_of(t).last();
        for c in self.core.connection_ids() {
            let skipped = self.config.is(Mutant::OnlyNewestConnection) && newest != Some(c);
            if self.core.connection(c).owner() == Some(t) && !skipped {
                self.retire(c);
            }
        }
        if let Some(Tuple::Tcp(c)) = path
            && self.core.connection(c).is_live()
        {
            self.write(c);
            self.end_flush(c);
        }
    }

    /// The tuple that the close_notify of a close goes to, or why there is none.
    fn farewell_due(&mut self, t: TransportId, reason: CloseReason) -> Result<Tuple, NoAlert> {
        let transport = self.core.transport(t);
        if self.config.is(Mutant::SilentServerClose) && reason == CloseReason::ServerClosed {
            return Err(NoAlert::NotConnected);
        }
        match transport.dtls {
            DtlsState::New => Err(NoAlert::NotConnected),
            DtlsState::Connecting => Err(NoAlert::Handshaking),
            DtlsState::Connected => transport.selected.ok_or(NoAlert::NoPath),
            DtlsState::Failed => match transport.selected {
                Some(path) if self.config.is(Mutant::FailureSaysGoodbye) => Ok(path),
                Some(_) | None => Err(NoAlert::Failed),
            },
            DtlsState::Closed => match transport.selected {
                Some(path) if self.config.is(Mutant::AlertTwice) => Ok(path),
                Some(_) | None => Err(NoAlert::PeerClosed),
            },
        }
    }

    fn unmap(&mut self, t: TransportId) {
        let kept = self.config.is(Mutant::RestartedUfragKept);
        let transport = self.at(t);
        transport.phase = Phase::Closing;
        transport.ice = IceState::Closed;
        transport.dtls = DtlsState::Closed;
        transport.tuples.clear();
        transport.selected = None;
        if !(kept && transport.ufrags == Ufrags::CurrentAndPrevious) {
            transport.ufrags = Ufrags::None;
        }
        self.emit(Effect::Unmap(t));
    }

    /// Everything of the worker that is left ends now: first the connections, then the transports.
    pub(super) fn server_overdue(&mut self, w: WorkerId) {
        for c in self.connections_of_worker(w) {
            if self.core.connection(c).is_live() {
                self.end_connection(c, Ending::Deadline);
            }
        }
        for t in self.transports_of(w) {
            let transport = self.at(t);
            if transport.farewell.is_queued() {
                transport.farewell = Farewell::Dropped(DropReason::Deadline);
            }
            if matches!(transport.farewell, Farewell::Sent(Tuple::Udp(_)))
                && transport.outcome.is_none()
                && transport.phase == Phase::Closing
            {
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
        let mut ids = self.core.transport_ids();
        let victim = ids.find(|u| self.core.transport(*u).dtls == DtlsState::Connected);
        if let Some(victim) = victim {
            self.set_dtls(victim, DtlsState::Closed);
        }
    }
}
