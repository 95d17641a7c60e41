//! The constants that the real core needs and the model does not know, and how names translate. Nowhere else is an
//! address, an id or a credential made up.

use super::abstraction::Place;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Duration;
use webrtc_server::lifecycle as real;
use webrtc_server_model as model;

/// Who is who where addresses and ids are not made up: the shell's connections are numbered as they come, and the
/// kernel chooses ports.
pub(crate) trait Names {
    /// A connection in its latest use; none if it was never opened.
    fn connection(&self, c: model::ConnectionId) -> Option<real::ConnectionId>;

    /// The connection of the model behind a real id, in whichever use.
    fn model_connection(&self, id: real::ConnectionId) -> Result<model::ConnectionId, String>;

    /// The address of the model from which datagrams arrive at this socket.
    fn model_address(
        &self,
        socket: real::SocketId,
        remote: SocketAddr,
    ) -> Result<model::AddressId, String>;

    /// The UDP socket of the model behind a real id.
    fn model_socket(&self, id: real::SocketId) -> Result<model::SocketId, String>;

    /// The TCP listener of the model behind a real id.
    fn model_listener(&self, id: real::ListenerId) -> Result<model::ListenerId, String>;

    /// A real tuple in the model's words.
    fn model_tuple(&self, tuple: real::Tuple) -> Result<model::Tuple, String> {
        Ok(match tuple {
            real::Tuple::Udp { socket, remote } => {
                model::Tuple::Udp(self.model_address(socket, remote)?)
            }
            real::Tuple::Tcp(id) => model::Tuple::Tcp(self.model_connection(id)?),
        })
    }
}

/// The names that this file makes up.
#[derive(Clone, Copy, Debug)]
pub(super) struct MadeUp<'a> {
    /// Which carriers and addresses there are.
    pub(super) config: &'a model::Config,
    /// How often each connection was opened.
    pub(super) streams: &'a [model::Stream],
    /// Where each is.
    pub(super) places: &'a [Place],
}

impl Names for MadeUp<'_> {
    fn connection(&self, c: model::ConnectionId) -> Option<real::ConnectionId> {
        let uses = self.streams[c.index()].uses;
        (uses > 0).then(|| self.latest(c))
    }

    fn model_connection(&self, id: real::ConnectionId) -> Result<model::ConnectionId, String> {
        model_connection(id)
    }

    fn model_address(
        &self,
        socket: real::SocketId,
        remote: SocketAddr,
    ) -> Result<model::AddressId, String> {
        let mut addresses = (0..self.config.addresses.len() as u8).map(model::AddressId);
        addresses
            .find(|a| self.tuple(model::Tuple::Udp(*a)) == real::Tuple::Udp { socket, remote })
            .ok_or_else(|| format!("nobody at {remote} speaks to {socket:?}"))
    }

    fn model_socket(&self, id: real::SocketId) -> Result<model::SocketId, String> {
        u8::try_from(id.0).map(model::SocketId).map_err(|_| format!("{id:?} does not exist"))
    }

    fn model_listener(&self, id: real::ListenerId) -> Result<model::ListenerId, String> {
        u8::try_from(id.0).map(model::ListenerId).map_err(|_| format!("{id:?} does not exist"))
    }
}

impl MadeUp<'_> {
    /// A path as a tuple; that of a connection is its latest use.
    pub(super) fn tuple(&self, tuple: model::Tuple) -> real::Tuple {
        match tuple {
            model::Tuple::Udp(a) => {
                let s = self.config.socket_of(a);
                let earlier = &self.config.addresses[..a.index()];
                let nth = earlier.iter().filter(|other| **other == s).count();
                real::Tuple::Udp { socket: socket(s), remote: remote(nth as u8, 5000) }
            }
            model::Tuple::Tcp(c) => real::Tuple::Tcp(self.latest(c)),
        }
    }

    /// Each worker numbers what it accepts or takes over.
    fn latest(&self, c: model::ConnectionId) -> real::ConnectionId {
        let uses = self.streams[c.index()].uses;
        match self.places[c.index()] {
            Place::With(w) if w != self.config.home_of(c) => connection_taken_over(c, uses),
            Place::With(_) | Place::InFlight { .. } => connection_in_use(c, uses),
        }
    }
}

/// Ids of one connection, of which each use takes one. So the ids have the order in which the model has its
/// connections.
const IDS_PER_CONNECTION: u64 = 16;

/// Silence after which consent expires.
pub(crate) const CONSENT: Duration = Duration::from_secs(30);

/// A STUN success response.
pub(super) const REPLY: &[u8] = b"stun success";
/// Application data before and after encryption. Two bytes or more, so that half of a frame is a part.
pub(super) const DATA: &[u8] = b"application data";
/// A handshake flight of ours.
pub(super) const FLIGHT: &[u8] = b"flight";
/// Our close_notify.
pub(super) const ALERT: &[u8] = b"our close_notify";
/// What the peer's datagrams say, once DTLS has read them: a flight that is not its last.
pub(super) const PEER_FLIGHT: &[u8] = b"peer: flight";
/// Its last flight.
pub(super) const PEER_FINISHED: &[u8] = b"peer: finished";
/// A handshake message that no handshake survives.
pub(super) const PEER_BROKE: &[u8] = b"peer: nonsense";
/// The same, where no alert of ours is made.
pub(super) const PEER_BROKE_UNSEEN: &[u8] = b"peer: nonsense, unanswered";
/// The peer's close_notify.
pub(super) const PEER_CLOSE_NOTIFY: &[u8] = b"peer: close_notify";
/// A fatal alert of the peer.
pub(super) const PEER_FATAL_ALERT: &[u8] = b"peer: fatal alert";
/// Its code: handshake_failure.
pub(super) const FATAL_ALERT_CODE: u8 = 40;

/// The transport of the model under its real id.
pub(crate) fn transport(t: model::TransportId) -> real::TransportId {
    real::TransportId(u64::from(t.0))
}

/// The worker of the model as the barrier knows it.
pub(crate) fn worker(w: model::WorkerId) -> real::server::WorkerId {
    real::server::WorkerId(w.index())
}

/// A UDP socket of the model under its real id: one of its own, whichever worker has it.
pub(super) fn socket(s: model::SocketId) -> real::SocketId {
    real::SocketId(u32::from(s.0))
}

/// A TCP listener of the model under its real id: one of its own, whichever worker has it.
pub(super) fn listener(l: model::ListenerId) -> real::ListenerId {
    real::ListenerId(u32::from(l.0))
}

/// A connection that was opened so often: an id is never given twice, addresses and ports are.
pub(super) fn connection_in_use(c: model::ConnectionId, uses: u8) -> real::ConnectionId {
    real::ConnectionId(u64::from(c.0) * IDS_PER_CONNECTION + u64::from(uses))
}

/// The same at the worker that it was handed to.
pub(super) fn connection_taken_over(c: model::ConnectionId, uses: u8) -> real::ConnectionId {
    real::ConnectionId(connection_in_use(c, uses).0 + IDS_PER_CONNECTION / 2)
}

/// The transport of the model behind a real id.
pub(crate) fn model_transport(id: real::TransportId) -> Result<model::TransportId, String> {
    u8::try_from(id.0).map(model::TransportId).map_err(|_| format!("{id:?} was never created"))
}

/// The connection of the model behind a real id, in whichever use.
pub(super) fn model_connection(id: real::ConnectionId) -> Result<model::ConnectionId, String> {
    let c = u8::try_from(id.0 / IDS_PER_CONNECTION).ok();
    let c = c.filter(|_| !id.0.is_multiple_of(IDS_PER_CONNECTION)).map(model::ConnectionId);
    c.ok_or_else(|| format!("{id:?} was never accepted"))
}

/// The address from which a connection is opened, every time.
pub(super) fn remote_of(c: model::ConnectionId) -> SocketAddr {
    remote(c.0, 6000)
}

fn remote(host: u8, port: u16) -> SocketAddr {
    SocketAddr::new(IpAddr::V4(Ipv4Addr::new(192, 0, 2, host)), port)
}

/// The ICE credentials of a transport: the first ones, and those after so many restarts.
pub(crate) fn credentials(t: model::TransportId, restarts: usize) -> real::Credentials {
    let ufrag = format!("ufrag{}.{restarts}", t.0);
    real::Credentials { ufrag, password: format!("password{}.{restarts}", t.0) }
}

/// What the peer is, when this is what we are.
pub(crate) fn remote_role(role: model::Role) -> real::DtlsRole {
    match role {
        model::Role::Server => real::DtlsRole::Client,
        model::Role::Client => real::DtlsRole::Server,
    }
}

/// What we are.
pub(crate) fn local_role(role: model::Role) -> real::DtlsRole {
    match role {
        model::Role::Server => real::DtlsRole::Server,
        model::Role::Client => real::DtlsRole::Client,
    }
}

/// The ICE states have the same names.
pub(crate) fn ice_state(state: real::IceState) -> model::IceState {
    match state {
        real::IceState::New => model::IceState::New,
        real::IceState::Connected => model::IceState::Connected,
        real::IceState::Completed => model::IceState::Completed,
        real::IceState::Disconnected => model::IceState::Disconnected,
        real::IceState::Closed => model::IceState::Closed,
    }
}

/// The DTLS states have the same names.
pub(crate) fn dtls_state(state: real::DtlsState) -> model::DtlsState {
    match state {
        real::DtlsState::New => model::DtlsState::New,
        real::DtlsState::Connecting => model::DtlsState::Connecting,
        real::DtlsState::Connected => model::DtlsState::Connected,
        real::DtlsState::Failed => model::DtlsState::Failed,
        real::DtlsState::Closed => model::DtlsState::Closed,
    }
}

/// The reasons to close have the same names.
pub(crate) fn close_reason(reason: real::CloseReason) -> model::CloseReason {
    match reason {
        real::CloseReason::Owner => model::CloseReason::Owner,
        real::CloseReason::ServerClosed => model::CloseReason::ServerClosed,
    }
}

/// The model has no errors of the system, and no DTLS that refuses to make an alert.
pub(crate) fn drop_reason(reason: real::DropReason) -> Result<model::DropReason, String> {
    match reason {
        real::DropReason::Deadline => Ok(model::DropReason::Deadline),
        real::DropReason::Reset => Ok(model::DropReason::Reset),
        real::DropReason::NoConsent => Ok(model::DropReason::NoConsent),
        real::DropReason::CarrierReleased => Ok(model::DropReason::CarrierReleased),
        real::DropReason::PathTaken => Ok(model::DropReason::PathTaken),
        real::DropReason::Io => Err("a farewell dropped for a reason that nobody gave".to_owned()),
    }
}

/// What came of a farewell.
pub(crate) fn outcome(outcome: real::Outcome) -> Result<model::Outcome, String> {
    Ok(match outcome {
        real::Outcome::Confirmed => model::Outcome::Confirmed,
        real::Outcome::Sent => model::Outcome::Sent,
        real::Outcome::NotNeeded(excuse) => model::Outcome::NotNeeded(no_alert(excuse)),
        real::Outcome::Dropped(reason) => model::Outcome::Dropped(drop_reason(reason)?),
    })
}

/// Why there was nothing to say.
pub(crate) fn no_alert(excuse: real::NotNeeded) -> model::NoAlert {
    match excuse {
        real::NotNeeded::NotConnected => model::NoAlert::NotConnected,
        real::NotNeeded::Handshaking => model::NoAlert::Handshaking,
        real::NotNeeded::Failed => model::NoAlert::Failed,
        real::NotNeeded::PeerClosed => model::NoAlert::PeerClosed,
        real::NotNeeded::NoPath => model::NoAlert::NoPath,
    }
}

/// The phases of the barrier have the same names.
pub(crate) fn server_phase(phase: real::server::ServerPhase) -> model::ServerPhase {
    match phase {
        real::server::ServerPhase::Open => model::ServerPhase::Open,
        real::server::ServerPhase::Closing => model::ServerPhase::Closing,
        real::server::ServerPhase::Releasing => model::ServerPhase::Releasing,
        real::server::ServerPhase::Closed => model::ServerPhase::Closed,
    }
}
