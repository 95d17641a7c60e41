//! A server on its own threads, among many transports with real peers, under closes and faults that a seed has chosen.
//! What comes out is its log. What happens when is up to the threads: that is what validation is for.

mod actor;
mod choice;
mod plan;
mod stage;

use super::log::{Entry, What};
use plan::{Close, Plan};
use stage::Stage;
use std::sync::Arc;
use std::thread;
use thiserror::Error;
use webrtc_server::WebRtcTransport;
use webrtc_server::lifecycle::Mutant;

/// What to run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Options {
    /// What every choice comes from.
    pub seed: u64,
    /// How many transports.
    pub transports: usize,
    /// The mistake of the server, if it is to have one.
    pub mutant: Option<Mutant>,
}

/// Why there is no log.
#[derive(Debug, Error)]
pub enum StressError {
    /// The server did not start.
    #[error("no server: {0}")]
    Server(#[from] webrtc_server::Error),
}

/// Runs a server to its end and returns its log.
///
/// A server that does not end is given up after some seconds: then its log ends in the middle.
///
/// # Errors
///
/// [`StressError`].
pub fn record(options: Options) -> Result<Vec<Entry>, StressError> {
    let plan = Arc::new(Plan::new(options.seed, options.transports));
    let stage = Arc::new(Stage::new(options.seed, options.transports, options.mutant)?);
    let spare = stage.transport(None);
    thread::scope(|scope| {
        for actor in &plan.actors {
            scope.spawn(|| actor::play(&stage, actor));
        }
        for stranger in &plan.strangers {
            scope.spawn(|| actor::play_stranger(&stage, stranger));
        }
        let (before, length) = plan.full.unwrap_or_default();
        stage.sleep_until(plan.close_at - before);
        if !length.is_zero() {
            fill(&stage, spare.as_ref(), true);
            let (stage, spare) = (&stage, spare.as_ref());
            scope.spawn(move || {
                thread::sleep(length);
                fill(stage, spare, false);
            });
        }
        stage.sleep_until(plan.close_at);
        close(&stage, &plan);
        stage.await_end();
    });
    Ok(stage.recorder.finish())
}

/// The UDP sockets are full from now on, or no longer. A worker looks when it wakes up, as to answer a question.
fn fill(stage: &Stage, spare: Option<&WebRtcTransport>, full: bool) {
    stage.recorder.fill_sockets(full);
    // Without an answer the server is gone, and its sockets with it.
    drop(spare.map(WebRtcTransport::dump));
}

fn close(stage: &Stage, plan: &Plan) {
    let threads = match plan.close {
        Close::Threads(count) => count,
        Close::LastHandle => 0,
    };
    thread::scope(|scope| {
        for caller in 0..threads {
            let Some(server) = stage.server() else { continue };
            scope.spawn(move || {
                stage.recorder.write(What::CloseCalled { caller });
                let closing = match plan.deadline {
                    Some(deadline) => server.close_with_deadline(deadline),
                    None => server.close(),
                };
                if closing.wait_timeout(stage::PATIENCE).is_ok() {
                    stage.recorder.write(What::CloseReturned { caller });
                }
            });
        }
        // Whoever closes by dropping does it now; otherwise transports may still be asked for.
        if threads == 0 {
            stage.drop_handle();
        }
    });
    if threads > 0 {
        stage.drop_handle();
    }
}
