//! Behind a handshake and at the end of a trace: old datagrams of a peer change nothing in a transport that is open and
//! connected.

use webrtc_server_model::{DtlsState, Phase, ServerPhase, State, TransportId};

use super::perform::selected;
use super::report::{Finding, Harness};
use super::stage::Stage;

impl Stage {
    /// Sends a peer's first and last DTLS datagrams again, of each transport that can be reached. How many were sent.
    pub(super) fn probe(&mut self, state: &State) -> Result<usize, Harness> {
        let mut sent = 0;
        if state.core.server != ServerPhase::Open {
            return Ok(sent);
        }
        for (index, transport) in state.core.transports.iter().enumerate() {
            let reachable = transport.phase == Phase::Open
                && transport.dtls == DtlsState::Connected
                && transport.selected.is_some();
            if !reachable {
                continue;
            }
            let t = TransportId(index as u8);
            let via = selected(state, t)?;
            let last = self.clients[index].peer.sent().len().saturating_sub(1);
            for datagram in [0, last] {
                let client = &mut self.clients[index];
                let path = client.path(via)?;
                client.peer.resend(path, datagram)?;
                self.deliver_packets(t, via)?;
                sent += 1;
            }
        }
        self.settle()?;
        let effects = self.read_journal()?;
        if !effects.is_empty() {
            self.findings.push(Finding::broken("what old datagrams do", format!("{effects:?}")));
        }
        if sent > 0 {
            self.compare_state(state);
        }
        for client in &mut self.clients {
            client.peer.collect()?;
        }
        Ok(sent)
    }
}
