//! `validate`: is the log of a server a behaviour of the model? And where such logs come from.

use clap::{Args, Parser, Subcommand};
use std::error::Error;
use std::fs::File;
use std::io::{BufReader, BufWriter};
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Instant;
use webrtc_server::lifecycle::Mutant;
use webrtc_server_conformance::planted::mutant;
use webrtc_server_conformance::validate::log::{self, Entry};
use webrtc_server_conformance::validate::soak::{self, Levels, SoakError};
use webrtc_server_conformance::validate::stress::{self, RunOptions, StressError};
use webrtc_server_conformance::validate::validate;

/// Checks that the log of a server is a behaviour of the model. Exits with 1 when it is not.
#[derive(Parser)]
#[command(version, args_conflicts_with_subcommands = true, arg_required_else_help = true)]
struct Arguments {
    #[command(subcommand)]
    command: Option<Command>,
    /// The log, one JSON object per line
    file: Option<PathBuf>,
}

#[derive(Subcommand)]
enum Command {
    /// Run a server among many peers, and write its log
    Record {
        #[command(flatten)]
        run: Run,
        /// Where the log is written
        #[arg(long, default_value = "validate.jsonl")]
        out: PathBuf,
    },
    /// Create, connect and close thousands of servers in this process, check every log, and that nothing is left
    Soak {
        /// How many servers, after a warm-up
        #[arg(long, default_value_t = 10_000)]
        servers: usize,
        /// What every random choice comes from
        #[arg(long, default_value_t = 1)]
        seed: u64,
        /// Where the log of a divergence is written
        #[arg(long, default_value = "divergence.jsonl")]
        out: PathBuf,
    },
    /// Record and check, seed by seed; the log of the first divergence is kept
    Stress {
        #[command(flatten)]
        run: Run,
        /// How many seeds, from the first one on
        #[arg(long, default_value_t = 8)]
        runs: u64,
        /// Where the log of a divergence is written
        #[arg(long, default_value = "divergence.jsonl")]
        out: PathBuf,
    },
}

#[derive(Args, Clone, Copy)]
struct Run {
    /// What every random choice comes from
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// How many transports
    #[arg(long, default_value_t = 40)]
    transports: usize,
    /// How many workers; as many as there are cores, unless it is said
    #[arg(long)]
    workers: Option<NonZeroUsize>,
    /// Keep all threads on one core (Linux)
    #[arg(long)]
    pinned: bool,
    /// The id of a mutant that the server is to have, as K06
    #[arg(long, value_parser = mutant)]
    mutant: Option<Mutant>,
}

fn main() -> Result<ExitCode, Box<dyn Error>> {
    let arguments = Arguments::parse();
    match (arguments.command, arguments.file) {
        (Some(Command::Record { run, out }), _) => {
            let log = record(run, &out)?;
            write(&out, &log)?;
            println!("{}: {} entries; check it with: validate {0}", out.display(), log.len());
            Ok(ExitCode::SUCCESS)
        }
        (Some(Command::Soak { servers, seed, out }), _) => soak(servers, seed, &out),
        (Some(Command::Stress { run, runs, out }), _) => stress(run, runs, &out),
        (None, Some(file)) => {
            let log = log::read(BufReader::new(File::open(&file)?))?;
            Ok(check(&log, &file))
        }
        (None, None) => Err("a log, or a command".into()),
    }
}

/// The log of a server that did not end is no result, and kept.
fn record(run: Run, out: &Path) -> Result<Vec<Entry>, Box<dyn Error>> {
    let Run { seed, transports, workers, pinned, mutant } = run;
    let recorded = stress::record(RunOptions { seed, transports, workers, pinned, mutant });
    if let Err(StressError::Endless(log)) = &recorded {
        write(out, log)?;
        println!("{}: what it did until then", out.display());
    }
    // In words: the log is part of the error.
    recorded.map_err(|error| error.to_string().into())
}

fn write(path: &Path, log: &[Entry]) -> Result<(), Box<dyn Error>> {
    Ok(log::write(BufWriter::new(File::create(path)?), log)?)
}

fn stress(run: Run, runs: u64, out: &Path) -> Result<ExitCode, Box<dyn Error>> {
    for seed in run.seed..run.seed + runs {
        println!("seed {seed}");
        let log = record(Run { seed, ..run }, out)?;
        if validate(&log).is_err() {
            write(out, &log)?;
            return Ok(check(&log, out));
        }
        check(&log, out);
    }
    Ok(ExitCode::SUCCESS)
}

/// Servers between two lines of a soak.
const SERVERS_PER_LINE: usize = 500;

fn soak(servers: usize, seed: u64, out: &Path) -> Result<ExitCode, Box<dyn Error>> {
    let began = Instant::now();
    let tell = |when: &str, number: usize, levels: Levels| {
        if when != "alive" || number.is_multiple_of(SERVERS_PER_LINE) {
            println!("{when:>6}, {number:>6} servers, {:>6.1?}: {levels}", began.elapsed());
        }
    };
    match soak::soak(servers, seed, tell) {
        Ok(soak) => {
            println!("{soak}, {:.1?}", began.elapsed());
            Ok(ExitCode::SUCCESS)
        }
        Err(error) => {
            println!("{error}");
            if let SoakError::Rejected { log, .. } = &error {
                write(out, log)?;
                println!("  again: cargo validate {}", out.display());
            }
            Ok(ExitCode::FAILURE)
        }
    }
}

/// Says what came of it, and after a divergence the one command that shows it again.
fn check(log: &[Entry], file: &Path) -> ExitCode {
    let began = Instant::now();
    match validate(log) {
        Ok(summary) => {
            let elapsed = began.elapsed();
            let rate = summary.entries as f64 / elapsed.as_secs_f64();
            println!("a behaviour of the model: {summary}, {elapsed:.1?}, {rate:.0} entries/s");
            ExitCode::SUCCESS
        }
        Err(rejection) => {
            println!("{rejection}");
            let binary = "cargo validate";
            println!("  again: {binary} {}", file.display());
            ExitCode::FAILURE
        }
    }
}
