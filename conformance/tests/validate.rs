//! Free-running servers, and whether what they did is a behaviour of the model. The seeds are fixed; the threads are not.

use std::fs::File;
use webrtc_server::lifecycle::Mutant;
use webrtc_server_conformance::validate::log;
use webrtc_server_conformance::validate::stress::{Options, record};
use webrtc_server_conformance::validate::validate;

const TRANSPORTS: usize = 40;
const AGAIN: &str = "cargo validate";

#[test]
fn what_a_free_running_server_does_is_a_behaviour_of_the_model() {
    for seed in 1..=4 {
        let log = record(Options { seed, transports: TRANSPORTS, mutant: None }).expect("a server");
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

/// Each of these shows in nearly every run, since many transports do what it spoils.
#[test]
fn a_server_with_a_known_mistake_is_rejected() {
    let mutants = [
        Mutant::CarriersFirst,
        Mutant::EverySecondTransport,
        Mutant::StaleRoute,
        Mutant::HardClose,
        Mutant::SilentServerClose,
        Mutant::AlertAfterUnmap,
        Mutant::EventAfterReport,
        Mutant::LateTimer,
    ];
    for mutant in mutants {
        let rejected = (1..=5).find_map(|seed| {
            let run = Options { seed, transports: TRANSPORTS, mutant: Some(mutant) };
            let log = record(run).expect("a server");
            validate(&log).err().map(|rejection| (seed, rejection))
        });
        let (seed, rejection) = rejected.unwrap_or_else(|| panic!("{} passes", mutant.id()));
        println!("{}, seed {seed}: {}, {}", mutant.id(), rejection.party, rejection.reason);
    }
}
