//! What will be done in a run. All of it is chosen before anything runs, so that the choices do not depend on the
//! clock, and the server is not closed before some of it was done.

use super::choice::Choices;
use crate::peer::Protocol;
use std::ops::RangeInclusive;
use std::time::Duration;

/// One run.
#[derive(Clone, Debug)]
pub(super) struct Scenario {
    pub(super) actors: Vec<Actor>,
    pub(super) strangers: Vec<Stranger>,
    /// Transports that are connected before the end begins, if all goes well.
    pub(super) connected: usize,
    /// When the server is closed, from that moment on.
    pub(super) close_at: Duration,
    /// Those who close it, each on a thread of its own. The last handle is dropped after them.
    pub(super) closers: Vec<Closer>,
    /// The time for the whole close, if it is not the usual one.
    pub(super) deadline: Option<Duration>,
    /// When the UDP sockets are full.
    pub(super) full: Option<Fault>,
    /// When the system refuses datagrams.
    pub(super) refused: Option<Fault>,
}

/// When something begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Moment {
    /// So long after the run began.
    Early(Duration),
    /// So long after enough has happened for the server to be closed.
    Late(Duration),
}

/// A thread that closes the server.
#[derive(Clone, Copy, Debug)]
pub(super) struct Closer {
    /// How long after the first moment at which one closes.
    pub(super) after: Duration,
    pub(super) how: How,
}

/// What a closer does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum How {
    /// It calls `close()` and waits.
    Closes,
    /// It drops its handle.
    Drops,
}

/// A fault of the system that passes.
#[derive(Clone, Copy, Debug)]
pub(super) struct Fault {
    /// How long before the close it begins.
    pub(super) before: Duration,
    pub(super) length: Duration,
}

/// A transport with its peer and its owner.
#[derive(Clone, Debug)]
pub(super) struct Actor {
    pub(super) begins_at: Moment,
    pub(super) role: Role,
    pub(super) fingerprint: Fingerprint,
    pub(super) paths: Vec<PathScript>,
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
    /// Silence after which its consent has expired, if it is to expire within the run.
    pub(super) consent: Option<Duration>,
    /// The peer goes on with another transport of the owner, on the same paths.
    pub(super) moves: Option<Move>,
}

/// How a peer goes on with another transport: what it had proved to be the first one's is the second one's then.
#[derive(Clone, Copy, Debug)]
pub(super) struct Move {
    /// The owner closes the first transport just before.
    pub(super) closes_before: bool,
    /// The peer takes all of its paths along, not only the one that DTLS goes over.
    pub(super) takes_all: bool,
    /// It handshakes again.
    pub(super) handshakes: bool,
    /// Transports that are made in between and not used. Transports go to the workers in turn, so this decides whether
    /// both are of the same worker.
    pub(super) between: u64,
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
pub(super) struct PathScript {
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
    pub(super) begins_at: Moment,
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

impl Scenario {
    pub(super) fn new(seed: u64, transports: usize) -> Self {
        let mut choices = Choices::new(seed);
        let mut actors: Vec<_> = (0..transports).map(|_| actor(&mut choices)).collect();
        let strangers = (0..transports / 8).map(|_| stranger(&mut choices)).collect();
        // As a rule much has happened to those who are connected, and sometimes little.
        let hopeful = actors.iter().filter(|actor| actor.is_to_connect()).count() as u64;
        let connected = choices.number(hopeful / 4..=hopeful * 3 / 4) as usize;
        let close_at = choices.milliseconds(50..=400);
        let closers = closers(&mut choices);
        let deadline = choices.percent(20).then(|| choices.milliseconds(20..=120));
        // Longer than a farewell waits, or not.
        let full = fault(&mut choices, 75, 20..=160);
        let refused = fault(&mut choices, 40, 5..=60);
        if choices.percent(30)
            && let Some(last) = actors.last_mut()
        {
            last.closes_the_server(close_at.saturating_sub(choices.milliseconds(0..=80)));
        }
        Scenario { actors, strangers, connected, close_at, closers, deadline, full, refused }
    }

    /// Those who do not wait until enough has happened.
    pub(super) fn early(&self) -> usize {
        self.actors.iter().filter(|actor| actor.is_early()).count()
    }
}

impl Actor {
    /// From inside the callback that says that DTLS is connected, which it is soon after this moment.
    fn closes_the_server(&mut self, begins_at: Duration) {
        self.begins_at = Moment::Late(begins_at);
        self.paths = vec![PathScript { protocol: Protocol::Udp, checks: true, nominates: true }];
        self.fingerprint = Fingerprint::Right;
        self.handshake = Handshake::Done;
        self.callback = Some(Closes::Server);
    }

    pub(super) fn is_early(&self) -> bool {
        matches!(self.begins_at, Moment::Early(_))
    }

    /// Nothing that is planned keeps it from being connected.
    fn is_to_connect(&self) -> bool {
        self.is_early()
            && self.handshake == Handshake::Done
            && self.fingerprint == Fingerprint::Right
            && self.consent.is_none()
            && self.paths.iter().any(|path| path.checks)
    }
}

/// Two at least, all of whom may drop their handles.
fn closers(choices: &mut Choices) -> Vec<Closer> {
    use How::{Closes, Drops};
    let hows = choices.weighted(&[
        (3, vec![Closes, Closes]),
        (2, vec![Closes, Closes, Closes]),
        (2, vec![Closes, Drops]),
        (2, vec![Drops, Drops]),
    ]);
    hows.into_iter().map(|how| Closer { after: choices.milliseconds(0..=20), how }).collect()
}

fn fault(choices: &mut Choices, percent: u64, length: RangeInclusive<u64>) -> Option<Fault> {
    let before = choices.milliseconds(0..=40);
    let length = choices.milliseconds(length);
    choices.percent(percent).then_some(Fault { before, length })
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
            true => Moment::Late(choices.milliseconds(0..=400)),
            false => Moment::Early(choices.milliseconds(0..=250)),
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
        callback: choices.percent(6).then_some(Closes::Transport),
        consent: choices.percent(12).then(|| choices.milliseconds(60..=160)),
        moves: choices.percent(25).then(|| Move {
            closes_before: choices.percent(30),
            takes_all: choices.percent(50),
            handshakes: choices.percent(60),
            between: choices.number(0..=1),
        }),
    }
}

/// At most two over UDP and three over TCP, which is what the model has room for.
fn paths(choices: &mut Choices) -> Vec<PathScript> {
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
    let script = |protocol| PathScript {
        protocol,
        checks: choices.percent(92),
        nominates: choices.percent(40),
    };
    protocols.into_iter().map(script).collect()
}

fn stranger(choices: &mut Choices) -> Stranger {
    Stranger {
        begins_at: match choices.percent(40) {
            true => Moment::Late(choices.milliseconds(0..=400)),
            false => Moment::Early(choices.milliseconds(0..=250)),
        },
        end: choices.weighted(&[
            (2, StrangerEnd::Silence),
            (1, StrangerEnd::Junk),
            (1, StrangerEnd::Fin),
            (1, StrangerEnd::Reset),
        ]),
    }
}
