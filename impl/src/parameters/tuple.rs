//! A path between the server and a peer, as applications see it.

use super::listen::{ListenInfo, Protocol};
use serde::{Deserialize, Serialize};
use std::net::SocketAddr;

/// The path between one of the server's sockets and a remote address: mediasoup's `TransportTuple`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct TransportTuple {
    /// Deprecated by mediasoup: the same as [`Self::local_address`].
    pub local_ip: String,
    /// The announced address of the socket, or its IP address.
    pub local_address: String,
    /// Port of the socket.
    pub local_port: u16,
    /// IP address of the peer.
    pub remote_ip: String,
    /// Port of the peer.
    pub remote_port: u16,
    /// UDP or TCP.
    pub protocol: Protocol,
}

impl TransportTuple {
    /// The path between a bound socket, whose [`ListenInfo::port`] is the real one, and `remote`.
    ///
    /// A lifecycle [`Tuple`](crate::lifecycle::Tuple) names its socket, or its connection and so its listener, and
    /// with it the listen info.
    #[must_use]
    pub fn between(local: &ListenInfo, remote: SocketAddr) -> Self {
        let address = local.address();
        Self {
            local_ip: address.clone(),
            local_address: address,
            local_port: local.port,
            remote_ip: remote.ip().to_string(),
            remote_port: remote.port(),
            protocol: local.protocol,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn res_16_a_tuple_shows_the_announced_address_and_serialises_as_mediasoups() {
        let mut info = ListenInfo::new(Protocol::Udp, "10.0.0.1".parse().expect("an address"));
        info.port = 4000;
        info.announced_address = Some("sfu.example.org".to_owned());
        let remote = "[2001:db8::2]:5000".parse().expect("an address");
        let json = serde_json::to_value(TransportTuple::between(&info, remote)).expect("plain");
        let expected = serde_json::json!({
            "localIp": "sfu.example.org", "localAddress": "sfu.example.org", "localPort": 4000,
            "remoteIp": "2001:db8::2", "remotePort": 5000, "protocol": "udp",
        });
        assert_eq!(json, expected);
    }
}
