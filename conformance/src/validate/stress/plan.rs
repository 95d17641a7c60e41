//! What will be done in a run. All of it is chosen before anything runs, so that the choices do not depend on the clock.

use super::choice::Choices;
use crate::peer::Protocol;
use std::time::Duration;

/// One run.
#[derive(Clone, Debug)]
pub(super) struct Plan {
    pub(super) actors: Vec<Actor>,
    pub(super) strangers: Vec<Stranger>,
    /// When the server is closed, from the beginning on.
    pub(super) close_at: Duration,
    pub(super) close: Close,
    /// The time for the whole close, if it is not the usual one.
    pub(super) deadline: Option<Duration>,
    /// How long before the close the UDP sockets fill up, and for how long.
    pub(super) full: Option<(Duration, Duration)>,
}

/// Who closes the server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Close {
    /// So many threads at once, each waiting.
    Threads(usize),
    /// Nobody: the last handle is dropped.
    LastHandle,
}

/// A transport with its peer and its owner.
#[derive(Clone, Debug)]
pub(super) struct Actor {
    pub(super) begins_at: Duration,
    pub(super) role: Role,
    pub(super) fingerprint: Fingerprint,
    pub(super) paths: Vec<PathPlan>,
    pub(super) handshake: Handshake,
    pub(super) restarts: bool,
    /// Messages that the server sends, and that the peer sends.
    pub(super) data: (usize, usize),
    /// The peer stops reading its connections before the server sends.
    pub(super) stalls: bool,
    pub(super) pause: Duration,
    pub(super) peer_end: PeerEnd,
    pub(super) owner_end: OwnerEnd,
    /// The peer answers close_notify.
    pub(super) answers: bool,
    /// What is closed from inside the callback that says that DTLS is connected.
    pub(super) callback: Option<Closes>,
}

/// What a callback closes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Closes {
    Transport,
    Server,
}

/// The peer's role in DTLS.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Role {
    Client,
    Server,
}

/// What the owner is told of the peer's certificate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fingerprint {
    Right,
    Wrong,
    Untold,
}

/// A path that the peer opens.
#[derive(Clone, Copy, Debug)]
pub(super) struct PathPlan {
    pub(super) protocol: Protocol,
    pub(super) checks: bool,
    pub(super) nominates: bool,
}

/// How far the handshake goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Handshake {
    None,
    Begun,
    Done,
}

/// What the peer does at last.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum PeerEnd {
    Nothing,
    CloseNotify,
    FatalAlert,
    Fin,
    Reset,
    Vanish,
}

/// What the owner does at last.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum OwnerEnd {
    /// The server closes it.
    Nothing,
    Close,
    Drop,
}

/// A connection that never becomes anybody's.
#[derive(Clone, Copy, Debug)]
pub(super) struct Stranger {
    pub(super) begins_at: Duration,
    pub(super) end: StrangerEnd,
}

/// What a stranger does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum StrangerEnd {
    Silence,
    Junk,
    Fin,
    Reset,
}

impl Plan {
    pub(super) fn new(seed: u64, transports: usize) -> Self {
        let mut choices = Choices::new(seed);
        let actors = (0..transports).map(|_| actor(&mut choices)).collect();
        let strangers = (0..transports / 8).map(|_| stranger(&mut choices)).collect();
        let close_at = choices.milliseconds(250..=700);
        let close = choices.weighted(&[
            (2, Close::Threads(1)),
            (2, Close::Threads(2)),
            (1, Close::LastHandle),
        ]);
        let deadline = choices.percent(20).then(|| choices.milliseconds(20..=120));
        // Longer than a farewell waits, or not.
        let full = (choices.milliseconds(0..=40), choices.milliseconds(20..=160));
        let full = choices.percent(75).then_some(full);
        Plan { actors, strangers, close_at, close, deadline, full }
    }
}

fn actor(choices: &mut Choices) -> Actor {
    let handshake =
        choices.weighted(&[(2, Handshake::None), (2, Handshake::Begun), (12, Handshake::Done)]);
    let fingerprint = choices.weighted(&[
        (14, Fingerprint::Right),
        (1, Fingerprint::Wrong),
        (1, Fingerprint::Untold),
    ]);
    Actor {
        // Some come too late, or just in time.
        begins_at: match choices.percent(12) {
            true => choices.milliseconds(250..=750),
            false => choices.milliseconds(0..=250),
        },
        role: choices.weighted(&[(3, Role::Client), (1, Role::Server)]),
        fingerprint,
        paths: paths(choices),
        handshake,
        restarts: choices.percent(20),
        data: (choices.number(0..=3) as usize, choices.number(0..=3) as usize),
        stalls: choices.percent(25),
        pause: choices.milliseconds(0..=120),
        peer_end: choices.weighted(&[
            (4, PeerEnd::Nothing),
            (4, PeerEnd::CloseNotify),
            (1, PeerEnd::FatalAlert),
            (2, PeerEnd::Fin),
            (2, PeerEnd::Reset),
            (1, PeerEnd::Vanish),
        ]),
        owner_end: choices.weighted(&[
            (5, OwnerEnd::Nothing),
            (3, OwnerEnd::Close),
            (1, OwnerEnd::Drop),
        ]),
        answers: choices.percent(70),
        // Closing the server this way ends most of a run, so few runs do.
        callback: choices.weighted(&[
            (500, None),
            (30, Some(Closes::Transport)),
            (1, Some(Closes::Server)),
        ]),
    }
}

/// At most two over UDP and three over TCP, which is what the model has room for.
fn paths(choices: &mut Choices) -> Vec<PathPlan> {
    let (udp, tcp) = choices.weighted(&[
        (1, (0, 0)),
        (5, (1, 0)),
        (5, (0, 1)),
        (2, (2, 0)),
        (3, (0, 2)),
        (3, (1, 1)),
        (3, (2, 1)),
        (3, (1, 2)),
        (2, (0, 3)),
        (3, (2, 2)),
        (3, (1, 3)),
    ]);
    let mut protocols = vec![Protocol::Udp; udp];
    protocols.extend(vec![Protocol::Tcp; tcp]);
    // Any order: which comes first decides what is selected.
    for at in (1..protocols.len()).rev() {
        protocols.swap(at, choices.number(0..=at as u64) as usize);
    }
    let plan = |protocol| PathPlan {
        protocol,
        checks: choices.percent(92),
        nominates: choices.percent(40),
    };
    protocols.into_iter().map(plan).collect()
}

fn stranger(choices: &mut Choices) -> Stranger {
    Stranger {
        begins_at: choices.milliseconds(0..=600),
        end: choices.weighted(&[
            (2, StrangerEnd::Silence),
            (1, StrangerEnd::Junk),
            (1, StrangerEnd::Fin),
            (1, StrangerEnd::Reset),
        ]),
    }
}
