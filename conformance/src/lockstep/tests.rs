//! Model and core agree; and lockstep notices when they do not.

use super::run;
use webrtc_server::lifecycle::Mutant;
use webrtc_server_model::{Action, Config, Graph};

fn agrees(config: &Config) {
    let graph = Graph::explore(config);
    let mut last = (0, 0);
    let lockstep = run(&graph, None, &mut |done, total| last = (done, total)).unwrap();
    println!("{lockstep}");
    assert!(lockstep.divergences.is_empty(), "{lockstep}");
    assert_eq!(lockstep.edges, graph.edges().len());
    assert_eq!(lockstep.states, graph.states().len());
    assert_eq!(last, (lockstep.edges, lockstep.edges));
    assert!(lockstep.effects_compared > lockstep.edges / 2);
}

#[test]
fn model_and_core_agree_on_every_edge_of_small() {
    agrees(&Config::small());
}

#[test]
#[cfg_attr(debug_assertions, ignore = "takes minutes without optimisation")]
fn model_and_core_agree_on_every_edge_of_standard() {
    agrees(&Config::standard());
}

#[test]
fn a_server_that_releases_carriers_first_diverges_at_once() {
    let graph = Graph::explore(&Config::small());
    let lockstep = run(&graph, Some(Mutant::CarriersFirst), &mut |_, _| {}).unwrap();
    println!("{lockstep}");
    let first = &lockstep.divergences[0];
    assert!(first.trace.is_empty(), "{first}");
    assert!(matches!(first.action, Some(Action::OwnerClosesServer { .. })), "{first}");
}
