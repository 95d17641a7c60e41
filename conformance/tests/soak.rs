//! Many servers in one process: nothing of them is left. `cargo validate soak` runs ten thousand of them.
//!
//! It is alone in this file, so that no other test has threads and descriptors of its own meanwhile.

use webrtc_server_conformance::validate::soak::soak;

#[cfg(target_os = "linux")]
#[test]
fn x4_nothing_is_left_of_a_hundred_servers() {
    let mut alive = 0;
    let soak = soak(100, 1, |when, servers, levels| {
        println!("{when}, {servers} servers: {levels}");
        alive = alive.max(levels.threads);
    });
    let soak = soak.unwrap_or_else(|error| panic!("{error}"));
    println!("{soak}");
    assert!(alive > 100, "two workers each: {alive} threads");
    assert_eq!(soak.transports, 2 * soak.servers);
    assert_eq!(soak.outcomes.values().sum::<usize>(), soak.transports);
}
