//! What a run has found, to be read.

use std::fmt::{self, Debug};
use webrtc_server_model::{Action, Config, Core};

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

/// One edge on which model and core disagree.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Divergence {
    /// How to get to the state before it, by a shortest way.
    pub trace: Vec<Action>,
    /// What happens there; none if they disagree before anything does.
    pub action: Option<Action>,
    /// What differs, or what rule the core broke.
    pub what: String,
    /// What the model says.
    pub expected: String,
    /// What the core did.
    pub got: String,
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

impl Divergence {
    /// The whole way to it, with the action that shows it.
    #[must_use]
    pub fn way(&self) -> Vec<Action> {
        self.trace.iter().copied().chain(self.action).collect()
    }
}

impl fmt::Display for Divergence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}", self.what)?;
        for (number, action) in self.trace.iter().enumerate() {
            writeln!(f, "  {:>3}  {action:?}", number + 1)?;
        }
        if let Some(action) = self.action {
            writeln!(f, "  {:>3}  {action:?}   <- here", self.trace.len() + 1)?;
        }
        writeln!(f, "  model  {}", self.expected)?;
        writeln!(f, "  core   {}", self.got)
    }
}

/// A disagreement that does not know yet how one gets there.
#[derive(Clone, Debug)]
pub(super) struct Mismatch {
    pub(super) what: String,
    pub(super) expected: String,
    pub(super) got: String,
}

impl Mismatch {
    pub(super) fn new(what: &str, expected: &impl Debug, got: &impl Debug) -> Self {
        Mismatch {
            what: format!("{what} differ"),
            expected: format!("{expected:?}"),
            got: format!("{got:?}"),
        }
    }

    /// The core broke a rule that no state and no effect of the model shows.
    pub(super) fn broken(rule: String) -> Self {
        Mismatch {
            what: "the core breaks its contract".to_owned(),
            expected: "nothing of the kind".to_owned(),
            got: rule,
        }
    }

    pub(super) fn into_divergence(self, trace: Vec<Action>, action: Option<Action>) -> Divergence {
        let Mismatch { what, expected, got } = self;
        Divergence { trace, action, what, expected, got }
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
