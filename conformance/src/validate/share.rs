//! What must hold of one worker's part of a log: its maps are as large as the log says, each tuple is one transport's,
//! and nobody answers what was not asked.

use super::log::{
    ConnectionView, Effect, Input, Sizes, Step, TransportView, Tuple, WorkerPhase, learn,
};
use super::rules::ensure;
use std::collections::BTreeMap;

/// What the log has said of one worker so far.
#[derive(Default)]
pub(super) struct Share {
    transports: BTreeMap<u64, TransportView>,
    connections: BTreeMap<u64, ConnectionView>,
    /// Whose each tuple is.
    owners: BTreeMap<Tuple, u64>,
    /// Effects that DTLS or the kernel has to answer.
    unanswered: Vec<Due>,
    sizes: Sizes,
    /// It has said that nothing is left.
    pub(super) drained: bool,
    /// It has let go of its carriers.
    pub(super) released: bool,
}

/// An answer about the close_notify of a transport.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Due {
    Made(u64),
    Offered(u64),
}

impl Share {
    pub(super) fn step(&mut self, step: &Step) -> Result<(), String> {
        self.answer(&step.input)?;
        for effect in &step.effects {
            self.effect(effect)?;
        }
        self.give_tuples(&step.transports)?;
        learn(&mut self.transports, &step.transports);
        learn(&mut self.connections, &step.connections);
        self.sizes = step.sizes;
        self.count(step)
    }

    pub(super) fn release(&mut self) -> Result<(), String> {
        ensure(!self.released, || "it has let go before".into())?;
        self.released = true;
        let empty = self.sizes == Sizes::default();
        ensure(empty, || format!("its worker still has {:?}", self.sizes))
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
        match effect {
            Effect::MakeAlert { transport } => self.unanswered.push(Due::Made(*transport)),
            Effect::OfferDatagramAlert { transport, .. } => {
                self.unanswered.push(Due::Offered(*transport));
            }
            Effect::WorkerDrained => {
                let first = !std::mem::replace(&mut self.drained, true);
                return ensure(first, || "the worker is drained twice".into());
            }
            Effect::StopAccepting { .. }
            | Effect::Unmap { .. }
            | Effect::AlertWritten { .. }
            | Effect::ShutdownWrite { .. }
            | Effect::CloseConnection { .. }
            | Effect::AbortConnection { .. }
            | Effect::SelectedTupleChanged { .. }
            | Effect::IceStateChanged { .. }
            | Effect::DtlsStateChanged { .. }
            | Effect::TransportClosed { .. }
            | Effect::ReleaseSocket { .. }
            | Effect::ReleaseListener { .. }
            | Effect::WorkerReleased => {}
        }
        Ok(())
    }

    /// Those that lose a tuple lose it before others get it, all in one step.
    fn give_tuples(
        &mut self,
        changes: &BTreeMap<u64, Option<TransportView>>,
    ) -> Result<(), String> {
        self.owners.retain(|_, owner| !changes.contains_key(owner));
        for (id, view) in changes {
            for tuple in view.iter().flat_map(|view| &view.tuples) {
                if let Some(other) = self.owners.insert(*tuple, *id) {
                    return Err(format!("DMX-06: {tuple:?} is of transports {other} and {id}"));
                }
            }
        }
        Ok(())
    }

    /// The maps of a worker, counted in the log.
    fn count(&self, step: &Step) -> Result<(), String> {
        let timers: usize = self.transports.values().map(|view| view.timers.len()).sum();
        let bound = self.connections.values().filter(|view| view.timer.is_some()).count();
        let server = usize::from(step.phase == WorkerPhase::Closing && !self.drained);
        let counted = Sizes {
            transports: self.transports.len(),
            connections: self.connections.len(),
            ufrags: self.transports.values().map(|view| view.ufrags).sum(),
            tuples: self.transports.values().map(|view| view.routes).sum(),
            timers: timers + bound + server,
            ..step.sizes
        };
        ensure(counted == step.sizes, || {
            format!("its maps have {:?}, and the log says {counted:?}", step.sizes)
        })
    }

    pub(super) fn end(&self) -> Result<(), String> {
        ensure(self.unanswered.is_empty(), || format!("no answer: {:?}", self.unanswered))
    }
}
