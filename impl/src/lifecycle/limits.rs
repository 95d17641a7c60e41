//! Limits and deadlines, with the defaults of SPEC.md.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::time::Duration;

/// Bytes that wait for one TCP connection before application data is dropped.
pub const SEND_QUEUE_BYTES_MAX: usize = 256 * 1024;

/// What STUN replies, handshake flights and alerts may use beyond [`SEND_QUEUE_BYTES_MAX`].
pub const SEND_QUEUE_RESERVE_BYTES: usize = 64 * 1024;

/// Deadlines and caps of one worker. All of them are options of the server.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Limits {
    /// A TCP connection that no check bound to a transport by then is closed. Default 10 s.
    pub bind: Duration,
    /// A DTLS handshake that has not finished by then has failed; from when it has a path and `connect()` was called.
    /// Default 30 s.
    pub handshake: Duration,
    /// From the end of use of a TCP connection to its reset; also how long a blocked UDP alert waits. Default 1 s.
    pub drain: Duration,
    /// How long the peer's answer to a UDP alert is awaited. Default 200 ms.
    pub answer: Duration,
    /// From the server's close to the reset of whatever is left. Default 3 s.
    pub server: Duration,
    /// TCP connections of this worker that no check bound to a transport yet. Default 1024.
    pub unbound_connections_max: usize,
    /// The same from one source, so that one stranger does not keep all others out: an IPv4 address, or an IPv6 network
    /// of 64 bits, which a single host has for itself. Default 64.
    pub unbound_connections_per_source_max: usize,
    /// TCP connections of this worker. Default 10 000.
    pub connections_max: usize,
    /// Tuples of one transport; of more the oldest that is neither selected nor new gives way (mediasoup `MaxTuples`).
    /// Default 8.
    pub tuples_per_transport_max: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Limits {
            bind: Duration::from_secs(10),
            handshake: Duration::from_secs(30),
            drain: Duration::from_secs(1),
            answer: Duration::from_millis(200),
            server: Duration::from_secs(3),
            unbound_connections_max: 1024,
            unbound_connections_per_source_max: 64,
            connections_max: 10_000,
            tuples_per_transport_max: 8,
        }
    }
}

/// Bits of an IPv6 address that its host may choose.
const HOST_BITS: u128 = u64::MAX as u128;

/// The prefix behind which a translator hides all of IPv4 (RFC 6052 section 2.1).
const NAT64: [u16; 6] = [0x64, 0xFF9B, 0, 0, 0, 0];

/// Whom a cap or a ration counts as one: see [`Limits::unbound_connections_per_source_max`].
//= RES-01
//= RES-08
pub(crate) fn source_of(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        source @ IpAddr::V4(_) => source,
        IpAddr::V6(address) if address.segments().starts_with(&NAT64) => {
            let [.., a, b, c, d] = address.octets();
            Ipv4Addr::new(a, b, c, d).into()
        }
        IpAddr::V6(address) => Ipv6Addr::from_bits(address.to_bits() & !HOST_BITS).into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn res_01_a_source_is_an_ipv4_address_or_an_ipv6_network() {
        let rows = [
            ("192.0.2.1", "192.0.2.1"),
            ("::ffff:192.0.2.1", "192.0.2.1"),
            ("64:ff9b::192.0.2.1", "192.0.2.1"),
            ("64:ff9b:1::192.0.2.1", "64:ff9b:1::"),
            ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::"),
            ("2001:db8:1:2::", "2001:db8:1:2::"),
            ("2001:db8:1:3:3:4:5:6", "2001:db8:1:3::"),
        ];
        for (address, source) in rows {
            let [address, source]: [IpAddr; 2] = [address, source].map(|a| a.parse().expect("one"));
            assert_eq!(source_of(address), source);
        }
    }
}
