//! The aspects multiply, so that no configuration has all of them; but those that can interact meet somewhere.

use webrtc_server_model::{APART, Aspect, Config, Preset, are_apart, meetings};

fn strangers(configs: &[Config]) -> Vec<(Aspect, Aspect)> {
    let meetings = meetings(configs).into_iter();
    meetings
        .filter(|(_, where_they_meet)| where_they_meet.is_empty())
        .map(|(pair, _)| pair)
        .collect()
}

#[test]
fn every_pair_of_aspects_that_can_interact_meets_in_standard() {
    let missing: Vec<_> = strangers(&Preset::standard().configs)
        .into_iter()
        .filter(|(one, other)| !are_apart(*one, *other))
        .collect();
    assert_eq!(missing, []);
}

#[test]
fn without_the_configurations_of_two_connections_some_pairs_do_not_meet() {
    let mut configs = Preset::standard().configs;
    configs.retain(|config| !["connections", "twice"].contains(&config.name));
    let missing = strangers(&configs);
    assert!(missing.contains(&(Aspect("callbacks"), Aspect("two connections"))), "{missing:?}");
}

#[test]
fn what_is_said_to_be_apart_is() {
    let strangers = strangers(&Preset::standard().configs);
    for apart in &APART {
        let is_stranger = |other: &Aspect| {
            strangers.contains(&(apart.aspect, *other))
                || strangers.contains(&(*other, apart.aspect))
        };
        assert!(
            strangers.iter().any(|(a, b)| *a == apart.aspect || *b == apart.aspect),
            "{}",
            apart.why
        );
        assert!(apart.from.iter().all(is_stranger), "{}", apart.why);
    }
}

/// The model hands over connections only, and none back to the worker that accepted it.
#[test]
fn datagrams_arrive_at_the_worker_of_their_transport() {
    for config in Preset::nightly().configs {
        for transport in &config.transports {
            for address in &transport.addresses {
                let socket = config.socket_of(*address);
                assert_eq!(config.sockets[socket.index()], transport.worker, "{}", config.name);
            }
        }
    }
}

#[test]
fn nightly_has_no_aspect_that_standard_lacks() {
    let of = |configs: &[Config]| -> std::collections::BTreeSet<Aspect> {
        configs.iter().flat_map(Config::aspects).collect()
    };
    assert_eq!(of(&Preset::nightly().configs), of(&Preset::standard().configs));
}
