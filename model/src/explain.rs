//! A trace as a sequence diagram and as a table.

use std::fmt::Write as _;

use crate::change::changes;
use crate::trace::{Refused, Trace, TraceStep};
use crate::words::{Message, Party};

/// A trace as a Markdown document: a Mermaid sequence diagram, then a table of what each step
/// changed and what the server did.
pub fn explain(trace: &Trace) -> Result<String, Refused> {
    let steps = trace.perform()?;
    let mut document = String::new();
    if !trace.about.is_empty() {
        document += &format!("{}\n\n", trace.about);
    }
    document += &format!("Configuration `{}`", trace.config);
    if let Some(mutant) = trace.mutant {
        document += &format!(", with the mistake `{mutant:?}` planted");
    }
    document += ".\n\n";
    document += &format!("```mermaid\n{}```\n\n", sequence(&steps, trace.config()?.transports()));
    document += &table(&steps);
    let broken: Vec<_> = steps.iter().flat_map(|step| &step.broken).collect();
    document += match broken.as_slice() {
        [] => "\nEvery invariant holds all the way.\n",
        _ => "\nBroken on the way:\n\n",
    };
    broken.iter().for_each(|property| document += &format!("- {property}\n"));
    Ok(document)
}

fn sequence(steps: &[TraceStep], transports: usize) -> String {
    let parties = Party::all(transports);
    let mut diagram = "sequenceDiagram\n".to_owned();
    for party in &parties {
        line(&mut diagram, format_args!("participant {} as {party}", id(*party)));
    }
    for (index, step) in steps.iter().enumerate() {
        for (place, mut message) in step.messages().into_iter().enumerate() {
            if place == 0 {
                message.text = format!("{}. {}", index + 1, message.text);
            }
            line(&mut diagram, format_args!("{}", arrow(&message)));
        }
        for property in &step.broken {
            let [first, last] = [parties[0], parties[parties.len() - 1]].map(id);
            line(&mut diagram, format_args!("Note over {first},{last}: BROKEN: {property}"));
        }
    }
    diagram
}

fn arrow(Message { from, to, text }: &Message) -> String {
    match (from, to) {
        (Party::Server, Party::Server) => format!("Note over Server: {text}"),
        (from, Party::Server) => format!("{}->>Server: {text}", id(*from)),
        (from, to) => format!("{}-->>{}: {text}", id(*from), id(*to)),
    }
}

fn line(diagram: &mut String, text: std::fmt::Arguments<'_>) {
    writeln!(diagram, "    {text}").expect("a string takes everything");
}

/// What Mermaid calls a party.
fn id(party: Party) -> String {
    match party {
        Party::Owner => "Owner".to_owned(),
        Party::Server => "Server".to_owned(),
        Party::Kernel => "Kernel".to_owned(),
        Party::Peer(t) => format!("Peer{}", t.0),
    }
}

fn table(steps: &[TraceStep]) -> String {
    let mut table = "| # | What happens | What changes | What the server does |\n".to_owned();
    table += "|---|---|---|---|\n";
    for (index, step) in steps.iter().enumerate() {
        let changed = changes(&step.before, &step.after);
        let changed = cell(changed.iter().map(ToString::to_string));
        let effects = cell(step.effects.iter().map(ToString::to_string));
        table += &format!("| {} | {} | {changed} | {effects} |\n", index + 1, step.action);
    }
    table
}

fn cell(lines: impl Iterator<Item = String>) -> String {
    let lines: Vec<_> = lines.collect();
    if lines.is_empty() { "nothing".to_owned() } else { lines.join("<br>") }
}
