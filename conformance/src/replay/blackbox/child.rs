//! The server under test as a child process that speaks the adapter protocol.

use std::collections::BTreeMap;
use std::io::{self, BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use thiserror::Error;

/// Pause between two looks at whether a process has ended.
const LOOK_AGAIN: Duration = Duration::from_millis(1);

/// Why the server under test could not be driven.
#[derive(Debug, Error)]
pub enum AdapterError {
    /// There is no such command, or it may not be run.
    #[error("{command}: {error}")]
    Start {
        /// The command.
        command: String,
        /// What the system says.
        error: io::Error,
    },
    /// The process ended, or closed its output.
    #[error("the server ended during {during}: {}", how(*.status))]
    Died {
        /// What it was asked.
        during: String,
        /// How; none if only its output did.
        status: Option<ExitStatus>,
    },
    /// It said what is no answer and no event.
    #[error("the server said, during {during}: {line}")]
    Nonsense {
        /// What it was asked.
        during: String,
        /// What it said.
        line: String,
    },
    /// It did not answer in time.
    #[error("the server did not answer {method} within {waited:?}")]
    Silent {
        /// What it was asked.
        method: String,
        /// How long.
        waited: Duration,
    },
    /// It refused what every server can do.
    #[error("the server refused {method}: {error}")]
    Refused {
        /// What it was asked.
        method: String,
        /// Its answer.
        error: Value,
    },
}

fn how(status: Option<ExitStatus>) -> String {
    status.map_or_else(|| "it closed its output".to_owned(), |status| status.to_string())
}

/// The answer to a request: the result, or the error.
pub(super) type Answer = Result<Value, Value>;

/// The process, what it was asked, and what it said.
pub(super) struct Adapter {
    child: Child,
    input: Option<ChildStdin>,
    lines: Receiver<String>,
    /// The methods that were asked, by id, and not answered.
    open: BTreeMap<u64, String>,
    answers: BTreeMap<u64, Answer>,
    requests: u64,
    /// Events so far.
    pub(super) events: Vec<Value>,
    pub(super) patience: Duration,
}

impl Adapter {
    /// `command` is split where there is white space.
    pub(super) fn start(command: &str, patience: Duration) -> Result<Self, AdapterError> {
        let mut words = command.split_whitespace();
        let mut process = Command::new(words.next().unwrap_or_default());
        process.args(words).stdin(Stdio::piped()).stdout(Stdio::piped());
        let refused = |error| AdapterError::Start { command: command.to_owned(), error };
        let mut child = process.spawn().map_err(refused)?;
        let (input, output) = (child.stdin.take(), child.stdout.take());
        let (said, lines) = channel();
        thread::spawn(move || {
            let Some(output) = output else { return };
            for line in BufReader::new(output).split(b'\n').map_while(Result::ok) {
                if said.send(String::from_utf8_lossy(&line).into_owned()).is_err() {
                    return;
                }
            }
        });
        let (open, answers) = (BTreeMap::new(), BTreeMap::new());
        let events = Vec::new();
        Ok(Adapter { child, input, lines, open, answers, requests: 0, events, patience })
    }

    /// Asks without waiting. The id of the answer.
    pub(super) fn send(&mut self, method: &str, params: &Value) -> Result<u64, AdapterError> {
        self.requests += 1;
        let request = json!({ "id": self.requests, "method": method, "params": params });
        self.open.insert(self.requests, method.to_owned());
        let written = self.input.as_mut().map(|input| writeln!(input, "{request}"));
        match written {
            Some(Ok(())) => Ok(self.requests),
            Some(Err(_)) | None => Err(self.died()),
        }
    }

    /// Asks, and waits for the answer.
    pub(super) fn call(&mut self, method: &str, params: &Value) -> Result<Answer, AdapterError> {
        let id = self.send(method, params)?;
        let deadline = Instant::now() + self.patience;
        loop {
            if let Some(answer) = self.answers.remove(&id) {
                return Ok(answer);
            }
            let left = deadline.saturating_duration_since(Instant::now());
            if !self.hear(left)? && left.is_zero() {
                let (method, waited) = (method.to_owned(), self.patience);
                return Err(AdapterError::Silent { method, waited });
            }
        }
    }

    /// The same of what must succeed.
    pub(super) fn ask(&mut self, method: &str, params: &Value) -> Result<Value, AdapterError> {
        let refused = |error| AdapterError::Refused { method: method.to_owned(), error };
        self.call(method, params)?.map_err(refused)
    }

    pub(super) fn is_answered(&self, id: u64) -> bool {
        self.answers.contains_key(&id)
    }

    /// Takes the answer to what was sent, if it is here.
    pub(super) fn take_answer(&mut self, id: u64) -> Option<Answer> {
        self.answers.remove(&id)
    }

    /// Takes a line that comes within this time, and every one that is behind it; `false` when none did.
    pub(super) fn hear(&mut self, wait: Duration) -> Result<bool, AdapterError> {
        match self.lines.recv_timeout(wait) {
            Ok(line) => self.take(line)?,
            Err(RecvTimeoutError::Timeout) => return Ok(false),
            Err(RecvTimeoutError::Disconnected) => return Err(self.died()),
        }
        while let Ok(line) = self.lines.try_recv() {
            self.take(line)?;
        }
        Ok(true)
    }

    fn take(&mut self, line: String) -> Result<(), AdapterError> {
        let during = self.during();
        let value: Value = serde_json::from_str(&line).unwrap_or_default();
        let answer = match (value.get("result"), value.get("error")) {
            (Some(result), None) => Some(Ok(result.clone())),
            (None, Some(error)) => Some(Err(error.clone())),
            (Some(_), Some(_)) | (None, None) => None,
        };
        let asked =
            value.get("id").and_then(Value::as_u64).and_then(|id| self.open.remove_entry(&id));
        match (asked, answer) {
            (Some((id, _)), Some(answer)) => drop(self.answers.insert(id, answer)),
            (None, None) if value["event"].is_string() && value["target"].is_string() => {
                self.events.push(value);
            }
            _ => return Err(AdapterError::Nonsense { during, line }),
        }
        Ok(())
    }

    /// What it was asked and has not answered.
    pub(super) fn during(&self) -> String {
        let open: Vec<_> = self.open.values().map(String::as_str).collect();
        if open.is_empty() { "no request".to_owned() } else { open.join(", ") }
    }

    fn died(&mut self) -> AdapterError {
        self.input = None;
        AdapterError::Died { during: self.during(), status: self.ended(self.patience) }
    }

    /// How it ended, if it does within this time.
    fn ended(&mut self, wait: Duration) -> Option<ExitStatus> {
        let deadline = Instant::now() + wait;
        loop {
            match self.child.try_wait() {
                Ok(Some(status)) => return Some(status),
                Ok(None) if Instant::now() < deadline => thread::sleep(LOOK_AGAIN),
                Ok(None) | Err(_) => return None,
            }
        }
    }

    /// Ends its input, and takes what it still says. How it ended, if it did.
    pub(super) fn end(&mut self) -> Result<Option<ExitStatus>, AdapterError> {
        let status = self.end_input();
        while let Ok(line) = self.lines.recv_timeout(self.patience) {
            self.take(line)?;
        }
        Ok(status)
    }

    fn end_input(&mut self) -> Option<ExitStatus> {
        self.input = None;
        self.ended(self.patience)
    }
}

impl Drop for Adapter {
    /// Who does not end with his input is ended.
    fn drop(&mut self) {
        if self.end_input().is_none() {
            let _ = self.child.kill();
            let _ = self.child.wait();
        }
    }
}
