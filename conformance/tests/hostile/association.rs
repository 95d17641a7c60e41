//! What no peer of OpenSSL's makes can be brought to do: the core alone is asked.

use webrtc_server::lifecycle::{
    Check, Credential, Credentials, DtlsReason, DtlsRole, DtlsState, Event, Input, Limits,
    NotNeeded, Outcome, Output, RecordKind, SocketId, Step, TransportId, Tuple, Verdict, Worker,
};

const TRANSPORT: TransportId = TransportId(1);

fn connected() -> Worker {
    let mut worker = Worker::new(Limits::default(), [SocketId(0)], []);
    let credentials = Credentials { ufrag: "u".to_owned(), password: "p".to_owned() };
    let remote = ([127, 0, 0, 1], 9).into();
    let check = Check { credential: Credential::Current, use_candidate: true, nomination: None };
    let inputs = [
        Input::TransportCreated { transport: TRANSPORT, credentials, consent: None },
        Input::ConnectRequested {
            transport: TRANSPORT,
            remote_role: DtlsRole::Client,
            fingerprints: Vec::new(),
        },
        Input::CheckReceived {
            tuple: Tuple::Udp { socket: SocketId(0), remote },
            transport: TRANSPORT,
            check,
            reply: Vec::new(),
        },
        Input::HandshakeCompleted { transport: TRANSPORT },
    ];
    for input in inputs {
        assert_eq!(worker.handle(input).verdict, Verdict::Applied);
    }
    worker
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
