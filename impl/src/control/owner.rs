//! Who hears what becomes of a transport.

use super::command::{ClosedTransport, EventSink};
use super::latch::Latch;
use super::view::View;
use crate::lifecycle::{CloseReason, DropReason, DtlsRole, NotNeeded, Outcome};
use crate::sync::{Arc, lock};
use std::panic::{AssertUnwindSafe, catch_unwind};

/// What becomes of a close_notify that its worker did not live to send.
pub(crate) const ABANDONED: Outcome = Outcome::Dropped(DropReason::CarrierReleased);

/// The owner of a transport, on the worker's side. Wherever it is dropped, on its way to the worker or with it, nobody
/// is left waiting for the close.
pub struct Owner {
    /// Hears the events.
    pub(crate) sink: EventSink,
    /// What its handles look at.
    view: Option<View>,
    closed: Arc<Latch<ClosedTransport>>,
    /// What is answered if nobody says what became of the transport.
    untold: Outcome,
}

impl Owner {
    /// Of a transport that is not made yet.
    #[must_use]
    pub fn new(sink: EventSink, closed: Arc<Latch<ClosedTransport>>) -> Self {
        let untold = Outcome::NotNeeded(NotNeeded::NotConnected);
        Owner { sink, view: None, closed, untold }
    }

    /// With handles that look at this view.
    pub(super) fn with_view(mut self, view: &View) -> Self {
        self.view = Some(Arc::clone(view));
        self
    }

    /// `connect()` has decided our role.
    pub(crate) fn play(&self, role: DtlsRole) {
        if let Some(view) = &self.view {
            lock(view).dtls_role = role;
        }
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
