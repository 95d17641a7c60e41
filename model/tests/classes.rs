//! Classes of edges mean what they say, and the covers walk all of them.

use std::collections::HashSet;

use webrtc_server_model::{
    Action, Config, EdgeClass, Grain, Graph, Mutant, State, check_classes, check_commutation,
    cover, cover_edges, edge_classes, step,
};

/// Perform the traces and collect the classes of the edges that they walk.
fn classes_walked(grain: Grain, config: &Config, traces: &[Vec<Action>]) -> HashSet<EdgeClass> {
    let mut walked = HashSet::new();
    for trace in traces {
        let mut state = State::initial(config);
        for action in trace {
            walked.extend(edge_classes(grain, &state, *action));
            state = step(config, &state, *action).expect("a trace can be performed").0;
        }
    }
    walked
}

fn all_classes(grain: Grain, graph: &Graph) -> HashSet<EdgeClass> {
    let edges = graph.edges().iter();
    edges
        .flat_map(|edge| edge_classes(grain, &graph.states()[edge.from as usize], edge.action))
        .collect()
}

#[test]
#[cfg_attr(debug_assertions, ignore = "takes minutes without optimisation")]
fn edges_of_one_class_do_the_same_and_the_cover_walks_every_class() {
    let graph = Graph::explore(&Config::standard());
    let expected = [(Grain::Whole, 10_533, (3_268, 37_548)), (Grain::Read, 3_274, (1_304, 13_560))];
    for (grain, classes, size) in expected {
        assert_eq!(check_classes(grain, &graph), Ok(classes));
        let cover = cover(grain, &graph);
        assert_eq!(cover.covered, classes);
        assert_eq!((cover.traces.len(), cover.steps()), size);
        let walked = classes_walked(grain, graph.config(), &cover.traces);
        assert_eq!(walked, all_classes(grain, &graph));
    }
    assert!(check_commutation(&graph).is_ok_and(|pairs| pairs > 1_000_000));
}

#[test]
fn the_cover_of_small_walks_every_edge() {
    let graph = Graph::explore(&Config::small());
    let cover = cover_edges(&graph);
    assert_eq!((cover.traces.len(), cover.steps()), (3_623, 32_461));
    let mut walked = HashSet::new();
    for trace in &cover.traces {
        let mut at = 0;
        for action in trace {
            walked.insert((at, *action));
            at = graph.successor(at, *action).expect("a trace can be performed");
        }
    }
    assert_eq!(walked.len(), graph.edges().len());
}

#[test]
fn without_its_longest_trace_a_cover_misses_a_class() {
    let graph = Graph::explore(&Config::small());
    let mut cover = cover(Grain::Read, &graph);
    cover.traces.sort_by_key(Vec::len);
    cover.traces.pop();
    let walked = classes_walked(Grain::Read, graph.config(), &cover.traces);
    assert!(walked.len() < all_classes(Grain::Read, &graph).len());
}

/// A close loop that skips by position treats equal transports differently.
#[test]
fn classes_conflict_where_equal_edges_differ() {
    let graph = Graph::explore_until(
        &Config::standard().with_mutant(Mutant::EverySecondTransport),
        |_, state| state.core.transports.iter().any(|t| t.tcp.is_bound()),
    );
    let conflict = check_classes(Grain::Whole, &graph).expect_err("not the same");
    assert!(matches!(conflict.class.action, Action::OwnerClosesServer { .. }));
}

/// Whether an error leaks depends on who shook hands first.
#[test]
#[cfg_attr(debug_assertions, ignore = "takes minutes without optimisation")]
fn actions_do_not_commute_where_one_reaches_into_another_transport() {
    let graph = Graph::explore(&Config::standard().with_mutant(Mutant::ErrorLeaks));
    let conflict = check_commutation(&graph).expect_err("order matters");
    assert_ne!(conflict.actions[0].transport(), conflict.actions[1].transport());
}
