//! How the model's actions happen to the real core.
//!
//! | Action | What the core is told |
//! |---|---|
//! | `PeerChecks` | `CheckReceived`, on the path of the check |
//! | `PeerConnects` | `ConnectionAccepted` |
//! | `PeerHandshakes`, `PeerFailsHandshake` | `DtlsReceived` on the selected tuple; if it reaches DTLS, a flight and `HandshakeCompleted` or `HandshakeFailed` |
//! | `PeerSendsCloseNotify` | `DtlsReceived` on the selected tuple; if it reaches DTLS, `CloseNotifyReceived` |
//! | `PeerAnswers` | the same on the tuple of the farewell |
//! | `PeerSendsFin` | `ConnectionFinished`; on a draining connection `ConnectionAcknowledged` before it, since the model's FIN acknowledges everything, and the shell asks the kernel when it reads the end of input |
//! | `PeerResets` | `ConnectionReset` |
//! | `KernelFillsSocket` | nothing: the next send is refused |
//! | `KernelMakesRoomOnSocket` | `SocketWritable` |
//! | `KernelFillsConnection` | `DataSubmitted` twice: half of the first frame is taken, the second waits unbegun |
//! | `KernelMakesRoomOnConnection` | `ConnectionWritable`; from now on everything is taken |
//! | `KernelAcknowledges` | `ConnectionAcknowledged` |
//! | `OwnerClosesServer` | `CloseRequested`, to the barrier |
//! | `OwnerClosesTransport` | `TransportCloseRequested` |
//! | `…DeadlinePasses`, `ConsentExpires` | `TimerFired`, if the clock has that timer |
//! | `WorkersAcknowledge` | `ReleaseGranted`, if the barrier has granted it |

use super::names;
use super::outside::{Answer, Grant, Outside, Room, ensure};
use webrtc_server::lifecycle::server::ServerInput;
use webrtc_server::lifecycle::{Check, Credential, Input, Timer};
use webrtc_server_model::{
    Action, Caller, Connection, Farewell, Socket, State, Stream, Transport, TransportId, Via,
};

/// Does to the world what the action does to it, and says what the core is told of it. The second input waits until
/// everything that follows from the first has happened.
pub(super) fn begin(
    before: &State,
    action: Action,
    outside: &mut Outside,
) -> Result<Vec<Answer>, String> {
    let input = match action {
        Action::PeerChecks { t, via, nominate } => check(t, via, nominate),
        Action::PeerConnects { t } => {
            outside.world.peers[t.index()].stream = Stream::Open;
            let (connection, remote) = (names::connection(t), names::remote(t, Via::Tcp));
            Input::ConnectionAccepted { connection, listener: names::LISTENER, remote }
        }
        Action::PeerHandshakes { t } => dtls(t, selected(before, t)?, names::PEER_FINISHED),
        Action::PeerFailsHandshake { t } => dtls(t, selected(before, t)?, names::PEER_BROKE),
        Action::PeerSendsCloseNotify { t } => {
            outside.world.peers[t.index()].said_close = true;
            dtls(t, selected(before, t)?, names::PEER_CLOSE_NOTIFY)
        }
        Action::PeerAnswers { t } => {
            outside.world.peers[t.index()].said_close = true;
            dtls(t, farewell_path(before.core.transport(t))?, names::PEER_CLOSE_NOTIFY)
        }
        Action::PeerSendsFin { t } => return Ok(fin(t, before.core.transport(t).tcp)),
        Action::PeerResets { t } => Input::ConnectionReset { connection: names::connection(t) },
        Action::KernelFillsSocket => {
            outside.world.socket = Socket::Full;
            return Ok(Vec::new());
        }
        Action::KernelMakesRoomOnSocket => {
            outside.world.socket = Socket::Room;
            Input::SocketWritable { socket: names::SOCKET }
        }
        Action::KernelFillsConnection { t } => {
            outside.room[t.index()] = Room::HalfAFrame;
            return Ok(vec![Answer::worker(data(t)), Answer::worker(data(t))]);
        }
        Action::KernelMakesRoomOnConnection { t } => {
            outside.room[t.index()] = Room::Rest;
            Input::ConnectionWritable { connection: names::connection(t) }
        }
        Action::KernelAcknowledges { t } => {
            Input::ConnectionAcknowledged { connection: names::connection(t) }
        }
        Action::OwnerClosesServer { caller } => {
            outside.world.callers[caller.index()] = Caller::Waiting;
            return Ok(vec![Answer::server(ServerInput::CloseRequested)]);
        }
        Action::OwnerClosesTransport { t } => {
            Input::TransportCloseRequested { transport: names::transport(t) }
        }
        Action::ConsentExpires { t } => fire(Timer::Consent(names::transport(t)), outside)?,
        Action::FarewellDeadlinePasses { t } => {
            fire(Timer::Farewell(names::transport(t)), outside)?
        }
        Action::LingerDeadlinePasses { t } => fire(Timer::Linger(names::connection(t)), outside)?,
        Action::BindDeadlinePasses { t } => fire(Timer::Bind(names::connection(t)), outside)?,
        Action::ServerDeadlinePasses => fire(Timer::Server, outside)?,
        Action::WorkersAcknowledge => {
            ensure(outside.grant == Grant::UnderWay, "no release was granted")?;
            outside.grant = Grant::Arrived;
            Input::ReleaseGranted
        }
    };
    Ok(vec![Answer::worker(input)])
}

fn check(t: TransportId, via: Via, nominate: bool) -> Input {
    let check =
        Check { credential: Credential::Current, use_candidate: nominate, nomination: None };
    let (tuple, transport) = (names::tuple(t, via), names::transport(t));
    Input::CheckReceived { tuple, transport, check, reply: names::REPLY.to_vec() }
}

fn dtls(t: TransportId, via: Via, datagram: &[u8]) -> Input {
    Input::DtlsReceived { tuple: names::tuple(t, via), datagram: datagram.to_vec() }
}

/// What the shell makes of a FIN (`shell/worker/receive.rs`): it looks at the send queue first if that can matter.
fn fin(t: TransportId, tcp: Connection) -> Vec<Answer> {
    let connection = names::connection(t);
    let finished = Answer::worker(Input::ConnectionFinished { connection });
    match tcp {
        Connection::Draining { .. } => {
            vec![Answer::worker(Input::ConnectionAcknowledged { connection }), finished]
        }
        Connection::None
        | Connection::Unbound
        | Connection::Bound { .. }
        | Connection::Flushing { .. }
        | Connection::Gone => vec![finished],
    }
}

fn data(t: TransportId) -> Input {
    Input::DataSubmitted { transport: names::transport(t), data: names::DATA.to_vec() }
}

/// Only a timer that was armed runs out.
fn fire(timer: Timer, outside: &mut Outside) -> Result<Input, String> {
    ensure(outside.timers.remove(&timer).is_some(), format_args!("{timer:?} is not armed"))?;
    Ok(Input::TimerFired(timer))
}

fn selected(before: &State, t: TransportId) -> Result<Via, String> {
    let selected = before.core.transport(t).selected;
    selected.ok_or_else(|| format!("transport {} has no path for its peer", t.0))
}

fn farewell_path(transport: &Transport) -> Result<Via, String> {
    match transport.farewell {
        Farewell::Sent(via) => Ok(via),
        Farewell::None | Farewell::Queued(_) | Farewell::Confirmed(_) | Farewell::Dropped(_) => {
            Err("the peer answers what it did not hear".to_owned())
        }
    }
}
