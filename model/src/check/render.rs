//! The check as tables to read.

use std::fmt;

use comfy_table::{CellAlignment, ContentArrangement, Table, presets};

use super::{Check, EndingsRow, MutantRow, Need, PropertyRow};

impl fmt::Display for Check {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let planted = self.mutant.map(|mutant| format!(", with {mutant:?} planted"));
        writeln!(f, "Preset {}{}\n", self.preset, planted.unwrap_or_default())?;
        writeln!(f, "{}\n", self.verdicts())?;
        writeln!(f, "{}\n", self.figures())?;
        writeln!(f, "What each mutant breaks, and after how many actions; * ought to catch it\n")?;
        writeln!(f, "{}\n", self.matrix())?;
        self.unneeded(f)?;
        writeln!(f)?;
        self.failures.iter().try_for_each(|failure| writeln!(f, "FAILED: {failure}"))?;
        let survivors = self.mutants.iter().filter(|row| row.survives()).count();
        write!(
            f,
            "{} properties, {} mutants, {survivors} survive: {}",
            self.properties.len(),
            self.mutants.len(),
            if self.has_failed() { "FAILED" } else { "ok" }
        )
    }
}

impl Check {
    fn verdicts(&self) -> Table {
        let mut table = table(&["", "property", "", "actions"]);
        let always = self.always();
        for row in &self.properties {
            let key = always.iter().find(|(name, _)| *name == row.name);
            table.add_row([
                key.map(|(_, key)| key.clone()).unwrap_or_default(),
                row.name.to_owned(),
                verdict(row).to_owned(),
                number(row.length),
            ]);
        }
        align_right(&mut table, &[3]);
        table
    }

    fn figures(&self) -> Table {
        let mut table = table(&["", "states", "edges", "seconds", "states/s"]);
        let speed = &self.speed;
        let ours = speed.explore_seconds + speed.judge_seconds;
        let (their_states, their_edges) = speed.stateright_size;
        let mut row = |what: &str, states: usize, edges: usize, seconds: f64| {
            table.add_row([
                what.to_owned(),
                states.to_string(),
                edges.to_string(),
                format!("{seconds:.2}"),
                format!("{:.0}", states as f64 / seconds),
            ]);
        };
        row("explored into a graph", self.states, self.edges, speed.explore_seconds);
        row("explored and judged", self.states, self.edges, ours);
        row("the same by stateright", their_states, their_edges, speed.stateright_seconds);
        match &self.endings {
            EndingsRow::All { closing_states, final_states, largest_rank } => {
                row("endings", *closing_states, self.edges, speed.endings_seconds);
                let bound = format!("a shutdown takes {largest_rank} steps at most");
                table.add_row([bound]);
                table.add_row([format!("it ends in one of {final_states} states")]);
            }
            EndingsRow::Stuck { what, counterexample } => {
                table.add_row([format!("{what}, after {} actions", counterexample.actions.len())]);
            }
        }
        let peak = speed.peak_kib.map(|kib| format!("peak memory until then: {} MiB", kib / 1024));
        table.add_row([peak.unwrap_or_else(|| "peak memory: not known here".to_owned())]);
        align_right(&mut table, &[1, 2, 3, 4]);
        table
    }

    /// A row per mutant, a column per `always` property and one for the endings.
    fn matrix(&self) -> Table {
        let always = self.always();
        let mut header = vec![String::new(), "mutant".to_owned(), "preset".to_owned()];
        header.extend(always.iter().map(|(_, key)| key.clone()));
        header.push("ends".to_owned());
        let mut table = table(&header);
        for row in &self.mutants {
            let mut cells = vec![row.id.to_owned(), format!("{:?}", row.mutant)];
            cells.push(row.config.to_owned());
            cells.extend(always.iter().map(|(property, _)| mark(row, property)));
            cells.push(number(row.stuck_after));
            table.add_row(cells);
        }
        let last = header.len();
        align_right(&mut table, &(3..last).collect::<Vec<_>>());
        table
    }

    fn unneeded(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.unneeded.is_empty() {
            return writeln!(f, "Every property is needed to catch a mutant.");
        }
        writeln!(f, "No mutant needs:")?;
        for row in &self.unneeded {
            let why = match row.why {
                Need::NeverBroken => "nothing breaks it".to_owned(),
                Need::CaughtByOthers => format!("others catch {:?}", row.broken_by),
            };
            writeln!(f, "  {}: {why}", row.property)?;
        }
        Ok(())
    }
}

fn verdict(row: &PropertyRow) -> &'static str {
    match (row.always, row.holds) {
        (true, true) => "holds",
        (true, false) => "VIOLATED",
        (false, true) => "reached",
        (false, false) => "NOT REACHED",
    }
}

fn mark(row: &MutantRow, property: &str) -> String {
    let expected = row.killed_by == property;
    match row.breaks(property) {
        Some(length) => format!("{length}{}", if expected { "*" } else { "" }),
        None if expected => "LIVES".to_owned(),
        None => String::new(),
    }
}

fn number(number: Option<usize>) -> String {
    number.map(|number| number.to_string()).unwrap_or_default()
}

fn table(header: &[impl ToString]) -> Table {
    let mut table = Table::new();
    table.load_preset(presets::NOTHING).set_content_arrangement(ContentArrangement::Disabled);
    table.set_header(header.iter().map(ToString::to_string));
    table
}

fn align_right(table: &mut Table, columns: &[usize]) {
    for column in columns {
        if let Some(column) = table.column_mut(*column) {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
}
