//! What the shell must have let go of, which no core knows: in the poll, of the owners, of old tokens, and of a read.

use std::collections::BTreeSet;
use webrtc_server::lifecycle::{ConnectionId, Input, Tuple, Worker, WorkerPhase};
use webrtc_server::shell::JournalEntry;
use webrtc_server_model::WorkerId;

use super::stage::Stage;
use crate::divergence::Finding;

impl Stage<'_> {
    /// The poll is asked for what is there and for nothing else, and nobody holds on to an owner that has heard the
    /// end. How many things were compared.
    pub(super) fn compare_leavings(&mut self) -> usize {
        for (w, worker) in (0..).map(WorkerId).zip(&self.workers) {
            let sockets = self.config.sockets_of(w).count();
            let listeners = self.config.listeners_of(w).count();
            let connections = worker.core().connections().len();
            let expected = match worker.core().phase() {
                WorkerPhase::Open => sockets + listeners + connections,
                WorkerPhase::Closing { .. } => sockets + connections,
                WorkerPhase::Released => 0,
            };
            if worker.watched() != expected {
                let what = format!("how many carriers the poll of worker {} watches", w.0);
                self.findings.push(Finding::new(&what, &expected, &worker.watched()));
            }
        }
        for (index, owner) in self.owners.iter().enumerate() {
            if self.reports[index].is_some() && owner.is_held() {
                let what = format!("who holds on to the owner of transport {index}");
                self.findings.push(Finding::broken(&what, "the server".to_owned()));
            }
        }
        self.workers.len() + self.owners.len()
    }

    /// An event of a connection that ended is nobody's: no input names another one.
    pub(super) fn compare_stale_event(&mut self, id: ConnectionId) {
        self.drain_journals();
        for (_, entry) in &self.entries {
            if let Input::ConnectionWritable { connection } = &entry.input
                && *connection != id
            {
                let got = format!("it reached {connection:?}");
                self.findings.push(Finding::broken("an event of a connection that is gone", got));
            }
        }
    }
}

/// The connections that ended in a step.
#[derive(Clone, Debug, Default)]
pub(super) struct Ended(BTreeSet<ConnectionId>);

impl Ended {
    /// Behind the end of a connection nothing of a read counts.
    pub(super) fn note(&mut self, before: &Worker, entry: &JournalEntry) -> Result<(), String> {
        if let Some(id) = said_over(&entry.input).filter(|id| self.0.contains(id)) {
            return Err(format!("{:?} of {id:?}, which had ended", entry.input));
        }
        let left = before.connections().keys();
        self.0.extend(left.filter(|id| !entry.core.connections().contains_key(id)));
        Ok(())
    }
}

/// The connection over which a peer said something.
#[expect(clippy::wildcard_enum_match_arm, reason = "nothing else is said by a peer")]
fn said_over(input: &Input) -> Option<ConnectionId> {
    match input {
        Input::CheckReceived { tuple: Tuple::Tcp(id), .. }
        | Input::CheckRefused { tuple: Tuple::Tcp(id), .. }
        | Input::DtlsReceived { tuple: Tuple::Tcp(id), .. }
        | Input::JunkReceived { tuple: Tuple::Tcp(id) } => Some(*id),
        _ => None,
    }
}
