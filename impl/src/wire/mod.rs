//! Pure parsing and writing of what travels between a peer and the server: no socket, no clock, no
//! state beyond the bytes of one TCP stream.
//!
//! A datagram, or a frame that [`framing`] cut out of a TCP stream, goes to [`demux`], which tells
//! its protocol by the first bytes. STUN goes on to [`stun`]; DTLS, RTP and RTCP are opaque here.
//!
//! Nothing in this module trusts its input. A parser answers with a typed error that names the
//! fault; it never panics on bytes from the network, and it never reserves memory because of a
//! length that a peer only announced.

pub mod demux;
pub mod framing;
pub mod stun;
