//! What is compared after a step at the peers: what came in over the wire.

use std::net::{TcpStream, UdpSocket};
use std::time::Duration;
use webrtc_server_model::{Effect, Phase, ServerPhase, TransportId};

use super::PATIENCE;
use super::compare::Expected;
use super::perform::expect;
use super::report::{Finding, Harness};
use super::stage::Stage;
use crate::peer::{Late, PacketSort, StreamEnd};

impl Stage {
    /// The close_notify alerts, what came behind them, and the ends of the streams.
    pub(super) fn compare_wire(&mut self, step: &Expected<'_>) -> Result<usize, Harness> {
        for effect in step.effects {
            match effect {
                Effect::ShutdownWrite(t) | Effect::CloseConnection(t) => {
                    self.expect_end(*t, StreamEnd::Fin);
                }
                Effect::AbortConnection(t) => self.expect_end(*t, StreamEnd::Reset),
                Effect::StopAccepting
                | Effect::MakeAlert(_)
                | Effect::OfferDatagramAlert(_)
                | Effect::Unmap(_)
                | Effect::AlertWritten(_)
                | Effect::SelectedTupleChanged(..)
                | Effect::IceStateChanged(..)
                | Effect::DtlsStateChanged(..)
                | Effect::TransportClosed(..)
                | Effect::WorkerDrained
                | Effect::ReleaseSocket
                | Effect::ReleaseListener
                | Effect::WorkerReleased
                | Effect::CallersComplete => {}
            }
        }
        for index in 0..self.clients.len() {
            let t = TransportId(index as u8);
            self.compare_alerts(t, step)?;
            self.compare_end(t)?;
            self.compare_late(t, step);
        }
        let mut compared = 3 * self.clients.len();
        if step.after.core.server == ServerPhase::Closed
            && step.before.core.server != ServerPhase::Closed
        {
            self.compare_carriers();
            compared += 2;
        }
        Ok(compared)
    }

    /// The peer has seen as many close_notify alerts as the kernel was given. Whatever it is that came, it was for its own
    /// DTLS session: it could decrypt it.
    fn compare_alerts(&mut self, t: TransportId, step: &Expected<'_>) -> Result<(), Harness> {
        let wanted = usize::from(step.after.world.peers[t.index()].alerts);
        let patience = self.patience();
        let peer = &mut self.clients[t.index()].peer;
        let seen = |peer: &crate::peer::Peer| peer.observed().close_notifies.len();
        expect(peer.await_until("a close_notify", patience, |peer| seen(peer) >= wanted))?;
        if seen(peer) != wanted {
            let what = format!("close_notify alerts that the peer of transport {} saw", t.0);
            self.findings.push(Finding::new(&what, &wanted, &seen(peer)));
        }
        let observed = peer.observed();
        if !observed.fatal_alerts.is_empty() || observed.malformed > 0 {
            let what = format!("what the peer of transport {} cannot use", t.0);
            let got =
                format!("alerts {:?}, {} malformed", observed.fatal_alerts, observed.malformed);
            self.findings.push(Finding::broken(&what, got));
        }
        Ok(())
    }

    fn compare_end(&mut self, t: TransportId) -> Result<(), Harness> {
        let client = &self.clients[t.index()];
        let (Some(path), Some(wanted)) = (client.stream(), client.end) else { return Ok(()) };
        if wanted != StreamEnd::Open {
            self.resume(t)?;
            let patience = self.patience();
            let peer = &mut self.clients[t.index()].peer;
            let ended =
                |peer: &crate::peer::Peer| peer.end(path).is_ok_and(|e| e != StreamEnd::Open);
            expect(peer.await_until("the end of the stream", patience, ended))?;
        }
        let end = self.clients[t.index()].peer.end(path)?;
        if end != wanted {
            let what = format!("the end of the stream that the peer of transport {} saw", t.0);
            self.findings.push(Finding::new(&what, &wanted, &end));
        }
        Ok(())
    }

    /// Behind the close_notify nothing comes but, from a transport that is still open, answers to checks.
    fn compare_late(&mut self, t: TransportId, step: &Expected<'_>) {
        let client = &mut self.clients[t.index()];
        let observed = client.peer.observed();
        let Some(first) = observed.close_notifies.first() else { return };
        let late = observed.after_close_notify.iter().copied().filter(|late| late.via == *first);
        let (stun, other): (Vec<Late>, Vec<Late>) =
            late.partition(|late| late.sort == PacketSort::Stun);
        let may_answer = step.after.core.transport(t).phase == Phase::Open;
        if !other.is_empty() || (stun.len() > client.late_stun && !may_answer) {
            let what = format!("what came behind the close_notify of transport {}", t.0);
            self.findings.push(Finding::broken(&what, format!("{other:?} {stun:?}")));
        }
        client.late_stun = stun.len();
    }

    /// The addresses are free again: nobody but the server had them.
    fn compare_carriers(&mut self) {
        if let Err(error) = UdpSocket::bind(self.udp) {
            self.findings.push(Finding::broken("the UDP socket after the end", error.to_string()));
        }
        if TcpStream::connect_timeout(&self.tcp, PATIENCE).is_ok() {
            let got = "somebody listens".to_owned();
            self.findings.push(Finding::broken("the listener after the end", got));
        }
    }

    /// What has gone wrong in the server already is not waited for.
    fn patience(&self) -> Duration {
        if self.findings.is_empty() { PATIENCE } else { Duration::ZERO }
    }
}
