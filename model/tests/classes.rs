//! Classes of edges mean what they say, and the covers walk all of them.

mod pins;

use std::collections::HashSet;

use webrtc_server_model::{
    Action, Config, Cover, EdgeClass, Grain, Graph, Groups, Mutant, Preset, State, check_classes,
    check_commutation, cover, cover_combinations, cover_edges, edge_classes, step,
};

/// Perform the traces and collect the classes of the edges that they walk.
fn classes_walked(grain: Grain, config: &Config, traces: &[Vec<Action>]) -> HashSet<EdgeClass> {
    let mut walked = HashSet::new();
    for trace in traces {
        let mut state = State::initial(config);
        for action in trace {
            walked.extend(edge_classes(grain, config, &state, *action));
            state = step(config, &state, *action).expect("a trace can be performed").0;
        }
    }
    walked
}

fn all_classes(grain: Grain, graph: &Graph) -> HashSet<EdgeClass> {
    let edges = graph.edges().iter();
    let of = |from: u32, action| {
        edge_classes(grain, graph.config(), &graph.states()[from as usize], action)
    };
    edges.flat_map(|edge| of(edge.from, edge.action)).collect()
}

#[test]
fn edges_of_one_class_do_the_same_and_actions_of_different_groups_commute() {
    for (pin, config) in pins::STANDARD.iter().zip(&Preset::standard().configs) {
        let graph = Graph::explore(config);
        assert_eq!(check_classes(Grain::Read, &graph), Ok(pin.classes), "{}", pin.config);
        let pairs = check_commutation(&graph).expect("the order makes no difference");
        let groups = Groups::of(config).all().len();
        assert_eq!(pairs > 0, groups > 1, "{}", pin.config);
    }
}

#[test]
fn the_cover_of_small_walks_every_class() {
    let graph = Graph::explore(&Config::small());
    for grain in [Grain::Whole, Grain::Read] {
        let cover = cover(grain, &graph);
        assert_eq!(check_classes(grain, &graph), Ok(cover.covered));
        let walked = classes_walked(grain, graph.config(), &cover.traces);
        assert_eq!(walked, all_classes(grain, &graph));
    }
}

/// The classes of each edge that has several, as they come together.
fn combinations<'a>(
    config: &Config,
    steps: impl Iterator<Item = (&'a State, Action)>,
) -> HashSet<Vec<EdgeClass>> {
    let of_each = steps.map(|(state, action)| edge_classes(Grain::Read, config, state, action));
    of_each.filter(|classes| classes.len() > 1).collect()
}

#[test]
fn the_larger_cover_of_small_walks_every_combination_of_classes() {
    let graph = Graph::explore(&Config::small());
    let edges = graph.edges().iter().map(|e| (&graph.states()[e.from as usize], e.action));
    let all = combinations(graph.config(), edges);
    let walked_by = |cover: Cover| {
        let steps = cover.traces.iter().flat_map(|trace| {
            let to = |at: &mut u32, action: &Action| {
                let from = *at;
                *at = graph.successor(from, *action)?;
                Some((&graph.states()[from as usize], *action))
            };
            trace.iter().scan(0, to)
        });
        combinations(graph.config(), steps)
    };
    assert_eq!(walked_by(cover_combinations(Grain::Read, &graph)), all);
    assert!(walked_by(cover(Grain::Read, &graph)).len() < all.len());
}

#[test]
fn the_cover_of_small_can_walk_every_edge() {
    let graph = Graph::explore(&Config::small());
    let cover = cover_edges(&graph);
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

#[test]
fn transports_that_may_share_a_tuple_are_one_group() {
    let groups = |config: &Config| Groups::of(config).all().len();
    assert_eq!(groups(&Config::small()), 1);
    assert_eq!(groups(&Config::takeover()), 1);
    assert_eq!(groups(&Config::pair()), 2);
    let mut alone = Config::small();
    alone.transports[0].connections.clear();
    assert_eq!(groups(&alone), 2, "a connection that nobody may use");
}

/// What the stranger's reset does to a transport does not show in what is known of the stranger.
#[test]
fn classes_conflict_where_equal_edges_differ() {
    let graph = Graph::explore(&Config::small().with_mutant(Mutant::StrangerBreaks));
    let conflict = check_classes(Grain::Read, &graph).expect_err("not the same");
    assert!(matches!(conflict.class[0].action, Action::PeerResets { .. }));
}

/// Whether an error leaks depends on who shook hands first.
#[test]
fn actions_do_not_commute_where_one_reaches_into_another_transport() {
    let config = Config::handshake().with_mutant(Mutant::ErrorLeaks);
    let conflict = check_commutation(&Graph::explore(&config)).expect_err("order matters");
    let groups = Groups::of(&config);
    assert_ne!(groups.subject(conflict.actions[0]), groups.subject(conflict.actions[1]));
}
