//! The way from a handle to the worker that owns its transport.

use super::closing::is_worker_thread;
use super::command::{Command, Refused};
use super::handover::HAND_OVERS_BYTES_MAX;
use super::queue::{Bounds, CommandQueue, PushError, Wake};
use super::reply::Reply;
use crate::error::Error;
use crate::sync::Arc;
use mio::Waker;
use std::future::poll_fn;
use std::io;

/// Commands of the application that wait for one worker: whoever asks for more waits until it has taken some.
pub(super) const COMMANDS_MAX: usize = 1024;
/// What event callbacks may add to these. They cannot wait: it might be for themselves.
pub(super) const COMMANDS_RESERVE: usize = 1024;

/// What a worker takes its commands from.
pub(super) type Commands = CommandQueue<Command, Arc<Waker>>;

impl Wake for Arc<Waker> {
    fn wake(&self) -> io::Result<()> {
        Waker::wake(self)
    }
}

/// Where commands for one worker are put.
pub(super) struct Mailbox(Arc<Commands>);

impl Mailbox {
    /// Refuses every command until it is connected.
    pub(super) fn new() -> Self {
        let bounds = Bounds {
            commands: COMMANDS_MAX,
            reserve: COMMANDS_RESERVE,
            hand_over_bytes: HAND_OVERS_BYTES_MAX,
        };
        Mailbox(Arc::new(CommandQueue::new(bounds)))
    }

    /// What is put in, for the worker.
    pub(super) fn commands(&self) -> Arc<Commands> {
        Arc::clone(&self.0)
    }

    /// Puts in what must get through, whatever else waits. Those of one thread are executed in their order. Never
    /// blocks.
    ///
    /// One that is put in while the worker ends may be dropped unexecuted; its [`Reply`] is dropped with it, which the
    /// asker notices.
    ///
    /// # Errors
    ///
    /// [`Refused::Closed`] when the worker is gone.
    pub(super) fn tell(&self, command: Command) -> Result<(), Refused> {
        refused(self.0.push(command))
    }

    /// Puts a command of the application in. Where too many wait already this waits, but on no worker's thread.
    ///
    /// # Errors
    ///
    /// [`Refused::Closed`] when the worker is gone; [`Refused::QueueFull`] inside an event callback.
    //= L2
    pub(super) fn post(&self, command: Command) -> Result<(), Refused> {
        refused(if is_worker_thread() {
            self.0.try_push(command)
        } else {
            self.0.push_waiting(command)
        })
    }

    /// Puts in what another worker hands over or answers, unless too much of that waits already; then, or when the
    /// worker is gone, it is dropped here and the answer is `false`. Never blocks.
    //= RES-14
    pub(super) fn offer(&self, command: Command) -> bool {
        refused(self.0.try_push(command)).is_ok()
    }

    /// Puts a command in and waits for its answer. A worker that goes away without one has closed everything.
    ///
    /// # Errors
    ///
    /// [`Error::OnWorkerThread`] inside an event callback; [`Refused`].
    //= CLS-22
    pub(super) fn ask<T: Clone>(
        &self,
        command: impl FnOnce(Reply<T>) -> Command,
    ) -> Result<T, Error> {
        may_wait()?;
        let (reply, answer) = Reply::new();
        self.post(command(reply))?;
        answer.recv().map_err(|_| Error::Refused(Refused::Closed))
    }

    /// The same for a task, on whatever thread: it does not block. `put_in` is called once the command is on its way.
    ///
    /// # Errors
    ///
    /// [`Refused::Closed`].
    //= CLS-22
    pub(super) async fn ask_awaiting<T: Clone>(
        &self,
        command: impl FnOnce(Reply<T>) -> Command,
        put_in: impl FnOnce(),
    ) -> Result<T, Error> {
        let (reply, answer) = Reply::new();
        let mut command = Some(command(reply));
        let put = poll_fn(|context| self.0.poll_push(&mut command, context.waker())).await;
        // Dropped here when it was not put in.
        drop(command);
        put.map_err(Refused::from)?;
        put_in();
        answer.awaited().await.ok_or(Error::Refused(Refused::Closed))
    }
}

/// Whether this thread may wait for a worker, or for somebody who does.
///
/// # Errors
///
/// [`Error::OnWorkerThread`] inside a callback: two that waited for each other's workers would wait for ever.
//= L2
pub(super) fn may_wait() -> Result<(), Error> {
    if is_worker_thread() { Err(Error::OnWorkerThread) } else { Ok(()) }
}

/// What the application gave us, or a descriptor, is dropped here, outside the lock.
fn refused(put: Result<(), (PushError, Command)>) -> Result<(), Refused> {
    put.map_err(|(why, command)| {
        drop(command);
        why.into()
    })
}

impl From<PushError> for Refused {
    fn from(why: PushError) -> Self {
        match why {
            PushError::Full => Refused::QueueFull,
            PushError::Disconnected => Refused::Closed,
        }
    }
}
