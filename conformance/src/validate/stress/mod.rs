//! A server on its own threads, among many transports with real peers, under closes and faults that a seed has chosen.
//! What comes out is its log. What happens when is up to the threads: that is what validation is for.

mod actor;
pub(super) mod choice;
mod pin;
mod plan;
pub(super) mod stage;

use super::log::{Entry, What};
use pin::Pinned;
use plan::{Closer, Fault, How, Plan};
use stage::Stage;
use std::io;
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::thread;
use thiserror::Error;
use webrtc_server::WebRtcTransport;
use webrtc_server::lifecycle::Mutant;

/// What to run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Options {
    /// What every choice comes from.
    pub seed: u64,
    /// How many transports.
    pub transports: usize,
    /// How many workers; `None`: as many as the process can run at once.
    pub workers: Option<NonZeroUsize>,
    /// All threads share one core. Only on Linux.
    pub pinned: bool,
    /// The mistake of the server, if it is to have one.
    pub mutant: Option<Mutant>,
}

impl Options {
    fn workers(self) -> NonZeroUsize {
        let cores = || thread::available_parallelism().unwrap_or(NonZeroUsize::MIN);
        self.workers.unwrap_or_else(cores)
    }
}

/// Why there is no log.
#[derive(Debug, Error)]
pub enum StressError {
    /// The server did not start.
    #[error("no server: {0}")]
    Server(#[from] webrtc_server::Error),
    /// The threads cannot be kept on one core.
    #[error("cannot pin the threads to one core: {0}")]
    Pin(io::Error),
}

/// Runs a server to its end and returns its log.
///
/// A server that does not end is given up after some seconds: then its log ends in the middle.
///
/// # Errors
///
/// [`StressError`].
pub fn record(options: Options) -> Result<Vec<Entry>, StressError> {
    // Before the threads are pinned, or there seems to be one core.
    let options = Options { workers: Some(options.workers()), ..options };
    let _pinned = if options.pinned { Some(Pinned::new()?) } else { None };
    let plan = Plan::new(options.seed, options.transports);
    let stage = Arc::new(Stage::new(options)?);
    // The first transports go to the workers in turn.
    let spare = (0..options.workers().get()).filter_map(|_| stage.transport(None, None)).collect();
    play(&stage, &plan, spare);
    Ok(stage.recorder.finish())
}

/// Everybody on a thread of their own, until everything is over.
fn play(stage: &Arc<Stage>, plan: &Plan, spare: Vec<WebRtcTransport>) {
    thread::scope(|scope| {
        for actor in &plan.actors {
            scope.spawn(move || actor::play(stage, actor));
        }
        for stranger in &plan.strangers {
            scope.spawn(move || actor::play_stranger(stage, stranger));
        }
        for (caller, closer) in plan.closers.iter().enumerate() {
            scope.spawn(move || close(stage, plan, caller, *closer));
        }
        if let Some(fault) = plan.full {
            scope.spawn(move || {
                pass(stage, plan, fault, |on| {
                    stage.recorder.fill_sockets(on);
                    // A worker looks when it wakes up, as to answer a question. Without an answer the server is gone,
                    // and its sockets with it.
                    spare.iter().for_each(|transport| drop(transport.dump()));
                });
            });
        }
        if let Some(fault) = plan.refused {
            scope.spawn(move || {
                pass(stage, plan, fault, |on| stage.recorder.refuse_datagrams(on));
            });
        }
        // This may be the last handle.
        let last = plan.closers.iter().map(|closer| closer.after).max().unwrap_or_default();
        stage.sleep_until(plan.close_at + last);
        stage.drop_handle();
        stage.await_end();
    });
}

/// A fault begins and is over.
fn pass(stage: &Stage, plan: &Plan, fault: Fault, mut switch: impl FnMut(bool)) {
    stage.sleep_until(plan.close_at.saturating_sub(fault.before));
    switch(true);
    thread::sleep(fault.length);
    switch(false);
}

/// What one who closes does with a handle of its own.
fn close(stage: &Stage, plan: &Plan, caller: usize, closer: Closer) {
    let server = stage.server();
    stage.sleep_until(plan.close_at + closer.after);
    let Some(server) = server else { return };
    match closer.how {
        How::Drops => {
            stage.recorder.write(What::HandleDropped);
            drop(server);
        }
        How::Closes => {
            stage.recorder.write(What::CloseCalled { caller });
            let closing = match plan.deadline {
                Some(deadline) => server.close_with_deadline(deadline),
                None => server.close(),
            };
            if closing.wait_timeout(stage::PATIENCE).is_ok() {
                stage.recorder.write(What::CloseReturned { caller });
            }
        }
    }
}
