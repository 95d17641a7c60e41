//! Servers that run freely under stress, whose logs are validated.

use super::rungs::timed;
use super::{Progress, Row};
use crate::validate::stress::{Options, record};
use crate::validate::{log, validate};
use std::fs::File;

/// The runs that are validated, and how many transports each has.
const STRESS_SEEDS: std::ops::RangeInclusive<u64> = 1..=5;
const STRESS_TRANSPORTS: usize = 40;

/// What free-running servers did under stress is a behaviour of the model. A divergence names its seed; what happens when
/// is up to the threads, so the same seed may be sound next time, and the log is kept.
pub(super) fn validated(progress: &mut dyn Progress) -> Row {
    progress.begin("validate free-running servers");
    timed("validate", "free-running servers", || {
        let mut row = Row { things: "turns", ..Row::default() };
        for seed in STRESS_SEEDS {
            progress.at(row.traces, STRESS_SEEDS.count());
            let run = Options { seed, transports: STRESS_TRANSPORTS, ..Options::default() };
            let log = match record(run) {
                Ok(log) => log,
                Err(error) => {
                    row.failures.push(format!("seed {seed}: {error}"));
                    continue;
                }
            };
            row.traces += 1;
            row.steps += log.len();
            match validate(&log) {
                Ok(summary) => row.compared += summary.turns,
                Err(rejection) => {
                    row.failures.push(format!("seed {seed}: {rejection}{}", kept(seed, &log)))
                }
            }
        }
        row
    })
}

/// Where the log is that was rejected, and how to look at it again.
fn kept(seed: u64, log: &[log::Entry]) -> String {
    let path = std::env::temp_dir().join(format!("webrtc-server-validate-{seed}.jsonl"));
    match File::create(&path).and_then(|file| log::write(file, log)) {
        Ok(()) => format!("\n  again: cargo validate {}", path.display()),
        Err(error) => format!("\n  the log is lost: {error}"),
    }
}
