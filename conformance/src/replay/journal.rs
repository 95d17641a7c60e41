//! What the real cores did, as effects of the model.

use std::collections::BTreeSet;
use webrtc_server::lifecycle::{ConnectionId, Input, Verdict, Worker};
use webrtc_server::shell::JournalEntry;
use webrtc_server_model::{self as model, Effect, TransportId, Tuple, WorkerId};

use super::book::Page;
use super::flights::Flight;
use super::leavings::Ended;
use super::report::Harness;
use super::stage::Stage;
use crate::divergence::Finding;
use crate::lockstep::effects;
use crate::lockstep::names::{self, Names};

impl Stage<'_> {
    /// Takes what the journals say by now, and notes who made which DTLS datagram.
    pub(super) fn drain_journals(&mut self) {
        for (w, worker) in (0..).map(WorkerId).zip(&mut self.workers) {
            for entry in worker.take_journal() {
                if let Some((t, datagram)) = record_of(&entry.input) {
                    self.wires.note_author(datagram, t);
                }
                let flight = Flight::of(&entry, |id| {
                    let mut mine = self.config.sockets_of(w);
                    mine.any(|s| self.book.socket(s).1 == id && self.full[s.index()])
                });
                self.flights.extend(flight);
                self.entries.push((w, entry));
            }
        }
    }

    /// The effects since the last call, and what else the journals tell.
    pub(super) fn read_journal(&mut self) -> Result<Vec<Effect>, Harness> {
        self.drain_journals();
        let mut effects = Vec::new();
        let mut ended = vec![Ended::default(); self.workers.len()];
        for (w, entry) in std::mem::take(&mut self.entries) {
            if let Err(what) = contract(&entry) {
                self.findings.push(Finding::breach(what));
            }
            let (before, page) = (&self.former[w.index()], self.book.of(w));
            if let Err(what) = ended[w.index()].note(before, &entry) {
                self.findings.push(Finding::broken("what is handled of a read", what));
            }
            match self::effects(w, before, &entry, page) {
                Ok(found) => effects.extend(found),
                Err(what) => self.findings.push(Finding::broken("the outputs", what)),
            }
            remember_paths(&entry.core, page, &mut self.farewell_paths);
            self.former[w.index()] = entry.core;
        }
        effects.append(&mut self.barrier_effects);
        for effect in &effects {
            if let Effect::TransportClosed(t, reason, outcome) = effect {
                self.reports[t.index()] = Some((*reason, *outcome));
            }
        }
        Ok(effects)
    }
}

/// The DTLS datagram that an input brings from a session, and whose.
fn record_of(input: &Input) -> Option<(TransportId, Vec<u8>)> {
    #[expect(clippy::wildcard_enum_match_arm, reason = "no other input has one")]
    let (id, datagram) = match input {
        Input::RecordsMade { transport, datagram, .. }
        | Input::CloseNotifyMade { transport, datagram: Some(datagram) } => (transport, datagram),
        _ => return None,
    };
    names::model_transport(*id).ok().map(|t| (t, datagram.clone()))
}

/// The effects of one step of a core: the one that its input tells of, then those of its outputs.
fn effects(
    w: WorkerId,
    before: &Worker,
    entry: &JournalEntry,
    page: Page<'_>,
) -> Result<Vec<Effect>, String> {
    let mut effects = Vec::new();
    effects.extend(news(before, entry, page)?);
    let left: Vec<_> = mapped(before)?.difference(&mapped(&entry.core)?).copied().collect();
    let owners = |c: model::ConnectionId| {
        let id = page.connection(c)?;
        let owner = before.connections().get(&id)?.owner()?;
        names::model_transport(owner).ok()
    };
    effects.extend(effects::of_step(w, &entry.step.outputs, &left, &owners, &page)?);
    Ok(effects)
}

/// No input is impossible, and the core's maps agree with each other after each.
fn contract(entry: &JournalEntry) -> Result<(), String> {
    if entry.step.verdict == Verdict::Impossible {
        return Err(format!("{:?} is called impossible", entry.input));
    }
    entry.core.agreement().map_err(|what| format!("after {:?}: {what}", entry.input))
}

/// The last byte of a close_notify was handed to a connection: no output says so, the kernel's answer does.
fn news(before: &Worker, entry: &JournalEntry, page: Page<'_>) -> Result<Option<Effect>, String> {
    let Input::BytesWritten { connection, .. } = entry.input else { return Ok(None) };
    let written = holds_alert(before, connection) && !holds_alert(&entry.core, connection);
    let owner = before.connections().get(&connection).and_then(|connection| connection.owner());
    let Some(owner) = owner.filter(|_| written) else { return Ok(None) };
    let (t, c) = (names::model_transport(owner)?, page.model_connection(connection)?);
    Ok(Some(Effect::AlertWritten(t, c)))
}

fn holds_alert(core: &Worker, id: ConnectionId) -> bool {
    core.connections().get(&id).is_some_and(|connection| connection.queue.holds_alert())
}

/// The transports that a routing table knows, and that are there.
fn mapped(core: &Worker) -> Result<BTreeSet<TransportId>, String> {
    let routes = core.routes();
    let by_ufrag = routes.ufrags().map(|(_, transport)| transport);
    let by_tuple = routes.tuples().map(|(_, transport)| transport);
    by_ufrag.chain(by_tuple).map(names::model_transport).collect()
}

/// A farewell that is confirmed has forgotten where it went.
fn remember_paths(core: &Worker, page: Page<'_>, paths: &mut [Option<Tuple>]) {
    for (id, transport) in core.transports() {
        let slot = names::model_transport(*id).ok().and_then(|t| paths.get_mut(t.index()));
        let path = transport.farewell.path().and_then(|path| page.model_tuple(path).ok());
        if let (Some(slot), Some(path)) = (slot, path) {
            *slot = Some(path);
        }
    }
}
