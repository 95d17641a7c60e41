//! Each check, as a row of the report.

use super::jobs;
use super::memory::{classes, in_lockstep, killed, model, mutant_of_the_model, reached};
use super::sockets::{Part, left_out};
use super::stress::validated;
use super::tally::Tally;
use super::{Options, Progress, Row};
use crate::kill_matrix::{lifecycle_mutants, shell_mutants};
use crate::lockstep::{MutantReport, detect};
use std::cmp::Reverse;
use std::panic::resume_unwind;
use std::thread;
use std::time::Instant;
use webrtc_server::lifecycle::Mutant;
use webrtc_server_model::{Graph, KNOWN_BUGS, KnownBug, PropertyResult};

/// Nobody watches.
struct Silent;

impl Progress for Silent {
    fn begin(&mut self, _: &str) {}
    fn at(&mut self, _: usize, _: usize) {}
    fn end(&mut self, _: &Row) {}
}

/// What can be done beside other things.
enum Job<'a> {
    Replay(&'a Part),
    Model(&'a Graph),
    /// With how many classes its cover has.
    Classes(&'a Graph, Option<usize>),
    Lockstep(&'a Graph),
    MutantOfTheModel(&'a KnownBug),
    MutantOfTheCore(Mutant),
}

/// What came of it.
enum Done {
    Model(Row, Vec<PropertyResult>),
    Row(Row),
    Killed(Result<MutantReport, String>),
}

impl Job<'_> {
    /// About how many microseconds it takes.
    fn cost(&self) -> usize {
        match self {
            Self::Replay(part) => 180 * part.steps(),
            Self::Lockstep(graph) => 8 * graph.edges().len(),
            Self::Classes(graph, _) => 4 * graph.edges().len(),
            Self::Model(graph) => graph.states().len(),
            Self::MutantOfTheModel(_) | Self::MutantOfTheCore(_) => 10_000,
        }
    }
}

/// The rows of all checks; of a share of the suite those of the replay, and all others with the first share.
pub(super) fn all(
    graphs: &[Graph],
    options: &Options,
    progress: &mut (dyn Progress + Send),
) -> Vec<Row> {
    let parts = jobs::map(graphs, |graph| Part::new(graph, options));
    let is_first = options.shard.is_none_or(|shard| shard.is_first());
    let mut jobs: Vec<Job<'_>> = parts.iter().map(Job::Replay).collect();
    if is_first {
        jobs.extend(graphs.iter().map(Job::Model));
        let covers = parts.iter().map(|part| part.classes(options));
        jobs.extend(graphs.iter().zip(covers).map(|(graph, classes)| Job::Classes(graph, classes)));
        jobs.extend(graphs.iter().map(Job::Lockstep));
        jobs.extend(KNOWN_BUGS.iter().map(Job::MutantOfTheModel));
        jobs.extend(Mutant::of_the_lifecycle().map(Job::MutantOfTheCore));
    }
    // Longest first, so that all processors have something to do until the end.
    let mut order: Vec<usize> = (0..jobs.len()).collect();
    order.sort_by_key(|job| (Reverse(jobs[*job].cost()), *job));
    progress.begin("replay, lockstep, model");
    let (done, mut last) = thread::scope(|scope| {
        // They wait more than they work: for what a wrong server does not do, and for the time that runs take.
        let aside = is_first
            .then(|| scope.spawn(|| [shell_mutants(graphs, &mut Silent), validated(&mut Silent)]));
        let traces = parts.iter().map(Part::traces).sum();
        let tally = Tally::new(traces, &mut *progress);
        let mut done = jobs::map(&order, |job| (*job, run(&jobs[*job], graphs, options, &tally)));
        done.sort_by_key(|(job, _)| *job);
        let aside = aside.map(|thread| thread.join().unwrap_or_else(|panic| resume_unwind(panic)));
        (done.into_iter().map(|(_, done)| done), Vec::from_iter(aside.into_iter().flatten()))
    });
    let (mut models, mut verdicts) = (Vec::new(), Vec::new());
    let (mut rows, mut kills, mut errors) = (Vec::new(), Vec::new(), Vec::new());
    for done in done {
        match done {
            Done::Model(row, judged) => {
                models.push(row);
                verdicts.push(judged);
            }
            Done::Row(row) => rows.push(row),
            Done::Killed(Ok(kill)) => kills.push(kill),
            Done::Killed(Err(error)) => errors.push(error),
        }
    }
    let mut all = models;
    if is_first {
        all.push(reached(&verdicts));
        all.push(sum("mutants", "the model", "mutants", take(&mut rows, "mutants")));
        all.extend(take(&mut rows, "classes"));
        all.extend(take(&mut rows, "lockstep"));
        all.push(killed(&kills, errors));
        last.insert(0, lifecycle_mutants(&kills, graphs, progress));
        last.iter().for_each(|row| progress.end(row));
    }
    all.extend(take(&mut rows, "replay"));
    all.extend(left_out(graphs));
    all.extend(last);
    all
}

fn run(job: &Job<'_>, graphs: &[Graph], options: &Options, tally: &Tally<'_>) -> Done {
    let row = match job {
        Job::Replay(part) => part.replay(&options.child, &mut tally.part()),
        Job::Model(graph) => {
            let mut verdicts = Vec::new();
            let row = timed("model", graph.config().name, || model(graph, &mut verdicts));
            return Done::Model(row, verdicts);
        }
        Job::Classes(graph, covered) => {
            timed("classes", graph.config().name, || classes(graph, *covered))
        }
        Job::Lockstep(graph) => timed("lockstep", graph.config().name, || in_lockstep(graph)),
        Job::MutantOfTheModel(bug) => {
            return Done::Row(timed("mutants", bug.id, || mutant_of_the_model(bug)));
        }
        Job::MutantOfTheCore(mutant) => {
            return Done::Killed(
                detect(graphs, *mutant).map_err(|error| format!("{mutant:?}: {error}")),
            );
        }
    };
    tally.end(&row);
    Done::Row(row)
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
