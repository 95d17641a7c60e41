//! What whoever knows the peer's address can send: no such datagram ends an association, keeps a
//! handshake from its end or is answered.

use super::test_pair::*;
use super::*;

/// Every cipher family: their records differ in overhead.
const CIPHERS: [&str; 2] = ["ECDHE-ECDSA-AES128-GCM-SHA256", "ECDHE-ECDSA-CHACHA20-POLY1305"];

fn pair_with(cipher: &str) -> Pair {
    let side = || Side::altered(|builder| builder.set_cipher_list(cipher).unwrap());
    Pair::of(&side(), &side())
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
