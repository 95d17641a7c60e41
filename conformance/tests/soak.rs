//! Many servers in one process: nothing of them is left. `cargo validate soak` runs ten thousand of them.
//!
//! It is alone in this file, so that no other test has threads and descriptors of its own meanwhile.

use std::fs::File;
use webrtc_server_conformance::validate::soak::{GROWTH_BYTES_MAX, SoakError, soak};

#[cfg(target_os = "linux")]
#[test]
fn nothing_is_left_of_a_hundred_servers_and_what_is_kept_is_noticed() {
    let mut alive = 0;
    let soaked = soak(100, 1, |when, servers, levels| {
        println!("{when}, {servers} servers: {levels}");
        alive = alive.max(levels.threads);
    });
    let soaked = soaked.unwrap_or_else(|error| panic!("{error}"));
    println!("{soaked}");
    assert!(alive > 100, "two workers each: {alive} threads");
    assert_eq!(soaked.transports, 2 * soaked.servers);
    assert_eq!(soaked.outcomes.values().sum::<usize>(), soaked.transports);

    let mut kept = Vec::new();
    let soaked = soak(1, 1, |when, _, _| {
        if when == "alive" {
            kept.push(File::open("/dev/null").expect("a descriptor"));
        }
    });
    assert!(matches!(soaked, Err(SoakError::Grown { .. })), "a descriptor more: {soaked:?}");
    drop(kept);

    let mut kept = Vec::new();
    let soaked = soak(1, 1, |when, _, _| {
        if when == "alive" {
            kept.resize(2 * GROWTH_BYTES_MAX as usize, 1_u8);
        }
    });
    assert!(matches!(soaked, Err(SoakError::Grown { .. })), "more memory: {soaked:?}");
    assert_eq!(kept.last(), Some(&1), "it is used to the end");
}
