//! Behind a handshake and at the end of a trace: old datagrams of a peer change nothing in a transport that is open and
//! connected.

use webrtc_server_model::{DtlsState, Phase, Room, ServerPhase, State, TransportId, Tuple};

use super::perform::selected;
use super::report::{Finding, Harness};
use super::stage::Stage;

impl Stage<'_> {
    /// Sends a peer's first and last DTLS datagrams again, of each transport that can be reached. How many were sent.
    pub(super) fn probe(&mut self, state: &State) -> Result<usize, Harness> {
        let mut sent = 0;
        if state.core.server != ServerPhase::Open {
            return Ok(sent);
        }
        for t in state.core.transport_ids().filter(|t| is_reachable(state, *t)) {
            let path = selected(state, t)?;
            let last = self.client(t)?.peer.sent().len().saturating_sub(1);
            for index in [0, last] {
                let datagram = self.client(t)?.peer.sent()[index].clone();
                self.wires.send(path, &datagram)?;
                self.deliver_packets(path)?;
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
        self.collect()?;
        Ok(sent)
    }
}

fn is_reachable(state: &State, t: TransportId) -> bool {
    let transport = state.core.transport(t);
    let arrives = transport.selected.is_some_and(|path| match path {
        Tuple::Udp(_) => true,
        Tuple::Tcp(c) => {
            let stream = state.world.stream(c);
            stream.room != Room::Broken && !stream.unread
        }
    });
    transport.phase == Phase::Open && transport.dtls == DtlsState::Connected && arrives
}
