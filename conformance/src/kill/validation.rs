//! Which mistakes validation sees in the log of a free-running server.

use std::num::NonZeroUsize;
use webrtc_server::lifecycle::{Layer, Mutant};

use crate::validate::stress::{Options, StressError, record};
use crate::validate::validate;

/// What happens when is up to the threads: what one run does not show another one does.
const SEEDS: std::ops::RangeInclusive<u64> = 1..=12;
const TRANSPORTS: usize = 40;
const WORKERS: NonZeroUsize = NonZeroUsize::MIN;

/// Why no run shows this mistake, or none for sure. The others are looked for.
pub(super) fn why_unseen(mutant: Mutant) -> Option<&'static str> {
    match (mutant, mutant.layer()) {
        (Mutant::ForeignTupleKept, _) => {
            Some("no tuple changes hands in a run, which would join two projections")
        }
        (Mutant::BarrierFirstWorker, _) => Some("the server of a run has one worker"),
        (Mutant::TryAgainDrops, _) => Some("few runs have a full socket when such an alert leaves"),
        (_, Layer::Core | Layer::Barrier) => None,
        (_, Layer::Shell) => {
            Some("the log is of what the core hears and wants, and the shell does something else")
        }
    }
}

/// Whether the log of one of some servers with this mistake is no behaviour of the model.
pub(super) fn rejects(mutant: Mutant) -> Result<bool, StressError> {
    for seed in SEEDS {
        let (workers, mutant) = (Some(WORKERS), Some(mutant));
        let run = Options { seed, transports: TRANSPORTS, workers, mutant, ..Options::default() };
        let log = record(run)?;
        if validate(&log).is_err() {
            return Ok(true);
        }
    }
    Ok(false)
}
