//! The constants that the real core needs and the model does not know, and how names translate. Nowhere else is an
//! address, an id or a credential made up.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Duration;
use webrtc_server::lifecycle as real;
use webrtc_server_model as model;

/// Who is who where addresses and ids are not made up: the shell's connections are numbered as they come, and the
/// kernel chooses ports.
pub(crate) trait Names {
    /// The connection that the peer of a transport opened; none if it never did.
    fn connection(&self, t: model::TransportId) -> Option<real::ConnectionId>;

    /// A path of a transport as a tuple; none if it never had it.
    fn tuple(&self, t: model::TransportId, via: model::Via) -> Option<real::Tuple>;

    /// The transport whose peer opened a connection.
    fn opener(&self, id: real::ConnectionId) -> Result<model::TransportId, String>;

    /// Which path of this transport a tuple is.
    fn via(&self, t: model::TransportId, found: real::Tuple) -> Result<model::Via, String> {
        [model::Via::Udp, model::Via::Tcp]
            .into_iter()
            .find(|via| self.tuple(t, *via) == Some(found))
            .ok_or_else(|| format!("{found:?} is no path of transport {}", t.0))
    }
}

/// The names that this file makes up.
#[derive(Clone, Copy, Debug)]
pub(super) struct MadeUp;

impl Names for MadeUp {
    fn connection(&self, t: model::TransportId) -> Option<real::ConnectionId> {
        Some(connection(t))
    }

    fn tuple(&self, t: model::TransportId, via: model::Via) -> Option<real::Tuple> {
        Some(tuple(t, via))
    }

    fn opener(&self, id: real::ConnectionId) -> Result<model::TransportId, String> {
        opener(id)
    }
}

/// The one UDP socket.
pub(super) const SOCKET: real::SocketId = real::SocketId(0);
/// The one TCP listener.
pub(super) const LISTENER: real::ListenerId = real::ListenerId(0);
/// The one worker.
pub(crate) const WORKER: real::server::WorkerId = real::server::WorkerId(0);
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
/// What the peer's datagrams say, once DTLS has read them.
pub(super) const PEER_FINISHED: &[u8] = b"peer: finished";
/// A handshake message that no handshake survives.
pub(super) const PEER_BROKE: &[u8] = b"peer: nonsense";
/// The peer's close_notify.
pub(super) const PEER_CLOSE_NOTIFY: &[u8] = b"peer: close_notify";

/// The transport of the model under its real id.
pub(crate) fn transport(t: model::TransportId) -> real::TransportId {
    real::TransportId(u64::from(t.0))
}

/// The connection that the peer of a transport opens: it opens one only.
pub(super) fn connection(t: model::TransportId) -> real::ConnectionId {
    real::ConnectionId(u64::from(t.0))
}

/// The transport of the model behind a real id.
pub(crate) fn model_transport(id: real::TransportId) -> Result<model::TransportId, String> {
    u8::try_from(id.0).map(model::TransportId).map_err(|_| format!("{id:?} was never created"))
}

/// The transport whose peer opened a connection.
pub(super) fn opener(id: real::ConnectionId) -> Result<model::TransportId, String> {
    u8::try_from(id.0).map(model::TransportId).map_err(|_| format!("{id:?} was never accepted"))
}

/// The peer's address on one of its two paths.
pub(super) fn remote(t: model::TransportId, via: model::Via) -> SocketAddr {
    let port = match via {
        model::Via::Udp => 5000,
        model::Via::Tcp => 6000,
    };
    SocketAddr::new(IpAddr::V4(Ipv4Addr::new(192, 0, 2, t.0)), port)
}

/// A path of a transport as a tuple.
pub(super) fn tuple(t: model::TransportId, via: model::Via) -> real::Tuple {
    match via {
        model::Via::Udp => real::Tuple::Udp { socket: SOCKET, remote: remote(t, via) },
        model::Via::Tcp => real::Tuple::Tcp(connection(t)),
    }
}

/// Its ICE credentials.
pub(crate) fn credentials(t: model::TransportId) -> real::Credentials {
    real::Credentials { ufrag: format!("ufrag{}", t.0), password: format!("password{}", t.0) }
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
        real::DropReason::PathTaken | real::DropReason::Io => {
            Err("a farewell dropped for a reason that nobody gave".to_owned())
        }
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
