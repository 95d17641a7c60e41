//! The four checks in one command: the model, its mutants, lockstep and replay.

mod report;
mod rungs;

pub use report::{Report, Row};

use std::io;
use std::time::Instant;
use webrtc_server_model::{Config, Graph};

/// What is told while it runs.
pub trait Progress {
    /// A check begins.
    fn begin(&mut self, what: &str);
    /// So many of so many are done.
    fn at(&mut self, done: usize, total: usize);
    /// It is over.
    fn end(&mut self, row: &Row);
}

/// Runs every check, whatever the earlier ones said.
///
/// # Errors
///
/// None of its own: what fails is in the report.
pub fn verify(progress: &mut dyn Progress) -> Report {
    let began = Instant::now();
    let mut rows = Vec::new();
    let (small, standard) = (Graph::explore(&Config::small()), Graph::explore(&Config::standard()));
    for graph in [&small, &standard] {
        rows.push(rungs::model(graph, progress));
    }
    rows.push(rungs::mutants_of_the_model(progress));
    for graph in [&small, &standard] {
        rows.push(rungs::lockstep(graph, progress));
    }
    rows.push(rungs::replay_edges(&small, progress));
    rows.push(rungs::replay_classes(&standard, progress));
    rows.push(rungs::mutants_of_the_core(&small, progress));
    Report { rows, seconds: began.elapsed().as_secs_f64() }
}

impl Report {
    /// Writes the report for machines.
    ///
    /// # Errors
    ///
    /// What the system says.
    pub fn write_json(&self, output: impl io::Write) -> io::Result<()> {
        serde_json::to_writer_pretty(output, self).map_err(io::Error::from)
    }
}
