//! The way from a handle to the worker that owns its transport.

use super::closing::is_worker_thread;
use super::command::{Command, Refused, Reply};
use crate::error::Error;
use crate::sync::{Arc, Mutex, lock};
use mio::Waker;
use std::io;
use std::sync::mpsc::{SendError, Sender};

/// Where commands for one worker are put. Connected once, and hung up once when the worker ends.
pub(super) struct Mailbox {
    server_key: u64,
    line: Mutex<Option<Line>>,
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
        Mailbox { server_key, line: Mutex::new(None) }
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
