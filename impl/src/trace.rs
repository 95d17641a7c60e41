//! Hooks for whoever wants to see every step of a running server, in an order that threads cannot blur.
//!
//! An [`Observer`] hears of each step of a worker's core after the core has changed and before anything of it is
//! performed, and of each event of the barrier before it is passed on. So a cause is always heard before its effect, on
//! whatever thread the effect shows: an observer that numbers what it hears under one lock has the order of the causes.
//!
//! With several workers too. One worker touches nothing of another's, so that only two ways lead from a step of one to
//! a step of another: a mailbox (what is handed over, and what is told about tuples) and the barrier. Into both is put
//! while a step is performed or after it, which is after it was heard of, and whoever takes it out is heard of later.
//! Steps that neither joins may be numbered in either order: neither can have known of the other.
//!
//! Only with the feature `testing`, and nothing but a test of an `Option` where nobody observes.

use crate::lifecycle::server::WorkerId;
use crate::lifecycle::{self, Input, ListenerId, Step};
use crate::sync::Arc;
use std::fmt;
use std::net::SocketAddr;

/// Hears of everything that changes a server. Called on the threads of the server, which wait for it: it must not call
/// back into the server.
pub trait Observer: Send + Sync {
    /// A worker's core took an input in.
    fn stepped(&self, stepped: &Stepped<'_>);

    /// The barrier said something, or is about to be told it.
    fn said(&self, event: BarrierEvent);

    /// Whether the UDP sockets are to pretend that they are full: looked at after every poll.
    fn sockets_are_full(&self) -> bool {
        false
    }

    /// Whether the system is to refuse every datagram: looked at with each.
    fn datagrams_are_refused(&self) -> bool {
        false
    }
}

/// One step of a worker's core: the outputs are not performed yet.
#[derive(Clone, Copy, Debug)]
pub struct Stepped<'a> {
    /// Whose.
    pub worker: WorkerId,
    /// Whether the world began it.
    pub cause: Cause,
    /// What happened.
    pub input: &'a Input,
    /// What the core made of it.
    pub step: &'a Step,
    /// The core after that.
    pub core: &'a lifecycle::Worker,
}

/// Where an input comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cause {
    /// From outside: the first of a turn.
    World,
    /// From performing the outputs of an earlier step of the same turn.
    Answer,
}

/// What crosses the barrier between the workers and the callers of `close()`, and what gets lost between two workers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BarrierEvent {
    /// The first close: every worker will be told.
    CloseRequested,
    /// Every worker is drained, and will be told.
    ReleaseGranted,
    /// This worker has let go of everything that it had.
    WorkerReleased(WorkerId),
    /// The thread of this worker has ended out of turn.
    WorkerLost(WorkerId),
    /// The callers of `close()` have their answer.
    CallersAnswered,
    /// A connection that was handed over was not taken: it is closed by whoever had it in hand.
    HandOverDropped {
        /// The listener that had accepted it.
        listener: ListenerId,
        /// The peer's address.
        remote: SocketAddr,
    },
}

/// An [`Observer`] that options can hold.
#[derive(Clone)]
pub struct Tracer(Arc<dyn Observer>);

impl Tracer {
    /// Tells this observer.
    pub fn new(observer: impl Observer + 'static) -> Self {
        Tracer(Arc::new(observer))
    }

    pub(crate) fn stepped(&self, stepped: &Stepped<'_>) {
        self.0.stepped(stepped);
    }

    pub(crate) fn said(&self, event: BarrierEvent) {
        self.0.said(event);
    }

    pub(crate) fn sockets_are_full(&self) -> bool {
        self.0.sockets_are_full()
    }

    pub(crate) fn datagrams_are_refused(&self) -> bool {
        self.0.datagrams_are_refused()
    }
}

impl fmt::Debug for Tracer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tracer").finish_non_exhaustive()
    }
}
