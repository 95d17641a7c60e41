//! Who waits in `close()`, and the machine that lets them go.

use std::sync::mpsc::{Receiver, Sender, channel};
use webrtc_server::control::command::Command;
use webrtc_server::lifecycle::Verdict;
use webrtc_server::lifecycle::server::{Server, ServerInput, ServerOutput, ServerPhase};
use webrtc_server::lifecycle::{Limits, Outcome};
use webrtc_server::shell::{Notify, Worker};
use webrtc_server_model::{Caller, CallerId, Effect};

use super::report::Harness;
use crate::lockstep::effects;
use crate::lockstep::names::WORKER;
use crate::lockstep::outside::Grant;

/// What a worker says of its share.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Word {
    Drained(Vec<(u64, Outcome)>),
    Released,
}

/// The worker's end of the line to the barrier.
pub(super) struct Line(Sender<Word>);

impl Notify for Line {
    fn drained(&mut self, outcomes: Vec<(u64, Outcome)>) {
        // A stage that is gone hears nothing.
        let _ = self.0.send(Word::Drained(outcomes));
    }

    fn released(&mut self) {
        let _ = self.0.send(Word::Released);
    }
}

/// The barrier of a server with one worker, and its callers.
pub(super) struct Barrier {
    words: Receiver<Word>,
    /// The machine.
    pub(super) server: Server,
    /// The permission to release the carriers, which the model delivers.
    pub(super) grant: Grant,
    /// The threads in `close()`.
    pub(super) callers: Vec<Caller>,
    /// What the worker said became of the transports that the close of the server ended.
    pub(super) outcomes: Option<Vec<(u64, Outcome)>>,
}

impl Barrier {
    pub(super) fn new(callers: usize) -> (Self, Line) {
        let (sender, words) = channel();
        let barrier = Barrier {
            words,
            server: Server::new(1),
            grant: Grant::NotGiven,
            callers: vec![Caller::Idle; callers],
            outcomes: None,
        };
        (barrier, Line(sender))
    }

    /// A thread calls `close()`. What is to be told to the worker, and whether the caller is answered at once.
    pub(super) fn close(
        &mut self,
        caller: CallerId,
        worker: &mut Worker,
    ) -> Result<Vec<Effect>, Harness> {
        let late = self.server.phase() == ServerPhase::Closed;
        self.callers[caller.index()] = Caller::Waiting;
        let mut effects = self.feed(ServerInput::CloseRequested, worker)?;
        if late {
            self.complete();
            effects.push(Effect::CallersComplete);
        }
        Ok(effects)
    }

    /// Lets the permission arrive.
    pub(super) fn deliver_grant(&mut self, worker: &mut Worker) -> bool {
        let given = self.grant == Grant::UnderWay;
        if given {
            self.grant = Grant::Arrived;
            worker.execute(Command::GrantRelease);
        }
        given
    }

    /// Hears what the worker has said by now, and says what follows.
    pub(super) fn hear(&mut self, worker: &mut Worker) -> Result<Vec<Effect>, Harness> {
        let mut effects = Vec::new();
        while let Ok(word) = self.words.try_recv() {
            let input = match word {
                Word::Drained(outcomes) => {
                    self.outcomes = Some(outcomes);
                    ServerInput::WorkerDrained(WORKER)
                }
                Word::Released => ServerInput::WorkerReleased(WORKER),
            };
            effects.extend(self.feed(input, worker)?);
        }
        Ok(effects)
    }

    fn feed(&mut self, input: ServerInput, worker: &mut Worker) -> Result<Vec<Effect>, Harness> {
        let step = self.server.handle(input);
        if step.verdict == Verdict::Impossible {
            return Err(Harness::Impossible(format!("the barrier calls {input:?} impossible")));
        }
        let mut effects = Vec::new();
        for output in step.outputs {
            effects.extend(effects::of_server(output));
            match output {
                ServerOutput::TellWorkersToClose => {
                    let deadline = Limits::default().server;
                    worker.execute(Command::CloseServer { deadline });
                }
                ServerOutput::GrantRelease => self.grant = Grant::UnderWay,
                ServerOutput::Complete => self.complete(),
            }
        }
        Ok(effects)
    }

    fn complete(&mut self) {
        for caller in self.callers.iter_mut().filter(|caller| **caller == Caller::Waiting) {
            *caller = Caller::Returned;
        }
    }
}
