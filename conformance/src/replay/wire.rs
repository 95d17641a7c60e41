//! What is compared after a step at the peers: what came in over the wire.

use std::net::{TcpStream, UdpSocket};
use std::time::Duration;
use webrtc_server_model::{
    ConnectionId, Effect, End, Phase, State, TransportId, Tuple, Waiting, WorkerId,
};

use super::compare::Expected;
use super::perform::impossible;
use super::report::Harness;
use super::stage::Stage;
use crate::PATIENCE;
use crate::divergence::Finding;
use crate::peer::{Late, PacketSort, StreamEnd, Via};

impl Stage<'_> {
    /// The close_notify alerts, what came behind them, the ends of the streams, and carriers that were released.
    pub(super) fn compare_wire(&mut self, step: &Expected<'_>) -> Result<usize, Harness> {
        let mut compared = 0;
        self.note_leftovers(step);
        for effect in step.effects {
            if let Some((c, end)) = end_of(step.before, *effect) {
                self.expect_end(c, end)?;
            }
            if let Effect::WorkerReleased(w) = effect {
                compared += self.compare_carriers(*w);
            }
        }
        for t in step.config.transport_ids() {
            if self.clients[t.index()].is_some() {
                self.compare_alerts(t, step)?;
                self.compare_late(t, step)?;
                compared += 2;
            }
        }
        for c in step.after.core.connection_ids() {
            if step.after.world.stream(c).uses > 0 {
                self.compare_end(c)?;
                compared += 1;
            }
        }
        for stray in std::mem::take(&mut self.wires.strays) {
            self.findings.push(Finding::broken("what came in for nobody", stray));
        }
        Ok(compared)
    }

    /// The end of the server's half that the model's effects lead to; nothing if it is over already.
    fn expect_end(&mut self, c: ConnectionId, end: StreamEnd) -> Result<(), Harness> {
        let slot = &mut self.wires.connection(c)?.end;
        if *slot == Some(StreamEnd::Open) {
            *slot = Some(end);
        }
        Ok(())
    }

    /// A frame that is begun is finished, whoever has the connection by then. The alert in it counts as dropped.
    fn note_leftovers(&mut self, step: &Expected<'_>) {
        for c in step.before.core.connection_ids() {
            let (before, after) = (step.before.core.connection(c), step.after.core.connection(c));
            let taken = after.is_live() && before.owner() != after.owner();
            if let Some(t) = before.owner().filter(|_| taken)
                && before.queue().alert == Waiting::Begun
            {
                self.leftover[t.index()] += 1;
            }
        }
    }

    /// The peer has seen as many close_notify alerts as the kernel was given.
    fn compare_alerts(&mut self, t: TransportId, step: &Expected<'_>) -> Result<(), Harness> {
        let wanted = usize::from(step.after.world.peer(t).alerts);
        let seen = |stage: &Stage<'_>| {
            let client = stage.clients[t.index()].as_ref();
            client.map_or(0, |client| client.peer.observed().close_notifies.len())
        };
        self.await_until(self.patience(), |stage| seen(stage) >= wanted)?;
        if !(wanted..=wanted + self.leftover[t.index()]).contains(&seen(self)) {
            let what = format!("close_notify alerts that the peer of transport {} saw", t.0);
            self.findings.push(Finding::new(&what, &wanted, &seen(self)));
        }
        let sent = self.client(t)?.messages;
        let observed = self.client(t)?.peer.observed();
        let heard = observed.data.len();
        let (malformed, others) = (observed.malformed, observed.other_alerts);
        if !observed.fatal_alerts.is_empty() || malformed > 0 || others > 0 {
            let what = format!("what the peer of transport {} cannot use", t.0);
            let fatal = &observed.fatal_alerts;
            let got = format!("alerts {fatal:?}, {others} other alerts, {malformed} malformed");
            self.findings.push(Finding::broken(&what, got));
        }
        // Of messages some may go with their connection; none comes that nobody sent.
        if heard > sent {
            let what = format!("messages that the peer of transport {} heard", t.0);
            self.findings.push(Finding::new(&what, &format!("{sent} at most"), &heard));
        }
        Ok(())
    }

    fn compare_end(&mut self, c: ConnectionId) -> Result<(), Harness> {
        let Some(wanted) = self.wires.connection(c)?.end else { return Ok(()) };
        if wanted != StreamEnd::Open {
            self.resume(c)?;
            self.await_until(self.patience(), |stage| {
                stage.wires.end(c).is_some_and(|end| end != StreamEnd::Open)
            })?;
        }
        let got = self.wires.end(c);
        if got != Some(wanted) {
            let what = format!("the end of connection {} that its peer saw", c.0);
            self.findings.push(Finding::new(&what, &Some(wanted), &got));
        }
        Ok(())
    }

    /// Behind the close_notify nothing comes but answers to checks, from a transport that is still open, or the rest of
    /// one that was begun.
    fn compare_late(&mut self, t: TransportId, step: &Expected<'_>) -> Result<(), Harness> {
        let observed = self.client(t)?.peer.observed();
        let Some(first) = observed.close_notifies.first().copied() else { return Ok(()) };
        let begun = self
            .wires
            .tuple(first)
            .connection()
            .is_some_and(|c| step.before.core.connection(c).queue().other == Waiting::Begun);
        let old = self.old_paths(t, step);
        let client = self.clients[t.index()].as_mut().ok_or_else(|| impossible("no peer"))?;
        let observed = client.peer.observed();
        let late = observed.after_close_notify.iter().copied().filter(|late| late.via == first);
        let (stun, mut other): (Vec<Late>, Vec<Late>) =
            late.partition(|late| late.sort == PacketSort::Stun);
        let seen = client.late.replace(observed.after_close_notify.len());
        // What was sent before it on another path has come in by the end of that step.
        let news =
            &observed.after_close_notify[seen.unwrap_or(observed.after_close_notify.len())..];
        let elsewhere = news.iter().filter(|late| late.via != first);
        let elsewhere = elsewhere.filter(|late| late.sort != PacketSort::Stun);
        other.extend(elsewhere.filter(|late| !old.contains(&late.via)));
        let may_answer = begun || step.after.core.transport(t).phase == Phase::Open;
        let more = stun.len() > client.late_stun;
        client.late_stun = stun.len();
        if !other.is_empty() || (more && !may_answer) {
            let what = format!("what came behind the close_notify of transport {}", t.0);
            self.findings.push(Finding::broken(&what, format!("{other:?} {stun:?}")));
        }
        Ok(())
    }

    /// The paths on which there may be what was sent long ago: the peer did not read it, or it was queued, or there is
    /// an alert which was begun on a connection that is another's now.
    fn old_paths(&self, t: TransportId, step: &Expected<'_>) -> Vec<Via> {
        let is_old = |c: &ConnectionId| {
            let queued = !step.before.core.connection(*c).queue().is_empty();
            queued || self.leftover[t.index()] > 0 || self.wires.was_paused(*c)
        };
        let connections = step.before.core.connection_ids().filter(is_old);
        connections.map(|c| self.wires.via(Tuple::Tcp(c))).collect()
    }

    /// The addresses of a worker are free again: nobody but the server had them.
    fn compare_carriers(&mut self, w: WorkerId) -> usize {
        let mut compared = 0;
        for s in self.config.sockets_of(w) {
            if let Err(error) = UdpSocket::bind(self.sockets[s.index()]) {
                let what = format!("UDP socket {} after its release", s.0);
                self.findings.push(Finding::broken(&what, error.to_string()));
            }
            compared += 1;
        }
        for l in self.config.listeners_of(w) {
            if TcpStream::connect_timeout(&self.listeners[l.index()], PATIENCE).is_ok() {
                let what = format!("listener {} after its release", l.0);
                self.findings.push(Finding::broken(&what, "somebody listens".to_owned()));
            }
            compared += 1;
        }
        compared
    }

    /// What has gone wrong in the server already is not waited for.
    pub(super) fn patience(&self) -> Duration {
        if self.findings.is_empty() { PATIENCE } else { Duration::ZERO }
    }
}

/// How a connection ends by an effect. A descriptor that is closed over unread input resets the connection, unless our
/// FIN was sent before.
#[expect(clippy::wildcard_enum_match_arm, reason = "no other effect ends a connection")]
pub(super) fn end_of(before: &State, effect: Effect) -> Option<(ConnectionId, StreamEnd)> {
    match effect {
        Effect::ShutdownWrite(c) => Some((c, StreamEnd::Fin)),
        Effect::CloseConnection(c) => {
            let stream = before.world.stream(c);
            let resets = stream.unread && stream.end == End::Open;
            Some((c, if resets { StreamEnd::Reset } else { StreamEnd::Fin }))
        }
        Effect::AbortConnection(c) => Some((c, StreamEnd::Reset)),
        _ => None,
    }
}
