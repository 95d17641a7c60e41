//! Our server under the adapter protocol: one JSON object per line, requests on the standard input.

use std::io;
use webrtc_server_conformance::sut::Sut;

fn main() -> io::Result<()> {
    Sut::new(io::stdout()).run(io::stdin().lock())
}
