//! Events of transports as lines.

use super::Lines;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use std::sync::LazyLock;
use std::time::Instant;
use webrtc_server::TransportEvent;

static START: LazyLock<Instant> = LazyLock::new(Instant::now);

/// Starts the clock of the events' `t`.
pub(super) fn start_clock() {
    LazyLock::force(&START);
}

/// A sink that writes the events of this transport.
pub(super) fn sink(lines: Lines, target: String) -> Box<dyn FnMut(TransportEvent) + Send> {
    Box::new(move |event| {
        let (event, data) = describe(event);
        let t = u64::try_from(START.elapsed().as_nanos()).unwrap_or(u64::MAX);
        lines.write(&json!({ "event": event, "target": target, "data": data, "t": t }));
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
