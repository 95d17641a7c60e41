//! Who takes part in a run, each with the part of the model that it is simulated on.
//!
//! The model knows three transports and four connections; a run has many. But transports share nothing except their
//! worker, and actions of transports that share nothing commute (which the model checks of itself), so each can be
//! simulated by itself, with one companion that stands for all others: it decides when the worker is drained.

use super::log::{Effect, Entry, Input, Step, Tuple, Verdict, What};
use std::collections::BTreeMap;
use std::fmt;
use std::net::SocketAddr;
use webrtc_server_model::{
    Action, AddressId, Aspects, CONNECTIONS_MAX, Config, ConnectionId, KernelAspects, ListenerId,
    OwnerAspects, Role, SocketId, State, StunCheck, TUPLES_MAX, TransportConfig, TransportId,
    WorkerId, step,
};

/// A transport with its connections, or a connection that never was anybody's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Party {
    /// The transport.
    pub(super) transport: Option<u64>,
    /// The UDP tuples of its peer, in the order in which they showed.
    pub(super) addresses: Vec<(u32, SocketAddr)>,
    /// Its connections, in the order in which they were accepted.
    pub(super) connections: Vec<u64>,
}

impl fmt::Display for Party {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.transport, self.connections.first()) {
            (Some(transport), _) => write!(f, "transport {transport}"),
            (None, Some(connection)) => write!(f, "connection {connection}, which was nobody's"),
            (None, None) => f.write_str("nobody"),
        }
    }
}

/// The carriers of the worker, in the order of the model's ids.
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
    let owners = owners(log);
    let mut transports: BTreeMap<u64, Party> = BTreeMap::new();
    let mut strangers = Vec::new();
    let alone = |transport, connections| Party { transport, addresses: Vec::new(), connections };
    for (_, step) in steps(log) {
        if let Input::TransportCreated { transport } = step.input {
            transports.entry(transport).or_insert_with(|| alone(Some(transport), Vec::new()));
        }
        if let (Input::ConnectionAccepted { connection, .. }, Verdict::Applied) =
            (&step.input, step.verdict)
        {
            match owners.get(connection) {
                Some(owner) => transports
                    .entry(*owner)
                    .or_insert_with(|| alone(Some(*owner), Vec::new()))
                    .connections
                    .push(*connection),
                None => strangers.push(alone(None, vec![*connection])),
            }
        }
        if let Input::CheckReceived { transport, tuple: Tuple::Udp { socket, remote }, .. } =
            step.input
            && let Some(party) = transports.get_mut(&transport)
            && !party.addresses.contains(&(socket, remote))
        {
            party.addresses.push((socket, remote));
        }
    }
    transports.into_values().chain(strangers).collect()
}

/// The first transport that each connection was a tuple of.
fn owners(log: &[Entry]) -> BTreeMap<u64, u64> {
    let mut owners = BTreeMap::new();
    for (_, step) in steps(log) {
        for (connection, view) in &step.connections {
            if let Some(owner) = view.as_ref().and_then(|view| view.owner) {
                owners.entry(*connection).or_insert(owner);
            }
        }
    }
    owners
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
        let at = self.connections.iter().position(|known| *known == connection)?;
        Some(ConnectionId(at as u8))
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

    /// Is an effect about it, or about the whole worker?
    pub(super) fn is_shown(&self, effect: &Effect) -> bool {
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
            | Effect::AbortConnection { connection } => self.connections.contains(connection),
            Effect::StopAccepting { .. }
            | Effect::WorkerDrained
            | Effect::ReleaseSocket { .. }
            | Effect::ReleaseListener { .. }
            | Effect::WorkerReleased => true,
        }
    }

    /// Why the model has no room for it.
    pub(super) fn beyond_bounds(&self, carriers: &Carriers) -> Option<String> {
        let tuples = self.addresses.len() + self.connections.len();
        if self.connections.len() > CONNECTIONS_MAX {
            return Some(format!(
                "{} connections, and the model has {CONNECTIONS_MAX}",
                self.connections.len()
            ));
        }
        if tuples > TUPLES_MAX && carriers.tuples_max >= TUPLES_MAX {
            return Some(format!("{tuples} tuples, and the model has {TUPLES_MAX} at a time"));
        }
        carriers.sockets.is_empty().then(|| "no UDP socket for its companion".to_owned())
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
            connections: ids(self.connections.len()).map(ConnectionId).collect(),
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
            connections: vec![ListenerId(0); self.connections.len()],
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
