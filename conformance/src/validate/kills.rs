//! Which mistakes of the real server validation sees, each within a bounded number of runs.

use super::stress::{Options, record};
use super::{Rejection, validate};
use std::num::NonZeroUsize;
use webrtc_server::lifecycle::Mutant;

/// Runs that a mistake has to show in. What happens when is up to the threads, so one run proves nothing of it: most
/// mistakes show in the first, and one that does not show in so many is not seen.
pub const RUNS_MAX: u64 = 24;
/// Transports of each run, and workers: a barrier that one worker opens needs two.
const TRANSPORTS: usize = 40;
const WORKERS: NonZeroUsize = NonZeroUsize::new(2).expect("two");

/// A mistake, and the run that gave it away.
#[derive(Clone, Debug)]
pub struct Killed {
    /// The mistake.
    pub mutant: Mutant,
    /// The seed of the run; those before it, from 1 on, were behaviours of the model.
    pub seed: u64,
    /// What cannot be explained.
    pub rejection: Box<Rejection>,
}

/// The first run of a server with this mistake whose log is rejected; none if no run is.
#[must_use]
pub fn kills(mutant: Mutant) -> Option<Killed> {
    (1..=RUNS_MAX).find_map(|seed| {
        let options = Options {
            seed,
            transports: TRANSPORTS,
            workers: Some(WORKERS),
            mutant: Some(mutant),
            ..Options::default()
        };
        let log = record(options).ok()?;
        validate(&log).err().map(|rejection| Killed { mutant, seed, rejection })
    })
}
