//! Who takes part in a run, each with the part of the model that it is simulated on.
//!
//! The model knows three transports, four connections and two workers; a run has many. But transports share nothing
//! except their worker and the tuples that change hands, and actions of transports that share nothing commute (which
//! the model checks of itself). So each is simulated by itself, on a worker of its own, with one companion that stands
//! for all others of that worker: it decides when the worker is drained. Of the other workers a worker sees nothing but
//! the grant, which is late; that it is not early is a rule about the whole log.
//!
//! A tuple that changes hands is an exchange between two projections: in that of the former owner its companion takes
//! the tuple, in that of the new one it comes from the companion, or from nowhere. That they agree is a rule as well:
//! no tuple is two transports' of one worker, and no connection is at two workers.

use super::log::{ConnectionView, Effect, Entry, Input, Step, Tuple, Verdict, What};
use std::collections::BTreeMap;
use std::fmt;
use std::net::SocketAddr;
use webrtc_server_model::{
    Action, AddressId, Aspects, CONNECTIONS_MAX, Config, ConnectionId, KernelAspects, ListenerId,
    OwnerAspects, Role, SocketId, State, StunCheck, TUPLES_MAX, TransportConfig, TransportId,
    WorkerId, step,
};

/// A transport with its connections, or a connection that is nobody's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Party {
    /// The worker at which it is.
    pub(super) worker: usize,
    /// The transport.
    pub(super) transport: Option<u64>,
    /// The UDP tuples of its peer, in the order in which they showed.
    pub(super) addresses: Vec<(u32, SocketAddr)>,
    /// Its connections, in the order of their ids.
    pub(super) stays: Vec<Stay>,
}

/// A connection for as long as it is at one worker and no other transport's than this one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Stay {
    /// The connection.
    pub(super) connection: u64,
    /// The entry with which it came.
    pub(super) from: u64,
    /// The first entry that is no part of this.
    pub(super) until: u64,
    /// It was another transport's or another worker's before, and something may still have to be written on it.
    pub(super) inherited: bool,
    /// At the end it goes on elsewhere.
    pub(super) leaves: bool,
}

impl fmt::Display for Party {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.transport, self.stays.first()) {
            (Some(transport), _) => write!(f, "transport {transport}"),
            (None, Some(stay)) => write!(
                f,
                "connection {} of worker {}, which was nobody's",
                stay.connection, self.worker
            ),
            (None, None) => f.write_str("nobody"),
        }
    }
}

/// The carriers of a worker, in the order of the model's ids.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Carriers {
    pub(super) sockets: Vec<u32>,
    pub(super) listeners: Vec<u32>,
    pub(super) tuples_max: usize,
}

impl Carriers {
    pub(super) fn of(log: &[Entry]) -> Option<Self> {
        let What::Begun(begun) = &log.first()?.what else { return None };
        Some(Carriers {
            sockets: begun.sockets.clone(),
            listeners: begun.listeners.clone(),
            tuples_max: begun.tuples_max,
        })
    }

    pub(super) fn socket(&self, id: u32) -> Option<SocketId> {
        self.sockets.iter().position(|socket| *socket == id).map(|at| SocketId(at as u8))
    }

    pub(super) fn listener(&self, id: u32) -> Option<ListenerId> {
        self.listeners.iter().position(|listener| *listener == id).map(|at| ListenerId(at as u8))
    }
}

/// The steps of a log.
pub(super) fn steps(log: &[Entry]) -> impl Iterator<Item = (u64, &Step)> {
    log.iter().filter_map(|entry| Some((entry.n, entry.what.step()?)))
}

/// Everybody, in the order in which they showed.
pub(super) fn parties(log: &[Entry]) -> Vec<Party> {
    let mut transports: BTreeMap<u64, Party> = BTreeMap::new();
    let alone =
        |worker, transport| Party { worker, transport, addresses: Vec::new(), stays: Vec::new() };
    for (_, step) in steps(log) {
        if let Input::TransportCreated { transport } = step.input {
            transports.entry(transport).or_insert_with(|| alone(step.worker, Some(transport)));
        }
        if let Input::CheckReceived { transport, tuple: Tuple::Udp { socket, remote }, .. } =
            step.input
            && let Some(party) = transports.get_mut(&transport)
            && !party.addresses.contains(&(socket, remote))
        {
            party.addresses.push((socket, remote));
        }
    }
    let mut strangers = Vec::new();
    for Placed { worker, owner, stay } in Places::of(log) {
        match owner {
            Some(owner) => transports
                .entry(owner)
                .or_insert_with(|| alone(worker, Some(owner)))
                .stays
                .push(stay),
            None => strangers.push(Party { stays: vec![stay], ..alone(worker, None) }),
        }
    }
    // Whatever happens to all of them happens in this order.
    transports.values_mut().for_each(|party| party.stays.sort_by_key(|stay| stay.connection));
    transports.into_values().chain(strangers).collect()
}

/// A stay, at a worker, of a transport's or of nobody's.
struct Placed {
    worker: usize,
    owner: Option<u64>,
    stay: Stay,
}

/// Where each connection has been so far.
#[derive(Default)]
struct Places {
    all: Vec<Placed>,
    /// Those that are not over, by worker and connection.
    current: BTreeMap<(usize, u64), usize>,
}

impl Places {
    fn of(log: &[Entry]) -> Vec<Placed> {
        let mut places = Places::default();
        for (n, step) in steps(log) {
            places.step(n, step);
        }
        places.all
    }

    fn step(&mut self, n: u64, step: &Step) {
        if step.verdict == Verdict::Applied {
            if let Input::ConnectionAccepted { connection, .. } = step.input {
                self.begin(n, (step.worker, connection), None, false);
            } else if let Input::ConnectionTakenOver { connection, queued, .. } = step.input {
                self.begin(n, (step.worker, connection), None, queued);
            } else if let Input::ConnectionHandedOver { connection } = step.input {
                self.end(n, (step.worker, connection), true);
            }
        }
        for (connection, view) in &step.connections {
            self.change(n, (step.worker, *connection), view.as_ref());
        }
    }

    fn change(&mut self, n: u64, which: (usize, u64), view: Option<&ConnectionView>) {
        let Some(current) = self.current.get(&which).and_then(|at| self.all.get_mut(*at)) else {
            return;
        };
        match (current.owner, view.map(|view| view.owner)) {
            (_, None) => self.end(n, which, false),
            (None, Some(owner)) => current.owner = owner,
            (Some(former), Some(owner)) if owner != Some(former) => {
                self.end(n, which, true);
                self.begin(n, which, owner, true);
            }
            (Some(_), Some(_)) => {}
        }
    }

    fn begin(&mut self, n: u64, which: (usize, u64), owner: Option<u64>, inherited: bool) {
        let (worker, connection) = which;
        let stay = Stay { connection, from: n, until: u64::MAX, inherited, leaves: false };
        self.current.insert(which, self.all.len());
        self.all.push(Placed { worker, owner, stay });
    }

    /// One that leaves has no part in the entry with which it does, one that ends has.
    fn end(&mut self, n: u64, which: (usize, u64), leaves: bool) {
        let Some(at) = self.current.remove(&which) else { return };
        let stay = &mut self.all[at].stay;
        *stay = Stay { until: if leaves { n } else { n + 1 }, leaves, ..*stay };
    }
}

impl Party {
    /// The model's name of its transport.
    pub(super) fn t(&self) -> Option<TransportId> {
        self.transport.map(|_| TransportId(0))
    }

    /// The model's name of all others.
    pub(super) fn companion(&self) -> TransportId {
        TransportId(u8::from(self.transport.is_some()))
    }

    /// The model's name of one of its connections.
    pub(super) fn c(&self, connection: u64) -> Option<ConnectionId> {
        let at = self.stays.iter().position(|stay| stay.connection == connection)?;
        Some(ConnectionId(at as u8))
    }

    /// Its connections with the model's names, and when they are its.
    pub(super) fn stays(&self) -> impl Iterator<Item = (ConnectionId, &Stay)> {
        self.stays.iter().enumerate().map(|(at, stay)| (ConnectionId(at as u8), stay))
    }

    /// Is the connection its own in this entry?
    pub(super) fn has(&self, connection: u64, n: u64) -> bool {
        let is_it =
            |stay: &Stay| stay.connection == connection && (stay.from..stay.until).contains(&n);
        self.stays.iter().any(is_it)
    }

    /// The model's name of a tuple.
    pub(super) fn tuple(&self, tuple: Tuple) -> Option<webrtc_server_model::Tuple> {
        match tuple {
            Tuple::Udp { socket, remote } => {
                let at = self.addresses.iter().position(|known| *known == (socket, remote))?;
                Some(webrtc_server_model::Tuple::Udp(AddressId(at as u8)))
            }
            Tuple::Tcp(connection) => self.c(connection).map(webrtc_server_model::Tuple::Tcp),
        }
    }

    /// Is an effect in this entry about it, or about the whole worker?
    pub(super) fn is_shown(&self, effect: &Effect, n: u64) -> bool {
        match effect {
            Effect::MakeAlert { transport }
            | Effect::OfferDatagramAlert { transport, .. }
            | Effect::Unmap { transport }
            | Effect::AlertWritten { transport, .. }
            | Effect::SelectedTupleChanged { transport, .. }
            | Effect::IceStateChanged { transport, .. }
            | Effect::DtlsStateChanged { transport, .. }
            | Effect::TransportClosed { transport, .. } => Some(*transport) == self.transport,
            Effect::ShutdownWrite { connection }
            | Effect::CloseConnection { connection }
            | Effect::AbortConnection { connection } => self.has(*connection, n),
            Effect::StopAccepting { .. }
            | Effect::WorkerDrained
            | Effect::ReleaseSocket { .. }
            | Effect::ReleaseListener { .. }
            | Effect::WorkerReleased => true,
        }
    }

    /// Why the model has no room for it.
    pub(super) fn beyond_bounds(
        &self,
        log: &[Entry],
        carriers: &Carriers,
    ) -> Option<(u64, String)> {
        let mut connections: Vec<_> = self.stays.iter().map(|stay| stay.from).collect();
        connections.sort_unstable();
        if let Some(n) = connections.get(CONNECTIONS_MAX) {
            let count = connections.len();
            return Some((*n, format!("{count} connections, and the model has {CONNECTIONS_MAX}")));
        }
        let checks = self.addresses.iter().filter_map(|address| self.first_check(log, *address));
        let mut tuples: Vec<_> = connections.iter().copied().chain(checks).collect();
        tuples.sort_unstable();
        if let (Some(n), true) = (tuples.get(TUPLES_MAX), carriers.tuples_max >= TUPLES_MAX) {
            let count = tuples.len();
            return Some((*n, format!("{count} tuples, and the model has {TUPLES_MAX} at a time")));
        }
        if let Some((_, stay)) = self.stays().find(|(c, stay)| self.c(stay.connection) != Some(*c))
        {
            return Some((stay.from, format!("connection {} comes back to it", stay.connection)));
        }
        carriers.sockets.is_empty().then(|| (0, "no UDP socket for its companion".to_owned()))
    }

    /// The entry with which a UDP tuple of its peer showed.
    fn first_check(&self, log: &[Entry], (at, from): (u32, SocketAddr)) -> Option<u64> {
        let shows = |step: &Step| {
            let Input::CheckReceived { transport, tuple, .. } = step.input else { return false };
            let is_this = tuple == Tuple::Udp { socket: at, remote: from };
            self.transport == Some(transport) && is_this
        };
        steps(log).find(|(_, step)| shows(step)).map(|(n, _)| n)
    }

    /// The part of the model that it is simulated on.
    pub(super) fn config(&self, carriers: &Carriers) -> Config {
        let sockets = self.addresses.iter().filter_map(|(socket, _)| carriers.socket(*socket));
        let addresses: Vec<_> = sockets.chain([SocketId(0)]).collect();
        let ids = |count: usize| 0..count as u8;
        let aspects = Aspects { created_later: true, ..Aspects::rich() };
        let own = TransportConfig {
            worker: WorkerId(0),
            role: Role::Server,
            addresses: ids(self.addresses.len()).map(AddressId).collect(),
            connections: ids(self.stays.len()).map(ConnectionId).collect(),
            aspects,
        };
        let companion = TransportConfig {
            worker: WorkerId(0),
            role: Role::Server,
            addresses: vec![self.address_of_companion()],
            connections: Vec::new(),
            aspects: Aspects::default(),
        };
        Config {
            name: "projection",
            purpose: "one transport of a run, and a companion that stands for all others",
            workers: 1,
            sockets: vec![WorkerId(0); carriers.sockets.len()],
            listeners: vec![WorkerId(0); carriers.listeners.len()],
            addresses,
            connections: vec![ListenerId(0); self.stays.len()],
            transports: self.transport.map(|_| own).into_iter().chain([companion]).collect(),
            callers: 1,
            tuples_max: carriers.tuples_max,
            kernel: KernelAspects {
                full_sockets: true,
                full_connections: true,
                little_room: true,
                ..KernelAspects::default()
            },
            owner: OwnerAspects::default(),
            mutant: None,
        }
    }

    fn address_of_companion(&self) -> AddressId {
        AddressId(self.addresses.len() as u8)
    }

    /// Where its simulation begins: its companion has something to say at the end, or not.
    pub(super) fn beginnings(&self, config: &Config) -> Vec<State> {
        let silent = State::initial(config);
        let t = self.companion();
        let from = webrtc_server_model::Tuple::Udp(self.address_of_companion());
        let check = Action::PeerChecks { t, from, check: StunCheck::Plain };
        let talkative = step(config, &silent, check)
            .and_then(|(state, _)| step(config, &state, Action::PeerHandshakes { t }))
            .map(|(state, _)| state);
        talkative.into_iter().chain([silent]).collect()
    }
}
