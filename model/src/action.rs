//! What may happen: the actor first, then what it does.

use serde::{Deserialize, Serialize};

use crate::ids::{CallerId, ConnectionId, SocketId, TransportId, WorkerId};
use crate::state::Tuple;

/// One thing that happens to the server.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Action {
    /// An authenticated check arrives; over TCP the first one binds the connection, or sends it to the worker of the
    /// transport. Who has the tuple of another transport takes it over.
    PeerChecks {
        /// The transport whose password the check proves.
        t: TransportId,
        /// Where it came from.
        from: Tuple,
        /// What it says.
        check: Check,
    },
    /// Two checks arrive in one read, and the reply to the first finds the connection reset.
    PeerChecksTwiceAndResets {
        /// The transport whose password the checks prove.
        t: TransportId,
        /// The connection.
        c: ConnectionId,
    },
    /// A TCP connection is accepted.
    PeerConnects {
        /// The connection.
        c: ConnectionId,
    },
    /// A TCP connection is established and cannot be accepted: there is no descriptor for it.
    PeerConnectsInVain {
        /// The connection.
        c: ConnectionId,
    },
    /// The next flight of the peer's handshake, not its last, arrives and is answered.
    PeerSendsFlight {
        /// The transport.
        t: TransportId,
    },
    /// The DTLS handshake completes.
    PeerHandshakes {
        /// The transport.
        t: TransportId,
    },
    /// The DTLS handshake fails for good.
    PeerFailsHandshake {
        /// The transport.
        t: TransportId,
    },
    /// The peer of an open transport says close_notify first.
    PeerSendsCloseNotify {
        /// The transport.
        t: TransportId,
    },
    /// The peer of an open transport sends a fatal alert.
    PeerSendsFatalAlert {
        /// The transport.
        t: TransportId,
    },
    /// The peer answers the close_notify that it has seen with its own.
    PeerAnswers {
        /// The transport.
        t: TransportId,
    },
    /// Bytes of the peer arrive that the server has not read yet.
    PeerStreams {
        /// On this connection.
        c: ConnectionId,
    },
    /// The peer ends its half of the connection; all that we sent is thereby acknowledged.
    PeerSendsFin {
        /// The connection.
        c: ConnectionId,
    },
    /// The peer resets the connection, and the server is told.
    PeerResets {
        /// The connection.
        c: ConnectionId,
    },
    /// The peer resets the connection, and the server finds out when it writes.
    PeerVanishes {
        /// The connection.
        c: ConnectionId,
    },
    /// The buffer of a UDP socket is full from now on: sends say EAGAIN.
    KernelFillsSocket {
        /// The socket.
        s: SocketId,
    },
    /// The UDP socket is writable again.
    KernelMakesRoomOnSocket {
        /// The socket.
        s: SocketId,
    },
    /// Application data fills the connection until one frame is written only in part.
    KernelFillsConnection {
        /// The connection.
        c: ConnectionId,
    },
    /// Earlier frames left no room for the next one, or for its beginning only.
    KernelLeavesRoom {
        /// The connection.
        c: ConnectionId,
        /// There is room for the beginning of a frame.
        part: bool,
    },
    /// The connection is writable again and takes everything that is queued.
    KernelMakesRoomOnConnection {
        /// The connection.
        c: ConnectionId,
    },
    /// The connection is writable again and takes the beginning of the first frame.
    KernelMakesLittleRoom {
        /// The connection.
        c: ConnectionId,
    },
    /// The kernel says that the peer acknowledged every byte of a draining connection.
    KernelAcknowledges {
        /// The connection.
        c: ConnectionId,
    },
    /// A thread calls `close()` on the server and waits.
    OwnerClosesServer {
        /// The thread.
        caller: CallerId,
    },
    /// A thread drops its handle of the server without closing it.
    OwnerDropsHandle {
        /// The thread.
        caller: CallerId,
    },
    /// The owner prepares to close something from inside the next event callback.
    OwnerArmsCallback {
        /// What it will close.
        closes: Closes,
    },
    /// The owner creates a transport.
    OwnerCreatesTransport {
        /// The transport.
        t: TransportId,
    },
    /// The owner restarts ICE: the new ufrag is valid beside the old one until it is used.
    OwnerRestartsIce {
        /// The transport.
        t: TransportId,
    },
    /// The owner closes one transport, perhaps not for the first time.
    OwnerClosesTransport {
        /// The transport.
        t: TransportId,
    },
    /// Nothing authenticated came for the consent timeout.
    ConsentExpires {
        /// The transport.
        t: TransportId,
    },
    /// The time for the handshake is up.
    HandshakeDeadlinePasses {
        /// The transport.
        t: TransportId,
    },
    /// The time for the farewell over UDP is up: to hand it over, or to hear the answer.
    FarewellDeadlinePasses {
        /// The transport.
        t: TransportId,
    },
    /// The time for the connection to linger is up.
    LingerDeadlinePasses {
        /// The connection.
        c: ConnectionId,
    },
    /// The connection was not bound in time.
    BindDeadlinePasses {
        /// The connection.
        c: ConnectionId,
    },
    /// The time for the whole close of the server is up.
    ServerDeadlinePasses {
        /// The worker whose timer it is.
        w: WorkerId,
    },
    /// A worker reads what has arrived and discards it or passes it on.
    WorkerReads {
        /// The connection.
        c: ConnectionId,
    },
    /// A worker comes to an event of a connection that ended earlier in the same batch of events.
    WorkerMeetsStaleEvent {
        /// The connection.
        c: ConnectionId,
    },
    /// A worker takes a connection out of its mailbox that another one handed to it.
    WorkerTakesOver {
        /// The connection, the next one there.
        c: ConnectionId,
    },
    /// A worker takes the command to close a transport that was given in a callback.
    WorkerHearsTransportClose {
        /// The transport.
        t: TransportId,
    },
    /// A worker takes the command to close.
    WorkerHearsClose {
        /// The worker.
        w: WorkerId,
    },
    /// A worker takes the permission to release its carriers.
    WorkerHearsGrant {
        /// The worker.
        w: WorkerId,
    },
}

/// What an authenticated check says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Check {
    /// Nothing more.
    Plain,
    /// It carries USE-CANDIDATE.
    Nominating,
    /// It was made with the credentials from before an ICE restart.
    WithFormerCredentials,
}

/// What is closed from inside a callback.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Closes {
    /// The server.
    Server,
    /// One transport.
    Transport(TransportId),
}

/// What an action happens to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Subject {
    /// A transport.
    Transport(TransportId),
    /// A connection.
    Connection(ConnectionId),
    /// A worker, or a UDP socket of one.
    Worker,
    /// The server as a whole.
    Server,
}

impl Action {
    /// What it happens to.
    pub fn subject(self) -> Subject {
        match self {
            Self::PeerChecks { t, .. }
            | Self::PeerChecksTwiceAndResets { t, .. }
            | Self::PeerSendsFlight { t }
            | Self::PeerHandshakes { t }
            | Self::PeerFailsHandshake { t }
            | Self::PeerSendsCloseNotify { t }
            | Self::PeerSendsFatalAlert { t }
            | Self::PeerAnswers { t }
            | Self::OwnerCreatesTransport { t }
            | Self::OwnerRestartsIce { t }
            | Self::OwnerClosesTransport { t }
            | Self::ConsentExpires { t }
            | Self::HandshakeDeadlinePasses { t }
            | Self::FarewellDeadlinePasses { t }
            | Self::WorkerHearsTransportClose { t } => Subject::Transport(t),
            Self::PeerConnects { c }
            | Self::PeerConnectsInVain { c }
            | Self::PeerStreams { c }
            | Self::PeerSendsFin { c }
            | Self::PeerResets { c }
            | Self::PeerVanishes { c }
            | Self::KernelFillsConnection { c }
            | Self::KernelLeavesRoom { c, .. }
            | Self::KernelMakesRoomOnConnection { c }
            | Self::KernelMakesLittleRoom { c }
            | Self::KernelAcknowledges { c }
            | Self::LingerDeadlinePasses { c }
            | Self::BindDeadlinePasses { c }
            | Self::WorkerReads { c }
            | Self::WorkerTakesOver { c }
            | Self::WorkerMeetsStaleEvent { c } => Subject::Connection(c),
            Self::KernelFillsSocket { .. }
            | Self::KernelMakesRoomOnSocket { .. }
            | Self::ServerDeadlinePasses { .. }
            | Self::WorkerHearsClose { .. }
            | Self::WorkerHearsGrant { .. } => Subject::Worker,
            Self::OwnerClosesServer { .. }
            | Self::OwnerDropsHandle { .. }
            | Self::OwnerArmsCallback { .. } => Subject::Server,
        }
    }

    /// Does it happen sooner or later, whatever the peers, the kernel and the owner do? Only the clock and the workers
    /// are fair.
    pub fn is_fair(self) -> bool {
        matches!(
            self,
            Self::ConsentExpires { .. }
                | Self::HandshakeDeadlinePasses { .. }
                | Self::FarewellDeadlinePasses { .. }
                | Self::LingerDeadlinePasses { .. }
                | Self::BindDeadlinePasses { .. }
                | Self::ServerDeadlinePasses { .. }
                | Self::WorkerReads { .. }
                | Self::WorkerMeetsStaleEvent { .. }
                | Self::WorkerTakesOver { .. }
                | Self::WorkerHearsTransportClose { .. }
                | Self::WorkerHearsClose { .. }
                | Self::WorkerHearsGrant { .. }
        )
    }
}
