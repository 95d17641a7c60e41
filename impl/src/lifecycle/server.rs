//! The server as a whole: how the shares of its workers add up to one orderly close.
//!
//! ```text
//!         close requested             every worker drained          every worker released
//! Open ───────────────────▶ Closing ───────────────────────▶ Releasing ───────────────────▶ Closed
//! ```
//!
//! The machine knows no thread and no clock. Feed it one [`ServerInput`], perform all outputs of the
//! [`ServerStep`] in their order. A worker that is lost (its thread panicked) holds nobody up: it counts as drained
//! and as released, whatever it had reached, because its carriers went with its thread.
//!
//! Invariants of absence: no output is ever given twice; nobody is told `Complete` while a worker that lives may
//! still hold a carrier; an input that is repeated or impossible leaves no trace.

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

/// How an input was taken. Only an `Applied` one has changed anything.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Verdict {
    /// It was news.
    Applied,
    /// It said what was already so: harmless.
    Repeated,
    /// It cannot happen in this state: whoever fed it has a bug.
    Impossible,
}

/// The answer to one input.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
#[must_use = "the outputs are to be performed"]
pub struct ServerStep {
    /// How the input was taken.
    pub verdict: Verdict,
    /// What is to be done now, in this order. Empty unless the input was applied.
    pub outputs: Vec<ServerOutput>,
}

/// The machine.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Server {
    phase: ServerPhase,
    shares: Vec<WorkerShare>,
}

impl Server {
    /// An open server of so many workers. With none there is nothing to wait for.
    #[must_use]
    pub fn new(workers: usize) -> Self {
        Self { phase: ServerPhase::Open, shares: vec![WorkerShare::Open; workers] }
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
            Verdict::Repeated | Verdict::Impossible => {}
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

    /// A release before the grant would be the bug that this project is about: a carrier gone while another worker's
    /// transports may still want to say farewell over it.
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
        if self.phase == ServerPhase::Closing && !self.shares.contains(&WorkerShare::Open) {
            self.phase = ServerPhase::Releasing;
            outputs.push(ServerOutput::GrantRelease);
        }
        //= CLS-04
        if self.phase == ServerPhase::Releasing && self.carriers_are_released() {
            self.phase = ServerPhase::Closed;
            outputs.push(ServerOutput::Complete);
        }
    }

    fn carriers_are_released(&self) -> bool {
        self.shares.iter().all(|share| match share {
            WorkerShare::Released | WorkerShare::Lost => true,
            WorkerShare::Open | WorkerShare::Drained => false,
        })
    }

    /// What the phase says of the shares.
    fn is_consistent(&self) -> bool {
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
