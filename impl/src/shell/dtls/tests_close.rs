//! How sessions end, and that one session's end is nobody else's.

use openssl::error::ErrorStack;

use super::test_pair::*;
use super::*;

/// Asserts that `session` is silent and deaf, whatever arrives.
fn assert_ended(session: &mut DtlsSession, late: &[Vec<u8>]) {
    deliver(session, late);
    session.receive(&plaintext_record(ALERT, 250, &[2, 80]));
    session.start();
    session.handle_timeout();
    assert_eq!(session.send(b"late"), Err(DtlsSendError::NotConnected));
    assert!(!session.close_notify() && !session.is_connected());
    assert_eq!(session.next_timeout(), None);
    assert!(datagrams(session).is_empty() && events(session).is_empty());
}

#[test]
fn cls_13_the_peers_close_notify_is_reported_once_and_answered_on_request() {
    let mut pair = Pair::connected();
    assert!(pair.client.close_notify());
    let goodbye = datagrams(&mut pair.client);
    assert_eq!(goodbye.len(), 1);
    assert_eq!((goodbye[0].len(), goodbye[0][0], goodbye[0][4]), (39, ALERT, 1));
    assert!(!pair.client.close_notify(), "only one");
    assert!(datagrams(&mut pair.client).is_empty());

    deliver(&mut pair.server, &goodbye);
    deliver(&mut pair.server, &goodbye);
    assert_eq!(events(&mut pair.server), [DtlsEvent::CloseNotifyReceived]);
    assert!(datagrams(&mut pair.server).is_empty(), "no answer on its own");
    assert_eq!(pair.server.send(b"late"), Err(DtlsSendError::NotConnected));

    assert!(pair.server.close_notify());
    let answer = datagrams(&mut pair.server);
    assert_eq!(answer.len(), 1);
    deliver(&mut pair.client, &answer);
    assert_eq!(events(&mut pair.client), [DtlsEvent::CloseNotifyReceived]);
    assert_ended(&mut pair.server, &goodbye);
    assert_ended(&mut pair.client, &answer);
}

#[test]
fn cls_13_crossing_close_notifies_are_seen_by_both() {
    let mut pair = Pair::connected();
    assert!(pair.client.close_notify() && pair.server.close_notify());
    pair.exchange();
    assert_eq!(events(&mut pair.client), [DtlsEvent::CloseNotifyReceived]);
    assert_eq!(events(&mut pair.server), [DtlsEvent::CloseNotifyReceived]);
    assert_ended(&mut pair.client, &[]);
    assert_ended(&mut pair.server, &[]);
}

#[test]
fn cls_28_after_our_close_notify_data_is_dropped_and_the_answer_still_seen() {
    let mut pair = Pair::connected();
    for _ in 0..3 {
        pair.server.send(b"in flight").unwrap();
    }
    let in_flight = datagrams(&mut pair.server);
    assert!(pair.client.close_notify());
    let goodbye = datagrams(&mut pair.client);
    deliver(&mut pair.client, &in_flight);
    pair.client.receive(&[0x30; 60]);
    assert!(events(&mut pair.client).is_empty());

    deliver(&mut pair.server, &goodbye);
    assert!(pair.server.close_notify());
    let answer = datagrams(&mut pair.server);
    // The answer behind data in one datagram.
    pair.client.receive(&[in_flight[0].clone(), answer[0].clone()].concat());
    assert_eq!(events(&mut pair.client), [DtlsEvent::CloseNotifyReceived]);
}

#[test]
fn cls_28_a_repeated_finished_after_our_close_does_not_hide_the_answer() {
    let mut pair = Pair::quick();
    pair.client.start();
    deliver(&mut pair.server, &datagrams(&mut pair.client));
    deliver(&mut pair.client, &datagrams(&mut pair.server));
    let last_flight = datagrams(&mut pair.client);
    // The client repeats its flight under new sequence numbers because the server's answer is late.
    wait_for_timeout(&mut pair.client);
    let repeated = datagrams(&mut pair.client);
    deliver(&mut pair.server, &last_flight);
    deliver(&mut pair.client, &datagrams(&mut pair.server));
    assert!(pair.server.close_notify());
    deliver(&mut pair.client, &datagrams(&mut pair.server));
    assert!(pair.client.close_notify());
    let answer = datagrams(&mut pair.client);
    pair.server.receive(&[repeated.concat(), answer.concat()].concat());
    assert_eq!(events(&mut pair.server)[1..], [DtlsEvent::CloseNotifyReceived]);
}

/// Asserts that closing now sends nothing, leaves no error behind and changes nothing.
fn assert_not_closed(pair: &mut Pair) {
    for session in [&mut pair.client, &mut pair.server] {
        assert!(!session.close_notify());
        assert!(datagrams(session).is_empty() && events(session).is_empty());
        assert!(ErrorStack::get().errors().is_empty());
    }
}

#[test]
fn cls_15_close_during_the_handshake_sends_nothing_and_changes_nothing() {
    let mut pair = Pair::new();
    assert_not_closed(&mut pair);
    pair.client.start();
    let hello = datagrams(&mut pair.client);
    assert_not_closed(&mut pair);
    deliver(&mut pair.server, &hello);
    let server_flight = datagrams(&mut pair.server);
    assert_not_closed(&mut pair);
    deliver(&mut pair.client, &server_flight);
    let client_flight = datagrams(&mut pair.client);
    assert_not_closed(&mut pair);
    deliver(&mut pair.server, &client_flight);
    pair.exchange();
    pair.assert_alive_after_connected();
}

#[test]
fn dtl_10_either_side_may_close_before_the_fingerprints_come() {
    let (client, server) = (Side::new(), Side::new());
    let finished = || {
        let mut pair = Pair::strangers(&client, &server);
        pair.client.expect_fingerprints(server.certificate.fingerprints());
        pair.handshake();
        events(&mut pair.client);
        pair
    };
    // The peer takes the session for established, so it gets a close_notify.
    let mut pair = finished();
    assert!(pair.server.close_notify());
    assert_eq!(pass(&mut pair.server, &mut pair.client), [DtlsEvent::CloseNotifyReceived]);

    let mut pair = finished();
    assert!(pair.client.close_notify());
    assert_eq!(pass(&mut pair.client, &mut pair.server), [DtlsEvent::CloseNotifyReceived]);
    pair.server.expect_fingerprints(client.certificate.fingerprints());
    assert!(events(&mut pair.server).is_empty() && !pair.server.is_connected());
    assert!(pair.server.close_notify(), "the answer");
}

#[test]
fn cls_14_a_fatal_alert_after_the_handshake_is_reported_with_its_code() {
    let mut pair = renegotiating_pair(DtlsRole::Client);
    renegotiate(&mut pair.client);
    // The refusal makes the client give up.
    let refusal = {
        deliver(&mut pair.server, &datagrams(&mut pair.client));
        datagrams(&mut pair.server)
    };
    deliver(&mut pair.client, &refusal);
    assert!(matches!(events(&mut pair.client)[..], [DtlsEvent::Failed(DtlsFailure::Protocol(_))]));
    let alert = datagrams(&mut pair.client);
    assert_ended(&mut pair.client, &refusal);
    assert_eq!(alert.len(), 1);
    deliver(&mut pair.server, &alert);
    let expected = DtlsEvent::FatalAlertReceived(HANDSHAKE_FAILURE);
    assert_eq!(events(&mut pair.server), [expected]);
    assert_ended(&mut pair.server, &alert);
}

#[test]
fn dtl_28_after_a_failure_no_close_notify_follows() {
    let (client, server) = (Side::new(), Side::new());
    let mut pair = Pair::strangers(&client, &server);
    pair.client.expect_fingerprints(server.certificate.fingerprints());
    pair.server.expect_fingerprints(server.certificate.fingerprints());
    pair.client.start();
    deliver(&mut pair.server, &datagrams(&mut pair.client));
    deliver(&mut pair.client, &datagrams(&mut pair.server));
    let last_flight = datagrams(&mut pair.client);
    deliver(&mut pair.server, &last_flight);
    assert_eq!(events(&mut pair.server), failed(DtlsFailure::FingerprintMismatch));
    assert!(!pair.server.close_notify());
    let sent = split_records(&datagrams(&mut pair.server));
    let alerts: Vec<&[u8]> =
        sent.iter().filter(|record| record[0] == ALERT).map(|record| &record[13..]).collect();
    assert_eq!(alerts, [[2, BAD_CERTIFICATE]], "one alert, and it is fatal");
    deliver(&mut pair.client, &sent);
    assert_eq!(events(&mut pair.client), failed(DtlsFailure::AlertReceived(BAD_CERTIFICATE)));
    assert_ended(&mut pair.server, &last_flight);
    assert_ended(&mut pair.client, &sent);
}

/// Leaves "shutdown while in init" in the thread's error queue, as closing a session the naive way
/// does.
#[allow(unsafe_code)]
fn poison_error_queue() {
    let side = Side::new();
    let mut culprit = side.session(DtlsRole::Client);
    culprit.start();
    let ssl = foreign_types::ForeignTypeRef::as_ptr(culprit.ssl());
    // SAFETY: the object lives until the end of this function, and nothing else uses it meanwhile.
    let result = unsafe { openssl_sys::SSL_shutdown(ssl) };
    assert_eq!(result, -1);
    // SAFETY: reads the thread's error queue only.
    assert_ne!(unsafe { openssl_sys::ERR_peek_last_error() }, 0, "the queue is poisoned");
}

#[test]
fn cls_36_an_error_of_one_session_never_ends_another() {
    let mut pair = Pair::new();
    pair.client.start();
    let old_datagram = datagrams(&mut pair.client);
    deliver(&mut pair.server, &old_datagram);
    pair.exchange();
    events(&mut pair.client);
    events(&mut pair.server);

    poison_error_queue();
    deliver(&mut pair.server, &old_datagram);
    assert!(events(&mut pair.server).is_empty(), "an old datagram is nothing");
    poison_error_queue();
    pair.assert_alive();
    poison_error_queue();
    assert!(pair.server.close_notify());
    assert_eq!(pass(&mut pair.server, &mut pair.client), [DtlsEvent::CloseNotifyReceived]);
}

#[test]
fn cls_36_an_error_of_one_session_never_ends_a_handshake() {
    let mut pair = Pair::new();
    poison_error_queue();
    pair.client.start();
    for _ in 0..3 {
        poison_error_queue();
        deliver(&mut pair.server, &datagrams(&mut pair.client));
        poison_error_queue();
        deliver(&mut pair.client, &datagrams(&mut pair.server));
        poison_error_queue();
        pair.client.handle_timeout();
    }
    pair.assert_alive_after_connected();
}

#[test]
fn cls_36_failed_and_closed_sessions_leave_a_clean_error_queue() {
    let clean = || assert!(ErrorStack::get().errors().is_empty());
    let mut pair = Pair::new();
    pair.client.start();
    let mut hello = datagrams(&mut pair.client);
    // Handshake type 1 becomes 11.
    hello[0][13] = 11;
    deliver(&mut pair.server, &hello);
    assert!(matches!(events(&mut pair.server)[..], [DtlsEvent::Failed(_)]));
    clean();
    assert!(!pair.server.close_notify());
    clean();
    let mut pair = Pair::connected();
    clean();
    pair.client.close_notify();
    pair.exchange();
    clean();
    drop(pair);
    clean();
}
