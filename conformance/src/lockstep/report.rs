//! What a run has found, to be read.

use crate::divergence::Divergence;
use std::fmt;
use webrtc_server_model::{Config, Core};

/// What a run has compared, and where model and core disagree.
#[derive(Clone, Debug)]
pub struct Lockstep {
    /// The bounds.
    pub config: Config,
    /// States of the model that a real server was in.
    pub states: usize,
    /// Edges of the model that a real server took.
    pub edges: usize,
    /// The first disagreements, those with the shortest traces. Empty if all is well.
    pub divergences: Vec<Divergence>,
    /// Effects of the model that a real server had too.
    pub effects_compared: usize,
    /// Inputs that came too late, and nothing came of them.
    pub late_inputs: usize,
    /// How long it took.
    pub seconds: f64,
}

impl fmt::Display for Lockstep {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "lockstep {}: {} states, {} edges, {} effects, {} late inputs in {:.1} s, {} divergences",
            self.config.name,
            self.states,
            self.edges,
            self.effects_compared,
            self.late_inputs,
            self.seconds,
            self.divergences.len()
        )?;
        self.divergences.iter().try_for_each(|divergence| write!(f, "\n{divergence}"))
    }
}

/// Two states, as far as they differ.
pub(crate) fn describe_cores(expected: &Core, got: &Core) -> (String, String) {
    let (expected, got) = (fields(expected), fields(got));
    let differ = expected.iter().zip(&got).filter(|(expected, got)| expected != got);
    let (expected, got): (Vec<_>, Vec<_>) =
        differ.map(|(expected, got)| (expected.as_str(), got.as_str())).unzip();
    (expected.join("; "), got.join("; "))
}

fn fields(core: &Core) -> Vec<String> {
    let workers = core.workers.iter().enumerate();
    let workers = workers.map(|(index, worker)| format!("worker {index}: {worker:?}"));
    let transports = core.transports.iter().enumerate();
    let transports =
        transports.map(|(index, transport)| format!("transport {index}: {transport:?}"));
    let connections = core.connections.iter().enumerate();
    let connections =
        connections.map(|(index, connection)| format!("connection {index}: {connection:?}"));
    let server = format!("server: {:?}", core.server);
    std::iter::once(server).chain(workers).chain(transports).chain(connections).collect()
}
