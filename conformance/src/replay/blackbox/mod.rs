//! Black box: a trace against another server, which runs in a process of its own and speaks the protocol of
//! [`sut`](crate::sut).
//!
//! What peers and owner do is done, in the order of the trace. What the server and its kernel do they do by themselves,
//! at their own time: reading, hearing commands, handing over, acknowledging. So what may be seen is that of every
//! order in which the model lets these happen between the actions of the trace, and what was seen must be one of them.
//! Time passes in the model when nothing else can happen. At the end of a trace the peers read everything, and the
//! server is closed if it was not.
//!
//! | Actions | What is done |
//! |---|---|
//! | `PeerConnects`, `PeerChecks`, `PeerSendsFlight`, `PeerHandshakes`, `PeerFailsHandshake`, `PeerSendsFatalAlert`, `PeerSendsCloseNotify`, `PeerAnswers`, `PeerStreams`, `PeerSendsFin`, `PeerResets` | as in [`replay`](super), by the same peer |
//! | `KernelFillsConnection`, `KernelMakesRoomOnConnection` | the server sends what the peer does not read (`send`); the peer reads |
//! | `OwnerCreatesTransport`, `OwnerRestartsIce`, `OwnerClosesTransport`, `OwnerClosesServer` | requests |
//! | `Worker…` but `WorkerHearsTransportClose`, `KernelAcknowledges` | nothing: they happen |
//! | all others | nobody can from outside: the trace is skipped, and the report says at which action and why |
//!
//! | What is compared | If |
//! |---|---|
//! | close_notify alerts of each peer; nothing behind them, no other alert, nothing malformed | always |
//! | FIN or RST at the end of each connection | always |
//! | the server's ports are free, and its process is alive | always |
//! | events of each transport, in order; `listenserverclose` with the server only; nothing behind `close` | `callbacks` |
//! | the outcome of each transport, wherever it is told | `outcomes` |
//! | as many descriptors in process `pid` as before; a server that was made and closed first warms it up | `fds`, on Linux |
//!
//! Not compared is how the server is within: that is for replay, lockstep and validation.

mod child;
mod compare;
mod expected;
mod scene;

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::{Value, json};
use thiserror::Error;
use webrtc_server::lifecycle::Limits;
use webrtc_server_model::{Action, CallerId, Config, State, Trace, TransportId, Tuple};

pub use child::AdapterError;

use crate::divergence::Finding;
use crate::peer::PeerError;
use child::Adapter;
use expected::{Behaviours, is_natural};
use scene::Scene;

/// How long the server waits here for a peer's answer, and for a connection: nothing is slower for it but what stays
/// unanswered.
const ANSWER_MS: u64 = 2_000;
const DRAIN_MS: u64 = 20_000;
/// `SO_SNDBUF` of connections: they are full soon.
const SEND_BUFFER_BYTES: u32 = 16_384;

/// Why a trace came to no result.
#[derive(Debug, Error)]
pub enum BlackboxError {
    /// The server could not be driven.
    #[error(transparent)]
    Adapter(#[from] AdapterError),
    /// A peer could not do its part.
    #[error("a peer could not do its part: {0}")]
    Peer(#[from] PeerError),
    /// The trace names what is not there.
    #[error("not there: {0}")]
    Lost(&'static str),
    /// The server does it in other steps than the model.
    #[error("{0}")]
    Differs(&'static str),
    /// The trace is none of the model's.
    #[error("{0:?} cannot happen there")]
    NotATrace(Action),
}

/// What came of a trace.
#[derive(Debug)]
pub enum Seen {
    /// It was performed.
    Performed {
        /// How many things were compared.
        comparisons: usize,
        /// What the model does not allow.
        findings: Vec<Finding>,
    },
    /// It cannot be performed from outside.
    Skipped {
        /// Which step, counted from 1.
        step: usize,
        /// Why not.
        why: &'static str,
    },
}

/// Starts the server with this command, performs the trace, and compares what can be seen from outside.
///
/// # Errors
///
/// [`BlackboxError`].
pub fn perform_outside(
    command: &str,
    config: &Config,
    trace: &Trace,
    patience: Duration,
) -> Result<Seen, BlackboxError> {
    let mut adapter = Adapter::start(command, patience)?;
    let able = adapter.ask("capabilities", &json!({}))?;
    if let Some((step, why)) = why_not(config, &trace.actions, &able) {
        return Ok(Seen::Skipped { step, why });
    }
    let fills = |action: &Action| matches!(action, Action::KernelFillsConnection { .. });
    let options = options(config, trace.actions.iter().any(fills), &able);
    // What is made once and kept is made here.
    let first = adapter.ask("createWebRtcServer", &options)?;
    adapter.ask("closeWebRtcServer", &json!({ "webRtcServerId": first["webRtcServerId"] }))?;
    // A close takes as long if a peer does not answer.
    adapter.patience += Duration::from_millis(ANSWER_MS);
    let before = compare::descriptors(&able);
    let mut server = Behaviours::new(config);
    let mut scene = Scene::new(config, adapter, &options, &State::initial(config))?;
    for (index, action) in trace.actions.iter().enumerate() {
        match act(&mut scene, &mut server, &able, *action) {
            Err(BlackboxError::Differs(why)) => return Ok(Seen::Skipped { step: index + 1, why }),
            result => result?,
        }
    }
    close(&mut scene, &mut server, &able)?;
    compare::compare(scene, server.at_the_end(), &able, before)
}

/// One action, and what its owner hears of it.
fn act(
    scene: &mut Scene<'_>,
    server: &mut Behaviours<'_>,
    able: &Value,
    action: Action,
) -> Result<(), BlackboxError> {
    if is_natural(action) {
        return Ok(());
    }
    scene.perform(server, action)?;
    if !server.take(action) {
        return Err(BlackboxError::NotATrace(action));
    }
    if has(able, "observes", "callbacks") {
        let wanted = server.events_at_least();
        // What is missing shows in the end.
        scene.await_until(|scene| {
            let heard = scene.config.transport_ids().map(|t| compare::events(scene, t).len());
            heard.zip(&wanted).all(|(heard, wanted)| heard >= *wanted)
        })?;
    }
    Ok(())
}

/// The peers read everything, and the server is closed if it is not.
fn close(
    scene: &mut Scene<'_>,
    server: &mut Behaviours<'_>,
    able: &Value,
) -> Result<(), BlackboxError> {
    for c in scene.config.connection_ids() {
        let action = Action::KernelMakesRoomOnConnection { c };
        let is_due = server
            .states()
            .any(|s| webrtc_server_model::actions(scene.config, s).contains(&action));
        if is_due {
            act(scene, server, able, action)?;
        }
    }
    if scene.closes.iter().all(|(_, of)| of.is_some()) {
        let callers = u8::try_from(scene.config.callers).unwrap_or(u8::MAX);
        let close = |caller| Action::OwnerClosesServer { caller: CallerId(caller) };
        let open = (0..callers).map(close);
        scene.perform(server, close(0))?;
        if !server.take_one(open) {
            return Err(BlackboxError::NotATrace(close(0)));
        }
    }
    Ok(())
}

fn has(able: &Value, list: &str, word: &str) -> bool {
    able[list].as_array().is_some_and(|list| list.iter().any(|entry| entry == word))
}

/// Those that the server has.
fn options(config: &Config, fills: bool, able: &Value) -> Value {
    let mut tcp = json!({ "protocol": "tcp", "ip": "127.0.0.1" });
    if fills {
        tcp["sendBufferSize"] = json!(SEND_BUFFER_BYTES);
    }
    let mut options = json!({ "listenInfos": [{ "protocol": "udp", "ip": "127.0.0.1" }, tcp] });
    let known = [
        ("workers", json!(config.workers)),
        (
            "deadlines",
            json!({ "answerMs": ANSWER_MS, "drainMs": DRAIN_MS, "serverMs": 2 * DRAIN_MS }),
        ),
        ("limits", json!({ "tuplesPerTransportMax": config.tuples_max })),
    ];
    for (name, value) in known {
        if has(able, "options", name) {
            options[name] = value;
        }
    }
    options
}

/// The first step that nobody can perform from outside, and why not.
fn why_not(config: &Config, trace: &[Action], able: &Value) -> Option<(usize, &'static str)> {
    let mut owners = BTreeMap::new();
    let mut tuples: BTreeMap<TransportId, Vec<Tuple>> = BTreeMap::new();
    for (index, action) in trace.iter().enumerate() {
        if let Action::PeerConnects { c } = action {
            owners.remove(&Tuple::Tcp(*c));
        }
        if let Action::PeerChecks { t, from, .. } = action {
            if owners.insert(*from, *t).is_some_and(|owner| owner != *t) {
                return Some((
                    index + 1,
                    "two peers share a path: a record does not say whose it is",
                ));
            }
            let own = tuples.entry(*t).or_default();
            own.retain(|other| other != from);
            own.push(*from);
            let too_many =
                own.len() > config.tuples_max.min(Limits::default().tuples_per_transport_max);
            if too_many && !has(able, "options", "limits") {
                return Some((index + 1, "the server takes no limit of tuples"));
            }
        }
        if let Some(why) = why_not_this(*action, able) {
            return Some((index + 1, why));
        }
    }
    None
}

fn why_not_this(action: Action, able: &Value) -> Option<&'static str> {
    let lacks = |method: &str, why| (!has(able, "methods", method)).then_some(why);
    match action {
        Action::PeerConnectsInVain { .. } => Some("nobody outside takes descriptors away"),
        Action::PeerChecksTwiceAndResets { .. } | Action::PeerVanishes { .. } => {
            Some("whether a read or a write meets a reset, nobody outside can say")
        }
        Action::KernelFillsSocket { .. } | Action::KernelMakesRoomOnSocket { .. } => {
            Some("no peer fills the buffer of a UDP socket")
        }
        Action::KernelLeavesRoom { .. } | Action::KernelMakesLittleRoom { .. } => {
            Some("no peer leaves room to the byte")
        }
        Action::KernelFillsConnection { .. } => lacks("send", "the server sends nothing"),
        Action::OwnerRestartsIce { .. } => lacks("restartIce", "the server does not restart ICE"),
        Action::OwnerDropsHandle { .. } => Some("no request drops a handle"),
        Action::OwnerArmsCallback { .. } | Action::WorkerHearsTransportClose { .. } => {
            Some("no request is made inside a callback")
        }
        Action::ConsentExpires { .. }
        | Action::HandshakeDeadlinePasses { .. }
        | Action::FarewellDeadlinePasses { .. }
        | Action::LingerDeadlinePasses { .. }
        | Action::BindDeadlinePasses { .. }
        | Action::ServerDeadlinePasses { .. } => Some("nobody outside moves the server's clock"),
        Action::PeerChecks { .. }
        | Action::PeerConnects { .. }
        | Action::PeerSendsFlight { .. }
        | Action::PeerHandshakes { .. }
        | Action::PeerFailsHandshake { .. }
        | Action::PeerSendsCloseNotify { .. }
        | Action::PeerSendsFatalAlert { .. }
        | Action::PeerAnswers { .. }
        | Action::PeerStreams { .. }
        | Action::PeerSendsFin { .. }
        | Action::PeerResets { .. }
        | Action::KernelMakesRoomOnConnection { .. }
        | Action::KernelAcknowledges { .. }
        | Action::OwnerClosesServer { .. }
        | Action::OwnerCreatesTransport { .. }
        | Action::OwnerClosesTransport { .. }
        | Action::WorkerReads { .. }
        | Action::WorkerMeetsStaleEvent { .. }
        | Action::WorkerTakesOver { .. }
        | Action::WorkerJudges { .. }
        | Action::WorkerHearsProof { .. }
        | Action::WorkerHearsClose { .. }
        | Action::WorkerHearsGrant { .. } => None,
    }
}
