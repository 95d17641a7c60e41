//! Answers and events as lines, written by a thread of their own: who does not read them stops no worker.

use super::Fault;
use super::clock::monotonic_nanoseconds;
use serde_json::{Value, json};
use std::io::Write;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

/// So many `data` events may wait for the reader; the next ones are dropped and counted. Nothing else is: how much of
/// that there is, the requests decide.
pub(super) const DATA_EVENTS_WAITING_MAX: usize = 256;
/// How long the last lines wait for the reader.
const LAST_WORDS: Duration = Duration::from_secs(3);

/// Where lines are put, by answers and by events on other threads. Never blocks.
#[derive(Clone)]
pub(super) struct Lines(Arc<Shared>);

struct Shared {
    /// Locked while the clock is read, so that moments are in the order of the lines.
    queue: Mutex<Sender<Line>>,
    data_waiting: AtomicUsize,
    data_dropped: AtomicU64,
}

enum Line {
    Plain(Value),
    /// A `data` event.
    Data(Value),
    /// Nothing behind it matters.
    End(Sender<()>),
}

impl Lines {
    pub(super) fn new(output: impl Write + Send + 'static) -> Self {
        let (queue, lines) = channel();
        let (data_waiting, data_dropped) = (AtomicUsize::new(0), AtomicU64::new(0));
        let shared = Arc::new(Shared { queue: Mutex::new(queue), data_waiting, data_dropped });
        let of_writer = Arc::clone(&shared);
        // It holds the other end of the queue: it ends with `Line::End`.
        thread::spawn(move || write(output, &lines, &of_writer.data_waiting));
        Lines(shared)
    }

    pub(super) fn answer(&self, id: &Value, result: Result<Value, Fault>) {
        self.put(Line::Plain(match result {
            Ok(result) => json!({ "id": id, "result": result }),
            Err(fault) => json!({
                "id": id,
                "error": { "type": fault.kind, "message": fault.message },
            }),
        }));
    }

    pub(super) fn event(&self, event: &str, target: &str, data: &Value) {
        let is_data = event == "data";
        if is_data && self.0.data_waiting.load(Ordering::Relaxed) >= DATA_EVENTS_WAITING_MAX {
            self.0.data_dropped.fetch_add(1, Ordering::Relaxed);
            return;
        }
        let queue = self.0.queue.lock().unwrap_or_else(PoisonError::into_inner);
        let t = monotonic_nanoseconds();
        let line = json!({ "event": event, "target": target, "data": data, "t": t });
        // Fails behind the end.
        let _ = match is_data {
            true => {
                self.0.data_waiting.fetch_add(1, Ordering::Relaxed);
                queue.send(Line::Data(line))
            }
            false => queue.send(Line::Plain(line)),
        };
    }

    /// `data` events that were dropped because nobody read those before them.
    pub(super) fn data_dropped(&self) -> u64 {
        self.0.data_dropped.load(Ordering::Relaxed)
    }

    /// Waits until everything is written, if somebody reads it.
    pub(super) fn end(&self) {
        let (written, until_written) = channel();
        self.put(Line::End(written));
        let _ = until_written.recv_timeout(LAST_WORDS);
    }

    fn put(&self, line: Line) {
        let _ = self.0.queue.lock().unwrap_or_else(PoisonError::into_inner).send(line);
    }
}

fn write(mut output: impl Write, lines: &Receiver<Line>, data_waiting: &AtomicUsize) {
    for line in lines {
        let line = match line {
            Line::Plain(line) => line,
            Line::Data(line) => {
                data_waiting.fetch_sub(1, Ordering::Relaxed);
                line
            }
            Line::End(written) => {
                let _ = written.send(());
                return;
            }
        };
        // Whoever does not read us any more will close our input as well.
        let _ = writeln!(output, "{line}").and_then(|()| output.flush());
    }
}
