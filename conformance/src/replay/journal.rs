//! What the real core did, as effects of the model.

use std::collections::BTreeSet;
use webrtc_server::lifecycle::{ConnectionId, Input, Tuple, Verdict, Worker};
use webrtc_server::shell::JournalEntry;
use webrtc_server_model::{Effect, TransportId};

use super::book::Book;
use crate::lockstep::effects;
use crate::lockstep::names::{self, Names};

/// The effects of one step of the core: the one that its input tells of, then those of its outputs.
pub(super) fn effects(
    before: &Worker,
    entry: &JournalEntry,
    book: &Book,
) -> Result<Vec<Effect>, String> {
    let mut effects = Vec::new();
    effects.extend(news(before, entry, book)?);
    let left: Vec<_> = mapped(before)?.difference(&mapped(&entry.core)?).copied().collect();
    effects.extend(effects::of_step(&entry.step.outputs, &left, book)?);
    Ok(effects)
}

/// No input is impossible, and the core's maps agree with each other after each.
pub(super) fn contract(entry: &JournalEntry) -> Result<(), String> {
    if entry.step.verdict == Verdict::Impossible {
        return Err(format!("{:?} is called impossible", entry.input));
    }
    entry.core.agreement().map_err(|what| format!("after {:?}: {what}", entry.input))
}

/// The last byte of a close_notify was handed to a connection: no output says so, the kernel's answer does.
fn news(before: &Worker, entry: &JournalEntry, book: &Book) -> Result<Option<Effect>, String> {
    let Input::BytesWritten { connection, .. } = entry.input else { return Ok(None) };
    let written = holds_alert(before, connection) && !holds_alert(&entry.core, connection);
    written.then(|| book.opener(connection).map(Effect::AlertWritten)).transpose()
}

fn holds_alert(core: &Worker, id: ConnectionId) -> bool {
    core.connections().get(&id).is_some_and(|connection| connection.queue.holds_alert())
}

/// The transports that a routing table knows.
fn mapped(core: &Worker) -> Result<BTreeSet<TransportId>, String> {
    let routes = core.routes();
    let by_ufrag = routes.ufrags().map(|(_, transport)| transport);
    let by_tuple = routes.tuples().map(|(_, transport)| transport);
    by_ufrag.chain(by_tuple).map(names::model_transport).collect()
}

/// A farewell that is confirmed has forgotten where it went.
pub(super) fn remember_paths(core: &Worker, paths: &mut [Option<Tuple>]) {
    for (id, transport) in core.transports() {
        let slot = names::model_transport(*id).ok().and_then(|t| paths.get_mut(t.index()));
        if let (Some(slot), Some(path)) = (slot, transport.farewell.path()) {
            *slot = Some(path);
        }
    }
}
