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
//! | `report`, `json` | the table, and the same for machines |
//!
//! Each configuration is replayed in a process of its own, which counts its descriptors: nothing else opens or closes
//! any there. As many of them run at a time as there are processors, the longest first; what is done in memory fills
//! the gaps.

mod children;
mod jobs;
mod json;
mod memory;
mod report;
mod rungs;
mod sockets;
mod stress;
mod tally;

pub use children::{Program, perform};
pub use report::{Caught, Check, Report, Row};

use crate::replay::Shard;
use std::time::Instant;
use webrtc_server::lifecycle::{Layer, Mutant};
use webrtc_server_model::{Config, Graph, Preset};

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
    /// One configuration, by itself: neither the mutants nor validation.
    pub config: Option<Config>,
    /// A known mistake that lockstep and replay must then notice.
    pub mutant: Option<Mutant>,
    /// Every edge of all configurations with one transport, and every combination of the others.
    pub every_edge: bool,
}

impl Options {
    /// What has to be compared.
    fn owed(&self) -> Vec<Check> {
        let mut owed = vec![Check::Replay];
        if self.shard.is_none_or(Shard::is_first) {
            owed.extend([Check::Model, Check::Classes]);
            // The core cannot have a mutant of the shell.
            if self.mutant.is_none_or(|mutant| mutant.layer() != Layer::Shell) {
                owed.push(Check::Lockstep);
            }
            if self.config.is_none() {
                owed.extend([Check::Mutants, Check::Validate]);
            }
        }
        owed
    }
}

/// Runs every check, whatever the earlier ones said.
///
/// # Errors
///
/// None of its own: what fails is in the report.
pub fn verify(options: &Options, progress: &mut (dyn Progress + Send)) -> Report {
    let began = Instant::now();
    progress.begin("explore the model");
    let configs = options.config.clone().map(|config| vec![config]);
    let configs = configs.unwrap_or_else(|| Preset::standard().configs);
    let graphs = jobs::map(&configs, Graph::explore);
    let rows = rungs::all(&graphs, options, progress);
    let shard = options.shard.map(|shard| shard.to_string());
    let config = options.config.as_ref().map(|config| config.name);
    let mutant = options.mutant.map(Mutant::id);
    Report {
        shard,
        config,
        mutant,
        owed: options.owed(),
        rows,
        seconds: began.elapsed().as_secs_f64(),
    }
}
