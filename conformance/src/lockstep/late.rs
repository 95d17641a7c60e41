//! What comes too late. Peers, kernels and other threads go on sending after a transport has closed, a connection is
//! gone or a timer was disarmed. The model has no actions for that, since nothing may come of it; here it is fed to
//! every state that the walk meets, and nothing must come of it.

use super::mapping;
use super::names::{self, Names};
use super::outside::ensure;
use super::real::{self, Real};
use webrtc_server::lifecycle::{
    ConnectionId as RealConnection, Credentials, DropReason, DtlsReason, DtlsRole, Input, Output,
    RecordKind, SendQueue, Timer, TransportId as RealTransport, Tuple as RealTuple,
};
use webrtc_server_model::{
    Connection, ConnectionId, Core, DtlsState, Farewell, Phase, SocketId, StunCheck, Transport,
    TransportId, Tuple, WorkerId, WorkerPhase,
};

/// Ids that were never given away.
const NEW_CONNECTION: RealConnection = RealConnection(u64::MAX);
const NEW_TRANSPORT: RealTransport = RealTransport(u64::MAX);

/// What is too late, and for which worker.
type Inputs = Vec<(WorkerId, Input)>;

/// Feeds everything that is too late in this state; how much that was.
pub(super) fn changes_nothing(real: &Real, model: &Core) -> Result<usize, String> {
    let config = real.config();
    let mut inputs = Inputs::new();
    for w in config.worker_ids() {
        for_worker(real, model, w, &mut inputs);
    }
    for t in config.transport_ids() {
        let w = config.worker_of(t);
        let of_transport = for_transport(real, model, t).into_iter();
        inputs.extend(of_transport.map(|input| (w, input)));
    }
    for c in model.connection_ids() {
        // It was never with the others, or is not any more.
        let strangers = config.worker_ids().filter(|w| model.holder(c) != Some(*w));
        for w in strangers {
            let elsewhere = elsewhere(real, w, c).into_iter();
            inputs.extend(elsewhere.map(|input| (w, input)));
        }
        if let Some(w) = model.holder(c) {
            let of_connection = for_connection(real, model, c).into_iter();
            inputs.extend(of_connection.map(|input| (w, input)));
        }
    }
    for s in (0..config.sockets.len() as u8).map(SocketId) {
        if !is_waited_for(real, model, s) {
            let writable = Input::SocketWritable { socket: names::socket(s) };
            inputs.push((config.sockets[s.index()], writable));
        }
    }
    inputs.retain(|(w, input)| match timer_of(input) {
        Some(timer) => !real.workers[w.index()].timers().contains(&timer),
        None => true,
    });
    let mut count = inputs.len();
    let mut workers = real.workers.clone();
    for (w, input) in inputs {
        real::changes_nothing(&mut workers[w.index()], &real.workers[w.index()], input)?;
    }
    for w in config.worker_ids() {
        count += newcomers_are_refused(real, model, w)?;
    }
    Ok(count)
}

/// A closing worker closes new connections unseen and creates no transport.
fn newcomers_are_refused(real: &Real, model: &Core, w: WorkerId) -> Result<usize, String> {
    if model.worker(w) == WorkerPhase::Open {
        return Ok(0);
    }
    let before = &real.workers[w.index()];
    let mut worker = before.clone();
    for l in real.config().listeners_of(w) {
        let (connection, listener) = (NEW_CONNECTION, names::listener(l));
        let remote = names::remote_of(ConnectionId(u8::MAX));
        let step = worker.handle(Input::ConnectionAccepted { connection, listener, remote });
        let refused = step.outputs == [Output::CloseTcp(NEW_CONNECTION)] && worker == *before;
        ensure(refused, "a closing worker does not refuse a connection")?;
        let queue = SendQueue::default();
        let taken = Input::ConnectionTakenOver { connection, listener, remote, queue };
        let step = worker.handle(taken);
        let refused = step.outputs == [Output::CloseTcp(NEW_CONNECTION)] && worker == *before;
        ensure(refused, "a closing worker does not close what is handed to it")?;
    }
    let ufrag = "newcomer".to_owned();
    let credentials = Credentials { ufrag, password: "password".to_owned() };
    let created = Input::TransportCreated { transport: NEW_TRANSPORT, credentials, consent: None };
    real::changes_nothing(&mut worker, before, created)?;
    Ok(3)
}

/// Commands that came before, or too early. A drained worker takes the barrier's word for the others.
fn for_worker(real: &Real, model: &Core, w: WorkerId, inputs: &mut Inputs) {
    if model.worker(w) != WorkerPhase::Open {
        let deadline = real.outside.limits.server;
        inputs.push((w, Input::ServerCloseRequested { deadline }));
    }
    if model.worker(w) != WorkerPhase::Drained {
        inputs.push((w, Input::ReleaseGranted));
    }
    inputs.push((w, Input::TimerFired(Timer::Server)));
}

fn for_transport(real: &Real, model: &Core, t: TransportId) -> Vec<Input> {
    let transport = model.transport(t);
    let mut inputs = Vec::new();
    if transport.phase != Phase::Open {
        let tuples = real.config().transport(t).tuples();
        inputs
            .extend(tuples.map(|from| mapping::check_input(real, t, from, StunCheck::Nominating)));
        inputs.extend(for_closing(t));
    }
    if transport.phase != Phase::Open || transport.dtls != DtlsState::Connected {
        inputs.extend(data(t));
    }
    inputs.extend(for_dtls(real, t, transport));
    inputs.extend(for_farewell(t, transport));
    let id = names::transport(t);
    let timers = [Timer::Consent(id), Timer::Handshake(id), Timer::Farewell(id)];
    inputs.extend(timers.map(Input::TimerFired));
    inputs
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
        Input::FatalAlertReceived { transport, code: names::FATAL_ALERT_CODE },
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
fn for_dtls(real: &Real, t: TransportId, transport: &Transport) -> Vec<Input> {
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
        Input::FatalAlertReceived { transport: id, code: names::FATAL_ALERT_CODE },
    ];
    inputs.extend(transport.tuples.iter().map(|tuple| {
        let datagram = names::PEER_CLOSE_NOTIFY.to_vec();
        Input::DtlsReceived { tuple: real.outside.names().tuple(*tuple), datagram }
    }));
    if transport.dtls == DtlsState::Closed {
        let (datagram, kind) = (names::DATA.to_vec(), RecordKind::Data);
        inputs.push(Input::RecordsMade { transport: id, datagram, kind });
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

/// News of a connection that does not wait for it, and of the earlier use of one that was opened again.
fn for_connection(real: &Real, model: &Core, c: ConnectionId) -> Vec<Input> {
    let uses = real.outside.world.stream(c).uses;
    let latest = real.outside.names().connection(c);
    let connection = latest.unwrap_or(names::connection_in_use(c, uses));
    let mut inputs = timers(connection);
    if uses > 1 {
        inputs.extend(of_gone(names::connection_in_use(c, uses - 1)));
    }
    match model.connection(c) {
        Connection::None | Connection::Gone => inputs.extend(of_gone(connection)),
        Connection::InFlight { .. } => {}
        Connection::Unbound => inputs.push(Input::ConnectionAcknowledged { connection }),
        Connection::Bound { .. } => {
            inputs.push(Input::ConnectionAcknowledged { connection });
            inputs.push(Input::ConnectionHandedOver { connection });
        }
        Connection::Flushing { .. } => {
            inputs.push(Input::ConnectionAcknowledged { connection });
            inputs.push(Input::ConnectionHandedOver { connection });
            inputs.extend(checks(real, c));
        }
        Connection::Draining { .. } => {
            inputs.push(Input::ConnectionHandedOver { connection });
            inputs.extend(checks(real, c));
        }
    }
    if model.connection(c).queue().is_empty() {
        inputs.push(Input::ConnectionWritable { connection });
        inputs.push(Input::BytesWritten { connection, bytes: 1 });
    }
    inputs
}

/// A connection that is with another worker, or in flight: it was here if this is its home, or was handed here.
fn elsewhere(real: &Real, w: WorkerId, c: ConnectionId) -> Vec<Input> {
    let (config, uses) = (real.config(), real.outside.world.stream(c).uses);
    match config.home_of(c) == w {
        true => of_gone(names::connection_in_use(c, uses)),
        false => of_gone(names::connection_taken_over(c, uses)),
    }
}

/// Checks on a connection whose use is over count for nobody.
fn checks(real: &Real, c: ConnectionId) -> Vec<Input> {
    let from = Tuple::Tcp(c);
    let transports = real.config().transport_ids();
    transports
        .filter(|t| real.config().transport(*t).may_use(from))
        .map(|t| mapping::check_input(real, t, from, StunCheck::Nominating))
        .collect()
}

fn of_gone(connection: RealConnection) -> Vec<Input> {
    let tuple = RealTuple::Tcp(connection);
    let datagram = names::PEER_CLOSE_NOTIFY.to_vec();
    vec![
        Input::ConnectionHandedOver { connection },
        Input::TupleTaken { tuple },
        Input::ConnectionFinished { connection },
        Input::ConnectionReset { connection },
        Input::ConnectionWritable { connection },
        Input::ConnectionBlocked { connection },
        Input::ConnectionAcknowledged { connection },
        Input::BytesWritten { connection, bytes: 1 },
        Input::DtlsReceived { tuple, datagram },
        Input::JunkReceived { tuple },
        Input::CheckRefused { tuple, reply: names::REPLY.to_vec() },
        Input::TimerFired(Timer::Bind(connection)),
        Input::TimerFired(Timer::Linger(connection)),
    ]
}

/// Timers that ran out while they were being disarmed. Those that are armed are taken out.
fn timers(connection: RealConnection) -> Vec<Input> {
    [Timer::Bind(connection), Timer::Linger(connection)].map(Input::TimerFired).into()
}

/// Does a farewell wait for room on this socket?
fn is_waited_for(real: &Real, model: &Core, s: SocketId) -> bool {
    model.transports.iter().any(|transport| match transport.farewell {
        Farewell::Queued(Tuple::Udp(a)) => real.config().socket_of(a) == s,
        Farewell::Queued(Tuple::Tcp(_))
        | Farewell::None
        | Farewell::Sent(_)
        | Farewell::Confirmed(_)
        | Farewell::Dropped(_) => false,
    })
}

fn timer_of(input: &Input) -> Option<Timer> {
    if let Input::TimerFired(timer) = input { Some(*timer) } else { None }
}
