//! What requests say. A field that none of them has is refused, so that nobody believes in an option that is ignored.

use super::Fault;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};
use std::num::NonZeroUsize;
use std::time::Duration;
use webrtc_server::lifecycle::Limits;
use webrtc_server::{DtlsParameters, ListenInfo};

/// The options of `createWebRtcServer` beside `listenInfos`.
pub(super) const OPTIONS: [&str; 3] = ["workers", "deadlines", "limits"];

/// What is not there is as an empty object.
pub(super) fn read<T: DeserializeOwned>(params: Value) -> Result<T, Fault> {
    match params {
        Value::Null => Ok(serde_json::from_value(Value::Object(Map::new()))?),
        Value::Object(_) => Ok(serde_json::from_value(params)?),
        Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_) => {
            Err(Fault::new("TypeError", "params is not an object"))
        }
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Nothing {}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct CreateServer {
    pub(super) listen_infos: Vec<ListenInfo>,
    pub(super) workers: Option<NonZeroUsize>,
    #[serde(default)]
    deadlines: Deadlines,
    #[serde(default)]
    limits: Caps,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Deadlines {
    bind_ms: Option<u64>,
    handshake_ms: Option<u64>,
    drain_ms: Option<u64>,
    answer_ms: Option<u64>,
    server_ms: Option<u64>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Caps {
    unbound_connections_max: Option<usize>,
    unbound_connections_per_source_max: Option<usize>,
    connections_max: Option<usize>,
    tuples_per_transport_max: Option<usize>,
}

impl CreateServer {
    /// What is not said has its default.
    pub(super) fn limits(&self) -> Limits {
        let (Deadlines { bind_ms, handshake_ms, drain_ms, answer_ms, server_ms }, caps) =
            (&self.deadlines, &self.limits);
        let default = Limits::default();
        let time = |ms: &Option<u64>, default| ms.map_or(default, Duration::from_millis);
        Limits {
            bind: time(bind_ms, default.bind),
            handshake: time(handshake_ms, default.handshake),
            drain: time(drain_ms, default.drain),
            answer: time(answer_ms, default.answer),
            server: time(server_ms, default.server),
            unbound_connections_max: caps
                .unbound_connections_max
                .unwrap_or(default.unbound_connections_max),
            unbound_connections_per_source_max: caps
                .unbound_connections_per_source_max
                .unwrap_or(default.unbound_connections_per_source_max),
            connections_max: caps.connections_max.unwrap_or(default.connections_max),
            tuples_per_transport_max: caps
                .tuples_per_transport_max
                .unwrap_or(default.tuples_per_transport_max),
        }
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct CreateTransport {
    pub(super) web_rtc_server_id: String,
    pub(super) enable_udp: Option<bool>,
    pub(super) enable_tcp: Option<bool>,
    pub(super) prefer_udp: Option<bool>,
    pub(super) prefer_tcp: Option<bool>,
    pub(super) ice_consent_timeout: Option<u8>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct OfTransport {
    pub(super) transport_id: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct Connect {
    pub(super) transport_id: String,
    pub(super) dtls_parameters: DtlsParameters,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct Send {
    pub(super) transport_id: String,
    pub(super) bytes: String,
    #[serde(default = "one")]
    pub(super) count: usize,
}

fn one() -> usize {
    1
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct OfServer {
    pub(super) web_rtc_server_id: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct CloseServer {
    pub(super) web_rtc_server_id: String,
    pub(super) deadline_ms: Option<u64>,
}
