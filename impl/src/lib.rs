//! mediasoup's `WebRtcServer` in Rust, with a shutdown that is checked. SPEC.md says what it does, in which order.
//!
//! | Module | What |
//! |---|---|
//! | [`lifecycle`] | pure: who may touch what, in which order; the close order is data there |
//! | [`wire`] | pure: STUN, demultiplexing, RFC 4571 framing |
//! | [`parameters`], [`fingerprint`] | the JSON that mediasoup-client reads |
//! | [`control`] | what crosses threads: handles, commands, the barrier, the answer to `close()` |
//! | `shell` | the only place with system calls and OpenSSL (feature `net`) |

pub mod control;
#[cfg(feature = "net")]
mod error;
pub mod fingerprint;
pub mod lifecycle;
mod mutants;
pub mod parameters;
#[cfg(feature = "net")]
pub mod shell;
#[doc(hidden)]
pub mod sync;
#[cfg(all(feature = "net", feature = "testing"))]
pub mod trace;
pub mod wire;

pub use control::{Closing, Outcomes, WaitError};
#[cfg(feature = "net")]
pub use control::{
    command::{ClosedTransport, EventSink, Refused},
    dump::{Stats, TransportDump, TransportStats, WebRtcServerDump},
    events::{DtlsConnected, TransportEvent},
    options::{WebRtcServerOptions, WebRtcTransportOptions},
    server::WebRtcServer,
    transport::WebRtcTransport,
};
#[cfg(feature = "net")]
pub use error::Error;
pub use fingerprint::{Fingerprint, HashAlgorithm};
pub use lifecycle::{
    CloseReason, DropReason, DtlsReason, DtlsRole, DtlsState, IceState, Limits, NotNeeded, Outcome,
};
pub use parameters::{
    DtlsParameters, DtlsParametersError, IceCandidate, IceParameters, ListenFlags, ListenInfo,
    PortRange, Protocol, TransportTuple,
};
#[cfg(feature = "net")]
pub use shell::{
    bind::{BindError, BindFailure},
    dtls::{
        Certificate, CertificateError, DtlsContextError, DtlsOptions, SrtpKey, SrtpKeys,
        SrtpProfile,
    },
};

/// Whether this build has the feature `testing`: then it is not the one to measure.
#[doc(hidden)]
pub const HAS_TESTING: bool = cfg!(feature = "testing");

/// The README's example compiles.
#[cfg(all(doctest, feature = "net"))]
#[doc = include_str!("../../README.md")]
struct Readme;
