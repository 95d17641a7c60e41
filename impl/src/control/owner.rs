//! Who hears what becomes of a transport.

use super::command::{ClosedTransport, EventSink};
use super::events::TransportEvent;
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
    sink: EventSink,
    /// What its handles look at.
    view: Option<View>,
    closed: Arc<Latch<ClosedTransport>>,
    told: Told,
}

/// What the owner was told last.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Told {
    /// Nothing: its worker has not made the transport.
    Nothing,
    /// That the transport is made.
    Made,
    /// That it is closed.
    Closed,
}

impl Owner {
    /// Of a transport that is not made yet: `sink` will hear its events, and `closed` is set when it is closed.
    #[must_use]
    pub fn new(sink: EventSink, closed: Arc<Latch<ClosedTransport>>) -> Self {
        Owner { sink, view: None, closed, told: Told::Nothing }
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
        self.told = Told::Made;
    }

    /// Something happens to the transport.
    pub(crate) fn report(&mut self, event: TransportEvent) {
        (self.sink)(event);
    }

    /// The last that it hears; then everybody is answered who waits for the close.
    //= CLS-11
    //= CLS-12
    pub(crate) fn report_closed(&mut self, reason: CloseReason, outcome: Outcome) {
        self.told = Told::Closed;
        if reason == CloseReason::ServerClosed {
            self.report(TransportEvent::ListenServerClose);
        }
        self.report(TransportEvent::Close { reason, outcome });
        self.answer(reason, outcome);
    }

    /// A callback of those who wait that panics is logged and harms nobody else.
    fn answer(&self, reason: CloseReason, outcome: Outcome) {
        let closed = ClosedTransport { reason, outcome };
        if catch_unwind(AssertUnwindSafe(|| self.closed.set(closed))).is_err() {
            tracing::error!(target: "info", "a callback panicked that waited for a transport's close");
        }
    }
}

impl Drop for Owner {
    /// A worker that ends out of turn leaves nobody waiting. Of a transport that was never made there are no events.
    //= X3
    //= X5
    fn drop(&mut self) {
        match self.told {
            Told::Nothing => {
                let outcome = Outcome::NotNeeded(NotNeeded::NotConnected);
                self.answer(CloseReason::ServerClosed, outcome);
            }
            Told::Made => self.report_closed(CloseReason::ServerClosed, ABANDONED),
            Told::Closed => {}
        }
    }
}
