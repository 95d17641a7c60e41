//! Actions and effects in words: who says what to whom.

use std::fmt;

use crate::action::{Action, Check, Closes, Subject};
use crate::config::Config;
use crate::effect::Effect;
use crate::ids::{AddressId, CallerId, ConnectionId, ListenerId, SocketId, TransportId, WorkerId};
use crate::state::{Core, Tuple};

/// Who takes part.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Lifeline {
    /// The threads that use the server.
    Owner,
    /// The server: its barrier where there are several workers, all of it where there is one.
    Server,
    /// One of several workers, its timers included.
    Worker(WorkerId),
    /// The sockets below it.
    Kernel,
    /// The peer of one transport.
    Peer(TransportId),
    /// Who opened a connection that several peers may use, until it shows which of them it is.
    Somebody,
}

/// One arrow of a sequence; from somebody to the same it is something that is done alone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Message {
    /// Who acts.
    pub(crate) from: Lifeline,
    /// Who is told.
    pub(crate) to: Lifeline,
    /// What.
    pub(crate) text: String,
}

/// What is needed to say who takes part in a step.
#[derive(Clone, Copy)]
pub(crate) struct Cast<'a> {
    pub(crate) config: &'a Config,
    /// The server before the step.
    pub(crate) core: &'a Core,
}

impl Lifeline {
    /// Who may take part in a configuration, in the order in which a diagram has them.
    pub(crate) fn all(config: &Config) -> Vec<Self> {
        let workers = config.worker_ids().filter(|_| config.workers > 1).map(Self::Worker);
        let mut lifelines = vec![Self::Owner, Self::Server];
        lifelines.extend(workers);
        lifelines.push(Self::Kernel);
        lifelines.extend(config.transport_ids().map(Self::Peer));
        lifelines.push(Self::Somebody);
        lifelines
    }
}

impl Cast<'_> {
    /// What happens, and to whom.
    pub(crate) fn of_action(self, action: Action) -> Message {
        let worker =
            worker_of(self.config, self.core, action).map_or(Lifeline::Server, |w| self.worker(w));
        let text = text_of_action(action);
        let (from, to) = match action {
            Action::PeerChecks { t, .. }
            | Action::PeerChecksTwiceAndResets { t, .. }
            | Action::PeerSendsFlight { t }
            | Action::PeerHandshakes { t }
            | Action::PeerFailsHandshake { t }
            | Action::PeerSendsCloseNotify { t }
            | Action::PeerSendsFatalAlert { t }
            | Action::PeerAnswers { t } => (Lifeline::Peer(t), worker),
            Action::PeerConnects { c }
            | Action::PeerConnectsInVain { c }
            | Action::PeerSendsFin { c }
            | Action::PeerResets { c } => (self.peer_of(c), worker),
            // The server hears of these only when it reads or writes.
            Action::PeerStreams { c } | Action::PeerVanishes { c } => {
                (self.peer_of(c), Lifeline::Kernel)
            }
            Action::KernelFillsSocket { .. } | Action::KernelLeavesRoom { .. } => {
                (Lifeline::Kernel, Lifeline::Kernel)
            }
            Action::KernelMakesRoomOnSocket { .. }
            | Action::KernelFillsConnection { .. }
            | Action::KernelMakesRoomOnConnection { .. }
            | Action::KernelMakesLittleRoom { .. }
            | Action::KernelAcknowledges { .. } => (Lifeline::Kernel, worker),
            Action::OwnerArmsCallback { .. } => (Lifeline::Owner, Lifeline::Owner),
            Action::OwnerClosesServer { .. } | Action::OwnerDropsHandle { .. } => {
                (Lifeline::Owner, Lifeline::Server)
            }
            Action::OwnerCreatesTransport { .. }
            | Action::OwnerRestartsIce { .. }
            | Action::OwnerClosesTransport { .. }
            | Action::WorkerHearsTransportClose { .. } => (Lifeline::Owner, worker),
            Action::WorkerHearsClose { .. } | Action::WorkerHearsGrant { .. } => {
                (Lifeline::Server, worker)
            }
            Action::ConsentExpires { .. }
            | Action::HandshakeDeadlinePasses { .. }
            | Action::FarewellDeadlinePasses { .. }
            | Action::LingerDeadlinePasses { .. }
            | Action::BindDeadlinePasses { .. }
            | Action::ServerDeadlinePasses { .. }
            | Action::WorkerReads { .. }
            | Action::WorkerTakesOver { .. }
            | Action::WorkerJudges { .. }
            | Action::WorkerHearsProof { .. }
            | Action::WorkerMeetsStaleEvent { .. } => (worker, worker),
        };
        Message { from, to, text }
    }

    /// What the server does, and whom it concerns.
    pub(crate) fn of_effect(self, effect: Effect) -> Message {
        let (from, to) = match effect {
            Effect::StopAccepting(l) | Effect::ReleaseListener(l) => {
                (self.worker(self.config.listeners[l.index()]), Lifeline::Kernel)
            }
            Effect::ReleaseSocket(s) => {
                (self.worker(self.config.sockets[s.index()]), Lifeline::Kernel)
            }
            Effect::OfferDatagramAlert(t, _) | Effect::AlertWritten(t, _) => {
                (self.worker(self.config.worker_of(t)), Lifeline::Kernel)
            }
            Effect::ShutdownWrite(c) | Effect::CloseConnection(c) | Effect::AbortConnection(c) => {
                (self.worker(self.core.receiver(self.config, c)), Lifeline::Kernel)
            }
            Effect::MakeAlert(t) | Effect::Unmap(t) => {
                let worker = self.worker(self.config.worker_of(t));
                (worker, worker)
            }
            Effect::SelectedTupleChanged(t, _)
            | Effect::IceStateChanged(t, _)
            | Effect::DtlsStateChanged(t, _)
            | Effect::TransportClosed(t, _, _) => {
                (self.worker(self.config.worker_of(t)), Lifeline::Owner)
            }
            Effect::WorkerDrained(w) | Effect::WorkerReleased(w) => {
                (self.worker(w), Lifeline::Server)
            }
            Effect::CallersComplete => (Lifeline::Server, Lifeline::Owner),
        };
        Message { from, to, text: effect.to_string() }
    }

    /// A worker that is the only one is the server.
    fn worker(self, w: WorkerId) -> Lifeline {
        if self.config.workers > 1 { Lifeline::Worker(w) } else { Lifeline::Server }
    }

    /// Who is at the other end of a connection, as far as the server knows.
    fn peer_of(self, c: ConnectionId) -> Lifeline {
        let may_use = |t: &TransportId| self.config.transport(*t).may_use(Tuple::Tcp(c));
        let mut users = self.config.transport_ids().filter(may_use);
        match (self.core.connection(c).owner(), users.next(), users.next()) {
            (Some(t), _, _) | (None, Some(t), None) => Lifeline::Peer(t),
            (None, None, _) | (None, Some(_), Some(_)) => Lifeline::Somebody,
        }
    }
}

/// The worker that an action happens to, if it is one of them alone.
pub(crate) fn worker_of(config: &Config, core: &Core, action: Action) -> Option<WorkerId> {
    #[expect(clippy::wildcard_enum_match_arm, reason = "the subject decides of the others")]
    match action {
        Action::KernelFillsSocket { s } | Action::KernelMakesRoomOnSocket { s } => {
            Some(config.sockets[s.index()])
        }
        Action::ServerDeadlinePasses { w }
        | Action::WorkerHearsClose { w }
        | Action::WorkerHearsGrant { w } => Some(w),
        // It arrives where the connection is.
        Action::PeerChecks { from: Tuple::Tcp(c), .. } => Some(core.receiver(config, c)),
        _ => match action.subject() {
            Subject::Transport(t) => Some(config.worker_of(t)),
            Subject::Connection(c) => Some(core.receiver(config, c)),
            Subject::Worker | Subject::Server => None,
        },
    }
}

fn text_of_action(action: Action) -> String {
    match action {
        Action::PeerChecks { from, check, .. } => format!("check over {from}{}", saying(check)),
        Action::PeerChecksTwiceAndResets { c, .. } => format!("two checks over TCP {c}, then RST"),
        Action::PeerConnects { c } => format!("TCP connect, {c}"),
        Action::PeerConnectsInVain { c } => format!("TCP connect, {c}, and no descriptor is left"),
        Action::PeerSendsFlight { .. } => "flight of the DTLS handshake".to_owned(),
        Action::PeerHandshakes { .. } => "DTLS handshake completes".to_owned(),
        Action::PeerFailsHandshake { .. } => "DTLS handshake fails".to_owned(),
        Action::PeerSendsCloseNotify { .. } => "close_notify, unasked".to_owned(),
        Action::PeerSendsFatalAlert { .. } => "fatal alert".to_owned(),
        Action::PeerAnswers { .. } => "close_notify in answer".to_owned(),
        Action::PeerStreams { c } => format!("bytes on {c} that lie unread"),
        Action::PeerSendsFin { c } => format!("FIN on {c}"),
        Action::PeerResets { c } => format!("RST on {c}"),
        Action::PeerVanishes { c } => format!("RST on {c} that only a write shows"),
        Action::KernelFillsSocket { s } => format!("{s} is full"),
        Action::KernelMakesRoomOnSocket { s } => format!("{s} is writable again"),
        Action::KernelFillsConnection { c } => format!("{c} took only the beginning of a frame"),
        Action::KernelLeavesRoom { c, part: false } => format!("{c} is full after a whole frame"),
        Action::KernelLeavesRoom { c, part: true } => {
            format!("{c} has room for the beginning of a frame")
        }
        Action::KernelMakesRoomOnConnection { c } => format!("{c} is writable again"),
        Action::KernelMakesLittleRoom { c } => format!("{c} is writable again, a little"),
        Action::KernelAcknowledges { c } => format!("the peer acknowledged every byte on {c}"),
        Action::OwnerClosesServer { caller } => format!("close(), by {caller}"),
        Action::OwnerDropsHandle { caller } => format!("{caller} drops its handle"),
        Action::OwnerArmsCallback { closes } => format!("will close {closes} in the next callback"),
        Action::OwnerCreatesTransport { t } => format!("create {t}"),
        Action::OwnerRestartsIce { t } => format!("restart ICE of {t}"),
        Action::OwnerClosesTransport { t } => format!("close() of {t}"),
        Action::ConsentExpires { t } => format!("consent of {t} expires"),
        Action::HandshakeDeadlinePasses { t } => format!("handshake deadline of {t} passes"),
        Action::FarewellDeadlinePasses { t } => format!("farewell deadline of {t} passes"),
        Action::LingerDeadlinePasses { c } => format!("linger deadline of {c} passes"),
        Action::BindDeadlinePasses { c } => format!("bind deadline of {c} passes"),
        Action::ServerDeadlinePasses { w } => format!("deadline of the whole close passes at {w}"),
        Action::WorkerReads { c } => format!("reads {c}"),
        Action::WorkerJudges { c, .. } => {
            format!("judges a check on {c}, which another worker has")
        }
        Action::WorkerHearsProof { c } => format!("hears that a check on {c} proved a password"),
        Action::WorkerTakesOver { c } => format!("takes {c} over, which another worker accepted"),
        Action::WorkerMeetsStaleEvent { c } => format!("meets an event of the {c} that ended"),
        Action::WorkerHearsTransportClose { t } => {
            format!("close() of {t}, asked for in a callback, is heard")
        }
        Action::WorkerHearsClose { w } => format!("{w} hears of the close"),
        Action::WorkerHearsGrant { w } => format!("{w} may release its carriers"),
    }
}

fn saying(check: Check) -> &'static str {
    match check {
        Check::Plain => "",
        Check::Nominating => ", with USE-CANDIDATE",
        Check::WithFormerCredentials => ", with the former credentials",
    }
}

/// Who acts, where nothing is known of the state.
fn actor(action: Action) -> String {
    match action {
        Action::PeerChecks { t, .. }
        | Action::PeerChecksTwiceAndResets { t, .. }
        | Action::PeerSendsFlight { t }
        | Action::PeerHandshakes { t }
        | Action::PeerFailsHandshake { t }
        | Action::PeerSendsCloseNotify { t }
        | Action::PeerSendsFatalAlert { t }
        | Action::PeerAnswers { t } => format!("peer of {t}"),
        Action::PeerConnects { .. }
        | Action::PeerConnectsInVain { .. }
        | Action::PeerStreams { .. }
        | Action::PeerSendsFin { .. }
        | Action::PeerResets { .. }
        | Action::PeerVanishes { .. } => "peer".to_owned(),
        Action::KernelFillsSocket { .. }
        | Action::KernelMakesRoomOnSocket { .. }
        | Action::KernelFillsConnection { .. }
        | Action::KernelLeavesRoom { .. }
        | Action::KernelMakesRoomOnConnection { .. }
        | Action::KernelMakesLittleRoom { .. }
        | Action::KernelAcknowledges { .. } => "kernel".to_owned(),
        Action::OwnerClosesServer { .. }
        | Action::OwnerDropsHandle { .. }
        | Action::OwnerArmsCallback { .. }
        | Action::OwnerCreatesTransport { .. }
        | Action::OwnerRestartsIce { .. }
        | Action::OwnerClosesTransport { .. } => "owner".to_owned(),
        Action::ConsentExpires { .. }
        | Action::HandshakeDeadlinePasses { .. }
        | Action::FarewellDeadlinePasses { .. }
        | Action::LingerDeadlinePasses { .. }
        | Action::BindDeadlinePasses { .. }
        | Action::ServerDeadlinePasses { .. } => "clock".to_owned(),
        Action::WorkerReads { .. }
        | Action::WorkerTakesOver { .. }
        | Action::WorkerJudges { .. }
        | Action::WorkerHearsProof { .. }
        | Action::WorkerMeetsStaleEvent { .. }
        | Action::WorkerHearsTransportClose { .. }
        | Action::WorkerHearsClose { .. }
        | Action::WorkerHearsGrant { .. } => "worker".to_owned(),
    }
}

impl fmt::Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", actor(*self), text_of_action(*self))
    }
}

impl fmt::Display for Effect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::StopAccepting(l) => write!(f, "stop accepting at {l}"),
            Self::MakeAlert(t) => write!(f, "make close_notify of {t}"),
            Self::OfferDatagramAlert(t, s) => write!(f, "offer close_notify of {t} to {s}"),
            Self::Unmap(t) => write!(f, "unmap {t}"),
            Self::AlertWritten(t, c) => write!(f, "write close_notify of {t} on {c}"),
            Self::ShutdownWrite(c) => write!(f, "shutdown(WR) of {c}"),
            Self::CloseConnection(c) => write!(f, "close {c}"),
            Self::AbortConnection(c) => write!(f, "abort {c}"),
            Self::SelectedTupleChanged(t, Some(tuple)) => write!(f, "{t} selected {tuple}"),
            Self::SelectedTupleChanged(t, None) => write!(f, "{t} selected nothing"),
            Self::IceStateChanged(t, ice) => write!(f, "{t} ICE {ice:?}"),
            Self::DtlsStateChanged(t, dtls) => write!(f, "{t} DTLS {dtls:?}"),
            Self::TransportClosed(t, reason, outcome) => {
                write!(f, "{t} closed: {reason:?}, {outcome:?}")
            }
            Self::WorkerDrained(w) => write!(f, "{w} is drained"),
            Self::ReleaseSocket(s) => write!(f, "release {s}"),
            Self::ReleaseListener(l) => write!(f, "release {l}"),
            Self::WorkerReleased(w) => write!(f, "{w} has released its carriers"),
            Self::CallersComplete => f.write_str("close() returns"),
        }
    }
}

impl fmt::Display for Lifeline {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Owner => f.write_str("owner"),
            Self::Server => f.write_str("server"),
            Self::Worker(w) => write!(f, "worker {w}"),
            Self::Kernel => f.write_str("kernel"),
            Self::Peer(t) => write!(f, "peer of {t}"),
            Self::Somebody => f.write_str("somebody"),
        }
    }
}

impl fmt::Display for Closes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Server => f.write_str("the server"),
            Self::Transport(t) => write!(f, "{t}"),
        }
    }
}

impl fmt::Display for Tuple {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Udp(address) => write!(f, "UDP {address}"),
            Self::Tcp(c) => write!(f, "TCP {c}"),
        }
    }
}

macro_rules! named {
    ($($id:ident $prefix:literal,)*) => {$(
        impl fmt::Display for $id {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!($prefix, "{}"), self.0)
            }
        }
    )*};
}

named! {
    TransportId "t", ConnectionId "c", AddressId "a", SocketId "s", ListenerId "l", WorkerId "w", CallerId "caller",
}
