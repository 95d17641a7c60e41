//! The one close_notify of a transport: SPEC.md §3.3.

use super::ids::Tuple;
use super::state::{DropReason, NotNeeded, Outcome};

/// How far the close_notify of a transport has come, be it the owner's or the reply to the peer's.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Farewell {
    /// Nothing was said.
    Unsaid,
    /// DTLS was asked for the record, which goes to this tuple.
    Making(Tuple),
    /// The record waits for room: in this socket, or in the queue of this connection.
    Queued(Tuple, QueuedRecord),
    /// The kernel took it.
    Sent(Tuple),
    /// The kernel took it, and no answer came in time.
    Unanswered,
    /// The peer answered, or its TCP acknowledged it.
    Confirmed,
    /// It will never leave.
    Dropped(DropReason),
}

/// Where a queued close_notify is kept.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum QueuedRecord {
    /// Here: a socket has no queue of its own.
    Datagram(Vec<u8>),
    /// In the send queue of the connection.
    Frame,
}

impl Farewell {
    /// The tuple that must stay alive for it.
    pub fn path(&self) -> Option<Tuple> {
        match self {
            Farewell::Making(path) | Farewell::Queued(path, _) | Farewell::Sent(path) => {
                Some(*path)
            }
            Farewell::Unsaid
            | Farewell::Unanswered
            | Farewell::Confirmed
            | Farewell::Dropped(_) => None,
        }
    }

    /// The tuple on which it still has to leave.
    pub(super) fn waits_on(&self) -> Option<Tuple> {
        match self {
            Farewell::Making(path) | Farewell::Queued(path, _) => Some(*path),
            Farewell::Unsaid
            | Farewell::Sent(_)
            | Farewell::Unanswered
            | Farewell::Confirmed
            | Farewell::Dropped(_) => None,
        }
    }

    /// Nothing more will become of it. A close_notify in reply to the peer's awaits no answer (`excuse`), and over TCP
    /// it is the connection that is waited for.
    pub(super) fn is_over(&self, excuse: Option<NotNeeded>) -> bool {
        match self {
            Farewell::Making(_) | Farewell::Queued(..) => false,
            Farewell::Sent(Tuple::Udp { .. }) => excuse.is_some(),
            Farewell::Sent(Tuple::Tcp(_))
            | Farewell::Unsaid
            | Farewell::Unanswered
            | Farewell::Confirmed
            | Farewell::Dropped(_) => true,
        }
    }

    /// What the owner is told, once it is over.
    pub(super) fn outcome(&self, excuse: Option<NotNeeded>) -> Outcome {
        if let Some(excuse) = excuse {
            return Outcome::NotNeeded(excuse);
        }
        match self {
            Farewell::Confirmed => Outcome::Confirmed,
            Farewell::Sent(_) | Farewell::Unanswered => Outcome::Sent,
            Farewell::Dropped(reason) => Outcome::Dropped(*reason),
            Farewell::Unsaid | Farewell::Making(_) | Farewell::Queued(..) => {
                debug_assert!(false, "a farewell that is not over has no outcome");
                Outcome::Dropped(DropReason::Io)
            }
        }
    }
}
