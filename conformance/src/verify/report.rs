//! What was checked, for people and for machines.

use comfy_table::{CellAlignment, ContentArrangement, Table, presets};
use serde::Serialize;
use std::fmt;

/// What is checked, in the order of the table.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Check {
    /// The model by itself.
    #[default]
    Model,
    /// That one edge of a class stands for the others.
    Classes,
    /// The core in memory.
    Lockstep,
    /// The stack on real sockets.
    Replay,
    /// That known mistakes are noticed.
    Mutants,
    /// The logs of servers that run freely.
    Validate,
}

impl fmt::Display for Check {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Model => "model",
            Self::Classes => "classes",
            Self::Lockstep => "lockstep",
            Self::Replay => "replay",
            Self::Mutants => "mutants",
            Self::Validate => "validate",
        })
    }
}

/// A known mistake that was noticed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Caught {
    /// Its number.
    pub id: &'static str,
    /// Its name in the code.
    pub name: String,
    /// Where; none for a check of its own.
    pub config: Option<&'static str>,
    /// After how many actions.
    pub length: Option<usize>,
}

/// One check.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Row {
    /// Which.
    pub check: Check,
    /// Of what.
    pub of: String,
    /// States of the model.
    pub states: usize,
    /// Transitions of the model: explored, fed to the real core, or reached on the real stack.
    pub transitions: usize,
    /// Classes of these, by what their actions read, that were found or walked.
    pub classes: usize,
    /// How many there were to walk.
    pub classes_total: usize,
    /// Traces that were performed.
    pub traces: usize,
    /// Steps of these.
    pub steps: usize,
    /// DTLS handshakes: of these, or of servers that run freely.
    pub handshakes: usize,
    /// Datagrams that were sent to see that they change nothing.
    pub probes: usize,
    /// How many things were compared, and what they were.
    pub compared: usize,
    /// What they were.
    pub things: &'static str,
    /// The known mistakes that were noticed.
    pub mutants: Vec<Caught>,
    /// What the random choices of the runs came from.
    pub seeds: Vec<u64>,
    /// What failed, in sentences.
    pub failures: Vec<String>,
    /// What no column says of it.
    pub note: Option<String>,
    /// Why nothing was done, if it was left out.
    pub skipped: Option<String>,
    /// How long it took.
    pub seconds: f64,
}

impl Row {
    /// Whether it failed. A check that compared nothing has failed, unless it was left out and says why.
    #[must_use]
    pub fn has_failed(&self) -> bool {
        !self.failures.is_empty()
            || self.classes < self.classes_total
            || (self.compared == 0 && self.skipped.is_none())
    }

    /// Why it failed.
    pub(super) fn reasons(&self) -> Vec<String> {
        if !self.has_failed() || !self.failures.is_empty() {
            return self.failures.clone();
        }
        let nothing = self.compared == 0;
        vec![if nothing { "nothing was compared" } else { "classes are missing" }.to_owned()]
    }

    /// How many of the classes were walked, in percent and rounded down.
    fn share_of_classes(&self) -> String {
        let share = (100 * self.classes).checked_div(self.classes_total);
        share.map_or_else(String::new, |percent| format!("{percent} %"))
    }

    /// In a word.
    #[must_use]
    pub fn verdict(&self) -> &'static str {
        match &self.skipped {
            _ if self.has_failed() => "FAILED",
            Some(_) => "left out",
            None => "ok",
        }
    }
}

/// All checks of a run.
#[derive(Clone, Debug, PartialEq)]
pub struct Report {
    /// Which share of the replay it is, if not all of it.
    pub shard: Option<String>,
    /// The configuration, if it is only one.
    pub config: Option<&'static str>,
    /// The id of the mistake that was planted.
    pub mutant: Option<&'static str>,
    /// What had to be compared at all.
    pub owed: Vec<Check>,
    /// In the order of the checks.
    pub rows: Vec<Row>,
    /// All of them together.
    pub seconds: f64,
}

impl Report {
    /// Whether any check failed, or nothing was compared of what had to be.
    #[must_use]
    pub fn has_failed(&self) -> bool {
        self.missing().next().is_some() || self.rows.iter().any(Row::has_failed)
    }

    /// Checks that compared nothing, whatever their rows say.
    pub(super) fn missing(&self) -> impl Iterator<Item = Check> {
        let compared = |check| self.rows.iter().any(|row| row.check == check && row.compared > 0);
        self.owed.iter().copied().filter(move |check| !compared(*check))
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut table = Table::new();
        table.load_preset(presets::NOTHING).set_content_arrangement(ContentArrangement::Disabled);
        table.set_header([
            "check",
            "of",
            "states",
            "transitions",
            "classes",
            "",
            "traces",
            "steps",
            "handshakes",
            "probes",
            "compared",
            "",
            "seconds",
            "",
        ]);
        for row in &self.rows {
            let count = |n: usize| if n == 0 { String::new() } else { n.to_string() };
            table.add_row([
                row.check.to_string(),
                row.of.clone(),
                count(row.states),
                count(row.transitions),
                count(row.classes),
                row.share_of_classes(),
                count(row.traces),
                count(row.steps),
                count(row.handshakes),
                count(row.probes),
                row.compared.to_string(),
                row.things.to_owned(),
                format!("{:.1}", row.seconds),
                row.verdict().to_owned(),
            ]);
        }
        for column in [2, 3, 4, 5, 6, 7, 8, 9, 10, 12] {
            if let Some(column) = table.column_mut(column) {
                column.set_cell_alignment(CellAlignment::Right);
            }
        }
        if let Some(shard) = &self.shard {
            writeln!(f, "share {shard} of the replay")?;
        }
        writeln!(f, "{table}")?;
        for row in self.rows.iter().filter(|row| row.has_failed()) {
            writeln!(f, "\n{} {}:", row.check, row.of)?;
            row.reasons().iter().try_for_each(|failure| writeln!(f, "{failure}"))?;
        }
        for row in &self.rows {
            if let Some(note) = &row.note {
                writeln!(f, "\n{} {}: {note}", row.check, row.of)?;
            }
        }
        for why in self.rows.iter().filter_map(|row| row.skipped.as_ref()) {
            writeln!(f, "\nleft out: {why}")?;
        }
        for check in self.missing() {
            writeln!(f, "\n{check}: nothing was compared")?;
        }
        let failed = self.rows.iter().filter(|row| row.has_failed()).count();
        write!(f, "\n{} checks, {failed} failed, {:.1} s", self.rows.len(), self.seconds)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_check_that_compared_nothing_has_failed() {
        let row = Row { check: Check::Lockstep, compared: 1, ..Row::default() };
        let owed = vec![Check::Lockstep];
        let of = |rows| {
            let (shard, config, mutant) = (None, None, None);
            Report { shard, config, mutant, owed: owed.clone(), rows, seconds: 0.0 }
        };
        assert!(!of(vec![row.clone()]).has_failed());
        assert!(of(vec![]).has_failed());
        assert!(of(vec![row.clone(), Row { compared: 0, ..row.clone() }]).has_failed());
        let skipped = Row { compared: 0, skipped: Some("too long".to_owned()), ..row.clone() };
        assert!(!of(vec![skipped.clone(), row.clone()]).has_failed());
        assert!(of(vec![skipped.clone()]).to_string().contains("left out"));
        assert!(of(vec![skipped]).has_failed(), "all of it");
        let other = Row { check: Check::Replay, ..row.clone() };
        assert!(of(vec![other.clone()]).has_failed());
        assert!(of(vec![other]).to_string().contains("lockstep: nothing was compared"));
        let missed = Row { classes: 999, classes_total: 1000, ..row.clone() };
        assert!(of(vec![missed.clone()]).has_failed());
        assert!(of(vec![missed]).to_string().contains("99 %"));
        let failed = Row { failures: vec!["no".to_owned()], ..row };
        assert!(of(vec![failed.clone()]).has_failed());
        assert!(of(vec![failed]).to_string().contains("FAILED"));
    }
}
