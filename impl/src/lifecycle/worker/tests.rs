//! What the properties would only meet by luck, step by step.

use super::{Worker, WorkerPhase};
use crate::lifecycle::{
    About, Check, CloseReason, Credential, Credentials, DropReason, Farewell, Input, Limits,
    Outcome, Output, SocketId, Timer, TransportId, Tuple,
};
use std::net::SocketAddr;
use std::time::Duration;

const SOCKET: SocketId = SocketId(0);
const LEAVING: TransportId = TransportId(1);
const NEWCOMER: TransportId = TransportId(2);

fn from_port(port: u16) -> Tuple {
    Tuple::Udp { socket: SOCKET, remote: SocketAddr::from(([192, 0, 2, 1], port)) }
}

fn feed(worker: &mut Worker, inputs: impl IntoIterator<Item = Input>) -> Vec<Output> {
    let step = |input| {
        let outputs = worker.handle(input).outputs;
        assert_eq!(worker.agreement(), Ok(()));
        outputs
    };
    inputs.into_iter().flat_map(step).collect()
}

fn nominates(transport: TransportId, tuple: Tuple) -> Input {
    let check = Check { credential: Credential::Current, use_candidate: true, nomination: None };
    Input::CheckReceived { tuple, transport, check, reply: vec![1; 20] }
}

fn created(transport: TransportId) -> Input {
    let ufrag = format!("ufrag{}", transport.0);
    let credentials = Credentials { ufrag, password: String::new() };
    Input::TransportCreated { transport, credentials, consent: Some(Duration::from_secs(30)) }
}

/// Two transports, of which one has had its peer's close_notify over UDP, and cannot answer it: the socket is full.
fn reply_waits_on(tuple: Tuple) -> Worker {
    let mut worker = Worker::new(Limits::default(), [SOCKET], []);
    let transport = LEAVING;
    let _ = feed(&mut worker, [LEAVING, NEWCOMER].map(created));
    let outputs = feed(
        &mut worker,
        [
            nominates(transport, tuple),
            Input::HandshakeCompleted { transport },
            Input::CloseNotifyReceived { transport },
            Input::CloseNotifyMade { transport, datagram: Some(vec![21; 39]) },
            Input::CloseNotifyBlocked { transport },
        ],
    );
    assert!(outputs.iter().any(is_alert), "it was offered once");
    worker
}

fn is_alert(output: &Output) -> bool {
    matches!(output, Output::SendDatagram { about: About::CloseNotify(_), .. })
}

/// The tuple is proved to be the newcomer's; then there is room.
fn assert_newcomer_hears_no_alert(mut worker: Worker, tuple: Tuple) {
    let _ = feed(&mut worker, [nominates(NEWCOMER, tuple)]);
    assert_eq!(worker.routes().by_tuple(&tuple), Some(NEWCOMER));
    let outputs = feed(&mut worker, [Input::SocketWritable { socket: SOCKET }]);
    assert!(!outputs.iter().any(is_alert), "{outputs:?}");
    if let Some(transport) = worker.transports().get(&LEAVING) {
        assert_eq!(transport.farewell, Farewell::Dropped(DropReason::PathTaken));
    }
}

#[test]
fn n3_a_reply_that_waits_while_its_transport_closes_never_reaches_the_next_owner_of_the_tuple() {
    let tuple = from_port(5000);
    let mut worker = reply_waits_on(tuple);
    let _ = feed(&mut worker, [Input::TransportCloseRequested { transport: LEAVING }]);
    assert!(worker.transports().contains_key(&LEAVING), "it waits for its reply");
    assert_newcomer_hears_no_alert(worker, tuple);
}

#[test]
fn n3_a_reply_that_waits_on_an_evicted_tuple_never_reaches_the_next_owner_of_the_tuple() {
    let tuple = from_port(5000);
    let mut worker = reply_waits_on(tuple);
    let others = (5001..).map(from_port).take(Limits::default().tuples_per_transport_max);
    let _ = feed(&mut worker, others.map(|other| nominates(LEAVING, other)));
    assert_eq!(worker.routes().by_tuple(&tuple), None, "it gave way");
    assert_newcomer_hears_no_alert(worker, tuple);
}

#[test]
fn l3_a_reply_that_waits_while_its_transport_closes_leaves_when_there_is_room() {
    let tuple = from_port(5000);
    let mut worker = reply_waits_on(tuple);
    let _ = feed(&mut worker, [Input::TransportCloseRequested { transport: LEAVING }]);
    let outputs = feed(&mut worker, [Input::SocketWritable { socket: SOCKET }]);
    assert!(outputs.iter().any(is_alert), "offered again");
    let _ = feed(&mut worker, [Input::CloseNotifySent { transport: LEAVING }]);
    assert!(!worker.transports().contains_key(&LEAVING) && worker.phase() == WorkerPhase::Open);
    assert_eq!(worker.routes().by_parting(&tuple), None);
}

#[test]
fn dmx_06_an_evicted_tuple_comes_back_to_its_transport_while_a_reply_waits_on_it() {
    let tuple = from_port(5000);
    let mut worker = reply_waits_on(tuple);
    let others = (5001..).map(from_port).take(Limits::default().tuples_per_transport_max);
    let _ = feed(&mut worker, others.map(|other| nominates(LEAVING, other)));
    let _ = feed(&mut worker, [nominates(LEAVING, tuple)]);
    assert_eq!(worker.routes().by_tuple(&tuple), Some(LEAVING));
    assert!(matches!(worker.transports()[&LEAVING].farewell, Farewell::Queued(..)));
}

#[test]
fn dmx_07_a_farewell_that_was_sent_awaits_no_answer_when_its_tuple_is_taken() {
    let (transport, tuple) = (LEAVING, from_port(5000));
    let mut worker = Worker::new(Limits::default(), [SOCKET], []);
    let _ = feed(&mut worker, [LEAVING, NEWCOMER].map(created));
    let outputs = feed(
        &mut worker,
        [
            nominates(transport, tuple),
            Input::HandshakeCompleted { transport },
            Input::TransportCloseRequested { transport },
            Input::CloseNotifyMade { transport, datagram: Some(vec![21; 39]) },
            Input::CloseNotifySent { transport },
        ],
    );
    assert!(outputs.iter().any(is_alert));
    assert!(worker.transports().contains_key(&LEAVING), "it waits for the answer");
    let outputs = feed(&mut worker, [nominates(NEWCOMER, tuple)]);
    let (reason, outcome) = (CloseReason::Owner, Outcome::Sent);
    assert!(outputs.contains(&Output::ReportClosed { transport, reason, outcome }), "{outputs:?}");
    assert!(!worker.timers().contains(&Timer::Farewell(LEAVING)));
}
