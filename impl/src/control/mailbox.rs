//! The way from a handle to the worker that owns its transport.

use super::closing::is_worker_thread;
use super::command::{Command, Refused, Reply};
use crate::error::Error;
use crate::sync::Arc;
use mio::Waker;
use std::sync::mpsc::Sender;

/// Posts commands to one worker.
pub(crate) struct Mailbox {
    pub(crate) commands: Sender<Command>,
    pub(crate) waker: Arc<Waker>,
    pub(crate) server_key: u64,
}

impl Mailbox {
    /// Fire and forget.
    ///
    /// # Errors
    ///
    /// [`Refused::Closed`] when the worker is gone.
    pub(crate) fn post(&self, command: Command) -> Result<(), Refused> {
        self.commands.send(command).map_err(|_| Refused::Closed)?;
        // The worker holds the poll; without it there is nobody to wake.
        self.waker.wake().map_err(|_| Refused::Closed)
    }

    /// Posts a command and waits for its answer. A worker that goes away without one has closed everything.
    ///
    /// # Errors
    ///
    /// [`Error::OnWorkerThread`] inside an event callback; [`Refused::Closed`].
    //= CLS-22
    pub(crate) fn ask<T>(&self, command: impl FnOnce(Reply<T>) -> Command) -> Result<T, Error> {
        if is_worker_thread(self.server_key) {
            return Err(Error::OnWorkerThread);
        }
        let (reply, answer) = Reply::new();
        self.post(command(reply))?;
        answer.recv().map_err(|_| Error::Refused(Refused::Closed))
    }
}
