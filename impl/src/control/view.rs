//! What a transport shows of itself without asking its worker: kept up to date by the events on their way to the
//! application.

use crate::control::events::TransportEvent;
use crate::lifecycle::{Credentials, DtlsRole, DtlsState, IceState};
use crate::parameters::{IceParameters, TransportTuple};
use crate::sync::{Arc, Mutex, lock};

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

/// The view of a new transport.
pub(super) fn new(credentials: &Credentials) -> View {
    Arc::new(Mutex::new(Seen {
        ice_parameters: credentials.into(),
        ice_state: IceState::New,
        ice_selected_tuple: None,
        dtls_role: DtlsRole::Auto,
        dtls_state: DtlsState::New,
        dtls_remote_cert: None,
    }))
}

/// It shows this from now on. What changes nothing, data for one, does not wait for who looks.
pub(super) fn update(view: &View, event: &TransportEvent) {
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
