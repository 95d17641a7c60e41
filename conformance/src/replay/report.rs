//! What a replay has found, to be read.

use std::fmt;
use std::io;
use thiserror::Error;
use webrtc_server_model::{Action, Config};

use crate::divergence::Divergence;
use crate::peer::PeerError;

/// What a replay has compared, and where model and real stack disagree.
#[derive(Debug)]
pub struct Replay {
    /// The bounds of the model.
    pub config: Config,
    /// Traces that were performed.
    pub traces: usize,
    /// Traces that were planned; more than performed if there were too many divergences.
    pub traces_planned: usize,
    /// Actions that were performed.
    pub steps: usize,
    /// DTLS handshakes that were completed.
    pub handshakes: usize,
    /// Things that were compared: states, effects, alarms, packets, callbacks, callers.
    pub comparisons: usize,
    /// Datagrams that were sent to see that they change nothing, behind handshakes and at the ends of traces.
    pub probes: usize,
    /// Classes of the model's edges that were performed and agreed.
    pub classes_covered: usize,
    /// Classes of the model's edges that there are.
    pub classes_total: usize,
    /// Edges of the model that were performed and agreed.
    pub edges_covered: usize,
    /// Edges of the model that there are.
    pub edges_total: usize,
    /// The first disagreements. Empty if all is well.
    pub divergences: Vec<Divergence>,
    /// Why it ended before its time: the stage could not do its part. All the rest was performed before.
    pub harness: Option<ReplayError>,
    /// How long it took.
    pub seconds: f64,
}

impl Replay {
    /// Whether every trace was performed, every class was covered, and nothing disagreed.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        self.divergences.is_empty()
            && self.harness.is_none()
            && self.traces == self.traces_planned
            && self.classes_covered == self.classes_total
    }

    /// What it says of the stack.
    ///
    /// # Errors
    ///
    /// [`ReplayError::Harness`] where that is nothing: the stage could not do its part, and nothing disagreed before.
    pub fn judged(mut self) -> Result<Self, ReplayError> {
        match self.harness.take_if(|_| self.divergences.is_empty()) {
            Some(error) => Err(error),
            None => Ok(self),
        }
    }
}

/// Why a replay came to no result.
#[derive(Debug, Error)]
pub enum ReplayError {
    /// There are no traces: replaying nothing would always agree.
    #[error("there are no traces: nothing was compared")]
    NothingToCompare,
    /// The stage cannot do what the peers, the kernel or the owner do in this configuration.
    #[error("{config} is not replayed: {why}")]
    Unsupported {
        /// Its name.
        config: &'static str,
        /// What the stage cannot do.
        why: &'static str,
    },
    /// A trace is none of the model's.
    #[error("{action:?} cannot happen after {trace:?}")]
    NotATrace {
        /// What happened before.
        trace: Vec<Action>,
        /// What cannot happen then.
        action: Action,
    },
    /// The stage could not do its part: a barrier was not reached, or the system refused something. This says nothing
    /// about the server's order of things, and is no pass either.
    #[error("the stage failed at step {step} of {trace:?}: {what}")]
    Harness {
        /// The trace.
        trace: Vec<Action>,
        /// Which step, counted from 1; 0: before the first.
        step: usize,
        /// What failed.
        what: String,
    },
}

/// The stage could not do its part.
#[derive(Debug, Error)]
pub(super) enum Harness {
    #[error("{0}: not within {patience:?}", patience = crate::PATIENCE)]
    Barrier(&'static str),
    #[error("{0}")]
    Impossible(String),
    #[error(transparent)]
    Io(#[from] io::Error),
    #[error(transparent)]
    Peer(#[from] PeerError),
}

impl fmt::Display for Replay {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "replay {}: {} of {} traces, {} steps, {} handshakes, {} comparisons, {} probes, {} of {} classes, {} of {} edges in \
             {:.1} s, {} divergences",
            self.config.name,
            self.traces,
            self.traces_planned,
            self.steps,
            self.handshakes,
            self.comparisons,
            self.probes,
            self.classes_covered,
            self.classes_total,
            self.edges_covered,
            self.edges_total,
            self.seconds,
            self.divergences.len()
        )?;
        self.divergences.iter().try_for_each(|divergence| write!(f, "\n{divergence}"))?;
        self.harness.iter().try_for_each(|error| write!(f, "\n{error}"))
    }
}
