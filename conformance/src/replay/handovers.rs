//! Connections that arrive at another worker than that of their transport: the home gives them away, and the owner
//! finds them in its mailbox when the model says so.

use webrtc_server::lifecycle::{ConnectionId as RealConnection, Input};
use webrtc_server_model::{
    Action, ConnectionId, State, StunCheck, TransportId, Tuple, WorkerId, step,
};

use super::dialogue::Asked;
use super::perform::impossible;
use super::report::Harness;
use super::stage::Stage;
use crate::divergence::Finding;

/// A connection that lies in a mailbox, or a question about it.
#[derive(Clone, Copy, Debug)]
pub(super) struct InFlight {
    /// The transport that its check names.
    pub(super) to: TransportId,
    /// That check.
    asked: Asked,
}

impl Stage<'_> {
    /// A check that names another worker's transport. The home has the connection no more, if it was nobody's. Nobody
    /// answers.
    pub(super) fn check_elsewhere(
        &mut self,
        before: &State,
        t: TransportId,
        c: ConnectionId,
        check: StunCheck,
    ) -> Result<(), Harness> {
        let asked = self.ask(t, Tuple::Tcp(c), check)?;
        let in_flight = Some(InFlight { to: t, asked });
        if before.core.connection(c).is_bound() {
            self.asked[c.index()] = in_flight;
        } else {
            self.expect_given_away(c, in_flight);
        }
        Ok(())
    }

    fn expect_given_away(&mut self, c: ConnectionId, in_flight: Option<InFlight>) {
        if self.connection(c).is_ok() {
            self.findings.push(Finding::new("the connection", &"handed over", &"kept"));
        }
        self.in_flight[c.index()] = in_flight;
    }

    /// The worker that is asked looks into its mailbox.
    pub(super) fn judge(&mut self, t: TransportId) {
        let w = self.config.worker_of(t);
        match self.barrier.take_hand_over(w) {
            Some(command) => self.workers[w.index()].execute(command),
            None => self.miss("a question about a connection"),
        }
    }

    /// The worker that asked looks into its mailbox. Whether it gives the connection away the model says.
    pub(super) fn hear_proof(&mut self, before: &State, c: ConnectionId) {
        let w = self.config.home_of(c);
        match self.barrier.take_proof(w) {
            Some(command) => self.workers[w.index()].execute(command),
            None => self.miss("the proof that a connection is another worker's"),
        }
        let in_flight = self.asked[c.index()].take();
        if before.core.connection(c).is_bound() {
            self.expect_given_away(c, in_flight);
        }
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
        let Some(id) = self.taken_over(w) else {
            self.findings.push(Finding::new("the connection", &"taken over", &"left"));
            return Ok(());
        };
        self.book.note_connection(c, w, id);
        self.interference[c.index()].token = self.workers[w.index()].token(id);
        let after = step(self.config, before, Action::WorkerTakesOver { c });
        let is_bound = after.is_some_and(|(after, _)| after.core.connection(c).is_bound());
        self.expect_answer(t, asked, is_bound)
    }

    /// The number of the connection that a worker has just taken over, or closed instead.
    fn taken_over(&mut self, w: WorkerId) -> Option<RealConnection> {
        self.drain_journals();
        let mut of_worker = self.entries.iter().rev().filter(|(worker, _)| *worker == w);
        of_worker.find_map(|(_, entry)| {
            let Input::ConnectionTakenOver { connection, .. } = entry.input else { return None };
            Some(connection)
        })
    }
}
