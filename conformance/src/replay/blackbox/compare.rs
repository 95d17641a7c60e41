//! What was seen from outside, against what the model allows.

use std::collections::BTreeSet;
use std::fmt::Debug;
use std::net::{TcpStream, UdpSocket};
use std::process::ExitStatus;

use serde_json::{Value, json};
use webrtc_server_model::TransportId;

use super::expected::Shown;
use super::scene::Scene;
use super::{BlackboxError, Seen, has};
use crate::divergence::Finding;
use crate::peer::StreamEnd;

const LISTEN_SERVER_CLOSE: &str = "listenserverclose";

/// How many descriptors the server's process has open, where that can be told.
pub(super) fn descriptors(able: &Value) -> Option<usize> {
    let pid = able["pid"].as_u64().filter(|_| has(able, "observes", "fds"))?;
    Some(std::fs::read_dir(format!("/proc/{pid}/fd")).ok()?.count())
}

/// What the owner of a transport heard that the model has as well.
pub(super) fn events(scene: &Scene<'_>, t: TransportId) -> Vec<String> {
    let mut words = all_events(scene, t);
    words.retain(|word| word != LISTEN_SERVER_CLOSE && word != "data");
    words
}

fn all_events(scene: &Scene<'_>, t: TransportId) -> Vec<String> {
    let Some(guest) = &scene.guests[t.index()] else { return Vec::new() };
    let own = scene.adapter.events.iter().filter(|event| event["target"] == guest.id.as_str());
    own.map(word).collect()
}

/// As the model's.
fn word(event: &Value) -> String {
    let (name, data) = (event["event"].as_str().unwrap_or_default(), &event["data"]);
    let text = |value: &Value| value.as_str().unwrap_or("nothing").to_owned();
    let what = match name {
        "icestatechange" => text(&data["iceState"]),
        "dtlsstatechange" => text(&data["dtlsState"]),
        "iceselectedtuplechange" if data["iceSelectedTuple"].is_null() => "none".to_owned(),
        "iceselectedtuplechange" => text(&data["iceSelectedTuple"]["protocol"]),
        "close" => text(&data["reason"]),
        _ => return name.to_owned(),
    };
    format!("{name} {what}")
}

fn outcome(value: &Value) -> Option<String> {
    let kind = value["type"].as_str()?;
    let reason = value["reason"].as_str().map(|reason| format!(" {reason}"));
    Some(format!("{kind}{}", reason.unwrap_or_default()))
}

/// Waits until all is over, and compares.
pub(super) fn compare(
    mut scene: Scene<'_>,
    allowed: Vec<Shown>,
    able: &Value,
    before: Option<usize>,
) -> Result<Seen, BlackboxError> {
    let told = await_closes(&mut scene)?;
    let at_least = |t: usize| allowed.iter().map(|shown| shown.alerts[t]).min().unwrap_or(0);
    let at_least: Vec<_> = (0..scene.guests.len()).map(at_least).collect();
    let config = scene.config;
    scene.await_until(|scene| {
        let heard = |t: TransportId| alerts(scene, t) >= at_least[t.index()];
        let ended = config.connection_ids().all(|c| {
            let ends =
                |shown: &Shown| shown.ends[c.index()].is_none_or(|end| end != StreamEnd::Open);
            scene.end(c) != Some(StreamEnd::Open)
                || !allowed.iter().all(ends)
                || allowed.iter().any(|shown| shown.ends[c.index()].is_none())
        });
        ended && config.transport_ids().all(heard)
    })?;
    let mut comparison =
        Comparison { comparisons: 0, findings: std::mem::take(&mut scene.findings) };
    comparison.wire(&scene, &allowed);
    // First, for whatever it says meanwhile.
    comparison.process(&mut scene, able, before)?;
    if has(able, "observes", "callbacks") {
        comparison.callbacks(&scene, &allowed);
    }
    if has(able, "observes", "outcomes") {
        comparison.outcomes(&scene, &allowed, &told);
    }
    let Comparison { comparisons, findings } = comparison;
    Ok(Seen::Performed { comparisons, findings })
}

fn alerts(scene: &Scene<'_>, t: TransportId) -> usize {
    scene.guests[t.index()].as_ref().map_or(0, |g| g.peer.observed().close_notifies.len())
}

/// The results of the closes, and what each is of.
fn await_closes(scene: &mut Scene<'_>) -> Result<Vec<(Option<TransportId>, Value)>, BlackboxError> {
    let mut told = Vec::new();
    for (id, of) in std::mem::take(&mut scene.closes) {
        let what = if of.is_some() { "closeTransport" } else { "closeWebRtcServer" };
        if !scene.await_until(|scene| scene.adapter.is_answered(id))? {
            let (method, waited) = (what.to_owned(), scene.adapter.patience);
            return Err(super::AdapterError::Silent { method, waited }.into());
        }
        match scene.adapter.take_answer(id) {
            Some(Ok(result)) => told.push((of, result)),
            Some(Err(error)) => {
                let method = what.to_owned();
                return Err(super::AdapterError::Refused { method, error }.into());
            }
            None => {}
        }
    }
    Ok(told)
}

struct Comparison {
    comparisons: usize,
    findings: Vec<Finding>,
}

impl Comparison {
    /// It is one of those.
    fn one_of<T: Debug + PartialEq + Ord>(&mut self, what: String, allowed: BTreeSet<T>, got: &T) {
        self.comparisons += 1;
        if !allowed.contains(got) {
            let allowed: Vec<_> = allowed.iter().map(|value| format!("{value:?}")).collect();
            let (expected, got) = (allowed.join(" or "), format!("{got:?}"));
            self.findings.push(Finding { what, expected, got });
        }
    }

    fn wire(&mut self, scene: &Scene<'_>, allowed: &[Shown]) {
        for t in scene.config.transport_ids() {
            let Some(guest) = &scene.guests[t.index()] else { continue };
            let of = |shown: &Shown| shown.alerts[t.index()];
            let what = format!("close_notify alerts that the peer of transport {} saw", t.0);
            self.one_of(what, allowed.iter().map(of).collect(), &alerts(scene, t));
            let seen = guest.peer.observed();
            let rest = (
                seen.late_on_the_same_path(),
                &seen.fatal_alerts,
                seen.other_alerts,
                seen.malformed,
            );
            let what =
                "packets behind the close_notify, fatal alerts, other alerts, malformed packets";
            self.comparisons += 1;
            if rest != (0, &Vec::new(), 0, 0) {
                self.findings.push(Finding::broken(what, format!("{rest:?}")));
            }
        }
        for c in scene.config.connection_ids() {
            let ends: Vec<_> = allowed.iter().map(|shown| shown.ends[c.index()]).collect();
            // Of one that its peer has reset he hears nothing more.
            if let Some(got) = scene.end(c).filter(|_| ends.iter().all(Option::is_some)) {
                let word = |end: StreamEnd| format!("{end:?}");
                let what = format!("the end of connection {} that its peer saw", c.0);
                self.one_of(what, ends.into_iter().flatten().map(word).collect(), &word(got));
            }
        }
    }

    fn callbacks(&mut self, scene: &Scene<'_>, allowed: &[Shown]) {
        for t in scene.config.transport_ids() {
            let of = |shown: &Shown| shown.events[t.index()].clone();
            let what = format!("what the owner of transport {} heard", t.0);
            self.one_of(what, allowed.iter().map(of).collect(), &events(scene, t));
            let all = all_events(scene, t);
            let told = all.iter().filter(|word| *word == LISTEN_SERVER_CLOSE).count();
            let with_server = all.last().is_some_and(|word| word == "close serverClosed");
            let what =
                format!("how often the owner of transport {} heard {LISTEN_SERVER_CLOSE}", t.0);
            self.one_of(what, BTreeSet::from([usize::from(with_server)]), &told);
        }
    }

    /// Wherever it is told: in the answers to closes and in `close`.
    fn outcomes(
        &mut self,
        scene: &Scene<'_>,
        allowed: &[Shown],
        told: &[(Option<TransportId>, Value)],
    ) {
        for t in scene.config.transport_ids() {
            let Some(guest) = &scene.guests[t.index()] else { continue };
            let of = |shown: &Shown| shown.outcomes[t.index()].clone();
            let of: BTreeSet<_> = allowed.iter().map(of).collect();
            let answers = told.iter().filter_map(|(whose, result)| match whose {
                Some(whose) => (*whose == t).then_some(&result["outcome"]),
                None => result["outcomes"].get(&guest.id),
            });
            let events = scene.adapter.events.iter();
            let events =
                events.filter(|e| e["event"] == "close" && e["target"] == guest.id.as_str());
            let values: Vec<_> =
                answers.chain(events.map(|event| &event["data"]["outcome"])).collect();
            let what = format!("what became of the alert of transport {}", t.0);
            if values.is_empty() {
                self.one_of(what.clone(), of.clone(), &None);
            }
            values.into_iter().for_each(|got| self.one_of(what.clone(), of.clone(), &outcome(got)));
        }
    }

    /// The process is alive, has what it had, and has let go of its ports.
    fn process(
        &mut self,
        scene: &mut Scene<'_>,
        able: &Value,
        before: Option<usize>,
    ) -> Result<(), BlackboxError> {
        scene.adapter.ask("capabilities", &json!({}))?;
        self.comparisons += 1;
        if before.is_some() {
            scene.await_until(|_| descriptors(able) == before)?;
            self.one_of(
                "open descriptors".to_owned(),
                BTreeSet::from([before]),
                &descriptors(able),
            );
        }
        let (udp, tcp) = scene.carriers();
        self.comparisons += 2;
        if let Err(error) = UdpSocket::bind(udp) {
            self.findings
                .push(Finding::broken("the UDP socket after the close", error.to_string()));
        }
        if TcpStream::connect(tcp).is_ok() {
            self.findings
                .push(Finding::broken("the listener after the close", "it listens".to_owned()));
        }
        self.end(scene.adapter.end()?);
        Ok(())
    }

    /// The end of its input ends it well.
    fn end(&mut self, status: Option<ExitStatus>) {
        self.comparisons += 1;
        if !status.is_some_and(|status| status.success()) {
            let what = "how the process ended with its input".to_owned();
            let got = status.map_or_else(|| "none".to_owned(), |status| status.to_string());
            self.findings.push(Finding { what, expected: "exit status: 0".to_owned(), got });
        }
    }
}
