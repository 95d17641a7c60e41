//! Timers, by what they are for. The core knows which are armed and says for how long; the shell owns the clock.

use super::ids::{ConnectionId, TransportId};

/// What a timer is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Timer {
    /// No authenticated check came for too long (RFC 7675).
    Consent(TransportId),
    /// The handshake takes too long. Runs once `connect()` was called, too.
    Handshake(TransportId),
    /// A farewell over UDP: until it is sent, then until it is answered.
    Farewell(TransportId),
    /// No check bound this connection to a transport.
    Bind(ConnectionId),
    /// A connection lingers too long.
    Linger(ConnectionId),
    /// The server takes too long to close.
    Server,
}
