//! Every mutant is caught, by the property that ought to catch it, as early as can be.

use std::collections::BTreeSet;

use webrtc_server_model::{KNOWN_BUGS, Mutant, State, properties, run_mutant, step};

#[test]
fn each_mutant_is_killed_by_its_property_with_its_shortest_counterexample() {
    for bug in &KNOWN_BUGS {
        let report = run_mutant(bug);
        let counterexample = report.counterexample.unwrap_or_else(|| panic!("{} lives", bug.id));
        assert_eq!(report.property, bug.killed_by, "{}", bug.id);
        assert_eq!(counterexample.len(), bug.length, "{:?}: {counterexample:?}", bug.mutant);
    }
}

#[test]
fn the_counterexample_is_harmless_where_no_mutant_is_planted() {
    for bug in &KNOWN_BUGS {
        let mut state = State::initial(&(bug.config)());
        for action in run_mutant(bug).counterexample.expect("killed") {
            // What is wrong may also be that something can happen that ought not to.
            let Some((after, _)) = step(&(bug.config)(), &state, action) else { continue };
            state = after;
        }
        assert_eq!(state.ghost.broken, Default::default(), "{}", bug.id);
    }
}

#[test]
fn every_always_is_broken_by_a_mutant() {
    let mut broken = BTreeSet::new();
    for report in KNOWN_BUGS.iter().map(run_mutant) {
        broken.insert(report.property);
        broken.extend(report.also_broken);
    }
    let always = properties().into_iter().filter(|p| p.expectation.discovery_is_failure());
    let never: Vec<_> = always.map(|p| p.name).filter(|name| !broken.contains(name)).collect();
    assert_eq!(never, Vec::<&str>::new());
}

#[test]
fn each_mutant_is_found_by_its_name_and_by_a_number_of_its_own() {
    for bug in &KNOWN_BUGS {
        assert_eq!(format!("{:?}", bug.mutant).parse(), Ok(bug.mutant));
        let alone = KNOWN_BUGS.iter().filter(|other| other.id == bug.id).count() == 1;
        assert_eq!(bug.id.parse().ok(), alone.then_some(bug.mutant), "{}", bug.id);
    }
    let unknown = "K99".parse::<Mutant>().expect_err("there is none").to_string();
    assert!(unknown.contains("K01 CarriersFirst, "), "{unknown}");
}
