//! Connections that arrive at another worker than that of their transport: the home gives them away, and the owner finds
//! them in its mailbox when the model says so.

use webrtc_server::lifecycle::{ConnectionId as RealConnection, Input};
use webrtc_server_model::{
    Action, ConnectionId, State, StunCheck, TransportId, Tuple, WorkerId, step,
};

use super::dialogue::Asked;
use super::perform::impossible;
use super::report::{Finding, Harness};
use super::stage::Stage;

/// A connection that lies in a mailbox.
#[derive(Clone, Copy, Debug)]
pub(super) struct InFlight {
    /// The transport that its check names.
    pub(super) to: TransportId,
    /// That check.
    asked: Asked,
}

impl Stage<'_> {
    /// A check that names another worker's transport: the home has the connection no more, and nobody answers.
    pub(super) fn check_elsewhere(
        &mut self,
        t: TransportId,
        c: ConnectionId,
        check: StunCheck,
    ) -> Result<(), Harness> {
        let asked = self.ask(t, Tuple::Tcp(c), check)?;
        if self.connection(c).is_ok() {
            self.findings.push(Finding::new("the connection", &"handed over", &"kept"));
        }
        self.in_flight[c.index()] = Some(InFlight { to: t, asked });
        Ok(())
    }

    /// The owner looks into its mailbox. Whether it answers the check the model says.
    pub(super) fn take_over(&mut self, before: &State, c: ConnectionId) -> Result<(), Harness> {
        let in_flight = self.in_flight[c.index()].take();
        let InFlight { to: t, asked } =
            in_flight.ok_or_else(|| impossible("the connection is in no mailbox"))?;
        let w = self.config.worker_of(t);
        let Some(command) = self.barrier.take_hand_over(w) else {
            self.miss("a connection that another worker handed over");
            return Ok(());
        };
        self.workers[w.index()].execute(command);
        let id = self.taken_over(w).ok_or_else(|| impossible("nothing was taken over"))?;
        self.book.note_connection(c, w, id);
        self.interference[c.index()].token = self.workers[w.index()].token(id);
        let after = step(self.config, before, Action::WorkerTakesOver { c });
        let is_bound = after.is_some_and(|(after, _)| after.core.connection(c).is_bound());
        self.expect_answer(t, asked, is_bound)
    }

    /// The number of the connection that a worker has just taken over, or closed instead.
    fn taken_over(&mut self, w: WorkerId) -> Option<RealConnection> {
        self.drain_journals();
        self.entries.iter().rev().filter(|(worker, _)| *worker == w).find_map(|(_, entry)| {
            match entry.input {
                Input::ConnectionTakenOver { connection, .. } => Some(connection),
                _ => None,
            }
        })
    }
}
