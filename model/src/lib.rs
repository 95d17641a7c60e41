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
//!   it, [`check_endings`] and [`check_cycles`] that every close ends. [`LifecycleModel`] gives the same to stateright.
//! - [`KNOWN_BUGS`] is the table of the mutants; [`run_mutant`] shows that the right property sees each.
//! - [`cover`] chooses traces to perform elsewhere, by [`EdgeClass`]es; [`check_classes`] and
//!   [`check_commutation`] check that one edge of a class stands for the others.
//! - [`check()`] puts all of this into one report. [`explain()`] draws a [`Trace`], [`phase_matrix()`] says
//!   which input means what in which phase, and stateright's Explorer shows the rest.
//!
//! # Bounds
//!
//! There is not one configuration with everything but several, each with some aspects of the world and small bounds;
//! [`Preset`] says which are checked together, [`meetings`] which aspects meet where, and `catalogue.md` lists them
//! with their sizes. At most there are three transports, two workers, four connections, each of which may be opened
//! twice, and an alert behind one other frame. Left out are NOMINATION values, errors of `sendto` other than EAGAIN,
//! datagrams that are handed over, a connection that moves back to the worker that accepted it, and loss or reordering,
//! except that any answer may fail to come.

mod action;
mod aspects;
mod change;
mod check;
mod class;
mod class_check;
mod components;
mod config;
mod covers;
mod cycles;
mod effect;
mod endings;
mod explain;
mod explore;
mod groups;
mod ids;
pub mod itf;
mod known_bugs;
mod model;
mod monitor;
mod mutants;
mod parties;
mod phase_diagram;
mod phase_matrix;
mod presets;
mod properties;
mod rank;
mod reads;
mod state;
pub mod step;
mod svg;
mod symmetry;
mod tables;
mod trace;
mod words;
mod world;

pub use action::{Action, Check as StunCheck, Closes, Subject};
pub use aspects::{APART, Apart, Aspect, are_apart, meetings};
pub use change::{Change, changes};
pub use check::{
    Breach, Check, ClassesRow, ConfigRow, CyclesRow, EndingsRow, Kill, KillRow, MutantRow, Need,
    NeedRow, PropertyRow, Seconds, SymmetryRow, Unneeded, Why, check,
};
pub use class::{Classes, EdgeClass, Fact, Grain, edge_classes};
pub use class_check::{ClassConflict, OrderMatters, check_classes, check_commutation};
pub use config::{Aspects, Config, KernelAspects, OwnerAspects, Role, TransportConfig};
pub use covers::{Cover, cover, cover_combinations, cover_edges};
pub use cycles::{Cycles, FairCycle, Transit, check_cycles};
pub use effect::Effect;
pub use endings::{Endings, Stuck, check_endings};
pub use explain::explain;
pub use explore::{Edge, Graph};
pub use groups::{Group, Groups};
pub use ids::{AddressId, CallerId, ConnectionId, ListenerId, SocketId, TransportId, WorkerId};
pub use known_bugs::{KNOWN_BUGS, KnownBug};
pub use model::LifecycleModel;
pub use mutants::{Mutant, MutantReport, run_mutant};
pub use phase_matrix::phase_matrix;
pub use presets::Preset;
pub use properties::{PropertyResult, judge, properties};
pub use rank::rank;
pub use state::{
    CONNECTIONS_MAX, CloseReason, Connection, Core, DropReason, DtlsState, Farewell, IceState,
    NoAlert, Outcome, Phase, Queue, ReadSide, ServerPhase, State, TRANSPORTS_MAX, TUPLES_MAX,
    Transport, Tuple, Ufrags, WORKERS_MAX, Waiting, WorkerPhase,
};
pub use step::{actions, every_action, step};
pub use symmetry::{Asymmetry, Reduced, Symmetry, check_symmetry};
pub use tables::catalogue;
pub use trace::{Refused, Trace, TraceStep};
pub use world::{
    Broken, CALLERS_MAX, CARRIERS_MAX, Callback, Caller, End, Ghost, HandOver, History, Letter,
    Listener, Peer, Room, Socket, Stream, World,
};
