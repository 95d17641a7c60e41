//! A page, its signalling, and a server to close: `cargo run --release --example browser`, then open the address that
//! it prints. Enter, SIGINT (Ctrl-C) and SIGTERM say goodbye to whoever is connected, and end it.
//!
//! | File | What |
//! |---|---|
//! | `arguments.rs` | the command line |
//! | `session.rs` | the server, its transports, and what the page may ask of them |
//! | `page.html` | the page |

mod arguments;
mod session;

use arguments::{Arguments, HELP};
use session::Session;
use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::{flag, iterator::Signals};
use std::error::Error;
use std::io::{self, BufRead};
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use tiny_http::Server;

fn main() -> ExitCode {
    let words: Vec<_> = std::env::args().skip(1).collect();
    if words.iter().any(|word| word == "--help") {
        print!("{HELP}");
        return ExitCode::SUCCESS;
    }
    match Arguments::parse(words).and_then(run) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("browser: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: Arguments) -> Result<(), Box<dyn Error>> {
    let at = (arguments.ip, arguments.port);
    let http = Server::http(at).map_err(|error| {
        format!("no page at {} port {}: {error}; --port takes another, 0 any", at.0, at.1)
    })?;
    let http = Arc::new(http);
    end_at_signal(Arc::clone(&http))?;
    println!("open http://{}/ (Enter or Ctrl-C closes in order and ends)", http.server_addr());
    let end = Arc::clone(&http);
    let until_eof = arguments.until_eof;
    std::thread::spawn(move || {
        // A program without standard input, as under nohup, goes on.
        let line = std::io::stdin().lock().read_line(&mut String::new());
        if until_eof || line.is_ok_and(|bytes| bytes > 0) {
            end.unblock();
        }
    });
    let mut session = Session::new(arguments);
    while let Ok(request) = http.recv() {
        session.serve(request);
    }
    session.close()?;
    Ok(())
}

/// The first signal ends it in order, the second at once.
fn end_at_signal(http: Arc<Server>) -> io::Result<()> {
    let ending = Arc::new(AtomicBool::new(false));
    for signal in [SIGTERM, SIGINT] {
        flag::register_conditional_default(signal, Arc::clone(&ending))?;
        flag::register(signal, Arc::clone(&ending))?;
    }
    let mut signals = Signals::new([SIGTERM, SIGINT])?;
    std::thread::spawn(move || {
        signals.forever().next();
        http.unblock();
    });
    Ok(())
}
