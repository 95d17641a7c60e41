use webrtc_server_model::*;
fn main() {
    let only: Vec<String> = std::env::args().skip(1).collect();
    let mut reached = std::collections::BTreeMap::new();
    println!("state bytes {}", std::mem::size_of::<State>());
    for config in Preset::nightly().configs {
        if !only.is_empty() && !only.contains(&config.name.to_string()) {
            continue;
        }
        let t = std::time::Instant::now();
        let graph = Graph::explore(&config);
        let e = t.elapsed().as_secs_f64();
        println!("{} {} {} {:.2}s", config.name, graph.states().len(), graph.edges().len(), e);
        for v in judge(&graph) {
            if v.must_always_hold() {
                if let Some(w) = &v.witness {
                    println!("   VIOLATED {}", v.property);
                    let mut s = State::initial(&config);
                    for a in w {
                        let (n, eff) = step(&config, &s, *a).unwrap();
                        s = n;
                        println!("      {a:?}  {eff:?}");
                    }
                }
            } else {
                reached
                    .entry(v.property)
                    .or_insert_with(Vec::new)
                    .extend(v.witness.map(|_| config.name));
            }
        }
        println!("    judged {:.2}", t.elapsed().as_secs_f64());
        let max = graph
            .states()
            .iter()
            .filter(|s| {
                s.core.server != ServerPhase::Open && !s.core.workers.contains(&WorkerPhase::Open)
            })
            .map(|s| rank(&config, s))
            .max();
        println!("    rank {max:?}");
    }
    for (p, c) in &reached {
        if c.is_empty() {
            println!("NOT REACHED {p}")
        }
    }
    if only.is_empty() || only.contains(&"mutants".to_string()) {
        for bug in &KNOWN_BUGS {
            let r = run_mutant(bug);
            println!(
                "{:?} {} {:?} {} also {:?}",
                bug.mutant,
                (bug.config)().name,
                r.counterexample.map(|c| c.len()),
                r.states,
                r.also_broken
            );
        }
    }
}
