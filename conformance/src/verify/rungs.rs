//! Each check, as a row of the report.

use super::jobs::{Jobs, helpers};
use super::{Progress, Row};
use crate::lockstep::{self, Found, Kill, kill_matrix};
use crate::replay::{self, Descriptors, Plan, ReplayError};
use crate::validate::stress::{Options, record};
use crate::validate::{log, validate};
use std::collections::BTreeSet;
use std::fs::File;
use std::time::Instant;
use webrtc_server::lifecycle::Mutant;
use webrtc_server_model::{
    Action, Config, Graph, KNOWN_BUGS, KnownBug, Preset, Verdict, check_cycles, check_endings,
    judge, run_mutant,
};

/// Every edge of this one is replayed, of the others one of each class.
const EVERY_EDGE: &str = "small";
/// Mistakes that lockstep sees in an input that comes too late, for which the model has no action in so small a
/// configuration: replay needs one that has.
const ELSEWHERE: [(Mutant, &str); 1] = [(Mutant::RegistrationLeft, "owner")];

/// The runs that are validated, and how many transports each has.
const STRESS_SEEDS: std::ops::RangeInclusive<u64> = 1..=5;
const STRESS_TRANSPORTS: usize = 40;

/// What is done in memory.
enum Job<'a> {
    Model(&'a Graph),
    Lockstep(&'a Graph),
    MutantOfTheModel(&'a KnownBug),
    MutantOfTheCore(Mutant),
}

/// What came of it.
enum Done {
    Model(Row, Vec<Verdict>),
    Row(Row),
    Killed(Kill),
}

/// The rows of all checks.
pub(super) fn all(graphs: &[Graph], progress: &mut dyn Progress) -> Vec<Row> {
    let mut jobs: Vec<Job<'_>> = Vec::new();
    jobs.extend(Mutant::of_the_lifecycle().map(Job::MutantOfTheCore));
    jobs.extend(graphs.iter().rev().map(Job::Lockstep));
    jobs.extend(graphs.iter().rev().map(Job::Model));
    jobs.extend(KNOWN_BUGS.iter().map(Job::MutantOfTheModel));
    let of = |job: &Job<'_>| run(job, graphs);
    let jobs = Jobs::new(&jobs, &of);
    let replays = std::thread::scope(|scope| {
        for _ in 0..helpers() {
            scope.spawn(|| jobs.work());
        }
        let replays: Vec<_> = graphs.iter().map(|graph| replayed(graph, progress)).collect();
        progress.begin("what is left in memory");
        jobs.work();
        replays
    });
    let (mut models, mut verdicts) = (Vec::new(), Vec::new());
    let (mut rows, mut kills) = (Vec::new(), Vec::new());
    for done in jobs.results() {
        match done {
            Done::Model(row, judged) => {
                models.push(row);
                verdicts.push(judged);
            }
            Done::Row(row) => rows.push(row),
            Done::Killed(kill) => kills.push(kill),
        }
    }
    models.reverse();
    let mut all = models;
    all.push(reached(&verdicts));
    all.push(sum("mutants", "the model", "mutants", take(&mut rows, "mutants")));
    all.extend(take(&mut rows, "lockstep").into_iter().rev());
    all.push(killed(&kills));
    all.extend(replays);
    all.extend(left_out(graphs));
    all.push(killed_on_sockets(&kills, graphs, progress));
    all.push(validated(progress));
    for row in &all {
        progress.end(row);
    }
    all
}

fn run(job: &Job<'_>, graphs: &[Graph]) -> Done {
    match job {
        Job::Model(graph) => {
            let mut verdicts = Vec::new();
            let row = timed("model", graph.config().name, || model(graph, &mut verdicts));
            Done::Model(row, verdicts)
        }
        Job::Lockstep(graph) => {
            Done::Row(timed("lockstep", graph.config().name, || in_lockstep(graph)))
        }
        Job::MutantOfTheModel(bug) => {
            Done::Row(timed("mutants", bug.id, || mutant_of_the_model(bug)))
        }
        Job::MutantOfTheCore(mutant) => {
            let kills =
                kill_matrix(graphs, &[*mutant]).ok().and_then(|kills| kills.into_iter().next());
            Done::Killed(kills.unwrap_or(Kill { mutant: *mutant, found: None }))
        }
    }
}

/// Every `always` on every state, and every close to its end.
fn model(graph: &Graph, verdicts: &mut Vec<Verdict>) -> Row {
    *verdicts = judge(graph);
    let broken = verdicts.iter().filter(|verdict| verdict.must_always_hold() && !verdict.holds());
    let mut failures: Vec<_> = broken
        .map(|verdict| format!("violated: {} by {:?}", verdict.property, verdict.witness))
        .collect();
    if let Err(stuck) = check_endings(graph) {
        failures.push(format!("{stuck:?}"));
    }
    if let Err(cycle) = check_cycles(graph) {
        failures.push(format!("{cycle:?}"));
    }
    Row {
        states: graph.states().len(),
        transitions: graph.edges().len(),
        // The endings and the fair cycles count as one more property each.
        compared: verdicts.iter().filter(|verdict| verdict.must_always_hold()).count() + 2,
        things: "invariants",
        failures,
        ..Row::default()
    }
}

/// The states that the model comes near enough to, in one configuration or another.
fn reached(verdicts: &[Vec<Verdict>]) -> Row {
    let all: BTreeSet<_> = verdicts
        .iter()
        .flatten()
        .filter(|verdict| !verdict.must_always_hold())
        .map(|verdict| verdict.property)
        .collect();
    let shown: BTreeSet<_> = verdicts
        .iter()
        .flatten()
        .filter(|verdict| !verdict.must_always_hold() && verdict.holds())
        .map(|verdict| verdict.property)
        .collect();
    let failures = all.difference(&shown).map(|property| format!("never reached: {property}"));
    Row {
        check: "model",
        of: "all of them together".to_owned(),
        compared: all.len(),
        things: "situations that must occur",
        failures: failures.collect(),
        ..Row::default()
    }
}

/// A known bug, planted in the model, is seen by the property that ought to see it.
fn mutant_of_the_model(bug: &KnownBug) -> Row {
    let report = run_mutant(bug);
    let failure = match report.counterexample.as_ref().map(Vec::len) {
        Some(length) if length == bug.length => None,
        Some(length) => {
            Some(format!("{} is seen after {length} steps, not after {}", bug.id, bug.length))
        }
        None => Some(format!("{} survives {}", bug.id, bug.killed_by)),
    };
    Row {
        states: report.states,
        compared: 1,
        failures: failure.into_iter().collect(),
        ..Row::default()
    }
}

/// Every edge of the model on the real core.
fn in_lockstep(graph: &Graph) -> Row {
    match lockstep::run(graph, None, &mut |_, _| {}) {
        Ok(run) => {
            let mut failures: Vec<_> = run.divergences.iter().map(ToString::to_string).collect();
            if run.edges != graph.edges().len() {
                let (walked, all) = (run.edges, graph.edges().len());
                failures.push(format!("only {walked} of {all} transitions were walked"));
            }
            Row {
                states: run.states,
                transitions: run.edges,
                compared: run.edges + run.effects_compared,
                things: "states and effects",
                failures,
                ..Row::default()
            }
        }
        Err(error) => failed(&error),
    }
}

/// Every mistake of the core shows in lockstep with some configuration.
fn killed(kills: &[Kill]) -> Row {
    let survivors = kills.iter().filter(|kill| kill.found.is_none());
    Row {
        check: "mutants",
        of: "the core, lockstep".to_owned(),
        compared: kills.len(),
        things: "mutants",
        failures: survivors.map(ToString::to_string).collect(),
        ..Row::default()
    }
}

/// The shortest way to see a mistake in lockstep, walked on real sockets with the same mistake.
fn killed_on_sockets(kills: &[Kill], graphs: &[Graph], progress: &mut dyn Progress) -> Row {
    progress.begin("mutants of the core, replay");
    timed("mutants", "the core, replay", || {
        let mut row = Row { things: "mutants", ..Row::default() };
        for (done, kill) in kills.iter().enumerate() {
            progress.at(done, kills.len());
            let Some(found) = &kill.found else { continue };
            let elsewhere = ELSEWHERE.iter().find(|(mutant, _)| *mutant == kill.mutant);
            let name = elsewhere.map_or(found.config, |(_, config)| config);
            let Some(graph) = graphs.iter().find(|graph| graph.config().name == name) else {
                continue;
            };
            row.compared += 1;
            let plan = match elsewhere {
                Some(_) => Plan::classes(graph),
                None => Plan::traces(graph.config(), vec![way_to(found)]),
            };
            match diverges(plan, kill.mutant) {
                Ok(true) => {}
                Ok(false) => row.failures.push(format!("{:?} survives replay", kill.mutant)),
                Err(error) => row.failures.push(format!("{:?}: {error}", kill.mutant)),
            }
        }
        row
    })
}

fn way_to(found: &Found) -> Vec<Action> {
    found.divergence.trace.iter().copied().chain(found.divergence.action).collect()
}

fn diverges(plan: Result<Plan, ReplayError>, mutant: Mutant) -> Result<bool, ReplayError> {
    let plan = plan?.with_mutant(mutant);
    Ok(!replay::replay(&plan, &mut |_, _| {})?.divergences.is_empty())
}

/// The edges of a model on real sockets and real OpenSSL.
fn replayed(graph: &Graph, progress: &mut dyn Progress) -> Row {
    let name = graph.config().name;
    let (of, plan) = match name == EVERY_EDGE {
        true => (format!("{name}, every edge"), Plan::edges(graph)),
        false => (format!("{name}, every class"), Plan::classes(graph)),
    };
    progress.begin(&format!("replay {of}"));
    timed("replay", &of, || {
        let plan = plan.map(|plan| plan.with_descriptors(Descriptors::Counted));
        match plan.and_then(|plan| replay::replay(&plan, &mut |done, all| progress.at(done, all))) {
            Ok(run) => row_of(&run),
            Err(error @ ReplayError::Unsupported { .. }) => {
                Row { skipped: Some(error.to_string()), ..Row::default() }
            }
            Err(error) => failed(&error),
        }
    })
}

/// What free-running servers did under stress is a behaviour of the model. A divergence names its seed; what happens when
/// is up to the threads, so the same seed may be sound next time, and the log is kept.
fn validated(progress: &mut dyn Progress) -> Row {
    progress.begin("validate free-running servers");
    timed("validate", "free-running servers", || {
        let mut row = Row { things: "turns", ..Row::default() };
        for seed in STRESS_SEEDS {
            progress.at(row.traces, STRESS_SEEDS.count());
            let run = Options { seed, transports: STRESS_TRANSPORTS, ..Options::default() };
            let log = match record(run) {
                Ok(log) => log,
                Err(error) => {
                    row.failures.push(format!("seed {seed}: {error}"));
                    continue;
                }
            };
            row.traces += 1;
            row.steps += log.len();
            match validate(&log) {
                Ok(summary) => row.compared += summary.turns,
                Err(rejection) => {
                    row.failures.push(format!("seed {seed}: {rejection}{}", kept(seed, &log)))
                }
            }
        }
        row
    })
}

/// Where the log is that was rejected, and how to look at it again.
fn kept(seed: u64, log: &[log::Entry]) -> String {
    let path = std::env::temp_dir().join(format!("webrtc-server-validate-{seed}.jsonl"));
    match File::create(&path).and_then(|file| log::write(file, log)) {
        Ok(()) => format!("\n  again: cargo validate {}", path.display()),
        Err(error) => format!("\n  the log is lost: {error}"),
    }
}

fn row_of(run: &replay::Replay) -> Row {
    let mut failures: Vec<_> = run.divergences.iter().map(ToString::to_string).collect();
    if failures.is_empty() && !run.is_complete() {
        failures.push(format!(
            "{} of {} traces and {} of {} classes were replayed",
            run.traces, run.traces_planned, run.classes_covered, run.classes_total
        ));
    }
    Row {
        transitions: run.edges_covered,
        traces: run.traces,
        steps: run.steps,
        handshakes: run.handshakes,
        compared: run.comparisons,
        things: "states, effects, alarms, packets, callbacks",
        failures,
        ..Row::default()
    }
}

/// The configurations of the model that are not replayed here.
fn left_out(graphs: &[Graph]) -> Vec<Row> {
    let mut configs = Preset::nightly().configs;
    configs.retain(|config| graphs.iter().all(|graph| graph.config() != config));
    let row = |config: Config| {
        let why = match replay::check_support(&config) {
            Ok(()) => format!("{} is a configuration for every night", config.name),
            Err(error) => error.to_string(),
        };
        let of = config.name.to_owned();
        Row { check: "replay", of, skipped: Some(why), ..Row::default() }
    };
    configs.into_iter().map(row).collect()
}

/// The rows of one check, taken out.
fn take(rows: &mut Vec<Row>, check: &str) -> Vec<Row> {
    rows.extract_if(.., |row| row.check == check).collect()
}

/// Many rows as one.
fn sum(check: &'static str, of: &str, things: &'static str, rows: Vec<Row>) -> Row {
    let mut sum = Row { check, of: of.to_owned(), things, ..Row::default() };
    for row in rows {
        sum.states += row.states;
        sum.compared += row.compared;
        sum.failures.extend(row.failures);
        sum.seconds += row.seconds;
    }
    sum
}

fn timed(check: &'static str, of: &str, run: impl FnOnce() -> Row) -> Row {
    let began = Instant::now();
    let row = run();
    Row { check, of: of.to_owned(), seconds: began.elapsed().as_secs_f64(), ..row }
}

fn failed(error: &impl ToString) -> Row {
    Row { failures: vec![error.to_string()], ..Row::default() }
}
