//! The clock of the events' `t`, which every process of the machine reads alike.
#![allow(unsafe_code)]

/// `CLOCK_MONOTONIC` in nanoseconds.
#[must_use]
pub fn monotonic_nanoseconds() -> u64 {
    let mut now = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: the call writes one `timespec` to the pointer, which outlives it.
    let result = unsafe { libc::clock_gettime(libc::CLOCK_MONOTONIC, &raw mut now) };
    assert_eq!(result, 0, "POSIX has this clock");
    let unsigned = |part: i64| u64::try_from(part).unwrap_or_default();
    unsigned(now.tv_sec) * 1_000_000_000 + unsigned(now.tv_nsec)
}
