//! Which interleavings of a `WebRtcServer`'s shutdown are allowed.

mod action;
mod config;
mod effect;
mod endings;
mod explore;
mod model;
mod monitor;
mod mutants;
mod properties;
mod rank;
mod state;
mod step;

pub use action::{Action, CallerId, TransportId};
pub use config::{Aspects, Config};
pub use effect::Effect;
pub use endings::{Endings, Stuck, check_endings};
pub use explore::{Edge, Graph};
pub use model::LifecycleModel;
pub use mutants::{KNOWN_BUGS, KnownBug, Mutant, MutantReport, run_mutant};
pub use properties::{Verdict, judge, properties};
pub use rank::rank;
pub use state::{
    Broken, Caller, CloseReason, Connection, Core, DropReason, DtlsState, Farewell, Ghost, History,
    Holder, IceState, Listener, NoAlert, Outcome, Peer, Phase, Queue, ReadSide, ServerPhase,
    Socket, State, Stream, Transport, Via, World,
};
pub use step::{actions, step};
