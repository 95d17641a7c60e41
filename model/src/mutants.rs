//! The mutants of the model, each planted in the model to see that a property catches it.

use serde::{Deserialize, Serialize};

use crate::action::Action;
use crate::explore::Graph;
use crate::known_bugs::KnownBug;
use crate::model::LifecycleModel;
use crate::properties::{judge, properties};

/// A wrong variant of the model, after a bug that was made somewhere.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Mutant {
    /// The server releases its UDP sockets and its listeners before its transports close.
    CarriersFirst,
    /// The server closes the connections of its transports with the listener, before these close.
    ConnectionsFirst,
    /// The loop that closes the transports walks the set that shrinks under it.
    EverySecondTransport,
    /// A connection that a transport closed stays in the server's table.
    ConnectionKept,
    /// A connection is closed while its transport is still in the routing tables.
    CloseBeforeUnmap,
    /// The tuple of a connection that ended stays in the routing table.
    StaleRoute,
    /// What was read from a connection is handled after a write has ended it.
    HandledAfterReset,
    /// An alert that was given up is still offered when the socket has room.
    CompletionToClosed,
    /// One `close()` that waits is forgotten when a second one comes.
    CallerForgotten,
    /// The queue of a connection is thrown away at the end of its use, and its transport is not told.
    QueueDropped,
    /// A close that a callback asks for is carried out within the callback.
    ReentrantClose,
    /// A transport whose peer said close_notify leaves its connections behind at its close.
    RemoteCloseLeaks,
    /// The selected tuple survives the loss of all tuples.
    SelectionKept,
    /// The consent timer of a transport that closes still acts.
    LateTimer,
    /// A worker releases the carriers of all workers.
    WrongPool,
    /// The table of tuples is keyed by the remote address alone.
    KeyWithoutSocket,
    /// A tuple that another transport proves stays with its former transport as well.
    StaleTupleShadows,
    /// The error that one transport's unfinished handshake leaves behind ends another's DTLS.
    ErrorLeaks,
    /// A connection that cannot be flushed is waited for without a deadline.
    NoDeadline,
    /// An alert that waits for the UDP socket is thrown away when the server closes.
    AlertCancelled,
    /// A connection is closed as soon as its alert is written.
    HardClose,
    /// `shutdown(WR)` does not wait for the queued alert.
    FinFirst,
    /// A transport whose peer said close_notify says its own again at its close.
    AlertTwice,
    /// Transports that close with the server say nothing.
    SilentServerClose,
    /// A transport that could not be created leaves its ufrag in the table.
    RegistrationLeft,
    /// Connections are still accepted after `close()` was called.
    AcceptWhileClosing,
    /// `close()` returns with the first worker that has released its carriers.
    EarlyReturn,
    /// The first worker that is drained opens the barrier for all.
    FirstWorkerReleases,
    /// A change of state is reported after the transport was reported closed.
    EventAfterReport,
    /// An event of a connection that is gone reaches the one that has its token now.
    TokenReused,
    /// A transport is reported closed while its alert still waits.
    ReportedEarly,
    /// The alert is made when its transport is no longer in the routing tables.
    AlertAfterUnmap,
    /// The ufrag from before an ICE restart stays in the table when its transport closes.
    RestartedUfragKept,
    /// The oldest tuple gives way to a new one though it is selected.
    EvictsSelected,
    /// A connection whose tuple gave way is not closed.
    EvictedConnectionKept,
    /// An alert that waits on a tuple still leaves when somebody else has the tuple.
    AlertToNewOwner,
    /// The tuple that takes over is chosen before the lost one is taken out.
    SelectsTheGone,
    /// The peer's FIN is not remembered, so the kernel tells it again and again.
    EndlessEof,
    /// A worker that writes a last alert hears nothing until it has left.
    CloseBlocks,
    /// The reset of a connection that was never bound takes a tuple from a transport.
    StrangerBreaks,
    /// A server whose last handle is dropped stays open.
    LastHandleForgotten,
    /// A deadline of a connection that cannot be flushed begins the flush anew.
    StartsOver,
    /// A transport whose handshake failed says close_notify at its close.
    FailureSaysGoodbye,
    /// A fatal alert is answered with close_notify.
    FatalAnswered,
    /// Of several connections of a transport that closes only the newest comes to its end.
    OnlyNewestConnection,
    /// An alert of which the kernel took the beginning counts as sent.
    PartIsWhole,
    /// A connection for which there was no descriptor is kept in the table.
    VainConnectionKept,
    /// A worker that closes throws away what the others handed to it.
    HandOverForgotten,
    /// A worker closes the connections that it gave away with its own.
    GivenAwayAndKept,
    /// The permission to release the carriers overtakes a connection in the mailbox.
    GrantOvertakes,
    /// A worker counts as drained although it has connections that are nobody's, and gives them away later.
    StrangersForgotten,
    /// A connection that another worker's transport has proved to be its own stays a tuple of its former one.
    GivenAwayBound,
}

/// How a mutant was caught.
#[derive(Clone, Debug)]
pub struct MutantReport {
    /// The mutant.
    pub mutant: Mutant,
    /// The property that ought to catch it.
    pub property: &'static str,
    /// A shortest way to break that property; `None` if the mutant survived.
    pub counterexample: Option<Vec<Action>>,
    /// What else was broken among the states explored until then.
    pub also_broken: Vec<&'static str>,
    /// How many states were explored.
    pub states: usize,
}

/// Plant a mutant and explore until the property that ought to catch it is broken.
///
/// # Panics
///
/// If the table names a property that does not exist.
pub fn run_mutant(bug: &KnownBug) -> MutantReport {
    let config = (bug.config)().with_mutant(bug.mutant);
    let model = LifecycleModel(config.clone());
    let property = properties()
        .into_iter()
        .find(|property| property.name == bug.killed_by)
        .unwrap_or_else(|| panic!("no property is called {:?}", bug.killed_by));
    let graph = Graph::explore_until(&config, |_, state| !(property.condition)(&model, state));
    let broken = judge(&graph)
        .into_iter()
        .filter(|result| result.must_always_hold() && result.property != property.name);
    MutantReport {
        mutant: bug.mutant,
        property: property.name,
        counterexample: graph.shortest(|_, state| !(property.condition)(&model, state)),
        also_broken: broken.filter(|v| !v.holds()).map(|v| v.property).collect(),
        states: graph.states().len(),
    }
}
