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
use std::collections::VecDeque;

/// The mailboxes of all workers of a server, each of which listens at addresses of its own.
pub struct Mailboxes {
    mailboxes: Arc<[Mailbox]>,
    limiter: Arc<Mutex<ReplyLimiter>>,
}

impl Mailboxes {
    /// For so many workers.
    #[must_use]
    pub fn new(workers: usize) -> Self {
        let mailboxes = (0..workers).map(|_| Mailbox::new()).collect();
        Mailboxes { mailboxes, limiter: Arc::default() }
    }

    /// The others, as one of the workers sees them; none if it is alone.
    #[must_use]
    pub fn neighbours(&self, own: WorkerId) -> Option<Neighbours> {
        Neighbours::of(own, Sharing::OwnSockets, &self.mailboxes, &self.limiter)
    }

    /// What is put in for this worker waits from now on, and `waker` makes it look.
    pub fn connect(&self, worker: WorkerId, waker: Arc<Waker>) {
        self.mailboxes[worker.0].commands().connect(waker);
    }

    /// Puts the same in for every worker.
    pub fn tell_all(&self, command: impl Fn() -> Command) {
        for mailbox in self.mailboxes.iter() {
            let _ = mailbox.tell(command());
        }
    }

    /// What comes next for this worker, which is to execute it.
    pub fn take_next(&self, worker: WorkerId) -> Option<Command> {
        let mut taken = VecDeque::new();
        self.mailboxes[worker.0].commands().take(1, &mut taken);
        taken.pop_front()
    }
}

/// A ufrag that names this worker.
#[must_use]
pub fn ufrag_of(worker: WorkerId, rest: &str) -> String {
    random::tag(worker.0) + rest
}
