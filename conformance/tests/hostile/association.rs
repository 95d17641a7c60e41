//! What no peer of OpenSSL's makes can be brought to do: the core alone is asked.

use webrtc_server::lifecycle::{
    Check, Credential, Credentials, DtlsReason, DtlsRole, DtlsState, Event, Input, Limits,
    NotNeeded, Outcome, Output, RecordKind, SocketId, Step, Timer, TransportId, Tuple, Verdict,
    Worker,
};

const TRANSPORT: TransportId = TransportId(1);

const HANDSHAKE: Timer = Timer::Handshake(TRANSPORT);

/// With one transport, on which nothing has happened.
fn created() -> Worker {
    let mut worker = Worker::new(Limits::default(), [SocketId(0)], []);
    let credentials = Credentials { ufrag: "u".to_owned(), password: "p".to_owned() };
    let made = Input::TransportCreated { transport: TRANSPORT, credentials, consent: None };
    assert_eq!(worker.handle(made).verdict, Verdict::Applied);
    worker
}

fn connect(remote_role: DtlsRole) -> Input {
    Input::ConnectRequested { transport: TRANSPORT, remote_role, fingerprints: Vec::new() }
}

fn check() -> Input {
    let remote = ([127, 0, 0, 1], 9).into();
    Input::CheckReceived {
        tuple: Tuple::Udp { socket: SocketId(0), remote },
        transport: TRANSPORT,
        check: Check { credential: Credential::Current, use_candidate: true, nomination: None },
        reply: Vec::new(),
    }
}

fn connected() -> Worker {
    let mut worker = created();
    let completed = Input::HandshakeCompleted { transport: TRANSPORT };
    for input in [connect(DtlsRole::Client), check(), completed] {
        assert_eq!(worker.handle(input).verdict, Verdict::Applied);
    }
    worker
}

/// Before, it could not end: the owner may be slow to tell who the peer is.
#[test]
fn dtl_15_the_deadline_of_a_handshake_runs_when_there_is_a_path_and_connect_was_called() {
    let limit = Limits::default().handshake;
    for remote_role in [DtlsRole::Client, DtlsRole::Server, DtlsRole::Auto] {
        for inputs in [[connect(remote_role), check()], [check(), connect(remote_role)]] {
            let mut worker = created();
            let [first, second] = inputs;
            let _ = worker.handle(first);
            assert!(!worker.timers().contains(&HANDSHAKE));
            let outputs = worker.handle(second).outputs;
            assert!(outputs.contains(&Output::ArmTimer { timer: HANDSHAKE, after: limit }));
            let failed = worker.handle(Input::TimerFired(HANDSHAKE));
            let reason = Some(DtlsReason::HandshakeTimeout);
            let event = Event::DtlsStateChanged(DtlsState::Failed, reason);
            assert!(failed.outputs.contains(&Output::Emit { transport: TRANSPORT, event }));
        }
    }
}

/// An authenticated peer whose records decrypt and make no sense. OpenSSL sends a fatal alert and is done.
#[test]
fn dtl_28_an_association_that_breaks_after_its_handshake_is_closed_and_says_nothing_more() {
    let mut worker = connected();
    let alert = Input::RecordsMade {
        transport: TRANSPORT,
        datagram: vec![21; 30],
        kind: RecordKind::Flight,
    };
    assert_eq!(worker.handle(alert).verdict, Verdict::Applied);
    let reason = DtlsReason::Protocol;
    let Step { verdict, outputs } =
        worker.handle(Input::HandshakeFailed { transport: TRANSPORT, reason });
    let event = Event::DtlsStateChanged(DtlsState::Closed, Some(reason));
    assert_eq!(
        (verdict, outputs),
        (Verdict::Applied, vec![Output::Emit { transport: TRANSPORT, event }])
    );
    let data = Input::DataSubmitted { transport: TRANSPORT, data: vec![1] };
    assert_eq!(worker.handle(data).verdict, Verdict::Late);
    let closed = worker.handle(Input::TransportCloseRequested { transport: TRANSPORT });
    let outcome = Outcome::NotNeeded(NotNeeded::PeerClosed);
    assert!(
        closed
            .outputs
            .iter()
            .any(|o| matches!(o, Output::ReportClosed { outcome: said, .. } if *said == outcome))
    );
    assert!(!closed.outputs.iter().any(|o| matches!(o, Output::MakeCloseNotify(_))));
}
