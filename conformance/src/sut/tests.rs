//! The documentation says what the adapter does.

use super::methods::METHODS;
use super::{Sut, params};
use serde_json::Value;
use std::collections::BTreeSet;
use std::io::{self, BufReader, Read, Write};
use std::num::NonZeroUsize;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;
use std::time::Duration;
use webrtc_server::lifecycle::Limits;

const DOCUMENTATION: &str = include_str!("mod.rs");

/// The first column of the table under this heading.
fn table(heading: &str) -> Vec<&str> {
    let (_, section) = DOCUMENTATION.split_once(heading).expect("the heading");
    let section = section.split("//! # ").next().expect("a section");
    let rows = section.lines().filter_map(|line| line.strip_prefix("//! | `"));
    rows.map(|row| row.split_once('`').expect("it ends").0).collect()
}

#[test]
fn every_deadline_and_cap_that_is_said_is_taken() {
    let said = serde_json::json!({
        "listenInfos": [], "workers": 3,
        "deadlines": { "bindMs": 1, "handshakeMs": 2, "drainMs": 3, "answerMs": 4, "serverMs": 5 },
        "limits": { "unboundConnectionsMax": 6, "unboundConnectionsPerSourceMax": 7,
            "connectionsMax": 8, "tuplesPerTransportMax": 9 },
    });
    let params: params::CreateServer = params::read(said).expect("known fields");
    assert_eq!(params.workers.map(NonZeroUsize::get), Some(3));
    let said = Limits {
        bind: Duration::from_millis(1),
        handshake: Duration::from_millis(2),
        drain: Duration::from_millis(3),
        answer: Duration::from_millis(4),
        server: Duration::from_millis(5),
        unbound_connections_max: 6,
        unbound_connections_per_source_max: 7,
        connections_max: 8,
        tuples_per_transport_max: 9,
    };
    assert_eq!(params.limits(), said);
}

#[test]
fn the_methods_of_the_table_are_those_that_there_are() {
    assert_eq!(table("//! # Methods"), METHODS.map(|(name, _)| name));
    let options = DOCUMENTATION.lines().find(|line| line.contains("| `createWebRtcServer` |"));
    let options = options.expect("its row");
    assert!(params::OPTIONS.iter().all(|option| options.contains(&format!("`{option}`"))));
}

#[test]
fn the_events_of_the_table_are_those_that_there_are() {
    let code = include_str!("events.rs");
    let told = code.split("TransportEvent::").skip(1).filter_map(|arm| arm.split('"').nth(1));
    let told: BTreeSet<_> = told.collect();
    assert_eq!(table("//! # Events").into_iter().collect::<BTreeSet<_>>(), told);
}

/// One end of a pipe in memory.
struct Writer(Sender<Vec<u8>>);
struct Reader(Receiver<Vec<u8>>, Vec<u8>);

impl Write for Writer {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.send(bytes.to_vec()).map_err(|_| io::ErrorKind::BrokenPipe)?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Read for Reader {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.1.is_empty() {
            self.1 = self.0.recv().unwrap_or_default();
        }
        let length = buffer.len().min(self.1.len());
        buffer[..length].copy_from_slice(&self.1[..length]);
        self.1.drain(..length);
        Ok(length)
    }
}

/// The names of all fields, wherever they are, and of lists the first item; an id that is such a name is `S` and a number.
fn shape(value: &Value, id: &str) -> Value {
    match value {
        Value::Object(fields) => {
            let name = |name: &String| name.replace(id, "S");
            fields.iter().map(|(key, value)| (name(key), shape(value, id))).collect()
        }
        Value::Array(items) => items.iter().take(1).map(|item| shape(item, id)).collect(),
        Value::String(_) => "text".into(),
        Value::Number(_) => 0.into(),
        Value::Null | Value::Bool(_) => value.clone(),
    }
}

#[test]
fn the_dialogue_of_the_documentation_is_the_one_that_is_had() {
    let ((asked, requests), (output, answers)) = (channel(), channel());
    let sut = Sut::new(Writer(output));
    let input = BufReader::new(Reader(requests, Vec::new()));
    let served = thread::spawn(move || sut.run(io::BufRead::split(input, b'\n')));
    let mut said = io::BufRead::lines(BufReader::new(Reader(answers, Vec::new())));
    let (mut id, mut lines) = ("S".to_owned(), 0);
    for line in DOCUMENTATION.lines().filter_map(|line| line.strip_prefix("//! ")) {
        if let Some(request) = line.strip_prefix("> ") {
            let print = vec!["AA"; 32].join(":");
            let request = request
                .replace("\"S", &format!("\"{id}"))
                .replace("\"F\"", &format!("\"{print}\""));
            asked.send(format!("{request}\n").into_bytes()).expect("it listens");
        } else if let Some(answer) = line.strip_prefix("< ") {
            let got: Value =
                serde_json::from_str(&said.next().expect("a line").expect("UTF-8")).expect("JSON");
            let wanted: Value = serde_json::from_str(answer).expect("JSON");
            if let Some(server) = got["result"]["webRtcServerId"].as_str() {
                server.clone_into(&mut id);
            }
            assert_eq!(shape(&got, &id), shape(&wanted, "S"), "{got}");
            lines += 1;
        }
    }
    assert_eq!(lines, 6, "all of it was had");
    drop(asked);
    served.join().expect("no panic").expect("no error");
}
