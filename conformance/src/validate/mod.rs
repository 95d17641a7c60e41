//! From the stack to the model: the log of a free-running server must be a behaviour of the model.
//!
//! A [`Recorder`] hears of every step of a server and writes a log. [`validate`] reads it:
//!
//! - Each transport's part of the log is projected and simulated on the model: after each turn those states remain that
//!   explain what happened, what the server did about it, and what is there afterwards. Steps that leave no entry (the
//!   kernel's buffers, and when other transports are over) are searched.
//! - What no single transport shows is checked beside that: the order across transports, threads and callbacks, and
//!   that nothing is left at the end.
//!
//! [`stress`] makes such logs: many transports with real peers, closes and faults, all chosen by one seed.
//!
//! # Several workers, and tuples that change hands
//!
//! A transport is of one worker, and sees nothing of the others but what they hand over and that the grant waits for
//! them. So each is simulated on a worker of its own; see `parties` and `turns` for what becomes of a tuple that was
//! another transport's. What holds between the workers is a rule: nobody releases a carrier before every worker is
//! drained, nobody who closes returns before every worker has released, a connection is at one worker at a time or on
//! its way, and is closed once.
//!
//! # Bounds
//!
//! A transport uses two UDP tuples and four connections at most, and no connection comes back to it that was another's.
//! A DTLS that makes no close_notify when it ought to (`DropReason::Io` with nothing offered) is rejected.
//!
//! # The log
//!
//! One JSON object per line: `{"n": 7, "what": {"step": {...}}}`; see [`log`] for each field. Beside the steps it has
//! the words of the barrier, every callback, every caller of `close()`, the faults that were provoked, and a last entry
//! that says what is left. Of a step it says
//!
//! | Field | What |
//! |---|---|
//! | `worker`, `answer`, `input`, `verdict` | what happened: an input from outside, or the answer to an earlier effect |
//! | | its excuses among these: a deadline (`timer_fired`), a reset, "try again" (`…_blocked`), an error (`…_failed`) |
//! | `effects` | what the server does about it, in SPEC.md's words |
//! | `transports`, `connections` | whatever changed; `null` for what is gone |
//! | `phase`, `sizes` | where the worker stands, and how large each of its maps is |
//!
//! # Files
//!
//! | File | What |
//! |---|---|
//! | `log`, `recorder`, `words` | the log, and how it comes about |
//! | `stress`, `soak` | runs whose logs are to be validated |
//! | `rules`, `share`, `places` | what must hold of the whole log, of each worker, and of each connection |
//! | `parties`, `turns`, `simulate`, `compare` | what one transport sees, simulated on the model |
//! | `rejection` | why a log is no behaviour of the model |
//! | `summary` | what a log is of, and how much of it was explained |
//! | `detect` | which mutants of the real server this notices |

mod compare;
mod detect;
pub mod log;
mod parties;
mod places;
mod recorder;
mod rejection;
mod rules;
mod share;
mod simulate;
pub mod soak;
pub mod stress;
mod summary;
#[cfg(test)]
mod tests;
#[cfg(test)]
mod tests_fixture;
#[cfg(test)]
mod tests_workers;
mod turns;
mod words;

pub use compare::Difference;
pub use detect::{Detection, RUNS_MAX, Unseen, detect, is_looked_for};
pub use recorder::Recorder;
pub use rejection::{Reason, Rejection};
pub use simulate::Mismatch;
pub use summary::Summary;

use log::Entry;
use parties::{Carriers, Party};
use std::collections::BTreeMap;
use turns::Turns;

/// Is this log a behaviour of the model?
///
/// # Errors
///
/// The first entry that cannot be explained. What is beyond the bounds of the model is told only if all else can be.
pub fn validate(log: &[Entry]) -> Result<Summary, Box<Rejection>> {
    let mut first = rules::check(log).err();
    let Some(carriers) = Carriers::of(log) else {
        return Err(first.unwrap_or_else(|| Box::new(Rejection::empty())));
    };
    let mut summary = Summary::of(log);
    let mut turns_of: BTreeMap<usize, Turns<'_>> = BTreeMap::new();
    for party in parties::parties(log) {
        summary.transports += usize::from(party.transport.is_some());
        summary.strangers += usize::from(party.transport.is_none());
        let turns =
            turns_of.entry(party.worker).or_insert_with(|| turns::grouped(log, party.worker));
        match explain(log, turns, &party, &carriers) {
            Ok(explained) => {
                summary.turns += explained.turns;
                summary.candidates_max = summary.candidates_max.max(explained.candidates_max);
                summary.states += explained.states;
            }
            Err(rejection) => {
                if first.as_ref().is_none_or(|first| rejection.comes_before(first)) {
                    first = Some(rejection);
                }
            }
        }
    }
    first.map_or(Ok(summary), Err)
}

fn explain(
    log: &[Entry],
    of_worker: &Turns<'_>,
    party: &Party,
    carriers: &Carriers,
) -> Result<simulate::Explained, Box<Rejection>> {
    let name = party.to_string();
    let entry = |n: u64| {
        let found = log.iter().find(|entry| entry.n == n);
        found.or(log.first()).cloned().unwrap_or_else(|| Rejection::empty().entry)
    };
    if let Some((n, what)) = party.beyond_bounds(log, carriers) {
        return Err(Box::new(Rejection::new(&name, entry(n), 0, Reason::Bounds(what))));
    }
    let turns = turns::turns(of_worker, party, carriers)
        .map_err(|(n, what)| Box::new(Rejection::new(&name, entry(n), 0, Reason::NoWords(what))))?;
    simulate::simulate(party, carriers, &turns).map_err(|unexplained| {
        let n = turns[unexplained.at].entries.0;
        let reason = Reason::Mismatch(unexplained.nearest);
        let rejection = Rejection::new(&name, entry(n), unexplained.at, reason);
        Box::new(Rejection { candidates: unexplained.candidates, ..rejection })
    })
}
