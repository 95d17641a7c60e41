//! What a log holds: one JSON object per line, an [`Entry`] each.
//!
//! `n` counts the entries from 0; a cause has a smaller number than its effects, whatever threads they happen on. Ids
//! are those of the running server: each worker counts its connections from 0, and sockets and listeners have the same
//! numbers at every worker. What an entry does not mention has not changed since an earlier one mentioned it.

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::io::{self, BufRead, Write};
use std::net::SocketAddr;
use thiserror::Error;
use webrtc_server::lifecycle::{CloseReason, DropReason, DtlsState, IceState, Outcome};

/// One line.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// Its number.
    pub n: u64,
    /// What it says.
    pub what: What,
}

/// What an entry says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum What {
    /// The first entry: what was run.
    Begun(Begun),
    /// A worker's core took an input in.
    Step(Box<Step>),
    /// Somebody closed the server first: every worker will be told.
    CloseRequested,
    /// Every worker is drained, and will be told.
    ReleaseGranted,
    /// A worker has let go of everything that it had.
    WorkerReleased {
        /// Which.
        worker: usize,
    },
    /// A worker's thread has ended out of turn.
    WorkerLost {
        /// Which.
        worker: usize,
    },
    /// The callers of `close()` have their answer.
    CallersAnswered,
    /// The last handle of the server is about to be dropped.
    HandleDropped,
    /// A thread is about to call `close()`.
    CloseCalled {
        /// Which thread.
        caller: usize,
    },
    /// It has its answer.
    CloseReturned {
        /// Which thread.
        caller: usize,
    },
    /// A connection that was handed over was not taken, and is closed.
    HandOverDropped {
        /// The listener that had accepted it.
        listener: u32,
        /// The peer's address.
        remote: SocketAddr,
    },
    /// From now on the UDP sockets are full, or no longer: an excuse of farewells that wait.
    SocketsFull {
        /// They are.
        full: bool,
    },
    /// From now on the system refuses every datagram, or no longer: an excuse of farewells that are dropped.
    DatagramsRefused {
        /// It does.
        refused: bool,
    },
    /// The callback of a transport was called.
    Heard {
        /// Whose.
        transport: u64,
        /// With what.
        event: Heard,
    },
    /// The last entry: everything is over, and so much is left.
    Quiescent {
        /// What is left in all workers together.
        sizes: Sizes,
    },
}

impl What {
    /// The step of a core, if it is one.
    #[must_use]
    pub fn step(&self) -> Option<&Step> {
        if let Self::Step(step) = self { Some(step) } else { None }
    }
}

/// What was run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Begun {
    /// What every random choice came from.
    pub seed: u64,
    /// How many transports it was to be.
    pub transports: usize,
    /// How many workers there are.
    #[serde(default = "one")]
    pub workers: usize,
    /// The id of the mutant that was planted in the server.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mutant: Option<String>,
    /// UDP sockets of each worker, by id.
    pub sockets: Vec<u32>,
    /// TCP listeners of each worker, by id.
    pub listeners: Vec<u32>,
    /// Tuples of one transport before one gives way.
    pub tuples_max: usize,
}

fn one() -> usize {
    1
}

impl Default for Begun {
    fn default() -> Self {
        Begun {
            seed: 0,
            transports: 0,
            workers: one(),
            mutant: None,
            sockets: Vec::new(),
            listeners: Vec::new(),
            tuples_max: 0,
        }
    }
}

/// A step of a worker's core.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Step {
    /// Whose.
    pub worker: usize,
    /// It follows from performing the effects of an earlier step of the same turn.
    pub answer: bool,
    /// What happened.
    pub input: Input,
    /// What became of it.
    pub verdict: Verdict,
    /// What will be done, in order. Two are no outputs: `unmap`, which is a change of the core, and `alert_written`,
    /// which has happened already.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub effects: Vec<Effect>,
    /// The transports that changed; `null`: gone.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub transports: BTreeMap<u64, Option<TransportView>>,
    /// The connections that changed; `null`: gone.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub connections: BTreeMap<u64, Option<ConnectionView>>,
    /// The worker's phase.
    pub phase: WorkerPhase,
    /// What the worker has.
    pub sizes: Sizes,
}

/// Whether an input did something.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// It did.
    Applied,
    /// It was said before.
    Repeated,
    /// It is about something that is gone.
    Late,
    /// It breaks the contract of the core.
    Impossible,
}

/// Where a worker stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum WorkerPhase {
    /// In use.
    Open,
    /// It closes.
    Closing,
    /// Its carriers are released.
    Released,
}

/// A path.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Tuple {
    /// Datagrams.
    Udp {
        /// At this socket.
        socket: u32,
        /// From there.
        remote: SocketAddr,
    },
    /// One connection.
    Tcp(u64),
}

/// What happened to a core. Bytes and credentials are left out.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "name", rename_all = "snake_case")]
#[expect(
    missing_docs,
    reason = "the fields are ids, and the variants are those of the core's input"
)]
pub enum Input {
    TransportCreated {
        transport: u64,
    },
    ConnectRequested {
        transport: u64,
    },
    IceRestarted {
        transport: u64,
    },
    DataSubmitted {
        transport: u64,
    },
    TransportCloseRequested {
        transport: u64,
    },
    ServerCloseRequested,
    ReleaseGranted,
    ConnectionAccepted {
        connection: u64,
        listener: u32,
        /// The peer's address: with the listener's it tells connections apart, at whichever worker they are.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        remote: Option<SocketAddr>,
    },
    /// Another worker gets the connection.
    ConnectionHandedOver {
        connection: u64,
    },
    /// Another worker gave a connection.
    ConnectionTakenOver {
        connection: u64,
        listener: u32,
        remote: SocketAddr,
        /// Something is still to be written on it.
        queued: bool,
    },
    /// A transport of another worker has proved that the tuple is its own.
    TupleTaken {
        tuple: Tuple,
    },
    ConnectionFinished {
        connection: u64,
    },
    ConnectionReset {
        connection: u64,
    },
    ConnectionWritable {
        connection: u64,
    },
    BytesWritten {
        connection: u64,
    },
    ConnectionBlocked {
        connection: u64,
    },
    ConnectionAcknowledged {
        connection: u64,
    },
    SocketWritable {
        socket: u32,
    },
    CheckReceived {
        transport: u64,
        tuple: Tuple,
        former: bool,
        nominates: bool,
    },
    CheckRefused {
        tuple: Tuple,
    },
    DtlsReceived {
        tuple: Tuple,
    },
    JunkReceived {
        tuple: Tuple,
    },
    RecordsMade {
        transport: u64,
    },
    CloseNotifyMade {
        transport: u64,
        made: bool,
    },
    CloseNotifySent {
        transport: u64,
    },
    CloseNotifyBlocked {
        transport: u64,
    },
    CloseNotifyFailed {
        transport: u64,
        reason: DropReason,
    },
    HandshakeCompleted {
        transport: u64,
    },
    HandshakeFailed {
        transport: u64,
    },
    CloseNotifyReceived {
        transport: u64,
    },
    FatalAlertReceived {
        transport: u64,
    },
    DataReceived {
        transport: u64,
    },
    TimerFired {
        timer: Timer,
    },
}

/// A deadline.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Timer {
    /// No check came to this transport.
    Consent(u64),
    /// The handshake of this transport.
    Handshake(u64),
    /// The close_notify of this transport over UDP, or the answer to it.
    Farewell(u64),
    /// Nobody has bound this connection.
    Bind(u64),
    /// This connection lingers.
    Linger(u64),
    /// The whole close.
    Server,
}

/// What a core has done about it, in SPEC.md's words.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "name", rename_all = "snake_case")]
#[expect(
    missing_docs,
    reason = "the fields are ids, and the variants are those of the model's effect"
)]
pub enum Effect {
    StopAccepting { listener: u32 },
    MakeAlert { transport: u64 },
    OfferDatagramAlert { transport: u64, socket: u32 },
    Unmap { transport: u64 },
    AlertWritten { transport: u64, connection: u64 },
    ShutdownWrite { connection: u64 },
    CloseConnection { connection: u64 },
    AbortConnection { connection: u64 },
    SelectedTupleChanged { transport: u64, tuple: Option<Tuple> },
    IceStateChanged { transport: u64, state: IceState },
    DtlsStateChanged { transport: u64, state: DtlsState },
    TransportClosed { transport: u64, reason: CloseReason, outcome: Outcome },
    WorkerDrained,
    ReleaseSocket { socket: u32 },
    ReleaseListener { listener: u32 },
    WorkerReleased,
}

/// What an owner's callback was called with.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "name", rename_all = "snake_case")]
#[expect(missing_docs, reason = "the variants are those of the event")]
pub enum Heard {
    IceStateChanged { state: IceState },
    SelectedTupleChanged { selected: bool },
    DtlsStateChanged { state: DtlsState },
    ListenServerClose,
    Closed { reason: CloseReason, outcome: Outcome },
}

/// A transport that is not closed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TransportView {
    /// It is on its way out, and why.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub closing: Option<CloseReason>,
    /// The ICE state.
    pub ice: IceState,
    /// The DTLS state.
    pub dtls: DtlsState,
    /// Its tuples, the oldest first.
    pub tuples: Vec<Tuple>,
    /// The one that it sends to.
    pub selected: Option<Tuple>,
    /// How many ufrags lead to it.
    pub ufrags: usize,
    /// How many entries of the table of tuples lead to it.
    pub routes: usize,
    /// How far its close_notify has come.
    pub farewell: Farewell,
    /// Its connections, bound or lingering.
    pub connections: Vec<u64>,
    /// Its deadlines that run.
    pub timers: Vec<Timer>,
}

/// How far a close_notify has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Farewell {
    /// Nothing was said.
    Unsaid,
    /// DTLS was asked for it.
    Making(Tuple),
    /// It waits for room.
    Queued(Tuple),
    /// The kernel took it.
    Sent(Tuple),
    /// The kernel took it, and no answer came in time.
    Unanswered,
    /// The peer answered.
    Confirmed,
    /// It will never leave.
    Dropped(DropReason),
}

/// A connection that is not gone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ConnectionView {
    /// Where it stands.
    pub phase: ConnectionPhase,
    /// The transport that it belongs or belonged to.
    pub owner: Option<u64>,
    /// A close_notify waits in its queue.
    pub alert: bool,
    /// Its deadline that runs.
    pub timer: Option<Timer>,
}

/// Where a connection stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ConnectionPhase {
    /// Nobody's yet.
    Unbound,
    /// A tuple.
    Bound,
    /// What is queued is still written.
    Flushing {
        /// The peer's FIN was read.
        ended: bool,
    },
    /// Our FIN is said.
    Draining,
}

/// How much there is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[expect(missing_docs, reason = "each counts what it is called")]
pub struct Sizes {
    pub transports: usize,
    pub connections: usize,
    pub ufrags: usize,
    pub tuples: usize,
    /// Tuples on which a farewell of a transport waits that has left the tables.
    #[serde(default)]
    pub parting: usize,
    pub timers: usize,
    pub sockets: usize,
    pub listeners: usize,
}

/// Takes in what a step changed: another view, or none of what is gone.
pub(super) fn learn<View: Clone>(
    known: &mut BTreeMap<u64, View>,
    changes: &BTreeMap<u64, Option<View>>,
) {
    for (id, view) in changes {
        match view {
            Some(view) => drop(known.insert(*id, view.clone())),
            None => drop(known.remove(id)),
        }
    }
}

/// Why a file is no log.
#[derive(Debug, Error)]
pub enum LogError {
    /// It cannot be read.
    #[error("cannot be read: {0}")]
    Io(#[from] io::Error),
    /// A line is no entry.
    #[error("line {line} is no entry of a log: {error}")]
    Line {
        /// Counted from 1.
        line: usize,
        /// What is wrong with it.
        error: serde_json::Error,
    },
}

/// Reads a log; empty lines do not count.
///
/// # Errors
///
/// [`LogError`].
pub fn read(input: impl BufRead) -> Result<Vec<Entry>, LogError> {
    let mut entries = Vec::new();
    for (index, line) in input.lines().enumerate() {
        let line = line?;
        if line.trim().is_empty() {
            continue;
        }
        let entry = serde_json::from_str(&line)
            .map_err(|error| LogError::Line { line: index + 1, error })?;
        entries.push(entry);
    }
    Ok(entries)
}

/// Writes a log.
///
/// # Errors
///
/// What the system says.
pub fn write(mut output: impl Write, entries: &[Entry]) -> io::Result<()> {
    for entry in entries {
        serde_json::to_writer(&mut output, entry)?;
        output.write_all(b"\n")?;
    }
    output.flush()
}

impl Sizes {
    /// All of both.
    #[must_use]
    pub fn plus(self, other: Self) -> Self {
        Sizes {
            transports: self.transports + other.transports,
            connections: self.connections + other.connections,
            ufrags: self.ufrags + other.ufrags,
            tuples: self.tuples + other.tuples,
            parting: self.parting + other.parting,
            timers: self.timers + other.timers,
            sockets: self.sockets + other.sockets,
            listeners: self.listeners + other.listeners,
        }
    }
}
