//! Whatever is fed in whatever order: the maps agree, nothing panics, and a close that is left alone ends.

use super::{Worker, WorkerPhase};
use crate::lifecycle::{
    About, Check, ConnectionId, Credential, Credentials, DropReason, DtlsReason, DtlsRole,
    FrameKind, Input, Limits, ListenerId, Output, RecordKind, SendQueue, SocketId, Timer,
    TransportId, Tuple,
};
use quickcheck::{Arbitrary, Gen, quickcheck};
use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::time::Duration;

const SOCKETS: [SocketId; 2] = [SocketId(0), SocketId(2)];
const LISTENER: ListenerId = ListenerId(1);

fn remote(n: u8) -> SocketAddr {
    SocketAddr::from(([192, 0, 2, 1 + n], 5000))
}

/// Where a connection comes from: one address in two disguises, and two of one network.
fn source(g: &mut Gen) -> SocketAddr {
    let all = ["192.0.2.10", "::ffff:192.0.2.10", "2001:db8::1", "2001:db8::2", "2001:db8:1::1"];
    let ip = all[usize::arbitrary(g) % all.len()].parse().expect("an address");
    SocketAddr::new(ip, 5000)
}

fn socket(g: &mut Gen) -> SocketId {
    SOCKETS[usize::from(bool::arbitrary(g))]
}

fn credentials(n: u8) -> Credentials {
    Credentials { ufrag: format!("ufrag{n}"), password: format!("password{n}") }
}

/// Few ids, so that inputs meet.
fn small(g: &mut Gen) -> u8 {
    u8::arbitrary(g) % 3
}

fn tuple(g: &mut Gen) -> Tuple {
    if bool::arbitrary(g) {
        Tuple::Udp { socket: socket(g), remote: remote(u8::arbitrary(g) % 6) }
    } else {
        Tuple::Tcp(ConnectionId(u64::from(small(g))))
    }
}

fn timer(g: &mut Gen) -> Timer {
    let (transport, connection) =
        (TransportId(u64::from(small(g))), ConnectionId(u64::from(small(g))));
    let all = [
        Timer::Consent(transport),
        Timer::Handshake(transport),
        Timer::Farewell(transport),
        Timer::Bind(connection),
        Timer::Linger(connection),
        Timer::Server,
    ];
    all[usize::arbitrary(g) % all.len()]
}

fn owner_input(g: &mut Gen, transport: TransportId) -> Input {
    let role = [DtlsRole::Auto, DtlsRole::Client, DtlsRole::Server][usize::from(small(g))];
    let n = u8::arbitrary(g) % 8;
    match u8::arbitrary(g) % 16 {
        0..6 => Input::TransportCreated {
            transport,
            credentials: credentials(n),
            consent: bool::arbitrary(g).then_some(Duration::from_secs(30)),
        },
        6..9 => Input::ConnectRequested { transport, remote_role: role, fingerprints: Vec::new() },
        9 => Input::IceRestarted { transport, credentials: credentials(n) },
        10..13 => Input::DataSubmitted { transport, data: vec![1; 40] },
        13 => Input::TransportCloseRequested { transport },
        14 if n == 0 => Input::ServerCloseRequested { deadline: Duration::from_secs(3) },
        14 => Input::SocketWritable { socket: socket(g) },
        _ => Input::ReleaseGranted,
    }
}

fn carrier_input(g: &mut Gen) -> Input {
    let connection = ConnectionId(u64::from(small(g)));
    match u8::arbitrary(g) % 14 {
        0..5 => Input::ConnectionAccepted { connection, listener: LISTENER, remote: source(g) },
        5 => Input::ConnectionFinished { connection },
        6 => Input::ConnectionReset { connection },
        7 => Input::ConnectionWritable { connection },
        8 => Input::BytesWritten { connection, bytes: usize::arbitrary(g) % 50 },
        9 => Input::ConnectionBlocked { connection },
        10 => Input::ConnectionAcknowledged { connection },
        11 => Input::ConnectionHandedOver { connection },
        12 => {
            let mut queue = SendQueue::default();
            for _ in 0..small(g) {
                queue.push(FrameKind::Control, &[1; 20]);
            }
            // Of a frame of 22 bytes.
            queue.wrote(if queue.is_empty() { 0 } else { usize::arbitrary(g) % 22 });
            let remote = source(g);
            Input::ConnectionTakenOver { connection, listener: LISTENER, remote, queue }
        }
        _ => Input::TimerFired(timer(g)),
    }
}

fn peer_input(g: &mut Gen, transport: TransportId) -> Input {
    let reply = vec![0; 20];
    let check = Check {
        credential: [Credential::Current, Credential::Previous][usize::from(bool::arbitrary(g))],
        use_candidate: bool::arbitrary(g),
        nomination: bool::arbitrary(g).then(|| u32::from(small(g))),
    };
    match u8::arbitrary(g) % 9 {
        0..5 => Input::CheckReceived { tuple: tuple(g), transport, check, reply },
        5 => Input::CheckRefused { tuple: tuple(g), reply },
        6 => Input::TupleTaken { tuple: tuple(g) },
        7 => Input::DtlsReceived { tuple: tuple(g), datagram: vec![22; 13] },
        _ => Input::JunkReceived { tuple: tuple(g) },
    }
}

fn dtls_input(g: &mut Gen, transport: TransportId) -> Input {
    let datagram = vec![21; 39];
    match u8::arbitrary(g) % 12 {
        0..3 => Input::HandshakeCompleted { transport },
        3 => Input::HandshakeFailed { transport, reason: DtlsReason::Handshake },
        4 => Input::CloseNotifyReceived { transport },
        5 => Input::FatalAlertReceived { transport, code: 40 },
        6 => Input::DataReceived { transport, data: vec![1] },
        7 => {
            let kind = [RecordKind::Data, RecordKind::Flight][usize::from(bool::arbitrary(g))];
            Input::RecordsMade { transport, datagram, kind }
        }
        8 => {
            let datagram = bool::arbitrary(g).then_some(datagram);
            Input::CloseNotifyMade { transport, datagram }
        }
        9 => Input::CloseNotifySent { transport },
        10 => Input::CloseNotifyBlocked { transport },
        _ => Input::CloseNotifyFailed { transport, reason: DropReason::Io },
    }
}

impl Arbitrary for Input {
    fn arbitrary(g: &mut Gen) -> Self {
        let transport = TransportId(u64::from(small(g)));
        match u8::arbitrary(g) % 4 {
            0 => owner_input(g, transport),
            1 => carrier_input(g),
            2 => peer_input(g, transport),
            _ => dtls_input(g, transport),
        }
    }
}

fn worker() -> Worker {
    let limits = Limits { unbound_connections_per_source_max: 2, ..Limits::default() };
    Worker::new(limits, SOCKETS, [LISTENER])
}

/// What a shell does whose kernel takes everything, or (`blocked`) nothing.
pub(super) fn answer(worker: &Worker, output: &Output, blocked: bool) -> Option<Input> {
    if let Output::WriteTcp(connection) = output {
        let (connection, bytes) = (*connection, worker.unwritten(*connection).len());
        return match (blocked, bytes) {
            (true, _) => Some(Input::ConnectionBlocked { connection }),
            (false, 0) => None,
            (false, bytes) => Some(Input::BytesWritten { connection, bytes }),
        };
    }
    if let Output::MakeCloseNotify(transport) = output {
        return Some(Input::CloseNotifyMade {
            transport: *transport,
            datagram: Some(vec![21; 39]),
        });
    }
    let Output::SendDatagram { about: About::CloseNotify(transport), .. } = output else {
        return None;
    };
    let transport = *transport;
    Some(match blocked {
        true => Input::CloseNotifyBlocked { transport },
        false => Input::CloseNotifySent { transport },
    })
}

pub(super) fn settle(worker: &mut Worker, input: Input, blocked: bool) -> Vec<Output> {
    let mut inputs = std::collections::VecDeque::from([input]);
    let mut outputs = Vec::new();
    while let Some(input) = inputs.pop_front() {
        let step = worker.handle(input);
        inputs.extend(step.outputs.iter().filter_map(|o| answer(worker, o, blocked)));
        outputs.extend(step.outputs);
    }
    outputs
}

quickcheck! {
    /// The core alone, with answers that were never asked for.
    fn o3_any_order_of_inputs_leaves_the_maps_in_agreement(inputs: Vec<Input>) -> bool {
        let mut worker = worker();
        inputs.into_iter().all(|input| {
            let _ = worker.handle(input);
            worker.agreement().is_ok()
        })
    }

    /// With answers, and from any state that leads to: firing the timers that are armed closes the server.
    fn l1_timers_alone_close_a_server_whatever_happened(inputs: Vec<Input>, blocked: bool) -> bool {
        let mut worker = worker();
        for input in inputs {
            let _ = settle(&mut worker, input, blocked);
            if worker.agreement().is_err() {
                return false;
            }
        }
        let deadline = Duration::from_secs(3);
        let _ = settle(&mut worker, Input::ServerCloseRequested { deadline }, blocked);
        while let Some(timer) = worker.timers().first().copied() {
            let _ = settle(&mut worker, Input::TimerFired(timer), blocked);
        }
        let _ = settle(&mut worker, Input::ReleaseGranted, blocked);
        worker.phase() == WorkerPhase::Released && worker.agreement().is_ok()
    }

    /// Each transport is reported closed once, says at most one close_notify, and is not heard of again.
    fn x5_a_transport_is_reported_once_and_then_silent(inputs: Vec<Input>, blocked: bool) -> bool {
        let mut worker = worker();
        let mut said: BTreeMap<TransportId, usize> = BTreeMap::new();
        let mut closed = BTreeSet::new();
        let mut inputs = inputs;
        // An id is never used twice.
        let mut created = BTreeSet::new();
        inputs.retain(|input| {
            let Input::TransportCreated { transport, .. } = input else { return true };
            created.insert(*transport)
        });
        for input in inputs {
            for output in settle(&mut worker, input, blocked) {
                if let Output::MakeCloseNotify(transport) = output {
                    *said.entry(transport).or_default() += 1;
                } else if let Output::Emit { transport, .. } = output && closed.contains(&transport) {
                    return false;
                } else if let Output::ReportClosed { transport, .. } = output && !closed.insert(transport) {
                    return false;
                }
            }
        }
        said.values().all(|count| *count <= 1)
    }
}
