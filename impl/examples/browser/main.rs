//! A page, its signalling, and a server to close: `cargo run --release --example browser`, then open the address that it
//! prints. Ends when its standard input does.

use serde_json::{Value, json};
use std::error::Error;
use std::io::{Read, Write};
use std::sync::{Arc, Mutex};
use std::time::Instant;
use tiny_http::{Header, Method, Request, Response, Server};
use webrtc_server::lifecycle::{DtlsState, IceState};
use webrtc_server::{
    DtlsParameters, ListenInfo, Protocol, TransportEvent, TransportTuple, WebRtcServer,
    WebRtcServerOptions, WebRtcTransport, WebRtcTransportOptions,
};

const PAGE: &str = include_str!("page.html");

/// What the command line says.
struct Arguments {
    port: u16,
    tcp_ports: usize,
    #[cfg(feature = "testing")]
    mutant: Option<webrtc_server::lifecycle::Mutant>,
}

/// What is shown of the transport.
#[derive(Clone, Default)]
struct Seen {
    ice: Option<IceState>,
    dtls: Option<DtlsState>,
    tuple: Option<TransportTuple>,
}

#[derive(Default)]
struct Session {
    server: Option<WebRtcServer>,
    transport: Option<WebRtcTransport>,
    seen: Arc<Mutex<Seen>>,
}

fn main() -> Result<(), Box<dyn Error>> {
    let arguments = arguments()?;
    let http = Arc::new(Server::http(("127.0.0.1", arguments.port)).map_err(|e| e.to_string())?);
    println!("open http://{}/", http.server_addr());
    std::io::stdout().flush()?;
    let end = Arc::clone(&http);
    std::thread::spawn(move || {
        let _ = std::io::stdin().read_to_end(&mut Vec::new());
        end.unblock();
    });
    let mut session = Session::default();
    while let Ok(request) = http.recv() {
        session.serve(request, &arguments)?;
    }
    if let Some(server) = session.server {
        server.close().wait()?;
    }
    Ok(())
}

fn arguments() -> Result<Arguments, Box<dyn Error>> {
    let mut found = Arguments {
        port: 8080,
        tcp_ports: 1,
        #[cfg(feature = "testing")]
        mutant: None,
    };
    let mut words = std::env::args().skip(1);
    while let Some(word) = words.next() {
        let value = words.next().ok_or_else(|| format!("{word} needs a value"))?;
        match (word.as_str(), value.as_str()) {
            ("--port", port) => found.port = port.parse()?,
            ("--tcp-ports", count) => found.tcp_ports = count.parse()?,
            #[cfg(feature = "testing")]
            ("--mutant", "carriers-first") => {
                found.mutant = Some(webrtc_server::lifecycle::Mutant::CarriersFirst);
            }
            _ => return Err(format!("unknown argument {word} {value}").into()),
        }
    }
    Ok(found)
}

impl Session {
    fn serve(&mut self, mut request: Request, arguments: &Arguments) -> Result<(), Box<dyn Error>> {
        let mut body = String::new();
        request.as_reader().read_to_string(&mut body)?;
        let route = (request.method().clone(), request.url().to_owned());
        let answer = match (&route.0, route.1.as_str()) {
            (Method::Get, "/") => {
                let html =
                    Header::from_bytes("content-type", "text/html").map_err(|()| "header")?;
                request.respond(Response::from_string(PAGE).with_header(html))?;
                return Ok(());
            }
            (Method::Post, "/transport") => self.create(&body, arguments),
            (Method::Post, "/connect") => self.connect(&body),
            (Method::Post, "/close") => self.close(),
            (Method::Get, "/state") => self.state(),
            _ => Err("no such page".into()),
        };
        let (status, value) = match answer {
            Ok(value) => (200, value),
            Err(error) => (400, json!({ "error": error.to_string() })),
        };
        // A browser that went away is not our trouble.
        let _ = request.respond(Response::from_string(value.to_string()).with_status_code(status));
        Ok(())
    }

    fn create(&mut self, body: &str, arguments: &Arguments) -> Result<Value, Box<dyn Error>> {
        let request: Value = serde_json::from_str(body)?;
        let udp = request["protocol"] == "udp";
        let server = match &self.server {
            Some(server) if !server.is_closed() => server.clone(),
            Some(_) | None => listen(arguments)?,
        };
        let seen = Arc::new(Mutex::new(Seen::default()));
        let events = Arc::clone(&seen);
        let transport = server.create_transport(WebRtcTransportOptions {
            enable_udp: udp,
            enable_tcp: !udp,
            on_event: Box::new(move |event| note(&events, event)),
            ..WebRtcTransportOptions::default()
        })?;
        let parameters = json!({
            "iceParameters": transport.ice_parameters(),
            "iceCandidates": transport.ice_candidates(),
            "dtlsParameters": transport.dtls_parameters(),
        });
        *self = Session { server: Some(server), transport: Some(transport), seen };
        Ok(parameters)
    }

    fn connect(&self, body: &str) -> Result<Value, Box<dyn Error>> {
        let parameters: DtlsParameters = serde_json::from_str(body)?;
        let transport = self.transport.as_ref().ok_or("there is no transport")?;
        Ok(json!({ "dtlsLocalRole": transport.connect(&parameters)? }))
    }

    fn close(&self) -> Result<Value, Box<dyn Error>> {
        let server = self.server.as_ref().ok_or("there is no server")?;
        let asked = Instant::now();
        let closed = server.close().wait()?;
        let outcomes: serde_json::Map<_, _> = closed
            .transports()
            .iter()
            .map(|(id, outcome)| (id.to_string(), json!(outcome)))
            .collect();
        let milliseconds = asked.elapsed().as_secs_f64() * 1000.0;
        Ok(json!({ "outcomes": outcomes, "milliseconds": milliseconds }))
    }

    fn state(&self) -> Result<Value, Box<dyn Error>> {
        // Copied, not held: `dump` waits for the worker, and the worker may be waiting for this lock in `note`.
        let seen = self.seen.lock().map_err(|_| "poisoned")?.clone();
        let server = self.server.as_ref().filter(|server| !server.is_closed());
        let (dump, stats) = match server {
            Some(server) => (Some(server.dump()?), Some(server.get_stats()?)),
            None => (None, None),
        };
        Ok(json!({
            "iceState": seen.ice,
            "dtlsState": seen.dtls,
            "iceSelectedTuple": seen.tuple,
            "connections": dump.map(|dump| dump.connections),
            "connectionsAccepted": stats.map(|stats| stats.connections_accepted),
            "descriptors": descriptors(),
        }))
    }
}

fn listen(arguments: &Arguments) -> Result<WebRtcServer, Box<dyn Error>> {
    let loopback = std::net::Ipv4Addr::LOCALHOST.into();
    let mut listen_infos = vec![ListenInfo::new(Protocol::Udp, loopback)];
    listen_infos.extend((0..arguments.tcp_ports).map(|_| ListenInfo::new(Protocol::Tcp, loopback)));
    Ok(WebRtcServer::new(WebRtcServerOptions {
        listen_infos,
        #[cfg(feature = "testing")]
        mutant: arguments.mutant,
        ..WebRtcServerOptions::default()
    })?)
}

fn note(seen: &Mutex<Seen>, event: TransportEvent) {
    let Ok(mut seen) = seen.lock() else { return };
    match event {
        TransportEvent::IceStateChange(state) => seen.ice = Some(state),
        TransportEvent::IceSelectedTupleChange(tuple) => seen.tuple = tuple,
        TransportEvent::DtlsStateChange { state, .. } => seen.dtls = Some(state),
        TransportEvent::Close { .. } => {
            (seen.ice, seen.dtls) = (Some(IceState::Closed), Some(DtlsState::Closed));
        }
        TransportEvent::Data(_) | TransportEvent::ListenServerClose => {}
    }
}

/// Open descriptors of this process, where the system says.
fn descriptors() -> Option<usize> {
    std::fs::read_dir("/proc/self/fd").ok().map(Iterator::count)
}
