//! Strangers and members that misuse a TCP connection.

use crate::support::{FIRST, Fixture, PATIENCE, await_end, echo, end_of, eventually, sealed};
use std::time::Duration;
use webrtc_server::lifecycle::Limits;
use webrtc_server::wire::framing::frame;
use webrtc_server_conformance::peer::{
    CheckOptions, Delivery, DtlsRole, Path, Peer, Protocol, StreamEnd, TcpOptions, Via,
};

/// Nobody has to wait for a stranger to be thrown out.
fn impatient() -> Fixture {
    Fixture::with_limits(Limits { bind: Duration::from_millis(50), ..Limits::default() })
}

fn check_of(peer: &mut Peer) -> Vec<u8> {
    let id = peer.next_transaction();
    let options = CheckOptions { nominate: true, ..CheckOptions::default() };
    peer.check_request(id, &options, |request| request)
}

/// Raw bytes on a path of a peer.
fn write(peer: &mut Peer, via: Via, bytes: &[u8]) {
    peer.tcp(via).expect("a connection").send_raw(bytes).expect("it leaves");
}

/// Opens another connection of the same peer.
fn another(fixture: &Fixture, peer: &mut Peer) -> Via {
    peer.add_path(Path::Tcp(fixture.tcp()))
}

#[test]
fn tcp_04_empty_frames_are_passed_over() {
    let fixture = Fixture::new();
    let member = fixture.member();
    let mut peer = member.peer(&fixture.server, Protocol::Tcp);
    // Of a stranger a few, of a member as many as it likes.
    write(&mut peer, FIRST, &[0; 20]);
    peer.await_check(FIRST, true, PATIENCE).expect("the check behind them is granted");
    write(&mut peer, FIRST, &[0; 2000]);
    peer.await_check(FIRST, true, PATIENCE).expect("the check behind them is granted");
    assert_eq!(peer.end(FIRST).expect("a path"), StreamEnd::Open);
    fixture.end();
}

#[test]
fn tcp_05_the_longest_frame_is_read_and_judged() {
    let fixture = Fixture::new();
    let (member, mut peer) = fixture.pair(Protocol::Tcp);
    let before = fixture.stats().datagrams_dropped;
    for length in [65_534, 65_535] {
        write(&mut peer, FIRST, &frame(&vec![0xFF; length]).expect("short enough"));
    }
    peer.await_check(FIRST, true, PATIENCE).expect("the connection is alive");
    assert_eq!(fixture.stats().datagrams_dropped, before + 2);
    echo(&member, &mut peer, FIRST);
    fixture.end();
}

#[test]
fn tcp_06_a_stranger_that_sends_anything_else_is_closed() {
    // Not by the deadline.
    let bind = Duration::from_secs(3600);
    let fixture = Fixture::with_limits(Limits { bind, ..Limits::default() });
    let member = fixture.member();
    let mut peer = member.peer(&fixture.server, Protocol::Udp);
    let unframed = check_of(&mut peer);
    let mut damaged = unframed.clone();
    damaged[30] ^= 1;
    let hello = {
        peer.start_handshake(FIRST).expect("a ClientHello");
        peer.sent()[0].clone()
    };
    let indication = {
        use webrtc_server::wire::stun::{Class, MessageBuilder, Method, TransactionId};
        MessageBuilder::new(Class::Indication, Method::Binding, TransactionId([1; 12]))
            .username(&format!("{}:x", peer.credentials().ufrag))
            .fingerprint()
    };
    let of_frame = |bytes: &[u8]| frame(bytes).expect("short enough");
    let streams = [
        ("DTLS", of_frame(&hello)),
        ("media", of_frame(&[0x80; 100])),
        ("noise", of_frame(&[0xFF; 65_535])),
        ("HTTP", b"GET / HTTP/1.1\r\n\r\n".repeat(2000)),
        ("a damaged check", of_frame(&damaged)),
        ("STUN without a frame", unframed.clone()),
        ("an indication", of_frame(&indication)),
        ("a length that no check has", vec![0xFF, 0xFF]),
        ("a first byte that no check has", vec![0, 100, 22]),
        ("empty frames", vec![0; 100]),
    ];
    for (what, stream) in streams {
        let mut path = fixture.tcp();
        path.send_raw(&stream).expect("it leaves");
        println!("{what}");
        // The kernel resets what is closed with bytes unread; either end is one.
        let _ = end_of(&mut path);
    }
    fixture.await_connections("none is left", |now| (now.unbound, now.lingering) == (0, 0));
    assert!(member.dump().tuples.is_empty());
    fixture.end();
}

#[test]
fn tcp_07_who_binds_nothing_is_closed_in_time() {
    let fixture = impatient();
    let (member, mut peer) = fixture.pair(Protocol::Tcp);
    let streams: [&[u8]; 4] = [b"", &[0], &[1, 0, 1, 2], &[0; 20]];
    for stream in streams {
        let mut path = fixture.tcp();
        path.send_raw(stream).expect("it leaves");
        assert_eq!(end_of(&mut path), StreamEnd::Fin, "{stream:?}");
    }
    fixture.await_connections("the member's is left", |now| {
        (now.unbound, now.bound, now.lingering) == (0, 1, 0)
    });
    echo(&member, &mut peer, FIRST);
    fixture.end();
}

/// A close_notify as a frame, not sent yet.
fn goodbye(peer: &mut Peer) -> Vec<u8> {
    let datagrams = sealed(peer, |peer, nowhere| {
        peer.send_close_notify(nowhere).expect("connected");
    });
    assert_eq!(datagrams.len(), 1);
    frame(&datagrams[0]).expect("short enough")
}

#[test]
fn tcp_09_what_came_before_a_fin_counts_first() {
    let fixture = Fixture::new();
    let (member, mut peer) = fixture.pair(Protocol::Tcp);
    member.forget();
    let alert = goodbye(&mut peer);
    write(&mut peer, FIRST, &alert);
    peer.tcp(FIRST).expect("a connection").finish().expect("a FIN");
    member.await_event("ice Disconnected");
    assert_eq!(member.heard(), ["dtls Closed CloseNotify", "no tuple", "ice Disconnected"]);
    assert_eq!(await_end(&mut peer), StreamEnd::Fin);
    peer.collect().expect("a socket");
    assert_eq!(peer.observed().close_notifies, [FIRST], "one reply");
    assert_eq!(fixture.stats().frames_cut, 0);
    let dump = fixture.server.dump().expect("an open server");
    assert_eq!((dump.tuples, dump.connections.bound), (1, 0), "the bystander's");
    fixture.end();
}

#[test]
fn tcp_20_nothing_of_a_read_counts_behind_its_goodbye() {
    let fixture = Fixture::new();
    let (member, mut peer) = fixture.pair(Protocol::Tcp);
    member.forget();
    let data = sealed(&mut peer, |peer, nowhere| {
        peer.send_data(nowhere, b"before").expect("connected");
        peer.send_data(nowhere, b"behind").expect("connected");
    });
    let [before, behind] = [&data[0], &data[1]].map(|one| frame(one).expect("short enough"));
    let alert = goodbye(&mut peer);
    write(&mut peer, FIRST, &[before, alert, behind].concat());
    peer.await_close_notify(PATIENCE).expect("the reply");
    peer.await_check(FIRST, true, PATIENCE).expect("ICE is as it was");
    assert_eq!(member.heard(), ["data before", "dtls Closed CloseNotify"]);
    fixture.end();
}

#[test]
fn tcp_10_a_fin_inside_a_frame_is_a_mere_disconnection() {
    let fixture = Fixture::new();
    let whole = frame(&[0x80; 20]).expect("short enough");
    for cut in 1..whole.len() {
        let (member, mut peer) = fixture.pair(Protocol::Tcp);
        member.forget();
        write(&mut peer, FIRST, &whole[..cut]);
        peer.tcp(FIRST).expect("a connection").finish().expect("a FIN");
        member.await_event("ice Disconnected");
        assert_eq!(member.heard(), ["no tuple", "ice Disconnected"], "cut at {cut}");
        assert_eq!(await_end(&mut peer), StreamEnd::Fin);
        assert_eq!(fixture.stats().frames_cut, cut as u64);
        member.transport.close().wait().expect("not a worker");
    }
    fixture.end();
}

#[test]
fn tcp_11_another_valid_tuple_takes_over() {
    let fixture = Fixture::new();
    let (member, mut peer) = fixture.pair(Protocol::Tcp);
    let second = another(&fixture, &mut peer);
    peer.await_check(second, false, PATIENCE).expect("granted");
    let third = peer.add_path(Path::Udp(fixture.udp()));
    peer.await_check(third, false, PATIENCE).expect("granted");
    member.forget();
    peer.tcp(FIRST).expect("a connection").finish().expect("a FIN");
    let port = |peer: &mut Peer, via| peer.path(via).expect("a path").local_addr().port();
    let wanted = format!("tuple {}", port(&mut peer, third));
    member.await_event(&wanted);
    echo(&member, &mut peer, third);
    assert_eq!(member.heard(), [wanted.as_str(), "data to the server"], "and nothing else");
    // One that is not selected goes without a word.
    peer.tcp(second).expect("a connection").reset().expect("a RST");
    eventually("it is gone", || member.dump().tuples.len() == 1);
    assert_eq!(member.heard().len(), 2);
    fixture.end();
}

#[test]
fn tcp_12_who_reconnects_goes_on_with_the_same_association() {
    for reset in [false, true] {
        let fixture = Fixture::new();
        let member = fixture.member();
        // An address of its own, so that no other test takes the port in between.
        let local = Some(([127, 0, 0, 12], 0).into());
        let path = fixture.tcp_with(TcpOptions { local, receive_buffer: None });
        let port = path.local_addr();
        let mut peer = member.peer_on(Path::Tcp(path), DtlsRole::Client);
        peer.connect_via(FIRST, PATIENCE).expect("ICE and DTLS connect");
        let connection = peer.tcp(FIRST).expect("a connection");
        match reset {
            true => connection.reset().expect("a RST"),
            false => connection.finish().expect("a FIN"),
        }
        member.await_event("ice Disconnected");
        assert!(member.transport.send(b"nowhere").is_err(), "a soft failure");
        // After a RST even the same port is free, and yet it is another tuple.
        let local = reset.then_some(port);
        let again = fixture.tcp_with(TcpOptions { local, ..TcpOptions::default() });
        let again = peer.add_path(Path::Tcp(again));
        member.forget();
        peer.await_check(again, true, PATIENCE).expect("granted");
        member.await_event("ice Completed");
        echo(&member, &mut peer, again);
        let dtls: Vec<_> = member.heard().into_iter().filter(|e| e.contains("dtls")).collect();
        assert_eq!(dtls, [""; 0], "no handshake");
        fixture.end();
    }
}

#[test]
fn tcp_14_a_reset_under_traffic_ends_one_path() {
    let fixture = Fixture::new();
    for _ in 0..20 {
        let (member, mut peer) = fixture.pair(Protocol::Tcp);
        peer.pause(FIRST).expect("a path");
        for _ in 0..100 {
            member.transport.post(&[7; 1000]).expect("an open server");
        }
        write(&mut peer, FIRST, &[0, 9, 1]);
        peer.tcp(FIRST).expect("a connection").reset().expect("a RST");
        member.await_event("ice Disconnected");
        for _ in 0..10 {
            member.transport.post(&[7; 1000]).expect("an open server");
        }
        assert!(member.dump().tuples.is_empty());
    }
    let counts = fixture.connections();
    assert_eq!((counts.unbound, counts.bound, counts.lingering), (0, 0, 0));
    fixture.end();
}

#[test]
fn tcp_19_connections_that_are_reset_before_their_first_use_are_dropped_quietly() {
    let fixture = Fixture::new();
    let before = fixture.stats();
    for round in 0..300 {
        let mut path = fixture.tcp();
        if round % 3 == 0 {
            path.send_raw(&[0, 5, 1]).expect("it leaves");
        }
        path.reset().expect("a RST");
    }
    // Until then this address may have as many unbound connections as one source gets.
    fixture.await_stats("all were accepted, or one too many", |now| {
        now.connections_accepted + now.connections_refused >= 300
    });
    fixture.await_connections("and forgotten", |now| now.unbound == 0);
    let (member, mut peer) = fixture.pair(Protocol::Tcp);
    fixture.await_connections("the member's is left", |now| {
        (now.unbound, now.bound, now.lingering) == (0, 1, 0)
    });
    assert_eq!(fixture.stats().accept_errors, before.accept_errors);
    echo(&member, &mut peer, FIRST);
    fixture.end();
}

#[test]
fn tcp_18_nothing_is_left_of_many_connections() {
    let fixture = impatient();
    let mut paths = Vec::new();
    for round in 0..60 {
        let member = fixture.member();
        let mut peer = member.peer(&fixture.server, Protocol::Tcp);
        peer.await_check(FIRST, true, PATIENCE).expect("granted");
        match round % 4 {
            0 => drop(peer.tcp(FIRST).expect("a connection").finish()),
            1 => peer.tcp(FIRST).expect("a connection").reset().expect("a RST"),
            2 => peer.tcp(FIRST).expect("a connection").close(),
            _ => paths.push(fixture.tcp()), // and the member's stays open
        }
        member.transport.close().wait().expect("not a worker");
        paths.extend((round % 4 == 0).then(|| fixture.tcp()));
    }
    // Whether or not the peers have closed their ends.
    fixture.await_connections("none is left", |now| now == Default::default());
    fixture.end();
}

/// A handshake and data, each byte in a segment of its own, with a flight in two frames of one segment in between.
#[test]
fn tcp_03_segments_do_not_matter() {
    let fixture = Fixture::new();
    let member = fixture.member();
    let mut peer = member.peer(&fixture.server, Protocol::Tcp);
    let check = frame(&check_of(&mut peer)).expect("short enough");
    for byte in &check {
        write(&mut peer, FIRST, &[*byte]);
    }
    member.await_event("ice Completed");
    peer.start_handshake(FIRST).expect("a ClientHello");
    while !peer.is_connected() {
        peer.await_readable(PATIENCE).expect("the server answers");
        peer.collect().expect("a socket");
        peer.flush_as(FIRST, Delivery::AsIs).expect("it leaves");
    }
    member.await_event("dtls Connected");
    let data = sealed(&mut peer, |peer, nowhere| {
        peer.send_data(nowhere, b"one").expect("connected");
        peer.send_data(nowhere, b"two").expect("connected");
    });
    let stream: Vec<u8> =
        data.iter().flat_map(|datagram| frame(datagram).expect("short enough")).collect();
    write(&mut peer, FIRST, &stream[..1]);
    peer.tcp(FIRST).expect("a connection").await_acknowledged(PATIENCE).expect("it arrives");
    write(&mut peer, FIRST, &stream[1..stream.len() - 1]);
    member.await_event("data one");
    write(&mut peer, FIRST, &stream[stream.len() - 1..]);
    member.await_event("data two");
    fixture.end();
}

/// A connection that was taken over keeps nothing of what its former transport had queued.
#[test]
fn n3_a_frame_that_was_begun_ends_before_another_transport_speaks() {
    let fixture = Fixture::new();
    let (member, mut peer) = fixture.pair(Protocol::Tcp);
    let heir = fixture.member();
    peer.pause(FIRST).expect("a path");
    let before = fixture.stats().frames_dropped;
    while fixture.stats().frames_dropped == before {
        for _ in 0..50 {
            member.transport.post(&[7; 1200]).expect("an open server");
        }
    }
    peer.set_credentials(heir.credentials());
    let id = peer.check(FIRST, true).expect("it leaves");
    heir.await_event("dtls Connecting");
    peer.resume(FIRST).expect("a path");
    peer.await_until("an answer", PATIENCE, |peer| peer.observed().answer_to(id).is_some())
        .expect("the stream is still made of frames");
    assert_eq!((peer.observed().malformed, member.dump().tuples.len()), (0, 0));
    assert_eq!(heir.dump().tuples.len(), 1);
    fixture.end();
}
