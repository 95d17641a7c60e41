//! Traces: each story is what it claims to be, and a wrong trace is refused with a reason.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use webrtc_server_model::Effect::*;
use webrtc_server_model::{
    Action, AddressId, CloseReason, Config, Connection, ConnectionId, DropReason, DtlsState,
    Effect, Farewell, ListenerId, NoAlert, Outcome, Phase, Refused, ServerPhase, SocketId, State,
    StunCheck, Trace, TraceStep, TransportId, Tuple, Ufrags, WorkerId, WorkerPhase, explain, itf,
};

const T: TransportId = TransportId(0);
const U: TransportId = TransportId(1);
const C: ConnectionId = ConnectionId(0);
const W: [WorkerId; 2] = [WorkerId(0), WorkerId(1)];

/// A story that was performed.
struct Told {
    steps: Vec<TraceStep>,
}

impl Told {
    /// These happen, in this order, perhaps with others between them.
    fn in_order(&self, expected: &[Effect]) {
        let mut effects = self.effects();
        for effect in expected {
            assert!(effects.any(|other| other == *effect), "{effect:?} does not follow");
        }
    }

    fn never(&self, unwanted: impl Fn(&Effect) -> bool) {
        let found = self.effects().find(unwanted);
        assert_eq!(found, None);
    }

    fn effects(&self) -> impl Iterator<Item = Effect> + '_ {
        self.steps.iter().flat_map(|step| step.effects.iter().copied())
    }

    fn end(&self) -> &State {
        &self.steps.last().expect("something happens").after
    }

    /// Was there such a state on the way?
    fn passes(&self, is_it: impl Fn(&State) -> bool) {
        assert!(self.steps.iter().any(|step| is_it(&step.after)), "it does not come to that");
    }
}

fn closed(t: TransportId, outcome: Outcome) -> Effect {
    TransportClosed(t, CloseReason::Owner, outcome)
}

fn closed_with_server(t: TransportId, outcome: Outcome) -> Effect {
    TransportClosed(t, CloseReason::ServerClosed, outcome)
}

fn released() -> [Effect; 4] {
    [
        ReleaseSocket(SocketId(0)),
        ReleaseListener(ListenerId(0)),
        WorkerReleased(W[0]),
        CallersComplete,
    ]
}

fn story_file(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("traces").join(format!("{name}.itf.json"))
}

fn story(name: &str) -> Trace {
    let text = fs::read_to_string(story_file(name)).expect("a readable trace");
    itf::read(&text).expect("a trace")
}

/// The name of a story, and what it must show.
type Story = (&'static str, fn(&Told));
const STORIES: [Story; 25] = [
    ("alert_behind_a_begun_frame", |told| {
        told.passes(|s| {
            s.core.connection(C).queue().is_begun() && s.core.connection(C).queue().holds_alert()
        });
        told.in_order(&[
            MakeAlert(T),
            Unmap(T),
            AlertWritten(T, C),
            ShutdownWrite(C),
            CloseConnection(C),
        ]);
        told.in_order(&[closed_with_server(T, Outcome::Confirmed), WorkerDrained(W[0])]);
        told.in_order(&released());
    }),
    ("alert_written_in_part_then_finished", |told| {
        let steps = told.steps.iter();
        let part = steps.filter(|s| s.after.core.connection(C).queue().is_begun()).count();
        assert_eq!(part, 1, "the alert is written in part once");
        told.in_order(&[
            MakeAlert(T),
            AlertWritten(T, C),
            ShutdownWrite(C),
            closed(T, Outcome::Confirmed),
        ]);
    }),
    ("connection_taken_while_an_alert_waits", |told| {
        told.never(|effect| matches!(effect, AlertWritten(..)));
        assert_eq!(told.end().core.transport(T).farewell, Farewell::Dropped(DropReason::PathTaken));
        told.passes(|s| {
            s.core.connection(C).owner() == Some(U) && s.core.connection(C).queue().is_begun()
        });
    }),
    ("eviction_while_an_alert_waits", |told| {
        told.in_order(&[MakeAlert(T), AlertWritten(T, C), ShutdownWrite(C), CloseConnection(C)]);
        let evicted = |step: &TraceStep| {
            step.before.core.transport(T).has_tuple(Tuple::Tcp(C))
                && !step.after.core.transport(T).has_tuple(Tuple::Tcp(C))
                && step.after.core.transport(T).farewell == Farewell::Queued(Tuple::Tcp(C))
        };
        assert!(told.steps.iter().any(evicted));
        assert_eq!(told.end().core.transport(T).farewell, Farewell::Confirmed(Tuple::Tcp(C)));
    }),
    ("fatal_alert_in_the_handshake", |told| {
        told.in_order(&[
            DtlsStateChanged(T, DtlsState::Failed),
            closed_with_server(T, Outcome::NotNeeded(NoAlert::Failed)),
        ]);
        told.never(|effect| matches!(effect, MakeAlert(_)));
    }),
    ("fatal_alert_in_use", |told| {
        told.in_order(&[
            DtlsStateChanged(T, DtlsState::Closed),
            closed(T, Outcome::NotNeeded(NoAlert::PeerClosed)),
        ]);
        told.never(|effect| matches!(effect, MakeAlert(_)));
    }),
    ("handshake_closed_before_its_first_flight", |told| is_closed_after_flights(told, 0)),
    ("handshake_closed_after_its_first_flight", |told| {
        is_closed_after_flights(told, 1);
        assert_eq!(told.end().core.transport(U).dtls, DtlsState::Connected);
    }),
    ("handshake_closed_after_its_second_flight", |told| is_closed_after_flights(told, 2)),
    ("ice_restart_then_close", |told| {
        told.passes(|s| {
            s.core.transport(T).ufrags == Ufrags::CurrentAndPrevious
                && s.core.transport(T).tuples.len() == 2
        });
        told.in_order(&[MakeAlert(T), Unmap(T), closed(T, Outcome::Confirmed)]);
        assert_eq!(told.end().core.transport(T).ufrags, Ufrags::None);
    }),
    ("ice_restart_then_the_new_ufrag", |told| {
        let ends_the_former = |step: &TraceStep| {
            [&step.before, &step.after].map(|s| s.core.transport(T).ufrags)
                == [Ufrags::CurrentAndPrevious, Ufrags::Current]
        };
        assert!(told.steps.iter().any(ends_the_former));
        assert_eq!(told.end().core.transport(T).farewell, Farewell::Confirmed(udp(1)));
    }),
    ("last_handle_dropped", |told| {
        told.in_order(&[
            StopAccepting(ListenerId(0)),
            MakeAlert(T),
            closed_with_server(T, Outcome::Confirmed),
        ]);
        told.in_order(&released());
    }),
    ("path_taken_while_an_alert_waits", |told| {
        told.in_order(&[
            closed(T, Outcome::Dropped(DropReason::PathTaken)),
            SelectedTupleChanged(U, Some(udp(0))),
        ]);
        assert_eq!(told.end().world.peer(T).alerts + told.end().world.peer(U).alerts, 0);
    }),
    ("reconnect_on_a_new_tuple_after_consent_expired", |told| {
        told.in_order(&[
            SelectedTupleChanged(T, None),
            SelectedTupleChanged(T, Some(udp(1))),
            MakeAlert(T),
        ]);
        assert_eq!(told.end().core.transport(T).farewell, Farewell::Confirmed(udp(1)));
        assert_eq!(
            told.effects().filter(|e| matches!(e, DtlsStateChanged(..))).count(),
            2,
            "DTLS goes on"
        );
    }),
    ("reset_that_only_the_write_shows", |told| {
        told.in_order(&[
            MakeAlert(T),
            Unmap(T),
            CloseConnection(C),
            closed(T, Outcome::Dropped(DropReason::Reset)),
        ]);
        told.never(|effect| matches!(effect, AlertWritten(..)));
    }),
    ("server_closed_from_inside_a_callback", |told| {
        told.never(|effect| matches!(effect, MakeAlert(_)));
        does_not_close_while_reporting(told);
        told.in_order(&released());
    }),
    ("stale_event_of_a_connection_that_came_back", |told| {
        assert_eq!(told.end().world.stream(C).uses, 2);
        let stale = |s: &&TraceStep| matches!(s.action, Action::WorkerMeetsStaleEvent { .. });
        let stale = told.steps.iter().find(stale).expect("the late event");
        assert_eq!((stale.effects.as_slice(), &stale.before.core), (&[][..], &stale.after.core));
        told.in_order(&[closed(U, Outcome::Confirmed)]);
    }),
    ("transport_closed_from_inside_a_callback", |told| {
        does_not_close_while_reporting(told);
        told.in_order(&[
            DtlsStateChanged(T, DtlsState::Connected),
            MakeAlert(T),
            closed(T, Outcome::Confirmed),
        ]);
    }),
    ("transport_created_while_the_server_closes", |told| {
        assert_eq!(told.end().core.transport(U).phase, Phase::Refused);
        assert_eq!(told.end().core.transport(U).ufrags, Ufrags::None);
        told.never(|effect| effect.transport() == Some(U));
        told.in_order(&released());
    }),
    ("connection_in_flight_when_the_server_closes", |told| {
        told.passes(|s| s.core.server == ServerPhase::Releasing && !s.world.mail.is_empty());
        told.in_order(&[
            WorkerDrained(W[1]),
            WorkerDrained(W[0]),
            WorkerReleased(W[0]),
            CloseConnection(C),
            WorkerReleased(W[1]),
            CallersComplete,
        ]);
        assert_eq!(told.effects().filter(|effect| effect.connection() == Some(C)).count(), 1);
    }),
    ("connection_handed_over_before_the_close", |told| {
        told.passes(|s| s.world.mail.len() == 2 && s.core.worker(W[0]) == WorkerPhase::Drained);
        told.in_order(&[
            WorkerDrained(W[0]),
            Unmap(T),
            ShutdownWrite(C),
            closed_with_server(T, Outcome::Confirmed),
            WorkerDrained(W[1]),
            CallersComplete,
        ]);
        assert_eq!(told.end().core.connection(C), Connection::Gone);
    }),
    ("proof_that_comes_after_the_close", |told| {
        let c = ConnectionId(1);
        let ends = [ShutdownWrite(c), CloseConnection(c)];
        let of_c: Vec<_> = told.effects().filter(|effect| effect.connection() == Some(c)).collect();
        assert_eq!(of_c, ends);
        assert_eq!(told.end().core.transport(T).tuples.len(), 0);
        told.in_order(&[Unmap(U), ends[0], WorkerDrained(W[1]), ends[1], WorkerDrained(W[0])]);
    }),
    ("two_connections_one_closed_then_the_server", |told| {
        let second = ConnectionId(1);
        told.passes(|s| [C, second].iter().all(|c| s.core.transport(T).has_tuple(Tuple::Tcp(*c))));
        let of_second = told.effects().filter(|effect| effect.connection() == Some(second));
        assert_eq!(of_second.collect::<Vec<_>>(), [CloseConnection(second)]);
        told.in_order(&[
            CloseConnection(second),
            MakeAlert(T),
            AlertWritten(T, C),
            ShutdownWrite(C),
        ]);
        told.in_order(&[closed_with_server(T, Outcome::Confirmed), WorkerDrained(W[0])]);
        told.in_order(&released());
    }),
    ("two_workers_acknowledge_one_after_the_other", |told| {
        let [first, second] = W;
        let waits = [WorkerPhase::Drained, WorkerPhase::Closing];
        told.passes(|s| {
            s.core.workers.as_slice() == waits && s.core.server == ServerPhase::Closing
        });
        told.in_order(&[
            WorkerDrained(first),
            WorkerDrained(second),
            WorkerReleased(second),
            WorkerReleased(first),
            CallersComplete,
        ]);
        told.in_order(&[
            WorkerDrained(second),
            ReleaseSocket(SocketId(1)),
            ReleaseSocket(SocketId(0)),
            CallersComplete,
        ]);
    }),
    ("unread_input_at_close", |told| {
        let written = told.steps.iter().find(|s| s.effects.contains(&AlertWritten(T, C)));
        assert!(written.expect("the alert is written").after.world.stream(C).unread);
        told.in_order(&[ShutdownWrite(C), CloseConnection(C), closed(T, Outcome::Confirmed)]);
    }),
];

fn udp(address: u8) -> Tuple {
    Tuple::Udp(AddressId(address))
}

fn is_closed_after_flights(told: &Told, flights: u8) {
    assert_eq!(told.end().world.peer(T).flights, flights);
    told.in_order(&[Unmap(T), closed(T, Outcome::NotNeeded(NoAlert::Handshaking))]);
    told.never(|effect| *effect == MakeAlert(T));
}

/// What a callback asks for is nothing of the step that called back.
fn does_not_close_while_reporting(told: &Told) {
    let reports = |step: &&TraceStep| {
        step.before.world.callback != step.after.world.callback
            && step.effects.iter().any(|effect| effect.is_event())
    };
    let step = told.steps.iter().find(reports).expect("a callback");
    assert!(step.effects.iter().all(|effect| effect.is_event()), "{:?}", step.effects);
}

#[test]
fn each_story_is_what_it_claims_to_be() {
    for (name, shows) in STORIES {
        let trace = story(name);
        assert!(!trace.about.is_empty(), "{name} does not say what it shows");
        let steps = trace.perform().unwrap_or_else(|refused| panic!("{name}: {refused}"));
        let broken: Vec<_> = steps.iter().flat_map(|step| &step.broken).collect();
        assert_eq!((trace.mutant, broken), (None, vec![]), "{name}");
        shows(&Told { steps });
    }
}

#[test]
fn each_story_has_something_to_show() {
    let known: BTreeSet<PathBuf> = STORIES.iter().map(|(name, _)| story_file(name)).collect();
    let folder =
        fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("traces")).expect("the folder");
    let files = folder.map(|entry| entry.expect("an entry").path());
    let files: BTreeSet<_> =
        files.filter(|path| path.to_string_lossy().ends_with(".itf.json")).collect();
    assert_eq!(known, files);
}

#[test]
fn the_first_action_that_cannot_happen_is_named_with_what_can() {
    let mut trace = story("alert_behind_a_begun_frame");
    trace.actions.remove(1);
    let refused = trace.perform().expect_err("a handshake without a path");
    let Refused::NotEnabled { number, action, enabled } = &refused else { panic!("{refused:?}") };
    assert_eq!((*number, *action), (2, Action::PeerHandshakes { t: T }));
    let check = Action::PeerChecks { t: T, from: Tuple::Tcp(C), check: StunCheck::Plain };
    assert!(enabled.contains(&check));
    assert!(!enabled.contains(action));
    let told = refused.to_string();
    assert!(told.starts_with("action 2 cannot happen here: {\"PeerHandshakes\":{\"t\":0}}"));
    let check = r#"{"PeerChecks":{"t":0,"from":{"Tcp":0},"check":"Plain"}}"#;
    assert!(told.contains(check));
}

#[test]
fn a_configuration_that_there_is_not_is_refused() {
    let trace = Trace {
        about: String::new(),
        config: "smal".to_owned(),
        mutant: None,
        actions: Vec::new(),
    };
    let refused = explain(&trace).expect_err("a misspelt configuration");
    assert_eq!(refused, Refused::NoSuchConfig("smal".to_owned()));
    assert!(refused.to_string().contains("small, handshake"));
}

#[test]
fn what_a_configuration_does_not_have_cannot_happen() {
    let config = Config::small().name.to_owned();
    let t = TransportId(7);
    let actions = [
        Action::OwnerClosesTransport { t },
        Action::PeerResets { c: ConnectionId(7) },
        Action::KernelFillsSocket { s: SocketId(7) },
        Action::WorkerHearsClose { w: WorkerId(7) },
        Action::PeerChecks { t: T, from: udp(7), check: StunCheck::Plain },
        Action::OwnerRestartsIce { t: T },
    ];
    for action in actions {
        let trace = Trace {
            about: String::new(),
            config: config.clone(),
            mutant: None,
            actions: vec![action],
        };
        let refused = trace.perform().expect_err("it is not there");
        assert!(matches!(refused, Refused::NotEnabled { number: 1, .. }), "{action:?}");
    }
}

#[test]
fn a_trace_is_read_as_it_was_written() {
    for (name, _) in STORIES {
        let trace = story(name);
        assert_eq!(itf::read(&itf::write(&trace).expect("it happens")), Ok(trace));
    }
}

fn run_explain(file: &Path) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_explain"));
    command.arg(file).output().expect("the program runs")
}

#[test]
fn the_command_line_explains_and_refuses() {
    let good = run_explain(&story_file("two_workers_acknowledge_one_after_the_other"));
    assert!(good.status.success());
    let document = String::from_utf8_lossy(&good.stdout);
    assert!(document.contains("sequenceDiagram"));
    for lifeline in ["Worker0 as worker w0", "Worker1 as worker w1", "Peer1 as peer of t1"] {
        assert!(document.contains(&format!("participant {lifeline}\n")), "{lifeline}");
    }

    let file = story_file("unread_input_at_close");
    let text = fs::read_to_string(&file).expect("a story");
    let wrong = std::env::temp_dir().join(format!("wrong_trace_{}.itf.json", std::process::id()));
    let refuses = |text: &str, why: &str| {
        fs::write(&wrong, text).expect("written");
        let refused = run_explain(&wrong);
        let said = String::from_utf8_lossy(&refused.stderr).into_owned();
        assert_eq!(refused.status.code(), Some(1), "{said}");
        assert!(said.contains(&wrong.display().to_string()) && said.contains(why), "{said}");
    };
    refuses(&text.replacen("PeerConnects", "KernelAcknowledges", 1), "action 1 cannot happen here");
    refuses(&text.replacen("Confirmed", "Sent", 1), "state 7, core.transports.0.farewell.tag");
    refuses("{ \"config\": \"small\" }", "no #meta.source");
    fs::remove_file(&wrong).expect("removed");
}
