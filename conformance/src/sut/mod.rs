//! The server under test: our server behind one JSON object per line, so that the same traces can drive any other server
//! through a small adapter. `cargo replay --sut` drives it.
//!
//! Request `{"id": 7, "method": "...", "params": {...}}`, answer `{"id": 7, "result": {...}}` or `{"id": 7, "error":
//! {"type": "...", "message": "..."}}`, event `{"event": "...", "target": "<transport id>", "data": {...}, "t": ...}`
//! with `t` in nanoseconds of `CLOCK_MONOTONIC`, in the order of the lines. Logs go to the standard error. Names and shapes
//! are mediasoup's.
//!
//! A line that is not JSON, a request that is no object, an unknown method and an unknown field are answered with an
//! error, which has the id of the request if it has one and `null` if not, and change nothing. At the end of the input,
//! and at SIGTERM or SIGINT, every server is closed in order within 3 s, whatever deadlines it has, and the process
//! exits with 0; a second signal ends it at once.
//!
//! # Methods
//!
//! | Method | Params; what has a default is in brackets | Result | Errors beside `TypeError` |
//! |---|---|---|---|
//! | `capabilities` | | `name`, `version`, `pid`, `methods`, `options` (those of `createWebRtcServer`), `observes` | |
//! | `createWebRtcServer` | `listenInfos` [`workers`: one per core, `deadlines`, `limits`] | `webRtcServerId`, `listenInfos` with the real ports | `IoError` |
//! | `createWebRtcTransport` | `webRtcServerId` [`enableUdp`: true, `enableTcp`: true, `preferUdp`: false, `preferTcp`: false, `iceConsentTimeout`: 30 s] | `transportId`, `iceParameters`, `iceCandidates`, `dtlsParameters` | `NotFoundError`: no such server, or it closes |
//! | `connect` | `transportId`, `dtlsParameters` | `dtlsLocalRole` | `NotFoundError`, `InvalidStateError`: done before |
//! | `restartIce` | `transportId` | `iceParameters` | `NotFoundError` |
//! | `send` | `transportId`, `bytes` in base64 [`count`: 1, at most 100 000] | `accepted`: so many were queued; an error if not one was | `NotFoundError`, `InvalidStateError`: not connected |
//! | `closeTransport` | `transportId` | `outcome`, when it is complete | `NotFoundError` |
//! | `closeWebRtcServer` | `webRtcServerId` [`deadlineMs`: that of `deadlines`] | `outcomes` by transport id, of those that this ended, when it is complete | `NotFoundError` |
//! | `dump` | `webRtcServerId` | mediasoup's `webRtcServer.dump()` | `NotFoundError`: or it is closed |
//! | `getStats` | | `webRtcServers`: counters by id of those that are not closed; `dataEventsDropped` | |
//!
//! `deadlines` are `bindMs` (10 000), `handshakeMs` (30 000), `drainMs` (1000), `answerMs` (200), `serverMs` (3000); `limits`
//! are `unboundConnectionsMax` (1024), `unboundConnectionsPerSourceMax` (64), `connectionsMax` (10 000),
//! `tuplesPerTransportMax` (8); each is that of [`Limits`](webrtc_server::lifecycle::Limits).
//!
//! An outcome is `{"type": "confirmed" | "sent" | "notNeeded" | "dropped", "reason": "..."}`, the reason with the last two.
//!
//! `observes` says what may be compared: `dump`, that the method is there; `fds`, that every descriptor of process `pid` is
//! the server's; `callbacks`, that each event is a line when its owner hears it; `outcomes`, that closes tell them. An
//! adapter that cannot tell leaves it out.
//!
//! # Events
//!
//! | Event | Data |
//! |---|---|
//! | `icestatechange` | `iceState` |
//! | `iceselectedtuplechange` | `iceSelectedTuple`, or null |
//! | `dtlsstatechange` | `dtlsState`, `reason` or null |
//! | `data` | `bytes` in base64. Of those that nobody reads 256 wait; the next ones are dropped and counted |
//! | `listenserverclose` | null |
//! | `close` | `reason`: `owner` or `serverClosed`; `outcome`. The last one |
//!
//! # A dialogue
//!
//! Behind `>` what is asked, behind `<` what is said:
//!
//! ```text
//! > {"id": 1, "method": "createWebRtcServer", "params": {"listenInfos": [{"protocol": "udp", "ip": "127.0.0.1"}]}}
//! < {"id": 1, "result": {"webRtcServerId": "S", "listenInfos": [{"protocol": "udp", "ip": "127.0.0.1", "port": 40001, "exposeInternalIp": false, "flags": {"ipv6Only": false, "udpReusePort": false}}]}}
//! > {"id": 2, "method": "createWebRtcTransport", "params": {"webRtcServerId": "S"}}
//! < {"id": 2, "result": {"transportId": "S/0", "iceParameters": {"usernameFragment": "u", "password": "p", "iceLite": true}, "iceCandidates": [{"foundation": "udpcandidate", "priority": 1076302079, "address": "127.0.0.1", "ip": "127.0.0.1", "protocol": "udp", "port": 40001, "type": "host"}], "dtlsParameters": {"role": "auto", "fingerprints": [{"algorithm": "sha-256", "value": "3D:…"}]}}}
//! > {"id": 3, "method": "connect", "params": {"transportId": "S/0", "dtlsParameters": {"role": "client", "fingerprints": [{"algorithm": "sha-256", "value": "F"}]}}}
//! < {"id": 3, "result": {"dtlsLocalRole": "server"}}
//! > {"id": 4, "method": "closeWebRtcServer", "params": {"webRtcServerId": "S"}}
//! < {"event": "listenserverclose", "target": "S/0", "data": null, "t": 81021000000}
//! < {"event": "close", "target": "S/0", "data": {"reason": "serverClosed", "outcome": {"type": "notNeeded", "reason": "notConnected"}}, "t": 81021000001}
//! < {"id": 4, "result": {"outcomes": {"S/0": {"type": "notNeeded", "reason": "notConnected"}}}}
//! ```
//!
//! | File | What it holds |
//! |---|---|
//! | `methods`, `params` | what is done, and what is said about it |
//! | `events` | events as lines |
//! | `lines`, `clock` | who writes them, and the clock of `t` |
//! | `input` | requests as lines, and what ends them |

mod clock;
mod events;
mod input;
mod lines;
mod methods;
mod params;
#[cfg(test)]
mod tests;

pub use clock::monotonic_nanoseconds;
pub use input::lines;

use lines::Lines;
use serde::Deserialize;
use serde_json::Value;
use std::collections::BTreeMap;
use std::io::{self, Write};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::{Duration, Instant};
use webrtc_server::lifecycle::Mutant;
use webrtc_server::{Error, WebRtcServer, WebRtcTransport};

/// Within what time everything that is left at the end is closed, whatever was asked for.
const LAST_CLOSE: Duration = Duration::from_secs(3);
/// How long that is waited for: the deadline of an earlier close may be longer.
const LAST_WAIT: Duration = Duration::from_secs(4);

/// Why a request failed.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Fault {
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
#[serde(deny_unknown_fields)]
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
    mutant: Option<Mutant>,
    /// Whoever owes an answer has a clone of it.
    owed: Sender<()>,
    all_answered: Receiver<()>,
}

impl Sut {
    /// A server under test that writes its lines there.
    pub fn new(output: impl Write + Send + 'static) -> Self {
        let (owed, all_answered) = channel();
        Sut {
            lines: Lines::new(output),
            servers: BTreeMap::new(),
            transports: BTreeMap::new(),
            mutant: None,
            owed,
            all_answered,
        }
    }

    /// With a mutant.
    #[must_use]
    pub fn with_mutant(self, mutant: Mutant) -> Self {
        Sut { mutant: Some(mutant), ..self }
    }

    /// Serves the requests that these lines are until there are no more, then closes every server in order, all of them
    /// within one deadline. Who stalls is waited for no longer.
    ///
    /// # Errors
    ///
    /// What reading the input says.
    //= CLS-23
    pub fn run(mut self, lines: impl IntoIterator<Item = io::Result<Vec<u8>>>) -> io::Result<()> {
        for line in lines {
            let line = line?;
            if !line.iter().all(u8::is_ascii_whitespace) {
                self.serve(&line);
            }
        }
        let until = Instant::now() + LAST_WAIT;
        let left = || until.saturating_duration_since(Instant::now());
        let close = |server: &WebRtcServer| server.close_with_deadline(LAST_CLOSE);
        let closings: Vec<_> = self.servers.values().map(close).collect();
        for closing in closings {
            let _ = closing.wait_timeout(left());
        }
        // Nobody sends: it ends when the last clone is dropped.
        drop(self.owed);
        let _ = self.all_answered.recv_timeout(left());
        self.lines.end();
        Ok(())
    }

    fn serve(&mut self, line: &[u8]) {
        let (id, request) = read_request(line);
        match request {
            Ok(request) => self.dispatch(request),
            Err(fault) => self.lines.answer(&id, Err(fault)),
        }
    }
}

/// A request, and the id that its answer has.
fn read_request(line: &[u8]) -> (Value, Result<Request, Fault>) {
    let value: Value = match serde_json::from_slice(line) {
        Ok(value) => value,
        Err(error) => return (Value::Null, Err(Fault::new("SyntaxError", error))),
    };
    let id = value.get("id").cloned().unwrap_or(Value::Null);
    let request = match value.is_object() {
        true => serde_json::from_value(value).map_err(Fault::from),
        false => Err(Fault::new("TypeError", "the request is no object")),
    };
    (id, request)
}
