//! Free-running servers, and whether what they did is a behaviour of the model. The seeds are fixed; the threads are not.

use std::fs::File;
use webrtc_server::lifecycle::Mutant;
use webrtc_server_conformance::validate::log;
use webrtc_server_conformance::validate::stress::{Options, record};
use webrtc_server_conformance::validate::{Rejection, kills, validate};

const TRANSPORTS: usize = 40;
const AGAIN: &str = "cargo validate";

#[test]
fn what_a_free_running_server_does_is_a_behaviour_of_the_model() {
    for seed in 1..=4 {
        let log = record(Options { seed, transports: TRANSPORTS, ..Options::default() })
            .expect("a server");
        match validate(&log) {
            Ok(summary) => println!("seed {seed}: {summary}"),
            Err(rejection) => {
                // Another run with this seed may be sound: what happens when is up to the threads.
                let file = format!("{}/validate-seed-{seed}.jsonl", env!("CARGO_TARGET_TMPDIR"));
                log::write(File::create(&file).expect("a file"), &log).expect("room for it");
                panic!("seed {seed}: {rejection}\n  again: {AGAIN} {file}");
            }
        }
    }
}

/// A few of them; all are for the kill matrix.
#[test]
fn every_mistake_of_the_core_is_rejected() {
    for mutant in Mutant::of_the_lifecycle() {
        let killed = kills(mutant).unwrap_or_else(|| panic!("{} passes", mutant.id()));
        let Rejection { party, reason, .. } = *killed.rejection;
        println!("{}, seed {}: {party}, {reason}", mutant.id(), killed.seed);
    }
}
