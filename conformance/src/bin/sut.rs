//! Our server under the adapter protocol: one JSON object per line, requests on the standard input.

use clap::Parser;
use std::io;
use webrtc_server::lifecycle::Mutant;
use webrtc_server_conformance::sut::{self, Sut};

/// The server under test: reads requests from the standard input, one JSON object per line, and writes answers and events to
/// the standard output. The methods are in the documentation of `webrtc_server_conformance::sut`; `cargo replay --sut`
/// drives it.
#[derive(Parser)]
#[command(version)]
struct Arguments {
    /// The mutant that the server is to be, by its name or number
    #[arg(long, hide = true)]
    mutant: Option<Mutant>,
}

fn main() -> io::Result<()> {
    let Arguments { mutant } = Arguments::parse();
    let sut = mutant.into_iter().fold(Sut::new(io::stdout()), Sut::with_mutant);
    sut.run(sut::lines()?)
}
