//! The mailboxes of workers that a test steps by hand: it decides when each of them looks into its own.

use super::command::Command;
use super::handover::Neighbours;
use super::mailbox::Mailbox;
use super::random;
use crate::lifecycle::server::WorkerId;
use crate::shell::bind::Sharing;
use crate::shell::limiter::ReplyLimiter;
use crate::sync::{Arc, Mutex};
use mio::Waker;
use std::sync::mpsc::{Receiver, channel};

/// The server that they are of: no thread works for it.
const SERVER_KEY: u64 = 0;

/// The mailboxes of all workers of a server, each of which listens at addresses of its own.
pub struct Mailboxes {
    mailboxes: Arc<[Mailbox]>,
    limiter: Arc<Mutex<ReplyLimiter>>,
    inboxes: Vec<Option<Receiver<Command>>>,
}

impl Mailboxes {
    /// For so many workers.
    #[must_use]
    pub fn new(workers: usize) -> Self {
        let mailboxes = (0..workers).map(|_| Mailbox::new(SERVER_KEY)).collect();
        let inboxes = (0..workers).map(|_| None).collect();
        Mailboxes { mailboxes, limiter: Arc::default(), inboxes }
    }

    /// The others, as one of the workers sees them; none if it is alone.
    #[must_use]
    pub fn neighbours(&self, own: WorkerId) -> Option<Neighbours> {
        Neighbours::of(own, Sharing::OwnSockets, &self.mailboxes, &self.limiter)
    }

    /// What is put in for this worker waits from now on, and `waker` makes it look.
    pub fn connect(&mut self, worker: WorkerId, waker: Arc<Waker>) {
        let (commands, inbox) = channel();
        self.mailboxes[worker.0].connect(commands, waker);
        self.inboxes[worker.0] = Some(inbox);
    }

    /// Puts the same in for every worker.
    pub fn tell_all(&self, command: impl Fn() -> Command) {
        for mailbox in self.mailboxes.iter() {
            let _ = mailbox.post(command());
        }
    }

    /// What comes next for this worker, which is to execute it.
    pub fn take_next(&self, worker: WorkerId) -> Option<Command> {
        let command = self.inboxes[worker.0].as_ref()?.try_recv().ok()?;
        self.mailboxes[worker.0].taken(&command);
        Some(command)
    }
}

/// A ufrag that names this worker.
#[must_use]
pub fn ufrag_of(worker: WorkerId, rest: &str) -> String {
    random::tag(worker.0) + rest
}
