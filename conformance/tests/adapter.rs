//! The server under test, driven as a stranger would: a child process, one JSON object per line.

use serde_json::{Value, json};
use std::io::{BufRead, BufReader, Write};
use std::net::SocketAddr;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::Duration;
use webrtc_server_conformance::peer::{Peer, PeerCertificate, Protocol, ServerCredentials, Via};

const PATIENCE: Duration = Duration::from_secs(10);

struct Adapter {
    child: Child,
    input: Option<ChildStdin>,
    output: BufReader<ChildStdout>,
    events: Vec<Value>,
    requests: u64,
}

impl Adapter {
    fn start() -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_sut"))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("the adapter starts");
        let (input, output) = (child.stdin.take(), child.stdout.take().expect("piped"));
        Adapter { child, input, output: BufReader::new(output), events: Vec::new(), requests: 0 }
    }

    fn write(&mut self, line: &str) {
        writeln!(self.input.as_mut().expect("open"), "{line}").expect("it reads");
    }

    /// The next answer; events that come before it are kept.
    fn answer(&mut self) -> Value {
        loop {
            let mut line = String::new();
            assert_ne!(self.output.read_line(&mut line).expect("UTF-8"), 0, "it ended");
            let value: Value = serde_json::from_str(&line).expect("JSON");
            if value.get("event").is_none() {
                return value;
            }
            self.events.push(value);
        }
    }

    fn send(&mut self, method: &str, params: &Value) {
        self.requests += 1;
        let id = self.requests;
        self.write(&json!({ "id": id, "method": method, "params": params }).to_string());
    }

    fn ask(&mut self, method: &str, params: &Value) -> Value {
        self.send(method, params);
        let answer = self.answer();
        assert_eq!(answer["id"], self.requests, "{answer}");
        answer
    }

    fn create(&mut self) -> (String, Value) {
        let listen = json!([
            { "protocol": "udp", "ip": "127.0.0.1" }, { "protocol": "tcp", "ip": "127.0.0.1" }
        ]);
        let server = self.ask("createWebRtcServer", &json!({ "listenInfos": listen }));
        let id = server["result"]["webRtcServerId"].as_str().expect("an id").to_owned();
        let params = json!({ "webRtcServerId": id });
        let transport = self.ask("createWebRtcTransport", &params)["result"].clone();
        (id, transport)
    }

    fn connect(&mut self, transport: &Value) -> Peer {
        let certificate = PeerCertificate::shared().expect("a certificate");
        let print = json!({ "algorithm": "sha-256", "value": certificate.fingerprint() });
        let dtls = json!({ "role": "client", "fingerprints": [print] });
        let params = json!({ "transportId": transport["transportId"], "dtlsParameters": dtls });
        let role = self.ask("connect", &params);
        assert_eq!(role["result"]["dtlsLocalRole"], "server");
        let text = |value: &Value| value.as_str().expect("text").to_owned();
        let candidate = &transport["iceCandidates"][0];
        let port = u16::try_from(candidate["port"].as_u64().expect("a port")).expect("16 bits");
        let address = SocketAddr::new(text(&candidate["address"]).parse().expect("an IP"), port);
        let credentials = ServerCredentials {
            ufrag: text(&transport["iceParameters"]["usernameFragment"]),
            password: text(&transport["iceParameters"]["password"]),
        };
        Peer::connect_over(Protocol::Udp, address, credentials, &certificate, PATIENCE)
            .expect("ICE and DTLS connect")
            .0
    }

    fn end(mut self) {
        self.input = None;
        assert!(self.child.wait().expect("it ends").success());
    }
}

#[test]
fn cls_04_the_adapter_closes_a_connected_server_and_tells_the_outcome_when_it_is_complete() {
    let mut adapter = Adapter::start();
    let (server, transport) = adapter.create();
    let mut peer = adapter.connect(&transport);
    adapter.send("closeWebRtcServer", &json!({ "webRtcServerId": server }));
    peer.await_close_notify(PATIENCE).expect("the alert arrives");
    peer.answer_close_notify(Via(0)).expect("the answer leaves");
    let answer = adapter.answer();
    let id = transport["transportId"].as_str().expect("an id");
    assert_eq!(answer["result"]["outcomes"], json!({ id: { "type": "confirmed" } }));
    let names: Vec<_> =
        adapter.events.iter().map(|e| e["event"].as_str().expect("a name")).collect();
    assert_eq!(names.last(), Some(&"close"));
    assert!(names.contains(&"listenserverclose") && names.contains(&"dtlsstatechange"));
    let moments: Vec<_> =
        adapter.events.iter().map(|e| e["t"].as_u64().expect("a moment")).collect();
    assert!(moments.is_sorted() && adapter.events.iter().all(|e| e["target"] == id));
    adapter.end();
}

#[test]
fn cls_23_the_end_of_the_input_closes_every_server_in_order() {
    let mut adapter = Adapter::start();
    let (_, transport) = adapter.create();
    let mut peer = adapter.connect(&transport);
    adapter.input = None;
    peer.await_close_notify(PATIENCE).expect("the alert arrives");
    adapter.end();
}

#[test]
fn nonsense_is_answered_and_changes_nothing() {
    let mut adapter = Adapter::start();
    adapter.write("this is not JSON");
    let answer = adapter.answer();
    assert_eq!((&answer["id"], &answer["error"]["type"]), (&Value::Null, &json!("SyntaxError")));
    adapter.write(r#"{"id": 4}"#);
    assert_eq!(adapter.answer()["id"], 4);
    let kind = |answer: Value| answer["error"]["type"].as_str().map(str::to_owned);
    let unknown = adapter.ask("selfDestruct", &json!({}));
    assert_eq!(kind(unknown).as_deref(), Some("TypeError"));
    let nobody = adapter.ask("closeTransport", &json!({ "transportId": "nobody" }));
    assert_eq!(kind(nobody).as_deref(), Some("NotFoundError"));
    let empty = adapter.ask("createWebRtcServer", &json!({ "listenInfos": [] }));
    assert_eq!(kind(empty).as_deref(), Some("TypeError"));
    let address = json!({ "listenInfos": [{ "protocol": "udp", "ip": "1.2.3.4" }] });
    assert_eq!(kind(adapter.ask("createWebRtcServer", &address)).as_deref(), Some("IoError"));
    let (_, transport) = adapter.create();
    let params = json!({ "transportId": transport["transportId"], "bytes": "!", "count": 1 });
    assert_eq!(kind(adapter.ask("send", &params)).as_deref(), Some("TypeError"));
    let capabilities = adapter.ask("capabilities", &json!({}));
    assert_eq!(capabilities["result"]["pid"], adapter.child.id());
    adapter.end();
}
