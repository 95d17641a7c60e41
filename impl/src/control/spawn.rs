//! A worker on its own thread, and the barrier between the workers of one server.

use super::closing::mark_worker_thread;
use super::command::Command;
use super::mailbox::Mailbox;
use super::shutdown::{Shutdown, TellWorkers};
use crate::lifecycle::Outcome;
use crate::lifecycle::server::{Verdict, WorkerId};
use crate::shell::{Notify, Worker, WorkerConfig};
use crate::sync::{Arc, Mutex, lock, thread};
use std::io;
use std::sync::OnceLock;
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

/// What a worker reports to. Set once every mailbox exists, and before the worker has a thread.
pub(crate) type Barrier = Arc<OnceLock<Arc<Shutdown<Outcome>>>>;

/// The barrier's way to the workers.
pub(crate) struct Mailboxes {
    pub(crate) boxes: Arc<Vec<Mailbox>>,
    pub(crate) deadline: Arc<Mutex<Duration>>,
}

impl TellWorkers for Mailboxes {
    fn close(&self) {
        let deadline = *lock(&self.deadline);
        for mailbox in self.boxes.iter() {
            // A worker that is gone has been reported lost.
            let _ = mailbox.post(Command::CloseServer { deadline });
        }
    }

    fn grant_release(&self) {
        for mailbox in self.boxes.iter() {
            let _ = mailbox.post(Command::GrantRelease);
        }
    }
}

/// Passes on to the barrier what one worker reports. Dropped with its worker, it reports the worker lost, which means
/// nothing after a release.
pub(crate) struct Report {
    pub(crate) worker: WorkerId,
    pub(crate) barrier: Barrier,
}

impl Report {
    fn to_barrier(&self, say: impl FnOnce(&Shutdown<Outcome>) -> Verdict) {
        if let Some(barrier) = self.barrier.get() {
            let _ = say(barrier);
        }
    }
}

impl Notify for Report {
    fn drained(&mut self, outcomes: Vec<(u64, Outcome)>) {
        self.to_barrier(|barrier| barrier.worker_drained(self.worker, outcomes));
    }

    fn released(&mut self) {
        self.to_barrier(|barrier| barrier.worker_released(self.worker));
    }
}

impl Drop for Report {
    fn drop(&mut self) {
        self.to_barrier(|barrier| barrier.worker_lost(self.worker, Vec::new()));
    }
}

/// A worker that is set up but has no thread yet, so that a failure of the next one leaves nothing behind.
pub(crate) struct Prepared {
    worker: Worker,
    commands: Receiver<Command>,
    server_key: u64,
}

impl Prepared {
    /// Registers the carriers; the mailbox works from now on.
    ///
    /// # Errors
    ///
    /// What the system says.
    pub(crate) fn new(config: WorkerConfig, server_key: u64) -> io::Result<(Self, Mailbox)> {
        let worker = Worker::new(config)?;
        let (sender, commands) = channel();
        let mailbox = Mailbox { commands: sender, waker: worker.waker(), server_key };
        Ok((Prepared { worker, commands, server_key }, mailbox))
    }

    /// Gives it a thread, which ends by itself when the carriers are released.
    ///
    /// # Errors
    ///
    /// What the system says.
    pub(crate) fn start(self, worker: WorkerId) -> io::Result<()> {
        let name = format!("webrtc-server-{}", worker.0);
        thread::Builder::new().name(name).spawn(move || self.run()).map(drop)
    }

    fn run(mut self) {
        mark_worker_thread(self.server_key);
        while !self.worker.is_released() {
            if let Err(error) = self.worker.poll(None) {
                tracing::error!(target: "info", %error, "the worker cannot poll");
                return;
            }
            // What is requeued meanwhile waits for the next round, so that commands get their turn.
            for _ in 0..self.worker.ready().len() {
                self.worker.deliver_next();
            }
            while let Ok(command) = self.commands.try_recv() {
                self.worker.execute(command);
            }
        }
    }
}
