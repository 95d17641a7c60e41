//! The known mistakes, each planted in the model to see that a property catches it.

use serde::Serialize;

/// A known mistake.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub enum Mutant {
    /// The server releases its UDP socket and its listener before its transports close.
    CarriersFirst,
    /// The server closes its TCP connections with the listener, before its transports close.
    ConnectionsFirst,
    /// The loop that closes the transports walks the set that shrinks under it.
    EverySecondTransport,
    /// A connection that a transport closed stays in the server's table.
    ConnectionKept,
    /// A connection is closed while its transport is still in the routing tables.
    CloseBeforeUnmap,
    /// One `close()` that waits is forgotten when a second one comes.
    CallerForgotten,
    /// The selected tuple survives the loss of all tuples.
    SelectionKept,
    /// The error that one transport's unfinished handshake leaves behind ends another's DTLS.
    ErrorLeaks,
    /// A connection that cannot be flushed is waited for without a deadline.
    NoDeadline,
    /// An alert that waits for the UDP socket is thrown away when the server closes.
    AlertCancelled,
    /// `shutdown(WR)` does not wait for the queued alert.
    FinFirst,
    /// A transport whose peer said close_notify says its own again at its close.
    AlertTwice,
    /// Transports that close with the server say nothing.
    SilentServerClose,
    /// Connections are still accepted after `close()` was called.
    AcceptWhileClosing,
    /// A transport is reported closed while its alert still waits.
    ReportedEarly,
}
