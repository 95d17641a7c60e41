//! The table at the end, and the same for machines.

use std::fmt;
use std::io;
use std::path::Path;
use std::time::Duration;

use comfy_table::{CellAlignment, Table, presets};
use criterion::Criterion;
use serde_json::json;

use crate::duel::{Duel, Measured};
use crate::exchange::Traffic;
use crate::figure::Figure;

/// Which figures the command line asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wanted {
    /// Every one: one that is missing is an error.
    All,
    /// A filter was given: what it leaves out is only mentioned.
    Some,
    /// Only their names.
    Names,
}

impl Wanted {
    /// Reads the command line that Criterion reads as well. Whatever is no option counts as a filter, the value of an
    /// option too.
    pub fn from_args(args: impl IntoIterator<Item = String>) -> Self {
        let args: Vec<String> = args.into_iter().collect();
        if args.iter().any(|arg| arg == "--list") {
            Wanted::Names
        } else if args.iter().any(|arg| !arg.starts_with('-')) {
            Wanted::Some
        } else {
            Wanted::All
        }
    }
}

/// The columns of the table that hold no numbers: what is measured, and what the limit is.
const TEXT_COLUMNS: [usize; 2] = [0, 3];

/// What was measured, and what was not.
#[derive(Debug)]
pub struct Report(Vec<Row>);

#[derive(Debug)]
struct Row {
    figure: &'static Figure,
    measured: Option<Measured>,
    /// Of ours and of the limit, where packets can be lost.
    traffic: Option<[Traffic; 2]>,
}

impl Report {
    /// A report in which each of these is missing so far.
    #[must_use]
    pub fn of(figures: &[&'static Figure]) -> Self {
        let row = |figure: &&'static Figure| Row { figure, measured: None, traffic: None };
        Self(figures.iter().map(row).collect())
    }

    /// Has Criterion measure a figure. Each side takes a number of iterations and answers how long they took.
    pub fn measure(
        &mut self,
        criterion: &mut Criterion,
        figure: &Figure,
        ours: impl FnMut(u64) -> Duration,
        limit: impl FnMut(u64) -> Duration,
    ) {
        let measured = Duel::new(ours, limit).run(criterion, figure);
        self.row(figure).measured = measured;
    }

    /// Adds what ours and the limit sent and lost for a figure.
    pub fn count(&mut self, figure: &Figure, traffic: [Traffic; 2]) {
        self.row(figure).traffic = Some(traffic);
    }

    /// # Panics
    ///
    /// When the figure was not announced.
    fn row(&mut self, figure: &Figure) -> &mut Row {
        let name = figure.name;
        let row = self.0.iter_mut().find(|row| row.figure.name == name);
        row.unwrap_or_else(|| panic!("{name} is in the list of all figures"))
    }

    /// The figures whose ratio is more than it may be, in sentences.
    #[must_use]
    pub fn excesses(&self) -> Vec<String> {
        let bounded = self.measured().filter_map(|(row, measured)| {
            Some((row.figure.name, measured.ratio, row.figure.ratio_max?))
        });
        let over = bounded.filter(|(_, ratio, max)| ratio > max);
        over.map(|(name, ratio, max)| format!("{name}: the ratio is {ratio:.2}, above {max:.2}"))
            .collect()
    }

    /// The figures that were not measured.
    #[must_use]
    pub fn missing(&self) -> Vec<&'static str> {
        self.0.iter().filter(|row| row.measured.is_none()).map(|row| row.figure.name).collect()
    }

    /// Writes the figures as JSON: times in nanoseconds per iteration.
    ///
    /// # Errors
    ///
    /// What the file system says.
    pub fn write(&self, path: &Path) -> io::Result<()> {
        let figures: Vec<_> =
            self.measured().map(|(row, measured)| to_json(row, measured)).collect();
        let text = serde_json::to_string_pretty(&json!({ "figures": figures }))?;
        std::fs::write(path, text + "\n")
    }

    fn measured(&self) -> impl Iterator<Item = (&Row, &Measured)> {
        self.0.iter().filter_map(|row| Some((row, row.measured.as_ref()?)))
    }
}

impl fmt::Display for Report {
    /// Only what was measured, and below that what was lost.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut table = Table::new();
        table.load_preset(presets::ASCII_MARKDOWN);
        table.set_header(["figure", "ours", "limit", "what the limit is", "ratio", "spread"]);
        for (Row { figure, .. }, measured) in self.measured() {
            let [low, high] = measured.quartiles;
            table.add_row([
                figure.name.to_owned(),
                figure.unit.in_words(measured.ours),
                figure.unit.in_words(measured.limit),
                figure.limit.to_owned(),
                format!("{:.2}", measured.ratio),
                format!("{low:.2} to {high:.2}"),
            ]);
        }
        for (index, column) in table.column_iter_mut().enumerate() {
            if !TEXT_COLUMNS.contains(&index) {
                column.set_cell_alignment(CellAlignment::Right);
            }
        }
        writeln!(f, "{table}\n")?;
        for (row, _) in self.measured() {
            let Some([ours, limit]) = row.traffic else { continue };
            let of = |Traffic { sent, lost }| format!("{lost} of {sent}");
            writeln!(f, "Lost, {}: ours {}, limit {}", row.figure.name, of(ours), of(limit))?;
        }
        Ok(())
    }
}

fn to_json(row: &Row, measured: &Measured) -> serde_json::Value {
    json!({
        "figure": row.figure.name,
        "what_the_limit_is": row.figure.limit,
        "ours_ns": measured.ours,
        "limit_ns": measured.limit,
        "ratio": measured.ratio,
        "ratio_quartiles": measured.quartiles,
        "pairs": measured.pairs,
        "ours_and_limit_sent": row.traffic.map(|both| both.map(|traffic| traffic.sent)),
        "ours_and_limit_lost": row.traffic.map(|both| both.map(|traffic| traffic.lost)),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const MEASURED: Measured =
        Measured { ours: 3e3, limit: 2e3, ratio: 1.5, quartiles: [1.4, 1.6], pairs: 9 };
    const ONE: Figure = Figure::new("one", "nothing at all");
    const TWO: Figure = Figure::new("two", "nothing");
    const BOUNDED: Figure = Figure::new("bounded", "nothing").at_most(1.5);

    #[test]
    fn a_figure_is_shown_with_its_limit_and_a_missing_one_is_named() {
        let mut report = Report::of(&[&ONE, &TWO]);
        report.row(&ONE).measured = Some(MEASURED);
        report.count(&ONE, [Traffic { sent: 10, lost: 1 }, Traffic { sent: 20, lost: 0 }]);
        let text = report.to_string();
        let lost = "ours 1 of 10, limit 0 of 20";
        for part in ["one", "3.00 µs", "2.00 µs", "nothing at all", "1.50", "1.40 to 1.60", lost]
        {
            assert!(text.contains(part), "{part} in {text}");
        }
        assert!(!text.contains("two"));
        assert_eq!(report.missing(), ["two"]);
    }

    #[test]
    #[should_panic(expected = "two is in the list of all figures")]
    fn a_figure_that_nobody_demands_is_refused() {
        Report::of(&[&ONE]).count(&TWO, [Traffic::default(); 2]);
    }

    #[test]
    fn a_figure_above_its_bound_is_named() {
        let mut report = Report::of(&[&ONE, &BOUNDED]);
        assert_eq!(report.excesses(), Vec::<String>::new());
        report.row(&ONE).measured = Some(Measured { ratio: 9.0, ..MEASURED });
        report.row(&BOUNDED).measured = Some(MEASURED);
        assert_eq!(report.excesses(), Vec::<String>::new());
        report.row(&BOUNDED).measured = Some(Measured { ratio: 1.51, ..MEASURED });
        assert_eq!(report.excesses(), ["bounded: the ratio is 1.51, above 1.50"]);
    }

    #[test]
    fn whatever_is_no_option_is_a_filter() {
        let wanted = |args: &[&str]| Wanted::from_args(args.iter().map(ToString::to_string));
        assert_eq!(wanted(&["--bench"]), Wanted::All);
        assert_eq!(wanted(&[]), Wanted::All);
        assert_eq!(wanted(&["--bench", "stun"]), Wanted::Some);
        assert_eq!(wanted(&["--list", "stun"]), Wanted::Names);
    }
}
