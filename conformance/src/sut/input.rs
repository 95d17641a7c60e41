//! Requests, up to the end of the input or the first signal that ends a process.

use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::{flag, iterator::Signals};
use std::io::{self, BufRead};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::sync::mpsc::sync_channel;
use std::thread;

/// What an operator, a service manager and a terminal send.
const SIGNALS: [i32; 2] = [SIGTERM, SIGINT];

/// Lines of the standard input. They end with it, or at the first SIGTERM or SIGINT; the second one ends the process at
/// once, as each does where nobody listens.
///
/// # Errors
///
/// What the system says of the signals.
//= CLS-23
pub fn lines() -> io::Result<impl Iterator<Item = io::Result<Vec<u8>>>> {
    // Nothing is read ahead: an input that never ends keeps no signal waiting.
    let (reader, lines) = sync_channel(0);
    let (listener, ending) = (reader.clone(), Arc::new(AtomicBool::new(false)));
    for signal in SIGNALS {
        flag::register_conditional_default(signal, Arc::clone(&ending))?;
        flag::register(signal, Arc::clone(&ending))?;
    }
    let mut signals = Signals::new(SIGNALS)?;
    thread::spawn(move || {
        signals.forever().next();
        let _ = listener.send(None);
    });
    thread::spawn(move || {
        let lines = io::stdin().lock().split(b'\n').map(Some);
        // Fails when nobody wants any more.
        let _ = lines.chain([None]).try_for_each(|line| reader.send(line));
    });
    Ok(lines.into_iter().map_while(|line| line))
}
