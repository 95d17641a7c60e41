//! Servers that run freely under stress, whose logs are validated.

use super::rungs::timed;
use super::{Check, Progress, Row};
use crate::replay::folder;
use crate::validate::stress::{RunOptions, StressError, record};
use crate::validate::{Summary, log, validate};
use std::fs::File;
use std::process;

/// The runs that are validated, and how many transports each has.
const STRESS_SEEDS: std::ops::RangeInclusive<u64> = 1..=5;
const STRESS_TRANSPORTS: usize = 40;

/// What free-running servers did under stress is a behaviour of the model. A divergence names its seed; what happens
/// when is up to the threads, so the same seed may be sound next time, and the log is kept.
pub(super) fn validated(progress: &mut dyn Progress) -> Row {
    progress.begin("validate free-running servers");
    timed(Check::Validate, "free-running servers", || {
        let seeds = STRESS_SEEDS.collect();
        let mut row = Row { things: "turns", seeds, ..Row::default() };
        let (mut logs, mut sum) = (0, Summary::default());
        for seed in STRESS_SEEDS {
            progress.at(logs, STRESS_SEEDS.count());
            // One of them with all its threads on one processor, where that can be had.
            let pinned = cfg!(target_os = "linux") && seed == *STRESS_SEEDS.start();
            let run =
                RunOptions { seed, transports: STRESS_TRANSPORTS, pinned, ..RunOptions::default() };
            match record(run) {
                Ok(log) => match validate(&log) {
                    Ok(summary) => {
                        logs += 1;
                        sum += summary;
                    }
                    Err(rejection) => {
                        row.failures.push(format!("seed {seed}: {rejection}{}", kept(seed, &log)));
                    }
                },
                Err(StressError::Endless(log)) => {
                    let what = StressError::Endless(Vec::new());
                    row.failures.push(format!("seed {seed}: {what}{}", kept(seed, &log)));
                }
                Err(error) => row.failures.push(format!("seed {seed}: {error}")),
            }
        }
        if row.failures.is_empty() {
            row.failures = sum.too_little(STRESS_SEEDS.count() * STRESS_TRANSPORTS);
        }
        let note = format!("{logs} logs: {sum}");
        Row { handshakes: sum.connected, compared: sum.turns, note: Some(note), ..row }
    })
}

/// Where the log is that was rejected, and how to look at it again.
fn kept(seed: u64, log: &[log::Entry]) -> String {
    let path = folder().join(format!("webrtc-server-validate-{seed}-{}.jsonl", process::id()));
    match File::create(&path).and_then(|file| log::write(file, log)) {
        Ok(()) => format!("\n  again: cargo validate {}", path.display()),
        Err(error) => format!("\n  the log is lost: {error}"),
    }
}
