//! mediasoup's `WebRtcServer` in Rust, with a shutdown that is checked. SPEC.md says what it does, in which order.

pub mod control;
pub mod fingerprint;
pub mod lifecycle;
pub mod parameters;
#[cfg(feature = "net")]
pub mod shell;
#[doc(hidden)]
pub mod sync;
pub mod wire;
