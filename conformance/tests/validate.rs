//! Free-running servers, and whether what they did is a behaviour of the model. The seeds are fixed; the threads are not.

use webrtc_server::lifecycle::Mutant;
use webrtc_server_conformance::validate::stress::{Options, record};
use webrtc_server_conformance::validate::validate;

const TRANSPORTS: usize = 40;

#[test]
fn what_a_free_running_server_does_is_a_behaviour_of_the_model() {
    for seed in 1..=4 {
        let log = record(Options { seed, transports: TRANSPORTS, mutant: None }).expect("a server");
        match validate(&log) {
            Ok(summary) => println!("seed {seed}: {summary}"),
            Err(rejection) => panic!("seed {seed}: {rejection}"),
        }
    }
}

/// Each of these shows in a run, whatever the threads do, since many transports do what it spoils.
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
        let run = Options { seed: 1, transports: TRANSPORTS, mutant: Some(mutant) };
        let log = record(run).expect("a server");
        let rejection = validate(&log).expect_err(mutant.id());
        println!("{}: {}, {}", mutant.id(), rejection.party, rejection.reason);
    }
}
