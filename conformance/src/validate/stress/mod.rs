//! A server on its own threads, among many transports with real peers, under closes and faults that a seed has chosen.
//! What comes out is its log. What happens when is up to the threads: that is what validation is for.

mod actor;
pub(super) mod choice;
pub(super) mod live_server;
mod pin;
mod progress;
mod scenario;

use super::log::{Entry, What};
use crate::peer::PeerError;
use live_server::LiveServer;
use pin::Pinned;
use scenario::{Closer, Fault, How, Moment, Scenario};
use std::io;
use std::num::NonZeroUsize;
use std::panic::resume_unwind;
use std::sync::Arc;
use std::thread;
use std::time::Duration;
use thiserror::Error;
use webrtc_server::WebRtcTransport;
use webrtc_server::lifecycle::Mutant;

/// Transports that come at the last moment or too late, and the pause after each.
const LATECOMERS: usize = 8;
const BETWEEN_LATECOMERS: Duration = Duration::from_millis(1);

/// What to run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RunOptions {
    /// What every choice comes from.
    pub seed: u64,
    /// How many transports.
    pub transports: usize,
    /// How many workers; `None`: as many as the process can run at once.
    pub workers: Option<NonZeroUsize>,
    /// All threads share one core. Only on Linux.
    pub pinned: bool,
    /// The mutant of the server, if it is to have one.
    pub mutant: Option<Mutant>,
}

impl RunOptions {
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
    /// A peer could not do its part, through no fault of the server.
    #[error("a peer: {0}")]
    Peer(#[from] PeerError),
    /// Nobody who closed it was answered, and nothing that is wrong with it was planted.
    #[error("the server did not end within {:?}", live_server::PATIENCE)]
    Endless(Vec<Entry>),
}

/// Runs a server to its end and returns its log.
///
/// A server with a mutant that does not end is given up: then its log ends in the middle.
///
/// # Errors
///
/// [`StressError`].
pub fn record(options: RunOptions) -> Result<Vec<Entry>, StressError> {
    // Before the threads are pinned, or there seems to be one core.
    let options = RunOptions { workers: Some(options.workers()), ..options };
    let _pinned = if options.pinned { Some(Pinned::new()?) } else { None };
    let scenario = Scenario::new(options.seed, options.transports);
    let live = Arc::new(LiveServer::new(options, &scenario)?);
    // The first transports go to the workers in turn.
    let spare = (0..options.workers().get()).filter_map(|_| live.transport(None, None)).collect();
    let has_ended = play(&live, &scenario, spare)?;
    let log = live.recorder.finish();
    if has_ended || options.mutant.is_some() { Ok(log) } else { Err(StressError::Endless(log)) }
}

/// Everybody on a thread of their own, until everything is over. False: it hangs.
fn play(
    live: &Arc<LiveServer>,
    scenario: &Scenario,
    spare: Vec<WebRtcTransport>,
) -> Result<bool, PeerError> {
    thread::scope(|scope| {
        let actors = scenario.actors.iter().map(|actor| scope.spawn(|| actor::play(live, actor)));
        let strangers = scenario.strangers.iter();
        let strangers =
            strangers.map(|stranger| scope.spawn(|| actor::play_stranger(live, stranger)));
        let peers: Vec<_> = actors.chain(strangers).collect();
        for (caller, closer) in scenario.closers.iter().enumerate() {
            scope.spawn(move || close(live, scenario, caller, *closer));
        }
        if let Some(fault) = scenario.full {
            scope.spawn(move || {
                pass(live, scenario, fault, |on| {
                    live.recorder.fill_sockets(on);
                    // A worker looks when it wakes up, as to answer a question. Without an answer the server is gone,
                    // and its sockets with it.
                    spare.iter().for_each(|transport| drop(transport.dump()));
                });
            });
        }
        if let Some(fault) = scenario.refused {
            scope.spawn(move || {
                pass(live, scenario, fault, |on| live.recorder.refuse_datagrams(on));
            });
        }
        let moments = || scenario.closers.iter().map(|closer| scenario.close_at + closer.after);
        live.sleep_until(Moment::Late(moments().min().unwrap_or(scenario.close_at)));
        come_late(live);
        // This may be the last handle.
        live.sleep_until(Moment::Late(moments().max().unwrap_or(scenario.close_at)));
        live.drop_handle();
        let has_ended = live.await_end();
        for peer in peers {
            peer.join().unwrap_or_else(|panic| resume_unwind(panic))?;
        }
        Ok(has_ended)
    })
}

/// Transports that are asked for while the workers hear of the close.
fn come_late(live: &Arc<LiveServer>) {
    for _ in 0..LATECOMERS {
        drop(live.transport(None, None));
        thread::sleep(BETWEEN_LATECOMERS);
    }
}

/// A fault begins and is over.
fn pass(live: &LiveServer, scenario: &Scenario, fault: Fault, mut switch: impl FnMut(bool)) {
    live.sleep_until(Moment::Late(scenario.close_at.saturating_sub(fault.before)));
    switch(true);
    thread::sleep(fault.length);
    switch(false);
}

/// What one who closes does with a handle of its own.
fn close(live: &LiveServer, scenario: &Scenario, caller: usize, closer: Closer) {
    let server = live.server();
    live.sleep_until(Moment::Late(scenario.close_at + closer.after));
    let Some(server) = server else { return };
    live.begins_to_close();
    match closer.how {
        How::Drops => {
            live.recorder.write(What::HandleDropped);
            drop(server);
        }
        How::Closes => {
            live.recorder.write(What::CloseCalled { caller });
            let closing = match scenario.deadline {
                Some(deadline) => server.close_with_deadline(deadline),
                None => server.close(),
            };
            if closing.wait_timeout(live_server::PATIENCE).is_ok() {
                live.recorder.write(What::CloseReturned { caller });
            }
        }
    }
}
