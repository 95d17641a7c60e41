//! Where model and real code disagree, whichever of them ran: lockstep in memory, replay on sockets, or another server.

use std::fmt::{self, Debug};
use webrtc_server_model::Action;

/// One step at which they disagree.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Divergence {
    /// What happened before; in lockstep a shortest way.
    pub trace: Vec<Action>,
    /// What happens there; none if they disagree before the first action or after the last.
    pub action: Option<Action>,
    /// In what they disagree; at least one.
    pub findings: Vec<Finding>,
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
        for (number, action) in self.trace.iter().enumerate() {
            writeln!(f, "  {:>3}  {action:?}", number + 1)?;
        }
        if let Some(action) = self.action {
            writeln!(f, "  {:>3}  {action:?}   <- here", self.trace.len() + 1)?;
        }
        self.findings.iter().try_for_each(|finding| writeln!(f, "{finding}"))
    }
}

/// One thing in which they disagree.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// Which thing.
    pub what: String,
    /// What the model says.
    pub expected: String,
    /// What the real code did.
    pub got: String,
}

impl Finding {
    pub(crate) fn new(what: &str, expected: &impl Debug, got: &impl Debug) -> Self {
        let (expected, got) = (format!("{expected:?}"), format!("{got:?}"));
        Finding { what: what.to_owned(), expected, got }
    }

    /// A rule was broken that the model takes for granted.
    pub(crate) fn broken(what: &str, got: String) -> Self {
        Finding { what: what.to_owned(), expected: "nothing of the kind".to_owned(), got }
    }

    /// The same, where the rule says itself what it is about.
    pub(crate) fn breach(rule: String) -> Self {
        Finding::broken("the core's contract", rule)
    }

    pub(crate) fn into_divergence(self, trace: Vec<Action>, action: Option<Action>) -> Divergence {
        Divergence { trace, action, findings: vec![self] }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Finding { what, expected, got } = self;
        write!(f, "  {what}\n    model  {expected}\n    real   {got}")
    }
}
