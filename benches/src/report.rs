//! The table at the end, and the same for machines.

use std::fmt;
use std::io;
use std::path::Path;

use comfy_table::{CellAlignment, Table, presets};
use serde_json::json;

use crate::duel::Measured;

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

/// What was measured, and what was not.
#[derive(Debug, Default)]
pub struct Report {
    figures: Vec<(&'static str, Option<Measured>)>,
    /// The ratios that some of these may have at most.
    bounds: Vec<(&'static str, f64)>,
}

impl Report {
    /// Adds a figure, measured or not.
    pub fn add(&mut self, name: &'static str, measured: Option<Measured>) {
        self.figures.push((name, measured));
    }

    /// Adds a figure whose ratio may not be more than this.
    pub fn add_bounded(&mut self, name: &'static str, measured: Option<Measured>, ratio_max: f64) {
        self.add(name, measured);
        self.bounds.push((name, ratio_max));
    }

    /// The figures whose ratio is more than it may be, in sentences.
    #[must_use]
    pub fn excesses(&self) -> Vec<String> {
        let bounds = self.bounds.iter();
        let measured = bounds.filter_map(|(name, max)| {
            let (_, measured) = self.measured().find(|(other, _)| other == name)?;
            Some((name, measured.ratio, max))
        });
        let over = measured.filter(|(_, ratio, max)| ratio > max);
        over.map(|(name, ratio, max)| format!("{name}: the ratio is {ratio:.2}, above {max:.2}"))
            .collect()
    }

    /// The figures that were not measured.
    #[must_use]
    pub fn missing(&self) -> Vec<&'static str> {
        self.figures
            .iter()
            .filter(|(_, measured)| measured.is_none())
            .map(|(name, _)| *name)
            .collect()
    }

    /// Writes the figures as JSON: times in nanoseconds per iteration.
    ///
    /// # Errors
    ///
    /// What the file system says.
    pub fn write(&self, path: &Path) -> io::Result<()> {
        let figures: Vec<_> =
            self.measured().map(|(name, measured)| to_json(name, measured)).collect();
        let text = serde_json::to_string_pretty(&json!({ "figures": figures }))?;
        std::fs::write(path, text + "\n")
    }

    fn measured(&self) -> impl Iterator<Item = (&'static str, &Measured)> {
        self.figures.iter().filter_map(|(name, measured)| Some((*name, measured.as_ref()?)))
    }
}

impl fmt::Display for Report {
    /// Only what was measured.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut table = Table::new();
        table.load_preset(presets::ASCII_MARKDOWN);
        table.set_header(["figure", "ours", "limit", "ratio", "its middle half"]);
        for (name, measured) in self.measured() {
            let [low, high] = measured.quartiles;
            table.add_row([
                name.to_owned(),
                in_words(measured.ours),
                in_words(measured.limit),
                format!("{:.2}", measured.ratio),
                format!("{low:.2} to {high:.2}"),
            ]);
        }
        for column in table.column_iter_mut().skip(1) {
            column.set_cell_alignment(CellAlignment::Right);
        }
        write!(f, "{table}")
    }
}

fn to_json(name: &str, measured: &Measured) -> serde_json::Value {
    json!({
        "figure": name,
        "ours_ns": measured.ours,
        "limit_ns": measured.limit,
        "ratio": measured.ratio,
        "ratio_quartiles": measured.quartiles,
        "pairs": measured.pairs,
    })
}

/// Three digits or more, in the unit that suits.
fn in_words(nanoseconds: f64) -> String {
    let (value, unit) = match nanoseconds {
        ns if ns < 1e3 => (ns, "ns"),
        ns if ns < 1e6 => (ns / 1e3, "µs"),
        ns => (ns / 1e6, "ms"),
    };
    format!("{value:.2} {unit}")
}

#[cfg(test)]
mod tests {
    use super::*;

    const MEASURED: Measured =
        Measured { ours: 3e3, limit: 2e3, ratio: 1.5, quartiles: [1.4, 1.6], pairs: 9 };

    #[test]
    fn a_figure_is_shown_with_its_ratio_and_a_missing_one_is_named() {
        let mut report = Report::default();
        report.add("one", Some(MEASURED));
        report.add("two", None);
        let text = report.to_string();
        for part in ["one", "3.00 µs", "2.00 µs", "1.50", "1.40 to 1.60"] {
            assert!(text.contains(part), "{part} in {text}");
        }
        assert!(!text.contains("two"));
        assert_eq!(report.missing(), ["two"]);
    }

    #[test]
    fn a_figure_above_its_bound_is_named() {
        let mut report = Report::default();
        report.add_bounded("just", Some(MEASURED), MEASURED.ratio);
        report.add_bounded("missing", None, 1.0);
        report.add("free", Some(MEASURED));
        assert_eq!(report.excesses(), Vec::<String>::new());
        report.add_bounded("above", Some(MEASURED), 1.25);
        assert_eq!(report.excesses(), ["above: the ratio is 1.50, above 1.25"]);
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
