//! The explored graph: how large it is, that stateright agrees, and that every property holds.

use stateright::{Checker, Model};
use webrtc_server_model::{
    Aspects, Config, Graph, KNOWN_BUGS, LifecycleModel, Mutant, check_endings, judge,
};

/// Stateright counts what it generates: the initial state, and the target of every edge.
fn assert_stateright_agrees(graph: &Graph) {
    let checker = LifecycleModel(graph.config().clone()).checker().threads(2).spawn_bfs().join();
    assert_eq!(checker.unique_state_count(), graph.states().len());
    assert_eq!(checker.state_count(), graph.edges().len() + 1);
    checker.assert_properties();
}

fn assert_all_hold(graph: &Graph) {
    for verdict in judge(graph) {
        assert!(verdict.holds(), "{verdict:#?}");
    }
}

#[test]
fn small_is_as_large_as_it_was_and_right() {
    let graph = Graph::explore(&Config::small());
    assert_eq!((graph.states().len(), graph.edges().len()), (1_488, 8_457));
    assert_all_hold_but_two_transports(&graph);
    assert_stateright_agrees(&graph);
    let endings = check_endings(&graph).expect("every close ends");
    assert_eq!((endings.closing_states, endings.largest_rank), (1_005, 13));
}

/// A configuration of one transport has no property that needs two.
fn assert_all_hold_but_two_transports(graph: &Graph) {
    assert!(judge(graph).iter().all(|verdict| !verdict.property.starts_with("N1")));
    assert_all_hold(graph);
}

#[test]
#[cfg_attr(debug_assertions, ignore = "takes a minute without optimisation")]
fn standard_is_as_large_as_it_was_and_right() {
    let graph = Graph::explore(&Config::standard());
    assert_eq!((graph.states().len(), graph.edges().len()), (155_673, 1_432_417));
    assert_all_hold(&graph);
    assert_stateright_agrees(&graph);
    let endings = check_endings(&graph).expect("every close ends");
    assert_eq!((endings.closing_states, endings.largest_rank), (98_901, 20));
}

#[test]
fn every_always_has_a_sometimes_beside_it() {
    let verdicts = judge(&Graph::explore_until(&Config::standard(), |_, _| true));
    let (always, sometimes): (Vec<_>, Vec<_>) =
        verdicts.iter().partition(|verdict| verdict.must_always_hold());
    for property in always.iter().map(|verdict| verdict.property) {
        let id = &property[..2];
        assert!(sometimes.iter().any(|near| near.property.starts_with(id)), "{property}");
    }
}

#[test]
fn a_sometimes_fails_where_its_state_cannot_be_reached() {
    let aspects = vec![Aspects { tcp: false, ..Aspects::full() }];
    let graph = Graph::explore(&Config { aspects, ..Config::small() });
    let missed: Vec<_> = judge(&graph).into_iter().filter(|verdict| !verdict.holds()).collect();
    assert!(missed.iter().any(|v| v.property == "O6 an alert waits behind a begun frame"));
    assert!(missed.iter().all(|v| !v.must_always_hold()));
}

/// Stateright reports some counterexample, not always the shortest; none may be shorter than ours.
#[test]
fn stateright_kills_the_same_mutants_with_counterexamples_that_are_no_shorter() {
    for bug in KNOWN_BUGS.iter().filter(|bug| (bug.config)() == Config::small()) {
        let model = LifecycleModel(Config::small().with_mutant(bug.mutant));
        let checker = model.checker().spawn_bfs().join();
        let path = checker.discovery(bug.killed_by);
        let path = path.unwrap_or_else(|| panic!("{} lives", bug.id));
        assert!(path.into_actions().len() >= bug.length, "{}", bug.id);
    }
}

#[test]
fn endings_are_wrong_where_a_mistake_is_planted() {
    let what = |mutant| {
        let graph = Graph::explore(&Config::small().with_mutant(mutant));
        check_endings(&graph).expect_err("a close that does not end").what
    };
    assert_eq!(what(Mutant::NoDeadline), "deadlines and workers alone do not end it");
    assert_eq!(what(Mutant::AcceptWhileClosing), "a step of a closing system is no progress");
    assert_eq!(what(Mutant::CallerForgotten), "nothing can happen and something is left");
}
