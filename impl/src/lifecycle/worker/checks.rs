//! What an authenticated STUN check changes, and what the loss of a tuple does.

use super::{Outputs, Worker, WorkerPhase, emit};
use crate::lifecycle::connection::ConnectionPhase;
use crate::lifecycle::farewell::Farewell;
use crate::lifecycle::ids::{TransportId, Tuple};
use crate::lifecycle::input::{Check, Credential};
use crate::lifecycle::output::{About, Event, Output, Verdict};
use crate::lifecycle::queue::FrameKind;
use crate::lifecycle::routing::Credentials;
use crate::lifecycle::state::{DropReason, DtlsState, IceState};
use crate::lifecycle::timer::Timer;
use crate::lifecycle::transport::{LossEffect, Phase};
use crate::mutants::Mutant;

impl Worker {
    /// A check that proved a transport's password. It is answered only if it counts.
    pub(super) fn check(
        &mut self,
        tuple: Tuple,
        id: TransportId,
        check: &Check,
        reply: Vec<u8>,
        out: &mut Outputs,
    ) -> Verdict {
        if self.phase != WorkerPhase::Open || self.open(id).is_none() || !self.is_usable(&tuple) {
            return Verdict::Late;
        }
        self.take_tuple(tuple, id, out);
        self.confirm_credentials(id, check.credential);
        self.reply(tuple, reply, out);
        let (tuples_max, planted) = (self.limits.tuples_per_transport_max, self.planted);
        let Some(transport) = self.open(id) else { return Verdict::Late };
        let effect = transport.ice.check(tuple, check, tuples_max, planted);
        let (consent, dtls) = (transport.ice.consent, transport.dtls);
        //= STN-30
        if effect.selected.is_some() {
            emit(id, Event::SelectedTupleChanged(effect.selected), out);
        }
        if let Some(state) = effect.state {
            emit(id, Event::IceStateChanged(state), out);
        }
        //= STN-26
        //= STN-27
        if let Some(consent) = consent {
            self.arm(Timer::Consent(id), consent, out);
        }
        if let Some(evicted) = effect.evicted {
            self.discard_tuple(evicted, id, out);
        }
        //= DTL-04
        //= TCP-12
        if dtls == DtlsState::New {
            self.start_dtls(id, out);
        }
        Verdict::Applied
    }

    /// A request that gets an error reply and changes nothing.
    //= STN-08
    pub(super) fn refuse_check(
        &mut self,
        tuple: Tuple,
        reply: Vec<u8>,
        out: &mut Outputs,
    ) -> Verdict {
        if self.phase != WorkerPhase::Open || !self.is_usable(&tuple) {
            return Verdict::Late;
        }
        self.reply(tuple, reply, out);
        Verdict::Applied
    }

    pub(super) fn restart_ice(&mut self, id: TransportId, credentials: Credentials) -> Verdict {
        if self.open(id).is_none() {
            return Verdict::Late;
        }
        if !self.routes.map_ufrag(&credentials.ufrag, id) {
            return Verdict::Impossible;
        }
        let Some(transport) = self.transports.get_mut(&id) else { return Verdict::Late };
        //= STN-24
        let former = std::mem::replace(&mut transport.ice.credentials, credentials);
        transport.ice.nomination = None;
        if let Some(oldest) = transport.ice.previous.replace(former) {
            self.routes.unmap_ufrag(&oldest.ufrag);
        }
        Verdict::Applied
    }

    /// The first use of new credentials ends the old ones.
    //= STN-23
    fn confirm_credentials(&mut self, id: TransportId, used: Credential) {
        let Some(transport) = self.transports.get_mut(&id) else { return };
        if used == Credential::Current
            && let Some(previous) = transport.ice.previous.take()
        {
            self.routes.unmap_ufrag(&previous.ufrag);
        }
    }

    /// The response leaves by the way on which the request came.
    //= STN-10
    fn reply(&mut self, tuple: Tuple, reply: Vec<u8>, out: &mut Outputs) {
        match tuple {
            Tuple::Udp { socket, remote } => {
                out.push(Output::SendDatagram {
                    socket,
                    remote,
                    datagram: reply,
                    about: About::Reply,
                });
            }
            Tuple::Tcp(connection) => self.enqueue(connection, FrameKind::Control, &reply, out),
        }
    }

    /// Whether what arrives on the tuple still counts.
    fn is_usable(&self, tuple: &Tuple) -> bool {
        match tuple {
            Tuple::Udp { socket, .. } => self.sockets.contains(socket),
            Tuple::Tcp(connection) => {
                self.connections.get(connection).is_some_and(|connection| connection.is_in_use())
            }
        }
    }

    /// Gives the tuple to this transport, taking it from whoever had it: the password decides whose it is
    /// (mediasoup #1690).
    //= DMX-06
    //= DMX-07
    fn take_tuple(&mut self, tuple: Tuple, id: TransportId, out: &mut Outputs) {
        let owner = self.routes.by_tuple(&tuple);
        let shadowed = owner.is_some() && self.is(Mutant::ForeignTupleKept);
        if owner == Some(id) || shadowed {
            return;
        }
        let former = owner.or_else(|| self.routes.by_parting(&tuple));
        if let Some(former) = former.filter(|former| *former != id) {
            self.lose_tuple(tuple, former, out);
            self.withdraw(tuple, former, out);
        }
        debug_assert!(
            self.routes.by_tuple(&tuple).is_none() || self.is(Mutant::StaleRoute),
            "a tuple has one owner"
        );
        self.routes.map_tuple(tuple, id);
        if let Tuple::Tcp(connection) = tuple {
            self.end_strangeness(connection, out);
            if let Some(connection) = self.connections.get_mut(&connection) {
                connection.phase = ConnectionPhase::Bound(id);
            }
            if let Some(transport) = self.transports.get_mut(&id) {
                transport.connections.insert(connection);
            }
        }
    }

    /// Gives a tuple up that is another worker's now.
    //= DMX-06
    //= DMX-07
    pub(super) fn yield_tuple(&mut self, tuple: Tuple, out: &mut Outputs) -> Verdict {
        let owner = self.routes.by_tuple(&tuple).or_else(|| self.routes.by_parting(&tuple));
        let Some(former) = owner.filter(|_| self.is_usable(&tuple)) else { return Verdict::Late };
        self.lose_tuple(tuple, former, out);
        if let Tuple::Tcp(connection) = tuple {
            self.unbind(connection, out);
        }
        self.withdraw(tuple, former, out);
        self.routes.end_parting(&tuple, former);
        Verdict::Applied
    }

    /// Nothing of the former owner may reach whoever has the tuple now, an alert that waits included.
    //= N3
    fn withdraw(&mut self, tuple: Tuple, former: TransportId, out: &mut Outputs) {
        let Some(transport) = self.transports.get_mut(&former) else { return };
        let waits = transport.farewell.path() == Some(tuple);
        if let Tuple::Tcp(id) = tuple {
            transport.connections.remove(&id);
            if let Some(connection) = self.connections.get_mut(&id) {
                connection.queue.disown(connection.is_writing());
            }
        }
        if waits {
            let _ = self.farewell_dropped(former, DropReason::PathTaken, out);
        }
        // The answer to one that was sent would reach the new owner: nothing is left to wait for.
        if waits && self.is_closing(former) {
            let _ = self.farewell_deadline(former, out);
        }
        self.progress(former, out);
    }

    /// Unmaps a tuple and lets its transport take the next one, or be disconnected. The owner of a closing transport
    /// is not told.
    pub(super) fn lose_tuple(&mut self, tuple: Tuple, id: TransportId, out: &mut Outputs) {
        if !self.is(Mutant::StaleRoute) {
            self.routes.unmap_tuple(&tuple, id);
        }
        let planted = self.planted;
        let Some(transport) = self.transports.get_mut(&id) else { return };
        let effect = transport.ice.lose(tuple, planted);
        if transport.phase != Phase::Open {
            return;
        }
        match effect {
            LossEffect::Unnoticed => {}
            LossEffect::Reselected(next) => {
                emit(id, Event::SelectedTupleChanged(Some(next)), out);
            }
            LossEffect::Disconnected => self.report_disconnected(id, out),
        }
    }

    fn report_disconnected(&mut self, id: TransportId, out: &mut Outputs) {
        self.disarm(Timer::Consent(id), out);
        emit(id, Event::SelectedTupleChanged(None), out);
        emit(id, Event::IceStateChanged(IceState::Disconnected), out);
    }

    /// An evicted tuple: the association lives on, so no alert; a connection is closed gracefully. A reply to the
    /// peer's close_notify that waits there still leaves, unless the tuple becomes another's.
    //= CLS-29
    //= N3
    fn discard_tuple(&mut self, tuple: Tuple, id: TransportId, out: &mut Outputs) {
        self.routes.unmap_tuple(&tuple, id);
        let farewell = self.transports.get(&id).map(|transport| &transport.farewell);
        match tuple {
            Tuple::Tcp(connection) => self.retire(connection, out),
            Tuple::Udp { .. } if farewell.and_then(Farewell::waits_on) == Some(tuple) => {
                self.routes.begin_parting(tuple, id);
            }
            Tuple::Udp { .. } => {}
        }
    }

    /// Consent expired: nothing more may be sent to this peer, an alert that waits included (RFC 7675 §5.1).
    //= STN-26
    pub(super) fn expire_consent(&mut self, id: TransportId, out: &mut Outputs) -> Verdict {
        let planted = self.planted;
        let late = self.is(Mutant::LateTimer);
        let transport = if late { self.in_any_phase(id) } else { self.open(id) };
        let Some(transport) = transport else { return Verdict::Late };
        let tuples = transport.ice.disconnect(planted);
        let connections: Vec<_> = transport.connections.iter().copied().collect();
        if let Some(path) = transport.farewell.waits_on() {
            transport.farewell = Farewell::Dropped(DropReason::NoConsent);
            self.routes.end_parting(&path, id);
        }
        for tuple in tuples {
            self.routes.unmap_tuple(&tuple, id);
        }
        self.disarm(Timer::Farewell(id), out);
        self.report_disconnected(id, out);
        for connection in connections {
            self.remove_connection(connection, DropReason::NoConsent, out);
            out.push(Output::CloseTcp(connection));
        }
        Verdict::Applied
    }

    /// Whether the transport is on its way out.
    pub(super) fn is_closing(&self, id: TransportId) -> bool {
        self.transports.get(&id).is_some_and(|transport| transport.phase != Phase::Open)
    }
}
