//! Each wrong variant of the worker does something wrong: a script, and how the variant shows there and the right core
//! does not. Lockstep has to find it without being told where.

use super::Worker;
use super::properties::{answer, settle};
use crate::lifecycle::{
    Check, CloseReason, ConnectionId, ConnectionPhase, Credential, Credentials, DropReason,
    DtlsReason, DtlsState, Event, IceState, Input, Layer, Limits, ListenerId, Mutant, Outcome,
    Output, RecordKind, SocketId, Timer, TransportId, Tuple,
};
use quickcheck::quickcheck;
use std::collections::VecDeque;
use std::net::SocketAddr;
use std::time::Duration;

const SOCKET: SocketId = SocketId(0);
const LISTENER: ListenerId = ListenerId(1);
const A: TransportId = TransportId(1);
const B: TransportId = TransportId(2);
/// The connection of [`A`].
const C: ConnectionId = ConnectionId(1);
const TCP: Tuple = Tuple::Tcp(C);
const RECORD: [u8; 39] = [21; 39];

/// One line of a script.
#[derive(Clone)]
enum Act {
    Feed(Input),
    /// From now on no socket and no connection takes anything.
    Fill,
    /// From now on they do.
    Drain,
}

/// How a mutant shows.
enum Symptom {
    /// It puts this out more often than the right core.
    Says(Output),
    /// It puts this out less often.
    Omits(Output),
    /// Its maps contradict each other with these words.
    Disagrees(&'static str),
    /// At the end this holds of it.
    Is(fn(&Worker) -> bool),
}

struct Case {
    mutant: Mutant,
    script: Vec<Act>,
    symptom: Symptom,
}

fn case(mutant: Mutant, script: impl IntoIterator<Item = Vec<Act>>, symptom: Symptom) -> Case {
    Case { mutant, script: script.into_iter().flatten().collect(), symptom }
}

/// A worker, what it said, and what its maps said of each other after every input.
struct Run {
    worker: Worker,
    outputs: Vec<Output>,
    agreements: Vec<Result<(), String>>,
}

/// Performs the script in memory: every output is answered before the next input comes.
fn run(mutant: Option<Mutant>, script: &[Act]) -> Run {
    let limits = Limits { tuples_per_transport_max: 3, ..Limits::default() };
    let worker = Worker::new(limits, [SOCKET], [LISTENER]).with_mutant(mutant);
    let mut run = Run { worker, outputs: Vec::new(), agreements: Vec::new() };
    let mut full = false;
    for act in script {
        let mut inputs = VecDeque::new();
        match act {
            Act::Feed(input) => inputs.push_back(input.clone()),
            Act::Fill => full = true,
            Act::Drain => full = false,
        }
        while let Some(input) = inputs.pop_front() {
            let outputs = run.worker.handle(input).outputs;
            inputs.extend(outputs.iter().filter_map(|output| answer(&run.worker, output, full)));
            run.outputs.extend(outputs);
            run.agreements.push(run.worker.agreement());
        }
    }
    run
}

impl Run {
    fn times(&self, output: &Output) -> usize {
        self.outputs.iter().filter(|said| *said == output).count()
    }

    fn disagrees(&self, words: &str) -> bool {
        self.agreements.iter().any(|agreement| {
            agreement.as_ref().is_err_and(|disagreement| disagreement.contains(words))
        })
    }
}

impl Symptom {
    fn shows(&self, wrong: &Run, right: &Run) -> bool {
        match self {
            Symptom::Says(output) => wrong.times(output) > right.times(output),
            Symptom::Omits(output) => wrong.times(output) < right.times(output),
            Symptom::Disagrees(words) => wrong.disagrees(words) && !right.disagrees(words),
            Symptom::Is(holds) => holds(&wrong.worker) && !holds(&right.worker),
        }
    }
}

fn from_port(port: u16) -> Tuple {
    Tuple::Udp { socket: SOCKET, remote: SocketAddr::from(([192, 0, 2, 1], port)) }
}

/// The UDP tuple of a transport.
fn udp(transport: TransportId) -> Tuple {
    from_port(5000 + transport.0 as u16)
}

fn feed(input: Input) -> Vec<Act> {
    vec![Act::Feed(input)]
}

fn credentials(ufrag: String) -> Credentials {
    Credentials { ufrag, password: "password".to_owned() }
}

fn create(transport: TransportId) -> Vec<Act> {
    let credentials = credentials(format!("ufrag{}", transport.0));
    let consent = Some(Duration::from_secs(30));
    feed(Input::TransportCreated { transport, credentials, consent })
}

fn check(transport: TransportId, tuple: Tuple, use_candidate: bool) -> Vec<Act> {
    let check = Check { credential: Credential::Current, use_candidate, nomination: None };
    feed(Input::CheckReceived { tuple, transport, check, reply: vec![1; 20] })
}

fn accept() -> Vec<Act> {
    let remote = SocketAddr::from(([192, 0, 2, 1], 6000));
    feed(Input::ConnectionAccepted { connection: C, listener: LISTENER, remote })
}

/// A transport whose handshake is under way over UDP.
fn connecting(transport: TransportId) -> Vec<Act> {
    [create(transport), check(transport, udp(transport), true)].concat()
}

/// A transport that is connected over UDP.
fn connected(transport: TransportId) -> Vec<Act> {
    [connecting(transport), feed(Input::HandshakeCompleted { transport })].concat()
}

/// [`A`], connected over TCP.
fn connected_over_tcp() -> Vec<Act> {
    let completed = feed(Input::HandshakeCompleted { transport: A });
    [create(A), accept(), check(A, TCP, true), completed].concat()
}

fn close(transport: TransportId) -> Vec<Act> {
    feed(Input::TransportCloseRequested { transport })
}

fn close_server() -> Vec<Act> {
    feed(Input::ServerCloseRequested { deadline: Duration::from_secs(3) })
}

fn peer_says_goodbye() -> Vec<Act> {
    feed(Input::CloseNotifyReceived { transport: A })
}

fn peer_finishes() -> Vec<Act> {
    feed(Input::ConnectionFinished { connection: C })
}

fn send_data() -> Vec<Act> {
    feed(Input::RecordsMade { transport: A, datagram: RECORD.into(), kind: RecordKind::Data })
}

fn fire(timer: Timer) -> Vec<Act> {
    feed(Input::TimerFired(timer))
}

fn fill() -> Vec<Act> {
    vec![Act::Fill]
}

fn says_closed(reason: CloseReason, outcome: Outcome) -> Symptom {
    Symptom::Says(Output::ReportClosed { transport: A, reason, outcome })
}

fn emits(event: Event) -> Symptom {
    Symptom::Says(Output::Emit { transport: A, event })
}

/// What goes wrong while the server closes.
fn of_the_server() -> Vec<Case> {
    let dropped = Outcome::Dropped(DropReason::CarrierReleased);
    let unknown = "a ufrag without a transport";
    vec![
        case(
            Mutant::CarriersFirst,
            [connected(A), close_server()],
            Symptom::Says(Output::ReleaseSocket(SOCKET)),
        ),
        case(
            Mutant::ConnectionsFirst,
            [connected_over_tcp(), close_server()],
            says_closed(CloseReason::ServerClosed, Outcome::Dropped(DropReason::Reset)),
        ),
        case(
            Mutant::EverySecondTransport,
            [connected(A), connected(B), close_server()],
            Symptom::Omits(Output::MakeCloseNotify(B)),
        ),
        case(
            Mutant::AlertCancelled,
            [connected(A), fill(), close_server()],
            says_closed(CloseReason::ServerClosed, dropped),
        ),
        case(
            Mutant::SilentServerClose,
            [connected(A), close_server()],
            Symptom::Omits(Output::MakeCloseNotify(A)),
        ),
        case(Mutant::RegistrationLeft, [close_server(), create(A)], Symptom::Disagrees(unknown)),
        case(
            Mutant::AcceptWhileClosing,
            [connected(A), close_server(), accept()],
            Symptom::Is(|worker| worker.connections().contains_key(&C)),
        ),
    ]
}

/// What goes wrong with the farewell of a transport.
fn of_farewells() -> Vec<Case> {
    let offer_again = [vec![Act::Drain], feed(Input::SocketWritable { socket: SOCKET })].concat();
    let deadline = fire(Timer::Farewell(A));
    let expired = Outcome::Dropped(DropReason::Deadline);
    let answered = Input::DtlsReceived { tuple: udp(A), datagram: RECORD.into() };
    let fed = Output::FeedDtls { transport: A, datagram: RECORD.into() };
    vec![
        case(
            Mutant::CompletionAfterClose,
            [connected(A), fill(), close(A), offer_again, deadline.clone()],
            says_closed(CloseReason::Owner, expired),
        ),
        case(
            Mutant::FarewellForgotten,
            [connected(A), close(A), deadline.clone()],
            says_closed(CloseReason::Owner, expired),
        ),
        case(
            Mutant::AlertTwice,
            [connected(A), peer_says_goodbye(), close(A)],
            Symptom::Says(Output::MakeCloseNotify(A)),
        ),
        case(
            Mutant::ReportedEarly,
            [connected(A), fill(), close(A)],
            says_closed(CloseReason::Owner, Outcome::Sent),
        ),
        case(
            Mutant::AlertAfterUnmap,
            [connected(A), close(A), feed(answered)],
            Symptom::Omits(fed),
        ),
        case(
            Mutant::EventAfterReport,
            [create(A), close(A)],
            emits(Event::IceStateChanged(IceState::Closed)),
        ),
        case(
            Mutant::ErrorLeaks,
            [connected(A), connecting(B), close(B)],
            emits(Event::DtlsStateChanged(DtlsState::Closed, Some(DtlsReason::Handshake))),
        ),
        case(
            Mutant::LateTimer,
            [connected(A), close(A), fire(Timer::Consent(A))],
            emits(Event::IceStateChanged(IceState::Disconnected)),
        ),
        case(
            Mutant::RestartedUfragKept,
            [
                connected(A),
                feed(Input::IceRestarted {
                    transport: A,
                    credentials: credentials("again".to_owned()),
                }),
                close(A),
                deadline,
            ],
            Symptom::Disagrees("a ufrag without a transport"),
        ),
    ]
}

/// What goes wrong with connections.
fn of_connections() -> Vec<Case> {
    let lingers = Output::ArmTimer { timer: Timer::Linger(C), after: Limits::default().drain };
    vec![
        case(
            Mutant::ConnectionKept,
            [connected_over_tcp(), close(A), feed(Input::ConnectionAcknowledged { connection: C })],
            Symptom::Disagrees("a connection whose transport does not know it"),
        ),
        case(
            Mutant::CloseBeforeUnmap,
            [connected_over_tcp(), close(A)],
            Symptom::Is(|worker| {
                let phase = worker.connections().get(&C).map(|connection| connection.phase);
                let drains = phase == Some(ConnectionPhase::Draining { owner: Some(A) });
                drains && worker.routes().by_tuple(&TCP) == Some(A)
            }),
        ),
        case(
            Mutant::StaleRoute,
            [connected_over_tcp(), peer_finishes()],
            Symptom::Disagrees("a tuple without a transport that has it"),
        ),
        case(
            Mutant::RemoteCloseLeaks,
            [connected_over_tcp(), peer_says_goodbye(), close(A)],
            Symptom::Omits(Output::ShutdownTcp(C)),
        ),
        case(
            Mutant::NoDrainDeadline,
            [connected_over_tcp(), fill(), send_data(), close(A)],
            Symptom::Omits(lingers),
        ),
        case(
            Mutant::HardClose,
            [connected_over_tcp(), close(A)],
            Symptom::Says(Output::CloseTcp(C)),
        ),
        case(
            Mutant::FinFirst,
            [connected_over_tcp(), fill(), close(A)],
            Symptom::Says(Output::ShutdownTcp(C)),
        ),
    ]
}

/// What goes wrong with tuples.
fn of_tuples() -> Vec<Case> {
    let [first, second] = [5001, 5002].map(from_port);
    let four = || (5001..=5004).flat_map(|port| check(A, from_port(port), false)).collect();
    vec![
        case(
            Mutant::SelectionKept,
            [connected_over_tcp(), peer_finishes()],
            Symptom::Disagrees("the selected tuple is none of its tuples"),
        ),
        case(
            Mutant::ForeignTupleKept,
            [connected(A), create(B), check(B, udp(A), true)],
            Symptom::Is(|worker| worker.routes().by_tuple(&udp(A)) == Some(A)),
        ),
        case(
            Mutant::EvictsNewest,
            [create(A), four()],
            Symptom::Is(|worker| worker.routes().by_tuple(&from_port(5004)).is_none()),
        ),
        case(
            Mutant::EvictsSelected,
            [create(A), four()],
            Symptom::Disagrees("the selected tuple is none of its tuples"),
        ),
        case(
            Mutant::ReselectsOldest,
            [
                create(A),
                accept(),
                check(A, first, false),
                check(A, second, false),
                check(A, TCP, true),
                peer_finishes(),
            ],
            Symptom::Is(|worker| worker.transports()[&A].ice.selected == Some(from_port(5001))),
        ),
    ]
}

fn cases() -> Vec<Case> {
    [of_the_server(), of_farewells(), of_connections(), of_tuples()].into_iter().flatten().collect()
}

#[test]
fn each_mutant_of_the_worker_shows() {
    for Case { mutant, script, symptom } in cases() {
        let (wrong, right) = (run(Some(mutant), &script), run(None, &script));
        assert!(symptom.shows(&wrong, &right), "{mutant:?} says {:#?}", wrong.outputs);
    }
}

#[test]
fn without_a_mutant_nothing_shows() {
    for Case { mutant, script, symptom } in cases() {
        let (one, other) = (run(None, &script), run(None, &script));
        assert!(!symptom.shows(&one, &other), "{mutant:?}");
        assert_eq!(one.outputs, other.outputs);
        assert_eq!(one.worker, other.worker);
        assert!(one.agreements.iter().all(Result::is_ok), "{mutant:?} {:?}", one.agreements);
    }
}

#[test]
fn each_mutant_has_its_case_and_its_own_id() {
    let tried: Vec<_> = cases().into_iter().map(|case| case.mutant).collect();
    let mut ids: Vec<_> = Mutant::ALL.iter().map(|mutant| mutant.id()).collect();
    for mutant in Mutant::ALL {
        let times = tried.iter().filter(|tried| *tried == mutant).count();
        assert_eq!(times, usize::from(mutant.layer() == Layer::Core), "{mutant:?}");
    }
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(ids.len(), Mutant::ALL.len());
}

quickcheck! {
    /// Whoever looks for a mutant finds a difference, not a crash: in the script of any mutant, with anything after it.
    fn a_mutant_is_wrong_but_does_not_panic(choice: (usize, usize), inputs: Vec<Input>, full: bool) -> () {
        let (mutants, cases) = (Vec::from_iter(Mutant::of_the_lifecycle()), cases());
        let (mutant, case) = (choice.0 % mutants.len(), choice.1 % cases.len());
        let mut worker = run(Some(mutants[mutant]), &cases[case].script).worker;
        let deadline = Duration::from_secs(3);
        for input in inputs.into_iter().chain([Input::ServerCloseRequested { deadline }]) {
            let _ = settle(&mut worker, input, full);
        }
        while let Some(timer) = worker.timers().first().copied() {
            let _ = settle(&mut worker, Input::TimerFired(timer), full);
        }
        let _ = settle(&mut worker, Input::ReleaseGranted, full);
    }
}
