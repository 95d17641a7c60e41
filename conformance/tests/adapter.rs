//! The server under test, driven as a stranger would: a child process, one JSON object per line.

use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Write};
use std::net::SocketAddr;
use std::os::unix::process::ExitStatusExt;
use std::process::{Child, ChildStdin, ChildStdout, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};
use webrtc_server_conformance::peer::{Peer, PeerCertificate, Protocol, ServerCredentials, Via};
use webrtc_server_conformance::sut::monotonic_nanoseconds;

const PATIENCE: Duration = Duration::from_secs(10);
const HOUR_MS: u64 = 3_600_000;

/// Options of a server that closes when everything is said, and not before.
fn patient() -> Value {
    let deadlines = json!({ "drainMs": HOUR_MS, "answerMs": HOUR_MS, "serverMs": HOUR_MS });
    json!({ "deadlines": deadlines })
}

fn text(value: &Value) -> String {
    value.as_str().expect("text").to_owned()
}

/// The type of the error that an answer is.
fn kind(answer: &Value) -> Option<String> {
    answer["error"]["type"].as_str().map(str::to_owned)
}

fn credentials(parameters: &Value) -> ServerCredentials {
    ServerCredentials {
        ufrag: text(&parameters["usernameFragment"]),
        password: text(&parameters["password"]),
    }
}

fn connect_params(transport: &Value, certificate: &PeerCertificate) -> Value {
    let print = json!({ "algorithm": "sha-256", "value": certificate.fingerprint() });
    let dtls = json!({ "role": "client", "fingerprints": [print] });
    json!({ "transportId": transport, "dtlsParameters": dtls })
}

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
            let value = self.line();
            if value.get("event").is_none() {
                return value;
            }
            self.events.push(value);
        }
    }

    fn line(&mut self) -> Value {
        let mut line = String::new();
        assert_ne!(self.output.read_line(&mut line).expect("UTF-8"), 0, "it ended");
        serde_json::from_str(&line).expect("JSON")
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

    /// What is wrong with a request.
    fn refusal(&mut self, method: &str, params: &Value) -> Option<String> {
        kind(&self.ask(method, params))
    }

    fn create(&mut self) -> (String, Value) {
        self.create_with(&json!({}))
    }

    fn create_with(&mut self, options: &Value) -> (String, Value) {
        let listen = json!([
            { "protocol": "udp", "ip": "127.0.0.1" }, { "protocol": "tcp", "ip": "127.0.0.1" }
        ]);
        let mut params = options.clone();
        params["listenInfos"] = listen;
        let server = self.ask("createWebRtcServer", &params);
        let id = text(&server["result"]["webRtcServerId"]);
        let transport = self.transport(&id);
        (id, transport)
    }

    fn transport(&mut self, server: &str) -> Value {
        let params = json!({ "webRtcServerId": server });
        self.ask("createWebRtcTransport", &params)["result"].clone()
    }

    fn connect(&mut self, transport: &Value, protocol: Protocol) -> Peer {
        let certificate = PeerCertificate::shared().expect("a certificate");
        let params = connect_params(&transport["transportId"], &certificate);
        let role = self.ask("connect", &params);
        assert_eq!(role["result"]["dtlsLocalRole"], "server");
        let name = match protocol {
            Protocol::Udp => "udp",
            Protocol::Tcp => "tcp",
        };
        let mut candidates = transport["iceCandidates"].as_array().expect("a list").iter();
        let candidate = candidates.find(|candidate| candidate["protocol"] == name);
        let candidate = candidate.expect("one of each protocol");
        let port = u16::try_from(candidate["port"].as_u64().expect("a port")).expect("16 bits");
        let ip = text(&candidate["address"]).parse().expect("an IP");
        let address = SocketAddr::new(ip, port);
        let credentials = credentials(&transport["iceParameters"]);
        Peer::connect_over(protocol, address, credentials, &certificate, PATIENCE)
            .expect("ICE and DTLS connect")
            .0
    }

    /// A patient server, a transport of it whose peer over TCP does not read what waits for it, and one whose peer over
    /// UDP is well.
    fn stalled(&mut self) -> (String, [String; 2], [Peer; 2]) {
        let (server, stalled) = self.create_with(&patient());
        let well = self.transport(&server);
        let peers = [self.connect(&stalled, Protocol::Tcp), self.connect(&well, Protocol::Udp)];
        let ids = [stalled, well].map(|transport| text(&transport["transportId"]));
        // More than the buffers of the connection and its queue hold.
        let sent = json!({ "transportId": ids[0], "bytes": "AAAA".repeat(380), "count": 20_000 });
        assert_eq!(self.ask("send", &sent)["result"]["accepted"], 20_000);
        (server, ids, peers)
    }

    /// The next event with this name that was not asked for before.
    fn event(&mut self, name: &str) -> Value {
        while self.events.iter().all(|event| event["event"] != name) {
            let line = self.line();
            assert!(line.get("event").is_some(), "no answer is due: {line}");
            self.events.push(line);
        }
        let index = self.events.iter().position(|event| event["event"] == name);
        self.events.remove(index.expect("it is there"))
    }

    fn end(mut self) {
        self.input = None;
        assert!(self.child.wait().expect("it ends").success());
    }

    fn signal(&self, name: &str) {
        let command = format!("kill -s {name} {}", self.child.id());
        assert!(Command::new("sh").args(["-c", &command]).status().expect("a shell").success());
    }

    /// How it ends although its input does not.
    fn ended(mut self) -> ExitStatus {
        let deadline = Instant::now() + PATIENCE;
        loop {
            if let Some(status) = self.child.try_wait().expect("it is our child") {
                return status;
            }
            assert!(Instant::now() < deadline, "it does not end");
            std::thread::sleep(Duration::from_millis(1));
        }
    }
}

impl Drop for Adapter {
    /// A test that fails leaves no process.
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn cls_04_the_adapter_closes_a_connected_server_and_tells_the_outcome_when_it_is_complete() {
    let began = monotonic_nanoseconds();
    let mut adapter = Adapter::start();
    let (server, transport) = adapter.create();
    let mut peer = adapter.connect(&transport, Protocol::Udp);
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
    assert!(moments.iter().all(|t| (began..monotonic_nanoseconds()).contains(t)), "our clock");
    adapter.end();
}

#[test]
fn cls_23_the_end_of_the_input_closes_every_server_in_order() {
    let mut adapter = Adapter::start();
    let (_, transport) = adapter.create();
    let mut peer = adapter.connect(&transport, Protocol::Udp);
    adapter.input = None;
    peer.await_close_notify(PATIENCE).expect("the alert arrives");
    adapter.end();
}

#[test]
fn cls_23_a_signal_closes_every_server_in_order_and_who_does_not_read_is_not_waited_for() {
    for signal in ["TERM", "INT"] {
        let mut adapter = Adapter::start();
        let (_, [stalled, well], [_unread, mut peer]) = adapter.stalled();
        let (_, elsewhere) = adapter.create_with(&patient());
        let mut other = adapter.connect(&elsewhere, Protocol::Tcp);
        adapter.signal(signal);
        for peer in [&mut peer, &mut other] {
            peer.await_close_notify(PATIENCE).expect("the alert arrives");
            peer.answer_close_notify(Via(0)).expect("the answer leaves");
        }
        let events = (0..3).map(|_| adapter.event("close"));
        let outcomes: BTreeMap<_, _> =
            events.map(|e| (text(&e["target"]), e["data"]["outcome"].clone())).collect();
        let confirmed = json!({ "type": "confirmed" });
        assert_eq!(outcomes[&text(&elsewhere["transportId"])], confirmed);
        assert_eq!(outcomes[&well], confirmed);
        assert_eq!(outcomes[&stalled], json!({ "type": "dropped", "reason": "deadline" }));
        assert_eq!(adapter.ended().code(), Some(0), "{signal}");
    }
}

#[test]
fn cls_23_a_close_without_a_deadline_does_not_keep_the_process() {
    let mut adapter = Adapter::start();
    let (server, _, [_unread, mut peer]) = adapter.stalled();
    adapter.send("closeWebRtcServer", &json!({ "webRtcServerId": server }));
    peer.await_close_notify(PATIENCE).expect("it closes");
    adapter.signal("TERM");
    assert_eq!(adapter.ended().code(), Some(0));
}

#[test]
fn cls_23_the_second_signal_ends_the_process_at_once() {
    let mut adapter = Adapter::start();
    let (_, _, [_unread, mut peer]) = adapter.stalled();
    adapter.signal("TERM");
    peer.await_close_notify(PATIENCE).expect("it was heard");
    adapter.signal("INT");
    assert_eq!(adapter.ended().signal(), Some(2));
}

/// What is refused, and as what.
fn refusals(server: &str, transport: &str) -> Vec<(&'static str, Value, &'static str)> {
    let s = json!(server);
    let of = |bytes: &str, count: u64| json!({ "transportId": transport, "bytes": bytes, "count": count });
    let at = |ip: &str| json!([{ "protocol": "udp", "ip": ip }]);
    vec![
        ("selfDestruct", json!({}), "TypeError"),
        ("capabilities", json!({ "verbose": true }), "TypeError"),
        ("capabilities", json!([]), "TypeError"),
        ("getStats", json!({ "of": s }), "TypeError"),
        ("createWebRtcServer", json!({ "listenInfos": [] }), "TypeError"),
        ("createWebRtcServer", json!({ "listenInfos": at("1.2.3.4") }), "IoError"),
        (
            "createWebRtcServer",
            json!({ "listenInfos": at("127.0.0.1"), "workers": 0 }),
            "TypeError",
        ),
        ("createWebRtcServer", json!({ "listenInfos": at("127.0.0.1"), "worker": 1 }), "TypeError"),
        (
            "createWebRtcServer",
            json!({ "listenInfos": at("127.0.0.1"), "deadlines": { "drain": 1 } }),
            "TypeError",
        ),
        ("createWebRtcTransport", json!({ "webRtcServerId": "nobody" }), "NotFoundError"),
        ("createWebRtcTransport", json!({ "webRtcServerId": s, "enableudp": true }), "TypeError"),
        (
            "createWebRtcTransport",
            json!({ "webRtcServerId": s, "enableUdp": false, "enableTcp": false }),
            "TypeError",
        ),
        (
            "createWebRtcTransport",
            json!({ "webRtcServerId": s, "iceConsentTimeout": 256 }),
            "TypeError",
        ),
        (
            "connect",
            json!({ "transportId": transport, "dtlsParameters": { "fingerprints": [] } }),
            "TypeError",
        ),
        ("restartIce", json!({ "transportId": "nobody" }), "NotFoundError"),
        ("restartIce", json!({ "transportId": transport, "deadlineMs": 1 }), "TypeError"),
        ("send", of("!", 1), "TypeError"),
        ("send", of("AA==", 1_000_000_000_000_000), "TypeError"),
        ("send", of("AA==", 1), "InvalidStateError"),
        ("closeTransport", json!({ "transportId": "nobody" }), "NotFoundError"),
        ("closeWebRtcServer", json!({ "webRtcServerId": "nobody" }), "NotFoundError"),
        ("closeWebRtcServer", json!({ "webRtcServerId": s, "deadline": 1 }), "TypeError"),
        ("dump", json!({ "webRtcServerId": s, "deadlineMs": 1 }), "TypeError"),
        ("dump", json!({ "webRtcServerId": "nobody" }), "NotFoundError"),
    ]
}

#[test]
fn what_is_refused_changes_nothing() {
    let mut adapter = Adapter::start();
    let (server, transport) = adapter.create();
    let transport = text(&transport["transportId"]);
    let of_server = json!({ "webRtcServerId": server });
    let see = |adapter: &mut Adapter| {
        let servers = adapter.ask("getStats", &json!({}))["result"]["webRtcServers"].clone();
        (adapter.ask("dump", &of_server)["result"].clone(), servers)
    };
    let before = see(&mut adapter);
    assert!(before.0.is_object());
    for (method, params, wanted) in refusals(&server, &transport) {
        assert_eq!(adapter.refusal(method, &params).as_deref(), Some(wanted), "{method} {params}");
    }
    for (line, id, wanted) in [
        ("this is not JSON", json!(null), "SyntaxError"),
        ("7", json!(null), "TypeError"),
        (r#"[5, "capabilities"]"#, json!(null), "TypeError"),
        (r#"{"id": 4}"#, json!(4), "TypeError"),
        (r#"{"id": "a", "method": "capabilities", "parms": {}}"#, json!("a"), "TypeError"),
    ] {
        adapter.write(line);
        let answer = adapter.answer();
        assert_eq!((&answer["id"], kind(&answer).as_deref()), (&id, Some(wanted)), "{line}");
    }
    assert_eq!(see(&mut adapter), before);
    let capabilities = adapter.ask("capabilities", &json!({}));
    assert_eq!(capabilities["result"]["pid"], adapter.child.id());
    adapter.end();
}

#[test]
fn one_transport_is_restarted_sent_over_and_closed_over_tcp() {
    let mut adapter = Adapter::start();
    let (server, transport) = adapter.create();
    let mut peer = adapter.connect(&transport, Protocol::Tcp);
    let id = transport["transportId"].clone();
    let of_transport = json!({ "transportId": id });
    let again = connect_params(&id, &PeerCertificate::shared().expect("a certificate"));
    assert_eq!(adapter.refusal("connect", &again).as_deref(), Some("InvalidStateError"));

    let restarted = adapter.ask("restartIce", &of_transport);
    let new = credentials(&restarted["result"]["iceParameters"]);
    assert_ne!(&new, peer.credentials());
    peer.set_credentials(new.clone());
    peer.await_check(Via(0), false, PATIENCE).expect("the new credentials are good");
    let of_server = json!({ "webRtcServerId": server });
    let dump = adapter.ask("dump", &of_server)["result"].clone();
    assert_eq!(dump["webRtcTransportIds"], json!([id]));
    assert_eq!(dump["localIceUsernameFragments"][0]["localIceUsernameFragment"], new.ufrag);
    assert_eq!((&dump["tuples"], &dump["connections"]["bound"]), (&json!(1), &json!(1)));

    let sent = json!({ "transportId": id, "bytes": "aGk=", "count": 3 });
    assert_eq!(adapter.ask("send", &sent)["result"], json!({ "accepted": 3 }));
    peer.await_until("three messages", PATIENCE, |peer| peer.observed().data.len() == 3)
        .expect("they arrive");
    assert!(peer.observed().data.iter().all(|message| message == b"hi"));
    peer.send_data(Via(0), b"ho").expect("connected");
    assert_eq!(adapter.event("data")["data"], json!({ "bytes": "aG8=" }));
    let stats = adapter.ask("getStats", &json!({}))["result"].clone();
    assert_eq!(stats["webRtcServers"][&server]["handshakesCompleted"], 1);
    assert_eq!(stats["dataEventsDropped"], 0);

    let closed = adapter.ask("closeTransport", &of_transport);
    assert_eq!(closed["result"], json!({ "outcome": { "type": "confirmed" } }));
    peer.await_close_notify(PATIENCE).expect("the alert arrived");
    assert_eq!(adapter.event("close")["data"]["reason"], "owner");
    assert_eq!(adapter.ask("closeTransport", &of_transport)["result"], closed["result"]);
    assert_eq!(adapter.refusal("send", &sent).as_deref(), Some("NotFoundError"));
    assert_eq!(adapter.ask("closeWebRtcServer", &of_server)["result"]["outcomes"], json!({}));
    assert_eq!(adapter.refusal("dump", &of_server).as_deref(), Some("NotFoundError"));
    adapter.end();
}

#[test]
fn of_two_servers_each_has_its_own_transports_and_outcomes() {
    let mut adapter = Adapter::start();
    let (a, of_a) = adapter.create();
    let (b, of_b) = adapter.create();
    for (server, transport) in [(&a, &of_a), (&b, &of_b)] {
        let id = transport["transportId"].clone();
        let dump = adapter.ask("dump", &json!({ "webRtcServerId": server }));
        assert_eq!(dump["result"]["webRtcTransportIds"], json!([id]));
    }
    let mut peer = adapter.connect(&of_b, Protocol::Udp);
    for (server, transport) in [(a, of_a), (b, of_b)] {
        adapter.send("closeWebRtcServer", &json!({ "webRtcServerId": server }));
        let answer = adapter.answer();
        let outcomes = answer["result"]["outcomes"].as_object().expect("outcomes").clone();
        let id = text(&transport["transportId"]);
        assert_eq!(outcomes.keys().collect::<Vec<_>>(), [&id]);
    }
    peer.await_close_notify(PATIENCE).expect("the alert arrives");
    adapter.end();
}

#[test]
fn cls_07_the_deadline_of_a_request_counts() {
    let mut adapter = Adapter::start();
    let (server, [stalled, well], _peers) = adapter.stalled();
    let closed =
        adapter.ask("closeWebRtcServer", &json!({ "webRtcServerId": server, "deadlineMs": 50 }));
    let outcomes = &closed["result"]["outcomes"];
    assert_eq!(outcomes[&stalled], json!({ "type": "dropped", "reason": "deadline" }));
    assert_eq!(outcomes[&well], json!({ "type": "sent" }));
    adapter.end();
}

#[test]
fn cls_04_who_does_not_read_the_lines_does_not_keep_the_server_from_closing() {
    let mut adapter = Adapter::start();
    let (server, transport) = adapter.create();
    let mut peer = adapter.connect(&transport, Protocol::Tcp);
    // Many times what a pipe holds, and more events than may wait.
    for _ in 0..2_000 {
        peer.send_data(Via(0), &[b'x'; 1_000]).expect("connected");
        peer.tcp(Via(0)).expect("it is TCP").await_flushed(PATIENCE).expect("the server reads");
    }
    adapter.send("closeWebRtcServer", &json!({ "webRtcServerId": server }));
    peer.await_close_notify(PATIENCE).expect("the alert arrives while nobody reads");
    assert!(adapter.answer()["result"]["outcomes"].is_object());
    let stats = adapter.ask("getStats", &json!({}))["result"].clone();
    let dropped = stats["dataEventsDropped"].as_u64().expect("a number");
    let written = adapter.events.iter().filter(|event| event["event"] == "data").count();
    assert!(dropped > 0, "nobody read");
    // What has not arrived when the server closes is nobody's.
    assert!((256..=2_000 - dropped).contains(&u64::try_from(written).expect("64 bits")));
    adapter.end();
}
