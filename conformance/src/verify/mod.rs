//! The checks in one command: the model, its mutants, lockstep, the mutants of the core, and replay.
//!
//! Replay has a thread for itself, the caller's, and counts descriptors: nothing else opens or closes any. What happens
//! in memory is done beside it, and by both when the replay is over.

mod jobs;
mod memory;
mod report;
mod rungs;
mod sockets;
mod stress;

pub use report::{Report, Row};

use std::io;
use std::time::Instant;
use webrtc_server_model::{Graph, Preset};

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
    progress.begin("explore the model");
    let graphs = jobs::map(&Preset::standard().configs, Graph::explore);
    let rows = rungs::all(&graphs, progress);
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
