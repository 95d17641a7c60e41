//! `cargo check-model [preset]`: the model and its mutants, as tables.

use std::error::Error;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Parser;
use webrtc_server_model::{Check, KNOWN_BUGS, Mutant, Preset, Trace, check, itf};

/// Explores the model, judges every property, and explores every mutant. Exits with 1 when a property is
/// violated, a state that ought to be reached is not, a close does not end, or a mutant survives.
#[derive(Parser)]
#[command(version)]
struct Arguments {
    /// What to explore: small, standard or nightly
    #[arg(default_value = "standard", value_parser = preset)]
    preset: Preset,
    /// Explore only this configuration of it
    #[arg(long, value_name = "NAME")]
    config: Option<String>,
    /// Write the results as JSON to this file as well
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// Write the counterexamples here, those of the mutants too; without it, those of violations go
    /// to target/counterexamples
    #[arg(long, value_name = "DIR")]
    counterexamples: Option<PathBuf>,
    /// Plant a mutant, for example CarriersFirst, to see the check fail
    #[arg(long, value_parser = mutant)]
    mutant: Option<Mutant>,
}

fn preset(name: &str) -> Result<Preset, String> {
    Preset::named(name).ok_or_else(|| "there is no such preset".to_owned())
}

fn mutant(name: &str) -> Result<Mutant, serde_json::Error> {
    serde_json::from_value(name.into())
}

fn main() -> Result<ExitCode, Box<dyn Error>> {
    let Arguments { mut preset, config, json, counterexamples, mutant } = Arguments::parse();
    preset.configs.retain(|ours| config.as_ref().is_none_or(|name| name == ours.name));
    preset.configs.iter_mut().for_each(|config| config.mutant = mutant);
    // Before the work: a report that cannot be written is better known at once.
    let json = json.map(fs::File::create).transpose()?;
    let check = check(&preset, &KNOWN_BUGS);
    println!("{check}");
    write_counterexamples(&check, counterexamples.as_deref())?;
    if let Some(json) = json {
        serde_json::to_writer_pretty(json, &check)?;
    }
    Ok(ExitCode::from(u8::from(check.has_failed())))
}

fn write_counterexamples(check: &Check, folder: Option<&Path>) -> Result<(), Box<dyn Error>> {
    let violations = check.counterexamples();
    for (name, trace) in &violations {
        let file = write(folder.unwrap_or(Path::new("target/counterexamples")), name, trace)?;
        println!("counterexample: {}", file.display());
    }
    let Some(folder) = folder else { return Ok(()) };
    for row in &check.mutants {
        if let Some(trace) = &row.counterexample {
            write(folder, &format!("mutant_{:?}.itf.json", row.mutant), trace)?;
        }
    }
    Ok(())
}

fn write(folder: &Path, name: &str, trace: &Trace) -> Result<PathBuf, Box<dyn Error>> {
    fs::create_dir_all(folder)?;
    let file = folder.join(name);
    fs::write(&file, itf::write(trace)?)?;
    Ok(file)
}
