//! Who hears what becomes of a transport.

use super::command::{ClosedTransport, EventSink};
use super::latch::Latch;
use crate::lifecycle::{CloseReason, DropReason, NotNeeded, Outcome};
use crate::sync::Arc;
use std::panic::{AssertUnwindSafe, catch_unwind};

/// What becomes of a close_notify that its worker did not live to send.
pub(crate) const ABANDONED: Outcome = Outcome::Dropped(DropReason::CarrierReleased);

/// The owner of a transport, on the worker's side. Wherever it is dropped, on its way to the worker or with it, nobody
/// is left waiting for the close.
pub struct Owner {
    /// Hears the events.
    pub(crate) sink: EventSink,
    closed: Arc<Latch<ClosedTransport>>,
    /// What is answered if nobody says what became of the transport.
    untold: Outcome,
}

impl Owner {
    /// Of a transport that is not made yet.
    #[must_use]
    pub fn new(sink: EventSink, closed: Arc<Latch<ClosedTransport>>) -> Self {
        Owner { sink, closed, untold: Outcome::NotNeeded(NotNeeded::NotConnected) }
    }

    /// Its worker has made the transport.
    pub(crate) fn made(&mut self) {
        self.untold = ABANDONED;
    }

    /// Answers everybody who waits for the close. A callback among them that panics is logged and harms nobody else.
    pub(crate) fn answer(&self, reason: CloseReason, outcome: Outcome) {
        let closed = ClosedTransport { reason, outcome };
        if catch_unwind(AssertUnwindSafe(|| self.closed.set(closed))).is_err() {
            tracing::error!(target: "info", "a callback panicked that waited for a transport's close");
        }
    }
}

impl Drop for Owner {
    /// After the answer this changes nothing.
    //= X3
    fn drop(&mut self) {
        self.answer(CloseReason::ServerClosed, self.untold);
    }
}
