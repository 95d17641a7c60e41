//! One function per method.

use super::params::{
    CloseServer, Connect, CreateServer, CreateTransport, Nothing, OPTIONS, OfServer, OfTransport,
    Send, read,
};
use super::{Fault, Request, Sut, events};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use std::sync::{Arc, OnceLock};
use std::time::Duration;
use webrtc_server::{
    Error, Refused, WebRtcServer, WebRtcServerOptions, WebRtcTransport, WebRtcTransportOptions,
};

/// `send` takes no more messages at once: while it sends, no other request is served.
pub(super) const SEND_COUNT_MAX: usize = 100_000;

/// The answer to the request with this id; none if it answers when it is complete.
type Method = fn(&mut Sut, &Value, Value) -> Result<Option<Value>, Fault>;

/// The methods that there are.
pub(super) const METHODS: [(&str, Method); 10] = [
    ("capabilities", |_, _, params| read::<Nothing>(params).map(|_| Some(capabilities()))),
    ("createWebRtcServer", |sut, _, params| sut.create_server(&read(params)?).map(Some)),
    ("createWebRtcTransport", |sut, _, params| sut.create_transport(&read(params)?).map(Some)),
    ("connect", |sut, _, params| sut.connect(&read(params)?).map(Some)),
    ("restartIce", |sut, _, params| sut.restart_ice(&read(params)?).map(Some)),
    ("send", |sut, _, params| sut.send(&read(params)?).map(Some)),
    ("closeTransport", |sut, id, params| sut.close_transport(id, &read(params)?).map(|()| None)),
    ("closeWebRtcServer", |sut, id, params| sut.close_server(id, &read(params)?).map(|()| None)),
    ("dump", |sut, _, params| sut.dump(&read(params)?).map(Some)),
    ("getStats", |sut, _, params| read::<Nothing>(params).and_then(|_| sut.get_stats()).map(Some)),
];

impl Sut {
    pub(super) fn dispatch(&mut self, Request { id, method, params }: Request) {
        let unknown = || Fault::new("TypeError", format!("unknown method {method:?}"));
        let found = METHODS.iter().find(|(name, _)| *name == method);
        let result = found.ok_or_else(unknown).and_then(|(_, call)| call(self, &id, params));
        if let Some(result) = result.transpose() {
            self.lines.answer(&id, result);
        }
    }

    fn create_server(&mut self, params: &CreateServer) -> Result<Value, Fault> {
        let server = WebRtcServer::new(WebRtcServerOptions {
            listen_infos: params.listen_infos.clone(),
            workers: params.workers,
            limits: params.limits(),
            mutant: self.mutant,
            ..WebRtcServerOptions::default()
        })?;
        let result = json!({ "webRtcServerId": server.id(), "listenInfos": server.listen_infos() });
        self.servers.insert(server.id().to_owned(), server);
        Ok(result)
    }

    fn create_transport(&mut self, params: &CreateTransport) -> Result<Value, Fault> {
        let target = Arc::new(OnceLock::new());
        let default = WebRtcTransportOptions::default();
        let options = WebRtcTransportOptions {
            enable_udp: params.enable_udp.unwrap_or(default.enable_udp),
            enable_tcp: params.enable_tcp.unwrap_or(default.enable_tcp),
            prefer_udp: params.prefer_udp.unwrap_or(default.prefer_udp),
            prefer_tcp: params.prefer_tcp.unwrap_or(default.prefer_tcp),
            ice_consent_timeout: params.ice_consent_timeout.unwrap_or(default.ice_consent_timeout),
            on_event: events::sink(self.lines.clone(), Arc::clone(&target)),
            ..default
        };
        let made = self.server(&params.web_rtc_server_id)?.create_transport(options);
        let id = made.as_ref().map_or("", WebRtcTransport::id).to_owned();
        // One that was not made lets its events go as well.
        let _ = target.set(id.clone());
        let transport = made?;
        let result = json!({
            "transportId": id,
            "iceParameters": transport.ice_parameters(),
            "iceCandidates": transport.ice_candidates(),
            "dtlsParameters": transport.dtls_parameters(),
        });
        self.transports.insert(id, transport);
        Ok(result)
    }

    fn connect(&self, params: &Connect) -> Result<Value, Fault> {
        let role = self.transport(&params.transport_id)?.connect(&params.dtls_parameters)?;
        Ok(json!({ "dtlsLocalRole": role }))
    }

    fn restart_ice(&self, params: &OfTransport) -> Result<Value, Fault> {
        let parameters = self.transport(&params.transport_id)?.restart_ice()?;
        Ok(json!({ "iceParameters": parameters }))
    }

    /// How many were accepted before the first that was not; that one's error if it was the very first.
    fn send(&self, params: &Send) -> Result<Value, Fault> {
        let transport = self.transport(&params.transport_id)?;
        let wrong = |what| Fault::new("TypeError", what);
        if params.count > SEND_COUNT_MAX {
            return Err(wrong(format!("count: at most {SEND_COUNT_MAX}")));
        }
        let bytes =
            STANDARD.decode(&params.bytes).map_err(|error| wrong(format!("bytes: {error}")))?;
        for accepted in 0..params.count {
            match transport.send(&bytes) {
                Ok(()) => {}
                Err(error) if accepted == 0 => return Err(error.into()),
                Err(_) => return Ok(json!({ "accepted": accepted })),
            }
        }
        Ok(json!({ "accepted": params.count }))
    }

    fn close_transport(&self, id: &Value, params: &OfTransport) -> Result<(), Fault> {
        let (lines, id, owed) = (self.lines.clone(), id.clone(), self.owed.clone());
        self.transport(&params.transport_id)?.close().on_complete(move |closed| {
            lines.answer(&id, Ok(json!({ "outcome": closed.outcome })));
            drop(owed);
        });
        Ok(())
    }

    fn close_server(&self, id: &Value, params: &CloseServer) -> Result<(), Fault> {
        let server = self.server(&params.web_rtc_server_id)?;
        let closing = match params.deadline_ms {
            Some(deadline) => server.close_with_deadline(Duration::from_millis(deadline)),
            None => server.close(),
        };
        let name = |transport: &WebRtcTransport| (transport.number(), transport.id().to_owned());
        let prefix = format!("{}/", server.id());
        let own = self.transports.iter().filter(|(id, _)| id.starts_with(&prefix));
        let names: Vec<_> = own.map(|(_, transport)| name(transport)).collect();
        let (lines, id, owed) = (self.lines.clone(), id.clone(), self.owed.clone());
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
            drop(owed);
        });
        Ok(())
    }

    fn dump(&self, params: &OfServer) -> Result<Value, Fault> {
        Ok(json!(self.server(&params.web_rtc_server_id)?.dump()?))
    }

    /// Servers that are closed have none any more.
    fn get_stats(&self) -> Result<Value, Fault> {
        let mut servers = serde_json::Map::new();
        for (id, server) in &self.servers {
            match server.get_stats() {
                Ok(stats) => drop(servers.insert(id.clone(), json!(stats))),
                Err(Error::Refused(Refused::Closed)) => {}
                Err(error) => return Err(error.into()),
            }
        }
        let dropped = self.lines.data_dropped();
        Ok(json!({ "webRtcServers": servers, "dataEventsDropped": dropped }))
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
        "methods": METHODS.map(|(name, _)| name),
        "options": OPTIONS,
        "observes": ["dump", "fds", "callbacks", "outcomes"],
    })
}
