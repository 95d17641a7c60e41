//! What may happen: the actor first, then what it does.

use serde::{Deserialize, Serialize};

use crate::state::Via;

/// Which transport, counted from 0 in the order of creation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct TransportId(pub u8);

impl TransportId {
    /// Its place in the vectors of a state.
    pub fn index(self) -> usize {
        usize::from(self.0)
    }
}

/// Which thread calls `close()` on the server.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct CallerId(pub u8);

impl CallerId {
    /// Its place in the vectors of a state.
    pub fn index(self) -> usize {
        usize::from(self.0)
    }
}

/// One thing that happens to the server.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Action {
    /// An authenticated check arrives; over TCP the first one binds the connection.
    PeerChecks {
        /// The transport whose ufrag the check names.
        t: TransportId,
        /// The path it came by.
        via: Via,
        /// It carries USE-CANDIDATE.
        nominate: bool,
    },
    /// The peer's TCP connection is accepted.
    PeerConnects {
        /// The transport whose peer it is.
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
    /// The peer answers the close_notify that it has seen with its own.
    PeerAnswers {
        /// The transport.
        t: TransportId,
    },
    /// The peer ends its half of the connection; all that we sent is thereby acknowledged.
    PeerSendsFin {
        /// The transport.
        t: TransportId,
    },
    /// The peer resets the connection.
    PeerResets {
        /// The transport.
        t: TransportId,
    },
    /// The buffer of the UDP socket is full from now on: sends say EAGAIN.
    KernelFillsSocket,
    /// The UDP socket is writable again.
    KernelMakesRoomOnSocket,
    /// Application data fills the connection until one frame is written only in part.
    KernelFillsConnection {
        /// The transport.
        t: TransportId,
    },
    /// The connection is writable again and takes everything that is queued.
    KernelMakesRoomOnConnection {
        /// The transport.
        t: TransportId,
    },
    /// The kernel says that the peer acknowledged every byte of a draining connection.
    KernelAcknowledges {
        /// The transport.
        t: TransportId,
    },
    /// A thread calls `close()` on the server and waits.
    OwnerClosesServer {
        /// The thread.
        caller: CallerId,
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
    /// The time for the farewell over UDP is up: to hand it over, or to hear the answer.
    FarewellDeadlinePasses {
        /// The transport.
        t: TransportId,
    },
    /// The time for the connection to linger is up.
    LingerDeadlinePasses {
        /// The transport.
        t: TransportId,
    },
    /// The connection was not bound in time.
    BindDeadlinePasses {
        /// The transport whose peer opened it.
        t: TransportId,
    },
    /// The time for the whole close of the server is up.
    ServerDeadlinePasses,
    /// Every worker has said that it is drained, and all of them release their carriers.
    WorkersAcknowledge,
}

impl Action {
    /// The transport that it happens to, or `None` if it happens to the server as a whole.
    pub fn transport(self) -> Option<TransportId> {
        match self {
            Self::PeerChecks { t, .. }
            | Self::PeerConnects { t }
            | Self::PeerHandshakes { t }
            | Self::PeerFailsHandshake { t }
            | Self::PeerSendsCloseNotify { t }
            | Self::PeerAnswers { t }
            | Self::PeerSendsFin { t }
            | Self::PeerResets { t }
            | Self::KernelFillsConnection { t }
            | Self::KernelMakesRoomOnConnection { t }
            | Self::KernelAcknowledges { t }
            | Self::OwnerClosesTransport { t }
            | Self::ConsentExpires { t }
            | Self::FarewellDeadlinePasses { t }
            | Self::LingerDeadlinePasses { t }
            | Self::BindDeadlinePasses { t } => Some(t),
            Self::KernelFillsSocket
            | Self::KernelMakesRoomOnSocket
            | Self::OwnerClosesServer { .. }
            | Self::ServerDeadlinePasses
            | Self::WorkersAcknowledge => None,
        }
    }
}
