//! What the real core says, in the words of the log.

use super::log::{
    ConnectionPhase, ConnectionView, Effect, Farewell, Input, Sizes, Timer, TransportView, Tuple,
    Verdict, WorkerPhase,
};
use webrtc_server::lifecycle as real;
use webrtc_server::lifecycle::{About, Event, Output, Worker};

pub(super) fn tuple(tuple: real::Tuple) -> Tuple {
    match tuple {
        real::Tuple::Udp { socket, remote } => Tuple::Udp { socket: socket.0, remote },
        real::Tuple::Tcp(connection) => Tuple::Tcp(connection.0),
    }
}

fn timer(timer: real::Timer) -> Timer {
    match timer {
        real::Timer::Consent(id) => Timer::Consent(id.0),
        real::Timer::Handshake(id) => Timer::Handshake(id.0),
        real::Timer::Farewell(id) => Timer::Farewell(id.0),
        real::Timer::Bind(id) => Timer::Bind(id.0),
        real::Timer::Linger(id) => Timer::Linger(id.0),
        real::Timer::Server => Timer::Server,
    }
}

pub(super) fn verdict(verdict: real::Verdict) -> Verdict {
    match verdict {
        real::Verdict::Applied => Verdict::Applied,
        real::Verdict::Repeated => Verdict::Repeated,
        real::Verdict::Late => Verdict::Late,
        real::Verdict::Impossible => Verdict::Impossible,
    }
}

pub(super) fn phase(phase: real::WorkerPhase) -> WorkerPhase {
    match phase {
        real::WorkerPhase::Open => WorkerPhase::Open,
        real::WorkerPhase::Closing { .. } => WorkerPhase::Closing,
        real::WorkerPhase::Released => WorkerPhase::Released,
    }
}

/// An input without its bytes. `core` is the one that has taken it in.
pub(super) fn input(input: &real::Input, core: &Worker) -> Input {
    match input {
        real::Input::TransportCreated { transport, .. } => {
            Input::TransportCreated { transport: transport.0 }
        }
        real::Input::ConnectRequested { transport, .. } => {
            Input::ConnectRequested { transport: transport.0 }
        }
        real::Input::IceRestarted { transport, .. } => {
            Input::IceRestarted { transport: transport.0 }
        }
        real::Input::DataSubmitted { transport, .. } => {
            Input::DataSubmitted { transport: transport.0 }
        }
        real::Input::TransportCloseRequested { transport } => {
            Input::TransportCloseRequested { transport: transport.0 }
        }
        real::Input::ServerCloseRequested { .. } => Input::ServerCloseRequested,
        real::Input::ReleaseGranted => Input::ReleaseGranted,
        real::Input::SocketWritable { socket } => Input::SocketWritable { socket: socket.0 },
        real::Input::CheckReceived { tuple: from, transport, check, .. } => Input::CheckReceived {
            transport: transport.0,
            tuple: tuple(*from),
            former: check.credential == real::Credential::Previous,
            nominates: nominates(check, *transport, core),
        },
        real::Input::CheckRefused { tuple: from, .. } => {
            Input::CheckRefused { tuple: tuple(*from) }
        }
        real::Input::DtlsReceived { tuple: from, .. } => {
            Input::DtlsReceived { tuple: tuple(*from) }
        }
        real::Input::JunkReceived { tuple: from } => Input::JunkReceived { tuple: tuple(*from) },
        real::Input::RecordsMade { transport, .. } => Input::RecordsMade { transport: transport.0 },
        real::Input::TimerFired(fired) => Input::TimerFired { timer: timer(*fired) },
        real::Input::TupleTaken { tuple: taken } => Input::TupleTaken { tuple: tuple(*taken) },
        real::Input::ConnectionHandedOver { .. }
        | real::Input::ConnectionTakenOver { .. }
        | real::Input::ConnectionAccepted { .. }
        | real::Input::ConnectionFinished { .. }
        | real::Input::ConnectionReset { .. }
        | real::Input::ConnectionWritable { .. }
        | real::Input::BytesWritten { .. }
        | real::Input::ConnectionBlocked { .. }
        | real::Input::ConnectionAcknowledged { .. } => of_connection(input),
        real::Input::CloseNotifyMade { .. }
        | real::Input::CloseNotifySent { .. }
        | real::Input::CloseNotifyBlocked { .. }
        | real::Input::CloseNotifyFailed { .. }
        | real::Input::HandshakeCompleted { .. }
        | real::Input::HandshakeFailed { .. }
        | real::Input::CloseNotifyReceived { .. }
        | real::Input::FatalAlertReceived { .. }
        | real::Input::DataReceived { .. } => of_dtls(input),
    }
}

#[expect(clippy::wildcard_enum_match_arm, reason = "the caller has sorted them out")]
fn of_connection(input: &real::Input) -> Input {
    match input {
        real::Input::ConnectionAccepted { connection, listener, remote } => {
            let remote = Some(*remote);
            Input::ConnectionAccepted { connection: connection.0, listener: listener.0, remote }
        }
        real::Input::ConnectionHandedOver { connection } => {
            Input::ConnectionHandedOver { connection: connection.0 }
        }
        real::Input::ConnectionTakenOver { connection, listener, remote, queue } => {
            Input::ConnectionTakenOver {
                connection: connection.0,
                listener: listener.0,
                remote: *remote,
                queued: !queue.is_empty(),
            }
        }
        real::Input::ConnectionFinished { connection } => {
            Input::ConnectionFinished { connection: connection.0 }
        }
        real::Input::ConnectionReset { connection } => {
            Input::ConnectionReset { connection: connection.0 }
        }
        real::Input::ConnectionWritable { connection } => {
            Input::ConnectionWritable { connection: connection.0 }
        }
        real::Input::BytesWritten { connection, .. } => {
            Input::BytesWritten { connection: connection.0 }
        }
        real::Input::ConnectionBlocked { connection } => {
            Input::ConnectionBlocked { connection: connection.0 }
        }
        real::Input::ConnectionAcknowledged { connection } => {
            Input::ConnectionAcknowledged { connection: connection.0 }
        }
        _ => unreachable!("{input:?} is not about a connection"),
    }
}

#[expect(clippy::wildcard_enum_match_arm, reason = "the caller has sorted them out")]
fn of_dtls(input: &real::Input) -> Input {
    match input {
        real::Input::CloseNotifyMade { transport, datagram } => {
            Input::CloseNotifyMade { transport: transport.0, made: datagram.is_some() }
        }
        real::Input::CloseNotifySent { transport } => {
            Input::CloseNotifySent { transport: transport.0 }
        }
        real::Input::CloseNotifyBlocked { transport } => {
            Input::CloseNotifyBlocked { transport: transport.0 }
        }
        real::Input::CloseNotifyFailed { transport, reason } => {
            Input::CloseNotifyFailed { transport: transport.0, reason: *reason }
        }
        real::Input::HandshakeCompleted { transport } => {
            Input::HandshakeCompleted { transport: transport.0 }
        }
        real::Input::HandshakeFailed { transport, .. } => {
            Input::HandshakeFailed { transport: transport.0 }
        }
        real::Input::CloseNotifyReceived { transport } => {
            Input::CloseNotifyReceived { transport: transport.0 }
        }
        real::Input::FatalAlertReceived { transport, .. } => {
            Input::FatalAlertReceived { transport: transport.0 }
        }
        real::Input::DataReceived { transport, .. } => {
            Input::DataReceived { transport: transport.0 }
        }
        _ => unreachable!("{input:?} does not come from DTLS"),
    }
}

/// A NOMINATION decides alone; it counts if the agent has taken it in.
fn nominates(check: &real::Check, transport: real::TransportId, core: &Worker) -> bool {
    let Some(value) = check.nomination else { return check.use_candidate };
    let agent = core.transports().get(&transport).map(|transport| &transport.ice);
    agent.is_some_and(|ice| ice.nomination == Some(value))
}

/// The effect of an output, if somebody outside can tell that it was done.
pub(super) fn effect(output: &Output) -> Option<Effect> {
    Some(match output {
        Output::SendDatagram { socket, about: About::CloseNotify(id), .. } => {
            Effect::OfferDatagramAlert { transport: id.0, socket: socket.0 }
        }
        Output::ShutdownTcp(id) => Effect::ShutdownWrite { connection: id.0 },
        Output::CloseTcp(id) => Effect::CloseConnection { connection: id.0 },
        Output::AbortTcp(id) => Effect::AbortConnection { connection: id.0 },
        Output::StopAccepting(id) => Effect::StopAccepting { listener: id.0 },
        Output::ReleaseListener(id) => Effect::ReleaseListener { listener: id.0 },
        Output::ReleaseSocket(id) => Effect::ReleaseSocket { socket: id.0 },
        Output::MakeCloseNotify(id) => Effect::MakeAlert { transport: id.0 },
        Output::Emit { transport, event } => return of_event(transport.0, event),
        Output::ReportClosed { transport, reason, outcome } => {
            Effect::TransportClosed { transport: transport.0, reason: *reason, outcome: *outcome }
        }
        Output::AcknowledgeDrained => Effect::WorkerDrained,
        Output::AcknowledgeReleased => Effect::WorkerReleased,
        // Replies and records may be lost, and what was written is said by the answer. What goes into DTLS and what is
        // counted changes nothing here, and deadlines are logged as state.
        Output::SendDatagram { about: About::Reply | About::Records(_), .. }
        | Output::WriteTcp(_)
        | Output::StartDtls { .. }
        | Output::ExpectFingerprints { .. }
        | Output::FeedDtls { .. }
        | Output::EncryptData { .. }
        | Output::DropDtls(_)
        | Output::ArmTimer { .. }
        | Output::DisarmTimer(_)
        | Output::CountDropped { .. } => return None,
    })
}

fn of_event(transport: u64, event: &Event) -> Option<Effect> {
    Some(match event {
        Event::IceStateChanged(state) => Effect::IceStateChanged { transport, state: *state },
        Event::SelectedTupleChanged(selected) => {
            Effect::SelectedTupleChanged { transport, tuple: selected.map(tuple) }
        }
        Event::DtlsStateChanged(state, _) => Effect::DtlsStateChanged { transport, state: *state },
        Event::DataReceived(_) => return None,
    })
}

pub(super) fn transport(
    id: real::TransportId,
    transport: &real::Transport,
    core: &Worker,
) -> TransportView {
    let timers = [real::Timer::Consent(id), real::Timer::Handshake(id), real::Timer::Farewell(id)];
    let runs = |wanted: &real::Timer| core.timers().contains(wanted);
    TransportView {
        closing: match transport.phase {
            real::Phase::Open => None,
            real::Phase::Closing { reason, .. } => Some(reason),
        },
        ice: transport.ice.state,
        dtls: transport.dtls,
        tuples: transport.ice.tuples.iter().copied().map(tuple).collect(),
        selected: transport.ice.selected.map(tuple),
        ufrags: core.routes().ufrags().filter(|(_, owner)| *owner == id).count(),
        routes: core.routes().tuples().filter(|(_, owner)| *owner == id).count(),
        farewell: farewell(&transport.farewell),
        connections: transport.connections.iter().map(|connection| connection.0).collect(),
        timers: timers.into_iter().filter(runs).map(timer).collect(),
    }
}

fn farewell(farewell: &real::Farewell) -> Farewell {
    match farewell {
        real::Farewell::Unsaid => Farewell::Unsaid,
        real::Farewell::Making(path) => Farewell::Making(tuple(*path)),
        real::Farewell::Queued(path, _) => Farewell::Queued(tuple(*path)),
        real::Farewell::Sent(path) => Farewell::Sent(tuple(*path)),
        real::Farewell::Unanswered => Farewell::Unanswered,
        real::Farewell::Confirmed => Farewell::Confirmed,
        real::Farewell::Dropped(reason) => Farewell::Dropped(*reason),
    }
}

pub(super) fn connection(
    id: real::ConnectionId,
    connection: &real::Connection,
    core: &Worker,
) -> ConnectionView {
    let timers = [real::Timer::Bind(id), real::Timer::Linger(id)];
    ConnectionView {
        phase: match connection.phase {
            real::ConnectionPhase::Unbound => ConnectionPhase::Unbound,
            real::ConnectionPhase::Bound(_) => ConnectionPhase::Bound,
            real::ConnectionPhase::Flushing { input, .. } => {
                ConnectionPhase::Flushing { ended: input == real::InputHalf::Finished }
            }
            real::ConnectionPhase::Draining { .. } => ConnectionPhase::Draining,
        },
        owner: connection.owner().map(|owner| owner.0),
        alert: connection.queue.holds_alert(),
        timer: timers.into_iter().find(|wanted| core.timers().contains(wanted)).map(timer),
    }
}

pub(super) fn sizes(core: &Worker) -> Sizes {
    Sizes {
        transports: core.transports().len(),
        connections: core.connections().len(),
        ufrags: core.routes().ufrags().count(),
        tuples: core.routes().tuples().count(),
        parting: core.routes().parting().count(),
        timers: core.timers().len(),
        sockets: core.sockets().len(),
        listeners: core.listeners().len(),
    }
}
