//! Servers that run freely under stress, whose logs are validated.

use super::rungs::timed;
use super::{Progress, Row};
use crate::validate::stress::{RunOptions, StressError, record};
use crate::validate::{Summary, log, validate};
use std::fs::File;
use std::process;

/// The runs that are validated, and how many transports each has.
const STRESS_SEEDS: std::ops::RangeInclusive<u64> = 1..=5;
const STRESS_TRANSPORTS: usize = 40;
/// What all of them together must have come to, or they say little: less than half of the least that any five of sixty
/// runs came to on a busy machine. On one that is too slow for the deadlines of the servers little happens.
const CONNECTED_MIN: usize = 40;
const FAREWELLS_MIN: usize = 20;
const FAULTS_MIN: usize = 20;

/// What free-running servers did under stress is a behaviour of the model. A divergence names its seed; what happens when
/// is up to the threads, so the same seed may be sound next time, and the log is kept.
pub(super) fn validated(progress: &mut dyn Progress) -> Row {
    progress.begin("validate free-running servers");
    timed("validate", "free-running servers", || {
        let mut row = Row { things: "turns", ..Row::default() };
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
            row.failures = too_little(&sum);
        }
        let note = format!("{logs} logs: {sum}");
        Row { handshakes: sum.connected, compared: sum.turns, note: Some(note), ..row }
    })
}

/// What there is too little of.
fn too_little(sum: &Summary) -> Vec<String> {
    let floors = [
        ("were connected", sum.connected, CONNECTED_MIN),
        ("said goodbye", sum.farewells, FAREWELLS_MIN),
        ("faults were met", sum.faults, FAULTS_MIN),
    ];
    let few = floors.into_iter().filter(|(_, count, min)| count < min);
    few.map(|(what, count, min)| format!("{count} {what}, and less than {min} says little"))
        .collect()
}

/// Where the log is that was rejected, and how to look at it again.
fn kept(seed: u64, log: &[log::Entry]) -> String {
    let path =
        std::env::temp_dir().join(format!("webrtc-server-validate-{seed}-{}.jsonl", process::id()));
    match File::create(&path).and_then(|file| log::write(file, log)) {
        Ok(()) => format!("\n  again: cargo validate {}", path.display()),
        Err(error) => format!("\n  the log is lost: {error}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn runs_in_which_little_happens_are_a_failure() {
        let enough = Summary {
            connected: CONNECTED_MIN,
            farewells: FAREWELLS_MIN,
            faults: FAULTS_MIN,
            ..Summary::default()
        };
        assert_eq!(too_little(&enough), Vec::<String>::new());
        let little = Summary { farewells: FAREWELLS_MIN - 1, ..enough };
        assert_eq!(too_little(&little), ["19 said goodbye, and less than 20 says little"]);
        assert_eq!(too_little(&Summary::default()).len(), 3);
    }
}
