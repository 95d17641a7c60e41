//! The way from a handle to the worker that owns its transport.

use super::closing::is_worker_thread;
use super::command::{Command, Refused, Reply};
use super::handover::{HAND_OVERS_BYTES_MAX, HandOver};
use crate::error::Error;
use crate::sync::atomic::{AtomicIsize, Ordering};
use crate::sync::{Arc, Mutex, lock};
use mio::Waker;
use std::io;
use std::sync::mpsc::{SendError, Sender};

/// Where commands for one worker are put. Connected once, and hung up once when the worker ends.
pub(super) struct Mailbox {
    server_key: u64,
    line: Mutex<Option<Line>>,
    /// What the hand-overs cost that were not taken yet, in bytes.
    waiting: AtomicIsize,
}

struct Line {
    commands: Sender<Command>,
    waker: Arc<Waker>,
}

/// What became of a command: put in, and whether that woke the worker; or not, because nobody is there.
enum Put {
    In(io::Result<()>),
    Back(Command),
}

impl Mailbox {
    /// Of a worker of the server with this key. Refuses every command until it is connected.
    pub(super) fn new(server_key: u64) -> Self {
        Mailbox { server_key, line: Mutex::new(None), waiting: AtomicIsize::new(0) }
    }

    /// Commands go there from now on, and `waker` makes the worker look.
    pub(super) fn connect(&self, commands: Sender<Command>, waker: Arc<Waker>) {
        *lock(&self.line) = Some(Line { commands, waker });
    }

    /// No command is taken any more, and when this returns no descriptor is kept.
    pub(super) fn hang_up(&self) {
        let line = lock(&self.line).take();
        drop(line);
    }

    /// Puts a command in. Those of one thread are executed in their order. Never blocks.
    ///
    /// One that is put in while the worker ends may be dropped unexecuted; its [`Reply`] is dropped with it, which the
    /// asker notices.
    ///
    /// # Errors
    ///
    /// [`Refused::Closed`] when the worker is gone.
    pub(super) fn post(&self, command: Command) -> Result<(), Refused> {
        match self.put(command) {
            Put::In(Ok(())) => Ok(()),
            Put::In(Err(error)) => {
                tracing::error!(target: "info", %error, "cannot wake a worker");
                Ok(())
            }
            // What the application gave us is dropped here, outside the lock.
            Put::Back(command) => {
                drop(command);
                Err(Refused::Closed)
            }
        }
    }

    /// Under the lock, so that nobody still holds the waker after [`Mailbox::hang_up`].
    //= CLS-20
    fn put(&self, command: Command) -> Put {
        let line = lock(&self.line);
        let Some(line) = &*line else { return Put::Back(command) };
        match line.commands.send(command) {
            Ok(()) => Put::In(line.waker.wake()),
            Err(SendError(command)) => Put::Back(command),
        }
    }

    /// Puts in what another worker hands over, unless too much of that waits already; then, or when the worker is gone,
    /// it is dropped here and the answer is `false`. Never blocks.
    //= RES-14
    pub(super) fn offer(&self, hand_over: HandOver) -> bool {
        match self.put_hand_over(hand_over) {
            Put::In(Ok(())) => true,
            Put::In(Err(error)) => {
                tracing::error!(target: "info", %error, "cannot wake a worker");
                true
            }
            // A descriptor may be closed by this, outside the lock.
            Put::Back(command) => {
                drop(command);
                false
            }
        }
    }

    /// The worker is woken for the first that waits only. One that follows while something was counted and not taken is
    /// seen without: the worker takes the former after this was put in, and looks again before it sleeps.
    fn put_hand_over(&self, hand_over: HandOver) -> Put {
        let cost = hand_over.cost();
        let command = Command::TakeOver(hand_over);
        let line = lock(&self.line);
        let Some(line) = &*line else { return Put::Back(command) };
        if self.waiting.load(Ordering::Acquire).saturating_add(cost) > HAND_OVERS_BYTES_MAX {
            return Put::Back(command);
        }
        if let Err(SendError(command)) = line.commands.send(command) {
            return Put::Back(command);
        }
        let waited = self.waiting.fetch_add(cost, Ordering::AcqRel);
        Put::In(if waited <= 0 { line.waker.wake() } else { Ok(()) })
    }

    /// The worker has taken this out.
    pub(super) fn taken(&self, command: &Command) {
        if let Command::TakeOver(hand_over) = command {
            self.waiting.fetch_sub(hand_over.cost(), Ordering::AcqRel);
        }
    }

    /// What the hand-overs cost that wait, in bytes.
    #[cfg(test)]
    pub(super) fn waiting(&self) -> isize {
        self.waiting.load(Ordering::Acquire)
    }

    /// Whether this thread may wait for the worker, or for somebody who does.
    ///
    /// # Errors
    ///
    /// [`Error::OnWorkerThread`] inside an event callback.
    //= L2
    pub(super) fn may_wait(&self) -> Result<(), Error> {
        if is_worker_thread(self.server_key) { Err(Error::OnWorkerThread) } else { Ok(()) }
    }

    /// Puts a command in and waits for its answer. A worker that goes away without one has closed everything.
    ///
    /// # Errors
    ///
    /// [`Error::OnWorkerThread`] inside an event callback; [`Refused::Closed`].
    //= CLS-22
    pub(super) fn ask<T>(&self, command: impl FnOnce(Reply<T>) -> Command) -> Result<T, Error> {
        self.may_wait()?;
        let (reply, answer) = Reply::new();
        self.post(command(reply))?;
        answer.recv().map_err(|_| Error::Refused(Refused::Closed))
    }
}
