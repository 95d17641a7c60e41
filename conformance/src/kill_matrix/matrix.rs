//! Every mutant on every rung that can have it.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::{self, Write};
use std::panic::resume_unwind;
use std::path::Path;
use std::thread;
use webrtc_server::lifecycle::{Layer, Mutant};
use webrtc_server_model::{self as model, Graph, KNOWN_BUGS, run_mutant};

use super::{Shown, loom, of_the_lifecycle, of_the_shell, validation};
use crate::{lockstep, validate};

/// The rungs, in the order of the columns.
pub const RUNGS: [&str; 5] = ["model", "lockstep", "real stack", "validation", "loom"];
const REAL_STACK: usize = 2;
const VALIDATION: usize = 3;

/// The known bugs that must be seen on real sockets or in a real log, not in memory only.
const ON_THE_REAL_STACK: [&str; 20] = [
    "K01", "K03", "K04", "K08", "K11", "K13", "K17", "K19", "K21", "K23", "K24", "K25", "K26",
    "K27", "K28", "K29", "K30", "K35", "K36", "K40",
];

/// Mutants of the shell that the model has under another number, because the core can make them as well.
const IN_THE_MODEL: [(Mutant, model::Mutant); 5] = [
    (Mutant::ErrorQueueLeft, model::Mutant::ErrorLeaks),
    (Mutant::NeverGivesUp, model::Mutant::NoDeadline),
    (Mutant::TryAgainDrops, model::Mutant::AlertCancelled),
    (Mutant::ClosesUnread, model::Mutant::HardClose),
    (Mutant::RestForgotten, model::Mutant::PartIsWhole),
];

/// Under the number of these the model has another mutant.
const OTHERWISE_IN_THE_MODEL: [Mutant; 6] = [
    Mutant::CompletionAfterClose,
    Mutant::FarewellForgotten,
    Mutant::QueueInherited,
    Mutant::FingerprintIgnored,
    Mutant::TimerAtZero,
    Mutant::ListenerWatched,
];

/// What a rung makes of a mutant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Cell {
    /// It is noticed: how.
    Killed(String),
    /// It is not.
    Survives,
    /// It cannot be made there.
    Absent,
    /// The rung could not say.
    Failed(String),
}

/// One mutant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MutantRow {
    /// Its name in the code.
    pub name: String,
    /// Its number.
    pub id: String,
    /// Which part of the code it is in.
    pub layer: &'static str,
    /// Where it was made, and what is wrong.
    pub about: String,
    /// What each rung makes of it.
    pub cells: [Cell; RUNGS.len()],
}

/// Every mutant on every rung.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Matrix {
    /// By layer, then as in the table of mutants.
    pub rows: Vec<MutantRow>,
}

/// Tries every mutant of the real code on every rung that can have it. `graphs`: what lockstep and replay walk;
/// `workspace`: where the sources are.
///
/// # Panics
///
/// When a thread of it does.
#[must_use]
pub fn matrix(graphs: &[Graph], workspace: &Path) -> Matrix {
    let (validated, walked) = thread::scope(|scope| {
        let validated =
            scope.spawn(|| Vec::from_iter(Mutant::ALL.iter().map(|m| (*m, validated(*m)))));
        let of_the_shell = scope.spawn(|| {
            let walked = |mutant| [Cell::Absent, cell(of_the_shell(mutant, graphs))];
            Vec::from_iter(Mutant::of_the_shell().map(|mutant| (mutant, walked(mutant))))
        });
        let of_the_lifecycle = Mutant::of_the_lifecycle().map(|m| (m, of_lifecycle(m, graphs)));
        let mut walked = Vec::from_iter(of_the_lifecycle);
        walked.extend(of_the_shell.join().unwrap_or_else(|panic| resume_unwind(panic)));
        (validated.join().unwrap_or_else(|panic| resume_unwind(panic)), walked)
    });
    let mut rows = Vec::from_iter(Mutant::ALL.iter().map(|mutant| {
        let [lockstep, real_stack] = of(*mutant, &walked);
        let validation = of(*mutant, &validated);
        row(*mutant, [in_the_model(*mutant), lockstep, real_stack, validation, Cell::Absent])
    }));
    rows.extend(of_what_crosses_threads(workspace));
    Matrix { rows }
}

/// What was found of a mutant. Each was looked for.
fn of<T: Clone>(mutant: Mutant, found: &[(Mutant, T)]) -> T {
    let found = found.iter().find(|(other, _)| *other == mutant);
    found.map(|(_, what)| what.clone()).expect("each mutant is of one layer")
}

/// In lockstep, and on the real stack.
fn of_lifecycle(mutant: Mutant, graphs: &[Graph]) -> [Cell; 2] {
    let detection = match lockstep::detect(graphs, mutant) {
        Ok(report) => match report.detection {
            Some(detection) => detection,
            None => return [Cell::Survives, Cell::Survives],
        },
        Err(error) => return [Cell::Failed(error.to_string()), Cell::Absent],
    };
    let last = detection.divergence.action.map_or(String::new(), |action| format!(", {action:?}"));
    let in_lockstep = Cell::Killed(format!("{} {}{last}", detection.config, detection.length()));
    [in_lockstep, cell(of_the_lifecycle(mutant, &detection, graphs))]
}

fn row(mutant: Mutant, cells: [Cell; RUNGS.len()]) -> MutantRow {
    let layer = match mutant.layer() {
        Layer::Core => "Core",
        Layer::Barrier => "Barrier",
        Layer::Shell => "Shell",
    };
    MutantRow {
        name: format!("{mutant:?}"),
        id: mutant.id().to_owned(),
        layer,
        about: mutant.about().to_owned(),
        cells,
    }
}

fn cell(shown: Result<Option<Shown>, impl fmt::Display>) -> Cell {
    match shown {
        Ok(Some(shown)) => Cell::Killed(shown.to_string()),
        Ok(None) => Cell::Survives,
        Err(error) => Cell::Failed(error.to_string()),
    }
}

/// What the model makes of the mutant of its own that stands for this one.
fn in_the_model(mutant: Mutant) -> Cell {
    let is_other = OTHERWISE_IN_THE_MODEL.contains(&mutant);
    let elsewhere = IN_THE_MODEL.iter().find(|(real, _)| *real == mutant);
    let bug = KNOWN_BUGS.iter().find(|bug| match elsewhere {
        Some((_, model)) => bug.mutant == *model,
        None => bug.id == mutant.id(),
    });
    let Some(bug) = bug.filter(|_| !is_other) else { return Cell::Absent };
    match run_mutant(bug).counterexample {
        Some(way) => {
            let config = (bug.config)().name;
            Cell::Killed(format!("{config} {}: as `{:?}`", way.len(), bug.mutant))
        }
        None => Cell::Survives,
    }
}

/// Without details, which are others in every run.
fn validated(mutant: Mutant) -> Cell {
    if validation::why_unseen(mutant).is_some() {
        return Cell::Absent;
    }
    match validate::detect(mutant) {
        Ok(Some(_)) => Cell::Killed("killed".to_owned()),
        Ok(None) => Cell::Survives,
        Err(error) => Cell::Failed(error.to_string()),
    }
}

fn of_what_crosses_threads(workspace: &Path) -> Vec<MutantRow> {
    let of = |weakness: loom::Weakness| {
        let caught = match weakness.caught_by.as_slice() {
            [] => Cell::Survives,
            tests => Cell::Killed(tests.join(", ")),
        };
        MutantRow {
            id: "-".to_owned(),
            layer: "Control",
            name: weakness.name,
            about: weakness.about,
            cells: [Cell::Absent, Cell::Absent, Cell::Absent, Cell::Absent, caught],
        }
    };
    match loom::weaknesses(workspace) {
        Ok(weaknesses) => weaknesses.into_iter().map(of).collect(),
        Err(error) => vec![MutantRow {
            name: "the sources".to_owned(),
            id: "-".to_owned(),
            layer: "Control",
            about: String::new(),
            cells: std::array::from_fn(|_| Cell::Failed(error.to_string())),
        }],
    }
}

impl MutantRow {
    fn is_killed_on(&self, rung: usize) -> bool {
        matches!(self.cells[rung], Cell::Killed(_))
    }

    fn killers(&self) -> impl Iterator<Item = usize> {
        (0..RUNGS.len()).filter(|rung| self.is_killed_on(*rung))
    }
}

impl Matrix {
    /// What is wrong with it, in sentences.
    #[must_use]
    pub fn failures(&self) -> Vec<String> {
        let mut failures = Vec::new();
        for row in &self.rows {
            if row.killers().next().is_none() {
                failures.push(format!("nobody notices {} {}", row.id, row.name));
            }
            for (cell, rung) in row.cells.iter().zip(RUNGS) {
                if let Cell::Failed(why) = cell {
                    failures.push(format!("{} {rung}: {why}", row.name));
                }
            }
        }
        let seen: BTreeSet<_> = self
            .rows
            .iter()
            .filter(|row| row.is_killed_on(REAL_STACK) || row.is_killed_on(VALIDATION))
            .map(|row| row.id.as_str())
            .collect();
        let unseen = ON_THE_REAL_STACK.iter().filter(|id| !seen.contains(*id));
        failures.extend(unseen.map(|id| format!("{id} is not seen on the real stack")));
        for (rung, name) in RUNGS.iter().enumerate() {
            if !self.rows.iter().any(|row| row.is_killed_on(rung)) {
                failures.push(format!("{name} notices nothing"));
            }
        }
        failures
    }

    /// The mutants that this rung alone notices.
    fn needs(&self, rung: usize) -> Vec<&str> {
        let alone = |row: &&MutantRow| row.killers().eq([rung]);
        self.rows.iter().filter(alone).map(|row| row.name.as_str()).collect()
    }

    /// As a document.
    #[must_use]
    pub fn document(&self) -> String {
        let mut text = HEAD.to_owned();
        let mut layer = "";
        for row in &self.rows {
            if row.layer != layer {
                layer = row.layer;
                let _ = write!(text, "\n## {layer}\n\n| Mutant | Number | What is wrong |");
                let heads: String = RUNGS.iter().map(|rung| format!(" {rung} |")).collect();
                let _ = writeln!(text, "{heads}\n|---|---|---|{}", "---|".repeat(RUNGS.len()));
            }
            let _ = write!(text, "| `{}` | {} | {} |", row.name, row.id, row.about);
            for cell in &row.cells {
                let _ = write!(text, " {cell} |");
            }
            text.push('\n');
        }
        text.push_str("\n## What validation does not look for\n\n");
        let mut unseen = BTreeMap::<_, Vec<_>>::new();
        for mutant in Mutant::ALL {
            if let Some(why) = validation::why_unseen(*mutant) {
                unseen.entry(why).or_default().push(format!("`{mutant:?}`"));
            }
        }
        for (why, mutants) in unseen {
            let _ = writeln!(text, "- {}: {why}.", mutants.join(", "));
        }
        text.push_str("\n## The rungs\n\n| Rung | Notices | Alone |\n|---|---|---|\n");
        for (rung, name) in RUNGS.iter().enumerate() {
            let count = self.rows.iter().filter(|row| row.is_killed_on(rung)).count();
            let needs = self.needs(rung);
            let alone =
                if needs.is_empty() { "needed by no mutant".to_owned() } else { needs.join(", ") };
            let _ = writeln!(text, "| {name} | {count} of {} | {alone} |", self.rows.len());
        }
        text
    }
}

impl fmt::Display for Cell {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Cell::Killed(how) => f.write_str(how),
            Cell::Survives => f.write_str("survives"),
            Cell::Absent => f.write_str("-"),
            Cell::Failed(_) => f.write_str("?"),
        }
    }
}

const HEAD: &str = "# Which mistake is noticed where\n\n\
    Generated by `UPDATE=1 cargo test -p webrtc-server-conformance --test kill_matrix`.\n\n\
    Each mutant is the right code with one mistake in it. A cell says how the rung notices it: for the model, lockstep and \
    the real stack the configuration and after how many actions; what a directed check on real sockets is called. \
    `-`: the mistake cannot be made there, or is not looked for.\n\n\
    - The model has mistakes of its own, each with a counterexample in `model/traces/known_bugs`; the cell names the one \
    that stands for the mutant. What only descriptors, OpenSSL or the poll can get wrong it does not know.\n\
    - Lockstep walks the core without the shell, and without what crosses threads.\n\
    - The real stack is replay, or a directed check where no trace of the model leads; it steps workers by hand, without \
    threads. The right code passes the same trace, or the same check.\n\
    - Validation reads the logs of free-running servers. What happens when differs from run to run, so that it only says \
    that it noticed. What no run shows is not looked for, and listed below.\n\
    - Loom explores what crosses threads: the races in which `loom-tests` demands that a weakness is caught.\n";

#[cfg(test)]
mod tests {
    use super::*;

    fn row(id: &str, killer: Option<usize>) -> MutantRow {
        let cell = |rung| match killer == Some(rung) {
            true => Cell::Killed("seen".to_owned()),
            false => Cell::Survives,
        };
        let cells = std::array::from_fn(cell);
        MutantRow {
            name: id.to_owned(),
            id: id.to_owned(),
            layer: "Core",
            about: String::new(),
            cells,
        }
    }

    /// Every known bug on the real stack, and something for each rung.
    fn sound() -> Matrix {
        let mut rows: Vec<_> =
            ON_THE_REAL_STACK.iter().map(|id| row(id, Some(REAL_STACK))).collect();
        rows.extend((0..RUNGS.len()).map(|rung| row("more", Some(rung))));
        Matrix { rows }
    }

    #[test]
    fn all_is_well() {
        assert_eq!(sound().failures(), Vec::<String>::new());
    }

    #[test]
    fn a_mutant_that_nobody_notices_is_a_failure() {
        let mut matrix = sound();
        matrix.rows.push(row("O9", None));
        assert_eq!(matrix.failures(), ["nobody notices O9 O9"]);
    }

    #[test]
    fn a_known_bug_that_only_the_model_notices_is_a_failure() {
        let mut matrix = sound();
        matrix.rows[0] = row("K01", Some(0));
        assert_eq!(matrix.failures(), ["K01 is not seen on the real stack"]);
    }

    #[test]
    fn a_rung_that_notices_nothing_is_a_failure_and_one_that_nobody_needs_is_told() {
        let mut matrix = sound();
        let idle = matrix.rows.len() - 1;
        matrix.rows[idle] = row("more", Some(0));
        assert_eq!(matrix.failures(), ["loom notices nothing"]);
        matrix.rows[idle].cells[VALIDATION] = Cell::Killed("as well".to_owned());
        assert!(matrix.document().contains("| loom | 0 of 25 | needed by no mutant |"));
    }

    #[test]
    fn a_rung_that_could_not_say_is_a_failure() {
        let mut matrix = sound();
        matrix.rows[0].cells[VALIDATION] = Cell::Failed("no socket".to_owned());
        assert_eq!(matrix.failures(), ["K01 validation: no socket"]);
    }
}
