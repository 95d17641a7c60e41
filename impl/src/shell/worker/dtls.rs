//! The DTLS sessions of a worker: records in, records and events out.

use super::{Slot, Worker};
use crate::fingerprint::Fingerprint;
use crate::lifecycle::{self, DtlsReason, DtlsState, Input, RecordKind, Transport, TransportId};
use crate::mutants::Mutant;
use crate::shell::dtls::{
    DtlsConnected, DtlsContext, DtlsEvent, DtlsFailure, DtlsRole, DtlsSession,
};
use crate::shell::timers::Alarm;
use std::time::Duration;

/// What a worker keeps for the DTLS of one transport.
pub(super) struct DtlsSlot {
    context: DtlsContext,
    session: Option<DtlsSession>,
    fingerprints: Option<Vec<Fingerprint>>,
    connected: Option<Box<DtlsConnected>>,
}

impl DtlsSlot {
    pub(super) fn new(context: DtlsContext) -> Self {
        DtlsSlot { context, session: None, fingerprints: None, connected: None }
    }
}

impl Worker {
    pub(super) fn start_dtls(&mut self, id: TransportId, role: lifecycle::DtlsRole) {
        let Some(Slot { dtls: Some(dtls), .. }) = self.slots.get_mut(&id) else { return };
        match DtlsSession::with_mutant(&dtls.context, role.into(), self.planted) {
            Ok(mut session) => {
                if let Some(fingerprints) = dtls.fingerprints.clone() {
                    session.expect_fingerprints(fingerprints);
                }
                session.start();
                dtls.session = Some(session);
                self.collect(id, RecordKind::Flight);
            }
            Err(error) => {
                tracing::warn!(target: "dtls", %error, "no DTLS session");
                let reason = DtlsReason::Handshake;
                self.answers.push_back(Input::HandshakeFailed { transport: id, reason });
            }
        }
    }

    /// The owner has connected. Our role is seen before what is heard because of that.
    //= DTL-03
    pub(super) fn expect_fingerprints(&mut self, id: TransportId, fingerprints: Vec<Fingerprint>) {
        let role = self.core.transports().get(&id).map(Transport::role_to_play);
        let Some(slot) = self.slots.get_mut(&id) else { return };
        if let Some(role) = role {
            slot.owner.play(role);
        }
        let Some(dtls) = &mut slot.dtls else { return };
        dtls.fingerprints = Some(fingerprints.clone());
        if let Some(session) = &mut dtls.session {
            session.expect_fingerprints(fingerprints);
            self.collect(id, RecordKind::Flight);
        }
    }

    pub(super) fn feed_dtls(&mut self, id: TransportId, datagram: &[u8]) {
        let Some(slot) = self.slots.get_mut(&id) else { return };
        slot.bytes_received += datagram.len() as u64;
        if let Some(session) = slot.dtls.as_mut().and_then(|dtls| dtls.session.as_mut()) {
            session.receive(datagram);
            self.collect(id, RecordKind::Flight);
        }
    }

    pub(super) fn encrypt(&mut self, id: TransportId, data: &[u8]) {
        let Some(session) = self.session(id) else { return };
        match session.send(data) {
            Ok(()) => self.collect(id, RecordKind::Data),
            Err(_) => self.stats.sends_refused += 1,
        }
    }

    pub(super) fn make_close_notify(&mut self, id: TransportId) {
        let made = self.session(id).and_then(|session| {
            let made = session.close_notify();
            session.poll_datagram().filter(|_| made)
        });
        self.timers.disarm(Alarm::Retransmit(id));
        self.answers.push_back(Input::CloseNotifyMade { transport: id, datagram: made });
    }

    pub(super) fn drop_dtls(&mut self, id: TransportId) {
        self.timers.disarm(Alarm::Retransmit(id));
        let dtls = self.slots.get_mut(&id).and_then(|slot| slot.dtls.take());
        let session = dtls.and_then(|dtls| dtls.session);
        if self.planted.is(Mutant::ErrorQueueLeft) {
            session.iter().for_each(DtlsSession::shut_down_blindly);
        }
    }

    /// No input of the core leads here: what comes of it is fed by itself.
    //= DTL-14
    pub(super) fn retransmit(&mut self, id: TransportId) {
        if let Some(session) = self.session(id) {
            session.handle_timeout();
            self.collect(id, RecordKind::Flight);
            let _ = self.feed_answers();
        }
    }

    /// What `connected` is announced with, once.
    //= DTL-25
    pub(super) fn take_connected(
        &mut self,
        id: TransportId,
        state: DtlsState,
    ) -> Option<Box<DtlsConnected>> {
        let slot = self.slots.get_mut(&id).filter(|_| state == DtlsState::Connected)?;
        slot.dtls.as_mut()?.connected.take()
    }

    /// The largest message that [`Input::DataSubmitted`] may carry.
    pub(super) fn data_bytes_max(&mut self, id: TransportId) -> Option<usize> {
        self.session(id).map(|session| session.data_bytes_max())
    }

    fn session(&mut self, id: TransportId) -> Option<&mut DtlsSession> {
        self.slots.get_mut(&id)?.dtls.as_mut()?.session.as_mut()
    }

    /// Takes what a session has to send and to tell: first its datagrams, then its events, so that the flight that
    /// ends a handshake, or the alert that breaks it, leaves before the state changes.
    fn collect(&mut self, id: TransportId, kind: RecordKind) {
        let Some(Slot { dtls: Some(dtls), .. }) = self.slots.get_mut(&id) else { return };
        let Some(session) = &mut dtls.session else { return };
        while let Some(datagram) = session.poll_datagram() {
            self.answers.push_back(Input::RecordsMade { transport: id, datagram, kind });
        }
        while let Some(event) = session.poll_event() {
            self.answers.push_back(match event {
                DtlsEvent::Connected(connected) => {
                    self.stats.handshakes_completed += 1;
                    dtls.connected = Some(connected);
                    Input::HandshakeCompleted { transport: id }
                }
                DtlsEvent::Failed(failure) => {
                    tracing::debug!(target: "dtls", %failure, "DTLS failed");
                    Input::HandshakeFailed { transport: id, reason: reason_of(&failure) }
                }
                DtlsEvent::CloseNotifyReceived => {
                    self.stats.alerts_received += 1;
                    Input::CloseNotifyReceived { transport: id }
                }
                DtlsEvent::FatalAlertReceived(code) => {
                    self.stats.alerts_received += 1;
                    Input::FatalAlertReceived { transport: id, code }
                }
                DtlsEvent::Data(data) => Input::DataReceived { transport: id, data },
            });
        }
        match session.next_timeout() {
            Some(_) if self.planted.is(Mutant::TimerAtZero) => {
                self.arm(Alarm::Retransmit(id), Duration::ZERO);
            }
            Some(after) => self.arm(Alarm::Retransmit(id), after),
            None => self.timers.disarm(Alarm::Retransmit(id)),
        }
    }
}

impl From<lifecycle::DtlsRole> for DtlsRole {
    /// Whoever waits to be told its role waits for the ClientHello.
    fn from(role: lifecycle::DtlsRole) -> Self {
        match role {
            lifecycle::DtlsRole::Client => DtlsRole::Client,
            lifecycle::DtlsRole::Server | lifecycle::DtlsRole::Auto => DtlsRole::Server,
        }
    }
}

fn reason_of(failure: &DtlsFailure) -> DtlsReason {
    match failure {
        DtlsFailure::FingerprintMismatch => DtlsReason::FingerprintMismatch,
        DtlsFailure::NoSrtpProfile => DtlsReason::NoSrtpProfile,
        DtlsFailure::AlertReceived(0) => DtlsReason::CloseNotify,
        DtlsFailure::AlertReceived(code) => DtlsReason::Alert(*code),
        DtlsFailure::Handshake(_) => DtlsReason::Handshake,
        DtlsFailure::Protocol(_) => DtlsReason::Protocol,
    }
}
