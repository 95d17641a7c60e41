//! Who hears what becomes of a transport.

use super::command::{ClosedTransport, EventSink};
use super::events::TransportEvent;
use super::latch::Latch;
use super::view::{self, View};
use crate::lifecycle::{CloseReason, Credentials, DropReason, DtlsRole, NotNeeded, Outcome};
use crate::sync::{Arc, lock};
use std::panic::{AssertUnwindSafe, catch_unwind};

/// What becomes of a close_notify that its worker did not live to send.
pub(crate) const ABANDONED: Outcome = Outcome::Dropped(DropReason::CarrierReleased);

/// The owner of a transport, on the worker's side: each event changes what the handles show, then is handed on.
/// Wherever it is dropped, on its way to the worker or with it, nobody is left waiting for the close.
pub struct Owner {
    view: View,
    on_event: OnEvent,
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
    /// Of a transport with these credentials that is not made yet: `on_event` will hear its events, and `closed` is set
    /// when it is closed.
    #[must_use]
    pub fn new(
        credentials: &Credentials,
        on_event: EventSink,
        closed: Arc<Latch<ClosedTransport>>,
    ) -> Self {
        let view = view::new(credentials);
        Owner { view, on_event: OnEvent(Some(on_event)), closed, told: Told::Nothing }
    }

    /// What its handles look at.
    pub(super) fn view(&self) -> View {
        Arc::clone(&self.view)
    }

    /// `connect()` has decided our role.
    pub(crate) fn play(&self, role: DtlsRole) {
        lock(&self.view).dtls_role = role;
    }

    /// Its worker has made the transport.
    pub(crate) fn made(&mut self) {
        self.told = Told::Made;
    }

    /// Something happens to the transport.
    pub(crate) fn report(&mut self, event: TransportEvent) {
        view::update(&self.view, &event);
        self.on_event.call(event);
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

    fn answer(&self, reason: CloseReason, outcome: Outcome) {
        let closed = ClosedTransport { reason, outcome };
        survive("a callback panicked that waited for a transport's close", || {
            self.closed.set(closed);
        });
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

/// The application's callback. One that panics is not called again.
struct OnEvent(Option<EventSink>);

impl OnEvent {
    fn call(&mut self, event: TransportEvent) {
        let Some(on_event) = &mut self.0 else { return };
        let panicked = "the on_event of a transport panicked: it is not called again";
        if !survive(panicked, || on_event(event)) {
            self.discard();
        }
    }

    /// What it owns is the application's too.
    fn discard(&mut self) {
        let on_event = self.0.take();
        survive("what the on_event of a transport owned panicked", || drop(on_event));
    }
}

impl Drop for OnEvent {
    fn drop(&mut self) {
        self.discard();
    }
}

/// Does what is the application's. If it panics this is logged, and harms nobody else. Whether it did not.
fn survive(panicked: &'static str, what: impl FnOnce()) -> bool {
    match catch_unwind(AssertUnwindSafe(what)) {
        Ok(()) => true,
        Err(payload) => {
            // It may panic as well when it is dropped.
            std::mem::forget(payload);
            tracing::error!(target: "info", "{panicked}");
            false
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::control::events::DtlsConnected;
    use crate::lifecycle::{DtlsState, IceState};
    use crate::parameters::{ListenInfo, Protocol, TransportTuple};
    use crate::shell::dtls::{SrtpKey, SrtpKeys, SrtpProfile};
    use crate::sync::Mutex;
    use std::sync::mpsc::{TryRecvError, channel};

    fn credentials() -> Credentials {
        Credentials { ufrag: "ufrag".to_owned(), password: "password".to_owned() }
    }

    fn tuple() -> TransportTuple {
        let info = ListenInfo::new(Protocol::Udp, "127.0.0.1".parse().expect("an address"));
        TransportTuple::between(&info, "127.0.0.1:5000".parse().expect("an address"))
    }

    fn connected() -> TransportEvent {
        let key = SrtpKey { key: vec![1; 16], salt: vec![2; 14] };
        let profile = SrtpProfile::Aes128CmSha1_80;
        TransportEvent::DtlsStateChange {
            state: DtlsState::Connected,
            reason: None,
            connected: Some(Box::new(DtlsConnected {
                srtp: SrtpKeys { profile, local: key.clone(), remote: key },
                remote_certificate: "PEM".to_owned(),
                extended_master_secret: true,
            })),
        }
    }

    fn close() -> TransportEvent {
        let outcome = Outcome::NotNeeded(NotNeeded::NotConnected);
        TransportEvent::Close { reason: CloseReason::Owner, outcome }
    }

    fn owner(on_event: EventSink) -> Owner {
        Owner::new(&credentials(), on_event, Arc::new(Latch::new()))
    }

    #[test]
    fn getters_follow_the_events_and_each_is_heard_once() {
        let (sender, heard) = channel();
        let mut owner = owner(Box::new(move |event| sender.send(event).expect("the test hears")));
        let view = owner.view();
        let events = [
            TransportEvent::IceStateChange(IceState::Completed),
            TransportEvent::IceSelectedTupleChange(Some(tuple())),
            connected(),
            TransportEvent::Data(vec![1]),
        ];
        for event in &events {
            owner.report(event.clone());
        }
        let seen = lock(&view);
        assert_eq!((seen.ice_state, seen.dtls_state), (IceState::Completed, DtlsState::Connected));
        assert_eq!(seen.ice_selected_tuple, Some(tuple()));
        assert_eq!(seen.dtls_remote_cert.as_deref(), Some("PEM"));
        assert_eq!(heard.try_iter().collect::<Vec<_>>(), events);
    }

    #[test]
    fn a_message_does_not_wait_for_who_looks_at_the_view() {
        let (sender, heard) = channel();
        let mut owner = owner(Box::new(move |event| sender.send(event).expect("the test hears")));
        let view = owner.view();
        let looking = lock(&view);
        std::thread::spawn(move || owner.report(TransportEvent::Data(vec![1])));
        let event = heard.recv_timeout(std::time::Duration::from_secs(20));
        drop(looking);
        assert_eq!(event, Ok(TransportEvent::Data(vec![1])));
    }

    #[test]
    fn cls_11_after_close_the_states_are_closed_and_the_tuple_is_unset() {
        let mut owner = owner(Box::new(|_| {}));
        let view = owner.view();
        owner.report(TransportEvent::IceSelectedTupleChange(Some(tuple())));
        owner.report(close());
        let seen = lock(&view);
        assert_eq!((seen.ice_state, seen.dtls_state), (IceState::Closed, DtlsState::Closed));
        assert_eq!(seen.ice_selected_tuple, None);
    }

    #[test]
    fn a_callback_that_panics_is_dropped_and_the_view_goes_on() {
        let (sender, calls) = channel();
        let on_event: EventSink = Box::new(move |_| {
            sender.send(()).expect("the test counts");
            panic!("an application's fault, which this test provokes");
        });
        let mut owner = owner(on_event);
        let view = owner.view();
        owner.report(TransportEvent::IceStateChange(IceState::Connected));
        owner.report(TransportEvent::IceStateChange(IceState::Completed));
        assert_eq!(lock(&view).ice_state, IceState::Completed);
        assert_eq!(calls.try_iter().count(), 1, "called once");
        assert_eq!(calls.try_recv(), Err(TryRecvError::Disconnected), "and then dropped");
    }

    #[test]
    fn a_callback_may_look_at_the_view() {
        let slot: Arc<Mutex<Option<View>>> = Arc::default();
        let handle = Arc::clone(&slot);
        let (sender, states) = channel();
        let on_event: EventSink = Box::new(move |_| {
            let view = lock(&handle).clone().expect("set below");
            let state = lock(&view).ice_state;
            sender.send(state).expect("the test hears");
        });
        let mut owner = owner(on_event);
        let view = owner.view();
        *lock(&slot) = Some(view);
        owner.report(TransportEvent::IceStateChange(IceState::Connected));
        assert_eq!(states.try_recv(), Ok(IceState::Connected));
    }

    struct Fault;

    impl Drop for Fault {
        fn drop(&mut self) {
            panic!("an application's fault, which this test provokes");
        }
    }

    #[test]
    fn what_a_callback_panics_with_may_panic_when_it_is_dropped() {
        let mut owner = owner(Box::new(|_| std::panic::panic_any(Fault)));
        owner.report(TransportEvent::IceStateChange(IceState::Connected));
        assert_eq!(lock(&owner.view()).ice_state, IceState::Connected);
    }

    #[test]
    fn what_a_callback_owns_may_panic_when_it_is_dropped() {
        let fault = Fault;
        let mut owner = owner(Box::new(move |_| {
            let _ = &fault;
        }));
        let closed = Arc::clone(&owner.closed);
        owner.report_closed(CloseReason::Owner, Outcome::NotNeeded(NotNeeded::NotConnected));
        drop(owner);
        assert!(closed.get().is_some());
    }
}
