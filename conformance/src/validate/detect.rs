//! Which mutants of the real server validation sees, each within a bounded number of runs.

use super::log::{Entry, What};
use super::stress::{RunOptions, StressError, record};
use super::{Rejection, validate};
use std::num::NonZeroUsize;
use webrtc_server::lifecycle::Mutant;

/// Runs that a mutant has to show in. What happens when is up to the threads, so one run proves nothing of it: most
/// mutants show in the first, and one that does not show in so many is not seen.
pub const RUNS_MAX: u64 = 24;
/// Transports of each run, and workers: a barrier that one worker opens needs two.
const TRANSPORTS: usize = 40;
const WORKERS: NonZeroUsize = NonZeroUsize::new(2).expect("two");

/// A mutant, and the run that gave it away.
#[derive(Clone, Debug)]
pub struct Detection {
    /// The mutant.
    pub mutant: Mutant,
    /// The seed of the run; those before it, from 1 on, gave nothing away.
    pub seed: u64,
    /// What cannot be explained.
    pub rejection: Box<Rejection>,
}

/// The first run of a server with this mutant that gives it away; none if no run does.
///
/// # Errors
///
/// [`StressError`]: without a log nobody can tell.
pub fn detect(mutant: Mutant) -> Result<Option<Detection>, StressError> {
    for seed in 1..=RUNS_MAX {
        let log = record(RunOptions {
            seed,
            transports: TRANSPORTS,
            workers: Some(WORKERS),
            mutant: Some(mutant),
            ..RunOptions::default()
        })?;
        let rejection = validate(&log).err().filter(|rejection| gives_away(rejection, &log));
        if let Some(rejection) = rejection {
            return Ok(Some(Detection { mutant, seed, rejection }));
        }
    }
    Ok(None)
}

/// A server that was given up leaves something behind, whatever is wrong with it, or with the machine.
fn gives_away(rejection: &Rejection, log: &[Entry]) -> bool {
    let ended = log.iter().any(|entry| entry.what == What::CallersAnswered);
    let at_the_end = log.last().is_some_and(|last| last.n == rejection.entry.n);
    rejection.reason.is_conclusive() && (ended || !at_the_end)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::validate::{Mismatch, Reason};

    /// A log of two entries, rejected at its last one.
    fn is_given_away(last: What, reason: Reason) -> bool {
        let mut log = Rejection::empty().entry;
        log.n = 1;
        log.what = last;
        let log = [Rejection::empty().entry, log];
        gives_away(&Rejection::new("nobody", log[1].clone(), 0, reason), &log)
    }

    #[test]
    fn what_nobody_can_tell_and_the_end_of_a_log_that_was_cut_off_give_nothing_away() {
        let (ends, cut) = (What::CallersAnswered, What::HandleDropped);
        let rule = Reason::Rule("something is left".to_owned());
        assert!(is_given_away(ends.clone(), rule.clone()));
        assert!(!is_given_away(cut, rule));
        assert!(!is_given_away(ends.clone(), Reason::Bounds("it is small".to_owned())));
        assert!(!is_given_away(ends, Reason::Mismatch(Mismatch::TooMany)));
    }
}
