//! The configurations and the known bugs as a document.

use std::fmt::Write as _;

use crate::aspects::APART;
use crate::config::Config;
use crate::endings::check_endings;
use crate::explore::Graph;
use crate::known_bugs::KNOWN_BUGS;
use crate::properties::properties;

const INTRODUCTION: &str = "\
# What is explored, and what it catches

Generated from the model. It is rewritten by
`UPDATE=1 cargo test --release -p webrtc-server-model --test documents`.
";

/// A Markdown document: the configurations of these graphs with their sizes, the pairs of aspects that need not meet,
/// the known bugs with the property that catches each, and the properties with the bugs that need them.
pub fn catalogue(graphs: &[Graph]) -> String {
    let mut document = INTRODUCTION.to_owned();
    document += "\n## Configurations of `standard`\n\n";
    document +=
        "| Name | What for | States | Transitions | Steps of a shutdown at most | Aspects |\n";
    document += "|---|---|---|---|---|---|\n";
    for graph in graphs {
        let config = graph.config();
        let (states, edges) = (graph.states().len(), graph.edges().len());
        let aspects = aspects(config);
        let steps = largest_rank(graph);
        let row = format!("{} | {states} | {edges} | {steps} | {aspects}", config.purpose);
        line(&mut document, &format!("| `{}` | {row} |", config.name));
    }
    document +=
        "\nEvery pair of aspects that can interact meets in one of them. Apart may stay:\n\n";
    for apart in &APART {
        let others = match apart.from {
            [] => "what it does not meet".to_owned(),
            from => from.iter().map(|aspect| aspect.0).collect::<Vec<_>>().join(", "),
        };
        line(&mut document, &format!("- {} and {others}: {}", apart.aspect.0, apart.why));
    }
    document += &known_bugs();
    document += &properties_by_id();
    document
}

fn known_bugs() -> String {
    let mut table = "\n## Known bugs\n\nEach is planted alone; the property breaks after so many actions at the \
        earliest.\n\n| Mutant | Number | Where it was made | Configuration | Property | Length |\n|---|---|---|---|---|---|\n"
        .to_owned();
    for bug in &KNOWN_BUGS {
        let (config, killer) = ((bug.config)().name, bug.killed_by);
        let row = format!("{} | {} | `{config}` | {killer} | {}", bug.id, bug.source, bug.length);
        line(&mut table, &format!("| `{:?}`: {} | {row} |", bug.mutant, bug.description));
    }
    table
}

fn properties_by_id() -> String {
    let mut table = "\n## Properties\n\n| Property | Needed to catch |\n|---|---|\n".to_owned();
    for property in properties().iter().filter(|p| p.expectation.discovery_is_failure()) {
        let needs: Vec<_> = KNOWN_BUGS
            .iter()
            .filter(|bug| bug.killed_by == property.name)
            .map(|bug| format!("`{:?}`", bug.mutant))
            .collect();
        let needs = if needs.is_empty() { "no mutant".to_owned() } else { needs.join(", ") };
        line(&mut table, &format!("| {} | {needs} |", property.name));
    }
    table
}

fn aspects(config: &Config) -> String {
    config.aspects().iter().map(|aspect| aspect.0).collect::<Vec<_>>().join(", ")
}

/// The bound on the steps of a shutdown once every worker has heard of it.
fn largest_rank(graph: &Graph) -> u32 {
    check_endings(graph).map_or(0, |endings| endings.largest_rank)
}

fn line(document: &mut String, text: &str) {
    writeln!(document, "{text}").expect("a string takes everything");
}
