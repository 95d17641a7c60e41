use webrtc_server_model::*;

#[test]
fn probe() {
    for config in [Config::small(), Config::standard()] {
        let now = std::time::Instant::now();
        let graph = Graph::explore(&config);
        eprintln!(
            "{}: {} states {} edges {:?}",
            config.name,
            graph.states().len(),
            graph.edges().len(),
            now.elapsed()
        );
        for v in judge(&graph) {
            if !v.holds() {
                eprintln!("FAIL {v:?}");
            }
        }
        eprintln!("{:?}", now.elapsed());
        eprintln!("{:?} {:?}", check_endings(&graph), now.elapsed());
        eprintln!("{:?} {:?}", check_commutation(&graph), now.elapsed());
        for grain in [Grain::Whole, Grain::Read] {
            eprintln!("{:?} {:#?} {:?}", grain, check_classes(grain, &graph), now.elapsed());
            let c = cover(grain, &graph);
            eprintln!(
                "cover {} traces {} steps {} max {:?} {:?}",
                c.covered,
                c.traces.len(),
                c.steps(),
                c.traces.iter().map(Vec::len).max(),
                now.elapsed()
            );
        }
        if graph.states().len() < 10000 {
            let c = cover_edges(&graph);
            eprintln!(
                "edge cover {} traces {} steps {} {:?}",
                c.covered,
                c.traces.len(),
                c.steps(),
                now.elapsed()
            );
        }
    }
    for bug in &KNOWN_BUGS {
        let r = run_mutant(bug);
        eprintln!(
            "{} {:?} {} {:?} len {:?}/{} also {:?} states {}",
            bug.id,
            r.mutant,
            r.property,
            r.counterexample,
            r.counterexample.as_ref().map(|c| c.len()),
            bug.length,
            r.also_broken,
            r.states
        );
    }
}
