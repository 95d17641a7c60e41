//! The report for machines. A key that goes away or changes its meaning makes another schema.

use super::{Report, Row};
use crate::replay::folder;
use serde_json::{Value, json};
use std::io;

/// Of which form the report is.
const SCHEMA: u32 = 1;

impl Report {
    /// Writes the report for machines.
    ///
    /// # Errors
    ///
    /// What the system says.
    pub fn write_json(&self, output: impl io::Write) -> io::Result<()> {
        serde_json::to_writer_pretty(output, &self.as_json()?).map_err(io::Error::from)
    }

    fn as_json(&self) -> serde_json::Result<Value> {
        let rows: Result<Vec<_>, _> = self.rows.iter().map(Row::as_json).collect();
        let missing = self.missing().map(|check| format!("{check}: nothing was compared"));
        let sum = |of: fn(&Row) -> usize| self.rows.iter().map(of).sum::<usize>();
        Ok(json!({
            "schema": SCHEMA,
            "version": env!("CARGO_PKG_VERSION"),
            "failed": self.has_failed(),
            // What no row says.
            "failures": missing.collect::<Vec<_>>(),
            "shard": self.shard,
            "config": self.config,
            "mutant": self.mutant,
            "owed": self.owed,
            "seconds": self.seconds,
            "totals": {
                "rows": self.rows.len(),
                "failed": sum(|row| usize::from(row.has_failed())),
                "leftOut": sum(|row| usize::from(row.skipped.is_some())),
                "traces": sum(|row| row.traces),
                "steps": sum(|row| row.steps),
                "handshakes": sum(|row| row.handshakes),
                "probes": sum(|row| row.probes),
                "compared": sum(|row| row.compared),
                "mutants": sum(|row| row.mutants.len()),
            },
            "artifacts": self.rows.iter().flat_map(artifacts).collect::<Vec<_>>(),
            "rows": rows?,
        }))
    }
}

impl Row {
    fn as_json(&self) -> serde_json::Result<Value> {
        let mut row = serde_json::to_value(self)?;
        row["status"] = self.verdict().to_lowercase().into();
        row["failures"] = self.reasons().into();
        Ok(row)
    }
}

/// The files that were kept to see a failure again: each stands at the end of a line.
fn artifacts(row: &Row) -> Vec<String> {
    let folder = folder().display().to_string();
    let lines = row.failures.iter().flat_map(|failure| failure.lines());
    let kept = lines.filter(|line| line.contains("again: "));
    kept.filter_map(|line| line.find(&folder).map(|at| line[at..].to_owned())).collect()
}

#[cfg(test)]
mod tests {
    use super::super::{Caught, Check};
    use super::*;

    /// The keys of an object, those within it behind a dot.
    fn keys(value: &Value) -> Vec<String> {
        let of = |(key, value): (&String, &Value)| {
            let first = value.as_array().and_then(|values| values.first()).unwrap_or(value);
            let inner: Vec<_> = keys(first).iter().map(|inner| format!("{key}.{inner}")).collect();
            if inner.is_empty() { vec![key.clone()] } else { inner }
        };
        value.as_object().into_iter().flatten().flat_map(of).collect()
    }

    #[test]
    fn the_keys_are_those_of_the_schema() {
        let way = folder().join("a way.itf.json");
        let row = Row {
            failures: vec![format!("differs\n  again: cargo replay {}", way.display())],
            mutants: vec![Caught {
                id: "K01",
                name: "A".into(),
                config: Some("small"),
                length: Some(4),
            }],
            ..Row::default()
        };
        let (shard, config, mutant) = (None, None, None);
        let report = Report {
            shard,
            config,
            mutant,
            owed: vec![Check::Replay],
            rows: vec![row],
            seconds: 0.1,
        };
        let json = report.as_json().unwrap();
        let expected = "artifacts config failed failures mutant owed \
            rows.check rows.classes rows.classesTotal rows.compared rows.failures rows.handshakes \
            rows.mutants.config rows.mutants.id rows.mutants.length rows.mutants.name \
            rows.note rows.of rows.probes rows.seconds rows.seeds rows.skipped rows.states rows.status rows.steps \
            rows.things rows.traces rows.transitions schema seconds shard \
            totals.compared totals.failed totals.handshakes totals.leftOut totals.mutants totals.probes totals.rows \
            totals.steps totals.traces version";
        let expected: Vec<_> = expected.split_whitespace().collect();
        assert_eq!(keys(&json), expected);
        assert_eq!((&json["schema"], &json["failed"]), (&json!(1), &json!(true)));
        assert_eq!(json["failures"], json!(["replay: nothing was compared"]));
        assert_eq!(json["artifacts"], json!([way]));
        assert_eq!(json["rows"][0]["status"], "failed");
        let nothing = Row::default().as_json().unwrap();
        assert_eq!(nothing["failures"], json!(["nothing was compared"]));
    }
}
