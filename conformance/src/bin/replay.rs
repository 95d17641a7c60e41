//! `replay`: traces in files, performed on the real stack, on the pure core, or on another server.

use clap::Parser;
use comfy_table::{ContentArrangement, Table, presets};
use std::error::Error;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;
use webrtc_server::lifecycle::Mutant;
use webrtc_server_conformance::lockstep::walk;
use webrtc_server_conformance::replay::{
    Descriptors, Seen, Suite, Target, TraceFile, again, perform_outside, read_traces,
    replay_watched,
};
use webrtc_server_conformance::{Divergence, PATIENCE};
use webrtc_server_model::TraceStep;

/// Performs traces of the model on real sockets with real OpenSSL, and compares after every step. Exits with 1 when
/// they disagree, and with 2 when there is no answer: a file is no trace that can be performed, or the stage failed.
#[derive(Parser)]
#[command(version)]
struct Arguments {
    /// Traces in ITF, or directories of *.itf.json
    #[arg(required = true)]
    files: Vec<PathBuf>,
    /// In memory, on the pure core
    #[arg(long)]
    lockstep: bool,
    /// The mutant that the server is to be, as StaleRoute or K06
    #[arg(long, value_name = "MUTANT")]
    mutant: Option<Mutant>,
    /// From outside, on the server that this command starts and that speaks the protocol of `cargo sut`; split at white
    /// space
    #[arg(long, value_name = "COMMAND", conflicts_with_all = ["lockstep", "mutant"])]
    sut: Option<String>,
    /// How long that server may take to answer
    #[arg(long, value_name = "SECONDS", default_value_t = PATIENCE.as_secs(), requires = "sut")]
    patience: u64,
}

/// How the real code did.
struct Performed {
    /// What was compared after each step.
    compared: Vec<String>,
    /// All of it, in a line.
    summary: String,
    divergence: Option<Divergence>,
}

fn main() -> ExitCode {
    match run(&Arguments::parse()) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::from(2)
        }
    }
}

/// Whether all agree.
fn run(arguments: &Arguments) -> Result<bool, Box<dyn Error>> {
    if let Some(command) = &arguments.sut {
        return run_outside(command, arguments);
    }
    let target = if arguments.lockstep { Target::Core } else { Target::Stack };
    let files = read_traces(target, &arguments.files)?;
    let mut diverging = 0;
    for file in &files {
        let performed = match target {
            Target::Core => on_core(file, arguments.mutant),
            Target::Stack => on_stack(file, arguments.mutant),
        };
        let performed = performed.map_err(|error| format!("{}: {error}", file.path.display()))?;
        show(file, &performed)?;
        if let Some(divergence) = &performed.divergence {
            diverging += 1;
            println!("{}\n", again(target, &file.config, &divergence.way(), arguments.mutant));
        }
    }
    println!("{} traces, {diverging} diverge", files.len());
    Ok(diverging == 0)
}

/// The same of another server. That every trace was skipped is no agreement.
fn run_outside(command: &str, arguments: &Arguments) -> Result<bool, Box<dyn Error>> {
    // It needs no stage: whatever the model has is read.
    let files = read_traces(Target::Core, &arguments.files)?;
    let patience = Duration::from_secs(arguments.patience);
    let (mut diverging, mut skipped) = (0, 0);
    for TraceFile { path, trace, config } in &files {
        println!("{} ({})\n{}", path.display(), config.name, trace.about);
        let seen = perform_outside(command, config, trace, patience)
            .map_err(|error| format!("{}: {error}", path.display()))?;
        match seen {
            Seen::Skipped { step, why } => {
                skipped += 1;
                println!("skipped for step {step}, {}: {why}\n", trace.actions[step - 1]);
            }
            Seen::Performed { comparisons, findings } if findings.is_empty() => {
                println!("agrees: {comparisons} comparisons\n");
            }
            Seen::Performed { findings, .. } => {
                diverging += 1;
                println!("diverges:");
                findings.iter().for_each(|finding| println!("{finding}"));
                println!();
            }
        }
    }
    println!("{} traces, {diverging} diverge, {skipped} skipped", files.len());
    if skipped == files.len() {
        return Err("nothing was compared".into());
    }
    Ok(diverging == 0)
}

fn on_stack(file: &TraceFile, mutant: Option<Mutant>) -> Result<Performed, Box<dyn Error>> {
    let suite = Suite::traces(&file.config, vec![file.trace.actions.clone()])?;
    let suite = mutant.into_iter().fold(suite, Suite::with_mutant);
    let suite = suite.with_descriptors(Descriptors::Counted);
    let mut compared = Vec::new();
    let replay =
        replay_watched(&suite, &mut |_, _| {}, &mut |things| compared.push(things.to_string()))?
            .judged()?;
    let summary = format!(
        "{} steps, {} handshakes, {} comparisons, {} probes in {:.1} s",
        replay.steps, replay.handshakes, replay.comparisons, replay.probes, replay.seconds
    );
    let divergence = replay.divergences.into_iter().next();
    Ok(Performed { compared, summary, divergence })
}

fn on_core(file: &TraceFile, mutant: Option<Mutant>) -> Result<Performed, Box<dyn Error>> {
    let mut compared = Vec::new();
    let walked = walk(&file.config, &file.trace.actions, mutant, &mut |effects| {
        compared.push(format!("{effects} effects, the state, the world, the timers"));
    })?;
    let summary = format!(
        "{} steps, {} effects, {} late inputs in {:.1} s",
        walked.edges, walked.effects_compared, walked.late_inputs, walked.seconds
    );
    let divergence = walked.divergences.into_iter().next();
    Ok(Performed { compared, summary, divergence })
}

/// The steps as a table; then whether they agree, or what differs.
fn show(file: &TraceFile, performed: &Performed) -> Result<(), Box<dyn Error>> {
    let TraceFile { path, trace, config } = file;
    println!("{} ({})\n{}", path.display(), config.name, trace.about);
    let divergence = performed.divergence.as_ref();
    let until = divergence.map_or(trace.actions.len(), |divergence| divergence.way().len());
    let mut table = Table::new();
    table.load_preset(presets::NOTHING).set_content_arrangement(ContentArrangement::Dynamic);
    table.set_header(["#", "what happens", "what the server does", "compared"]);
    for (index, step) in TraceStep::perform(config, &trace.actions[..until])?.iter().enumerate() {
        let effects: Vec<_> = step.effects.iter().map(ToString::to_string).collect();
        let is_here = divergence.is_some_and(|d| d.action.is_some() && index + 1 == until);
        let compared = performed.compared.get(index).map_or("", String::as_str);
        let compared = if is_here { "DIVERGES" } else { compared };
        table.add_row([
            (index + 1).to_string(),
            step.action.to_string(),
            effects.join("\n"),
            compared.to_owned(),
        ]);
    }
    println!("{table}");
    match divergence {
        None => println!("agrees: {}\n", performed.summary),
        Some(divergence) => show_divergence(divergence),
    }
    Ok(())
}

fn show_divergence(divergence: &Divergence) {
    let step = divergence.way().len();
    match divergence.action {
        Some(action) => println!("diverges at step {step}, {action}:"),
        None => println!("diverges when step {step} is over:"),
    }
    divergence.findings.iter().for_each(|finding| println!("{finding}"));
}
