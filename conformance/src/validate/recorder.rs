//! Listens to a running server and keeps a log of it.
//!
//! A worker describes its step before it takes a number for it, so that the others do not wait for that. It takes the
//! number within the step, as [`trace`](webrtc_server::trace) says: nothing of the step is performed yet, so no other
//! thread can have an entry that follows from it.

use super::log::{
    Begun, ConnectionView, Effect, Entry, Heard, Input, Sizes, Step, TransportView, What, learn,
};
use super::words;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use webrtc_server::TransportEvent;
use webrtc_server::lifecycle::Worker;
use webrtc_server::trace::{BarrierEvent, Cause, Observer, Stepped, Tracer};

/// Writes down what it hears of one server. Clones write into the same log.
#[derive(Clone, Debug)]
pub struct Recorder(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    entries: Mutex<Vec<Entry>>,
    /// What the log has said of each worker. Nobody but the worker itself asks before the end.
    workers: Vec<Mutex<Known>>,
    sockets_are_full: AtomicBool,
    datagrams_are_refused: AtomicBool,
    answered: AtomicBool,
}

/// What the log has said of one worker.
#[derive(Debug, Default)]
struct Known {
    transports: BTreeMap<u64, TransportView>,
    connections: BTreeMap<u64, ConnectionView>,
    sizes: Sizes,
}

impl Recorder {
    /// A log that begins like this.
    #[must_use]
    pub fn new(begun: Begun) -> Self {
        let recorder = Recorder(Arc::new(Shared {
            entries: Mutex::default(),
            workers: (0..begun.workers).map(|_| Mutex::default()).collect(),
            sockets_are_full: AtomicBool::new(false),
            datagrams_are_refused: AtomicBool::new(false),
            answered: AtomicBool::new(false),
        }));
        recorder.write(What::Begun(begun));
        recorder
    }

    /// What a server's options take.
    #[must_use]
    pub fn tracer(&self) -> Tracer {
        Tracer::new(self.clone())
    }

    /// The next entry, numbered under the lock.
    pub fn write(&self, what: What) {
        write(&mut lock(&self.0.entries), what);
    }

    /// The callback of a transport was called.
    pub fn heard(&self, transport: u64, event: &TransportEvent) {
        let event = match event {
            TransportEvent::IceStateChange(state) => Heard::IceStateChanged { state: *state },
            TransportEvent::IceSelectedTupleChange(tuple) => {
                Heard::SelectedTupleChanged { selected: tuple.is_some() }
            }
            TransportEvent::DtlsStateChange { state, .. } => {
                Heard::DtlsStateChanged { state: *state }
            }
            TransportEvent::ListenServerClose => Heard::ListenServerClose,
            TransportEvent::Close { reason, outcome } => {
                Heard::Closed { reason: *reason, outcome: *outcome }
            }
            TransportEvent::Data(_) => return,
        };
        self.write(What::Heard { transport, event });
    }

    /// From now on the server's UDP sockets say that they are full, or no longer. A worker looks when it wakes up.
    pub fn fill_sockets(&self, full: bool) {
        self.write(What::SocketsFull { full });
        self.0.sockets_are_full.store(full, Ordering::Relaxed);
    }

    /// From now on the system refuses every datagram, or no longer.
    pub fn refuse_datagrams(&self, refused: bool) {
        self.write(What::DatagramsRefused { refused });
        self.0.datagrams_are_refused.store(refused, Ordering::Relaxed);
    }

    /// Whether the callers of `close()` have their answer.
    #[must_use]
    pub fn is_answered(&self) -> bool {
        self.0.answered.load(Ordering::Acquire)
    }

    /// The log, with the quiescent mark at its end. Call it when everything is over.
    #[must_use]
    pub fn finish(&self) -> Vec<Entry> {
        let workers = self.0.workers.iter().map(|known| lock(known).sizes);
        let sizes = workers.fold(Sizes::default(), Sizes::plus);
        let mut entries = lock(&self.0.entries);
        write(&mut entries, What::Quiescent { sizes });
        std::mem::take(&mut entries)
    }
}

fn write(entries: &mut Vec<Entry>, what: What) {
    let n = entries.len() as u64;
    entries.push(Entry { n, what });
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Observer for Recorder {
    fn stepped(&self, stepped: &Stepped<'_>) {
        // A worker that the log does not announce is missed by its rules.
        let Some(known) = self.0.workers.get(stepped.worker.0) else { return };
        let step = lock(known).step(stepped);
        self.write(What::Step(Box::new(step)));
    }

    fn said(&self, event: BarrierEvent) {
        self.write(match event {
            BarrierEvent::CloseRequested => What::CloseRequested,
            BarrierEvent::ReleaseGranted => What::ReleaseGranted,
            BarrierEvent::WorkerReleased(worker) => What::WorkerReleased { worker: worker.0 },
            BarrierEvent::WorkerLost(worker) => What::WorkerLost { worker: worker.0 },
            BarrierEvent::CallersAnswered => What::CallersAnswered,
            BarrierEvent::HandOverDropped { listener, remote } => {
                What::HandOverDropped { listener: listener.0, remote }
            }
        });
        if event == BarrierEvent::CallersAnswered {
            self.0.answered.store(true, Ordering::Release);
        }
    }

    fn sockets_are_full(&self) -> bool {
        self.0.sockets_are_full.load(Ordering::Relaxed)
    }

    fn datagrams_are_refused(&self) -> bool {
        self.0.datagrams_are_refused.load(Ordering::Relaxed)
    }
}

type Changes<View> = BTreeMap<u64, Option<View>>;

impl Known {
    /// What a step was, in the words of the log, and what the log will have said with it.
    fn step(&mut self, stepped: &Stepped<'_>) -> Step {
        let core = stepped.core;
        let input = words::input(stepped.input, core);
        let (transports, connections) = self.changes(core);
        let mut effects: Vec<_> = stepped.step.outputs.iter().filter_map(words::effect).collect();
        effects.splice(0..0, self.alert_written(&input, &connections));
        for transport in self.unmapped(&transports, core) {
            let at = place_of_table_change(transport, &effects, self);
            effects.insert(at, Effect::Unmap { transport });
        }
        learn(&mut self.transports, &transports);
        learn(&mut self.connections, &connections);
        self.sizes = words::sizes(core);
        Step {
            worker: stepped.worker.0,
            answer: stepped.cause == Cause::Answer,
            input,
            verdict: words::verdict(stepped.step.verdict),
            effects,
            transports,
            connections,
            phase: words::phase(core.phase()),
            sizes: self.sizes,
        }
    }

    /// What differs from what the log has said.
    fn changes(&self, core: &Worker) -> (Changes<TransportView>, Changes<ConnectionView>) {
        let transports =
            core.transports().iter().map(|(id, t)| (id.0, words::transport(*id, t, core)));
        let connections =
            core.connections().iter().map(|(id, c)| (id.0, words::connection(*id, c, core)));
        (difference(&self.transports, transports), difference(&self.connections, connections))
    }

    /// The last byte of a close_notify has left: no output says so, the kernel's answer does.
    fn alert_written(&self, input: &Input, changes: &Changes<ConnectionView>) -> Option<Effect> {
        let Input::BytesWritten { connection } = *input else { return None };
        let before = self.connections.get(&connection).filter(|view| view.alert)?;
        let left = match changes.get(&connection)? {
            Some(after) => !after.alert,
            None => true,
        };
        let transport = before.owner.filter(|_| left)?;
        Some(Effect::AlertWritten { transport, connection })
    }

    /// The transports that no routing table leads to any more.
    fn unmapped(&self, changes: &Changes<TransportView>, core: &Worker) -> Vec<u64> {
        let is_mapped = |id: u64| {
            let mut ufrags = core.routes().ufrags();
            let mut tuples = core.routes().tuples();
            ufrags.any(|(_, owner)| owner.0 == id) || tuples.any(|(_, owner)| owner.0 == id)
        };
        let was_mapped =
            |id: &&u64| self.transports.get(id).is_some_and(|view| view.ufrags + view.routes > 0);
        changes.keys().filter(was_mapped).copied().filter(|id| !is_mapped(*id)).collect()
    }
}

fn difference<View: PartialEq>(
    known: &BTreeMap<u64, View>,
    now: impl Iterator<Item = (u64, View)>,
) -> Changes<View> {
    let mut changes: Changes<View> = known.keys().map(|id| (*id, None)).collect();
    for (id, view) in now {
        if known.get(&id) == Some(&view) {
            changes.remove(&id);
        } else {
            changes.insert(id, Some(view));
        }
    }
    changes
}

/// The core has changed before anything is performed. So what is asked of DTLS in the step that unmaps comes after the
/// change, and what was decided before it stays before: an offer of an alert that was made.
fn place_of_table_change(transport: u64, effects: &[Effect], known: &Known) -> usize {
    let of_transport =
        |id: u64| known.connections.get(&id).is_some_and(|view| view.owner == Some(transport));
    let is_later = |effect: &Effect| match effect {
        Effect::MakeAlert { transport: id } | Effect::TransportClosed { transport: id, .. } => {
            *id == transport
        }
        Effect::AlertWritten { .. } => false,
        Effect::ShutdownWrite { connection }
        | Effect::CloseConnection { connection }
        | Effect::AbortConnection { connection } => of_transport(*connection),
        Effect::StopAccepting { .. }
        | Effect::OfferDatagramAlert { .. }
        | Effect::Unmap { .. }
        | Effect::SelectedTupleChanged { .. }
        | Effect::IceStateChanged { .. }
        | Effect::DtlsStateChanged { .. }
        | Effect::WorkerDrained
        | Effect::ReleaseSocket { .. }
        | Effect::ReleaseListener { .. }
        | Effect::WorkerReleased => false,
    };
    effects.iter().position(is_later).unwrap_or(effects.len())
}
