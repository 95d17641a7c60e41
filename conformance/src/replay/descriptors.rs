//! How many descriptors of the process are open, against how many the server and its peers need.

use std::{fs, io};

use webrtc_server::lifecycle::WorkerPhase;
use webrtc_server_model::WorkerId;

use super::report::Harness;
use super::stage::Stage;
use crate::divergence::Finding;

/// Where Linux lists the open descriptors of this process.
const LIST: &str = "/proc/self/fd";
/// The poll of a worker, the same once more for those who register with it, and what wakes it.
const OF_EACH_WORKER: usize = 3;

/// Whether open descriptors of the process are counted, before each trace, after each of its steps, and behind it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Descriptors {
    /// They are, on Linux: no other thread may open or close any meanwhile.
    Counted,
    /// They are not.
    Ignored,
}

impl Descriptors {
    /// How many are open; `None` where nobody asks, or no system counts them.
    pub(super) fn open(self) -> Result<Option<usize>, Harness> {
        match self {
            Descriptors::Counted if cfg!(target_os = "linux") => Ok(Some(open()?)),
            Descriptors::Counted | Descriptors::Ignored => Ok(None),
        }
    }
}

/// The size of the list is its length, which an older kernel than 6.2 does not say: there it is read, at some cost.
fn open() -> io::Result<usize> {
    match fs::metadata(LIST)?.len() {
        0 => Ok(fs::read_dir(LIST)?.count()),
        length => usize::try_from(length).map_err(io::Error::other),
    }
}

impl Stage<'_> {
    /// Open are what was before this stage, what each core has, what lies in mailboxes, and the peers' ends. How many
    /// numbers were compared.
    pub(super) fn compare_descriptors(&mut self) -> Result<usize, Harness> {
        let Some(before) = self.descriptors else { return Ok(0) };
        let carriers: usize =
            self.config.worker_ids().map(|w| OF_EACH_WORKER + self.carriers_of(w)).sum();
        let handed_over = self.in_flight.iter().flatten().count();
        let expected = before + carriers + handed_over + self.wires.descriptors();
        let got = Descriptors::Counted.open()?;
        if got != Some(expected) {
            self.findings.push(Finding::new("open descriptors", &Some(expected), &got));
        }
        Ok(1)
    }

    /// Sockets, listeners and connections that a worker has.
    fn carriers_of(&self, w: WorkerId) -> usize {
        let core = self.workers[w.index()].core();
        match core.phase() {
            WorkerPhase::Open | WorkerPhase::Closing { .. } => {
                let own = self.config.sockets_of(w).count() + self.config.listeners_of(w).count();
                own + core.connections().len()
            }
            WorkerPhase::Released => 0,
        }
    }
}
