//! `cargo explain FILE`: a trace as a sequence diagram and a table.

use std::error::Error;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Parser;
use webrtc_server_model::{explain, itf};

/// Performs a trace step by step and prints it as Markdown: a Mermaid sequence diagram, then a
/// table of what each step changes and what the server does. Exits with 1 when the trace says what
/// cannot happen.
#[derive(Parser)]
#[command(version)]
struct Arguments {
    /// The trace, in ITF
    file: PathBuf,
}

fn main() -> ExitCode {
    let Arguments { file } = Arguments::parse();
    match explained(&file) {
        Ok(document) => {
            print!("{document}");
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("{}: {error}", file.display());
            ExitCode::FAILURE
        }
    }
}

fn explained(file: &Path) -> Result<String, Box<dyn Error>> {
    Ok(explain(&itf::read(&std::fs::read_to_string(file)?)?)?)
}
