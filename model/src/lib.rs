//! Which interleavings of a `WebRtcServer`'s shutdown are allowed.

mod action;
mod class;
mod class_check;
mod config;
mod covers;
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
pub use class::{EdgeClass, Fact, Grain, edge_class, edge_classes};
pub use class_check::{ClassConflict, OrderMatters, check_classes, check_commutation};
pub use config::{Aspects, Config};
pub use covers::{Cover, cover, cover_edges};
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
