//! The server as a whole: how the shares of its workers add up to one orderly close.
//!
//! ```text
//!         close requested             every worker drained          every worker released
//! Open ───────────────────▶ Closing ───────────────────────▶ Releasing ───────────────────▶ Closed
//! ```
//!
//! The machine knows no thread and no clock. Feed it one [`ServerInput`], perform all outputs of
//! the [`ServerStep`] in their order. A worker that is lost (its thread panicked) holds nobody up:
//! it counts as drained and as released, whatever it had reached, because its carriers went with
//! its thread.
//!
//! Invariants of absence: no output is ever given twice; nobody is told `Complete` while a worker
//! that lives may still hold a carrier; an input that is repeated or impossible leaves no trace.

use super::output::Verdict;
use crate::mutants::{Mutant, Planted};

/// Phase of the server, all workers together.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum ServerPhase {
    /// It takes transports and connections.
    Open,
    /// The workers close their transports and wait for the farewells.
    Closing,
    /// Every worker is drained: the carriers are being released.
    Releasing,
    /// Every carrier is released. Final.
    Closed,
}

/// Which worker: its index, from 0 to the number of workers.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct WorkerId(pub usize);

/// What one worker has reported of its share.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum WorkerShare {
    /// It may have transports and connections.
    Open,
    /// It has none left, and waits until all workers have none.
    Drained,
    /// It has released its carriers. Final.
    Released,
    /// Its thread is gone before it could report the rest. Final.
    Lost,
}

/// What happened.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum ServerInput {
    /// Somebody called `close()`.
    CloseRequested,
    /// A worker has no transport and no connection left, and takes no new ones.
    WorkerDrained(WorkerId),
    /// A worker has released its carriers.
    WorkerReleased(WorkerId),
    /// A worker's thread ended out of turn.
    WorkerLost(WorkerId),
}

/// What is to be done. Each at most once in the life of a server.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum ServerOutput {
    /// Tell every worker to close its share.
    TellWorkersToClose,
    /// Allow every worker to release its carriers.
    GrantRelease,
    /// Answer everybody who waits for the close.
    Complete,
}

/// The answer to one input.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
#[must_use = "the outputs are to be performed"]
pub struct ServerStep {
    /// What became of the input. Only an `Applied` one has changed anything; none is `Late`.
    pub verdict: Verdict,
    /// What is to be done now, in this order. Empty unless the input was applied.
    pub outputs: Vec<ServerOutput>,
}

/// The machine.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Server {
    phase: ServerPhase,
    shares: Vec<WorkerShare>,
    planted: Planted,
}

impl Server {
    /// An open server of so many workers. With none there is nothing to wait for.
    #[must_use]
    pub fn new(workers: usize) -> Self {
        let shares = vec![WorkerShare::Open; workers];
        Self { phase: ServerPhase::Open, shares, planted: Planted::default() }
    }

    /// The same server with one mutant.
    #[cfg(feature = "testing")]
    #[must_use]
    pub fn with_mutant(mut self, mutant: Option<Mutant>) -> Self {
        self.planted = Planted::new(mutant);
        self
    }

    fn is(&self, mutant: Mutant) -> bool {
        self.planted.is(mutant)
    }

    /// Where the server is.
    #[must_use]
    pub fn phase(&self) -> ServerPhase {
        self.phase
    }

    /// What each worker has reported, in the order of the workers.
    #[must_use]
    pub fn shares(&self) -> &[WorkerShare] {
        &self.shares
    }

    /// Takes one input.
    pub fn handle(&mut self, input: ServerInput) -> ServerStep {
        let verdict = match input {
            ServerInput::CloseRequested => self.close_requested(),
            ServerInput::WorkerDrained(worker) => self.worker_drained(worker),
            ServerInput::WorkerReleased(worker) => self.worker_released(worker),
            ServerInput::WorkerLost(worker) => self.worker_lost(worker),
        };
        let mut outputs = Vec::new();
        match verdict {
            Verdict::Applied => {
                if input == ServerInput::CloseRequested {
                    outputs.push(ServerOutput::TellWorkersToClose);
                }
                self.advance(&mut outputs);
            }
            Verdict::Repeated | Verdict::Late | Verdict::Impossible => {}
        }
        debug_assert!(self.is_consistent(), "{self:?} after {input:?}");
        ServerStep { verdict, outputs }
    }

    fn close_requested(&mut self) -> Verdict {
        match self.phase {
            ServerPhase::Open => {
                self.phase = ServerPhase::Closing;
                Verdict::Applied
            }
            //= CLS-10
            ServerPhase::Closing | ServerPhase::Releasing | ServerPhase::Closed => {
                Verdict::Repeated
            }
        }
    }

    fn worker_drained(&mut self, worker: WorkerId) -> Verdict {
        match (self.phase, self.shares.get_mut(worker.0)) {
            (_, None) | (ServerPhase::Open, Some(_)) => Verdict::Impossible,
            (ServerPhase::Closing | ServerPhase::Releasing | ServerPhase::Closed, Some(share)) => {
                match share {
                    WorkerShare::Open => {
                        *share = WorkerShare::Drained;
                        Verdict::Applied
                    }
                    WorkerShare::Drained | WorkerShare::Released => Verdict::Repeated,
                    WorkerShare::Lost => Verdict::Impossible,
                }
            }
        }
    }

    /// A release before the grant would be the bug that this project is about: a carrier gone while
    /// another worker's transports may still want to say farewell over it.
    fn worker_released(&mut self, worker: WorkerId) -> Verdict {
        //= O2
        match (self.phase, self.shares.get_mut(worker.0)) {
            (_, None) | (ServerPhase::Open | ServerPhase::Closing, Some(_)) => Verdict::Impossible,
            (ServerPhase::Releasing | ServerPhase::Closed, Some(share)) => match share {
                WorkerShare::Drained => {
                    *share = WorkerShare::Released;
                    Verdict::Applied
                }
                WorkerShare::Released => Verdict::Repeated,
                WorkerShare::Open | WorkerShare::Lost => Verdict::Impossible,
            },
        }
    }

    fn worker_lost(&mut self, worker: WorkerId) -> Verdict {
        match self.shares.get_mut(worker.0) {
            None => Verdict::Impossible,
            Some(share) => match share {
                WorkerShare::Open | WorkerShare::Drained => {
                    *share = WorkerShare::Lost;
                    Verdict::Applied
                }
                WorkerShare::Released | WorkerShare::Lost => Verdict::Repeated,
            },
        }
    }

    /// Goes as far as the shares allow.
    fn advance(&mut self, outputs: &mut Vec<ServerOutput>) {
        if self.phase == ServerPhase::Closing && self.may_release() {
            self.phase = ServerPhase::Releasing;
            outputs.push(ServerOutput::GrantRelease);
        }
        //= CLS-04
        if self.phase == ServerPhase::Releasing && self.may_complete() {
            self.phase = ServerPhase::Closed;
            outputs.push(ServerOutput::Complete);
        }
    }

    fn may_release(&self) -> bool {
        let first_is_drained = self.shares.contains(&WorkerShare::Drained);
        !self.shares.contains(&WorkerShare::Open)
            || (first_is_drained && self.is(Mutant::BarrierFirstWorker))
    }

    fn may_complete(&self) -> bool {
        self.carriers_are_released() || self.is(Mutant::CallerEarly)
    }

    fn carriers_are_released(&self) -> bool {
        self.shares.iter().all(|share| match share {
            WorkerShare::Released | WorkerShare::Lost => true,
            WorkerShare::Open | WorkerShare::Drained => false,
        })
    }

    /// What the phase says of the shares. A wrong variant would break it, and is left to its tests.
    fn is_consistent(&self) -> bool {
        if self.is(Mutant::CallerEarly) || self.is(Mutant::BarrierFirstWorker) {
            return true;
        }
        let none_is = |share| !self.shares.contains(&share);
        match self.phase {
            ServerPhase::Open => none_is(WorkerShare::Drained) && none_is(WorkerShare::Released),
            ServerPhase::Closing => {
                !self.shares.is_empty()
                    && !none_is(WorkerShare::Open)
                    && none_is(WorkerShare::Released)
            }
            ServerPhase::Releasing => none_is(WorkerShare::Open) && !none_is(WorkerShare::Drained),
            ServerPhase::Closed => self.carriers_are_released(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use quickcheck::quickcheck;
    use std::collections::HashSet;

    const A: WorkerId = WorkerId(0);
    const B: WorkerId = WorkerId(1);

    fn inputs(workers: usize) -> Vec<ServerInput> {
        // One worker too many: nobody may report for it.
        let of_worker = |worker| {
            [
                ServerInput::WorkerDrained(worker),
                ServerInput::WorkerReleased(worker),
                ServerInput::WorkerLost(worker),
            ]
        };
        let reports = (0..=workers).map(WorkerId).flat_map(of_worker);
        std::iter::once(ServerInput::CloseRequested).chain(reports).collect()
    }

    fn feed(server: &mut Server, script: &[ServerInput]) -> Vec<ServerOutput> {
        script.iter().flat_map(|input| server.handle(*input).outputs).collect()
    }

    fn verdicts(server: &mut Server, script: &[ServerInput]) -> Vec<Verdict> {
        script.iter().map(|input| server.handle(*input).verdict).collect()
    }

    #[test]
    fn cls_04_the_callers_are_answered_when_the_last_worker_has_released() {
        let mut server = Server::new(2);
        let told = feed(&mut server, &[ServerInput::CloseRequested, ServerInput::WorkerDrained(A)]);
        assert_eq!(told, [ServerOutput::TellWorkersToClose]);
        assert_eq!(server.phase(), ServerPhase::Closing);
        let granted = feed(&mut server, &[ServerInput::WorkerDrained(B)]);
        assert_eq!(granted, [ServerOutput::GrantRelease]);
        assert_eq!(server.phase(), ServerPhase::Releasing);
        assert_eq!(feed(&mut server, &[ServerInput::WorkerReleased(B)]), []);
        let completed = feed(&mut server, &[ServerInput::WorkerReleased(A)]);
        assert_eq!(completed, [ServerOutput::Complete]);
        assert_eq!(server.phase(), ServerPhase::Closed);
    }

    #[test]
    fn o2_a_release_before_the_grant_is_impossible() {
        use ServerInput::{CloseRequested, WorkerDrained, WorkerReleased};
        let mut server = Server::new(2);
        let script = [
            WorkerDrained(A),
            WorkerReleased(A),
            CloseRequested,
            WorkerDrained(A),
            WorkerReleased(A),
        ];
        use Verdict::{Applied, Impossible};
        assert_eq!(
            verdicts(&mut server, &script),
            [Impossible, Impossible, Applied, Applied, Impossible]
        );
    }

    #[test]
    fn a_lost_worker_holds_nobody_up() {
        use ServerInput::{CloseRequested, WorkerDrained, WorkerLost, WorkerReleased};
        let mut server = Server::new(2);
        assert_eq!(feed(&mut server, &[WorkerLost(A)]), []);
        assert_eq!(server.phase(), ServerPhase::Open, "the other worker serves on");
        let all = feed(&mut server, &[CloseRequested, WorkerDrained(B), WorkerReleased(B)]);
        assert_eq!(
            all,
            [ServerOutput::TellWorkersToClose, ServerOutput::GrantRelease, ServerOutput::Complete]
        );
        let mut server = Server::new(2);
        let first = feed(&mut server, &[CloseRequested, WorkerDrained(A), WorkerLost(A)]);
        assert_eq!(first, [ServerOutput::TellWorkersToClose]);
        let last = feed(&mut server, &[WorkerLost(B)]);
        assert_eq!(last, [ServerOutput::GrantRelease, ServerOutput::Complete]);
    }

    #[test]
    fn a_repeated_report_is_told_from_an_impossible_one() {
        use ServerInput::{CloseRequested, WorkerDrained, WorkerLost, WorkerReleased};
        use Verdict::{Applied, Impossible, Repeated};
        let mut server = Server::new(2);
        let script = [
            (CloseRequested, Applied),
            (CloseRequested, Repeated),
            (WorkerDrained(A), Applied),
            (WorkerDrained(A), Repeated),
            (WorkerLost(B), Applied),
            (WorkerLost(B), Repeated),
            (WorkerDrained(B), Impossible),
            (WorkerReleased(B), Impossible),
            (WorkerReleased(A), Applied),
            (WorkerReleased(A), Repeated),
            (WorkerDrained(A), Repeated),
            (WorkerLost(A), Repeated),
            (WorkerLost(WorkerId(2)), Impossible),
            (CloseRequested, Repeated),
        ];
        for (input, verdict) in script {
            assert_eq!(server.handle(input).verdict, verdict, "{input:?}");
        }
    }

    #[test]
    fn a_server_without_workers_closes_at_once() {
        let mut server = Server::new(0);
        assert_eq!(feed(&mut server, &[ServerInput::CloseRequested]).len(), 3);
        assert_eq!(server.phase(), ServerPhase::Closed);
    }

    #[cfg(feature = "testing")]
    #[test]
    fn o2_a_barrier_that_opens_at_the_first_worker_grants_too_early() {
        let script = [ServerInput::CloseRequested, ServerInput::WorkerDrained(A)];
        let granted = |mutant| {
            feed(&mut Server::new(2).with_mutant(mutant), &script)
                .contains(&ServerOutput::GrantRelease)
        };
        assert!(!granted(None));
        assert!(granted(Some(Mutant::BarrierFirstWorker)));
    }

    #[cfg(feature = "testing")]
    #[test]
    fn x3_a_barrier_that_answers_its_callers_with_the_grant_answers_too_early() {
        let script = [
            ServerInput::CloseRequested,
            ServerInput::WorkerDrained(A),
            ServerInput::WorkerDrained(B),
        ];
        let completed = |mutant| {
            feed(&mut Server::new(2).with_mutant(mutant), &script).contains(&ServerOutput::Complete)
        };
        assert!(!completed(None));
        assert!(completed(Some(Mutant::CallerEarly)));
    }

    /// Every reachable state of two workers: pins their number, and that each can still be closed.
    #[test]
    fn l1_from_every_state_the_loss_of_all_workers_ends_the_close() {
        let mut seen = HashSet::from([Server::new(2)]);
        let mut frontier = vec![Server::new(2)];
        while let Some(server) = frontier.pop() {
            for input in inputs(2) {
                let mut next = server.clone();
                let was_news = next.handle(input).verdict == Verdict::Applied;
                assert_eq!(was_news, next != server, "{server:?} {input:?}");
                if seen.insert(next.clone()) {
                    frontier.push(next);
                }
            }
            let mut abandoned = server;
            let _ = abandoned.handle(ServerInput::CloseRequested);
            let _ = feed(&mut abandoned, &[A, B].map(ServerInput::WorkerLost));
            assert_eq!(abandoned.phase(), ServerPhase::Closed);
        }
        // {O,L}², then {O,D,L}² - {D,L}², then {D,R,L}² - {R,L}², then {R,L}²
        assert_eq!(seen.len(), 4 + 5 + 5 + 4);
    }

    quickcheck! {
        fn any_order_of_inputs_keeps_the_order_of_the_close(workers: u8, script: Vec<u8>) -> bool {
            let mut server = Server::new(usize::from(workers % 5));
            let inputs = inputs(server.shares().len());
            let mut given = Vec::new();
            for choice in script {
                let before = server.clone();
                let step = server.handle(inputs[usize::from(choice) % inputs.len()]);
                let is_quiet = server == before && step.outputs.is_empty();
                given.extend(step.outputs);
                let may_release = given.contains(&ServerOutput::GrantRelease);
                if (step.verdict != Verdict::Applied && !is_quiet)
                    || (may_release && server.shares().contains(&WorkerShare::Open))
                {
                    return false;
                }
                let is_closed = server.phase() == ServerPhase::Closed;
                if given.contains(&ServerOutput::Complete) != is_closed
                    || (is_closed && server.shares().contains(&WorkerShare::Drained))
                {
                    return false;
                }
            }
            use ServerOutput::{Complete, GrantRelease, TellWorkersToClose};
            [TellWorkersToClose, GrantRelease, Complete].starts_with(&given)
        }
    }
}
