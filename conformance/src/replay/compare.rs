//! What is compared after a step, on the server's side.

use std::fmt::Debug;

use webrtc_server::control::events::TransportEvent;
use webrtc_server::lifecycle;
use webrtc_server::parameters::{Protocol, TransportTuple};
use webrtc_server::shell::Ready;
use webrtc_server_model::{
    Action, AddressId, CloseReason, Config, ConnectionId, Core, DtlsState, Effect, End, IceState,
    ListenerId, Outcome, Room, State, Stream, TransportId, Tuple, WorkerId,
};

use super::alarms;
use super::report::Harness;
use super::stage::Stage;
use super::things::Things;
use crate::divergence::Finding;
use crate::lockstep::abstraction::{self, View};
use crate::lockstep::effects;
use crate::lockstep::names;
use crate::lockstep::outside::Creation;

/// One step of the model.
pub(super) struct Expected<'a> {
    pub(super) config: &'a Config,
    pub(super) before: &'a State,
    pub(super) action: Action,
    pub(super) effects: &'a [Effect],
    pub(super) after: &'a State,
}

/// What an owner hears, in the model's words.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Told {
    Selected(Option<Tuple>),
    Ice(IceState),
    Dtls(DtlsState),
    /// DTLS is connected, and here are no keys.
    Keyless,
    Data,
    ServerCloses,
    Closed(CloseReason, Outcome),
}

impl Stage<'_> {
    /// Compares everything. What was compared; what differs is in `findings`.
    pub(super) fn compare(
        &mut self,
        step: &Expected<'_>,
        got: &[Effect],
    ) -> Result<Things, Harness> {
        let difference = effects::difference(&step.before.core, step.action, step.effects, got);
        if let Some((expected, got)) = difference {
            self.findings.push(Finding::new("the effects", &expected, &got));
        }
        let states = self.compare_state(step.after);
        let alarms = self.compare_alarms(step.config, step.after);
        self.compare_ready(step.after);
        let callbacks = self.compare_owners(step.effects);
        let callers = self.compare_callers(step.after);
        self.compare_outcomes(step);
        let wire = self.compare_wire(step)?;
        let leavings = self.compare_leavings() + self.compare_descriptors()?;
        let effects = step.effects.len();
        Ok(Things { effects, states, alarms, callbacks, callers, leavings, wire })
    }

    /// The state of the cores and of the barrier.
    pub(super) fn compare_state(&mut self, model: &State) -> usize {
        let streams = self.streams();
        let expected = abstraction::comparable(&model.core, &streams);
        let got = self.abstraction(&streams).map(|got| abstraction::comparable(&got, &streams));
        match got {
            Ok(got) if got == expected => {}
            Ok(got) => {
                let (expected, got) = describe(&expected, &got);
                self.findings.push(Finding { what: "the state".to_owned(), expected, got });
            }
            Err(what) => {
                let expected = format!("{expected:?}");
                self.findings.push(Finding { what: "the state".to_owned(), expected, got: what });
            }
        }
        let core = &model.core;
        1 + core.workers.len() + core.transports.len() + core.connections.len()
    }

    /// The state in the model's words.
    fn abstraction(&self, streams: &[Stream]) -> Result<Core, String> {
        abstraction::core(&View {
            config: self.config,
            workers: self.workers.iter().map(webrtc_server::shell::Worker::core).collect(),
            server: &self.barrier.server,
            close: &self.barrier.closes,
            grant: &self.barrier.grants,
            creation: &self.creation,
            reports: &self.reports,
            streams,
            farewell_paths: &self.farewell_paths,
            places: &self.places(),
            names: &self.book.of_all(),
        })
    }

    /// How often each connection was opened; the rest of it nobody asks for.
    fn streams(&self) -> Vec<Stream> {
        let stream = |uses| Stream { end: End::None, room: Room::Plenty, unread: false, uses };
        self.interference.iter().map(|entry| stream(entry.uses)).collect()
    }

    pub(super) fn compare_alarms(&mut self, config: &Config, model: &State) -> usize {
        let expected = alarms::expected(config, model, &self.book);
        let armed = self.alarms();
        if expected != armed {
            self.findings.push(Finding::new("the alarms", &expected, &armed));
        }
        for w in config.worker_ids() {
            let expected = alarms::timers(&expected, w);
            let timers = self.workers[w.index()].core().timers();
            if expected != *timers {
                self.findings.push(Finding::new("the timers of the core", &expected, timers));
            }
        }
        2 * expected.len()
    }

    /// Nothing is ready but what is held back for an action that can happen.
    pub(super) fn compare_ready(&mut self, model: &State) {
        for w in self.config.worker_ids() {
            let ready = self.workers[w.index()].ready().iter().copied();
            let stray = ready.filter(|ready| match ready {
                Ready::ConnectionWritable(id) => !self.waits(w, *id, model),
                Ready::SocketWritable(_) | Ready::ConnectionReadable(_) => !self.is_held(w, *ready),
                Ready::SocketReadable(_) | Ready::ListenerReadable(_) | Ready::Alarm(_) => true,
            });
            let stray: Vec<_> = stray.collect();
            if !stray.is_empty() {
                self.findings.push(Finding::broken("what is ready", format!("{stray:?}")));
            }
        }
    }

    fn waits(&self, w: WorkerId, id: lifecycle::ConnectionId, model: &State) -> bool {
        let mut connections = model.core.connection_ids();
        let c = connections.find(|c| self.connection(*c).is_ok_and(|real| real == (w, id)));
        c.is_some_and(|c| !model.core.connection(c).queue().is_empty())
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
                heard.iter().map(|event| self.told_by(event)).collect();
            if heard.as_ref() != Ok(&expected) {
                let what = format!("what the owner of transport {index} heard");
                self.findings.push(Finding::new(&what, &expected, &heard));
            }
            compared += expected.len() + self.compare_end_of_transport(t);
        }
        compared
    }

    /// Whoever waits for a transport that was refused has been told so in another way.
    fn compare_end_of_transport(&mut self, t: TransportId) -> usize {
        if self.creation[t.index()] == Creation::Refused {
            return 0;
        }
        let closed = self.owners[t.index()].closed.get().map(|closed| {
            let outcome = names::outcome(closed.outcome).ok();
            (names::close_reason(closed.reason), outcome)
        });
        let reported = self.reports[t.index()].map(|(reason, outcome)| (reason, Some(outcome)));
        if closed != reported {
            let what = format!("what those who wait for transport {} got", t.0);
            self.findings.push(Finding::new(&what, &reported, &closed));
        }
        1
    }

    fn told_by(&self, event: &TransportEvent) -> Result<Told, String> {
        Ok(match event {
            TransportEvent::IceStateChange(state) => Told::Ice(names::ice_state(*state)),
            TransportEvent::IceSelectedTupleChange(None) => Told::Selected(None),
            TransportEvent::IceSelectedTupleChange(Some(tuple)) => {
                Told::Selected(Some(self.tuple_of(tuple)?))
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

    /// The path of the peers whose two ends an owner was told.
    fn tuple_of(&self, told: &TransportTuple) -> Result<Tuple, String> {
        let addresses = (0..self.config.addresses.len() as u8).map(|a| Tuple::Udp(AddressId(a)));
        let connections =
            (0..self.config.connections.len() as u8).map(|c| Tuple::Tcp(ConnectionId(c)));
        let is_it = |tuple: &Tuple| {
            let server = match *tuple {
                Tuple::Udp(a) => self.sockets[self.config.socket_of(a).index()],
                Tuple::Tcp(c) => self.listeners[self.listener_of(c).index()],
            };
            let local = self.wires.local(*tuple).is_ok_and(|l| l.port() == told.remote_port);
            let is_udp = told.protocol == Protocol::Udp;
            local && tuple.is_udp() == is_udp && server.port() == told.local_port
        };
        let found = addresses.chain(connections).find(is_it);
        found.ok_or_else(|| format!("{told:?} is no path of any peer"))
    }

    /// The listener by whose address the worker of a connection knows it. Where the workers of a server have listeners
    /// at the same addresses, those of this stage have the same numbers.
    fn listener_of(&self, c: ConnectionId) -> ListenerId {
        let accepted = self.config.connections[c.index()];
        let Ok((w, _)) = self.connection(c) else { return accepted };
        let number = self.book.listener(accepted).1;
        let mut mine = self.config.listeners_of(w);
        mine.find(|l| self.book.listener(*l) == (w, number)).unwrap_or(accepted)
    }

    fn compare_callers(&mut self, model: &State) -> usize {
        let callers = self.barrier.callers();
        if callers.as_slice() != model.world.callers.as_slice() {
            let expected = &model.world.callers;
            self.findings.push(Finding::new("the callers of close()", expected, &callers));
        }
        if self.arm.state() != model.world.callback {
            let (expected, got) = (model.world.callback, self.arm.state());
            self.findings.push(Finding::new("what the callback did", &expected, &got));
        }
        model.world.callers.len() + 1
    }

    /// With `WorkerDrained` come the outcomes of the transports that the close of that worker ended.
    fn compare_outcomes(&mut self, step: &Expected<'_>) {
        for effect in step.effects {
            let Effect::WorkerDrained(w) = effect else { continue };
            let ended = step
                .config
                .transport_ids()
                .filter(|t| step.config.worker_of(*t) == *w && self.at_close[t.index()].is_live());
            let expected: Vec<_> =
                ended.map(|t| (u64::from(t.0), step.after.core.transport(t).outcome)).collect();
            let mut got: Vec<_> = self.barrier.outcomes[w.index()].iter().flatten().collect();
            got.sort_by_key(|(id, _)| *id);
            let got: Vec<_> = got.iter().map(|(id, o)| (*id, names::outcome(*o).ok())).collect();
            if expected != got {
                self.findings.push(Finding::new("the outcomes of the close", &expected, &got));
            }
        }
    }
}

/// What differs of two states.
fn describe(expected: &Core, got: &Core) -> (String, String) {
    let mut differing = (Vec::new(), Vec::new());
    let mut tell = |name: String, expected: &dyn Debug, got: &dyn Debug| {
        let (expected, got) = (format!("{name} {expected:?}"), format!("{name} {got:?}"));
        if expected != got {
            differing.0.push(expected);
            differing.1.push(got);
        }
    };
    tell("server".to_owned(), &expected.server, &got.server);
    tell("workers".to_owned(), &expected.workers, &got.workers);
    for t in expected.transport_ids() {
        tell(format!("transport {}", t.0), expected.transport(t), got.transport(t));
    }
    for c in expected.connection_ids() {
        tell(format!("connection {}", c.0), &expected.connection(c), &got.connection(c));
    }
    (differing.0.join("; "), differing.1.join("; "))
}

/// What the owner is told of an effect.
pub(super) fn told_of(effect: Effect) -> Vec<Told> {
    match effect {
        Effect::SelectedTupleChanged(_, tuple) => vec![Told::Selected(tuple)],
        Effect::IceStateChanged(_, state) => vec![Told::Ice(state)],
        Effect::DtlsStateChanged(_, state) => vec![Told::Dtls(state)],
        Effect::TransportClosed(_, reason, outcome) => match reason {
            CloseReason::Owner => vec![Told::Closed(reason, outcome)],
            CloseReason::ServerClosed => vec![Told::ServerCloses, Told::Closed(reason, outcome)],
        },
        Effect::StopAccepting(_)
        | Effect::MakeAlert(_)
        | Effect::OfferDatagramAlert(..)
        | Effect::Unmap(_)
        | Effect::AlertWritten(..)
        | Effect::ShutdownWrite(_)
        | Effect::CloseConnection(_)
        | Effect::AbortConnection(_)
        | Effect::WorkerDrained(_)
        | Effect::ReleaseSocket(_)
        | Effect::ReleaseListener(_)
        | Effect::WorkerReleased(_)
        | Effect::CallersComplete => Vec::new(),
    }
}
