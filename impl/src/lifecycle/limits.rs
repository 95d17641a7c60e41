//! Limits and deadlines, with the defaults of SPEC.md.

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
    /// The same from one IP address, so that one stranger does not keep all others out. Default 64.
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
