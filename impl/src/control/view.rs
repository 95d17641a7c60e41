//! What a transport shows of itself without asking its worker: kept up to date by the events on their way to the
//! application.

use crate::control::command::EventSink;
use crate::control::events::TransportEvent;
use crate::lifecycle::{Credentials, DtlsRole, DtlsState, IceState};
use crate::parameters::{IceParameters, TransportTuple};
use crate::sync::{Arc, Mutex, lock};
use std::panic::{AssertUnwindSafe, catch_unwind};

/// Shared between a handle and the worker that feeds it. Never held while a callback runs.
pub(super) type View = Arc<Mutex<Seen>>;

/// What was seen last.
pub(super) struct Seen {
    pub(super) ice_parameters: IceParameters,
    pub(super) ice_state: IceState,
    pub(super) ice_selected_tuple: Option<TransportTuple>,
    pub(super) dtls_role: DtlsRole,
    pub(super) dtls_state: DtlsState,
    pub(super) dtls_remote_cert: Option<String>,
}

/// The view of a new transport, and the sink that keeps it up to date and hands every event on: first the view
/// changes, then `on_event` is called. An `on_event` that panics is not called again; the worker goes on.
pub(super) fn new(credentials: &Credentials, on_event: EventSink) -> (View, EventSink) {
    let view = Arc::new(Mutex::new(Seen {
        ice_parameters: credentials.into(),
        ice_state: IceState::New,
        ice_selected_tuple: None,
        dtls_role: DtlsRole::Auto,
        dtls_state: DtlsState::New,
        dtls_remote_cert: None,
    }));
    let seen = Arc::clone(&view);
    let mut on_event = Some(on_event);
    let sink = move |event: TransportEvent| {
        update(&seen, &event);
        let Some(call) = &mut on_event else { return };
        if catch_unwind(AssertUnwindSafe(|| call(event))).is_err() {
            tracing::error!(target: "info", "the on_event of a transport panicked: it is not called again");
            on_event = None;
        }
    };
    (view, Box::new(sink))
}

/// What changes nothing, data for one, does not wait for who looks.
fn update(view: &View, event: &TransportEvent) {
    match event {
        TransportEvent::IceStateChange(state) => lock(view).ice_state = *state,
        TransportEvent::IceSelectedTupleChange(tuple) => {
            lock(view).ice_selected_tuple.clone_from(tuple);
        }
        TransportEvent::DtlsStateChange { state, connected, .. } => {
            let mut seen = lock(view);
            seen.dtls_state = *state;
            if let Some(connected) = connected {
                seen.dtls_remote_cert = Some(connected.remote_certificate.clone());
            }
        }
        //= CLS-11
        TransportEvent::Close { .. } => {
            let mut seen = lock(view);
            seen.ice_state = IceState::Closed;
            seen.ice_selected_tuple = None;
            seen.dtls_state = DtlsState::Closed;
        }
        TransportEvent::Data(_) | TransportEvent::ListenServerClose => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::control::events::DtlsConnected;
    use crate::lifecycle::{CloseReason, NotNeeded, Outcome};
    use crate::parameters::{ListenInfo, Protocol};
    use crate::shell::dtls::{SrtpKey, SrtpKeys, SrtpProfile};
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
            })),
        }
    }

    fn close() -> TransportEvent {
        let outcome = Outcome::NotNeeded(NotNeeded::NotConnected);
        TransportEvent::Close { reason: CloseReason::Owner, outcome }
    }

    #[test]
    fn getters_follow_the_events_and_each_is_heard_once() {
        let (sender, heard) = channel();
        let (view, mut sink) =
            new(&credentials(), Box::new(move |event| sender.send(event).expect("the test hears")));
        let events = [
            TransportEvent::IceStateChange(IceState::Completed),
            TransportEvent::IceSelectedTupleChange(Some(tuple())),
            connected(),
            TransportEvent::Data(vec![1]),
        ];
        for event in &events {
            sink(event.clone());
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
        let (view, mut sink) =
            new(&credentials(), Box::new(move |event| sender.send(event).expect("the test hears")));
        let looking = lock(&view);
        std::thread::spawn(move || sink(TransportEvent::Data(vec![1])));
        let event = heard.recv_timeout(std::time::Duration::from_secs(20));
        drop(looking);
        assert_eq!(event, Ok(TransportEvent::Data(vec![1])));
    }

    #[test]
    fn cls_11_after_close_the_states_are_closed_and_the_tuple_is_unset() {
        let (view, mut sink) = new(&credentials(), Box::new(|_| {}));
        sink(TransportEvent::IceSelectedTupleChange(Some(tuple())));
        sink(close());
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
        let (view, mut sink) = new(&credentials(), on_event);
        sink(TransportEvent::IceStateChange(IceState::Connected));
        sink(TransportEvent::IceStateChange(IceState::Completed));
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
        let (view, mut sink) = new(&credentials(), on_event);
        *lock(&slot) = Some(view);
        sink(TransportEvent::IceStateChange(IceState::Connected));
        assert_eq!(states.try_recv(), Ok(IceState::Connected));
    }
}
