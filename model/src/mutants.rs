//! The known mistakes, each planted in the model to see that a property catches it.

use serde::{Deserialize, Serialize};

use crate::action::Action;
use crate::config::Config;
use crate::explore::Graph;
use crate::model::LifecycleModel;
use crate::properties::{judge, properties};

/// A known mistake.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Mutant {
    /// The server releases its UDP socket and its listener before its transports close.
    CarriersFirst,
    /// The server closes the connections of its transports with the listener, before these close.
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
    /// A change of state is reported after the transport was reported closed.
    EventAfterReport,
    /// A transport is reported closed while its alert still waits.
    ReportedEarly,
    /// The alert is made when its transport is no longer in the routing tables.
    AlertAfterUnmap,
}

/// A mistake, where it was made, and how the model catches it.
#[derive(Clone, Copy, Debug)]
pub struct KnownBug {
    /// The mistake.
    pub mutant: Mutant,
    /// Its number in the list of known bugs, or the invariant that it breaks if it has none there.
    pub id: &'static str,
    /// Where it was made.
    pub source: &'static str,
    /// What goes wrong.
    pub description: &'static str,
    /// The property that catches it.
    pub killed_by: &'static str,
    /// How many actions the shortest counterexample takes.
    pub length: usize,
    /// The smallest configuration that shows it.
    pub config: fn() -> Config,
}

/// How a planted mistake was caught.
#[derive(Clone, Debug)]
pub struct MutantReport {
    /// The mistake.
    pub mutant: Mutant,
    /// The property that ought to catch it.
    pub property: &'static str,
    /// A shortest way to break that property; `None` if the mistake survived.
    pub counterexample: Option<Vec<Action>>,
    /// What else was broken among the states explored until then.
    pub also_broken: Vec<&'static str>,
    /// How many states were explored.
    pub states: usize,
}

/// Plant a mistake and explore until the property that ought to catch it is broken.
///
/// # Panics
///
/// If the table names a property that does not exist.
pub fn run_mutant(bug: &KnownBug) -> MutantReport {
    let config = (bug.config)().with_mutant(bug.mutant);
    let model = LifecycleModel(config.clone());
    let property = properties(&config)
        .into_iter()
        .find(|property| property.name == bug.killed_by)
        .unwrap_or_else(|| panic!("no property is called {:?}", bug.killed_by));
    let graph = Graph::explore_until(&config, |_, state| !(property.condition)(&model, state));
    let broken = judge(&graph)
        .into_iter()
        .filter(|verdict| verdict.must_always_hold() && verdict.property != property.name);
    MutantReport {
        mutant: bug.mutant,
        property: property.name,
        counterexample: graph.shortest(|_, state| !(property.condition)(&model, state)),
        also_broken: broken.filter(|v| !v.holds()).map(|v| v.property).collect(),
        states: graph.states().len(),
    }
}

/// Every mistake that the model knows.
pub const KNOWN_BUGS: [KnownBug; 17] = [
    KnownBug {
        mutant: Mutant::CarriersFirst,
        id: "K01",
        source: "mediasoup #1388",
        description: "the UDP socket is released, then transports say goodbye over it",
        killed_by: "S1 nothing is done on a released carrier",
        length: 3,
        config: Config::small,
    },
    KnownBug {
        mutant: Mutant::ConnectionsFirst,
        id: "K02",
        source: "mediasoup #1388 over TCP",
        description: "connections go with the listener, then transports use them",
        killed_by: "S1 nothing is done on a released carrier",
        length: 3,
        config: Config::small,
    },
    KnownBug {
        mutant: Mutant::EverySecondTransport,
        id: "K03",
        source: "mediasoup #1369",
        description: "children that close take themselves out of the set that is walked",
        killed_by: "S5 a closing server leaves no transport open",
        length: 1,
        config: Config::standard,
    },
    KnownBug {
        mutant: Mutant::ConnectionKept,
        id: "K04",
        source: "mediasoup #1381",
        description: "the server is not told that a transport closed its connection",
        killed_by: "X1 each child leaves its parent exactly once",
        length: 4,
        config: Config::small,
    },
    KnownBug {
        mutant: Mutant::CloseBeforeUnmap,
        id: "K05",
        source: "mediasoup #1392",
        description: "the end of the connection finds its tuple still in the table",
        killed_by: "O4 unmap before the connection goes",
        length: 3,
        config: Config::small,
    },
    KnownBug {
        mutant: Mutant::CallerForgotten,
        id: "K10",
        source: "mediasoup R-9, #1382",
        description: "only one of two who wait for the close is told",
        killed_by: "X3 each caller returns once, after the carriers went",
        length: 3,
        config: Config::small,
    },
    KnownBug {
        mutant: Mutant::SelectionKept,
        id: "K15",
        source: "mediasoup #1176",
        description: "a disconnect leaves the selected tuple behind",
        killed_by: "S9 ICE state, selected tuple and tuples agree",
        length: 2,
        config: Config::small,
    },
    KnownBug {
        mutant: Mutant::ErrorLeaks,
        id: "K24",
        source: "mediasoup R-1",
        description: "the error of a closed handshake ends an innocent association",
        killed_by: "N1 what happens to one transport changes no other",
        length: 4,
        config: Config::standard,
    },
    KnownBug {
        mutant: Mutant::NoDeadline,
        id: "K25",
        source: "mediasoup R-2",
        description: "a peer that does not read keeps the close waiting for ever",
        killed_by: "L1 deadlines alone end a closing server",
        length: 5,
        config: Config::small,
    },
    KnownBug {
        mutant: Mutant::AlertCancelled,
        id: "K26",
        source: "mediasoup R-3",
        description: "an alert that waits for the socket is thrown away",
        killed_by: "L3 an alert leaves unless a deadline or the peer stops it",
        length: 4,
        config: Config::small,
    },
    KnownBug {
        mutant: Mutant::FinFirst,
        id: "K28",
        source: "mediasoup R-4",
        description: "FIN overtakes the queued alert",
        killed_by: "O6 no FIN while the alert waits",
        length: 5,
        config: Config::small,
    },
    KnownBug {
        mutant: Mutant::AlertTwice,
        id: "K29",
        source: "pion/dtls #197",
        description: "a close says goodbye again after the reply to the peer's",
        killed_by: "X4 one close_notify if it can be said, and never two",
        length: 4,
        config: Config::small,
    },
    KnownBug {
        mutant: Mutant::SilentServerClose,
        id: "K30",
        source: "mediasoup #1388",
        description: "transports that close with their server say nothing",
        killed_by: "X4 one close_notify if it can be said, and never two",
        length: 3,
        config: Config::small,
    },
    KnownBug {
        mutant: Mutant::AcceptWhileClosing,
        id: "K35",
        source: "go-libp2p #2717",
        description: "a connection is accepted after the close began",
        killed_by: "O2 transports go before carriers, and nobody joins",
        length: 4,
        config: Config::small,
    },
    KnownBug {
        mutant: Mutant::ReportedEarly,
        id: "K42",
        source: "dimpl #155",
        description: "closed is reported while the alert still waits",
        killed_by: "L3 an alert leaves unless a deadline or the peer stops it",
        length: 4,
        config: Config::small,
    },
    KnownBug {
        mutant: Mutant::EventAfterReport,
        id: "K39",
        source: "mediasoup R-15",
        description: "a state event follows the report that the transport is closed",
        killed_by: "X5 a transport is reported closed once, and then silent",
        length: 1,
        config: Config::small,
    },
    KnownBug {
        mutant: Mutant::AlertAfterUnmap,
        id: "O1",
        source: "libcoap #332",
        description: "the goodbye is made when the association is already taken apart",
        killed_by: "O1 alert, then unmap, then report",
        length: 3,
        config: Config::small,
    },
];
