//! Which interleavings of a `WebRtcServer`'s shutdown are allowed.
//!
//! The [`State`] of the model is what the server knows ([`Core`]), what is true around it
//! ([`World`]) and what the properties remember ([`Ghost`]). Whatever does not depend on the server
//! is an [`Action`]: what peers, the kernel, the owner and the clock do. [`step`](step()) says what a
//! state becomes by an action, and which [`Effect`]s the server has meanwhile.
//!
//! Three things are done with that:
//!
//! - [`Graph`] holds every state and step of a [`Config`]. [`judge`] checks the [`properties`](properties()) on
//!   it, [`check_endings`] that every close ends. [`LifecycleModel`] gives the same to stateright.
//! - [`KNOWN_BUGS`] plants known mistakes; [`run_mutant`] shows that the right property sees each.
//! - [`cover`] chooses traces to perform elsewhere, by [`EdgeClass`]es; [`check_classes`] and
//!   [`check_commutation`] check that one edge of a class stands for the others.
//! - [`check()`] puts all of this into one report. [`explain()`] draws a [`Trace`], [`phase_matrix()`] says
//!   which input means what in which phase, and stateright's Explorer shows the rest.
//!
//! # Bounds
//!
//! There is one worker. A transport has one UDP tuple and one TCP connection at most, which is not
//! opened again. A queued alert waits behind at most one begun frame. Left out are ICE restarts,
//! nomination values, eviction, tuples that move between transports, and loss or reordering, except
//! that any answer may fail to come.

mod action;
mod change;
mod check;
mod class;
mod class_check;
mod config;
mod covers;
mod effect;
mod endings;
mod explain;
mod explore;
mod model;
mod monitor;
mod mutants;
mod phase_matrix;
mod properties;
mod rank;
mod state;
pub mod step;
mod svg;
mod trace;
mod words;
mod world;

pub use action::{Action, CallerId, TransportId};
pub use change::{Change, changes};
pub use check::{Breach, Check, EndingsRow, MutantRow, Need, PropertyRow, Speed, Unneeded, check};
pub use class::{EdgeClass, Fact, Grain, edge_class, edge_classes};
pub use class_check::{ClassConflict, OrderMatters, check_classes, check_commutation};
pub use config::{Aspects, Config};
pub use covers::{Cover, cover, cover_edges};
pub use effect::Effect;
pub use endings::{Endings, Stuck, check_endings};
pub use explain::explain;
pub use explore::{Edge, Graph};
pub use model::LifecycleModel;
pub use mutants::{KNOWN_BUGS, KnownBug, Mutant, MutantReport, run_mutant};
pub use phase_matrix::phase_matrix;
pub use properties::{Verdict, judge, properties};
pub use rank::rank;
pub use state::{
    CloseReason, Connection, Core, DropReason, DtlsState, Farewell, Holder, IceState, NoAlert,
    Outcome, Phase, Queue, ReadSide, ServerPhase, State, Transport, Via,
};
pub use step::{actions, step};
pub use trace::{Refused, Trace, TraceStep};
pub use world::{Broken, Caller, Ghost, History, Listener, Peer, Socket, Stream, World};
