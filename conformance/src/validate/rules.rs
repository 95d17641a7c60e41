//! What must hold of a whole log, across all transports and threads. The simulation looks at one transport at a time, so
//! it cannot see these.

use super::log::{
    ConnectionView, Effect, Entry, Heard, Input, Sizes, Step, TransportView, Verdict,
};
use super::log::{What, WorkerPhase};
use super::rejection::{Reason, Rejection};
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use webrtc_server::lifecycle::CloseReason;

/// The first entry that breaks a rule.
pub(super) fn check(log: &[Entry]) -> Result<(), Box<Rejection>> {
    let mut rules = Rules::default();
    for (index, entry) in log.iter().enumerate() {
        if entry.n != index as u64 {
            return Err(reject(entry, format!("its number is not {index}")));
        }
        rules.entry(entry).map_err(|what| reject(entry, what))?;
    }
    let Some(last) = log.last() else { return Err(Box::new(Rejection::empty())) };
    rules.end(last).map_err(|what| reject(last, what))
}

fn reject(entry: &Entry, what: String) -> Box<Rejection> {
    Box::new(Rejection::new("the whole server", entry.clone(), 0, Reason::Rule(what)))
}

/// What the log has said so far.
#[derive(Default)]
struct Rules {
    transports: BTreeMap<u64, TransportView>,
    connections: BTreeMap<u64, ConnectionView>,
    /// What each owner has still to hear.
    unheard: BTreeMap<u64, VecDeque<Heard>>,
    created: BTreeSet<u64>,
    reported: BTreeSet<u64>,
    /// Carriers that were released.
    released: usize,
    drained: usize,
    /// Effects that DTLS or the kernel has to answer.
    unanswered: Vec<Due>,
    sizes: Sizes,
    barrier: Barrier,
    waiting: BTreeSet<usize>,
    ended: bool,
}

/// An answer about the close_notify of a transport.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Due {
    Made(u64),
    Offered(u64),
}

/// How far the words of the barrier have come.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Barrier {
    #[default]
    Open,
    Closing,
    Releasing,
    Released,
    Answered,
}

fn ensure(holds: bool, otherwise: impl FnOnce() -> String) -> Result<(), String> {
    if holds { Ok(()) } else { Err(otherwise()) }
}

impl Rules {
    fn entry(&mut self, entry: &Entry) -> Result<(), String> {
        ensure(!self.ended, || "something happens after the quiescent mark".into())?;
        let first = entry.n == 0;
        ensure(first == matches!(entry.what, What::Begun(_)), || {
            "the first entry is `begun`".into()
        })?;
        match &entry.what {
            What::Begun(_) | What::HandleDropped => Ok(()),
            What::Step(step) => self.step(step),
            What::CloseRequested => self.pass(Barrier::Open, Barrier::Closing),
            What::ReleaseGranted => {
                ensure(self.drained == 1, || {
                    "O2: the grant comes before the worker is drained".into()
                })?;
                self.pass(Barrier::Closing, Barrier::Releasing)
            }
            What::WorkerReleased { .. } => {
                let empty = self.sizes == Sizes::default();
                ensure(empty, || format!("its worker still has {:?}", self.sizes))?;
                self.pass(Barrier::Releasing, Barrier::Released)
            }
            What::WorkerLost { worker } => Err(format!("worker {worker} is lost")),
            What::CallersAnswered => self.pass(Barrier::Released, Barrier::Answered),
            What::CloseCalled { caller } => {
                ensure(self.waiting.insert(*caller), || format!("caller {caller} waits already"))
            }
            What::CloseReturned { caller } => {
                ensure(self.waiting.remove(caller), || format!("caller {caller} never asked"))?;
                // The threads are woken before the callback that writes the answer down.
                let over = matches!(self.barrier, Barrier::Released | Barrier::Answered);
                ensure(over, || format!("caller {caller} returns before the last release"))
            }
            What::Heard { transport, event } => self.heard(*transport, event),
            What::Quiescent { sizes } => {
                self.ended = true;
                ensure(*sizes == Sizes::default(), || format!("something is left: {sizes:?}"))
            }
        }
    }

    fn pass(&mut self, from: Barrier, to: Barrier) -> Result<(), String> {
        let at = self.barrier;
        self.barrier = to;
        ensure(at == from, || format!("the server is {at:?}, and must be {from:?} for that"))
    }

    fn step(&mut self, step: &Step) -> Result<(), String> {
        ensure(step.verdict != Verdict::Impossible, || "an impossible input".into())?;
        match step.input {
            Input::TransportCreated { transport } if step.verdict == Verdict::Applied => {
                let new = self.created.insert(transport);
                ensure(new, || format!("transport {transport} is created twice"))?;
            }
            Input::ServerCloseRequested => {
                let told = self.barrier != Barrier::Open;
                ensure(told, || "a worker hears of a close that nobody requested".into())?;
            }
            Input::ReleaseGranted => {
                let granted = matches!(self.barrier, Barrier::Releasing);
                ensure(granted, || "a worker hears of a grant that nobody gave".into())?;
            }
            Input::HandedOver => {
                return Err(
                    "something is handed over between workers, of which the model knows nothing"
                        .into(),
                );
            }
            Input::ConnectRequested { .. }
            | Input::TransportCreated { .. }
            | Input::IceRestarted { .. }
            | Input::DataSubmitted { .. }
            | Input::TransportCloseRequested { .. }
            | Input::ConnectionAccepted { .. }
            | Input::ConnectionFinished { .. }
            | Input::ConnectionReset { .. }
            | Input::ConnectionWritable { .. }
            | Input::BytesWritten { .. }
            | Input::ConnectionBlocked { .. }
            | Input::ConnectionAcknowledged { .. }
            | Input::SocketWritable { .. }
            | Input::CheckReceived { .. }
            | Input::CheckRefused { .. }
            | Input::DtlsReceived { .. }
            | Input::JunkReceived { .. }
            | Input::RecordsMade { .. }
            | Input::CloseNotifyMade { .. }
            | Input::CloseNotifySent { .. }
            | Input::CloseNotifyBlocked { .. }
            | Input::CloseNotifyFailed { .. }
            | Input::HandshakeCompleted { .. }
            | Input::HandshakeFailed { .. }
            | Input::CloseNotifyReceived { .. }
            | Input::FatalAlertReceived { .. }
            | Input::DataReceived { .. }
            | Input::TimerFired { .. } => {}
        }
        self.answer(&step.input)?;
        changes_only_if_applied(step)?;
        for effect in &step.effects {
            self.effect(effect)?;
        }
        learn(&mut self.transports, &step.transports);
        learn(&mut self.connections, &step.connections);
        self.sizes = step.sizes;
        self.count(step)
    }

    /// Nobody answers what was not asked.
    fn answer(&mut self, input: &Input) -> Result<(), String> {
        let due = if let Input::CloseNotifyMade { transport, .. } = *input {
            Due::Made(transport)
        } else if let Input::CloseNotifySent { transport }
        | Input::CloseNotifyBlocked { transport }
        | Input::CloseNotifyFailed { transport, .. } = *input
        {
            Due::Offered(transport)
        } else {
            return Ok(());
        };
        let asked = self.unanswered.iter().position(|asked| *asked == due);
        let asked = asked.ok_or_else(|| format!("nobody asked for that: {due:?}"))?;
        self.unanswered.remove(asked);
        Ok(())
    }

    fn effect(&mut self, effect: &Effect) -> Result<(), String> {
        let (transport, event) = match effect {
            Effect::TransportClosed { transport, reason, outcome } => {
                ensure(self.released == 0, || "O2: a report after a release".into())?;
                let first = self.reported.insert(*transport);
                ensure(first, || format!("transport {transport} is reported closed twice"))?;
                if *reason == CloseReason::ServerClosed {
                    self.expect(*transport, Heard::ListenServerClose);
                }
                (*transport, Heard::Closed { reason: *reason, outcome: *outcome })
            }
            Effect::IceStateChanged { transport, state } => {
                (*transport, Heard::IceStateChanged { state: *state })
            }
            Effect::DtlsStateChanged { transport, state } => {
                (*transport, Heard::DtlsStateChanged { state: *state })
            }
            Effect::SelectedTupleChanged { transport, tuple } => {
                (*transport, Heard::SelectedTupleChanged { selected: tuple.is_some() })
            }
            Effect::ReleaseSocket { .. } | Effect::ReleaseListener { .. } => {
                self.released += 1;
                let over = self.created.iter().all(|id| self.reported.contains(id));
                return ensure(over, || "O2: a release before the last report".into());
            }
            Effect::WorkerDrained => {
                self.drained += 1;
                return ensure(self.drained == 1, || "the worker is drained twice".into());
            }
            Effect::MakeAlert { transport } => {
                self.unanswered.push(Due::Made(*transport));
                return Ok(());
            }
            Effect::OfferDatagramAlert { transport, .. } => {
                self.unanswered.push(Due::Offered(*transport));
                return Ok(());
            }
            Effect::StopAccepting { .. }
            | Effect::Unmap { .. }
            | Effect::AlertWritten { .. }
            | Effect::ShutdownWrite { .. }
            | Effect::CloseConnection { .. }
            | Effect::AbortConnection { .. }
            | Effect::WorkerReleased => return Ok(()),
        };
        self.expect(transport, event);
        Ok(())
    }

    fn expect(&mut self, transport: u64, event: Heard) {
        self.unheard.entry(transport).or_default().push_back(event);
    }

    fn heard(&mut self, transport: u64, event: &Heard) -> Result<(), String> {
        let due = self.unheard.get_mut(&transport).and_then(VecDeque::pop_front);
        ensure(due.as_ref() == Some(event), || {
            format!("the owner of transport {transport} hears that; due is {due:?}")
        })
    }

    /// The maps of a worker, counted in the log.
    fn count(&self, step: &Step) -> Result<(), String> {
        let timers: usize = self.transports.values().map(|view| view.timers.len()).sum();
        let bound = self.connections.values().filter(|view| view.timer.is_some()).count();
        let server = usize::from(step.phase == WorkerPhase::Closing && self.drained == 0);
        let counted = Sizes {
            transports: self.transports.len(),
            connections: self.connections.len(),
            ufrags: self.transports.values().map(|view| view.ufrags).sum(),
            tuples: self.transports.values().map(|view| view.routes).sum(),
            timers: timers + bound + server,
            sockets: step.sizes.sockets,
            listeners: step.sizes.listeners,
        };
        ensure(counted == step.sizes, || {
            format!("its maps have {:?}, and the log says {counted:?}", step.sizes)
        })
    }

    fn end(&self, last: &Entry) -> Result<(), String> {
        let quiescent = matches!(last.what, What::Quiescent { .. });
        ensure(quiescent, || "the log ends before everything is over".into())?;
        ensure(self.barrier == Barrier::Answered, || format!("the server is {:?}", self.barrier))?;
        ensure(self.waiting.is_empty(), || format!("callers wait: {:?}", self.waiting))?;
        let silent = self.created.difference(&self.reported).next();
        ensure(silent.is_none(), || format!("transport {silent:?} was never reported closed"))?;
        ensure(self.unanswered.is_empty(), || format!("no answer: {:?}", self.unanswered))?;
        let unheard = self.unheard.iter().find(|(_, events)| !events.is_empty());
        ensure(unheard.is_none(), || format!("an owner never heard: {unheard:?}"))
    }
}

/// An input that came too late, or again, does nothing. A connection that is accepted too late is closed unseen.
fn changes_only_if_applied(step: &Step) -> Result<(), String> {
    let accepted = matches!(step.input, Input::ConnectionAccepted { .. });
    let silent = step.effects.is_empty() || accepted;
    let idle = silent && step.transports.is_empty() && step.connections.is_empty();
    ensure(idle || step.verdict == Verdict::Applied, || {
        format!("it is called {:?} and changes something", step.verdict)
    })
}

fn learn<View: Clone>(known: &mut BTreeMap<u64, View>, changes: &BTreeMap<u64, Option<View>>) {
    for (id, view) in changes {
        match view {
            Some(view) => drop(known.insert(*id, view.clone())),
            None => drop(known.remove(id)),
        }
    }
}
