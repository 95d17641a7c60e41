//! Which mistakes validation sees in the log of a free-running server.

use webrtc_server::lifecycle::Mutant;

use crate::validate::stress::{Options, StressError, record};
use crate::validate::validate;

/// What happens when is up to the threads: what one run does not show another one does.
const SEEDS: std::ops::RangeInclusive<u64> = 1..=6;
const TRANSPORTS: usize = 40;

/// The mistakes that no run shows for sure, and why.
pub(super) const UNSEEN: &[(Mutant, &str)] = &[];

/// Whether this mistake is looked for.
pub(super) fn looks_for(mutant: Mutant) -> bool {
    UNSEEN.iter().all(|(other, _)| *other != mutant)
}

/// Whether the log of one of some servers with this mistake is no behaviour of the model.
pub(super) fn rejects(mutant: Mutant) -> Result<bool, StressError> {
    for seed in SEEDS {
        let log = record(Options { seed, transports: TRANSPORTS, mutant: Some(mutant) })?;
        if validate(&log).is_err() {
            return Ok(true);
        }
    }
    Ok(false)
}
