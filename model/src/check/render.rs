//! The check as tables to read.

use std::collections::BTreeMap;
use std::fmt;

use comfy_table::{CellAlignment, ContentArrangement, Table, presets};

use super::{
    Check, ClassesRow, ConfigRow, CyclesRow, EndingsRow, Kill, MutantRow, PropertyRow, SymmetryRow,
    Why,
};

impl fmt::Display for Check {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let planted = self.mutant.map(|mutant| format!(", with {mutant:?} planted"));
        writeln!(f, "Preset {}{}\n", self.preset, planted.unwrap_or_default())?;
        writeln!(f, "{}\n", self.sizes())?;
        writeln!(f, "{}\n", self.liveness())?;
        writeln!(f, "{}\n", self.verdicts())?;
        writeln!(f, "What each mutant breaks, and after how many actions; * ought to catch it\n")?;
        writeln!(f, "{}\n", self.matrix())?;
        self.unneeded(f)?;
        writeln!(f, "\nWhere each mutant is caught, and after how many actions; - it survives\n")?;
        writeln!(f, "{}\n", self.kill_table())?;
        self.only_in(f)?;
        self.needs(f)?;
        writeln!(f)?;
        if let Some(kib) = self.peak_kib {
            writeln!(f, "peak memory: {} MiB\n", kib / 1024)?;
        }
        self.failures.iter().try_for_each(|failure| writeln!(f, "FAILED: {failure}"))?;
        let survivors = self.mutants.iter().filter(|row| row.survives()).count();
        write!(
            f,
            "{} configurations, {} properties, {} mutants, {survivors} survive: {}",
            self.configs.len(),
            self.properties.len(),
            self.mutants.len(),
            if self.has_failed() { "FAILED" } else { "ok" }
        )
    }
}

impl Check {
    /// How large each configuration is and how fast it was explored and judged, by us and by stateright.
    fn sizes(&self) -> Table {
        let mut table = table(&[
            "configuration",
            "states",
            "edges",
            "seconds",
            "states/s",
            "stateright",
            "states/s",
            "classes",
            "pairs",
            "symmetric",
            "seconds",
        ]);
        for row in &self.configs {
            let (ours, theirs) = row.speeds();
            let [classes, pairs] = classes(&row.classes);
            table.add_row([
                row.name.to_owned(),
                row.states.to_string(),
                row.edges.to_string(),
                format!("{:.2}", row.seconds.explore + row.seconds.judge),
                format!("{ours:.0}"),
                format!("{:.2}", row.seconds.stateright),
                format!("{theirs:.0}"),
                classes,
                pairs,
                symmetry(&row.symmetry),
                format!("{:.2}", row.seconds.classes),
            ]);
        }
        align_right(&mut table, 1..11);
        table
    }

    /// That every close ends.
    fn liveness(&self) -> Table {
        let mut table = table(&[
            "configuration",
            "closing",
            "final",
            "steps of a shutdown",
            "must be left",
            "circular",
            "fair cycles",
            "seconds",
        ]);
        for row in &self.configs {
            let mut cells = vec![row.name.to_owned()];
            cells.extend(endings(row));
            cells.extend(cycles(row));
            cells.push(format!("{:.2}", row.seconds.endings));
            table.add_row(cells);
        }
        align_right(&mut table, 1..8);
        table
    }

    fn verdicts(&self) -> Table {
        let mut table = table(&["", "property", "", "actions", "in"]);
        let always = self.always();
        for row in &self.properties {
            let key = always.iter().find(|(name, _)| *name == row.name);
            table.add_row([
                key.map(|(_, key)| key.clone()).unwrap_or_default(),
                row.name.to_owned(),
                verdict(row).to_owned(),
                row.nearest.map(|(length, _)| length.to_string()).unwrap_or_default(),
                row.nearest.map(|(_, config)| config.to_owned()).unwrap_or_default(),
            ]);
        }
        align_right(&mut table, 3..4);
        table
    }

    /// A row per mutant, a column per `always` property, one for the endings and one for the fair cycles.
    fn matrix(&self) -> Table {
        let always = self.always();
        let mut header = vec![String::new(), "mutant".to_owned(), "configuration".to_owned()];
        header.extend(always.iter().map(|(_, key)| key.clone()));
        header.extend(["ends".to_owned(), "fair".to_owned()]);
        let mut table = table(&header);
        for row in &self.mutants {
            let mut cells = vec![row.id.to_owned(), format!("{:?}", row.mutant)];
            cells.push(row.config.to_owned());
            cells.extend(always.iter().map(|(property, _)| mark(row, property)));
            cells.extend([number(row.stuck_after), number(row.stays_after)]);
            table.add_row(cells);
        }
        align_right(&mut table, 3..header.len());
        table
    }

    fn unneeded(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.unneeded.is_empty() {
            return writeln!(f, "Every property is needed to catch a mutant.");
        }
        writeln!(f, "No mutant needs:")?;
        for row in &self.unneeded {
            let why = match row.why {
                Why::NeverBroken => "nothing breaks it".to_owned(),
                Why::CaughtByOthers => format!("others catch {:?}", row.broken_by),
            };
            writeln!(f, "  {}: {why}", row.property)?;
        }
        Ok(())
    }

    /// A row per mutant, a column per configuration.
    fn kill_table(&self) -> Table {
        let mut header = vec!["mutant"];
        header.extend(self.configs.iter().map(|row| row.name));
        let mut table = table(&header);
        for row in &self.kills {
            let mut cells = vec![format!("{:?}", row.mutant)];
            cells.extend(row.kills.iter().map(|(_, kill)| match kill {
                Kill::After(length) => length.to_string(),
                Kill::Survives => "-".to_owned(),
                Kill::NotTried => String::new(),
                Kill::GivenUp => "?".to_owned(),
            }));
            table.add_row(cells);
        }
        align_right(&mut table, 1..header.len());
        table
    }

    /// The configurations, with the mutants that no other catches.
    fn only_in(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "What only this configuration catches:")?;
        for config in &self.configs {
            let only = self.kills.iter().filter(|row| row.only_in() == Some(config.name));
            let only: Vec<_> = only.map(|row| format!("{:?}", row.mutant)).collect();
            let only = if only.is_empty() { "nothing".to_owned() } else { only.join(", ") };
            writeln!(f, "  {}: {only}", config.name)?;
        }
        Ok(())
    }

    /// The aspects, with the mutants that are not caught without them.
    fn needs(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut aspects: BTreeMap<_, Vec<_>> = BTreeMap::new();
        for row in &self.needs {
            for need in &row.needs {
                let needing = aspects.entry(need.aspect).or_default();
                needing.extend(need.is_needed.then(|| format!("{:?}", row.mutant)));
            }
        }
        writeln!(f, "\nWhat is not caught in its configuration without this aspect:")?;
        for (aspect, needing) in aspects {
            let needing =
                if needing.is_empty() { "nothing".to_owned() } else { needing.join(", ") };
            writeln!(f, "  {aspect}: {needing}")?;
        }
        Ok(())
    }
}

fn classes(row: &ClassesRow) -> [String; 2] {
    match row {
        ClassesRow::Right { classes, pairs } => [classes.to_string(), pairs.to_string()],
        ClassesRow::NotChecked => Default::default(),
        ClassesRow::Wrong { .. } => ["WRONG".to_owned(), String::new()],
    }
}

fn symmetry(row: &SymmetryRow) -> String {
    match row {
        SymmetryRow::Holds { renamings: 1, .. } | SymmetryRow::NotChecked => String::new(),
        SymmetryRow::Holds { states, .. } => states.to_string(),
        SymmetryRow::Broken { .. } => "no".to_owned(),
    }
}

fn endings(row: &ConfigRow) -> [String; 3] {
    match &row.endings {
        EndingsRow::All { closing_states, final_states, largest_rank } => {
            [closing_states.to_string(), final_states.to_string(), largest_rank.to_string()]
        }
        EndingsRow::Stuck { counterexample, .. } => {
            let after = counterexample.actions.len();
            [String::new(), String::new(), format!("STUCK after {after}")]
        }
    }
}

fn cycles(row: &ConfigRow) -> [String; 3] {
    match &row.cycles {
        CyclesRow::None { states, circular } => {
            [states.to_string(), circular.to_string(), "none".to_owned()]
        }
        CyclesRow::Found { place, .. } => [String::new(), String::new(), format!("FOUND: {place}")],
    }
}

fn verdict(row: &PropertyRow) -> &'static str {
    match (row.always, row.holds, row.shown_in.is_empty()) {
        (true, true, _) => "holds",
        (true, false, _) => "VIOLATED",
        (false, true, false) => "reached",
        (false, true, true) => "not here",
        (false, false, _) => "NOT REACHED",
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

fn align_right(table: &mut Table, columns: std::ops::Range<usize>) {
    for column in columns {
        if let Some(column) = table.column_mut(column) {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
}
