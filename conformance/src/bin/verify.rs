//! `cargo verify`: the model, its mutants, lockstep, replay and validation; a table at the end.

use clap::Parser;
use indicatif::{ProgressBar, ProgressStyle};
use std::error::Error;
use std::fs::File;
use std::io;
use std::path::PathBuf;
use std::process::ExitCode;
use webrtc_server::lifecycle::Mutant;
use webrtc_server_conformance::replay::{Shard, keep_in};
use webrtc_server_conformance::verify::{Options, Program, Progress, Row, perform, verify};
use webrtc_server_model::{Config, Preset};

/// Checks the model, and the real code against the model: in memory (lockstep), on real sockets with real OpenSSL
/// (replay), and by the logs of servers that run freely (validation); and that known mistakes are noticed. Exits with 1
/// when anything failed or nothing was compared.
#[derive(Parser)]
#[command(version)]
struct Arguments {
    /// Write the report as JSON to this file as well
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// Keep here what shows each failure again, and not in the system's folder for temporary files
    #[arg(long, value_name = "DIR")]
    keep: Option<PathBuf>,
    /// Replay a share of the suite only, like 1/4; the first share does everything else as well
    #[arg(long, value_name = "K/N")]
    shard: Option<Shard>,
    /// Look at this configuration only; the mutants and validation are left out
    #[arg(long, value_name = "NAME", value_parser = config)]
    config: Option<Config>,
    /// The mutant that the server is to be in lockstep and replay, as StaleRoute or K06: they must fail
    #[arg(long, value_name = "MUTANT", requires = "config")]
    mutant: Option<Mutant>,
    /// Replay every edge of all configurations with one transport, and every combination of the others
    #[arg(long)]
    every_edge: bool,
    /// Perform what comes in over standard input, for another `verify`
    #[arg(long, hide = true)]
    perform: bool,
}

fn config(name: &str) -> Result<Config, String> {
    Config::named(name).ok_or_else(|| {
        let known = Preset::nightly().configs.into_iter().map(|config| config.name);
        format!("there are: {}", known.collect::<Vec<_>>().join(", "))
    })
}

/// A bar on a terminal; elsewhere a line for each check that is over.
struct Bar(ProgressBar);

impl Progress for Bar {
    fn begin(&mut self, what: &str) {
        self.0.reset();
        self.0.set_message(what.to_owned());
    }

    fn at(&mut self, done: usize, total: usize) {
        self.0.set_length(total as u64);
        self.0.set_position(done as u64);
    }

    fn end(&mut self, row: &Row) {
        let verdict = row.verdict();
        let line = format!("{} {}: {verdict} in {:.1} s", row.check, row.of, row.seconds);
        if self.0.is_hidden() {
            eprintln!("{line}");
        } else {
            self.0.println(line);
        }
    }
}

fn main() -> Result<ExitCode, Box<dyn Error>> {
    let arguments = Arguments::parse();
    arguments.keep.as_deref().map(keep_in).transpose()?;
    if arguments.perform {
        perform(io::stdin(), io::stdout())?;
        return Ok(ExitCode::SUCCESS);
    }
    let mut child = vec!["--perform".into()];
    child.extend(arguments.keep.iter().flat_map(|folder| ["--keep".into(), folder.into()]));
    let child = Program { path: std::env::current_exe()?, arguments: child };
    let options = Options {
        child,
        shard: arguments.shard,
        config: arguments.config,
        mutant: arguments.mutant,
        every_edge: arguments.every_edge,
    };
    let style = ProgressStyle::with_template("{msg:32} {wide_bar} {pos}/{len} {elapsed}")?;
    let mut bar = Bar(ProgressBar::new(0).with_style(style));
    // Before the work: a report that cannot be written is better known at once.
    let file = arguments.json.map(File::create).transpose()?;
    let report = verify(&options, &mut bar);
    bar.0.finish_and_clear();
    println!("{report}");
    if let Some(file) = file {
        report.write_json(file)?;
    }
    Ok(ExitCode::from(u8::from(report.has_failed())))
}
