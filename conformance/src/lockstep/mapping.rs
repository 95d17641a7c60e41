//! How the model's actions happen to the real core.
//!
//! | Action | What the core is told |
//! |---|---|
//! | `PeerChecks` | `CheckReceived`, on the path of the check; `ConnectionHandedOver` if it names another worker's transport; too late if the connection is a transport's |
//! | `PeerChecksTwiceAndResets` | `CheckReceived`, whose reply finds the connection reset; then a second one, which is too late |
//! | `PeerConnects` | `ConnectionAccepted`, with an id that was never given before |
//! | `PeerConnectsInVain`, `PeerStreams`, `PeerVanishes`, `WorkerReads` | nothing |
//! | `PeerSendsFlight`, `PeerHandshakes`, `PeerFailsHandshake` | `DtlsReceived` on the selected tuple; if it reaches DTLS, a flight, and none, `HandshakeCompleted` or `HandshakeFailed` |
//! | `PeerSendsCloseNotify`, `PeerSendsFatalAlert` | the same with `CloseNotifyReceived` or `FatalAlertReceived` |
//! | `PeerAnswers` | `DtlsReceived` on the tuple of the farewell, with `CloseNotifyReceived` |
//! | `PeerSendsFin` | `ConnectionFinished`; on a draining connection `ConnectionAcknowledged` before it, since the model's FIN acknowledges everything, and the shell asks the kernel when it reads the end of input |
//! | `PeerResets` | `ConnectionReset` |
//! | `KernelFillsSocket`, `KernelLeavesRoom` | nothing: the next write is refused, or cut |
//! | `KernelMakesRoomOnSocket` | `SocketWritable` |
//! | `KernelFillsConnection` | `DataSubmitted` twice: half of the first frame is taken, the second waits unbegun |
//! | `KernelMakesRoomOnConnection` | `ConnectionWritable`; from now on everything is taken |
//! | `KernelMakesLittleRoom` | `ConnectionWritable`; half of a frame is taken |
//! | `KernelAcknowledges` | `ConnectionAcknowledged` |
//! | `OwnerClosesServer` | `CloseRequested`, to the barrier |
//! | `OwnerDropsHandle` | the same if it was the last one |
//! | `OwnerArmsCallback` | nothing: the next event finds it armed |
//! | `OwnerCreatesTransport` | `TransportCreated`, `ConnectRequested` |
//! | `OwnerRestartsIce` | `IceRestarted` |
//! | `OwnerClosesTransport`, `WorkerHearsTransportClose` | `TransportCloseRequested` |
//! | `…DeadlinePasses`, `ConsentExpires` | `TimerFired`, if the clock has that timer |
//! | `WorkerMeetsStaleEvent` | `ConnectionFinished`, `ConnectionReset`, `ConnectionWritable` with the id of the use that ended, which are too late |
//! | `WorkerTakesOver` | `ConnectionTakenOver`; if it is taken and the transport is known, `CheckReceived` |
//! | `WorkerJudges` | nothing: the shell looks for the transport |
//! | `WorkerHearsProof` | `TupleTaken`; if the connection is nobody's then, `ConnectionHandedOver` |
//! | `WorkerHearsClose` | `ServerCloseRequested`, if the barrier has told the workers to close |
//! | `WorkerHearsGrant` | `ReleaseGranted`, if the barrier has granted it |

use super::abstraction::Place;
use super::handovers;
use super::names::{self, Names};
use super::outside::{Stimulus, ensure};
use super::real::Real;
use webrtc_server::lifecycle::server::ServerInput;
use webrtc_server::lifecycle::{Check, Credential, Input, Timer};
use webrtc_server_model::{
    Action, Callback, Caller, Connection, ConnectionId, End, Farewell, Room, Socket, State, Stream,
    StunCheck, Transport, TransportId, Tuple, WorkerId,
};

/// Does to the world what the action does to it, and says what the core is told of it. The second input waits until
/// everything that follows from the first has happened.
pub(super) fn begin(
    real: &mut Real,
    before: &State,
    action: Action,
) -> Result<Vec<Stimulus>, String> {
    match action {
        Action::PeerChecks { .. }
        | Action::PeerChecksTwiceAndResets { .. }
        | Action::PeerSendsFlight { .. }
        | Action::PeerHandshakes { .. }
        | Action::PeerFailsHandshake { .. }
        | Action::PeerSendsCloseNotify { .. }
        | Action::PeerSendsFatalAlert { .. }
        | Action::PeerAnswers { .. } => of_peer(real, before, action),
        Action::PeerConnects { .. }
        | Action::PeerConnectsInVain { .. }
        | Action::PeerStreams { .. }
        | Action::PeerSendsFin { .. }
        | Action::PeerResets { .. }
        | Action::PeerVanishes { .. }
        | Action::WorkerReads { .. }
        | Action::WorkerTakesOver { .. }
        | Action::WorkerHearsProof { .. }
        | Action::WorkerMeetsStaleEvent { .. } => of_connection(real, before, action),
        Action::KernelFillsSocket { .. }
        | Action::KernelMakesRoomOnSocket { .. }
        | Action::KernelFillsConnection { .. }
        | Action::KernelLeavesRoom { .. }
        | Action::KernelMakesRoomOnConnection { .. }
        | Action::KernelMakesLittleRoom { .. }
        | Action::KernelAcknowledges { .. } => of_kernel(real, before, action),
        Action::OwnerClosesServer { .. }
        | Action::OwnerDropsHandle { .. }
        | Action::OwnerArmsCallback { .. }
        | Action::OwnerCreatesTransport { .. }
        | Action::OwnerRestartsIce { .. }
        | Action::OwnerClosesTransport { .. }
        | Action::WorkerHearsTransportClose { .. } => of_owner(real, action),
        Action::ConsentExpires { .. }
        | Action::HandshakeDeadlinePasses { .. }
        | Action::FarewellDeadlinePasses { .. }
        | Action::LingerDeadlinePasses { .. }
        | Action::BindDeadlinePasses { .. }
        | Action::ServerDeadlinePasses { .. } => of_clock(real, action),
        Action::WorkerJudges { c, .. } => {
            handovers::judge(real, c)?;
            Ok(Vec::new())
        }
        Action::WorkerHearsClose { w } => {
            real.outside.hear_close(w)?;
            let deadline = real.outside.limits.server;
            Ok(vec![Stimulus::worker(w, Input::ServerCloseRequested { deadline })])
        }
        Action::WorkerHearsGrant { w } => {
            real.outside.hear_grant(w)?;
            Ok(vec![Stimulus::worker(w, Input::ReleaseGranted)])
        }
    }
}

#[expect(clippy::wildcard_enum_match_arm, reason = "the caller has sorted them out")]
fn of_peer(real: &mut Real, before: &State, action: Action) -> Result<Vec<Stimulus>, String> {
    let (t, datagram) = match action {
        Action::PeerChecks { t, from: Tuple::Tcp(c), check: said }
            if before.core.is_misplaced(real.config(), t, c) =>
        {
            return handovers::pass_on(real, t, c, said);
        }
        Action::PeerChecks { t, from, check: said } => return Ok(vec![check(real, t, from, said)]),
        Action::PeerChecksTwiceAndResets { t, c } => {
            real.outside.stream(c).room = Room::Broken;
            let first = check(real, t, Tuple::Tcp(c), StunCheck::Plain);
            let w = real.config().worker_of(t);
            let second = check_input(real, t, Tuple::Tcp(c), StunCheck::Plain);
            return Ok(vec![first, Stimulus::too_late(w, second)]);
        }
        Action::PeerAnswers { t } => {
            real.outside.world.peers[t.index()].said_close = true;
            let path = farewell_path(before.core.transport(t))?;
            return Ok(vec![dtls(real, t, path, names::PEER_CLOSE_NOTIFY)]);
        }
        Action::PeerSendsFlight { t } => {
            real.outside.world.peers[t.index()].flights += 1;
            (t, names::PEER_FLIGHT)
        }
        Action::PeerHandshakes { t } => (t, names::PEER_FINISHED),
        Action::PeerFailsHandshake { t } if takes_frames(before, t) => (t, names::PEER_BROKE),
        Action::PeerFailsHandshake { t } => (t, names::PEER_BROKE_UNSEEN),
        Action::PeerSendsFatalAlert { t } => (t, names::PEER_FATAL_ALERT),
        Action::PeerSendsCloseNotify { t } => {
            real.outside.world.peers[t.index()].said_close = true;
            (t, names::PEER_CLOSE_NOTIFY)
        }
        other => return unsorted(other),
    };
    let selected = before.core.transport(t).selected;
    let path = selected.ok_or_else(|| format!("transport {} has no path for its peer", t.0))?;
    Ok(vec![dtls(real, t, path, datagram)])
}

/// Would a fatal alert of ours leave at once? The model has no place for one that waits.
fn takes_frames(before: &State, t: TransportId) -> bool {
    let path = before.core.transport(t).selected;
    path.and_then(Tuple::connection).is_none_or(|c| {
        let (queue, room) = (before.core.connection(c).queue(), before.world.stream(c).room);
        queue.is_empty() && room == Room::Plenty
    })
}

#[expect(clippy::wildcard_enum_match_arm, reason = "the caller has sorted them out")]
fn of_connection(real: &mut Real, before: &State, action: Action) -> Result<Vec<Stimulus>, String> {
    match action {
        Action::PeerConnects { c } => {
            let uses = real.outside.stream(c).uses + 1;
            *real.outside.stream(c) =
                Stream { end: End::Open, room: Room::Plenty, unread: false, uses };
            let connection = names::connection_in_use(c, uses);
            let listener = names::listener(real.config().connections[c.index()]);
            let remote = names::remote_of(c);
            let accepted = Input::ConnectionAccepted { connection, listener, remote };
            Ok(vec![Stimulus::worker(real.config().home_of(c), accepted)])
        }
        Action::PeerConnectsInVain { c } => {
            let stream = real.outside.stream(c);
            stream.end = End::Closed;
            stream.uses += 1;
            Ok(Vec::new())
        }
        Action::PeerStreams { c } => {
            real.outside.stream(c).unread = true;
            Ok(Vec::new())
        }
        // What they lead to follows.
        Action::WorkerTakesOver { .. } | Action::WorkerHearsProof { .. } => Ok(Vec::new()),
        Action::WorkerReads { c } => {
            real.outside.stream(c).unread = false;
            Ok(Vec::new())
        }
        Action::PeerVanishes { c } => {
            real.outside.stream(c).room = Room::Broken;
            Ok(Vec::new())
        }
        Action::PeerSendsFin { c } => fin(real, c, before.core.connection(c)),
        Action::PeerResets { c } => {
            let (w, connection) = connection(real, c)?;
            Ok(vec![Stimulus::worker(w, Input::ConnectionReset { connection })])
        }
        Action::WorkerMeetsStaleEvent { c } => {
            let w = real.config().home_of(c);
            real.outside.world.stale = None;
            let connection = real.outside.stale.take().ok_or("no event is left in the batch")?;
            let events = [
                Input::ConnectionFinished { connection },
                Input::ConnectionReset { connection },
                Input::ConnectionWritable { connection },
            ];
            Ok(events.map(|event| Stimulus::too_late(w, event)).into())
        }
        other => unsorted(other),
    }
}

#[expect(clippy::wildcard_enum_match_arm, reason = "the caller has sorted them out")]
fn of_kernel(real: &mut Real, before: &State, action: Action) -> Result<Vec<Stimulus>, String> {
    match action {
        Action::KernelFillsSocket { s } => {
            real.outside.world.sockets[s.index()] = Socket::Full;
            Ok(Vec::new())
        }
        Action::KernelMakesRoomOnSocket { s } => {
            real.outside.world.sockets[s.index()] = Socket::Room;
            let writable = Input::SocketWritable { socket: names::socket(s) };
            Ok(vec![Stimulus::worker(real.config().sockets[s.index()], writable)])
        }
        Action::KernelFillsConnection { c } => {
            real.outside.stream(c).room = Room::Little;
            let owner = before.core.connection(c).owner().ok_or("nobody fills the connection")?;
            let data = || {
                let (transport, data) = (names::transport(owner), names::DATA.to_vec());
                let submitted = Input::DataSubmitted { transport, data };
                Stimulus::worker(real.config().worker_of(owner), submitted)
            };
            Ok(vec![data(), data()])
        }
        Action::KernelLeavesRoom { c, part } => {
            real.outside.stream(c).room = if part { Room::Little } else { Room::None };
            Ok(Vec::new())
        }
        Action::KernelMakesRoomOnConnection { c } => writable(real, c, Room::Plenty),
        Action::KernelMakesLittleRoom { c } => writable(real, c, Room::Little),
        Action::KernelAcknowledges { c } => {
            let (w, connection) = connection(real, c)?;
            Ok(vec![Stimulus::worker(w, Input::ConnectionAcknowledged { connection })])
        }
        other => unsorted(other),
    }
}

#[expect(clippy::wildcard_enum_match_arm, reason = "the caller has sorted them out")]
fn of_owner(real: &mut Real, action: Action) -> Result<Vec<Stimulus>, String> {
    let world = &mut real.outside.world;
    match action {
        Action::OwnerClosesServer { caller } => {
            world.callers[caller.index()] = Caller::Waiting;
            Ok(vec![Stimulus::server(ServerInput::CloseRequested)])
        }
        Action::OwnerDropsHandle { caller } => {
            world.callers[caller.index()] = Caller::Dropped;
            let last = world.callers.iter().all(|caller| *caller == Caller::Dropped);
            let close = last.then(|| Stimulus::server(ServerInput::CloseRequested));
            Ok(close.into_iter().collect())
        }
        Action::OwnerArmsCallback { closes } => {
            world.callback = Callback::Armed(closes);
            Ok(Vec::new())
        }
        Action::OwnerCreatesTransport { t } => Ok(create(real, t)),
        Action::OwnerRestartsIce { t } => restart(real, t),
        Action::OwnerClosesTransport { t } => Ok(vec![close_transport(real, t)]),
        Action::WorkerHearsTransportClose { t } => {
            ensure(world.callback == Callback::Asked(t), "no callback has asked for that")?;
            world.callback = Callback::Done;
            Ok(vec![close_transport(real, t)])
        }
        other => unsorted(other),
    }
}

#[expect(clippy::wildcard_enum_match_arm, reason = "the caller has sorted them out")]
fn of_clock(real: &mut Real, action: Action) -> Result<Vec<Stimulus>, String> {
    let (w, timer) = match action {
        Action::ConsentExpires { t } => of_transport(real, t, Timer::Consent),
        Action::HandshakeDeadlinePasses { t } => of_transport(real, t, Timer::Handshake),
        Action::FarewellDeadlinePasses { t } => of_transport(real, t, Timer::Farewell),
        Action::LingerDeadlinePasses { c } => {
            let (w, connection) = connection(real, c)?;
            (w, Timer::Linger(connection))
        }
        Action::BindDeadlinePasses { c } => {
            let (w, connection) = connection(real, c)?;
            (w, Timer::Bind(connection))
        }
        Action::ServerDeadlinePasses { w } => (w, Timer::Server),
        other => return unsorted(other),
    };
    let ran = real.outside.timers.remove(&(w, timer)).is_some();
    ensure(ran, format_args!("{timer:?} is not armed"))?;
    Ok(vec![Stimulus::worker(w, Input::TimerFired(timer))])
}

fn of_transport(
    real: &Real,
    t: TransportId,
    timer: fn(webrtc_server::lifecycle::TransportId) -> Timer,
) -> (WorkerId, Timer) {
    (real.config().worker_of(t), timer(names::transport(t)))
}

fn unsorted<T>(action: Action) -> Result<T, String> {
    Err(format!("{action:?} is not sorted into its kind"))
}

fn check(real: &Real, t: TransportId, from: Tuple, said: StunCheck) -> Stimulus {
    Stimulus::worker(real.config().worker_of(t), check_input(real, t, from, said))
}

pub(super) fn credential(said: StunCheck) -> Credential {
    match said {
        StunCheck::Plain | StunCheck::Nominating => Credential::Current,
        StunCheck::WithFormerCredentials => Credential::Previous,
    }
}

/// An authenticated check.
pub(super) fn check_input(real: &Real, t: TransportId, from: Tuple, said: StunCheck) -> Input {
    let use_candidate = said == StunCheck::Nominating;
    let check = Check { credential: credential(said), use_candidate, nomination: None };
    let (tuple, transport) = (real.outside.names().tuple(from), names::transport(t));
    Input::CheckReceived { tuple, transport, check, reply: names::REPLY.to_vec() }
}

fn dtls(real: &Real, t: TransportId, path: Tuple, datagram: &[u8]) -> Stimulus {
    let tuple = real.outside.names().tuple(path);
    let received = Input::DtlsReceived { tuple, datagram: datagram.to_vec() };
    Stimulus::worker(real.config().worker_of(t), received)
}

/// The worker of a connection, and its number there.
pub(super) fn connection(
    real: &Real,
    c: ConnectionId,
) -> Result<(WorkerId, webrtc_server::lifecycle::ConnectionId), String> {
    let id = real.outside.names().connection(c);
    let id = id.ok_or_else(|| format!("connection {} was never opened", c.0))?;
    match real.outside.places[c.index()] {
        Place::With(w) => Ok((w, id)),
        Place::InFlight { .. } => Err(format!("connection {} is in flight", c.0)),
    }
}

/// What the shell makes of a FIN (`shell/worker/receive.rs`): it looks at the send queue first if that can matter.
fn fin(real: &Real, c: ConnectionId, before: Connection) -> Result<Vec<Stimulus>, String> {
    let (w, connection) = connection(real, c)?;
    let finished = Stimulus::worker(w, Input::ConnectionFinished { connection });
    Ok(match before {
        Connection::Draining { .. } => {
            vec![Stimulus::worker(w, Input::ConnectionAcknowledged { connection }), finished]
        }
        Connection::None
        | Connection::Unbound
        | Connection::InFlight { .. }
        | Connection::Bound { .. }
        | Connection::Flushing { .. }
        | Connection::Gone => vec![finished],
    })
}

fn writable(real: &mut Real, c: ConnectionId, room: Room) -> Result<Vec<Stimulus>, String> {
    real.outside.stream(c).room = room;
    let (w, connection) = connection(real, c)?;
    Ok(vec![Stimulus::worker(w, Input::ConnectionWritable { connection })])
}

/// The owner creates a transport and tells it who its peer is.
pub(super) fn create(real: &Real, t: TransportId) -> Vec<Stimulus> {
    let (w, transport) = (real.config().worker_of(t), names::transport(t));
    let credentials = names::credentials(t, 0);
    let consent = Some(names::CONSENT);
    let remote_role = names::remote_role(real.config().transport(t).role);
    let fingerprints = Vec::new();
    vec![
        Stimulus::worker(w, Input::TransportCreated { transport, credentials, consent }),
        Stimulus::worker(w, Input::ConnectRequested { transport, remote_role, fingerprints }),
    ]
}

/// With credentials that no transport has now: two are in use at most.
fn restart(real: &Real, t: TransportId) -> Result<Vec<Stimulus>, String> {
    let (w, transport) = (real.config().worker_of(t), names::transport(t));
    let routes = real.workers[w.index()].routes();
    let mut all = (0..=2).map(|restarts| names::credentials(t, restarts));
    let credentials = all.find(|new| routes.by_ufrag(&new.ufrag).is_none());
    let credentials = credentials.ok_or("a transport is known by more than two ufrags")?;
    Ok(vec![Stimulus::worker(w, Input::IceRestarted { transport, credentials })])
}

fn close_transport(real: &Real, t: TransportId) -> Stimulus {
    let close = Input::TransportCloseRequested { transport: names::transport(t) };
    Stimulus::worker(real.config().worker_of(t), close)
}

fn farewell_path(transport: &Transport) -> Result<Tuple, String> {
    match transport.farewell {
        Farewell::Sent(path) => Ok(path),
        Farewell::None | Farewell::Queued(_) | Farewell::Confirmed(_) | Farewell::Dropped(_) => {
            Err("the peer answers what it did not hear".to_owned())
        }
    }
}
