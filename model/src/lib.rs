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
mod aspects;
// TODO mod change;
// TODO mod check;
// TODO mod class;
// TODO mod class_check;
mod config;
// TODO mod covers;
mod effect;
// TODO mod endings;
// TODO mod explain;
mod explore;
mod ids;
pub mod itf;
mod known_bugs;
mod model;
mod monitor;
mod mutants;
// TODO mod phase_matrix;
mod presets;
mod properties;
mod rank;
mod state;
pub mod step;
// TODO mod svg;
// TODO mod trace;
// TODO mod words;
mod world;

pub use action::{Action, Check as StunCheck, Closes, Subject};
pub use aspects::{APART, Apart, Aspect, are_apart, meetings};
pub use config::{Aspects, Config, KernelAspects, OwnerAspects, Role, TransportConfig};
pub use effect::Effect;
pub use explore::{Edge, Graph};
pub use ids::{AddressId, CallerId, ConnectionId, ListenerId, SocketId, TransportId, WorkerId};
pub use known_bugs::{KNOWN_BUGS, KnownBug};
pub use model::LifecycleModel;
pub use mutants::{Mutant, MutantReport, run_mutant};
pub use presets::Preset;
pub use properties::{Verdict, judge, properties};
pub use rank::rank;
pub use state::{
    CONNECTIONS_MAX, CloseReason, Connection, Core, DropReason, DtlsState, Farewell, IceState,
    NoAlert, Outcome, Phase, Queue, ReadSide, ServerPhase, State, TRANSPORTS_MAX, TUPLES_MAX,
    Transport, Tuple, Ufrags, WORKERS_MAX, Waiting, WorkerPhase,
};
pub use step::{actions, every_action, step};
pub use world::{
    Broken, CALLERS_MAX, CARRIERS_MAX, Callback, Caller, End, Ghost, History, Listener, Peer, Room,
    Socket, Stream, World,
};
