//! Logs that must be rejected: each is the log of a sound server, with one entry changed, left out, put in or moved as
//! a mutant of the server would have it, and breaks a requirement of SPEC.md.
//!
//! The sound log was recorded with `cargo validate record --seed 6 --transports 4 --workers 2`; another run has another
//! order of threads.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::BufReader;
use std::path::{Path, PathBuf};
use webrtc_server_conformance::validate::log::{self, Entry, What};
use webrtc_server_conformance::validate::{Mismatch, Reason, validate};

/// The log that all of them are, but for that.
const SOUND: &str = "accepted/alerts_over_udp_and_tcp";

/// A log, the entry that is rejected, why, and the requirement that is broken there.
type Rejected = (&'static str, u64, Why, &'static str);

/// The reason that a rejection has to give.
#[derive(Clone, Copy, Debug)]
enum Why {
    /// A rule about the whole log says so, in these words.
    Rule(&'static str),
    /// The first effect that differs: the model's, and the log's.
    Effect(&'static str, &'static str),
    /// This field differs afterwards.
    Field(&'static str),
}

/// Of a turn that cannot be explained the first entry is named.
const REJECTED: [Rejected; 12] = [
    ("connection_in_two_places", 8, Why::Rule("nobody handed over what comes"), "S8"),
    ("transport_not_removed", 153, Why::Rule("its maps have"), "X1"),
    ("caller_answered_before_the_release", 184, Why::Rule("before the last release"), "X3"),
    ("alert_said_twice", 119, Why::Effect("Unmap", "OfferDatagramAlert"), "X4"),
    ("event_after_the_report", 129, Why::Rule("due is None"), "X5"),
    ("alert_offered_after_the_unmapping", 119, Why::Effect("OfferDatagramAlert", "Unmap"), "O1"),
    ("transport_created_while_closing", 165, Why::Field("transport is there"), "O2"),
    (
        "carriers_released_before_a_worker_is_drained",
        177,
        Why::Rule("worker 0 is not drained"),
        "O5",
    ),
    ("fin_before_the_alert", 53, Why::Effect("AlertWritten", "ShutdownWrite"), "O6"),
    ("deadline_that_does_not_run", 119, Why::Field("connection 4 deadline"), "L2"),
    ("alert_kept_although_there_is_room", 119, Why::Field("farewell"), "L3"),
    ("something_left_at_the_end", 190, Why::Rule("something is left"), "CLS-20"),
];

/// A path beside this file.
fn beside(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests").join(name)
}

fn log_in(name: &str) -> Vec<Entry> {
    let file = File::open(beside(&format!("{name}.jsonl"))).expect(name);
    log::read(BufReader::new(file)).expect(name)
}

fn rejected(name: &str) -> Vec<Entry> {
    log_in(&format!("rejected/{name}"))
}

impl Why {
    fn is_said_by(self, reason: &Reason) -> bool {
        match self {
            Why::Rule(words) => matches!(reason, Reason::Rule(said) if said.contains(words)),
            Why::Effect(of_model, of_log) => {
                let Reason::Mismatch(Mismatch::Effects { model, log, .. }) = reason else {
                    return false;
                };
                let mut pairs = model.iter().zip(log);
                let first = pairs.find(|(model, log)| model != log);
                first.is_some_and(|(model, log)| {
                    format!("{model:?}").starts_with(of_model)
                        && format!("{log:?}").starts_with(of_log)
                })
            }
            Why::Field(wanted) => {
                let Reason::Mismatch(Mismatch::State(differences)) = reason else { return false };
                differences.iter().any(|difference| difference.field == wanted)
            }
        }
    }
}

/// One entry was changed, left out, put in or moved. The numbers follow from that.
fn differ_in_one_entry(one: &[Entry], other: &[Entry]) -> bool {
    let what = |log: &[Entry]| log.iter().map(|entry| entry.what.clone()).collect::<Vec<_>>();
    let (mut one, mut other): (Vec<What>, Vec<What>) = (what(one), what(other));
    for _ in ["the beginning", "the end"] {
        let same = one.iter().zip(&other).take_while(|(one, other)| one == other).count();
        for log in [&mut one, &mut other] {
            log.drain(..same);
            log.reverse();
        }
    }
    if one.len().max(other.len()) <= 1 {
        return one != other;
    }
    let turned = |log: &[What]| [&log[1..], &log[..1]].concat();
    one.len() == other.len() && (turned(&one) == other || one == turned(&other))
}

#[test]
fn the_sound_log_is_a_behaviour_of_the_model() {
    validate(&log_in(SOUND)).unwrap_or_else(|rejection| panic!("{rejection}"));
}

#[test]
fn each_rejected_log_is_rejected_where_it_breaks_its_rule() {
    let mut wrong = Vec::new();
    for (name, n, why, _) in REJECTED {
        match validate(&rejected(name)) {
            Ok(summary) => wrong.push(format!("{name} is accepted: {summary}")),
            Err(rejection) if rejection.entry.n != n || !why.is_said_by(&rejection.reason) => {
                wrong.push(format!("{name}: {rejection}\n  expected at entry {n}: {why:?}"));
            }
            Err(_) => {}
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn each_rejected_log_is_the_sound_one_but_for_one_entry() {
    let sound = log_in(SOUND);
    for (name, ..) in REJECTED {
        assert!(differ_in_one_entry(&sound, &rejected(name)), "{name}: not in one entry");
    }
}

#[test]
fn each_rejected_log_is_in_the_table() {
    let files = fs::read_dir(beside("rejected")).expect("a folder of logs");
    let files: BTreeSet<_> = files.map(|file| file.expect("a file").file_name()).collect();
    let listed = REJECTED.iter().map(|(name, ..)| format!("{name}.jsonl").into());
    assert_eq!(files, listed.collect::<BTreeSet<_>>());
}

#[test]
fn each_rejected_log_breaks_a_requirement_of_the_specification() {
    let spec = fs::read_to_string(beside("../../SPEC.md")).expect("SPEC.md");
    for (name, _, _, id) in REJECTED {
        let row = format!("| {id} | ");
        assert!(spec.lines().any(|line| line.starts_with(&row)), "{name}: {id} is not in SPEC.md");
    }
}
