//! What an application and its peers exchange to get connected, as plain data.
//!
//! Names, JSON (camelCase) and defaults are mediasoup's (`node/src/WebRtcTransportTypes.ts`, `TransportTypes.ts`,
//! `rust/src/data_structures.rs`), so that what this crate serialises is what mediasoup-client reads. Nothing in here
//! knows a socket.

mod candidates;
mod dtls;
mod ice;
mod listen;
mod tuple;

pub use candidates::{CandidateFilter, LISTEN_INFOS_MAX, candidates};
pub use dtls::{DtlsParameters, DtlsParametersError};
pub use ice::{IceCandidate, IceCandidateType, IceParameters, IceTcpType};
pub use listen::{ListenFlags, ListenInfo, PortRange, Protocol};
pub use tuple::TransportTuple;
