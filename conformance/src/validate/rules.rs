//! What must hold of a whole log, across all transports, workers and threads. The simulation looks at one transport at
//! a time, so it cannot see these.

use super::log::{Begun, Effect, Entry, Heard, Input, Sizes, Step, Verdict, What};
use super::places::Places;
use super::rejection::{Reason, Rejection};
use super::share::Share;
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
    rules.end().map_err(|what| reject(last, what))
}

fn reject(entry: &Entry, what: String) -> Box<Rejection> {
    Box::new(Rejection::new("the whole server", entry.clone(), 0, Reason::Rule(what)))
}

pub(super) fn ensure(holds: bool, otherwise: impl FnOnce() -> String) -> Result<(), String> {
    if holds { Ok(()) } else { Err(otherwise()) }
}

/// What the log has said so far.
#[derive(Default)]
struct Rules {
    shares: Vec<Share>,
    places: Places,
    /// The worker of each transport.
    homes: BTreeMap<u64, usize>,
    /// What each owner has still to hear.
    unheard: BTreeMap<u64, VecDeque<Heard>>,
    created: BTreeSet<u64>,
    reported: BTreeSet<u64>,
    /// Carriers that were released.
    released: usize,
    barrier: Barrier,
    waiting: BTreeSet<usize>,
    ended: bool,
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

impl Rules {
    fn entry(&mut self, entry: &Entry) -> Result<(), String> {
        ensure(!self.ended, || "something happens after the quiescent mark".into())?;
        let first = entry.n == 0;
        ensure(first == matches!(entry.what, What::Begun(_)), || {
            "the first entry is `begun`".into()
        })?;
        match &entry.what {
            What::Begun(begun) => self.begin(begun),
            What::HandleDropped | What::SocketsFull { .. } | What::DatagramsRefused { .. } => {
                Ok(())
            }
            What::Step(step) => self.step(step),
            What::CloseRequested => self.pass(Barrier::Open, Barrier::Closing),
            What::ReleaseGranted => {
                self.all_are_drained()?;
                self.pass(Barrier::Closing, Barrier::Releasing)
            }
            What::WorkerReleased { worker } => self.worker_released(*worker),
            What::WorkerLost { worker } => Err(format!("worker {worker} is lost")),
            What::CallersAnswered => self.pass(Barrier::Released, Barrier::Answered),
            What::HandOverDropped { listener, remote } => self.places.drop(*listener, *remote),
            What::CloseCalled { caller } => {
                ensure(self.waiting.insert(*caller), || format!("caller {caller} waits already"))
            }
            What::CloseReturned { caller } => {
                ensure(self.waiting.remove(caller), || format!("caller {caller} never asked"))?;
                // The threads are woken before the callback that writes the answer down.
                let over = matches!(self.barrier, Barrier::Released | Barrier::Answered);
                ensure(over, || format!("CLS-04: caller {caller} returns before the last release"))
            }
            What::Heard { transport, event } => self.heard(*transport, event),
            What::Quiescent { sizes } => {
                self.ended = true;
                ensure(*sizes == Sizes::default(), || format!("something is left: {sizes:?}"))?;
                self.places.end()
            }
        }
    }

    fn begin(&mut self, begun: &Begun) -> Result<(), String> {
        self.shares.resize_with(begun.workers, Share::default);
        ensure(begun.workers > 0, || "a server without a worker".into())
    }

    fn pass(&mut self, from: Barrier, to: Barrier) -> Result<(), String> {
        let at = self.barrier;
        self.barrier = to;
        ensure(at == from, || format!("the server is {at:?}, and must be {from:?} for that"))
    }

    fn all_are_drained(&self) -> Result<(), String> {
        let busy = self.shares.iter().position(|share| !share.drained);
        ensure(busy.is_none(), || format!("O2: worker {} is not drained", busy.unwrap_or(0)))
    }

    fn share(&mut self, worker: usize) -> Result<&mut Share, String> {
        self.shares.get_mut(worker).ok_or_else(|| format!("there is no worker {worker}"))
    }

    fn worker_released(&mut self, worker: usize) -> Result<(), String> {
        let releasing = self.barrier == Barrier::Releasing;
        ensure(releasing, || format!("the server is {:?} when a worker lets go", self.barrier))?;
        self.share(worker)?.release()?;
        if self.shares.iter().all(|share| share.released) {
            self.barrier = Barrier::Released;
        }
        Ok(())
    }

    fn step(&mut self, step: &Step) -> Result<(), String> {
        ensure(step.verdict != Verdict::Impossible, || "an impossible input".into())?;
        if let Input::TransportCreated { transport } = step.input {
            self.homes.entry(transport).or_insert(step.worker);
            if step.verdict == Verdict::Applied {
                let new = self.created.insert(transport);
                ensure(new, || format!("transport {transport} is created twice"))?;
            }
        } else if step.input == Input::ServerCloseRequested {
            let told = self.barrier != Barrier::Open;
            ensure(told, || "a worker hears of a close that nobody requested".into())?;
        } else if step.input == Input::ReleaseGranted {
            let granted = self.barrier == Barrier::Releasing;
            ensure(granted, || "a worker hears of a grant that nobody gave".into())?;
        }
        let away = step.transports.keys().find(|id| self.homes.get(*id) != Some(&step.worker));
        ensure(away.is_none(), || format!("transport {away:?} is not of this worker"))?;
        changes_only_if_applied(step)?;
        for effect in &step.effects {
            self.effect(effect)?;
        }
        self.places.step(step)?;
        self.share(step.worker)?.step(step)
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
                ensure(over, || "O2: a release before the last report".into())?;
                return self.all_are_drained();
            }
            Effect::StopAccepting { .. }
            | Effect::MakeAlert { .. }
            | Effect::OfferDatagramAlert { .. }
            | Effect::Unmap { .. }
            | Effect::AlertWritten { .. }
            | Effect::ShutdownWrite { .. }
            | Effect::CloseConnection { .. }
            | Effect::AbortConnection { .. }
            | Effect::WorkerDrained
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

    fn end(&self) -> Result<(), String> {
        ensure(self.ended, || "the log ends before everything is over".into())?;
        ensure(self.barrier == Barrier::Answered, || format!("the server is {:?}", self.barrier))?;
        ensure(self.waiting.is_empty(), || format!("callers wait: {:?}", self.waiting))?;
        let silent = self.created.difference(&self.reported).next();
        ensure(silent.is_none(), || format!("transport {silent:?} was never reported closed"))?;
        self.shares.iter().try_for_each(Share::end)?;
        let unheard = self.unheard.iter().find(|(_, events)| !events.is_empty());
        ensure(unheard.is_none(), || format!("an owner never heard: {unheard:?}"))
    }
}

/// An input that came too late, or again, does nothing. A connection that comes too late is closed unseen.
fn changes_only_if_applied(step: &Step) -> Result<(), String> {
    let comes =
        matches!(step.input, Input::ConnectionAccepted { .. } | Input::ConnectionTakenOver { .. });
    let silent = step.effects.is_empty() || comes;
    let idle = silent && step.transports.is_empty() && step.connections.is_empty();
    ensure(idle || step.verdict == Verdict::Applied, || {
        format!("it is called {:?} and changes something", step.verdict)
    })
}
