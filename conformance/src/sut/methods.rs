//! One function per method.

use super::{Fault, Request, Sut, events};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use std::time::Duration;
use webrtc_server::{
    DtlsParameters, ListenInfo, WebRtcServer, WebRtcServerOptions, WebRtcTransport,
    WebRtcTransportOptions,
};

const METHODS: [&str; 10] = [
    "capabilities",
    "createWebRtcServer",
    "createWebRtcTransport",
    "connect",
    "restartIce",
    "send",
    "closeTransport",
    "closeWebRtcServer",
    "dump",
    "getStats",
];

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct CreateServer {
    listen_infos: Vec<ListenInfo>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct CreateTransport {
    web_rtc_server_id: String,
    #[serde(default = "yes")]
    enable_udp: bool,
    #[serde(default = "yes")]
    enable_tcp: bool,
    #[serde(default)]
    prefer_udp: bool,
    #[serde(default)]
    prefer_tcp: bool,
    ice_consent_timeout: Option<u8>,
}

fn yes() -> bool {
    true
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct OfTransport {
    transport_id: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Connect {
    transport_id: String,
    dtls_parameters: DtlsParameters,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Send {
    transport_id: String,
    bytes: String,
    #[serde(default = "one")]
    count: usize,
}

fn one() -> usize {
    1
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct OfServer {
    web_rtc_server_id: String,
    deadline_ms: Option<u64>,
}

fn read<T: DeserializeOwned>(params: Value) -> Result<T, Fault> {
    Ok(serde_json::from_value(params)?)
}

impl Sut {
    pub(super) fn dispatch(&mut self, Request { id, method, params }: Request) {
        let result = match method.as_str() {
            "capabilities" => Ok(capabilities()),
            "createWebRtcServer" => read(params).and_then(|p| self.create_server(p)),
            "createWebRtcTransport" => read(params).and_then(|p| self.create_transport(p)),
            "connect" => read(params).and_then(|p| self.connect(p)),
            "restartIce" => read(params).and_then(|p| self.restart_ice(&p)),
            "send" => read(params).and_then(|p| self.send(p)),
            "dump" => read(params).and_then(|p| self.dump(&p)),
            "getStats" => self.get_stats(),
            // These two answer when they are complete.
            "closeTransport" => match read(params).and_then(|p| self.close_transport(&id, &p)) {
                Ok(()) => return,
                Err(fault) => Err(fault),
            },
            "closeWebRtcServer" => match read(params).and_then(|p| self.close_server(&id, &p)) {
                Ok(()) => return,
                Err(fault) => Err(fault),
            },
            unknown => Err(Fault::new("TypeError", format!("unknown method {unknown:?}"))),
        };
        self.lines.answer(&id, result);
    }

    fn create_server(&mut self, params: CreateServer) -> Result<Value, Fault> {
        events::start_clock();
        let server = WebRtcServer::new(WebRtcServerOptions {
            listen_infos: params.listen_infos,
            ..WebRtcServerOptions::default()
        })?;
        let result = json!({ "webRtcServerId": server.id(), "listenInfos": server.listen_infos() });
        self.servers.insert(server.id().to_owned(), server);
        Ok(result)
    }

    fn create_transport(&mut self, params: CreateTransport) -> Result<Value, Fault> {
        let server = self.server(&params.web_rtc_server_id)?;
        let id = format!("{}/{}", server.id(), self.transports.len());
        let transport = server.create_transport(WebRtcTransportOptions {
            enable_udp: params.enable_udp,
            enable_tcp: params.enable_tcp,
            prefer_udp: params.prefer_udp,
            prefer_tcp: params.prefer_tcp,
            ice_consent_timeout: params.ice_consent_timeout.unwrap_or(30),
            on_event: events::sink(self.lines.clone(), id.clone()),
            ..WebRtcTransportOptions::default()
        })?;
        let result = json!({
            "transportId": id,
            "iceParameters": transport.ice_parameters(),
            "iceCandidates": transport.ice_candidates(),
            "dtlsParameters": transport.dtls_parameters(),
        });
        self.transports.insert(id, transport);
        Ok(result)
    }

    fn connect(&self, params: Connect) -> Result<Value, Fault> {
        let role = self.transport(&params.transport_id)?.connect(&params.dtls_parameters)?;
        Ok(json!({ "dtlsLocalRole": role }))
    }

    fn restart_ice(&self, params: &OfTransport) -> Result<Value, Fault> {
        let parameters = self.transport(&params.transport_id)?.restart_ice()?;
        Ok(json!({ "iceParameters": parameters }))
    }

    fn send(&self, params: Send) -> Result<Value, Fault> {
        let transport = self.transport(&params.transport_id)?;
        let bytes = STANDARD
            .decode(params.bytes)
            .map_err(|error| Fault::new("TypeError", format!("bytes: {error}")))?;
        let mut accepted = 0;
        while accepted < params.count && transport.send(&bytes).is_ok() {
            accepted += 1;
        }
        Ok(json!({ "accepted": accepted }))
    }

    fn close_transport(&self, id: &Value, params: &OfTransport) -> Result<(), Fault> {
        let (lines, id) = (self.lines.clone(), id.clone());
        self.transport(&params.transport_id)?.close().on_complete(move |closed| {
            lines.answer(&id, Ok(json!({ "outcome": closed.outcome })));
        });
        Ok(())
    }

    fn close_server(&self, id: &Value, params: &OfServer) -> Result<(), Fault> {
        let server = self.server(&params.web_rtc_server_id)?;
        let closing = match params.deadline_ms {
            Some(deadline) => server.close_with_deadline(Duration::from_millis(deadline)),
            None => server.close(),
        };
        let names: Vec<_> = self
            .transports
            .iter()
            .map(|(name, transport)| (transport.number(), name.clone()))
            .collect();
        let (lines, id) = (self.lines.clone(), id.clone());
        closing.on_complete(move |closed| {
            let outcomes: serde_json::Map<_, _> = closed
                .transports()
                .iter()
                .filter_map(|(number, outcome)| {
                    let (_, name) = names.iter().find(|(other, _)| other == number)?;
                    Some((name.clone(), json!(outcome)))
                })
                .collect();
            lines.answer(&id, Ok(json!({ "outcomes": outcomes })));
        });
        Ok(())
    }

    fn dump(&self, params: &OfServer) -> Result<Value, Fault> {
        Ok(json!(self.server(&params.web_rtc_server_id)?.dump()?))
    }

    fn get_stats(&self) -> Result<Value, Fault> {
        let mut stats = serde_json::Map::new();
        for (id, server) in &self.servers {
            if !server.is_closed() {
                stats.insert(id.clone(), json!(server.get_stats()?));
            }
        }
        Ok(Value::Object(stats))
    }

    fn server(&self, id: &str) -> Result<&WebRtcServer, Fault> {
        self.servers.get(id).ok_or_else(|| Fault::new("NotFoundError", format!("no server {id}")))
    }

    fn transport(&self, id: &str) -> Result<&WebRtcTransport, Fault> {
        self.transports
            .get(id)
            .ok_or_else(|| Fault::new("NotFoundError", format!("no transport {id}")))
    }
}

fn capabilities() -> Value {
    json!({
        "name": "webrtc-server",
        "version": env!("CARGO_PKG_VERSION"),
        "pid": std::process::id(),
        "methods": METHODS,
        "observes": ["dump", "fds", "callbacks", "outcomes"],
    })
}
