use webrtc_server_model::{Config, Graph};

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
        let broken = graph.states().iter().filter(|s| s.ghost.broken != Default::default()).count();
        eprintln!("broken {broken}");
        if let Some(path) = graph.shortest(|_, s| s.ghost.broken != Default::default()) {
            eprintln!("{path:?}");
        }
    }
}
