//! What comes too late. Peers, kernels and other threads go on sending after a transport has closed, a connection is
//! gone or a timer was disarmed. The model has no actions for that, since nothing may come of it; here it is fed to every
//! state that the walk meets, and nothing must come of it.

use super::names;
use super::outside::{Grant, ensure};
use super::real::Real;
use webrtc_server::lifecycle::{
    Check, ConnectionId, Credential, Credentials, DropReason, DtlsReason, DtlsRole, Input, Limits,
    Output, RecordKind, Timer, TransportId as RealTransport, Verdict, Worker,
};
use webrtc_server_model::{
    Connection, Core, DtlsState, Farewell, Phase, ServerPhase, Transport, TransportId, Via,
};

/// Ids that were never given away.
const NEW_CONNECTION: ConnectionId = ConnectionId(1000);
const NEW_TRANSPORT: RealTransport = RealTransport(1000);

/// Feeds everything that is too late in this state; how much that was.
pub(super) fn changes_nothing(real: &Real, model: &Core) -> Result<usize, String> {
    let mut inputs = for_server(real, model);
    for (index, transport) in model.transports.iter().enumerate() {
        let t = TransportId(index as u8);
        if transport.phase != Phase::Open || model.server != ServerPhase::Open {
            inputs.extend(checks(t));
        }
        if transport.phase != Phase::Open {
            inputs.extend(for_closing(t));
        }
        if transport.phase != Phase::Open || transport.dtls != DtlsState::Connected {
            inputs.extend(data(t));
        }
        inputs.extend(for_dtls(t, transport));
        inputs.extend(for_farewell(t, transport));
        inputs.extend(for_connection(t, transport.tcp));
        inputs.extend(timers(t));
    }
    let not_armed = |input: &Input| match timer_of(input) {
        Some(timer) => !real.worker.timers().contains(&timer),
        None => true,
    };
    inputs.retain(not_armed);
    let count = inputs.len();
    let mut worker = real.worker.clone();
    for input in inputs {
        feed(&mut worker, &real.worker, input)?;
    }
    newcomers_are_refused(real, model).map(|refused| count + refused)
}

/// The core stays as it is, and says nothing.
fn feed(worker: &mut Worker, before: &Worker, input: Input) -> Result<(), String> {
    let step = worker.handle(input.clone());
    ensure(step.verdict != Verdict::Applied, format_args!("{input:?} is applied"))?;
    ensure(step.outputs.is_empty(), format_args!("{input:?} leads to {:?}", step.outputs))?;
    ensure(worker == before, format_args!("{input:?} changes the state"))
}

/// A closing server closes new connections unseen and creates no transport.
fn newcomers_are_refused(real: &Real, model: &Core) -> Result<usize, String> {
    if model.server == ServerPhase::Open {
        return Ok(0);
    }
    let mut worker = real.worker.clone();
    let remote = names::remote(TransportId(255), Via::Tcp);
    let connection = NEW_CONNECTION;
    let step =
        worker.handle(Input::ConnectionAccepted { connection, listener: names::LISTENER, remote });
    let refused = step.outputs == [Output::CloseTcp(NEW_CONNECTION)] && worker == real.worker;
    ensure(refused, "a closing server does not refuse a connection")?;
    let ufrag = "newcomer".to_owned();
    let credentials = Credentials { ufrag, password: "password".to_owned() };
    let created = Input::TransportCreated { transport: NEW_TRANSPORT, credentials, consent: None };
    feed(&mut worker, &real.worker, created)?;
    Ok(2)
}

fn for_server(real: &Real, model: &Core) -> Vec<Input> {
    let mut inputs = Vec::new();
    if model.server != ServerPhase::Open {
        inputs.push(Input::ServerCloseRequested { deadline: Limits::default().server });
    }
    if real.outside.grant != Grant::UnderWay {
        inputs.push(Input::ReleaseGranted);
    }
    inputs.push(Input::TimerFired(Timer::Server));
    inputs
}

fn checks(t: TransportId) -> Vec<Input> {
    let check = Check { credential: Credential::Current, use_candidate: true, nomination: None };
    let input = |via| Input::CheckReceived {
        tuple: names::tuple(t, via),
        transport: names::transport(t),
        check,
        reply: names::REPLY.to_vec(),
    };
    vec![input(Via::Udp), input(Via::Tcp)]
}

/// Nobody speaks to a transport that is closing or closed: neither its owner nor DTLS, but for the farewell.
fn for_closing(t: TransportId) -> Vec<Input> {
    let transport = names::transport(t);
    let credentials = Credentials { ufrag: "restarted".to_owned(), password: "p".to_owned() };
    let records = |kind| Input::RecordsMade { transport, datagram: names::FLIGHT.to_vec(), kind };
    vec![
        Input::ConnectRequested {
            transport,
            remote_role: DtlsRole::Server,
            fingerprints: Vec::new(),
        },
        Input::IceRestarted { transport, credentials },
        Input::TransportCloseRequested { transport },
        records(RecordKind::Flight),
        records(RecordKind::Data),
        Input::HandshakeCompleted { transport },
        Input::HandshakeFailed { transport, reason: DtlsReason::Handshake },
        Input::FatalAlertReceived { transport, code: 40 },
    ]
}

/// Application data, in both directions.
fn data(t: TransportId) -> Vec<Input> {
    let transport = names::transport(t);
    let data = names::DATA.to_vec();
    vec![
        Input::DataSubmitted { transport, data: data.clone() },
        Input::DataReceived { transport, data },
    ]
}

/// Final states are final: nothing that a peer sends leads out of them.
fn for_dtls(t: TransportId, transport: &Transport) -> Vec<Input> {
    let id = names::transport(t);
    let is_final = transport.phase == Phase::Open
        && match transport.dtls {
            DtlsState::Failed | DtlsState::Closed => true,
            DtlsState::New | DtlsState::Connecting | DtlsState::Connected => false,
        };
    if !is_final {
        return Vec::new();
    }
    let mut inputs = vec![
        Input::HandshakeCompleted { transport: id },
        Input::HandshakeFailed { transport: id, reason: DtlsReason::Handshake },
        Input::CloseNotifyReceived { transport: id },
        Input::FatalAlertReceived { transport: id, code: 40 },
    ];
    if transport.udp {
        let datagram = names::PEER_CLOSE_NOTIFY.to_vec();
        inputs.push(Input::DtlsReceived { tuple: names::tuple(t, Via::Udp), datagram });
    }
    inputs
}

/// An answer about a farewell that does not wait for it.
fn for_farewell(t: TransportId, transport: &Transport) -> Vec<Input> {
    let id = names::transport(t);
    let made = Input::CloseNotifyMade { transport: id, datagram: Some(names::ALERT.to_vec()) };
    match transport.farewell {
        Farewell::Queued(_) if transport.phase != Phase::Closed => vec![made],
        Farewell::Queued(_)
        | Farewell::None
        | Farewell::Sent(_)
        | Farewell::Confirmed(_)
        | Farewell::Dropped(_) => vec![
            made,
            Input::CloseNotifySent { transport: id },
            Input::CloseNotifyBlocked { transport: id },
            Input::CloseNotifyFailed { transport: id, reason: DropReason::Io },
        ],
    }
}

/// News of a connection that is not there.
fn for_connection(t: TransportId, tcp: Connection) -> Vec<Input> {
    match tcp {
        Connection::None | Connection::Gone => {}
        Connection::Unbound
        | Connection::Bound { .. }
        | Connection::Flushing { .. }
        | Connection::Draining { .. } => return Vec::new(),
    }
    let connection = names::connection(t);
    let tuple = names::tuple(t, Via::Tcp);
    let datagram = names::PEER_CLOSE_NOTIFY.to_vec();
    vec![
        Input::ConnectionFinished { connection },
        Input::ConnectionReset { connection },
        Input::ConnectionWritable { connection },
        Input::ConnectionBlocked { connection },
        Input::ConnectionAcknowledged { connection },
        Input::BytesWritten { connection, bytes: 1 },
        Input::DtlsReceived { tuple, datagram },
        Input::JunkReceived { tuple },
        Input::CheckRefused { tuple, reply: names::REPLY.to_vec() },
    ]
}

/// Timers that ran out while they were being disarmed. Those that are armed are taken out.
fn timers(t: TransportId) -> Vec<Input> {
    let (transport, connection) = (names::transport(t), names::connection(t));
    [
        Timer::Consent(transport),
        Timer::Handshake(transport),
        Timer::Farewell(transport),
        Timer::Bind(connection),
        Timer::Linger(connection),
    ]
    .map(Input::TimerFired)
    .into()
}

fn timer_of(input: &Input) -> Option<Timer> {
    if let Input::TimerFired(timer) = input { Some(*timer) } else { None }
}
