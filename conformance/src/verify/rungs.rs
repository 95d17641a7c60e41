//! Each check, as a row of the report.

use super::jobs::{Jobs, helpers};
use super::memory::{in_lockstep, killed, model, mutant_of_the_model, reached};
use super::sockets::{killed_on_sockets, left_out, replayed};
use super::stress::validated;
use super::{Progress, Row};
use crate::lockstep::{Kill, kill_matrix};
use std::time::Instant;
use webrtc_server::lifecycle::Mutant;
use webrtc_server_model::{Graph, KNOWN_BUGS, KnownBug, Verdict};

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

pub(super) fn timed(check: &'static str, of: &str, run: impl FnOnce() -> Row) -> Row {
    let began = Instant::now();
    let row = run();
    Row { check, of: of.to_owned(), seconds: began.elapsed().as_secs_f64(), ..row }
}

pub(super) fn failed(error: &impl ToString) -> Row {
    Row { failures: vec![error.to_string()], ..Row::default() }
}
