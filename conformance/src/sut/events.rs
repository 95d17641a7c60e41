//! Events of transports as lines.

use super::lines::Lines;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use std::sync::{Arc, OnceLock};
use webrtc_server::TransportEvent;

/// A sink that writes the events of the transport with this id, which is known when the transport is made. An event that
/// comes earlier waits for that, and nothing that makes a transport waits for an event.
pub(super) fn sink(
    lines: Lines,
    target: Arc<OnceLock<String>>,
) -> Box<dyn FnMut(TransportEvent) + Send> {
    Box::new(move |event| {
        let (event, data) = describe(event);
        lines.event(event, target.wait(), &data);
    })
}

fn describe(event: TransportEvent) -> (&'static str, Value) {
    match event {
        TransportEvent::IceStateChange(state) => ("icestatechange", json!({ "iceState": state })),
        TransportEvent::IceSelectedTupleChange(tuple) => {
            ("iceselectedtuplechange", json!({ "iceSelectedTuple": tuple }))
        }
        TransportEvent::DtlsStateChange { state, reason, .. } => {
            ("dtlsstatechange", json!({ "dtlsState": state, "reason": reason }))
        }
        TransportEvent::Data(bytes) => ("data", json!({ "bytes": STANDARD.encode(bytes) })),
        TransportEvent::ListenServerClose => ("listenserverclose", Value::Null),
        TransportEvent::Close { reason, outcome } => {
            ("close", json!({ "reason": reason, "outcome": outcome }))
        }
    }
}
