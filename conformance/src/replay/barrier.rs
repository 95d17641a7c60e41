//! Who waits in `close()`, and the machine that lets them go.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::Instant;
use webrtc_server::control::by_hand::Mailboxes;
use webrtc_server::control::command::Command;
use webrtc_server::control::{Closing, Latch};
use webrtc_server::lifecycle::server::{self, Server, ServerInput, ServerOutput};
use webrtc_server::lifecycle::{Limits, Mutant, Outcome, Verdict};
use webrtc_server::shell::Notify;
use webrtc_server_model::{Caller, CallerId, Config, Effect, WorkerId};

use crate::divergence::Finding;
use crate::lockstep::outside::Delivery;
use crate::lockstep::{effects, names};

/// What a worker says of its share.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Acknowledgement {
    Drained(Vec<(u64, Outcome)>),
    Released,
}

/// A worker's end of its channel to the barrier.
pub(super) struct WorkerEnd {
    w: WorkerId,
    acknowledgements: Sender<(WorkerId, Acknowledgement)>,
}

impl Notify for WorkerEnd {
    fn drained(&mut self, outcomes: Vec<(u64, Outcome)>) {
        // A stage that is gone hears nothing.
        let _ = self.acknowledgements.send((self.w, Acknowledgement::Drained(outcomes)));
    }

    fn released(&mut self) {
        let _ = self.acknowledgements.send((self.w, Acknowledgement::Released));
    }
}

/// A thread that has a handle.
enum Thread {
    Idle,
    /// In `close()`.
    Calls(Closing<()>),
    /// It has let go of its handle.
    Dropped,
}

/// The barrier of a server, and its callers.
pub(super) struct Barrier {
    acknowledgements: Receiver<(WorkerId, Acknowledgement)>,
    /// What is under way to each worker, in the order in which it arrives.
    pub(super) mailboxes: Mailboxes,
    /// The machine.
    pub(super) server: Server,
    /// The command to close, for each worker.
    pub(super) closes: Vec<Delivery>,
    /// The permission to release the carriers, for each worker.
    pub(super) grants: Vec<Delivery>,
    /// What answers those who wait.
    answer: Arc<Latch<()>>,
    threads: Vec<Thread>,
    /// What the barrier has done that it must not.
    pub(super) findings: Vec<Finding>,
    /// What each worker said became of the transports that the close of the server ended.
    pub(super) outcomes: Vec<Option<Vec<(u64, Outcome)>>>,
}

impl Barrier {
    pub(super) fn new(config: &Config, mutant: Option<Mutant>) -> (Self, Vec<WorkerEnd>) {
        let (sender, acknowledgements) = channel();
        let ends = config
            .worker_ids()
            .map(|w| WorkerEnd { w, acknowledgements: sender.clone() })
            .collect();
        let barrier = Barrier {
            acknowledgements,
            mailboxes: Mailboxes::new(config.workers),
            server: Server::new(config.workers).with_mutant(mutant),
            closes: vec![Delivery::NotGiven; config.workers],
            grants: vec![Delivery::NotGiven; config.workers],
            answer: Arc::new(Latch::new()),
            threads: (0..config.callers).map(|_| Thread::Idle).collect(),
            findings: Vec::new(),
            outcomes: vec![None; config.workers],
        };
        (barrier, ends)
    }

    /// A thread calls `close()`: perhaps it is answered at once.
    pub(super) fn close(&mut self, caller: CallerId) -> Vec<Effect> {
        let mut effects = self.request_close();
        let closing = Closing::new(&self.answer);
        if closing.is_complete() {
            effects.push(Effect::CallersComplete);
        }
        self.threads[caller.index()] = Thread::Calls(closing);
        effects
    }

    /// Where each of them is, in the model's words.
    pub(super) fn callers(&self) -> Vec<Caller> {
        let caller = |thread: &Thread| match thread {
            Thread::Idle => Caller::Idle,
            Thread::Calls(closing) if closing.is_complete() => Caller::Returned,
            Thread::Calls(_) => Caller::Waiting,
            Thread::Dropped => Caller::Dropped,
        };
        self.threads.iter().map(caller).collect()
    }

    /// A thread lets go of its handle; with the last one the server closes in the background.
    pub(super) fn drop_handle(&mut self, caller: CallerId) -> Vec<Effect> {
        self.threads[caller.index()] = Thread::Dropped;
        match self.threads.iter().all(|thread| matches!(thread, Thread::Dropped)) {
            true => self.request_close(),
            false => Vec::new(),
        }
    }

    /// Somebody wants the server closed, and nobody need wait for it.
    pub(super) fn request_close(&mut self) -> Vec<Effect> {
        self.feed(ServerInput::CloseRequested)
    }

    /// The command to close arrives at a worker, if that comes next in its mailbox.
    pub(super) fn take_close(&mut self, w: WorkerId) -> Option<Command> {
        let next = self.mailboxes.take_next(real(w));
        let next = next.filter(|next| matches!(next, Command::CloseServer { .. }))?;
        self.closes[w.index()] = Delivery::Arrived;
        Some(next)
    }

    /// The permission arrives at a worker, if that comes next in its mailbox.
    pub(super) fn take_grant(&mut self, w: WorkerId) -> Option<Command> {
        let next = self.mailboxes.take_next(real(w));
        let next = next.filter(|next| matches!(next, Command::GrantRelease))?;
        self.grants[w.index()] = Delivery::Arrived;
        Some(next)
    }

    /// What another worker handed over arrives at a worker, if that comes next in its mailbox.
    pub(super) fn take_hand_over(&mut self, w: WorkerId) -> Option<Command> {
        let next = self.mailboxes.take_next(real(w));
        next.filter(|next| matches!(next, Command::TakeOver(_)))
    }

    /// The answer of another worker arrives at a worker, if that comes next in its mailbox.
    pub(super) fn take_proof(&mut self, w: WorkerId) -> Option<Command> {
        let next = self.mailboxes.take_next(real(w));
        next.filter(|next| matches!(next, Command::ConnectionProved { .. }))
    }

    /// Hears what the workers have said by now, and says what follows.
    pub(super) fn hear(&mut self) -> Vec<Effect> {
        let mut effects = Vec::new();
        while let Ok((w, acknowledgement)) = self.acknowledgements.try_recv() {
            let input = match acknowledgement {
                Acknowledgement::Drained(outcomes) => {
                    self.outcomes[w.index()] = Some(outcomes);
                    ServerInput::WorkerDrained(real(w))
                }
                Acknowledgement::Released => ServerInput::WorkerReleased(real(w)),
            };
            effects.extend(self.feed(input));
        }
        effects
    }

    fn feed(&mut self, input: ServerInput) -> Vec<Effect> {
        let step = self.server.handle(input);
        if step.verdict == Verdict::Impossible {
            let got = format!("{input:?} is called impossible");
            self.findings.push(Finding::broken("the barrier's contract", got));
        }
        let mut effects = Vec::new();
        for output in step.outputs {
            effects.extend(effects::of_server(output));
            match output {
                ServerOutput::TellWorkersToClose => {
                    self.closes.fill(Delivery::UnderWay);
                    let until = Instant::now().checked_add(Limits::default().server);
                    self.mailboxes.tell_all(|| Command::CloseServer { until });
                }
                ServerOutput::GrantRelease => {
                    self.grants.fill(Delivery::UnderWay);
                    self.mailboxes.tell_all(|| Command::GrantRelease);
                }
                ServerOutput::Complete => {
                    if !self.answer.set(()) {
                        let got = "they are answered twice".to_owned();
                        self.findings.push(Finding::broken("the callers of close()", got));
                    }
                }
            }
        }
        effects
    }
}

fn real(w: WorkerId) -> server::WorkerId {
    names::worker(w)
}
