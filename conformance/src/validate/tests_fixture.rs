//! A recorded run of three transports: one that nobody used, one over UDP whose close_notify had to wait for room, one
//! over TCP that its owner closed. It is always the same, so that what is seen of it can be said exactly.

use super::log::{self, Entry, Verdict, What};
use super::parties::{Carriers, Party, Stay, parties};
use super::simulate::simulate;
use super::turns::{grouped, turns};
use super::{Reason, Summary, validate};
use webrtc_server::lifecycle::DtlsState;
use webrtc_server_model::{
    Action, AddressId, CONNECTIONS_MAX, CallerId, ConnectionId, SocketId, StunCheck, TransportId,
    Tuple, WorkerId,
};

fn recorded() -> Vec<Entry> {
    let text = include_str!("fixtures/goodbye_over_udp_and_tcp.jsonl");
    log::read(text.as_bytes()).expect("a log")
}

fn causes(party: &Party) -> Vec<Action> {
    let log = recorded();
    let carriers = Carriers::of(&log).expect("it begins");
    let turns = turns(&grouped(&log, 0), party, &carriers).expect("the model has words for it");
    turns.into_iter().flat_map(|turn| turn.causes).map(|one_of| one_of[0]).collect()
}

fn renumbered(mut log: Vec<Entry>) -> Vec<Entry> {
    for (n, entry) in log.iter_mut().enumerate() {
        entry.n = n as u64;
    }
    log
}

/// The entries without which the log is as sound as with them, by number.
fn idle(log: &[Entry], n: usize) -> bool {
    match log[n].what.step() {
        Some(step) => {
            let silent = step.effects.is_empty() && step.transports.is_empty();
            silent && step.connections.is_empty()
        }
        None => log[n].what == What::HandleDropped,
    }
}

#[test]
fn the_recorded_run_is_explained() {
    let summary = validate(&recorded()).unwrap_or_else(|rejection| panic!("{rejection}"));
    let Summary { entries, transports, strangers, .. } = summary;
    assert_eq!((entries, transports, strangers), (96, 3, 0));
}

#[test]
fn what_a_log_is_of_is_counted_in_its_entries() {
    let Summary { connected, farewells, faults, .. } = Summary::of(&recorded());
    assert_eq!((connected, farewells, faults), (2, 2, 1));
}

/// The bounds say nothing about the log, whichever entry comes first.
#[test]
fn a_broken_rule_is_told_before_what_is_beyond_the_bounds() {
    let mut log = recorded();
    let What::Begun(begun) = &mut log[0].what else { panic!("a log begins") };
    begun.sockets.clear();
    let rejection = validate(&log).expect_err("nobody has room for a companion");
    assert!(matches!(rejection.reason, Reason::Bounds(_)), "{rejection}");
    log.pop();
    let rejection = validate(&log).expect_err("it does not end");
    assert!(matches!(rejection.reason, Reason::Rule(_)), "{rejection}");
}

#[test]
fn what_is_beyond_the_bounds_is_the_entry_that_brought_it() {
    let log = recorded();
    let carriers = Carriers::of(&log).expect("it begins");
    let stay = |connection| Stay {
        connection,
        from: 10 + connection,
        until: u64::MAX,
        inherited: false,
        leaves: false,
    };
    let alone = Party { worker: 0, transport: None, addresses: Vec::new(), stays: Vec::new() };
    let with = |count| Party { stays: (0..count).map(stay).collect(), ..alone.clone() };
    assert_eq!(with(CONNECTIONS_MAX as u64).beyond_bounds(&log, &carriers), None);
    let beyond = with(CONNECTIONS_MAX as u64 + 1).beyond_bounds(&log, &carriers);
    assert_eq!(beyond.expect("one too many").0, 10 + CONNECTIONS_MAX as u64);
}

#[test]
fn each_transport_is_a_party_with_its_tuples() {
    let parties = parties(&recorded());
    let shape = |party: &Party| {
        let connections: Vec<_> = party.stays.iter().map(|stay| stay.connection).collect();
        (party.transport, party.addresses.len(), connections, party.companion())
    };
    let shapes: Vec<_> = parties.iter().map(shape).collect();
    let other = TransportId(1);
    assert_eq!(
        shapes,
        [(Some(0), 0, vec![], other), (Some(1), 2, vec![], other), (Some(2), 0, vec![0], other),]
    );
}

#[test]
fn what_a_transport_over_udp_sees_is_in_the_words_of_the_model() {
    let (t, w) = (TransportId(0), WorkerId(0));
    let check = |address| Action::PeerChecks {
        t,
        from: Tuple::Udp(AddressId(address)),
        check: if address == 0 { StunCheck::Nominating } else { StunCheck::Plain },
    };
    assert_eq!(
        causes(&parties(&recorded())[1]),
        [
            Action::OwnerCreatesTransport { t },
            check(0),
            check(1),
            Action::PeerHandshakes { t },
            Action::OwnerClosesServer { caller: CallerId(0) },
            Action::WorkerHearsClose { w },
            Action::KernelMakesRoomOnSocket { s: SocketId(0) },
            Action::PeerSendsCloseNotify { t },
            Action::WorkerHearsGrant { w },
        ],
        "of several possible actions the first; the state decides that the close_notify is an answer"
    );
}

#[test]
fn what_a_transport_over_tcp_sees_is_in_the_words_of_the_model() {
    let (t, c, w) = (TransportId(0), ConnectionId(0), WorkerId(0));
    let check = |check| Action::PeerChecks { t, from: Tuple::Tcp(c), check };
    assert_eq!(
        causes(&parties(&recorded())[2]),
        [
            Action::OwnerCreatesTransport { t },
            Action::PeerConnects { c },
            check(StunCheck::Plain),
            Action::PeerHandshakes { t },
            Action::OwnerRestartsIce { t },
            check(StunCheck::WithFormerCredentials),
            check(StunCheck::Plain),
            Action::OwnerClosesTransport { t },
            Action::KernelAcknowledges { c },
            Action::OwnerClosesServer { caller: CallerId(0) },
            Action::WorkerHearsClose { w },
            Action::WorkerHearsGrant { w },
        ]
    );
}

#[test]
fn all_others_may_be_over_or_not() {
    let log = recorded();
    let carriers = Carriers::of(&log).expect("it begins");
    let party = &parties(&log)[2];
    let turns = turns(&grouped(&log, 0), party, &carriers).expect("the model has words for it");
    let explained = simulate(party, &carriers, &turns).expect("it is explained");
    assert_eq!(explained.candidates_max, 2, "with a companion that has something to say, or not");
    assert_eq!(explained.turns, turns.len());
}

#[test]
fn whatever_is_dropped_is_missed() {
    let log = recorded();
    let passes = |n: &usize| {
        let mut less = log.clone();
        less.remove(*n);
        validate(&renumbered(less)).is_ok()
    };
    let unmissed: Vec<_> = (0..log.len()).filter(|n| !idle(&log, *n)).filter(passes).collect();
    assert_eq!(unmissed, [] as [usize; 0]);
}

#[test]
fn whatever_comes_twice_is_noticed() {
    let log = recorded();
    let passes = |n: &usize| {
        let mut more = log.clone();
        more.insert(*n, log[*n].clone());
        validate(&renumbered(more)).is_ok()
    };
    let unnoticed: Vec<_> = (0..log.len()).filter(|n| !idle(&log, *n)).filter(passes).collect();
    // The same check may come twice, and ICE may be restarted twice.
    assert_eq!(unnoticed, [11, 47, 51]);
}

#[test]
fn an_input_that_is_said_to_have_come_too_late_is_noticed_if_it_had_an_effect() {
    let log = recorded();
    let passes = |n: &usize| {
        let mut other = log.clone();
        let What::Step(step) = &mut other[*n].what else { return false };
        step.verdict = Verdict::Late;
        validate(&other).is_ok()
    };
    let unnoticed: Vec<_> = (0..log.len()).filter(|n| !idle(&log, *n)).filter(passes).collect();
    assert_eq!(unnoticed, [] as [usize; 0]);
}

/// Everything that helps to see why: how far it was explained, the entry, what can happen, and what differs.
#[test]
fn a_rejection_says_where_and_why() {
    let mut log = recorded();
    let connected = |entry: &Entry| {
        let Some(step) = entry.what.step() else { return false };
        step.transports.values().flatten().any(|view| view.dtls == DtlsState::Connected)
    };
    let at = log.iter().position(connected).expect("a handshake");
    let What::Step(step) = &mut log[at].what else { panic!("found") };
    step.transports.values_mut().flatten().for_each(|view| view.dtls = DtlsState::Failed);
    let rejection = validate(&log).expect_err("that cannot be");
    let party = parties(&log).into_iter().find(|party| party.to_string() == rejection.party);
    let carriers = Carriers::of(&log).expect("it begins");
    let grouped = grouped(&log, 0);
    let turns = turns(&grouped, &party.expect("a party"), &carriers).expect("words");
    let longest = turns.iter().take_while(|turn| turn.entries.1 < at as u64).count();
    assert_eq!(rejection.matched, longest, "the longest prefix that is explained");
    assert!((turns[longest].entries.0..=at as u64).contains(&rejection.entry.n), "{rejection}");
    assert!(!rejection.candidates.is_empty());
    for (_, enabled) in &rejection.candidates {
        let handshakes = Action::PeerHandshakes { t: TransportId(0) };
        assert!(enabled.contains(&handshakes), "it can happen, but not like that: {enabled:?}");
    }
    let text = rejection.to_string();
    for wanted in [
        format!("entry {} is no behaviour", rejection.entry.n),
        format!("explained before it: {longest} turns"),
        "the entry: {\"n\":".to_owned(),
        "dtls: Connected in the model, Failed in the log".to_owned(),
        "state 0 before it: server Open".to_owned(),
        "PeerHandshakes { t: TransportId(0) }".to_owned(),
    ] {
        assert!(text.contains(&wanted), "{wanted} is missing:\n{text}");
    }
}
