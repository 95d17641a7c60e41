//! What whoever knows the peer's address can send: no such datagram ends an association, keeps a
//! handshake from its end or is answered.

use quickcheck::quickcheck;

use super::test_pair::*;
use super::*;

/// Every cipher family: their records differ in overhead.
const CIPHERS: [&str; 2] = ["ECDHE-ECDSA-AES128-GCM-SHA256", "ECDHE-ECDSA-CHACHA20-POLY1305"];

fn side_with(cipher: &str) -> Side {
    Side::altered(|builder| builder.set_cipher_list(cipher).unwrap())
}

fn pair_with(cipher: &str) -> Pair {
    Pair::of(&side_with(cipher), &side_with(cipher))
}

fn connected_with(cipher: &str) -> Pair {
    let mut pair = pair_with(cipher);
    pair.handshake();
    assert_eq!(pair.server.ssl().current_cipher().unwrap().name(), cipher);
    pair.assert_alive_after_connected();
    pair
}

/// Well-formed records of each content type with a short body, newer than all of the peer's.
fn short_records() -> Vec<Vec<u8>> {
    let forge =
        |content_type, epoch, length| record(content_type, epoch, (1 << 40) + 7, &vec![7; length]);
    (20..=24)
        .flat_map(|content_type| (0..3).map(move |epoch| (content_type, epoch)))
        .flat_map(|(content_type, epoch)| (0..=40).map(move |n| forge(content_type, epoch, n)))
        .collect()
}

fn assert_unmoved(session: &mut DtlsSession, forged: &[Vec<u8>]) {
    for datagram in forged {
        session.receive(datagram);
        assert_eq!((events(session), datagrams(session)), (vec![], vec![]), "{datagram:02X?}");
    }
}

#[test]
fn dtl_16_records_too_short_to_decrypt_end_no_association() {
    for mut pair in CIPHERS.map(connected_with) {
        for session in [&mut pair.client, &mut pair.server] {
            assert_unmoved(session, &short_records());
        }
        pair.assert_alive();
    }
}

#[test]
fn dtl_16_nor_one_that_waits_for_its_fingerprints() {
    for cipher in CIPHERS {
        let (client, server) = (side_with(cipher), side_with(cipher));
        let mut pair = Pair::strangers(&client, &server);
        pair.handshake();
        for session in [&mut pair.client, &mut pair.server] {
            assert_unmoved(session, &short_records());
        }
        pair.client.expect_fingerprints(server.certificate.fingerprints());
        pair.server.expect_fingerprints(client.certificate.fingerprints());
        pair.assert_alive_after_connected();
    }
}

#[test]
fn dtl_16_nor_one_that_waits_for_the_answer_to_its_goodbye() {
    for mut pair in CIPHERS.map(connected_with) {
        assert!(pair.client.close_notify() && pair.server.close_notify());
        let (to_server, to_client) = (datagrams(&mut pair.client), datagrams(&mut pair.server));
        for (session, answer) in [(&mut pair.server, to_server), (&mut pair.client, to_client)] {
            assert_unmoved(session, &short_records());
            deliver(session, &answer);
            assert_eq!(events(session), [DtlsEvent::CloseNotifyReceived]);
        }
    }
}

/// Before each datagram of a handshake come forgeries, also between ChangeCipherSpec and Finished.
#[test]
fn dtl_16_forgeries_before_each_record_keep_no_handshake_from_its_end() {
    for mut pair in CIPHERS.map(pair_with) {
        pair.client.start();
        loop {
            let forth = split_records(&datagrams(&mut pair.client));
            besiege(&mut pair.server, &forth);
            let back = split_records(&datagrams(&mut pair.server));
            besiege(&mut pair.client, &back);
            if forth.is_empty() && back.is_empty() {
                break;
            }
        }
        pair.assert_alive_after_connected();
    }
}

fn besiege(session: &mut DtlsSession, records: &[Vec<u8>]) {
    for record in records {
        deliver(session, &short_records());
        deliver(session, &hidden_records());
        session.receive(record);
    }
}

/// The same within messages of DTLS 1.0, where OpenSSL before 3.2 finds them if it is let: it skips the header of the
/// record, and then 13 bytes more, which are no header.
fn hidden_records() -> Vec<Vec<u8>> {
    let hide = |records: &[Vec<u8>]| {
        let body = [vec![0], records.concat()].concat();
        let length = u32::try_from(body.len()).unwrap();
        let mut hidden = plaintext_record(22, 40, &fragment(1, 15, length, 0, &body));
        hidden[2] = 0xFF;
        hidden
    };
    short_records().chunks(100).map(hide).collect()
}

/// OpenSSL takes the body of a record with a wrong version or length for further records.
#[test]
fn dtl_17_forgeries_in_the_body_of_a_forgery_are_not_seen() {
    for mut pair in CIPHERS.map(connected_with) {
        let inside = record(23, 1, 1 << 41, &[7; 3]);
        let mut wrong_version = record(23, 1, 1 << 40, &inside);
        wrong_version[2] = 0xFF;
        let mut too_long = inside.repeat(17_000 / inside.len());
        too_long = record(23, 1, 1 << 40, &too_long);
        assert_unmoved(&mut pair.server, &[wrong_version, too_long]);
        pair.assert_alive();
    }
}

#[test]
fn dtl_17_a_bad_record_hides_none_behind_it() {
    let bad = |version, epoch, length| {
        let mut bad = record(23, epoch, 1 << 40, &vec![7; length]);
        bad[2] = version;
        bad
    };
    for bad in [bad(0xFF, 1, 20), bad(0xFC, 1, 100), bad(0xFD, 2, 60), bad(0xFD, 1, 30_000)] {
        let mut pair = Pair::connected();
        assert!(pair.client.close_notify());
        let goodbye = datagrams(&mut pair.client).remove(0);
        pair.server.receive(&[bad, goodbye].concat());
        assert_eq!(events(&mut pair.server), [DtlsEvent::CloseNotifyReceived]);
    }
}

/// A TCP frame may be longer than what OpenSSL reads at once.
#[test]
fn dtl_17_a_frame_of_many_records_is_read_to_its_end() {
    let mut pair = Pair::connected();
    for number in 0..60 {
        pair.client.send(&[number; 1000]).unwrap();
    }
    assert!(pair.client.close_notify());
    let frame = datagrams(&mut pair.client).concat();
    assert!(frame.len() > 60_000 && u16::try_from(frame.len()).is_ok());
    pair.server.receive(&frame);
    let mut expected: Vec<_> = (0..60).map(|number| DtlsEvent::Data(vec![number; 1000])).collect();
    expected.push(DtlsEvent::CloseNotifyReceived);
    assert_eq!(events(&mut pair.server), expected);
}

quickcheck! {
    /// Whatever follows a well-formed header, one record or several in a datagram.
    fn dtl_16_nothing_forged_moves_an_association(forged: Vec<(u8, u8, u64, Vec<u8>)>) -> bool {
        thread_local! {
            static PAIR: std::cell::RefCell<Pair> = std::cell::RefCell::new(Pair::connected());
        }
        let forge = |(content_type, epoch, sequence, body): &(u8, u8, u64, Vec<u8>)| {
            record(20 + content_type % 5, u16::from(epoch % 3), *sequence, body)
        };
        let mut datagrams: Vec<_> = forged.iter().map(forge).collect();
        datagrams.push(datagrams.concat());
        PAIR.with_borrow_mut(|pair| {
            assert_unmoved(&mut pair.server, &datagrams);
            assert_unmoved(&mut pair.client, &datagrams);
            pair.assert_alive();
        });
        true
    }
}
