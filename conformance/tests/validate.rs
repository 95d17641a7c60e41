//! Free-running servers, and whether what they did is a behaviour of the model. The seeds are fixed; the threads are
//! not.

use std::fs::File;
use std::num::NonZeroUsize;
use webrtc_server::lifecycle::Mutant;
use webrtc_server_conformance::validate::log;
use webrtc_server_conformance::validate::stress::{RunOptions, record};
use webrtc_server_conformance::validate::{Rejection, Summary, detect, validate};

const TRANSPORTS: usize = 40;
const AGAIN: &str = "cargo validate";

fn assert_behaviour(options: RunOptions) -> Summary {
    let seed = options.seed;
    let log = record(options).unwrap_or_else(|error| panic!("seed {seed}: {error}"));
    match validate(&log) {
        Ok(summary) => {
            println!("seed {seed}: {summary}");
            summary
        }
        Err(rejection) => {
            // Another run with this seed may be sound: what happens when is up to the threads.
            let file = format!("{}/validate-seed-{seed}.jsonl", env!("CARGO_TARGET_TMPDIR"));
            log::write(File::create(&file).expect("a file"), &log).expect("room for it");
            panic!("seed {seed}: {rejection}\n  again: {AGAIN} {file}");
        }
    }
}

/// All of them, and that enough happened to say something.
fn assert_behaviours(runs: Vec<RunOptions>) {
    let (planned, mut sum) = (TRANSPORTS * runs.len(), Summary::default());
    runs.into_iter().for_each(|run| sum += assert_behaviour(run));
    assert_eq!(sum.too_little(planned), Vec::<String>::new());
}

fn options(seed: u64, workers: Option<usize>) -> RunOptions {
    let workers = workers.and_then(NonZeroUsize::new);
    RunOptions { seed, transports: TRANSPORTS, workers, ..RunOptions::default() }
}

/// On as many workers as there are cores, on one, and on more than there are cores.
#[test]
fn what_a_free_running_server_does_is_a_behaviour_of_the_model() {
    let workers = [None, None, Some(1), Some(2), Some(3)];
    let runs = (1..).zip(workers).map(|(seed, workers)| options(seed, workers));
    assert_behaviours(runs.collect());
}

#[cfg(target_os = "linux")]
#[test]
fn what_its_threads_do_on_one_core_is_one_too() {
    let runs = (11..=13).map(|seed| RunOptions { pinned: true, ..options(seed, Some(2)) });
    assert_behaviours(runs.collect());
}

#[test]
fn every_mistake_of_the_core_is_rejected() {
    for mutant in Mutant::of_the_lifecycle() {
        let detection = detect(mutant).expect("logs");
        let detection = detection.unwrap_or_else(|| panic!("{} passes", mutant.id()));
        let Rejection { party, reason, .. } = *detection.rejection;
        println!("{}, seed {}: {party}, {reason}", mutant.id(), detection.seed);
    }
}
