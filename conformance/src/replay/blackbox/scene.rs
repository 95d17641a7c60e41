//! The peers and the owner of a foreign server, and what they do.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use webrtc_server_model::{
    Action, Config, ConnectionId, DtlsState, Phase, Role, Room, ServerPhase, State, StunCheck,
    TransportId, Tuple,
};

use super::child::Adapter;
use super::expected::Behaviours;
use super::{AdapterError, BlackboxError};
use crate::divergence::Finding;
use crate::peer::{
    DtlsPhase, DtlsRole, DtlsSession, FATAL, HANDSHAKE_FAILURE, INTERNAL_ERROR, Path, Peer,
    PeerCertificate, PeerError, Protocol, ServerCredentials, StreamEnd, TcpOptions, TcpPath, Via,
    plaintext_alert, records,
};
use crate::replay::dialogue::{LATE_SEQUENCE, TURN};
use crate::replay::kernel::{MEDIA, MESSAGE_BYTES};

/// `SO_SNDBUF` of connections that are to be full, and `SO_RCVBUF` of their peers.
const SMALL_BUFFER_BYTES: usize = 4608;
/// More than the buffers of such a connection and any queue hold.
const MESSAGES: usize = 1_000;
/// Content type of the record that begins the last part of a handshake.
const CHANGE_CIPHER_SPEC: u8 = 20;

/// A transport, and its peer.
pub(super) struct Guest {
    pub(super) id: String,
    pub(super) peer: Peer,
    former: Option<ServerCredentials>,
}

/// Where a path is by now.
enum Place {
    /// Its first check is to come.
    Loose(TcpPath),
    Of(TransportId, Via),
}

/// Everything outside of the server.
pub(super) struct Scene<'a> {
    pub(super) config: &'a Config,
    pub(super) adapter: Adapter,
    pub(super) server: String,
    pub(super) guests: Vec<Option<Guest>>,
    certificate: PeerCertificate,
    /// Of addresses, then of connections.
    addresses: Vec<Option<Via>>,
    connections: Vec<Option<Place>>,
    /// Where the server listens: UDP, TCP.
    carriers: (SocketAddr, SocketAddr),
    /// What was asked for and is answered when it is complete, and the transport if it is of one.
    pub(super) closes: Vec<(u64, Option<TransportId>)>,
    pub(super) findings: Vec<Finding>,
}

fn nonsense(during: &str, value: &Value) -> BlackboxError {
    let (during, line) = (during.to_owned(), value.to_string());
    BlackboxError::Adapter(AdapterError::Nonsense { during, line })
}

fn text(during: &str, value: &Value) -> Result<String, BlackboxError> {
    value.as_str().map(str::to_owned).ok_or_else(|| nonsense(during, value))
}

fn credentials(parameters: &Value) -> Result<ServerCredentials, BlackboxError> {
    Ok(ServerCredentials {
        ufrag: text("iceParameters", &parameters["usernameFragment"])?,
        password: text("iceParameters", &parameters["password"])?,
    })
}

/// Where a protocol is spoken, by these listen infos.
fn address(list: &Value, protocol: &str) -> Result<SocketAddr, BlackboxError> {
    let of = |entry: &&Value| entry["protocol"] == protocol;
    let entry = list.as_array().and_then(|list| list.iter().find(of));
    let parse = |entry: &Value| {
        let ip = entry["ip"].as_str()?.parse().ok()?;
        Some(SocketAddr::new(ip, u16::try_from(entry["port"].as_u64()?).ok()?))
    };
    entry.and_then(parse).ok_or_else(|| nonsense("an address", list))
}

impl<'a> Scene<'a> {
    /// A server at one UDP socket and one listener, with the transports that are there from the beginning.
    pub(super) fn new(
        config: &'a Config,
        mut adapter: Adapter,
        options: &Value,
        state: &State,
    ) -> Result<Self, BlackboxError> {
        let made = adapter.ask("createWebRtcServer", options)?;
        let server = text("createWebRtcServer", &made["webRtcServerId"])?;
        let infos = &made["listenInfos"];
        let carriers = (address(infos, "udp")?, address(infos, "tcp")?);
        let mut scene = Scene {
            config,
            adapter,
            server,
            guests: config.transports.iter().map(|_| None).collect(),
            certificate: PeerCertificate::shared().map_err(PeerError::from)?,
            addresses: config.addresses.iter().map(|_| None).collect(),
            connections: config.connections.iter().map(|_| None).collect(),
            carriers,
            closes: Vec::new(),
            findings: Vec::new(),
        };
        for t in config.transport_ids() {
            if state.core.transport(t).phase == Phase::Open {
                scene.create(t)?;
            }
        }
        Ok(scene)
    }

    /// `server`: where the server may be when this happens.
    #[expect(clippy::wildcard_enum_match_arm, reason = "the caller has sorted them out")]
    pub(super) fn perform(
        &mut self,
        server: &Behaviours<'_>,
        action: Action,
    ) -> Result<(), BlackboxError> {
        match action {
            Action::PeerConnects { c } => self.connect(c),
            Action::PeerChecks { t, from, check } => {
                let owed = server.states().all(|state| owes_answer(state, t, from));
                self.check(t, from, check, owed)
            }
            Action::PeerSendsFlight { t } => self.flight(t, server.selected(t)?),
            Action::PeerHandshakes { t } => self.handshake(t, server.selected(t)?),
            Action::PeerFailsHandshake { t } => {
                let alert = plaintext_alert(FATAL, HANDSHAKE_FAILURE, LATE_SEQUENCE);
                self.send(t, server.selected(t)?, &alert)
            }
            Action::PeerSendsFatalAlert { t } => {
                let is_connected =
                    server.states().any(|s| s.core.transport(t).dtls == DtlsState::Connected);
                let alert = match is_connected {
                    true => self.guest(t)?.peer.session().fatal_alert(INTERNAL_ERROR)?,
                    false => plaintext_alert(FATAL, INTERNAL_ERROR, LATE_SEQUENCE),
                };
                self.send(t, server.selected(t)?, &alert)
            }
            Action::PeerSendsCloseNotify { t } => {
                let via = self.via(server.selected(t)?)?;
                Ok(self.guest(t)?.peer.send_close_notify(via).map(drop)?)
            }
            Action::PeerAnswers { t } => self.answer(t),
            Action::PeerStreams { c } => Ok(self.with_path(c, |path| path.send_frame(&MEDIA))?),
            Action::PeerSendsFin { c } => Ok(self.with_path(c, |path| Ok(path.finish()?))?),
            Action::PeerResets { c } => Ok(self.with_path(c, |path| Ok(path.reset()?))?),
            Action::KernelFillsConnection { c } => self.fill(c),
            Action::KernelMakesRoomOnConnection { c } => {
                let (t, via) = self.place(c)?;
                Ok(self.guest(t)?.peer.resume(via)?)
            }
            Action::OwnerCreatesTransport { t } => {
                let closes = server.states().any(|s| s.core.server != ServerPhase::Open);
                match self.create(t) {
                    // That it closes already is the server's word; if it does not, events are missed.
                    Err(BlackboxError::Adapter(AdapterError::Refused { error, .. }))
                        if closes && error["type"] == "NotFoundError" =>
                    {
                        Ok(())
                    }
                    created => created,
                }
            }
            Action::OwnerRestartsIce { t } => self.restart_ice(t),
            Action::OwnerClosesTransport { t } => {
                let params = json!({ "transportId": self.guest(t)?.id });
                let id = self.adapter.send("closeTransport", &params)?;
                self.closes.push((id, Some(t)));
                Ok(())
            }
            Action::OwnerClosesServer { .. } => {
                let params = json!({ "webRtcServerId": self.server });
                let id = self.adapter.send("closeWebRtcServer", &params)?;
                self.closes.push((id, None));
                Ok(())
            }
            other => unreachable!("{other:?} was sorted out"),
        }
    }

    fn create(&mut self, t: TransportId) -> Result<(), BlackboxError> {
        let params = json!({ "webRtcServerId": self.server });
        let made = self.adapter.ask("createWebRtcTransport", &params)?;
        let id = text("createWebRtcTransport", &made["transportId"])?;
        let (role, name) = match self.config.transport(t).role {
            Role::Server => (DtlsRole::Client, "client"),
            Role::Client => (DtlsRole::Server, "server"),
        };
        let print = json!({ "algorithm": "sha-256", "value": self.certificate.fingerprint() });
        let dtls = json!({ "role": name, "fingerprints": [print] });
        self.adapter.ask("connect", &json!({ "transportId": id, "dtlsParameters": dtls }))?;
        let session = match role {
            DtlsRole::Client => DtlsSession::new(role, &self.certificate),
            DtlsRole::Server => DtlsSession::cautious_server(&self.certificate),
        };
        let session = session.map_err(PeerError::from)?;
        let peer = Peer::with_session(credentials(&made["iceParameters"])?, session);
        self.guests[t.index()] = Some(Guest { id, peer, former: None });
        Ok(())
    }

    fn restart_ice(&mut self, t: TransportId) -> Result<(), BlackboxError> {
        let params = json!({ "transportId": self.guest(t)?.id });
        let restarted = self.adapter.ask("restartIce", &params)?;
        let guest = self.guest(t)?;
        guest.former = Some(guest.peer.credentials().clone());
        guest.peer.set_credentials(credentials(&restarted["iceParameters"])?);
        Ok(())
    }

    /// From the port of its former use, unless the kernel keeps that.
    fn connect(&mut self, c: ConnectionId) -> Result<(), BlackboxError> {
        let former = match &self.connections[c.index()] {
            Some(_) => Some(self.with_path(c, |path| Ok(path.local_addr()))?),
            None => None,
        };
        let options = TcpOptions { receive_buffer: Some(SMALL_BUFFER_BYTES), local: former };
        let path = TcpPath::connect(self.carriers.1, options)
            .or_else(|_| TcpPath::connect(self.carriers.1, TcpOptions { local: None, ..options }));
        self.connections[c.index()] = Some(Place::Loose(path.map_err(PeerError::from)?));
        Ok(())
    }

    /// The path over which a transport is checked is its peer's from then on.
    fn check(
        &mut self,
        t: TransportId,
        from: Tuple,
        check: StunCheck,
        owed: bool,
    ) -> Result<(), BlackboxError> {
        let via = self.take_path(t, from)?;
        let patience = self.adapter.patience;
        let guest = self.guest(t)?;
        let current = guest.peer.credentials().clone();
        if check == StunCheck::WithFormerCredentials {
            let former = guest.former.clone();
            guest.peer.set_credentials(former.ok_or(BlackboxError::Lost("former credentials"))?);
        }
        let nominates = check == StunCheck::Nominating;
        let answered = match owed {
            true => guest.peer.await_check(via, nominates, patience),
            // What the server has closed meanwhile takes nothing.
            false => guest.peer.check(via, nominates).map(drop).or(Ok(())),
        };
        guest.peer.set_credentials(current);
        match answered {
            Err(PeerError::Barrier { what, .. }) => {
                self.findings.push(Finding::new(what, &"a success", &"nothing of the kind"));
                Ok(())
            }
            other => Ok(other?),
        }
    }

    fn take_path(&mut self, t: TransportId, from: Tuple) -> Result<Via, BlackboxError> {
        match from {
            Tuple::Udp(a) => {
                if let Some(via) = self.addresses[a.index()] {
                    return Ok(via);
                }
                let to = self.carriers.0;
                let via = self.guest(t)?.peer.open(Protocol::Udp, to)?;
                self.addresses[a.index()] = Some(via);
                Ok(via)
            }
            Tuple::Tcp(c) => match self.connections[c.index()].take() {
                None => Err(BlackboxError::Lost("the connection")),
                Some(Place::Of(of, via)) => {
                    self.connections[c.index()] = Some(Place::Of(of, via));
                    Ok(via)
                }
                Some(Place::Loose(path)) => {
                    let via = self.guest(t)?.peer.add_path(Path::Tcp(path));
                    self.connections[c.index()] = Some(Place::Of(t, via));
                    Ok(via)
                }
            },
        }
    }

    /// The next flight of the peer that is not its last, and the server's answer to it.
    fn flight(&mut self, t: TransportId, path: Option<Tuple>) -> Result<(), BlackboxError> {
        let (via, patience) = (self.via(path)?, self.adapter.patience);
        let peer = &mut self.guest(t)?.peer;
        if peer.phase() == DtlsPhase::New {
            peer.advance();
        }
        let waits = |peer: &Peer| peer.has_outgoing();
        peer.await_until("the flight that the peer answers", patience, waits)?;
        let is_last = |datagram: &Vec<u8>| {
            records(datagram).any(|record| record.content_type == CHANGE_CIPHER_SPEC)
        };
        if peer.outbox_mut().iter().any(is_last) {
            return Err(BlackboxError::Differs("the peer has no flight before its last one"));
        }
        peer.flush(via)?;
        peer.await_until("the answer to a flight", patience, waits)?;
        Ok(())
    }

    /// The flights that are left.
    fn handshake(&mut self, t: TransportId, path: Option<Tuple>) -> Result<(), BlackboxError> {
        let (via, patience) = (self.via(path)?, self.adapter.patience);
        let deadline = Instant::now() + patience;
        let peer = &mut self.guest(t)?.peer;
        peer.start_handshake(via)?;
        while !peer.is_connected() || peer.has_outgoing() {
            if Instant::now() >= deadline || peer.phase() == DtlsPhase::Failed {
                let phase = peer.phase();
                self.findings.push(Finding::new("the handshake", &"done", &phase));
                return Ok(());
            }
            match peer.await_readable(TURN * 100) {
                Ok(()) => drop(peer.collect()?),
                Err(PeerError::Barrier { .. }) => drop(peer.retransmit_if_due(via)?),
                Err(error) => return Err(error.into()),
            }
            peer.flush(via)?;
        }
        Ok(())
    }

    fn answer(&mut self, t: TransportId) -> Result<(), BlackboxError> {
        let patience = self.adapter.patience;
        let peer = &mut self.guest(t)?.peer;
        match peer.await_close_notify(patience) {
            Ok(()) => {}
            // Missed in the end.
            Err(PeerError::Barrier { .. }) => return Ok(()),
            Err(error) => return Err(error.into()),
        }
        match peer.observed().close_notifies.first().copied() {
            Some(via) => Ok(peer.answer_close_notify(via).map(drop)?),
            None => Ok(()),
        }
    }

    /// The server is given what the peer does not read.
    fn fill(&mut self, c: ConnectionId) -> Result<(), BlackboxError> {
        let (t, via) = self.place(c)?;
        let guest = self.guest(t)?;
        guest.peer.pause(via)?;
        let bytes = "AAAA".repeat(MESSAGE_BYTES / 3);
        let params = json!({ "transportId": guest.id, "bytes": bytes, "count": MESSAGES });
        self.adapter.ask("send", &params)?;
        Ok(())
    }

    fn send(
        &mut self,
        t: TransportId,
        path: Option<Tuple>,
        packet: &[u8],
    ) -> Result<(), BlackboxError> {
        let via = self.via(path)?;
        Ok(self.guest(t)?.peer.send_packet(via, packet)?)
    }

    /// The peers take what has come; `false` if nothing had.
    pub(super) fn collect(&mut self) -> Result<bool, BlackboxError> {
        let mut any = false;
        for guest in self.guests.iter_mut().flatten() {
            any |= guest.peer.collect()? > 0;
        }
        for place in self.connections.iter_mut().flatten() {
            if let Place::Loose(path) = place {
                path.collect().map_err(PeerError::from)?;
            }
        }
        Ok(any)
    }

    /// Peers and owner listen until it is as wanted; `false` when it was not in time.
    pub(super) fn await_until(
        &mut self,
        wanted: impl Fn(&Self) -> bool,
    ) -> Result<bool, BlackboxError> {
        let deadline = Instant::now() + self.adapter.patience;
        loop {
            let any = self.collect()?;
            if wanted(self) {
                return Ok(true);
            }
            if Instant::now() >= deadline {
                return Ok(false);
            }
            self.adapter.hear(if any { Duration::ZERO } else { TURN })?;
        }
    }

    /// How the server's half of a connection ended, as far as its peer has read.
    pub(super) fn end(&self, c: ConnectionId) -> Option<StreamEnd> {
        match self.connections[c.index()].as_ref()? {
            Place::Loose(path) => Some(path.end()),
            Place::Of(t, via) => self.guests[t.index()].as_ref()?.peer.end(*via).ok(),
        }
    }

    /// Where the server listens: UDP, TCP.
    pub(super) fn carriers(&self) -> (SocketAddr, SocketAddr) {
        self.carriers
    }

    pub(super) fn guest(&mut self, t: TransportId) -> Result<&mut Guest, BlackboxError> {
        self.guests[t.index()].as_mut().ok_or(BlackboxError::Lost("the transport"))
    }

    fn place(&self, c: ConnectionId) -> Result<(TransportId, Via), BlackboxError> {
        match &self.connections[c.index()] {
            Some(Place::Of(t, via)) => Ok((*t, *via)),
            Some(Place::Loose(_)) | None => Err(BlackboxError::Lost("whose connection it is")),
        }
    }

    /// What the peer calls a path that was checked.
    fn via(&self, path: Option<Tuple>) -> Result<Via, BlackboxError> {
        match path {
            Some(Tuple::Udp(a)) => self.addresses[a.index()].ok_or(BlackboxError::Lost("the path")),
            Some(Tuple::Tcp(c)) => self.place(c).map(|(_, via)| via),
            None => Err(BlackboxError::Lost("the selected path")),
        }
    }

    fn with_path<T>(
        &mut self,
        c: ConnectionId,
        act: impl FnOnce(&mut TcpPath) -> Result<T, PeerError>,
    ) -> Result<T, BlackboxError> {
        let lost = BlackboxError::Lost("the connection");
        Ok(match self.connections[c.index()].as_mut().ok_or(lost)? {
            Place::Loose(path) => act(path)?,
            Place::Of(t, via) => {
                let (t, via) = (*t, *via);
                act(self.guest(t)?.peer.tcp(via)?)?
            }
        })
    }
}

/// Whether a check is answered, and at once.
fn owes_answer(state: &State, t: TransportId, from: Tuple) -> bool {
    let has_room = from.connection().is_none_or(|c| {
        let connection = state.core.connection(c);
        let is_open = connection.owner().is_none_or(|owner| owner == t) && connection.is_live();
        is_open && connection.queue().is_empty() && state.world.stream(c).room == Room::Plenty
    });
    state.core.transport(t).phase == Phase::Open && has_room
}
