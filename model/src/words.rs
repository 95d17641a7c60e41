//! Actions and effects in words: who says what to whom.

use std::fmt;

use crate::action::{Action, TransportId};
use crate::effect::Effect;
use crate::state::Via;

/// Who takes part.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Party {
    /// The threads that use the server.
    Owner,
    /// The server, its timers included.
    Server,
    /// The sockets below it.
    Kernel,
    /// The peer of one transport.
    Peer(TransportId),
}

impl Party {
    /// Everybody where there are so many transports, in the order in which a diagram has them.
    pub(crate) fn all(transports: usize) -> Vec<Self> {
        let peers = (0..transports).map(|index| Self::Peer(TransportId(index as u8)));
        [Self::Owner, Self::Server, Self::Kernel].into_iter().chain(peers).collect()
    }
}

/// One arrow of a sequence; from the server to itself it is something that it does by itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Message {
    /// Who acts.
    pub(crate) from: Party,
    /// Who is told.
    pub(crate) to: Party,
    /// What.
    pub(crate) text: String,
}

impl fmt::Display for TransportId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "t{}", self.0)
    }
}

impl fmt::Display for Party {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Owner => f.write_str("owner"),
            Self::Server => f.write_str("server"),
            Self::Kernel => f.write_str("kernel"),
            Self::Peer(t) => write!(f, "peer of {t}"),
        }
    }
}

impl fmt::Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Message { from, text, .. } = of_action(*self);
        write!(f, "{from}: {text}")
    }
}

impl fmt::Display for Effect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&of_effect(*self).text)
    }
}

/// What happens to the server.
pub(crate) fn of_action(action: Action) -> Message {
    let from = actor(action);
    Message { from, to: Party::Server, text: text_of_action(action) }
}

fn actor(action: Action) -> Party {
    match action {
        Action::PeerChecks { t, .. }
        | Action::PeerConnects { t }
        | Action::PeerHandshakes { t }
        | Action::PeerFailsHandshake { t }
        | Action::PeerSendsCloseNotify { t }
        | Action::PeerAnswers { t }
        | Action::PeerSendsFin { t }
        | Action::PeerResets { t } => Party::Peer(t),
        Action::KernelFillsSocket
        | Action::KernelMakesRoomOnSocket
        | Action::KernelFillsConnection { .. }
        | Action::KernelMakesRoomOnConnection { .. }
        | Action::KernelAcknowledges { .. } => Party::Kernel,
        Action::OwnerClosesServer { .. } | Action::OwnerClosesTransport { .. } => Party::Owner,
        Action::ConsentExpires { .. }
        | Action::FarewellDeadlinePasses { .. }
        | Action::LingerDeadlinePasses { .. }
        | Action::BindDeadlinePasses { .. }
        | Action::ServerDeadlinePasses
        | Action::WorkersAcknowledge => Party::Server,
    }
}

fn text_of_action(action: Action) -> String {
    match action {
        Action::PeerChecks { via, nominate, .. } => {
            let nominating = if nominate { ", with USE-CANDIDATE" } else { "" };
            format!("check over {}{nominating}", path(via))
        }
        Action::PeerConnects { .. } => "TCP connect".to_owned(),
        Action::PeerHandshakes { .. } => "DTLS handshake completes".to_owned(),
        Action::PeerFailsHandshake { .. } => "DTLS handshake fails".to_owned(),
        Action::PeerSendsCloseNotify { .. } => "close_notify, unasked".to_owned(),
        Action::PeerAnswers { .. } => "close_notify in answer".to_owned(),
        Action::PeerSendsFin { .. } => "FIN".to_owned(),
        Action::PeerResets { .. } => "RST".to_owned(),
        Action::KernelFillsSocket => "UDP socket is full".to_owned(),
        Action::KernelMakesRoomOnSocket => "UDP socket is writable again".to_owned(),
        Action::KernelFillsConnection { t } => {
            format!("connection of {t} took only the beginning of a frame")
        }
        Action::KernelMakesRoomOnConnection { t } => format!("connection of {t} is writable again"),
        Action::KernelAcknowledges { t } => format!("peer of {t} acknowledged every byte"),
        Action::OwnerClosesServer { caller } => format!("close(), by caller {}", caller.0),
        Action::OwnerClosesTransport { t } => format!("close() of {t}"),
        Action::ConsentExpires { t } => format!("consent of {t} expires"),
        Action::FarewellDeadlinePasses { t } => format!("farewell deadline of {t} passes"),
        Action::LingerDeadlinePasses { t } => format!("linger deadline of {t} passes"),
        Action::BindDeadlinePasses { t } => format!("bind deadline passes, peer of {t}"),
        Action::ServerDeadlinePasses => "deadline of the whole close passes".to_owned(),
        Action::WorkersAcknowledge => "every worker is drained".to_owned(),
    }
}

/// What the server does.
pub(crate) fn of_effect(effect: Effect) -> Message {
    let (to, text) = match effect {
        Effect::StopAccepting => (Party::Kernel, "stop accepting".to_owned()),
        Effect::MakeAlert(t) => (Party::Server, format!("make close_notify of {t}")),
        Effect::OfferDatagramAlert(t) => {
            (Party::Kernel, format!("offer close_notify of {t} to the UDP socket"))
        }
        Effect::Unmap(t) => (Party::Server, format!("unmap {t}")),
        Effect::AlertWritten(t) => (Party::Kernel, format!("write close_notify of {t}")),
        Effect::ShutdownWrite(t) => (Party::Kernel, format!("shutdown(WR), connection of {t}")),
        Effect::CloseConnection(t) => (Party::Kernel, format!("close connection of {t}")),
        Effect::AbortConnection(t) => (Party::Kernel, format!("abort connection of {t}")),
        Effect::SelectedTupleChanged(t, via) => {
            (Party::Owner, format!("{t} selected {}", via.map_or("nothing", path)))
        }
        Effect::IceStateChanged(t, ice) => (Party::Owner, format!("{t} ICE {ice:?}")),
        Effect::DtlsStateChanged(t, dtls) => (Party::Owner, format!("{t} DTLS {dtls:?}")),
        Effect::TransportClosed(t, reason, outcome) => {
            (Party::Owner, format!("{t} closed: {reason:?}, {outcome:?}"))
        }
        Effect::WorkerDrained => (Party::Server, "worker is drained".to_owned()),
        Effect::ReleaseSocket => (Party::Kernel, "release the UDP socket".to_owned()),
        Effect::ReleaseListener => (Party::Kernel, "release the listener".to_owned()),
        Effect::WorkerReleased => (Party::Server, "worker has released its carriers".to_owned()),
        Effect::CallersComplete => (Party::Owner, "close() returns".to_owned()),
    };
    Message { from: Party::Server, to, text }
}

fn path(via: Via) -> &'static str {
    match via {
        Via::Udp => "UDP",
        Via::Tcp => "TCP",
    }
}
