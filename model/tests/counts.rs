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
