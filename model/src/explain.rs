//! A trace as a sequence diagram and as a table.

use std::fmt::Write as _;

use crate::change::changes;
use crate::config::Config;
use crate::trace::{Refused, Trace, TraceStep, lifelines};
use crate::words::{Lifeline, Message};

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
    let config = trace.config()?;
    document += &format!(": {}.\n\n", config.purpose);
    document += &format!("```mermaid\n{}```\n\n", sequence(&steps, &config));
    document += &table(&steps);
    let broken: Vec<_> = steps.iter().flat_map(|step| &step.broken).collect();
    document += match broken.as_slice() {
        [] => "\nEvery invariant holds all the way.\n",
        _ => "\nBroken on the way:\n\n",
    };
    broken.iter().for_each(|property| document += &format!("- {property}\n"));
    Ok(document)
}

fn sequence(steps: &[TraceStep], config: &Config) -> String {
    let messages: Vec<_> = steps.iter().map(|step| step.messages(config)).collect();
    let lifelines = lifelines(config, &messages);
    let mut diagram = "sequenceDiagram\n".to_owned();
    for lifeline in &lifelines {
        line(&mut diagram, format_args!("participant {} as {lifeline}", id(*lifeline)));
    }
    for (index, (step, messages)) in steps.iter().zip(messages).enumerate() {
        for (place, message) in messages.iter().enumerate() {
            let number = (place == 0).then_some(index + 1);
            line(&mut diagram, format_args!("{}", arrow(message, number)));
        }
        for property in &step.broken {
            let [first, last] = [lifelines[0], lifelines[lifelines.len() - 1]].map(id);
            line(&mut diagram, format_args!("Note over {first},{last}: BROKEN: {property}"));
        }
    }
    diagram
}

/// The action of a step has its number; the effects follow as broken lines.
fn arrow(Message { from, to, text }: &Message, number: Option<usize>) -> String {
    let [from, to] = [from, to].map(|lifeline| id(*lifeline));
    let text = number.map_or_else(|| text.clone(), |number| format!("{number}. {text}"));
    match number {
        _ if from == to => format!("Note over {from}: {text}"),
        Some(_) => format!("{from}->>{to}: {text}"),
        None => format!("{from}-->>{to}: {text}"),
    }
}

fn line(diagram: &mut String, text: std::fmt::Arguments<'_>) {
    writeln!(diagram, "    {text}").expect("a string takes everything");
}

/// What Mermaid calls it.
fn id(lifeline: Lifeline) -> String {
    match lifeline {
        Lifeline::Owner => "Owner".to_owned(),
        Lifeline::Server => "Server".to_owned(),
        Lifeline::Worker(w) => format!("Worker{}", w.0),
        Lifeline::Kernel => "Kernel".to_owned(),
        Lifeline::Peer(t) => format!("Peer{}", t.0),
        Lifeline::Somebody => "Somebody".to_owned(),
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
