//! What the figures of `cargo bench` are made of.
//!
//! A figure says what our code takes, beside its *limit*: the same work done by nobody but OpenSSL and the kernel
//! (and for the model, by stateright).
//! Other programs and the clock rate disturb both alike, so both are measured in turns ([`Duel`]) and what counts is
//! their ratio ([`Report`]).
//!
//! | Module | What |
//! |---|---|
//! | [`duel`] | two ways to do the same, measured in turns |
//! | [`report`] | the table at the end, and the same for machines |
//! | [`handshake`] | a DTLS handshake in memory, with the time of each side on its own account |
//! | [`raw`] | bare OpenSSL: the limit of DTLS and of STUN's integrity |
//! | [`link`] | a client's socket, with a bare echo behind it for the limit |
//! | [`scene`] | a real server with connected clients |
//! | `cpu` | the CPU time of the threads of this process (Linux) |
//!
//! Nothing here compares a time with a number: a slow machine fails no test.

#[cfg(target_os = "linux")]
pub mod cpu;
pub mod duel;
pub mod handshake;
pub mod link;
pub mod raw;
pub mod report;
pub mod scene;

pub use duel::Duel;
pub use report::Report;
