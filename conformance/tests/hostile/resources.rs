//! Limits, what they spare the members, and what a server says about itself.

use crate::support::{BOTH, FIRST, Fixture, PATIENCE, assert_counted, echo, end_of};
use std::time::Duration;
use webrtc_server::lifecycle::Limits;
use webrtc_server::{ListenInfo, WebRtcServer, WebRtcServerOptions};
use webrtc_server_conformance::peer::{
    CheckOptions, DtlsRole, Path, Peer, Protocol, StreamEnd, TcpOptions,
};

const NEVER: Duration = Duration::from_secs(3600);

#[test]
fn res_01_connections_over_the_caps_are_closed_and_members_keep_theirs() {
    let limits = Limits { bind: NEVER, ..Limits::default() };
    let rows = [
        (5, Limits { unbound_connections_max: 5, ..limits.clone() }),
        (6, Limits { unbound_connections_per_source_max: 6, ..limits.clone() }),
        (7, Limits { connections_max: 8, ..limits.clone() }),
        (64, limits),
    ];
    for (room, limits) in rows {
        let fixture = Fixture::with_limits(limits);
        let (member, mut peer) = fixture.pair(Protocol::Tcp);
        let idle: Vec<_> = (0..room).map(|_| fixture.tcp()).collect();
        fixture.await_connections("all of them are there", |now| now.unbound == room);
        for _ in 0..10 {
            let _ = end_of(&mut fixture.tcp());
        }
        let now = fixture.stats();
        let counted = (now.connections_accepted, now.connections_refused);
        assert_eq!(counted, (1 + room as u64, 10), "each counts as one thing");
        echo(&member, &mut peer, FIRST);
        drop(idle);
        fixture.await_connections("there is room again", |now| now.unbound == 0);
        let (late, mut newcomer) = fixture.pair(Protocol::Tcp);
        echo(&late, &mut newcomer, FIRST);
        fixture.end();
    }
}

#[test]
fn res_01_one_stranger_does_not_keep_others_out() {
    let limits = Limits { bind: NEVER, ..Limits::default() };
    let fixture = Fixture::with_limits(limits);
    let idle: Vec<_> = (0..64).map(|_| fixture.tcp()).collect();
    fixture.await_connections("the stranger has its share", |now| now.unbound == 64);
    let _ = end_of(&mut fixture.tcp());
    let local = Some(([127, 0, 0, 2], 0).into());
    let elsewhere = fixture.tcp_with(TcpOptions { local, receive_buffer: None });
    let member = fixture.member();
    let mut peer = member.peer_on(Path::Tcp(elsewhere), DtlsRole::Client);
    peer.connect_via(FIRST, PATIENCE).expect("somebody else gets in");
    drop(idle);
    fixture.end();
}

#[test]
fn res_16_dump_and_stats_show_what_is_there() {
    let fixture = Fixture::new();
    let (member, mut peer) = fixture.pair(Protocol::Tcp);
    let id = member.transport.id();
    let dump = serde_json::to_value(fixture.server.dump().expect("an open server")).expect("plain");
    let port = |protocol| fixture.address(protocol).port();
    let at = |port: u16| serde_json::json!([{ "ip": "127.0.0.1", "port": port }]);
    assert_eq!(dump["udpSockets"], at(port(Protocol::Udp)));
    assert_eq!(dump["tcpServers"], at(port(Protocol::Tcp)));
    assert_eq!(dump["webRtcTransportIds"][1], id);
    let ufrags = dump["localIceUsernameFragments"].as_array().expect("a list");
    let ufrag = member.credentials().ufrag;
    let mine = serde_json::json!({ "localIceUsernameFragment": ufrag, "webRtcTransportId": id });
    assert!(ufrags.len() == 2 && ufrags.contains(&mine));
    assert_eq!((&dump["tuples"], &dump["connections"]["bound"]), (&2.into(), &1.into()));
    let own = serde_json::to_value(member.dump()).expect("plain");
    assert_eq!((&own["iceState"], &own["dtlsState"]), (&"completed".into(), &"connected".into()));
    assert_eq!(own["dtlsLocalRole"], "server");
    let tuple = &own["iceSelectedTuple"];
    let remote = peer.path(FIRST).expect("a path").local_addr().port();
    assert_eq!((&tuple["protocol"], &tuple["remotePort"]), (&"tcp".into(), &remote.into()));
    assert_eq!((&tuple["localPort"], &own["iceTuples"][0]), (&port(Protocol::Tcp).into(), tuple));
    let before = fixture.stats();
    echo(&member, &mut peer, FIRST);
    let now = fixture.stats();
    assert_eq!((now.handshakes_completed, now.connections_accepted), (2, 1));
    assert!(now.bytes_received > before.bytes_received && now.bytes_sent > before.bytes_sent);
    let text = format!("{dump} {own}");
    assert!(!text.contains(&member.credentials().password), "no password in any of it");
    fixture.end();
}

#[test]
fn res_16_a_transport_counts_the_bytes_of_its_peer_and_of_nobody_else() {
    let wrong = CheckOptions { password: Some("a guess".to_owned()), ..CheckOptions::default() };
    for protocol in BOTH {
        let fixture = Fixture::new();
        let (member, mut peer) = fixture.pair(protocol);
        let id = peer.next_transaction();
        let check = peer.check_request(id, &CheckOptions::default(), |request| request);
        // The second is a retransmission, and answered like the first.
        for packet in [&check, &check] {
            peer.send_packet(FIRST, packet).expect("it leaves");
        }
        echo(&member, &mut peer, FIRST);
        assert_eq!(peer.observed().answers_to(id), 2);
        assert_counted(&member, &peer, 0);

        // On its own tuple: the answer is counted, what is refused or of no use is not.
        let id = peer.next_transaction();
        let guess = peer.check_request(id, &wrong, |request| request);
        let ignored = [guess, vec![0x80; 20]];
        for packet in &ignored {
            peer.send_packet(FIRST, packet).expect("it leaves");
        }
        let ignored = ignored.concat().len();
        echo(&member, &mut peer, FIRST);
        assert_counted(&member, &peer, ignored);

        let mut stranger = member.peer(&fixture.server, protocol);
        let guess = stranger.check_with(FIRST, &wrong, |request| request).expect("it leaves");
        stranger
            .await_until("401", PATIENCE, |peer| peer.observed().answer_to(guess).is_some())
            .expect("it is answered");
        for packet in [&check, &peer.sent()[0]] {
            stranger.send_packet(FIRST, packet).expect("it leaves");
        }
        match stranger.path(FIRST).expect("a path") {
            Path::Udp(_) => fixture.udp_barrier(),
            Path::Tcp(path) => assert_eq!(end_of(path), StreamEnd::Fin),
        }
        assert_counted(&member, &peer, ignored);

        peer.send_close_notify(FIRST).expect("connected");
        peer.await_close_notify(PATIENCE).expect("it is answered");
        assert_counted(&member, &peer, ignored);
        fixture.end();
    }
}

#[test]
fn cls_21_a_port_that_is_taken_leaves_nothing_bound() {
    let listen =
        |protocol, port| ListenInfo { port, ..ListenInfo::new(protocol, [127, 0, 0, 1].into()) };
    let fixture = Fixture::new();
    let free = {
        let probe = std::net::UdpSocket::bind("127.0.0.1:0").expect("a free port");
        probe.local_addr().expect("bound").port()
    };
    for taken in fixture.server.listen_infos() {
        let infos = vec![listen(Protocol::Udp, free), listen(taken.protocol, taken.port)];
        let options = WebRtcServerOptions { listen_infos: infos, ..Default::default() };
        let error = WebRtcServer::new(options).expect_err("it is taken");
        assert_eq!(error.name(), "IoError");
        assert!(error.to_string().starts_with("listenInfos[1]"), "{error}");
        drop(std::net::UdpSocket::bind(("127.0.0.1", free)).expect("free again"));
    }
    fixture.end();
}

#[test]
fn res_09_addresses_that_cannot_be_bound_are_errors_of_the_call() {
    let fixture = Fixture::new();
    let on = |ip: &str| ListenInfo::new(Protocol::Udp, ip.parse().expect("an address"));
    let with_size = ListenInfo { send_buffer_size: Some(0x8000_0000), ..on("127.0.0.1") };
    let with_range = ListenInfo {
        port_range: Some(webrtc_server::PortRange { min: 9, max: 8 }),
        ..on("127.0.0.1")
    };
    let rows = [
        (vec![], "TypeError"),
        (vec![on("192.0.2.1")], "IoError"),
        (vec![on("127.0.0.1"), on("2001:db8::1")], "IoError"),
        (vec![on("127.0.0.1"), with_size], "TypeError"),
        (vec![with_range], "TypeError"),
        (vec![on("127.0.0.1"); 2000], "TypeError"),
    ];
    for (listen_infos, name) in rows {
        let options = WebRtcServerOptions { listen_infos, ..Default::default() };
        let error = WebRtcServer::new(options).expect_err("it cannot be bound");
        assert_eq!(error.name(), name, "{error}");
    }
    let options =
        WebRtcServerOptions { listen_infos: vec![on("127.0.0.1"); 64], ..Default::default() };
    let many = WebRtcServer::new(options).expect("no cap of eight");
    assert_eq!(many.dump().expect("an open server").udp_sockets.len(), 64);
    many.close().wait().expect("not a worker");
    fixture.end();
}

#[test]
fn dtl_26_bad_certificates_are_errors_before_anything_is_bound() {
    use webrtc_server::Certificate;
    let key = openssl::pkey::PKey::generate_ed25519().expect("a key");
    let ed25519 = key.private_key_to_pem_pkcs8().expect("PEM");
    let small = openssl::rsa::Rsa::generate(1024).expect("a key");
    let small = openssl::pkey::PKey::from_rsa(small).expect("a key");
    let small = small.private_key_to_pem_pkcs8().expect("PEM");
    for (certificate, key) in [(&b""[..], &b""[..]), (b"no PEM", &ed25519), (b"", &small)] {
        Certificate::from_pem(certificate, key).expect_err("no pair");
    }
    for path in ["/nonexistent", "/tmp"] {
        Certificate::from_pem_files(path, path).expect_err("no files");
    }
    Fixture::new().end();
}

/// The peer is gone before its answer: nothing waits longer for it than the deadline of an answer.
#[test]
fn cls_04_a_peer_that_never_answers_is_reported_as_sent() {
    use webrtc_server::lifecycle::Outcome;
    for protocol in BOTH {
        let fixture = Fixture::new();
        let (member, peer): (_, Peer) = fixture.pair(protocol);
        let closed = member.transport.close().wait().expect("not a worker");
        let wanted = match protocol {
            Protocol::Udp => Outcome::Sent,
            Protocol::Tcp => Outcome::Confirmed, // by the kernel of a peer that sleeps
        };
        assert_eq!(closed.outcome, wanted);
        drop(peer);
        fixture.end();
    }
}

#[test]
fn n2_a_flood_of_noise_on_every_path_ends_nothing() {
    let fixture = Fixture::new();
    let (member, mut peer) = fixture.pair(Protocol::Tcp);
    let second = peer.add_path(Path::Udp(fixture.udp()));
    peer.await_check(second, false, PATIENCE).expect("granted");
    let mut state = 0x9E37_79B9_u32;
    let mut byte = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 24) as u8
    };
    let stranger = fixture.udp();
    for round in 0..2000 {
        let packet: Vec<u8> = (0..1 + round % 200).map(|_| byte()).collect();
        peer.send_packet(FIRST, &packet).expect("it leaves");
        peer.send_packet(second, &packet).expect("it leaves");
        stranger.send(&packet).expect("it leaves");
        if round % 50 == 0 {
            fixture.udp_barrier();
        }
    }
    peer.await_check(FIRST, true, PATIENCE).expect("granted");
    echo(&member, &mut peer, FIRST);
    fixture.end();
}

/// Runs the test below in a process of its own that may have few descriptors.
#[test]
fn res_02_a_server_without_descriptors_serves_its_members_and_recovers() {
    let script = "ulimit -n 80 && exec \"$0\" --exact resources::without_descriptors --ignored";
    let output = std::process::Command::new("sh")
        .args(["-c", script])
        .arg(std::env::current_exe().expect("this test"))
        .env(LIMITED, "1")
        .output()
        .expect("a shell");
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && text.contains("1 passed"), "{text}");
}

const LIMITED: &str = "HOSTILE_TEST_HAS_FEW_DESCRIPTORS";

#[test]
#[ignore = "run by res_02, with few descriptors"]
fn without_descriptors() {
    assert!(std::env::var_os(LIMITED).is_some(), "res_02 runs it");
    let fixture = Fixture::with_limits(Limits { bind: NEVER, ..Limits::default() });
    let (member, mut peer) = fixture.pair(Protocol::Tcp);
    let clients: Vec<_> = (0..5)
        .map(|_| socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None))
        .collect::<Result<_, _>>()
        .expect("descriptors are left");
    let fillers: Vec<_> = std::iter::from_fn(|| std::fs::File::open("/dev/null").ok()).collect();
    let before = fixture.stats().accept_errors;
    for client in &clients {
        client.connect(&fixture.address(Protocol::Tcp).into()).expect("the kernel accepts");
    }
    fixture.await_stats("none can be accepted", |now| now.accept_errors > before);
    echo(&member, &mut peer, FIRST);
    fixture.assert_bystander_unharmed();
    let errors = fixture.stats().accept_errors;
    assert!(errors < before + 100, "it does not try in a loop: {errors}");
    drop(fillers);
    fixture.await_connections("all of them are accepted now", |now| now.unbound == 5);
    fixture.end();
}
