//! Checks of the shell that no trace of the model leads to: each says what is wrong, if something is.

use std::time::{Duration, Instant};
use webrtc_server::lifecycle::{Mutant, Tuple};
use webrtc_server::shell::{Alarm, Clock, Ready};
use webrtc_server::wire::framing::frame;

use crate::by_hand::{ByHand, FIRST, PATIENCE};
use crate::peer::{
    CheckOptions, DtlsRole, DtlsSession, HandshakeGoal, Path, PeerCertificate, Protocol,
    TcpOptions, TcpPath, UdpPath,
};

/// Longer than any of these takes.
const CONSENT: Duration = Duration::from_secs(30);
/// Steps of a server that handshakes.
const STEPS_MAX: usize = 20_000;
/// Turns of a server in which nothing happens.
const TURNS: usize = 100;
/// More datagrams than one delivery takes.
const DATAGRAMS: u64 = 300;
/// Attempts to have the same port for UDP and TCP.
const PORTS_MAX: usize = 20;

/// A peer with another certificate than announced.
pub fn dtl_08_a_wrong_fingerprint_ends_the_handshake(mutant: Option<Mutant>) -> Result<(), String> {
    let mut by_hand = ByHand::with(Clock::Manual, mutant);
    by_hand.transport(1, CONSENT);
    let mut peer = by_hand.peer(1, Protocol::Udp);
    let stranger = PeerCertificate::generate().expect("a certificate");
    peer.replace_session(DtlsSession::new(DtlsRole::Client, &stranger).expect("a session"));
    by_hand.check(&mut peer);
    let mut step = || {
        by_hand.step();
        Ok(())
    };
    // What the peer makes of it is not the question.
    let _ = peer.handshake(FIRST, &mut step, STEPS_MAX);
    match by_hand.heard(1).pop() {
        Some(last) if last == "dtls Failed FingerprintMismatch" => Ok(()),
        other => Err(format!("the last that the owner heard: {other:?}")),
    }
}

/// While a flight waits for its answer the server sleeps.
pub fn dtl_14_no_timer_goes_off_before_its_time(mutant: Option<Mutant>) -> Result<(), String> {
    let mut by_hand = ByHand::with(Clock::System, mutant);
    by_hand.transport(1, CONSENT);
    let mut peer = by_hand.peer(1, Protocol::Udp);
    by_hand.check(&mut peer);
    let mut step = || {
        by_hand.step();
        Ok(())
    };
    let goal = HandshakeGoal::FlightsSent(1);
    peer.handshake_until(FIRST, goal, &mut step, STEPS_MAX).expect("so far");
    by_hand.until("a flight", |_| {
        peer.collect().expect("a socket");
        peer.observed().dtls_datagrams > 0
    });
    let mut early = 0;
    for _ in 0..TURNS {
        by_hand.worker.poll(Some(Duration::ZERO)).expect("a poll");
        let is_timer = |ready: &&Ready| matches!(ready, Ready::Alarm(Alarm::Retransmit(_)));
        early += by_hand.worker.ready().iter().filter(is_timer).count();
        while by_hand.worker.deliver_next() {}
    }
    // The time of one or two may come meanwhile.
    match early > TURNS / 2 {
        true => Err("the timer of a flight goes off in every turn".to_owned()),
        false => Ok(()),
    }
}

/// A peer that uses one port for UDP and TCP has two tuples.
pub fn tcp_08_a_connection_is_no_tuple_of_the_same_address(
    mutant: Option<Mutant>,
) -> Result<(), String> {
    let mut by_hand = ByHand::with(Clock::Manual, mutant);
    let both = (0..PORTS_MAX).find_map(|_| {
        let tcp = TcpPath::connect(by_hand.tcp, TcpOptions::default()).ok()?;
        let udp = UdpPath::open_from(tcp.local_addr(), by_hand.udp).ok()?;
        Some((udp, tcp))
    });
    let (udp, tcp) = both.expect("a port that is free for both");
    let paths = [(1, Path::Udp(udp)), (2, Path::Tcp(tcp))];
    for (number, path) in paths {
        by_hand.transport(number, CONSENT);
        let mut peer = by_hand.peer_without_path(number);
        peer.add_path(path);
        peer.check(FIRST, true).expect("it leaves");
        by_hand
            .until("the check is taken in", |by_hand| by_hand.look(number).ice.tuples.len() == 1);
    }
    let is_udp = |number| matches!(by_hand.look(number).ice.tuples[..], [Tuple::Udp { .. }]);
    match (is_udp(1), is_udp(2)) {
        (true, false) => Ok(()),
        _ => Err("what came over TCP is of the UDP tuple".to_owned()),
    }
}

/// More waits on a socket than one delivery takes, and nothing more comes.
pub fn res_14_what_one_delivery_leaves_is_read_in_the_next(
    mutant: Option<Mutant>,
) -> Result<(), String> {
    let mut by_hand = ByHand::with(Clock::Manual, mutant);
    let mut peer = by_hand.peer(1, Protocol::Udp);
    for _ in 0..DATAGRAMS {
        peer.send_packet(FIRST, &[0x80]).expect("it leaves");
    }
    // Loopback has delivered them by now.
    for _ in 0..TURNS {
        by_hand.step();
    }
    let read = by_hand.stats().datagrams_received;
    match read == DATAGRAMS {
        true => Ok(()),
        false => Err(format!("{read} of {DATAGRAMS} datagrams are read")),
    }
}

/// The length of a frame in two segments, and then the rest.
pub fn tcp_03_segments_do_not_matter(mutant: Option<Mutant>) -> Result<(), String> {
    let mut by_hand = ByHand::with(Clock::Manual, mutant);
    by_hand.transport(1, CONSENT);
    let mut peer = by_hand.peer(1, Protocol::Tcp);
    let transaction = peer.next_transaction();
    let request = peer.check_request(transaction, &CheckOptions::default(), |request| request);
    let bytes = frame(&request).expect("short enough");
    let mut sent = 0;
    for part in [&bytes[..1], &bytes[1..]] {
        peer.tcp(FIRST).expect("a connection").send_raw(part).expect("it leaves");
        sent += part.len() as u64;
        let deadline = Instant::now() + PATIENCE;
        while by_hand.stats().bytes_received < sent {
            assert!(Instant::now() < deadline, "never: bytes that were sent");
            by_hand.step();
        }
    }
    match by_hand.look(1).ice.tuples.is_empty() {
        true => Err("a check in two segments is not taken in".to_owned()),
        false => Ok(()),
    }
}
