//! The server, its transports, and what the page may ask of them.

use crate::arguments::Arguments;
use serde_json::{Value, json};
use std::error::Error;
use std::io::Read;
use std::sync::{Arc, Mutex};
use std::time::Instant;
use tiny_http::{Header, Method, Request, Response};
use webrtc_server::lifecycle::DtlsState;
use webrtc_server::{
    DtlsParameters, ListenInfo, Protocol, TransportEvent, WebRtcServer, WebRtcServerOptions,
    WebRtcTransport, WebRtcTransportOptions,
};

const PAGE: &str = include_str!("page.html");
/// Far more than any request of the page has, in bytes.
const BODY_BYTES_MAX: u64 = 1 << 16;

type Answer = Result<Value, Box<dyn Error>>;

pub(crate) struct Session {
    arguments: Arguments,
    server: Option<WebRtcServer>,
    transports: Vec<Member>,
}

/// A transport of the server, closed or not.
struct Member {
    transport: WebRtcTransport,
    heard: Arc<Mutex<Heard>>,
}

/// What its owner heard of it.
#[derive(Clone, Default)]
struct Heard {
    dtls_states: Vec<DtlsState>,
    srtp_profile: Option<String>,
    messages: usize,
}

impl Session {
    pub(crate) fn new(arguments: Arguments) -> Self {
        Session { arguments, server: None, transports: Vec::new() }
    }

    /// A bad request is answered, and a browser that went away is not our trouble.
    pub(crate) fn serve(&mut self, mut request: Request) {
        if (request.method(), request.url()) == (&Method::Get, "/") {
            let html = Header::from_bytes("content-type", "text/html").expect("well formed");
            let _ = request.respond(Response::from_string(PAGE).with_header(html));
            return;
        }
        let (status, value) = match self.answer(&mut request) {
            Ok(value) => (200, value),
            Err(error) => (400, json!({ "error": error.to_string() })),
        };
        let _ = request.respond(Response::from_string(value.to_string()).with_status_code(status));
    }

    fn answer(&mut self, request: &mut Request) -> Answer {
        let mut body = String::new();
        request.as_reader().take(BODY_BYTES_MAX).read_to_string(&mut body)?;
        let (path, id) = match request.url().split_once("?id=") {
            Some((path, id)) => (path, Some(id)),
            None => (request.url(), None),
        };
        match (request.method(), path, id) {
            (Method::Post, "/transport", None) => self.create(&body),
            (Method::Post, "/connect", Some(id)) => {
                let parameters: DtlsParameters = serde_json::from_str(&body)?;
                Ok(json!({ "dtlsLocalRole": self.transport(id)?.connect(&parameters)? }))
            }
            (Method::Post, "/restart", Some(id)) => Ok(json!(self.transport(id)?.restart_ice()?)),
            (Method::Post, "/close", Some(id)) => {
                Ok(json!({ "outcome": self.transport(id)?.close().wait()?.outcome }))
            }
            (Method::Post, "/close", None) => self.close(),
            (Method::Get, "/state", None) => self.state(),
            _ => Err("no such page".into()),
        }
    }

    fn transport(&self, id: &str) -> Result<&WebRtcTransport, Box<dyn Error>> {
        let mut transports = self.transports.iter().map(|member| &member.transport);
        Ok(transports.find(|transport| transport.id() == id).ok_or("no such transport")?)
    }

    fn create(&mut self, body: &str) -> Answer {
        let request: Value = serde_json::from_str(body)?;
        let udp = request["protocol"] == "udp";
        let server = match &self.server {
            Some(server) if !server.is_closed() => server.clone(),
            Some(_) | None => {
                self.transports.clear();
                self.server.insert(listen(&self.arguments)?).clone()
            }
        };
        let heard = Arc::new(Mutex::new(Heard::default()));
        let events = Arc::clone(&heard);
        let transport = server.create_transport(WebRtcTransportOptions {
            enable_udp: udp,
            enable_tcp: !udp,
            on_event: Box::new(move |event| note(&events, event)),
            ..WebRtcTransportOptions::default()
        })?;
        let parameters = json!({
            "id": transport.id(),
            "iceParameters": transport.ice_parameters(),
            "iceCandidates": transport.ice_candidates(),
            "dtlsParameters": transport.dtls_parameters(),
        });
        self.transports.push(Member { transport, heard });
        Ok(parameters)
    }

    /// Closes the server, if there is one, and tells the outcomes.
    pub(crate) fn close(&self) -> Answer {
        let Some(server) = &self.server else { return Ok(json!({ "outcomes": {} })) };
        let asked = Instant::now();
        let closed = server.close().wait()?;
        let milliseconds = asked.elapsed().as_secs_f64() * 1000.0;
        let id_of = |number| {
            let mut transports = self.transports.iter().map(|member| &member.transport);
            transports.find(|t| t.number() == number).map_or("unknown", WebRtcTransport::id)
        };
        let outcomes = closed.transports().iter();
        let outcomes = outcomes.map(|(number, outcome)| (id_of(*number).into(), json!(outcome)));
        let outcomes: serde_json::Map<_, _> = outcomes.collect();
        Ok(json!({ "outcomes": outcomes, "milliseconds": milliseconds }))
    }

    fn state(&self) -> Answer {
        let server = self.server.as_ref().filter(|server| !server.is_closed());
        let (dump, stats) = match server {
            Some(server) => (Some(server.dump()?), Some(server.get_stats()?)),
            None => (None, None),
        };
        let transports =
            self.transports.iter().map(Member::state).collect::<Result<Vec<_>, _>>()?;
        Ok(json!({
            "listenInfos": server.map(WebRtcServer::listen_infos),
            "dump": dump,
            "stats": stats,
            "transports": transports,
            "descriptors": descriptors(),
        }))
    }
}

impl Member {
    fn state(&self) -> Answer {
        let transport = &self.transport;
        let heard = self.heard.lock().map_err(|_| "poisoned")?.clone();
        Ok(json!({
            "id": transport.id(),
            "iceState": transport.ice_state(),
            "iceSelectedTuple": transport.ice_selected_tuple(),
            "dtlsState": transport.dtls_state(),
            "dtlsStates": heard.dtls_states,
            "srtpProfile": heard.srtp_profile,
            "messages": heard.messages,
        }))
    }
}

fn listen(arguments: &Arguments) -> Result<WebRtcServer, Box<dyn Error>> {
    let info = |protocol| ListenInfo {
        announced_address: arguments.announced.clone(),
        ..ListenInfo::new(protocol, arguments.ip)
    };
    let tcp = (0..arguments.tcp_ports).map(|_| info(Protocol::Tcp));
    Ok(WebRtcServer::new(WebRtcServerOptions {
        listen_infos: std::iter::once(info(Protocol::Udp)).chain(tcp).collect(),
        #[cfg(feature = "testing")]
        mutant: arguments.mutant,
        ..WebRtcServerOptions::default()
    })?)
}

fn note(heard: &Mutex<Heard>, event: TransportEvent) {
    let Ok(mut heard) = heard.lock() else { return };
    match event {
        TransportEvent::DtlsStateChange { state, connected, .. } => {
            heard.dtls_states.push(state);
            if let Some(connected) = connected {
                heard.srtp_profile = Some(format!("{:?}", connected.srtp.profile));
            }
        }
        TransportEvent::Data(_) => heard.messages += 1,
        TransportEvent::IceStateChange(_)
        | TransportEvent::IceSelectedTupleChange(_)
        | TransportEvent::ListenServerClose
        | TransportEvent::Close { .. } => {}
    }
}

/// Open descriptors of this process, where the system says.
fn descriptors() -> Option<usize> {
    std::fs::read_dir("/proc/self/fd").ok().map(Iterator::count)
}
