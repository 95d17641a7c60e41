//! Handshake, application data and the peer's alerts. Records are made and read by the shell; here is decided what may
//! be sent and what counts.

use super::{Outputs, Worker, emit};
use crate::fingerprint::Fingerprint;
use crate::lifecycle::connection::ConnectionPhase;
use crate::lifecycle::farewell::Farewell;
use crate::lifecycle::ids::{TransportId, Tuple};
use crate::lifecycle::input::RecordKind;
use crate::lifecycle::output::{About, Event, Output, Verdict};
use crate::lifecycle::queue::FrameKind;
use crate::lifecycle::state::{DtlsReason, DtlsRole, DtlsState};
use crate::lifecycle::timer::Timer;
use crate::lifecycle::transport::Phase;

impl Worker {
    //= DTL-01
    //= DTL-03
    pub(super) fn connect(
        &mut self,
        id: TransportId,
        remote_role: DtlsRole,
        fingerprints: Vec<Fingerprint>,
        out: &mut Outputs,
    ) -> Verdict {
        let Some(transport) = self.open(id) else { return Verdict::Late };
        if transport.remote_role.is_some() {
            return Verdict::Repeated;
        }
        transport.remote_role = Some(remote_role);
        let role = transport.role_to_play();
        let connecting = transport.dtls == DtlsState::Connecting;
        let flipped = connecting && transport.local_role != role;
        // First, so that a handshake that ended in the other role is not judged, and counts for nothing.
        //= DTL-02
        if flipped {
            transport.local_role = role;
            out.push(Output::StartDtls { transport: id, role });
        }
        if connecting {
            self.limit_handshake(id, out);
        }
        out.push(Output::ExpectFingerprints { transport: id, fingerprints });
        Verdict::Applied
    }

    /// ICE has a path: the handshake may begin.
    pub(super) fn start_dtls(&mut self, id: TransportId, out: &mut Outputs) {
        let Some(transport) = self.open(id) else { return };
        let role = transport.role_to_play();
        transport.dtls = DtlsState::Connecting;
        transport.local_role = role;
        let told = transport.remote_role.is_some();
        emit(id, Event::DtlsStateChanged(DtlsState::Connecting, None), out);
        if told {
            self.limit_handshake(id, out);
        }
        out.push(Output::StartDtls { transport: id, role });
    }

    /// Before `connect()` a handshake cannot end, and its peer may wait for the role that only `connect()` tells: no
    /// deadline of ours runs then. Its memory is bounded, and so are its repetitions.
    //= DTL-10
    //= DTL-15
    fn limit_handshake(&mut self, id: TransportId, out: &mut Outputs) {
        self.arm(Timer::Handshake(id), self.limits.handshake, out);
    }

    pub(super) fn submit_data(
        &mut self,
        id: TransportId,
        data: Vec<u8>,
        out: &mut Outputs,
    ) -> Verdict {
        match self.open(id) {
            Some(transport)
                if transport.dtls == DtlsState::Connected && transport.ice.selected.is_some() =>
            {
                out.push(Output::EncryptData { transport: id, data });
                Verdict::Applied
            }
            Some(_) | None => Verdict::Late,
        }
    }

    /// Sends what DTLS made, unless the transport has said farewell: nothing follows an alert.
    //= CLS-09
    //= DTL-24
    pub(super) fn send_records(
        &mut self,
        id: TransportId,
        datagram: Vec<u8>,
        kind: RecordKind,
        out: &mut Outputs,
    ) -> Verdict {
        let Some(transport) = self.open(id) else { return Verdict::Late };
        let (Some(path), true) = (transport.ice.selected, transport.dtls != DtlsState::Closed)
        else {
            return Verdict::Late;
        };
        match (path, kind) {
            (Tuple::Udp { socket, remote }, RecordKind::Flight | RecordKind::Data) => {
                let about = About::Records(id);
                out.push(Output::SendDatagram { socket, remote, datagram, about });
            }
            (Tuple::Tcp(connection), RecordKind::Flight) => {
                self.enqueue(connection, FrameKind::Control, &datagram, out);
            }
            (Tuple::Tcp(connection), RecordKind::Data) => {
                self.enqueue(connection, FrameKind::Data, &datagram, out);
            }
        }
        Verdict::Applied
    }

    /// DTLS from the wire reaches an association only by a tuple that a check has proven; a closing transport hears
    /// only the tuple that its farewell went to.
    //= DMX-03
    pub(super) fn dtls_received(
        &mut self,
        tuple: Tuple,
        datagram: Vec<u8>,
        out: &mut Outputs,
    ) -> Verdict {
        if let Some(id) = self.routes.by_tuple(&tuple) {
            let alive = self.open(id).is_some_and(|transport| match transport.dtls {
                DtlsState::Connecting | DtlsState::Connected => true,
                DtlsState::New | DtlsState::Failed | DtlsState::Closed => false,
            });
            if alive {
                out.push(Output::FeedDtls { transport: id, datagram });
                return Verdict::Applied;
            }
            return Verdict::Late;
        }
        if let Some(id) = self.listener_for_answer(&tuple) {
            out.push(Output::FeedDtls { transport: id, datagram });
            return Verdict::Applied;
        }
        self.junk_received(tuple, out)
    }

    /// The closing transport whose close_notify went to this tuple and has not been answered.
    fn listener_for_answer(&self, tuple: &Tuple) -> Option<TransportId> {
        let id = match tuple {
            Tuple::Udp { .. } => self.routes.by_parting(tuple),
            Tuple::Tcp(connection) => self.connections.get(connection)?.owner(),
        }?;
        let transport = self.transports.get(&id)?;
        (transport.phase != Phase::Open && transport.farewell.path() == Some(*tuple)).then_some(id)
    }

    /// Something other than a check on a connection that no check has bound ends that connection.
    //= TCP-06
    pub(super) fn junk_received(&mut self, tuple: Tuple, out: &mut Outputs) -> Verdict {
        let Tuple::Tcp(connection) = tuple else { return Verdict::Late };
        match self.connections.get(&connection).map(|c| c.phase) {
            Some(ConnectionPhase::Unbound) => {
                self.retire(connection, out);
                Verdict::Applied
            }
            Some(
                ConnectionPhase::Bound(_)
                | ConnectionPhase::Flushing { .. }
                | ConnectionPhase::Draining { .. },
            )
            | None => Verdict::Late,
        }
    }

    pub(super) fn handshake_completed(&mut self, id: TransportId, out: &mut Outputs) -> Verdict {
        let Some(transport) = self.open(id) else { return Verdict::Late };
        match transport.dtls {
            DtlsState::Connecting => {
                transport.dtls = DtlsState::Connected;
                self.disarm(Timer::Handshake(id), out);
                emit(id, Event::DtlsStateChanged(DtlsState::Connected, None), out);
                Verdict::Applied
            }
            DtlsState::Connected => Verdict::Repeated,
            DtlsState::New => Verdict::Impossible,
            DtlsState::Failed | DtlsState::Closed => Verdict::Late,
        }
    }

    /// After the handshake it is the association that is broken, by a peer that was authenticated.
    //= DTL-28
    pub(super) fn handshake_failed(
        &mut self,
        id: TransportId,
        reason: DtlsReason,
        out: &mut Outputs,
    ) -> Verdict {
        let Some(transport) = self.open(id) else { return Verdict::Late };
        match transport.dtls {
            DtlsState::Connecting => {
                transport.dtls = DtlsState::Failed;
                self.disarm(Timer::Handshake(id), out);
                emit(id, Event::DtlsStateChanged(DtlsState::Failed, Some(reason)), out);
                Verdict::Applied
            }
            DtlsState::Connected => self.end_association(id, reason, out),
            DtlsState::Failed => Verdict::Repeated,
            DtlsState::New => Verdict::Impossible,
            DtlsState::Closed => Verdict::Late,
        }
    }

    /// An established association is over, and no close_notify is called for: a fatal alert came, or was sent.
    pub(super) fn end_association(
        &mut self,
        id: TransportId,
        reason: DtlsReason,
        out: &mut Outputs,
    ) -> Verdict {
        let Some(transport) = self.open(id) else { return Verdict::Late };
        transport.dtls = DtlsState::Closed;
        emit(id, Event::DtlsStateChanged(DtlsState::Closed, Some(reason)), out);
        self.drop_data(id, out);
        Verdict::Applied
    }

    /// The peer says goodbye. On an open transport it is answered by our one close_notify; on a closing one it is the
    /// answer to ours. An alert of ours that still waits in a queue cannot have been answered.
    //= CLS-13
    //= X4
    pub(super) fn close_notify_received(&mut self, id: TransportId, out: &mut Outputs) -> Verdict {
        let Some(transport) = self.transports.get_mut(&id) else { return Verdict::Late };
        if transport.phase != Phase::Open {
            return self.farewell_answered(id, out);
        }
        match transport.dtls {
            DtlsState::Connected => {
                transport.dtls = DtlsState::Closed;
                let reason = Some(DtlsReason::CloseNotify);
                emit(id, Event::DtlsStateChanged(DtlsState::Closed, reason), out);
                if let Some(path) = transport.ice.selected {
                    transport.farewell = Farewell::Making(path);
                    out.push(Output::MakeCloseNotify(id));
                }
                self.drop_data(id, out);
                Verdict::Applied
            }
            DtlsState::Connecting => self.handshake_failed(id, DtlsReason::CloseNotify, out),
            DtlsState::Closed => Verdict::Repeated,
            DtlsState::New => Verdict::Impossible,
            DtlsState::Failed => Verdict::Late,
        }
    }

    //= CLS-14
    //= DTL-28
    pub(super) fn fatal_alert_received(
        &mut self,
        id: TransportId,
        code: u8,
        out: &mut Outputs,
    ) -> Verdict {
        let reason = DtlsReason::Alert(code);
        let Some(transport) = self.open(id) else { return Verdict::Late };
        match transport.dtls {
            DtlsState::Connected => self.end_association(id, reason, out),
            DtlsState::Connecting => self.handshake_failed(id, reason, out),
            DtlsState::New => Verdict::Impossible,
            DtlsState::Failed | DtlsState::Closed => Verdict::Late,
        }
    }

    //= CLS-12
    pub(super) fn data_received(
        &mut self,
        id: TransportId,
        data: Vec<u8>,
        out: &mut Outputs,
    ) -> Verdict {
        match self.open(id) {
            Some(transport) if transport.dtls == DtlsState::Connected => {
                emit(id, Event::DataReceived(data), out);
                Verdict::Applied
            }
            Some(_) | None => Verdict::Late,
        }
    }
}
