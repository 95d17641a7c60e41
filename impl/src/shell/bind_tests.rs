use super::*;
use crate::parameters::ListenFlags;
use std::net::{IpAddr, TcpStream};

const V4: &str = "127.0.0.1";
const V6: &str = "::1";
const PROTOCOLS: [Protocol; 2] = [Protocol::Udp, Protocol::Tcp];

fn info(protocol: Protocol, ip: &str) -> ListenInfo {
    ListenInfo::new(protocol, ip.parse::<IpAddr>().expect("an address"))
}

fn at(protocol: Protocol, port: u16) -> ListenInfo {
    ListenInfo { port, ..info(protocol, V4) }
}

fn within(protocol: Protocol, min: u16, max: u16) -> ListenInfo {
    ListenInfo { port_range: Some(PortRange { min, max }), ..info(protocol, V4) }
}

/// A port that was free a moment ago, below the range from which the system itself chooses, so that no other test
/// of this process gets it meanwhile.
fn free_ports(protocol: Protocol, count: u16) -> u16 {
    (0..100)
        .map(|_| random_from(PortRange { min: 10_000, max: 30_000 }).expect("a random number"))
        .find(|first| {
            let all: Vec<_> = (*first..first + count).map(|port| at(protocol, port)).collect();
            bind(&all).is_ok()
        })
        .expect("some ports are free")
}

fn reason(result: Result<Vec<Bound>, BindError>) -> (usize, BindFailure) {
    let error = result.expect_err("it cannot be had");
    (error.index, error.reason)
}

fn is_in_use(failure: &BindFailure) -> bool {
    matches!(failure, BindFailure::Io { step: "bind", source }
        if source.kind() == io::ErrorKind::AddrInUse)
}

#[test]
fn res_09_udp_and_tcp_over_both_ip_versions_get_ports_of_the_system() {
    for count in [1, 9, 64] {
        let kinds = [(Protocol::Udp, V4), (Protocol::Tcp, V4), (Protocol::Udp, V6)];
        let kinds = kinds.into_iter().chain([(Protocol::Tcp, V6)]);
        let infos: Vec<_> = kinds.cycle().take(count).map(|(p, ip)| info(p, ip)).collect();
        let bound = bind(&infos).expect("there are enough ports");
        assert_eq!(bound.len(), count);
        for (one, asked) in bound.iter().zip(&infos) {
            assert_ne!(one.info.port, 0);
            assert_eq!(ListenInfo { port: 0, ..one.info.clone() }, *asked);
        }
    }
}

#[test]
fn res_10_a_fixed_port_is_bound_and_reusable_at_once() {
    for protocol in PROTOCOLS {
        let port = free_ports(protocol, 1);
        for _ in 0..50 {
            let bound = bind(&[at(protocol, port)]).expect("the port is free");
            assert_eq!(bound[0].info.port, port);
        }
    }
}

/// A connection that the server closed first keeps the port in TIME_WAIT.
#[test]
fn cls_20_a_tcp_port_with_closed_connections_binds_again_at_once() {
    let port = free_ports(Protocol::Tcp, 1);
    for _ in 0..3 {
        let bound = bind(&[at(Protocol::Tcp, port)]).expect("TIME_WAIT does not matter");
        let BoundCarrier::Tcp(listener) = &bound[0].carrier else { panic!("a listener") };
        let client = TcpStream::connect((V4, port)).expect("it listens");
        listener.set_nonblocking(false).expect("a test may block");
        drop(listener.accept().expect("the client"));
        drop(client);
    }
}

#[test]
fn f_59_the_same_port_twice_is_refused_at_its_index_and_both_are_free_again() {
    for protocol in PROTOCOLS {
        let port = free_ports(protocol, 1);
        let (index, failure) = reason(bind(&[at(protocol, port), at(protocol, port)]));
        assert!(index == 1 && is_in_use(&failure), "{index} {failure:?}");
        let _bound = bind(&[at(protocol, port)]).expect("rolled back");
        let (index, failure) = reason(bind(&[at(protocol, port)]));
        assert!(index == 0 && is_in_use(&failure), "{index} {failure:?}");
    }
}

#[test]
fn f_60_cls_21_a_failure_at_any_index_frees_what_was_bound_before() {
    let first = free_ports(Protocol::Udp, 3);
    let bad = [
        info(Protocol::Udp, "1.2.3.4"),
        info(Protocol::Tcp, "1.2.3.4"),
        ListenInfo { recv_buffer_size: Some(0x8000_0000), ..info(Protocol::Udp, V4) },
        within(Protocol::Udp, 2, 1),
    ];
    for bad in bad {
        for index in 0..=3 {
            let mut infos: Vec<_> =
                (first..first + 3).map(|port| at(Protocol::Udp, port)).collect();
            infos.insert(index, bad.clone());
            let error = bind(&infos).expect_err("one of them cannot be had");
            assert_eq!((error.index, &*error.listen_info), (index, &bad));
            infos.remove(index);
            bind(&infos).expect("rolled back");
        }
    }
}

#[test]
fn f_60_an_address_of_another_host_names_itself_in_the_error() {
    let error = bind(&[at(Protocol::Udp, 0), info(Protocol::Udp, "1.2.3.4")]).expect_err("not us");
    let text = error.to_string();
    assert!(text.contains("listenInfos[1]") && text.contains("udp 1.2.3.4"), "{text}");
    assert!(matches!(&error.reason, BindFailure::Io { step: "bind", source }
        if source.kind() == io::ErrorKind::AddrNotAvailable));
    let in_a_range =
        ListenInfo { ip: error.listen_info.ip, ..within(Protocol::Udp, 20_000, 20_100) };
    assert!(matches!(reason(bind(&[in_a_range])), (0, BindFailure::Io { .. })));
}

#[test]
fn res_10_a_range_gives_each_port_once_and_then_says_that_it_is_exhausted() {
    for protocol in PROTOCOLS {
        let first = free_ports(protocol, 2);
        let range = within(protocol, first, first + 1);
        let mut bound: Vec<Bound> = Vec::new();
        for _ in 0..2 {
            bound.extend(bind(std::slice::from_ref(&range)).expect("a port is left"));
        }
        let mut ports: Vec<_> = bound.iter().map(|one| one.info.port).collect();
        ports.sort_unstable();
        assert_eq!(ports, [first, first + 1]);
        let (index, failure) = reason(bind(std::slice::from_ref(&range)));
        assert!(matches!(failure, BindFailure::PortRangeExhausted { .. }) && index == 0);
        let freed = bound.pop().expect("two").info.port;
        let again = bind(&[range]).expect("one is free again");
        assert_eq!(again[0].info.port, freed);
    }
}

#[test]
fn f_61_ranges_must_not_be_empty() {
    for (min, max) in [(2, 1), (0, 1), (40_000, 39_999)] {
        let (_, failure) = reason(bind(&[within(Protocol::Udp, min, max)]));
        assert!(matches!(failure, BindFailure::PortRange(PortRange { min: m, max: n })
            if (m, n) == (min, max)));
    }
    let port = free_ports(Protocol::Udp, 1);
    let bound = bind(&[within(Protocol::Udp, port, port)]).expect("min may equal max");
    assert_eq!(bound[0].info.port, port);
    let absent = bind(&[within(Protocol::Udp, 0, 0)]).expect("0 and 0 count as absent");
    assert_ne!(absent[0].info.port, 0);
}

#[test]
fn res_10_a_fixed_port_makes_the_range_void() {
    let port = free_ports(Protocol::Udp, 1);
    let both = ListenInfo { port, ..within(Protocol::Udp, 2, 1) };
    assert_eq!(bind(&[both]).expect("the port is free")[0].info.port, port);
}

/// With the flag IPv4 has the port to itself; without it the IPv6 socket has taken it.
#[test]
fn res_11_ipv6_only_is_honoured() {
    for protocol in PROTOCOLS {
        for ipv6_only in [true, false] {
            let mut v6 = info(protocol, "::");
            v6.flags = ListenFlags { ipv6_only, ..ListenFlags::default() };
            let bound = bind(&[v6]).expect("there is IPv6 here");
            let mut v4 = info(protocol, "0.0.0.0");
            v4.port = bound[0].info.port;
            assert_eq!(bind(&[v4]).is_ok(), ipv6_only, "{protocol}");
        }
    }
}

#[test]
#[cfg(target_os = "linux")]
fn res_11_udp_reuse_port_lets_two_sockets_share_a_port_and_tcp_ignores_it() {
    let share = ListenFlags { udp_reuse_port: true, ipv6_only: true };
    for protocol in PROTOCOLS {
        let first = ListenInfo { flags: share, ..info(protocol, V4) };
        let bound = bind(&[first]).expect("an IPv4 socket ignores ipv6Only");
        let second = bound[0].info.clone();
        let shared = bind(&[second]);
        assert_eq!(shared.is_ok(), protocol == Protocol::Udp, "{shared:?}");
    }
}

#[test]
fn res_12_buffer_sizes_are_applied_and_readable() {
    for protocol in PROTOCOLS {
        let mut asked = info(protocol, V4);
        (asked.send_buffer_size, asked.recv_buffer_size) = (Some(20_000), Some(30_000));
        let bound = bind(&[asked]).expect("modest sizes");
        let socket = match &bound[0].carrier {
            BoundCarrier::Udp(socket) => socket2::SockRef::from(socket),
            BoundCarrier::Tcp(listener) => socket2::SockRef::from(listener),
        };
        // Linux doubles them for its own bookkeeping (socket(7)).
        assert_eq!(socket.send_buffer_size().expect("readable") % 20_000, 0);
        assert_eq!(socket.recv_buffer_size().expect("readable") % 30_000, 0);
    }
}

#[test]
fn res_12_an_impossible_buffer_size_fails() {
    for bytes in [0x8000_0000, u32::MAX] {
        let send = ListenInfo { send_buffer_size: Some(bytes), ..info(Protocol::Tcp, V4) };
        let receive = ListenInfo { recv_buffer_size: Some(bytes), ..info(Protocol::Udp, V4) };
        for bad in [send, receive] {
            assert!(matches!(reason(bind(&[bad])), (0, BindFailure::BufferSize(b)) if b == bytes));
        }
    }
    let zero = ListenInfo { send_buffer_size: Some(0), ..info(Protocol::Udp, V4) };
    bind(&[zero]).expect("0 counts as absent");
}

#[test]
fn res_10_sockets_do_not_block() {
    for one in bind(&[info(Protocol::Udp, V4), info(Protocol::Tcp, V4)]).expect("free ports") {
        let error = match one.carrier {
            BoundCarrier::Udp(socket) => socket.recv(&mut [0]).map(drop).expect_err("no datagram"),
            BoundCarrier::Tcp(listener) => listener.accept().map(drop).expect_err("no connection"),
        };
        assert_eq!(error.kind(), io::ErrorKind::WouldBlock);
    }
}

fn local(bound: &Bound) -> SocketAddr {
    match &bound.carrier {
        BoundCarrier::Udp(socket) => socket.local_addr(),
        BoundCarrier::Tcp(listener) => listener.local_addr(),
    }
    .expect("it is bound")
}

#[test]
fn dmx_13_every_worker_has_the_same_addresses_and_nobody_else_has_them() {
    for sharing in [Sharing::default(), Sharing::FirstReceives] {
        let infos = PROTOCOLS.map(|protocol| at(protocol, free_ports(protocol, 1)));
        let all = bind_for(&infos, 4, sharing).expect("free ports");
        assert_eq!(all.len(), 4);
        for bound in &all {
            let at: Vec<_> = bound.iter().map(local).collect();
            assert_eq!(at, all[0].iter().map(local).collect::<Vec<_>>());
            assert!(bound.iter().all(|one| local(one).port() == one.info.port));
        }
        for bound in &all[0] {
            let error = bind(std::slice::from_ref(&bound.info)).expect_err("it is taken");
            assert!(matches!(error.reason, BindFailure::Io { .. }), "{error}");
        }
        drop(all);
        bind_for(&infos, 2, sharing).expect("free again, at once");
    }
}

#[test]
#[cfg(target_os = "linux")]
fn dmx_13_the_kernel_spreads_the_peers_among_the_workers() {
    let infos = [info(Protocol::Udp, V4)];
    let all = bind_for(&infos, 2, Sharing::OwnSockets).expect("free ports");
    let peers: Vec<_> = (0..64)
        .map(|_| {
            let peer = UdpSocket::bind("127.0.0.1:0").expect("a free port");
            peer.send_to(b"x", local(&all[0][0])).expect("localhost");
            peer
        })
        .collect();
    let count = |bound: &Bound| {
        let BoundCarrier::Udp(socket) = &bound.carrier else { panic!("it is UDP") };
        std::iter::from_fn(|| socket.recv_from(&mut [0; 1]).ok()).count()
    };
    let [first, second] = [count(&all[0][0]), count(&all[1][0])];
    assert!(first > 0 && second > 0 && first + second == peers.len(), "{first}, {second}");
}
