//! The walk through the close order. A step is entered once, and left when its condition holds; the order itself is
//! data in [`close_order`](crate::lifecycle::close_order).

use super::{Outputs, Worker, WorkerPhase, emit};
use crate::lifecycle::close_order::{TransportCloseStep, WorkerCloseStep};
use crate::lifecycle::connection::ConnectionPhase;
use crate::lifecycle::farewell::Farewell;
use crate::lifecycle::ids::{TransportId, Tuple};
use crate::lifecycle::output::{Event, Output, Verdict};
use crate::lifecycle::state::{CloseReason, DropReason, DtlsState, IceState, NotNeeded};
use crate::lifecycle::timer::Timer;
use crate::lifecycle::transport::Phase;
use crate::mutants::Mutant;
use std::time::Duration;

impl Worker {
    //= CLS-10
    //= X5
    pub(super) fn close_server(&mut self, deadline: Duration, out: &mut Outputs) -> Verdict {
        match self.phase {
            WorkerPhase::Open => {
                self.arm(Timer::Server, deadline, out);
                self.enter_worker_step(0, out);
                Verdict::Applied
            }
            WorkerPhase::Closing { .. } | WorkerPhase::Released => Verdict::Repeated,
        }
    }

    pub(super) fn grant_release(&mut self, out: &mut Outputs) -> Verdict {
        match self.phase {
            WorkerPhase::Closing { step }
                if self.close_order().get(step) == Some(&WorkerCloseStep::Acknowledge) =>
            {
                self.enter_worker_step(step + 1, out);
                Verdict::Applied
            }
            WorkerPhase::Closing { .. } | WorkerPhase::Open => Verdict::Impossible,
            WorkerPhase::Released => Verdict::Repeated,
        }
    }

    fn close_order(&self) -> &'static [WorkerCloseStep] {
        self.planted.worker_close_order()
    }

    pub(super) fn transport_close_order(&self) -> &'static [TransportCloseStep] {
        self.planted.transport_close_order()
    }

    /// Leaves every step whose condition holds.
    pub(super) fn advance(&mut self, out: &mut Outputs) {
        while let WorkerPhase::Closing { step } = self.phase {
            let done = match self.close_order().get(step) {
                None => {
                    self.phase = WorkerPhase::Released;
                    out.push(Output::AcknowledgeReleased);
                    return;
                }
                Some(WorkerCloseStep::AwaitFarewells) => {
                    self.transports.is_empty() && self.connections.is_empty()
                }
                Some(WorkerCloseStep::Acknowledge) => false,
                Some(
                    WorkerCloseStep::RefuseNewcomers
                    | WorkerCloseStep::CloseTransports
                    | WorkerCloseStep::ReleaseCarriers,
                ) => true,
            };
            if !done {
                return;
            }
            self.enter_worker_step(step + 1, out);
        }
    }

    fn enter_worker_step(&mut self, step: usize, out: &mut Outputs) {
        self.phase = WorkerPhase::Closing { step };
        match self.close_order().get(step) {
            Some(WorkerCloseStep::RefuseNewcomers) if self.is(Mutant::AcceptWhileClosing) => {}
            Some(WorkerCloseStep::RefuseNewcomers) => {
                out.extend(self.listeners.iter().map(|id| Output::StopAccepting(*id)));
            }
            Some(WorkerCloseStep::CloseTransports) => self.close_everything(out),
            Some(WorkerCloseStep::Acknowledge) => {
                self.disarm(Timer::Server, out);
                out.push(Output::AcknowledgeDrained);
            }
            Some(WorkerCloseStep::ReleaseCarriers) => self.release_carriers(out),
            Some(WorkerCloseStep::AwaitFarewells) | None => {}
        }
    }

    //= CLS-34
    fn close_everything(&mut self, out: &mut Outputs) {
        if self.is(Mutant::ConnectionsFirst) {
            self.close_connections(out);
        }
        let stride = if self.is(Mutant::EverySecondTransport) { 2 } else { 1 };
        let transports: Vec<_> = self.transports.keys().copied().step_by(stride).collect();
        for id in transports {
            self.begin_close(id, CloseReason::ServerClosed, out);
        }
        let strangers: Vec<_> = self
            .connections
            .iter()
            .filter(|(_, connection)| connection.phase == ConnectionPhase::Unbound)
            .map(|(id, _)| *id)
            .collect();
        for id in strangers {
            self.retire(id, out);
        }
    }

    /// In the right order no connection is left by now.
    fn release_carriers(&mut self, out: &mut Outputs) {
        self.close_connections(out);
        let sockets = std::mem::take(&mut self.sockets);
        let listeners = std::mem::take(&mut self.listeners);
        out.extend(sockets.into_iter().map(Output::ReleaseSocket));
        out.extend(listeners.into_iter().map(Output::ReleaseListener));
    }

    fn close_connections(&mut self, out: &mut Outputs) {
        let left: Vec<_> = self.connections.keys().copied().collect();
        for id in left {
            out.push(Output::CloseTcp(id));
            self.remove_connection(id, DropReason::CarrierReleased, out);
        }
    }

    /// Time is up: nobody is waited for any longer.
    //= CLS-07
    //= L1
    pub(super) fn server_deadline(&mut self, out: &mut Outputs) -> Verdict {
        let connections: Vec<_> = self.connections.keys().copied().collect();
        for id in connections {
            self.abort_connection(id, out);
        }
        let transports: Vec<_> = self.transports.keys().copied().collect();
        for id in transports {
            let _ = self.farewell_deadline(id, out);
        }
        Verdict::Applied
    }

    pub(super) fn close_transport(&mut self, id: TransportId, out: &mut Outputs) -> Verdict {
        match self.transports.get(&id).map(|transport| transport.phase) {
            Some(Phase::Open) => {
                self.begin_close(id, CloseReason::Owner, out);
                Verdict::Applied
            }
            Some(Phase::Closing { .. }) => Verdict::Repeated,
            None => Verdict::Late,
        }
    }

    fn begin_close(&mut self, id: TransportId, reason: CloseReason, out: &mut Outputs) {
        let (order, planted) = (self.transport_close_order(), self.planted);
        let Some(transport) = self.open(id) else { return };
        let wrong = planted.wrong_excuse(transport, reason);
        let excuse = wrong.unwrap_or_else(|| transport.excuse());
        transport.phase = Phase::Closing { reason, step: 0, excuse };
        self.enter_transport_step(id, order[0], excuse, out);
        self.progress(id, out);
    }

    /// Leaves every step of the transport's close order whose condition holds; after the last it is gone.
    pub(super) fn progress(&mut self, id: TransportId, out: &mut Outputs) {
        let order = self.transport_close_order();
        let connections_first = self.is(Mutant::CloseBeforeUnmap);
        while let Some(transport) = self.transports.get_mut(&id) {
            let Phase::Closing { reason, step, excuse } = transport.phase else { return };
            let done = match order[step] {
                TransportCloseStep::SayFarewell => {
                    excuse.is_some() || !matches!(transport.farewell, Farewell::Making(_))
                }
                TransportCloseStep::Report => {
                    transport.farewell.is_over(excuse) && transport.connections.is_empty()
                }
                TransportCloseStep::CloseConnections => {
                    !connections_first || transport.connections.is_empty()
                }
                TransportCloseStep::StopData | TransportCloseStep::Unmap => true,
            };
            if !done {
                return;
            }
            match order.get(step + 1) {
                Some(next) => {
                    transport.phase = Phase::Closing { reason, step: step + 1, excuse };
                    self.enter_transport_step(id, *next, excuse, out);
                }
                None => self.report_closed(id, reason, excuse, out),
            }
        }
    }

    fn enter_transport_step(
        &mut self,
        id: TransportId,
        step: TransportCloseStep,
        excuse: Option<NotNeeded>,
        out: &mut Outputs,
    ) {
        match step {
            TransportCloseStep::StopData if self.is(Mutant::LateTimer) => {}
            TransportCloseStep::StopData => {
                self.disarm(Timer::Consent(id), out);
                self.disarm(Timer::Handshake(id), out);
                if excuse == Some(NotNeeded::Handshaking) && self.is(Mutant::ErrorLeaks) {
                    self.end_another_association(out);
                }
            }
            TransportCloseStep::SayFarewell => {
                let Some(transport) = self.transports.get_mut(&id) else { return };
                if let (None, Some(path)) = (excuse, transport.ice.selected) {
                    transport.farewell = Farewell::Making(path);
                    out.push(Output::MakeCloseNotify(id));
                }
            }
            TransportCloseStep::Unmap => self.unmap(id),
            TransportCloseStep::CloseConnections
                if excuse == Some(NotNeeded::PeerClosed) && self.is(Mutant::RemoteCloseLeaks) => {}
            TransportCloseStep::CloseConnections => {
                let connections = self.transports.get(&id).map(|t| t.connections.clone());
                for connection in connections.into_iter().flatten() {
                    self.retire(connection, out);
                }
            }
            TransportCloseStep::Report if self.is(Mutant::ReportedEarly) => {
                self.count_as_sent(id, out);
            }
            TransportCloseStep::Report => {}
        }
    }

    /// The routing tables forget the transport, but for the UDP tuple of its farewell: the peer may answer there, and
    /// whoever proves that it is theirs must not get an alert of ours, be it the reply that still waits.
    //= DMX-07
    //= DMX-08
    //= N3
    fn unmap(&mut self, id: TransportId) {
        let planted = self.planted;
        let Some(transport) = self.transports.get_mut(&id) else { return };
        transport.dtls = DtlsState::Closed;
        transport.ice.state = IceState::Closed;
        if !planted.is(Mutant::AlertAfterUnmap) {
            transport.ice.selected = None;
        }
        for tuple in std::mem::take(&mut transport.ice.tuples) {
            self.routes.unmap_tuple(&tuple, id);
        }
        self.routes.unmap_ufrag(&transport.ice.credentials.ufrag);
        if let Some(previous) = transport.ice.previous.take()
            && !planted.is(Mutant::RestartedUfragKept)
        {
            self.routes.unmap_ufrag(&previous.ufrag);
        }
        if let Some(path @ Tuple::Udp { .. }) = transport.farewell.waits_on() {
            self.routes.begin_parting(path, id);
        }
    }

    //= CLS-11
    //= CLS-12
    fn report_closed(
        &mut self,
        id: TransportId,
        reason: CloseReason,
        excuse: Option<NotNeeded>,
        out: &mut Outputs,
    ) {
        let Some(transport) = self.transports.remove(&id) else { return };
        debug_assert!(transport.connections.is_empty(), "its connections go first");
        self.disarm(Timer::Farewell(id), out);
        if let Some(path) = transport.farewell.path() {
            self.routes.end_parting(&path, id);
        }
        out.push(Output::DropDtls(id));
        let outcome = transport.farewell.outcome(excuse);
        out.push(Output::ReportClosed { transport: id, reason, outcome });
        if self.is(Mutant::EventAfterReport) {
            emit(id, Event::IceStateChanged(IceState::Closed), out);
        }
    }
}
