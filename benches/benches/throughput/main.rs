//! `cargo bench`: every figure beside its limit, measured in turns in the same run, and a table at the end.
//!
//! `cargo bench STUN` measures what has that in its name; options of Criterion need `-p webrtc-server-benches`, as the
//! other crates have the built-in harness: `cargo bench -p webrtc-server-benches -- --quick`. The figures are
//! also in `target/ratios.json` when all were measured. `cargo test` runs each once, without a table.

#[cfg(target_os = "linux")]
mod balance;
mod close;
mod echo;
mod handshake;
mod model;
mod stun;

use std::path::Path;
use std::process::{Command, ExitCode};
use std::time::Duration;

use criterion::Criterion;
use webrtc_server_benches::Figure;
use webrtc_server_benches::report::{Report, Wanted};

/// Cargo's folder for scratch files, inside of the target folder.
const TARGET_TMP: &str = env!("CARGO_TARGET_TMPDIR");
const FILE: &str = "ratios.json";
const SAMPLES: usize = 50;
const WARM_UP: Duration = Duration::from_secs(1);
const MEASUREMENT: Duration = Duration::from_secs(3);
const LEGEND: &str = "Ours and limit: medians. Ratio: median of the pairs' ratios of time, ours to the limit's; \
    spread: their middle half.";

/// Every one of them is demanded, in this order.
fn all_figures() -> Vec<&'static Figure> {
    let all = [&stun::FIGURES[..], &handshake::FIGURES, &echo::FIGURES, &close::FIGURES];
    let mut all = all.concat();
    #[cfg(target_os = "linux")]
    all.extend(balance::FIGURES);
    all.extend(model::FIGURES);
    all
}

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    // Cargo says so; without it Criterion runs everything once.
    let measures =
        args.iter().any(|arg| arg == "--bench") && !args.iter().any(|arg| arg == "--test");
    if measures && webrtc_server::HAS_TESTING {
        return measure_what_ships(&args);
    }
    let wanted = Wanted::from_args(args);
    let mut criterion = Criterion::default()
        .sample_size(SAMPLES)
        .warm_up_time(WARM_UP)
        .measurement_time(MEASUREMENT)
        .without_plots()
        .configure_from_args();
    let mut report = Report::of(&all_figures());
    stun::figures(&mut criterion, &mut report);
    handshake::figures(&mut criterion, &mut report);
    echo::figures(&mut criterion, &mut report);
    close::figures(&mut criterion, &mut report);
    #[cfg(target_os = "linux")]
    balance::figures(&mut criterion, &mut report);
    model::figures(&mut criterion, &mut report);
    criterion.final_summary();
    if measures && wanted != Wanted::Names {
        println!("{report}\n{LEGEND}");
    }
    conclude(&report, wanted, measures)
}

/// Cargo gives every package of one build the features that any of them asks for, and the conformance tests ask for
/// `testing`. So the benches are built once more, by themselves.
fn measure_what_ships(args: &[String]) -> ExitCode {
    eprintln!("This build has the feature `testing`. Measuring one without it instead:");
    let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    let cargo = cargo.args(["bench", "--package", env!("CARGO_PKG_NAME"), "--bench", "throughput"]);
    match cargo.arg("--").args(args.iter().filter(|arg| *arg != "--bench")).status() {
        Ok(status) if status.success() => ExitCode::SUCCESS,
        Ok(_) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("error: cargo: {error}");
            ExitCode::FAILURE
        }
    }
}

/// A figure that is missing, though nobody asked for it to be, is an error and no blank, and so is one that is not as
/// it must be. The file holds all or is left as it was.
fn conclude(report: &Report, wanted: Wanted, measures: bool) -> ExitCode {
    let missing = report.missing().join(", ");
    let excesses = report.excesses();
    excesses.iter().filter(|_| measures).for_each(|excess| eprintln!("error: {excess}"));
    match wanted {
        Wanted::Some | Wanted::All if measures && !excesses.is_empty() => ExitCode::FAILURE,
        Wanted::Names => ExitCode::SUCCESS,
        Wanted::Some | Wanted::All if missing.is_empty() && measures => write(report),
        Wanted::Some | Wanted::All if missing.is_empty() => ExitCode::SUCCESS,
        Wanted::Some => {
            println!("Left out: {missing}");
            ExitCode::SUCCESS
        }
        Wanted::All => {
            eprintln!("error: not measured: {missing}");
            ExitCode::FAILURE
        }
    }
}

fn write(report: &Report) -> ExitCode {
    let tmp = Path::new(TARGET_TMP);
    let path = tmp.parent().unwrap_or(tmp).join(FILE);
    match report.write(&path) {
        Ok(()) => {
            println!("Also in {}", path.display());
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("error: {}: {error}", path.display());
            ExitCode::FAILURE
        }
    }
}
