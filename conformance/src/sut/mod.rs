//! The server under test: our server behind one JSON object per line, so that the same traces can drive any other server
//! through a small adapter.
//!
//! Request `{"id": 7, "method": "...", "params": {...}}`, answer `{"id": 7, "result": {...}}` or `{"id": 7, "error":
//! {"type", "message"}}`, event `{"event", "target", "data", "t"}` with `t` in nanoseconds of a monotonic clock. What is
//! not JSON, and unknown methods, are answered with an error and change nothing. At the end of the input every server is
//! closed in order.

mod events;
mod methods;

use serde::Deserialize;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::io::{self, BufRead, Write};
use std::sync::{Arc, Mutex, PoisonError};
use webrtc_server::{Error, WebRtcServer, WebRtcTransport};

/// Where lines are written, by answers and by events from other threads.
#[derive(Clone)]
pub(crate) struct Lines(Arc<Mutex<Box<dyn Write + Send>>>);

impl Lines {
    fn write(&self, line: &Value) {
        let mut output = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        // Whoever does not read us any more will close our input as well.
        let _ = writeln!(output, "{line}").and_then(|()| output.flush());
    }

    fn answer(&self, id: &Value, result: Result<Value, Fault>) {
        self.write(&match result {
            Ok(result) => json!({ "id": id, "result": result }),
            Err(fault) => json!({
                "id": id,
                "error": { "type": fault.kind, "message": fault.message },
            }),
        });
    }
}

/// Why a request failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Fault {
    kind: &'static str,
    message: String,
}

impl Fault {
    fn new(kind: &'static str, message: impl ToString) -> Self {
        Fault { kind, message: message.to_string() }
    }
}

impl From<Error> for Fault {
    fn from(error: Error) -> Self {
        Fault::new(error.name(), error)
    }
}

impl From<serde_json::Error> for Fault {
    fn from(error: serde_json::Error) -> Self {
        Fault::new("TypeError", error)
    }
}

#[derive(Deserialize)]
struct Request {
    #[serde(default)]
    id: Value,
    method: String,
    #[serde(default)]
    params: Value,
}

/// The servers and transports of one run.
pub struct Sut {
    lines: Lines,
    servers: BTreeMap<String, WebRtcServer>,
    transports: BTreeMap<String, WebRtcTransport>,
}

impl Sut {
    /// A server under test that writes its lines there.
    pub fn new(output: impl Write + Send + 'static) -> Self {
        Sut {
            lines: Lines(Arc::new(Mutex::new(Box::new(output)))),
            servers: BTreeMap::new(),
            transports: BTreeMap::new(),
        }
    }

    /// Serves requests until the input ends, then closes every server in order, each within its deadline.
    ///
    /// # Errors
    ///
    /// What reading the input says.
    pub fn run(mut self, input: impl BufRead) -> io::Result<()> {
        for line in input.split(b'\n') {
            let line = line?;
            if !line.iter().all(u8::is_ascii_whitespace) {
                self.serve(&line);
            }
        }
        let closings: Vec<_> = self.servers.values().map(WebRtcServer::close).collect();
        for closing in closings {
            let _ = closing.wait();
        }
        Ok(())
    }

    fn serve(&mut self, line: &[u8]) {
        let value: Value = match serde_json::from_slice(line) {
            Ok(value) => value,
            Err(error) => {
                return self.lines.answer(&Value::Null, Err(Fault::new("SyntaxError", error)));
            }
        };
        let id = value.get("id").cloned().unwrap_or(Value::Null);
        match serde_json::from_value::<Request>(value) {
            Ok(request) => self.dispatch(request),
            Err(error) => self.lines.answer(&id, Err(error.into())),
        }
    }
}
