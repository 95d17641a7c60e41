//! What the figures of `cargo bench` are made of.
//!
//! A figure says what our code takes, beside its *limit*: the same bytes by nobody but OpenSSL and the kernel, on as
//! many threads (and for the model, by stateright). Each figure names its own. Other programs and the clock rate
//! disturb both alike, so both are measured in turns ([`duel`]) and what counts is their ratio ([`Report`]).
//!
//! Clients are the same bare ones on both sides, and their cryptography is not timed: the figure is the server's.
//!
//! | Module | What |
//! |---|---|
//! | [`figure`] | what a figure is called, what its limit is, and how it is shown |
//! | [`duel`] | two ways to do the same, measured in turns |
//! | [`report`] | the table at the end, and the same for machines |
//! | [`handshake`] | a DTLS handshake in memory, with the time of each side on its own account |
//! | [`raw`] | bare OpenSSL: the limit of DTLS and of STUN's integrity |
//! | [`bare`] | bare servers: the limits of ours |
//! | [`scene`] | a real server with connected clients |
//! | [`client`] | a client, over a [`link`] |
//! | [`exchange`] | many packets under way, each of which is answered; losses are counted |
//! | [`goodbye`] | the clients' part of a close |
//! | `cpu` | the CPU time of the threads of this process (Linux) |
//!
//! No time is compared with a number: a slow machine fails no test. The only bounds are on ratios within one run.

pub mod bare;
pub mod client;
#[cfg(target_os = "linux")]
pub mod cpu;
pub mod duel;
pub mod exchange;
pub mod figure;
pub mod goodbye;
pub mod handshake;
pub mod link;
pub mod raw;
pub mod report;
pub mod scene;

pub use figure::Figure;
pub use report::Report;
