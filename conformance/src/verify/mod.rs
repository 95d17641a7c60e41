//! The checks in one command: the model and its mutants, the classes of its edges, lockstep, replay, the mutants of the
//! core and of the shell, and validation.
//!
//! | File | What it holds |
//! |---|---|
//! | `rungs` | all checks, side by side, as rows; the mutants on real sockets are looked for by `kill_matrix` |
//! | `memory` | those in memory: model, mutants, classes, lockstep |
//! | `sockets` | replay on real sockets |
//! | `children` | replay in processes of its own |
//! | `stress` | validation of free-running servers |
//! | `jobs`, `tally` | work on all processors, and how far it is |
//! | `report` | the table, and the same for machines |
//!
//! Each configuration is replayed in a process of its own, which counts its descriptors: nothing else opens or closes any
//! there. As many of them run at a time as there are processors, the longest first; what is done in memory fills the gaps.

mod children;
mod jobs;
mod memory;
mod report;
mod rungs;
mod sockets;
mod stress;
mod tally;

pub use children::{Program, perform};
pub use report::{Report, Row};

use crate::replay::Shard;
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

/// What is asked for.
#[derive(Clone, Debug)]
pub struct Options {
    /// A program that does nothing but [`perform`].
    pub child: Program,
    /// A share of the replay; the first share does everything else as well.
    pub shard: Option<Shard>,
    /// Every edge of all configurations with one transport: for the night.
    pub every_edge: bool,
}

/// Runs every check, whatever the earlier ones said.
///
/// # Errors
///
/// None of its own: what fails is in the report.
pub fn verify(options: &Options, progress: &mut (dyn Progress + Send)) -> Report {
    let began = Instant::now();
    progress.begin("explore the model");
    let graphs = jobs::map(&Preset::standard().configs, Graph::explore);
    let rows = rungs::all(&graphs, options, progress);
    let shard = options.shard.map(|shard| shard.to_string());
    Report { shard, rows, seconds: began.elapsed().as_secs_f64() }
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
