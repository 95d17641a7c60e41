use super::*;
use quickcheck::quickcheck;

fn info(protocol: Protocol, ip: &str, announced: Option<&str>, expose: bool) -> ListenInfo {
    ListenInfo {
        announced_address: announced.map(str::to_owned),
        expose_internal_ip: expose,
        port: 4000,
        ..ListenInfo::new(protocol, ip.parse().expect("an address"))
    }
}

fn addresses(candidates: &[IceCandidate]) -> Vec<(&str, Protocol)> {
    candidates.iter().map(|one| (one.address.as_str(), one.protocol)).collect()
}

fn golden_listen_infos() -> Vec<ListenInfo> {
    vec![
        info(Protocol::Udp, "127.0.0.1", Some("9.9.9.1"), true),
        info(Protocol::Tcp, "127.0.0.1", Some("foo1.bar.org"), true),
        info(Protocol::Udp, "0.0.0.0", Some("foo2.bar.org"), false),
        info(Protocol::Tcp, "127.0.0.1", None, false),
        // Without an announced address there is nothing beside which the IP could be exposed.
        info(Protocol::Udp, "127.0.0.1", None, true),
    ]
}

/// The listen infos and the order of mediasoup's `create succeeds` (test-WebRtcTransport.ts): 7 candidates.
#[test]
fn res_13_candidates_are_those_of_mediasoups_own_test() {
    let found = candidates(&golden_listen_infos(), CandidateFilter::default());
    assert_eq!(
        addresses(&found),
        [
            ("9.9.9.1", Protocol::Udp),
            ("127.0.0.1", Protocol::Udp),
            ("foo1.bar.org", Protocol::Tcp),
            ("127.0.0.1", Protocol::Tcp),
            ("foo2.bar.org", Protocol::Udp),
            ("127.0.0.1", Protocol::Tcp),
            ("127.0.0.1", Protocol::Udp),
        ]
    );
    for one in &found {
        assert_eq!((one.ip.as_str(), one.port), (one.address.as_str(), 4000));
        assert_eq!(one.tcp_type.is_some(), one.protocol == Protocol::Tcp);
    }
}

#[test]
fn stn_28_priorities_are_mediasoups() {
    let found = candidates(&golden_listen_infos(), CandidateFilter::default());
    let preferences: Vec<u32> = found.iter().map(|one| (one.priority >> 8) & 0xFFFF).collect();
    assert_eq!(preferences, [10_000, 9_000, 9_900, 8_900, 9_800, 9_700, 9_600]);
    assert!(found.iter().all(|one| one.priority >> 24 == 64 && one.priority & 0xFF == 255));
    // By hand: 64 * 2^24 + 10000 * 2^8 + 255.
    assert_eq!(found[0].priority, 1_076_302_079);
}

#[test]
fn stn_28_a_preferred_protocol_rises_by_1000() {
    let infos = golden_listen_infos();
    let plain = candidates(&infos, CandidateFilter::default());
    let filter = CandidateFilter { prefer_tcp: true, ..CandidateFilter::default() };
    let preferred = candidates(&infos, filter);
    for (before, after) in plain.iter().zip(&preferred) {
        let rise = if before.protocol == Protocol::Tcp { 1000 << 8 } else { 0 };
        assert_eq!(after.priority, before.priority + rise, "{before:?}");
    }
}

#[test]
fn stn_28_disabled_protocols_are_left_out_and_keep_the_preference_of_the_others() {
    let infos = golden_listen_infos();
    let only_tcp = CandidateFilter { enable_udp: false, ..CandidateFilter::default() };
    let found = candidates(&infos, only_tcp);
    assert!(found.iter().all(|one| one.protocol == Protocol::Tcp));
    assert_eq!((found[0].priority >> 8) & 0xFFFF, 9_900);
    let none = CandidateFilter { enable_tcp: false, ..only_tcp };
    assert!(candidates(&infos, none).is_empty());
}

#[test]
fn stn_29_foundations_differ_by_local_address_and_protocol() {
    let found = candidates(&golden_listen_infos(), CandidateFilter::default());
    let foundations: Vec<&str> = found.iter().map(|one| one.foundation.as_str()).collect();
    assert_eq!(
        foundations,
        [
            "udpcandidate0",
            "udpcandidate0",
            "tcpcandidate0",
            "tcpcandidate0",
            "udpcandidate1",
            "tcpcandidate0",
            "udpcandidate0",
        ]
    );
}

#[test]
fn stn_28_candidate_json_is_what_mediasoup_client_reads() {
    let infos = [info(Protocol::Tcp, "10.0.0.1", None, false)];
    let json = serde_json::to_value(candidates(&infos, CandidateFilter::default())).expect("plain");
    let expected = serde_json::json!([{
        "foundation": "tcpcandidate0", "priority": 1_076_302_079_u32, "ip": "10.0.0.1",
        "address": "10.0.0.1", "protocol": "tcp", "port": 4000, "type": "host",
        "tcpType": "passive",
    }]);
    assert_eq!(json, expected);
}

/// Two lists that would collide most: every option on, the greatest number of listen infos.
#[test]
fn stn_28_priorities_are_unique_up_to_the_greatest_number_of_listen_infos() {
    for protocol in [Protocol::Udp, Protocol::Tcp] {
        let one = info(protocol, "10.0.0.1", Some("announced"), true);
        let mut infos = vec![one; LISTEN_INFOS_MAX];
        infos[LISTEN_INFOS_MAX / 2].protocol = Protocol::Tcp;
        let filter = CandidateFilter { prefer_udp: true, ..CandidateFilter::default() };
        assert_unique_and_falling(&infos, filter);
    }
}

fn assert_unique_and_falling(infos: &[ListenInfo], filter: CandidateFilter) {
    let found = candidates(infos, filter);
    let distinct: BTreeSet<u32> = found.iter().map(|one| one.priority).collect();
    assert_eq!(distinct.len(), found.len(), "priorities are unique");
    for protocol in [Protocol::Udp, Protocol::Tcp] {
        for address in ["announced", "10.0.0.1"] {
            let falling: Vec<u32> = found
                .iter()
                .filter(|one| one.protocol == protocol && one.address == address)
                .map(|one| one.priority)
                .collect();
            assert!(falling.is_sorted_by(|a, b| a > b), "{protocol} {address}: {falling:?}");
        }
    }
}

quickcheck! {
    fn stn_28_priorities_are_unique_and_fall_with_the_index(
        kinds: Vec<(bool, bool)>, prefer_udp: bool, prefer_tcp: bool
    ) -> bool {
        let infos: Vec<ListenInfo> = kinds
            .into_iter()
            .map(|(udp, expose)| {
                let protocol = if udp { Protocol::Udp } else { Protocol::Tcp };
                info(protocol, "10.0.0.1", Some("announced"), expose)
            })
            .collect();
        let filter = CandidateFilter { prefer_udp, prefer_tcp, ..CandidateFilter::default() };
        assert_unique_and_falling(&infos, filter);
        true
    }
}
