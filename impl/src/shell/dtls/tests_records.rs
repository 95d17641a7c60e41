//! What a session makes of single records: several per datagram, damaged, repeated, forged, too
//! large.

use openssl::ssl::SslOptions;

use super::records::{HandshakeAdmission, records};
use super::test_pair::*;
use super::*;

fn data(text: &[u8]) -> DtlsEvent {
    DtlsEvent::Data(text.to_vec())
}

/// Garbage of many kinds: noise, wrong epoch, wrong version, cut short, too long, unknown type,
/// damaged record.
fn garbage(valid: &[u8]) -> Vec<Vec<u8>> {
    let change = |index: usize, value: u8| {
        let mut record = valid.to_vec();
        record[index] = value;
        record
    };
    vec![
        vec![],
        vec![0],
        vec![0x30; 60],
        vec![0xFF; 2000],
        plaintext_record(23, 90, b"plain"),
        plaintext_record(25, 91, b"unknown type"),
        plaintext_record(22, 92, &[0xAA; 40]),
        // Within the replay window: OpenSSL lets even an unexpected ChangeCipherSpec move that.
        plaintext_record(20, 40, &[1]),
        change(1, 0x03),
        change(2, 0xFF),
        change(4, 2),
        change(4, 0),
        change(0, 25),
        change(valid.len() - 1, valid[valid.len() - 1] ^ 1),
        valid[..valid.len() - 1].to_vec(),
        valid[..12].to_vec(),
    ]
}

#[test]
fn dtl_16_garbage_between_the_records_of_a_session_is_ignored() {
    let mut pair = Pair::connected();
    pair.client.send(b"sample").unwrap();
    let sample = datagrams(&mut pair.client).remove(0);
    for rubbish in garbage(&sample) {
        pair.server.receive(&rubbish);
        assert!(events(&mut pair.server).is_empty(), "{rubbish:?}");
        pair.assert_alive();
        assert_eq!(pair.server.next_timeout(), None);
    }
    pair.server.receive(&sample);
    assert_eq!(events(&mut pair.server), [data(b"sample")], "the window did not move");
}

/// Not every OpenSSL takes a whole record of DTLS 1.0 after the first message.
#[test]
fn dtl_16_openssl_sees_dtls_1_2_only() {
    let mut old = plaintext_record(22, 0, &[7; 20]);
    old[2] = 0xFF;
    let new = plaintext_record(22, 0, &[7; 20]);
    assert_ne!(old, new);
    let seen = records(&old).map(|record| record.as_dtls_1_2());
    assert_eq!(seen.collect::<Vec<_>>(), [new]);
}

#[test]
fn dtl_16_garbage_during_the_handshake_is_ignored() {
    let mut other = Pair::connected();
    other.client.send(b"sample").unwrap();
    let rubbish = garbage(&datagrams(&mut other.client).remove(0));

    let mut pair = Pair::new();
    pair.client.start();
    loop {
        let forth = datagrams(&mut pair.client);
        deliver(&mut pair.server, &rubbish);
        deliver(&mut pair.server, &forth);
        let back = datagrams(&mut pair.server);
        let wait = pair.client.next_timeout();
        deliver(&mut pair.client, &rubbish);
        assert!(pair.client.next_timeout() <= wait, "the timer was not restarted");
        deliver(&mut pair.client, &back);
        if forth.is_empty() && back.is_empty() {
            break;
        }
    }
    pair.assert_alive_after_connected();
}

#[test]
fn dtl_17_all_records_of_a_datagram_are_processed_in_order() {
    let mut pair = Pair::connected();
    for text in [b"one", b"two", b"six"] {
        pair.client.send(text).unwrap();
    }
    assert!(pair.client.close_notify());
    let sent = datagrams(&mut pair.client);
    let mut bad = sent[1].clone();
    bad[20] ^= 1;
    pair.server.receive(&[&sent[0][..], &bad, &sent[1], &sent[2], &sent[3]].concat());
    let expected = [data(b"one"), data(b"two"), data(b"six"), DtlsEvent::CloseNotifyReceived];
    assert_eq!(events(&mut pair.server), expected);
}

#[test]
fn dtl_17_the_last_flight_may_share_a_datagram_with_data_and_a_close() {
    let mut pair = Pair::new();
    pair.client.start();
    deliver(&mut pair.server, &datagrams(&mut pair.client));
    deliver(&mut pair.client, &datagrams(&mut pair.server));
    deliver(&mut pair.server, &datagrams(&mut pair.client));
    pair.server.send(b"at once").unwrap();
    assert!(pair.server.close_notify());
    pair.client.receive(&datagrams(&mut pair.server).concat());
    let seen = events(&mut pair.client);
    assert!(is_connected_event(&seen[0]));
    assert_eq!(seen[1..], [data(b"at once"), DtlsEvent::CloseNotifyReceived]);
}

#[test]
fn dtl_18_each_record_is_delivered_once_in_any_order() {
    let mut pair = Pair::connected();
    for number in 0..64 {
        pair.client.send(&[number]).unwrap();
    }
    let sent = datagrams(&mut pair.client);
    let reversed: Vec<Vec<u8>> = sent.iter().rev().cloned().collect();
    deliver(&mut pair.server, &reversed);
    let expected: Vec<DtlsEvent> = (0..64).rev().map(|number| data(&[number])).collect();
    assert_eq!(events(&mut pair.server), expected);
    deliver(&mut pair.server, &sent);
    deliver(&mut pair.server, &reversed);
    assert!(events(&mut pair.server).is_empty());
    pair.assert_alive();
}

#[test]
fn dtl_18_the_whole_handshake_repeated_changes_nothing() {
    let (mut pair, mut to_server, mut to_client) = (Pair::new(), vec![], vec![]);
    pair.client.start();
    for _ in 0..3 {
        let forth = datagrams(&mut pair.client);
        deliver(&mut pair.server, &forth);
        let back = datagrams(&mut pair.server);
        deliver(&mut pair.client, &back);
        to_server.extend(forth);
        to_client.extend(back);
    }
    deliver(&mut pair.server, &to_server);
    deliver(&mut pair.client, &to_client);
    assert!(datagrams(&mut pair.server).is_empty() && datagrams(&mut pair.client).is_empty());
    pair.assert_alive_after_connected();
}

#[test]
fn dtl_19_plaintext_alerts_after_the_handshake_are_ignored() {
    let mut pair = Pair::connected();
    for (sequence, alert) in (100..).zip([[1, 0], [2, 0], [2, 40], [2, 80], [1, 90], [1, 100]]) {
        let forged = plaintext_record(ALERT, sequence, &alert);
        pair.server.receive(&forged);
        pair.client.receive(&forged);
        pair.assert_alive();
    }
}

#[test]
fn dtl_19_only_a_fatal_plaintext_alert_ends_a_handshake() {
    let mut pair = Pair::new();
    pair.client.start();
    deliver(&mut pair.server, &datagrams(&mut pair.client));
    for sequence in 100..110 {
        // 90 is user_canceled.
        pair.server.receive(&plaintext_record(ALERT, sequence, &[1, 90]));
    }
    assert!(events(&mut pair.server).is_empty());
    pair.server.receive(&plaintext_record(ALERT, 110, &[2, 80]));
    assert_eq!(events(&mut pair.server), failed(DtlsFailure::AlertReceived(80)));
    pair.exchange();
    assert!(!pair.server.is_connected(), "final");
}

#[test]
fn dtl_21_large_claims_allocate_nothing_and_end_nothing() {
    let mut pair = Pair::new();
    let claims: Vec<Vec<u8>> = (0..30u16)
        .flat_map(|sequence| [(sequence, 0xFF_FFFF), (sequence, 60_000), (sequence, 40_000)])
        .map(|(sequence, length)| fragment(1, sequence, length, 0, &[1]))
        .map(|message| plaintext_record(22, 200, &message))
        .collect();
    deliver(&mut pair.server, &claims);
    assert!(datagrams(&mut pair.server).is_empty(), "not even an alert");
    pair.handshake();
    pair.assert_alive_after_connected();
}

#[test]
fn dtl_21_the_sum_of_all_claims_is_bounded() {
    let mut admission = HandshakeAdmission::default();
    let mut admits = |kind, epoch: u8, body: &[u8]| {
        let mut record = plaintext_record(kind, 0, body);
        record[4] = epoch;
        let admitted =
            records(&record).map(|record| admission.admits(&record, false)).collect::<Vec<_>>();
        admitted == [true]
    };
    let claim = |sequence, length| fragment(11, sequence, length, 0, &[0; 5]);
    assert!(admits(22, 0, &claim(1, 16_000)));
    assert!(admits(22, 0, &claim(1, 16_000)), "a repetition counts once");
    assert!(!admits(22, 0, &claim(2, 16_000)), "32000 bytes in sum");
    assert!(admits(22, 0, &claim(2, 14_000)));
    assert!(!admits(22, 0, &claim(16, 5)), "a full handshake has fewer messages");
    assert!(!admits(22, 0, &claim(3, 5)[..16]), "cut short");
    assert!(!admits(22, 2, &[7; 40]) && !admits(23, 1, &[7; 40]) && !admits(21, 1, &[7; 40]));
    assert!(admits(22, 1, &[7; 40]) && admits(22, 1, &[7; 40]));
    assert!(!admits(22, 1, &[7; 40]), "the third early record");
}

#[test]
fn dtl_22_a_new_client_hello_does_not_touch_an_established_session() {
    let side = Side::new();
    let mut pair = Pair::of(&side, &Side::new());
    pair.client.start();
    let old_hello = datagrams(&mut pair.client);
    deliver(&mut pair.server, &old_hello);
    pair.exchange();
    let mut intruder = side.session(DtlsRole::Client);
    intruder.start();
    deliver(&mut pair.server, &old_hello);
    deliver(&mut pair.server, &datagrams(&mut intruder));
    assert!(datagrams(&mut pair.server).is_empty());
    pair.assert_alive_after_connected();
}

#[test]
fn dtl_22_renegotiation_is_refused_without_dropping_the_session() {
    let mut pair = renegotiating_pair(DtlsRole::Client);
    pair.client.send(b"still here").unwrap();
    let message = datagrams(&mut pair.client);
    renegotiate(&mut pair.client);
    let hello = datagrams(&mut pair.client);
    assert_eq!((hello[0][0], hello[0][4]), (22, 1), "an encrypted ClientHello");
    deliver(&mut pair.server, &hello);
    let refusal = datagrams(&mut pair.server);
    assert_eq!((refusal.len(), refusal[0][0], refusal[0][4]), (1, ALERT, 1));
    deliver(&mut pair.server, &message);
    assert_eq!(events(&mut pair.server), [data(b"still here")]);
    pair.server.send(b"still here").unwrap();
}

#[test]
fn dtl_22_a_client_refuses_to_renegotiate_as_well() {
    let mut pair = renegotiating_pair(DtlsRole::Server);
    renegotiate(&mut pair.server);
    let request = datagrams(&mut pair.server);
    assert_eq!((request[0][0], request[0][4]), (22, 1), "an encrypted HelloRequest");
    deliver(&mut pair.client, &request);
    let refusal = datagrams(&mut pair.client);
    assert_eq!((refusal.len(), refusal[0][0], refusal[0][4]), (1, ALERT, 1));
    assert!(pair.client.is_connected() && events(&mut pair.client).is_empty());
    pair.client.send(b"still here").unwrap();
}

/// OpenSSL can say no more before it has the rest.
#[test]
fn dtl_22_a_renegotiation_that_is_never_finished_ends_the_session() {
    let mut other = Side::altered(|builder| {
        builder.clear_options(SslOptions::NO_RENEGOTIATION);
        builder.set_cipher_list("ALL").unwrap();
    });
    other.context.options.mtu = 256;
    let mut pair = Pair::of(&other, &Side::new());
    pair.handshake();
    pair.assert_alive_after_connected();
    renegotiate(&mut pair.client);
    let hello = datagrams(&mut pair.client);
    assert!(hello.len() > 1, "in fragments");
    pair.server.receive(&hello[0]);
    let seen = events(&mut pair.server);
    assert!(matches!(&seen[..], [DtlsEvent::Failed(DtlsFailure::Protocol(_))]), "{seen:?}");
    assert!(!pair.server.close_notify() && datagrams(&mut pair.server).is_empty());
}

#[test]
fn dtl_20_messages_longer_than_the_mtu_are_refused() {
    let mut pair = Pair::connected();
    let max = pair.client.data_bytes_max();
    let error = pair.client.send(&vec![0; max + 1]);
    assert_eq!(error, Err(DtlsSendError::TooLong { len: max + 1, max }));
    assert!(datagrams(&mut pair.client).is_empty());
    pair.client.send(&vec![7; max]).unwrap();
    let sent = datagrams(&mut pair.client);
    assert_eq!(sent[0].len(), 1350);
    pair.client.send(&[]).unwrap();
    assert!(datagrams(&mut pair.client).is_empty());
    deliver(&mut pair.server, &sent);
    assert_eq!(events(&mut pair.server), [data(&vec![7; max])]);
}
