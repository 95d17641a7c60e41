//! What only a [`Mutant`] does. Where it departs from the right code, that code asks [`Worker::is`].

use super::{Outputs, Worker};
use crate::lifecycle::ids::TransportId;
use crate::lifecycle::output::Verdict;
use crate::lifecycle::state::{CloseReason, DtlsReason, DtlsState, NotNeeded};
use crate::lifecycle::transport::{Phase, Transport};
use crate::mutants::{Mutant, Planted};

impl Worker {
    /// Whether this worker is that mutant.
    pub(super) fn is(&self, mutant: Mutant) -> bool {
        self.planted.is(mutant)
    }

    /// The transport whose consent may expire: an open one.
    pub(super) fn consenting(&mut self, id: TransportId) -> Option<&mut Transport> {
        if self.is(Mutant::LateTimer) { self.transports.get_mut(&id) } else { self.open(id) }
    }

    /// Whether the transport to which a connection belonged is on its way out.
    pub(super) fn is_left(&self, owner: Option<TransportId>) -> bool {
        owner.is_some_and(|owner| self.is_closing(owner))
    }

    /// What an error queue does that nobody empties.
    pub(super) fn end_another_association(&mut self, out: &mut Outputs) {
        let is_connected = |transport: &Transport| {
            transport.phase == Phase::Open && transport.dtls == DtlsState::Connected
        };
        let another = self.transports.iter().find(|(_, transport)| is_connected(transport));
        if let Some(id) = another.map(|(id, _)| *id) {
            let _ = self.end_association(id, DtlsReason::Handshake, out);
        }
    }

    /// An alert that waits is taken for sent, and the answer is not awaited.
    pub(super) fn count_as_sent(&mut self, id: TransportId, out: &mut Outputs) {
        if self.farewell_sent(id, out) == Verdict::Applied {
            let _ = self.farewell_deadline(id, out);
        }
    }
}

impl Planted {
    /// Why a transport that closes says nothing, if it does not.
    pub(super) fn excuse(self, transport: &Transport, reason: CloseReason) -> Option<NotNeeded> {
        let excuse = transport.excuse();
        let has_path = transport.ice.selected.is_some();
        if self.is(Mutant::AlertTwice) && excuse == Some(NotNeeded::PeerClosed) && has_path {
            return None;
        }
        if self.is(Mutant::SilentServerClose) && reason == CloseReason::ServerClosed {
            return excuse.or(Some(NotNeeded::NoPath));
        }
        excuse
    }
}
