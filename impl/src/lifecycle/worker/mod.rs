//! The lifecycle of one worker's share of a server: one input in, its outputs out, nothing else.
//!
//! The shell keeps one contract: *feed one input, perform all outputs in order, feed the answers in the order in which
//! they arose, and only then wait for the world*.
//!
//! | File | What is decided there |
//! |---|---|
//! | `mod.rs` | creation, timers, dispatch |
//! | `checks.rs` | what an authenticated STUN check changes; loss of tuples, consent |
//! | `dtls.rs` | handshake, application data, the peer's alerts |
//! | `farewells.rs` | how far the one close_notify has come |
//! | `connections.rs` | TCP connections and their queues |
//! | `closing.rs` | the walk through the close order |
//! | `agreement.rs` | what must hold between the maps, whatever happened |
//! | `mutants.rs` | what only a [`Mutant`] does |

mod agreement;
mod checks;
mod closing;
mod connections;
mod dtls;
mod farewells;
#[cfg(all(test, feature = "testing"))]
mod mutant_tests;
mod mutants;
#[cfg(test)]
mod properties;
#[cfg(test)]
mod tests;

use super::connection::Connection;
use super::ids::{ConnectionId, ListenerId, SocketId, TransportId};
use super::input::Input;
use super::limits::Limits;
use super::output::{Event, Output, Step, Verdict};
use super::routing::{Credentials, Routes};
use super::state::DtlsReason;
use super::timer::Timer;
use super::transport::{Phase, Transport};
use crate::mutants::{Mutant, Planted};
use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::time::Duration;

/// Where a worker stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum WorkerPhase {
    /// In use.
    Open,
    /// At this step of [`WORKER_CLOSE_ORDER`](super::close_order::WORKER_CLOSE_ORDER).
    Closing {
        /// The step.
        step: usize,
    },
    /// Nothing is left.
    Released,
}

/// One worker's share of a server.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Worker {
    phase: WorkerPhase,
    limits: Limits,
    transports: BTreeMap<TransportId, Transport>,
    connections: BTreeMap<ConnectionId, Connection>,
    /// Those that no check has bound, by source: a stranger's next one is judged by their number.
    strangers: BTreeSet<(IpAddr, ConnectionId)>,
    routes: Routes,
    timers: BTreeSet<Timer>,
    sockets: BTreeSet<SocketId>,
    listeners: BTreeSet<ListenerId>,
    planted: Planted,
}

type Outputs = Vec<Output>;

impl Worker {
    /// A worker with these carriers, which are open and bound.
    pub fn new(
        limits: Limits,
        sockets: impl IntoIterator<Item = SocketId>,
        listeners: impl IntoIterator<Item = ListenerId>,
    ) -> Self {
        Worker {
            phase: WorkerPhase::Open,
            limits,
            transports: BTreeMap::new(),
            connections: BTreeMap::new(),
            strangers: BTreeSet::new(),
            routes: Routes::default(),
            timers: BTreeSet::new(),
            sockets: sockets.into_iter().collect(),
            listeners: listeners.into_iter().collect(),
            planted: Planted::default(),
        }
    }

    /// The same worker with one mutant.
    #[cfg(feature = "testing")]
    #[must_use]
    pub fn with_mutant(mut self, mutant: Option<Mutant>) -> Self {
        self.planted = Planted::new(mutant);
        self
    }

    /// Where it stands.
    pub fn phase(&self) -> WorkerPhase {
        self.phase
    }

    /// The transports that are not closed, by id.
    pub fn transports(&self) -> &BTreeMap<TransportId, Transport> {
        &self.transports
    }

    /// The connections that are not gone, by id.
    pub fn connections(&self) -> &BTreeMap<ConnectionId, Connection> {
        &self.connections
    }

    /// The routing tables.
    pub fn routes(&self) -> &Routes {
        &self.routes
    }

    /// The timers that are armed.
    pub fn timers(&self) -> &BTreeSet<Timer> {
        &self.timers
    }

    /// The UDP sockets that are not released.
    pub fn sockets(&self) -> &BTreeSet<SocketId> {
        &self.sockets
    }

    /// The TCP listeners that are not released.
    pub fn listeners(&self) -> &BTreeSet<ListenerId> {
        &self.listeners
    }

    /// What [`Output::WriteTcp`] writes next: the rest of the first frame; empty when nothing waits.
    pub fn unwritten(&self, connection: ConnectionId) -> &[u8] {
        self.connections.get(&connection).map_or(&[], |c| c.queue.unwritten())
    }

    /// The transport with this ufrag, and the credentials that a check with it must prove.
    pub fn by_ufrag(&self, ufrag: &str) -> Option<(TransportId, &Credentials)> {
        let id = self.routes.by_ufrag(ufrag)?;
        let ice = &self.transports.get(&id)?.ice;
        if ice.credentials.ufrag == ufrag {
            return Some((id, &ice.credentials));
        }
        ice.previous.as_ref().map(|previous| (id, previous))
    }

    /// Takes one input in.
    pub fn handle(&mut self, input: Input) -> Step {
        let mut outputs = Outputs::new();
        let verdict = self.dispatch(input, &mut outputs);
        self.advance(&mut outputs);
        Step { verdict, outputs }
    }

    fn dispatch(&mut self, input: Input, out: &mut Outputs) -> Verdict {
        match input {
            Input::TransportCreated { transport, credentials, consent } => {
                self.create_transport(transport, credentials, consent)
            }
            Input::ConnectRequested { transport, remote_role, fingerprints } => {
                self.connect(transport, remote_role, fingerprints, out)
            }
            Input::IceRestarted { transport, credentials } => {
                self.restart_ice(transport, credentials)
            }
            Input::DataSubmitted { transport, data } => self.submit_data(transport, data, out),
            Input::TransportCloseRequested { transport } => self.close_transport(transport, out),
            Input::ServerCloseRequested { deadline } => self.close_server(deadline, out),
            Input::ReleaseGranted => self.grant_release(out),
            Input::ConnectionAccepted { connection, listener, remote } => {
                self.accept(connection, listener, remote, out)
            }
            Input::ConnectionHandedOver { connection } => self.hand_over(connection, out),
            Input::ConnectionTakenOver { connection, listener, remote, queue } => {
                self.take_over(connection, listener, remote, queue, out)
            }
            Input::ConnectionFinished { connection } => self.finish(connection, out),
            Input::ConnectionReset { connection } => self.reset(connection, out),
            Input::ConnectionWritable { connection } => self.writable(connection, out),
            Input::BytesWritten { connection, bytes } => self.wrote(connection, bytes, out),
            Input::ConnectionBlocked { connection } => self.blocked(connection),
            Input::ConnectionAcknowledged { connection } => self.acknowledged(connection, out),
            Input::SocketWritable { socket } => self.socket_writable(socket, out),
            Input::CheckReceived { tuple, transport, check, reply } => {
                self.check(tuple, transport, &check, reply, out)
            }
            Input::TupleTaken { tuple } => self.yield_tuple(tuple, out),
            Input::CheckRefused { tuple, reply } => self.refuse_check(tuple, reply, out),
            Input::DtlsReceived { tuple, datagram } => self.dtls_received(tuple, datagram, out),
            Input::JunkReceived { tuple } => self.junk_received(tuple, out),
            Input::RecordsMade { transport, datagram, kind } => {
                self.send_records(transport, datagram, kind, out)
            }
            Input::CloseNotifyMade { transport, datagram } => {
                self.farewell_made(transport, datagram, out)
            }
            Input::CloseNotifySent { transport } => self.farewell_sent(transport, out),
            Input::CloseNotifyBlocked { transport } => self.farewell_blocked(transport, out),
            Input::CloseNotifyFailed { transport, reason } => {
                self.farewell_dropped(transport, reason, out)
            }
            Input::HandshakeCompleted { transport } => self.handshake_completed(transport, out),
            Input::HandshakeFailed { transport, reason } => {
                self.handshake_failed(transport, reason, out)
            }
            Input::CloseNotifyReceived { transport } => self.close_notify_received(transport, out),
            Input::FatalAlertReceived { transport, code } => {
                self.fatal_alert_received(transport, code, out)
            }
            Input::DataReceived { transport, data } => self.data_received(transport, data, out),
            Input::TimerFired(timer) => self.timer_fired(timer, out),
        }
    }

    //= CLS-22
    fn create_transport(
        &mut self,
        id: TransportId,
        credentials: Credentials,
        consent: Option<Duration>,
    ) -> Verdict {
        if self.phase != WorkerPhase::Open {
            if self.is(Mutant::RegistrationLeft) {
                self.routes.map_ufrag(&credentials.ufrag, id);
            }
            return Verdict::Late;
        }
        if self.transports.contains_key(&id) || !self.routes.map_ufrag(&credentials.ufrag, id) {
            return Verdict::Impossible;
        }
        self.transports.insert(id, Transport::new(credentials, consent));
        Verdict::Applied
    }

    //= CLS-25
    //= L5
    fn timer_fired(&mut self, timer: Timer, out: &mut Outputs) -> Verdict {
        if !self.timers.remove(&timer) {
            return Verdict::Late;
        }
        match timer {
            Timer::Consent(transport) => self.expire_consent(transport, out),
            Timer::Handshake(transport) => {
                self.handshake_failed(transport, DtlsReason::HandshakeTimeout, out)
            }
            Timer::Farewell(transport) => self.farewell_deadline(transport, out),
            Timer::Bind(connection) => self.bind_deadline(connection, out),
            Timer::Linger(connection) => self.linger_deadline(connection, out),
            Timer::Server => self.server_deadline(out),
        }
    }

    fn arm(&mut self, timer: Timer, after: Duration, out: &mut Outputs) {
        self.timers.insert(timer);
        out.push(Output::ArmTimer { timer, after });
    }

    fn disarm(&mut self, timer: Timer, out: &mut Outputs) {
        if self.timers.remove(&timer) {
            out.push(Output::DisarmTimer(timer));
        }
    }

    /// The transport, if it is open.
    fn open(&mut self, id: TransportId) -> Option<&mut Transport> {
        self.transports.get_mut(&id).filter(|transport| transport.phase == Phase::Open)
    }
}

/// Tells the owner of an open transport.
fn emit(transport: TransportId, event: Event, out: &mut Outputs) {
    out.push(Output::Emit { transport, event });
}
