//! Handshakes over a network that loses, repeats, reorders and cuts datagrams.

use std::time::Duration;

use super::test_pair::*;
use super::*;

/// A pair whose every flight takes several datagrams: 576 bytes each and a long certificate chain.
fn fragmenting_pair() -> Pair {
    let (client, server) = (chain_side(), chain_side());
    Pair::of(&client, &server)
}

fn chain_side() -> Side {
    let own = Certificate::generate().unwrap();
    let mut pem = own.leaf().to_pem().unwrap();
    while pem.len() < 10_000 {
        let more = Certificate::generate().unwrap();
        pem.extend(more.leaf().to_pem().unwrap());
    }
    let key = own.key().private_key_to_pem_pkcs8().unwrap();
    let retransmission_initial = Duration::from_millis(20);
    let options = DtlsOptions { mtu: 576, retransmission_initial };
    Side::with(Certificate::from_pem(&pem, &key).unwrap(), options)
}

/// Exchanges flights after `network` had its way with each of them, and waits for timers when
/// nothing moves.
fn run(pair: &mut Pair, mut network: impl FnMut(Vec<Vec<u8>>) -> Vec<Vec<u8>>) {
    pair.client.start();
    for _ in 0..30 {
        let forth = network(datagrams(&mut pair.client));
        deliver(&mut pair.server, &forth);
        let back = network(datagrams(&mut pair.server));
        deliver(&mut pair.client, &back);
        if pair.client.is_connected() && pair.server.is_connected() {
            pair.exchange();
            return;
        }
        if forth.is_empty() && back.is_empty() {
            for session in [&mut pair.client, &mut pair.server] {
                if session.next_timeout().is_some() {
                    wait_for_timeout(session);
                }
            }
        }
    }
    panic!("no end: {:?} {:?}", events(&mut pair.client), events(&mut pair.server));
}

#[test]
fn dtl_20_every_datagram_of_a_large_handshake_fits_the_mtu() {
    let mut pair = fragmenting_pair();
    let mut total = 0;
    run(&mut pair, |flight| {
        assert!(flight.iter().all(|datagram| datagram.len() <= 576));
        total += flight.iter().map(Vec::len).sum::<usize>();
        flight
    });
    assert!(total > 12_000, "{total} bytes: the chains were sent");
    pair.assert_alive_after_connected();
}

#[test]
fn dtl_20_fragments_reassemble_in_any_order_and_repeated() {
    for variant in 0..3 {
        let mut pair = fragmenting_pair();
        run(&mut pair, |mut flight| {
            match variant {
                0 => flight.reverse(),
                1 => flight = flight.iter().flat_map(|one| [one.clone(), one.clone()]).collect(),
                _ => {
                    let middle = flight.len() / 2;
                    flight.rotate_left(middle);
                }
            }
            flight
        });
        pair.assert_alive_after_connected();
    }
}

#[test]
fn dtl_20_records_coalesced_or_alone_give_the_same_handshake() {
    let mut pair = Pair::new();
    run(&mut pair, |flight| split_records(&flight));
    pair.assert_alive_after_connected();
    let mut pair = fragmenting_pair();
    run(&mut pair, |flight| if flight.is_empty() { flight } else { vec![flight.concat()] });
    pair.assert_alive_after_connected();
}

#[test]
fn dtl_20_a_client_hello_cut_into_overlapping_fragments_is_understood() {
    let mut pair = Pair::new();
    pair.client.start();
    let hello = datagrams(&mut pair.client).remove(0);
    // Record header (13), message header (12), body.
    let body = &hello[25..];
    let length = u32::try_from(body.len()).unwrap();
    let cuts = [(100, body.len()), (0, 70), (40, 120)];
    for (sequence, (from, to)) in (50..).zip(cuts) {
        assert!(datagrams(&mut pair.server).is_empty(), "incomplete");
        let offset = u32::try_from(from).unwrap();
        let piece = fragment(1, 0, length, offset, &body[from..to]);
        pair.server.receive(&plaintext_record(22, sequence, &piece));
    }
    pair.exchange();
    pair.assert_alive_after_connected();
}

#[test]
fn dtl_14_each_lost_flight_is_repeated() {
    for lost in 0..4 {
        for times in 1..3 {
            let mut pair = Pair::quick();
            let (mut flights, mut left) = (0, times);
            run(&mut pair, |flight| {
                if flight.is_empty() {
                    return flight;
                }
                if flights == lost && left > 0 {
                    left -= 1;
                    return vec![];
                }
                flights += 1;
                flight
            });
            assert_eq!(left, 0, "flight {lost} was lost {times} times");
            pair.assert_alive_after_connected();
        }
    }
}

#[test]
fn dtl_14_a_lost_certificate_with_finished_arriving_early_heals() {
    let mut pair = fragmenting_pair();
    let mut losses = 4;
    run(&mut pair, |mut flight| {
        // The client's flight: lose its first datagram, but not the encrypted Finished.
        let has_finished = flight.iter().any(|datagram| datagram[0] == 22 && datagram[4] == 1);
        if flight.len() > 3 && has_finished && losses > 0 {
            losses -= 1;
            flight.remove(0);
        }
        flight
    });
    pair.assert_alive_after_connected();
}

#[test]
fn dtl_14_the_first_wait_is_400_ms_by_default_and_ends_with_the_handshake() {
    let mut pair = Pair::new();
    assert_eq!((pair.client.next_timeout(), pair.server.next_timeout()), (None, None));
    pair.client.start();
    let wait = pair.client.next_timeout().unwrap();
    let expected = Duration::from_millis(200)..=Duration::from_millis(400);
    assert!(expected.contains(&wait), "{wait:?}");
    datagrams(&mut pair.client).iter().for_each(|hello| pair.server.receive(hello));
    assert!(pair.server.next_timeout().unwrap() <= Duration::from_millis(400));
    pair.client.handle_timeout();
    assert!(datagrams(&mut pair.client).is_empty(), "not due");
    pair.exchange();
    assert_eq!((pair.client.next_timeout(), pair.server.next_timeout()), (None, None));
}

#[test]
fn dtl_14_the_second_wait_is_twice_the_first() {
    let retransmission_initial = Duration::from_millis(100);
    let options = DtlsOptions { retransmission_initial, ..DtlsOptions::default() };
    let mut client =
        Side::with(Certificate::generate().unwrap(), options).session(DtlsRole::Client);
    client.start();
    assert_eq!(datagrams(&mut client).len(), 1);
    wait_for_timeout(&mut client);
    assert_eq!(datagrams(&mut client).len(), 1);
    let second = client.next_timeout().unwrap();
    assert!((Duration::from_millis(120)..=Duration::from_millis(200)).contains(&second));
}

#[test]
fn dtl_14_after_twelve_repetitions_in_vain_the_handshake_fails() {
    // So short that OpenSSL takes every wait for expired at once.
    let retransmission_initial = Duration::from_micros(1);
    let options = DtlsOptions { retransmission_initial, ..DtlsOptions::default() };
    let mut client =
        Side::with(Certificate::generate().unwrap(), options).session(DtlsRole::Client);
    client.start();
    let seen = events(&mut client);
    assert!(matches!(&seen[..], [DtlsEvent::Failed(DtlsFailure::Handshake(_))]), "{seen:?}");
    assert_eq!(datagrams(&mut client).len(), 13);
    client.handle_timeout();
    assert_eq!(client.next_timeout(), None);
    assert!(datagrams(&mut client).is_empty() && events(&mut client).is_empty());
}
