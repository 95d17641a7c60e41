//! The explored graphs: how large they are, that stateright agrees, and that every property holds.

mod pins;

use std::collections::BTreeSet;

use stateright::{Checker, Model};
use webrtc_server_model::{
    Action, Config, Graph, KNOWN_BUGS, KernelAspects, LifecycleModel, Mutant, Preset, Transit,
    check_cycles, check_endings, check_symmetry, judge, properties,
};

/// Stateright counts what it generates: the initial state, and the target of every edge.
fn assert_stateright_agrees(graph: &Graph) {
    let checker = LifecycleModel(graph.config().clone()).checker().threads(1).spawn_bfs().join();
    assert_eq!(checker.unique_state_count(), graph.states().len());
    assert_eq!(checker.state_count(), graph.edges().len() + 1);
}

fn assert_is_right(pin: &pins::Pin, graph: &Graph) {
    let name = pin.config;
    assert_eq!((graph.states().len(), graph.edges().len()), (pin.states, pin.edges), "{name}");
    for verdict in judge(graph).iter().filter(|verdict| verdict.must_always_hold()) {
        assert!(verdict.holds(), "{name}: {verdict:#?}");
    }
    assert_stateright_agrees(graph);
    let endings = check_endings(graph).expect("every close ends");
    assert_eq!(endings.largest_rank, pin.rank, "{name}");
    let cycles = check_cycles(graph).expect("no fair run stays");
    assert!(cycles.states >= endings.closing_states - endings.final_states, "{name}");
}

#[test]
fn small_is_as_large_as_it_was_and_right() {
    assert_is_right(&pins::STANDARD[0], &Graph::explore(&Config::small()));
}

#[test]
fn standard_is_as_large_as_it_was_and_right_and_reaches_all_that_it_ought_to() {
    let mut missed: BTreeSet<_> = properties().iter().map(|property| property.name).collect();
    let configs = Preset::standard().configs;
    let names: Vec<_> = configs.iter().map(|config| config.name).collect();
    assert_eq!(names, pins::STANDARD.each_ref().map(|pin| pin.config));
    for (pin, config) in pins::STANDARD.iter().zip(&configs) {
        let graph = Graph::explore(config);
        assert_is_right(pin, &graph);
        for verdict in judge(&graph).iter().filter(|verdict| verdict.holds()) {
            missed.remove(verdict.property);
        }
    }
    assert!(missed.is_empty(), "{missed:#?}");
}

fn assert_is_as_large_as_pinned((name, states, edges): (&str, usize, usize)) {
    let graph = Graph::explore(&Config::named(name).expect("a configuration of nightly"));
    assert_eq!((graph.states().len(), graph.edges().len()), (states, edges), "{name}");
}

#[test]
fn three_transports_are_as_large_as_they_were() {
    let [three, alone] = pins::NIGHTLY;
    assert_is_as_large_as_pinned(three);
    let standard = Preset::standard().configs.len();
    let names: Vec<_> = Preset::nightly().configs[standard..].iter().map(|c| c.name).collect();
    assert_eq!(names, [three.0, alone.0]);
}

#[test]
#[ignore = "takes a minute and a gigabyte; `check nightly` explores it"]
fn one_transport_alone_is_as_large_as_it_was() {
    assert_is_as_large_as_pinned(pins::NIGHTLY[1]);
}

#[test]
fn every_always_has_a_sometimes_beside_it() {
    let id = |name: &'static str| name.split(' ').next().expect("a name begins with an ID");
    let (always, sometimes): (Vec<_>, Vec<_>) =
        properties().into_iter().partition(|property| property.expectation.discovery_is_failure());
    let near: BTreeSet<_> = sometimes.iter().map(|property| id(property.name)).collect();
    for property in always {
        assert!(near.contains(id(property.name)), "{}", property.name);
    }
}

#[test]
fn a_sometimes_fails_where_its_state_cannot_be_reached() {
    let graph = Graph::explore(&Config { kernel: KernelAspects::default(), ..Config::small() });
    let verdicts = judge(&graph);
    let of = |name| verdicts.iter().find(|verdict| verdict.property == name).expect("a property");
    assert!(!of("O6 an alert waits behind a begun frame").holds());
    assert!(of("L1 a server is closed").holds());
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
    let what = |config: Config, mutant| {
        let graph = Graph::explore(&config.with_mutant(mutant));
        check_endings(&graph).expect_err("a close that does not end").what
    };
    let no_progress = "a step of a closing system is no progress";
    assert_eq!(what(Config::small(), Mutant::AcceptWhileClosing), no_progress);
    assert_eq!(what(Config::small(), Mutant::StartsOver), no_progress);
    let does_not_end = "deadlines and workers alone do not end it";
    assert_eq!(what(Config::small(), Mutant::NoDeadline), does_not_end);
    assert_eq!(what(Config::pair(), Mutant::FirstWorkerReleases), does_not_end);
}

/// Where a fair run stays, how many actions lead there, and what goes on for ever.
fn stays(config: Config, mutant: Mutant) -> (Transit, usize, Vec<Action>) {
    let graph = Graph::explore(&config.with_mutant(mutant));
    let found = check_cycles(&graph).expect_err("a fair run that stays");
    (found.place, found.path.len(), found.cycle)
}

#[test]
fn a_fair_run_stays_where_a_mistake_is_planted() {
    use webrtc_server_model::{TransportId, WorkerId};
    let closes = Transit::TransportCloses(TransportId(0));
    assert_eq!(stays(Config::small(), Mutant::NoDeadline), (Transit::ServerCloses, 6, vec![]));
    assert_eq!(stays(Config::small(), Mutant::CallerForgotten), (Transit::ServerCloses, 4, vec![]));
    assert_eq!(stays(Config::small(), Mutant::QueueDropped), (closes, 5, vec![]));
    let again = Action::ConsentExpires { t: TransportId(0) };
    assert_eq!(stays(Config::small(), Mutant::LateTimer), (closes, 4, vec![again]));
    let again = Action::ServerDeadlinePasses { w: WorkerId(0) };
    let expected = (Transit::ServerCloses, 2, vec![again]);
    assert_eq!(stays(Config::handshake(), Mutant::EverySecondTransport), expected);
}

/// These do no more than delay the close: a deadline ends it all the same, and another property says what is wrong.
#[test]
fn no_fair_run_stays_where_a_deadline_ends_the_mistake() {
    for mutant in [Mutant::AcceptWhileClosing, Mutant::StartsOver, Mutant::EndlessEof] {
        let graph = Graph::explore(&Config::small().with_mutant(mutant));
        assert!(check_cycles(&graph).is_ok(), "{mutant:?}");
    }
    let graph = Graph::explore(&Config::pair().with_mutant(Mutant::CloseBlocks));
    assert!(check_cycles(&graph).is_ok());
}

#[test]
fn callers_and_connections_that_are_alike_could_be_counted_once() {
    let reduced = |config: &Config| check_symmetry(&Graph::explore(config)).expect("symmetric");
    let small = reduced(&Config::small());
    assert_eq!((small.renamings, small.states), (2, 2_263));
    assert_eq!(reduced(&Config { callers: 1, ..Config::small() }).renamings, 1);
}

/// The last caller who waits is told, the first is not: they are not alike.
#[test]
fn a_mistake_that_depends_on_a_name_breaks_the_symmetry() {
    let graph = Graph::explore(&Config::small().with_mutant(Mutant::CallerForgotten));
    let what = check_symmetry(&graph).expect_err("not symmetric").what;
    assert_eq!(what, "it is not reached under other names");
}
