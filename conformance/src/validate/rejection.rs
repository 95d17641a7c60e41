//! Why a log is no behaviour of the model: the first entry that cannot be explained, and all that helps to see why.

use super::log::{Begun, Entry, What};
use super::simulate::Mismatch;
use std::fmt;
use webrtc_server_model::{Action, State};

/// Candidates that a report shows in full.
const CANDIDATES_SHOWN_MAX: usize = 3;

/// The first entry that cannot be explained.
#[derive(Clone, Debug)]
pub struct Rejection {
    /// Whose part of the log it is.
    pub party: String,
    /// The entry; of a turn the first.
    pub entry: Entry,
    /// How many turns of that party were explained.
    pub matched: usize,
    /// Why it cannot be explained.
    pub reason: Reason,
    /// The states of the model that explain everything before, with what can happen in each.
    pub candidates: Vec<(State, Vec<Action>)>,
}

/// Why an entry cannot be explained.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reason {
    /// A rule about the whole log is broken.
    Rule(String),
    /// The model has no words for it.
    NoWords(String),
    /// The model is too small for it.
    Bounds(String),
    /// No state of the model explains it.
    Mismatch(Mismatch),
}

impl Rejection {
    pub(super) fn new(party: &str, entry: Entry, matched: usize, reason: Reason) -> Self {
        Rejection { party: party.to_owned(), entry, matched, reason, candidates: Vec::new() }
    }

    /// The first that is conclusive is told, and one that is not only where none is.
    pub(super) fn comes_before(&self, other: &Self) -> bool {
        let rank = |of: &Self| (!of.reason.is_conclusive(), of.entry.n);
        rank(self) < rank(other)
    }

    /// A log without a line says nothing, least of all that all went well.
    pub(super) fn empty() -> Self {
        let entry = Entry { n: 0, what: What::Begun(Begun::default()) };
        Self::new("the whole server", entry, 0, Reason::Rule("the log is empty".to_owned()))
    }
}

impl fmt::Display for Rejection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "entry {} is no behaviour of the model ({})", self.entry.n, self.party)?;
        writeln!(f, "  explained before it: {} turns", self.matched)?;
        let line = serde_json::to_string(&self.entry).map_err(|_| fmt::Error)?;
        writeln!(f, "  the entry: {line}")?;
        write!(f, "  {}", self.reason)?;
        for (number, (state, enabled)) in self.candidates.iter().enumerate() {
            if number == CANDIDATES_SHOWN_MAX {
                write!(f, "\n  and {} more states", self.candidates.len() - number)?;
                break;
            }
            write!(f, "\n  state {number} before it: {}", Brief(state))?;
            write!(f, "\n    can happen there:")?;
            enabled.iter().try_for_each(|action| write!(f, "\n      {action:?}"))?;
        }
        Ok(())
    }
}

impl std::error::Error for Rejection {}

impl Reason {
    /// Whether it says that the log is wrong, and not only that nobody can tell.
    #[must_use]
    pub fn is_conclusive(&self) -> bool {
        match self {
            Self::Rule(_) | Self::NoWords(_) => true,
            Self::Bounds(_) => false,
            Self::Mismatch(mismatch) => match mismatch {
                Mismatch::NotEnabled(_) | Mismatch::Effects { .. } | Mismatch::State(_) => true,
                Mismatch::TooMany => false,
            },
        }
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Rule(what) => write!(f, "broken: {what}"),
            Self::NoWords(what) => write!(f, "the model has no words for it: {what}"),
            Self::Bounds(what) => write!(f, "the model is too small for it: {what}"),
            Self::Mismatch(mismatch) => write!(f, "{mismatch}"),
        }
    }
}

impl fmt::Display for Mismatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotEnabled(actions) => write!(f, "this cannot happen: {actions:?}"),
            Self::Effects { action: Some(action), model, log } => {
                let at = model.iter().zip(log).take_while(|(model, log)| model == log).count();
                write!(f, "{action:?} has other effects, from the {}. on:", at + 1)?;
                write!(f, "\n    in the model {model:?}\n    in the log   {log:?}")
            }
            Self::Effects { action: None, log, .. } => {
                write!(f, "nothing that happened has these effects: {log:?}")
            }
            Self::State(differences) => {
                write!(f, "something else is there afterwards:")?;
                differences.iter().try_for_each(|difference| write!(f, "\n    {difference}"))
            }
            Self::TooMany => write!(f, "there are too many ways to explain it to try all of them"),
        }
    }
}

/// A state on few lines: its core is what the server knows.
struct Brief<'a>(&'a State);

impl fmt::Display for Brief<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let State { core, world, .. } = self.0;
        write!(f, "server {:?}, worker {:?}", core.server, core.workers)?;
        for (number, transport) in core.transports.iter().enumerate() {
            write!(f, "\n    t{number}: {transport:?}")?;
        }
        for (number, connection) in core.connections.iter().enumerate() {
            write!(f, "\n    c{number}: {connection:?}, {:?}", world.streams[number])?;
        }
        Ok(())
    }
}
