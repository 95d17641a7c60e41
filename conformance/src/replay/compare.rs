//! What is compared after a step, on the server's side.

use std::collections::BTreeSet;
use webrtc_server::control::events::TransportEvent;
use webrtc_server::lifecycle;
use webrtc_server::parameters::Protocol;
use webrtc_server::shell::{Alarm, Ready};
use webrtc_server_model::{
    Action, CloseReason, Config, Core, DtlsState, Effect, IceState, Outcome, Phase, ServerPhase,
    State, Stream, TransportId, Via,
};

use super::alarms;
use super::report::{Finding, Harness};
use super::stage::Stage;
use crate::lockstep::abstraction::{self, View};
use crate::lockstep::effects;
use crate::lockstep::names::{self, Names};
use crate::lockstep::report::describe_cores;

/// One step of the model.
pub(super) struct Expected<'a> {
    pub(super) config: &'a Config,
    pub(super) before: &'a State,
    pub(super) effects: &'a [Effect],
    pub(super) after: &'a State,
}

/// What an owner hears, in the model's words.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Told {
    Selected(Option<Via>),
    Ice(IceState),
    Dtls(DtlsState),
    /// DTLS is connected, and here are no keys.
    Keyless,
    Data,
    ServerCloses,
    Closed(CloseReason, Outcome),
}

impl Stage {
    /// Compares everything. How many things were compared; what differs is in `findings`.
    pub(super) fn compare(
        &mut self,
        step: &Expected<'_>,
        got: &[Effect],
    ) -> Result<usize, Harness> {
        let mut compared = step.effects.len();
        if let Some((expected, got)) = effects::difference(&step.before.core, step.effects, got) {
            self.findings.push(Finding::new("the effects", &expected, &got));
        }
        compared += self.compare_state(step.after);
        compared += self.compare_alarms(step.config, step.after);
        self.compare_ready(step.after);
        compared += self.compare_owners(step.effects);
        compared += self.compare_callers(step.after);
        self.compare_outcomes(step);
        compared += self.compare_wire(step)?;
        Ok(compared)
    }

    /// The state of the core and of the barrier.
    pub(super) fn compare_state(&mut self, model: &State) -> usize {
        let expected = abstraction::comparable(&model.core);
        match self.abstraction() {
            Ok(got) if got == expected => {}
            Ok(got) => {
                let (expected, got) = describe_cores(&expected, &got);
                self.findings.push(Finding { what: "the state".to_owned(), expected, got });
            }
            Err(what) => {
                let expected = format!("{expected:?}");
                self.findings.push(Finding { what: "the state".to_owned(), expected, got: what });
            }
        }
        1 + model.core.transports.len()
    }

    /// The state in the model's words.
    fn abstraction(&self) -> Result<Core, String> {
        let opened = |index| self.book.connection(TransportId(index as u8)).is_some();
        let streams = (0..self.clients.len())
            .map(|index| if opened(index) { Stream::Open } else { Stream::None })
            .collect();
        abstraction::core(&View {
            worker: self.worker.core(),
            server: &self.barrier.server,
            grant: self.barrier.grant,
            reports: &self.reports,
            streams,
            farewell_paths: &self.farewell_paths,
            names: &self.book,
        })
    }

    fn compare_alarms(&mut self, config: &Config, model: &State) -> usize {
        let expected = alarms::expected(config, model, &self.book);
        let armed: BTreeSet<Alarm> = self.worker.alarms().into_iter().collect();
        if expected != armed {
            self.findings.push(Finding::new("the alarms", &expected, &armed));
        }
        let expected_timers = alarms::expected_timers(model, &self.book);
        let timers = self.worker.core().timers();
        if expected_timers != *timers {
            self.findings.push(Finding::new("the timers of the core", &expected_timers, timers));
        }
        expected.len() + expected_timers.len()
    }

    /// Nothing is ready but what is held back for an action that can happen.
    fn compare_ready(&mut self, model: &State) {
        let waits = |id: lifecycle::ConnectionId| {
            let t = self.book.opener(id).ok();
            t.is_some_and(|t| !model.core.transport(t).tcp.queue().is_empty())
        };
        let stray = self.worker.ready().iter().copied().filter(|ready| match ready {
            Ready::ConnectionWritable(id) => !waits(*id),
            Ready::SocketWritable(_) => !self.is_held(*ready),
            Ready::SocketReadable(_)
            | Ready::ListenerReadable(_)
            | Ready::ConnectionReadable(_)
            | Ready::Alarm(_) => true,
        });
        let stray: Vec<_> = stray.collect();
        if !stray.is_empty() {
            self.findings.push(Finding::broken("what is ready", format!("{stray:?}")));
        }
    }

    /// The owner of each transport heard of every effect that it is told of, in order, and nothing else.
    fn compare_owners(&mut self, effects: &[Effect]) -> usize {
        let mut compared = 0;
        for index in 0..self.owners.len() {
            let t = TransportId(index as u8);
            let mine = effects.iter().filter(|effect| effect.transport() == Some(t));
            let expected: Vec<Told> = mine.flat_map(|effect| told_of(*effect)).collect();
            let heard = self.owners[index].take_heard();
            let heard: Result<Vec<Told>, String> =
                heard.iter().map(|event| self.told_by(t, event)).collect();
            if heard.as_ref() != Ok(&expected) {
                let what = format!("what the owner of transport {index} heard");
                self.findings.push(Finding::new(&what, &expected, &heard));
            }
            let closed = self.owners[index].closed.get().map(|closed| {
                let outcome = names::outcome(closed.outcome).ok();
                (names::close_reason(closed.reason), outcome)
            });
            let reported = self.reports[index].map(|(reason, outcome)| (reason, Some(outcome)));
            if closed != reported {
                let what = format!("what those who wait for transport {index} got");
                self.findings.push(Finding::new(&what, &reported, &closed));
            }
            compared += expected.len() + 1;
        }
        compared
    }

    fn told_by(&mut self, t: TransportId, event: &TransportEvent) -> Result<Told, String> {
        Ok(match event {
            TransportEvent::IceStateChange(state) => Told::Ice(names::ice_state(*state)),
            TransportEvent::IceSelectedTupleChange(None) => Told::Selected(None),
            TransportEvent::IceSelectedTupleChange(Some(tuple)) => {
                let via = match tuple.protocol {
                    Protocol::Udp => Via::Udp,
                    Protocol::Tcp => Via::Tcp,
                };
                let client = &mut self.clients[t.index()];
                let path = client.path(via).map_err(|error| error.to_string())?;
                let local = client.peer.path(path).map_err(|error| error.to_string())?.local_addr();
                if tuple.remote_port != local.port() {
                    return Err(format!("{tuple:?} is not the peer at {local}"));
                }
                Told::Selected(Some(via))
            }
            TransportEvent::DtlsStateChange { state, connected, .. } => {
                let state = names::dtls_state(*state);
                let keyless = state == DtlsState::Connected && connected.is_none();
                if keyless { Told::Keyless } else { Told::Dtls(state) }
            }
            TransportEvent::Data(_) => Told::Data,
            TransportEvent::ListenServerClose => Told::ServerCloses,
            TransportEvent::Close { reason, outcome } => {
                Told::Closed(names::close_reason(*reason), names::outcome(*outcome)?)
            }
        })
    }

    fn compare_callers(&mut self, model: &State) -> usize {
        if self.barrier.callers != model.world.callers {
            let (expected, got) = (&model.world.callers, &self.barrier.callers);
            self.findings.push(Finding::new("the callers of close()", expected, got));
        }
        model.world.callers.len()
    }

    /// With `WorkerDrained` come the outcomes of the transports that the server's close ended.
    fn compare_outcomes(&mut self, step: &Expected<'_>) {
        if !step.effects.contains(&Effect::WorkerDrained) {
            return;
        }
        let transports = step.after.core.transports.iter().zip(&self.open_at_close).enumerate();
        let ended = transports.filter(|(_, (_, phase))| **phase != Phase::Closed);
        let expected: Vec<_> =
            ended.map(|(index, (transport, _))| (index as u64, transport.outcome)).collect();
        let mut got: Vec<_> = self.barrier.outcomes.iter().flatten().collect();
        got.sort_by_key(|(id, _)| *id);
        let got: Vec<_> = got.iter().map(|(id, o)| (*id, names::outcome(*o).ok())).collect();
        if expected != got {
            self.findings.push(Finding::new("the outcomes of the close", &expected, &got));
        }
    }

    /// Remembers who is there when the server's close begins.
    pub(super) fn note_close(&mut self, before: &State, action: Action) {
        let begins = matches!(action, Action::OwnerClosesServer { .. })
            && before.core.server == ServerPhase::Open;
        if begins {
            self.open_at_close = before.core.transports.iter().map(|t| t.phase).collect();
        }
    }
}

/// What the owner is told of an effect.
fn told_of(effect: Effect) -> Vec<Told> {
    match effect {
        Effect::SelectedTupleChanged(_, via) => vec![Told::Selected(via)],
        Effect::IceStateChanged(_, state) => vec![Told::Ice(state)],
        Effect::DtlsStateChanged(_, state) => vec![Told::Dtls(state)],
        Effect::TransportClosed(_, reason, outcome) => match reason {
            CloseReason::Owner => vec![Told::Closed(reason, outcome)],
            CloseReason::ServerClosed => vec![Told::ServerCloses, Told::Closed(reason, outcome)],
        },
        Effect::StopAccepting
        | Effect::MakeAlert(_)
        | Effect::OfferDatagramAlert(_)
        | Effect::Unmap(_)
        | Effect::AlertWritten(_)
        | Effect::ShutdownWrite(_)
        | Effect::CloseConnection(_)
        | Effect::AbortConnection(_)
        | Effect::WorkerDrained
        | Effect::ReleaseSocket
        | Effect::ReleaseListener
        | Effect::WorkerReleased
        | Effect::CallersComplete => Vec::new(),
    }
}
