//! Flights of the server: none is lost unless what carried it is, so that OpenSSL need not repeat it.

use std::time::Instant;

use webrtc_server::lifecycle::{Input, RecordKind, SocketId as RealSocket, Tuple, Verdict};
use webrtc_server::shell::JournalEntry;
use webrtc_server_model::TransportId;

use super::report::Harness;
use super::stage::Stage;
use crate::PATIENCE;
use crate::divergence::Finding;
use crate::lockstep::names;

/// One datagram of a flight, and where the server sent it.
#[derive(Clone, Debug)]
pub(super) struct Flight {
    t: TransportId,
    datagram: Vec<u8>,
    path: Tuple,
}

impl Flight {
    /// What an entry of the journal says of one; none if there was no path for it, or only a full socket.
    pub(super) fn of(entry: &JournalEntry, is_full: impl Fn(RealSocket) -> bool) -> Option<Self> {
        let Input::RecordsMade { transport, datagram, kind: RecordKind::Flight } = &entry.input
        else {
            return None;
        };
        let path = entry.core.transports().get(transport)?.ice.selected?;
        let has_room = match path {
            Tuple::Udp { socket, .. } => !is_full(socket),
            Tuple::Tcp(_) => true,
        };
        let t = names::model_transport(*transport).ok()?;
        let is_sent = has_room && entry.step.verdict == Verdict::Applied;
        is_sent.then(|| Flight { t, datagram: datagram.clone(), path })
    }
}

impl Stage<'_> {
    /// What the server has said of a handshake by the path that it uses still has come in, or does now.
    pub(super) fn expect_flights(&mut self, t: TransportId) -> Result<(), Harness> {
        let deadline = Instant::now() + PATIENCE;
        while self.missing_flights(t) > 0 {
            if Instant::now() >= deadline {
                let (what, missing) =
                    ("datagrams of flights that were lost", self.missing_flights(t));
                self.findings.push(Finding::new(what, &0, &missing));
                break;
            }
            self.listen(t)?;
        }
        self.flights.retain(|flight| flight.t != t);
        Ok(())
    }

    /// A connection that is gone, or a path that is left, takes with it what it carried.
    fn missing_flights(&self, t: TransportId) -> usize {
        let core = self.workers[self.config.worker_of(t).index()].core();
        let transport = core.transports().get(&names::transport(t));
        let path = transport.and_then(|transport| transport.ice.selected);
        let of_path =
            self.flights.iter().filter(|flight| flight.t == t && Some(flight.path) == path);
        of_path.filter(|flight| !self.wires.has_arrived(&flight.datagram)).count()
    }
}
