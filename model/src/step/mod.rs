//! The transition function.
//!
//! What an action makes the server do, in order. `close(t)` and `end of t` stand for the rows of
//! the same name; what is in brackets depends on the state.
//!
//! | Action | Effects |
//! |---|---|
//! | `PeerChecks` | \[`SelectedTupleChanged`\], \[`IceStateChanged`\], \[`DtlsStateChanged(Connecting)`\] |
//! | `PeerConnects`, `KernelFills…` | none |
//! | `PeerHandshakes`, `PeerFailsHandshake` | `DtlsStateChanged` |
//! | `PeerSendsCloseNotify` | `DtlsStateChanged(Closed)`, `MakeAlert`, then `OfferDatagramAlert` or \[`AlertWritten`\] |
//! | `PeerAnswers` | \[end of t\] |
//! | `PeerSendsFin` | \[`SelectedTupleChanged`\], \[`IceStateChanged`\], \[`CloseConnection`\], \[end of t\] |
//! | `PeerResets` | \[`SelectedTupleChanged`\], \[`IceStateChanged`\], `CloseConnection`, \[end of t\] |
//! | `KernelMakesRoomOnSocket` | `OfferDatagramAlert` for each queued alert, each followed by \[end of t\] |
//! | `KernelMakesRoomOnConnection` | \[`AlertWritten`\], \[`ShutdownWrite` or `CloseConnection`\], \[end of t\] |
//! | `KernelAcknowledges` | `CloseConnection`, \[end of t\] |
//! | `OwnerClosesTransport` | close(t) |
//! | `OwnerClosesServer` | the first: `StopAccepting`, close(t) for each, `ShutdownWrite` for each unbound connection; after the end: `CallersComplete`; else none |
//! | `ConsentExpires` | `SelectedTupleChanged(None)`, `IceStateChanged(Disconnected)`, \[`CloseConnection`\] |
//! | `FarewellDeadlinePasses` | \[end of t\] |
//! | `LingerDeadlinePasses` | `AbortConnection`, \[end of t\] |
//! | `BindDeadlinePasses` | `ShutdownWrite` |
//! | `ServerDeadlinePasses` | `AbortConnection` for each connection, then end of t for each transport |
//! | `WorkersAcknowledge` | `ReleaseSocket`, `ReleaseListener`, `WorkerReleased`, `CallersComplete` |
//! | close(t) | \[`MakeAlert`, \[`OfferDatagramAlert`\]\], `Unmap`, \[`AlertWritten`\], \[`ShutdownWrite`\], \[end of t\] |
//! | end of t | `TransportClosed` |
//!
//! Whatever step leaves a closing server without transports and connections ends with
//! `WorkerDrained`. `ice` and `dtls` become closed with `Unmap`; no event says so, since
//! `TransportClosed` does. `AlertWritten` comes after `Unmap` because over TCP step 2 of the close
//! order only queues the alert; the flush of step 4 writes it.

mod close;
mod enabled;
mod path;
mod world;

use crate::action::{Action, CallerId, TransportId};
use crate::config::Config;
use crate::effect::Effect;
use crate::monitor;
use crate::mutants::Mutant;
use crate::state::{
    Connection, Core, DropReason, DtlsState, Farewell, Outcome, ServerPhase, State, Transport, Via,
};
use crate::world::{Caller, Socket, Stream, World};

pub use enabled::actions;
pub(crate) use enabled::every_action;

/// What a state becomes by an action, and what the server does meanwhile; `None` if the action
/// cannot happen in that state.
pub fn step(config: &Config, state: &State, action: Action) -> Option<(State, Vec<Effect>)> {
    if !enabled::is_enabled(config, state, action) {
        return None;
    }
    let mut run =
        Run { config, core: state.core.clone(), world: state.world.clone(), effects: Vec::new() };
    run.perform(action);
    run.notice_drained();
    let Run { core, world, effects, .. } = run;
    let mut after = State { core, world, ghost: state.ghost.clone() };
    monitor::observe(state, action, &mut after, &effects);
    Some((after, effects))
}

/// One step in progress.
struct Run<'a> {
    config: &'a Config,
    core: Core,
    world: World,
    effects: Vec<Effect>,
}

impl Run<'_> {
    fn perform(&mut self, action: Action) {
        match action {
            Action::PeerChecks { t, via, nominate } => self.check(t, via, nominate),
            Action::PeerConnects { t } => {
                self.at(t).tcp = Connection::Unbound;
                self.world.peers[t.index()].stream = Stream::Open;
            }
            Action::PeerHandshakes { t } => self.set_dtls(t, DtlsState::Connected),
            Action::PeerFailsHandshake { t } => self.set_dtls(t, DtlsState::Failed),
            Action::PeerSendsCloseNotify { t } => self.reply_to_close_notify(t),
            Action::PeerAnswers { t } => self.confirm(t),
            Action::PeerSendsFin { t } => self.end_of_input(t),
            Action::PeerResets { t } => self.reset(t),
            Action::KernelFillsSocket => self.world.socket = Socket::Full,
            Action::KernelMakesRoomOnSocket => self.socket_writable(),
            Action::KernelFillsConnection { t } => self.fill_connection(t),
            Action::KernelMakesRoomOnConnection { t } => self.connection_writable(t),
            Action::KernelAcknowledges { t } => self.acknowledged(t),
            Action::OwnerClosesServer { caller } => self.close_server(caller),
            Action::OwnerClosesTransport { t } => self.owner_closes(t),
            Action::ConsentExpires { t } => self.expire_consent(t),
            Action::FarewellDeadlinePasses { t } => self.farewell_overdue(t),
            Action::LingerDeadlinePasses { t } => self.linger_overdue(t),
            Action::BindDeadlinePasses { t } => self.linger(t),
            Action::ServerDeadlinePasses => self.server_overdue(),
            Action::WorkersAcknowledge => self.release(),
        }
    }

    /// Record an effect and let the world know of it.
    fn emit(&mut self, effect: Effect) {
        self.world.apply(effect);
        self.effects.push(effect);
    }

    fn at(&mut self, t: TransportId) -> &mut Transport {
        &mut self.core.transports[t.index()]
    }

    fn ids(&self) -> impl Iterator<Item = TransportId> + use<> {
        (0..self.core.transports.len()).map(|index| TransportId(index as u8))
    }

    fn set_dtls(&mut self, t: TransportId, dtls: DtlsState) {
        self.at(t).dtls = dtls;
        self.emit(Effect::DtlsStateChanged(t, dtls));
    }

    /// The first `close()` of the server closes; every one of them waits for the same end.
    fn close_server(&mut self, caller: CallerId) {
        self.world.callers[caller.index()] = Caller::Waiting;
        match self.core.server {
            ServerPhase::Open => self.begin_close(),
            ServerPhase::Closing | ServerPhase::Drained => {}
            ServerPhase::Closed => self.emit(Effect::CallersComplete),
        }
    }

    /// Every worker is drained: let go of the carriers, then of the callers.
    fn release(&mut self) {
        self.core.server = ServerPhase::Closed;
        if !self.config.is(Mutant::CarriersFirst) {
            self.emit(Effect::ReleaseSocket);
            self.emit(Effect::ReleaseListener);
        }
        self.emit(Effect::WorkerReleased);
        let waited = self.world.callers.clone();
        self.emit(Effect::CallersComplete);
        if self.config.is(Mutant::CallerForgotten) {
            let last = waited.iter().rposition(|caller| *caller == Caller::Waiting);
            for (index, caller) in waited.into_iter().enumerate() {
                if Some(index) != last {
                    self.world.callers[index] = caller;
                }
            }
        }
    }

    /// Every alert that waits for the socket is offered again, in the order of the transports.
    fn socket_writable(&mut self) {
        self.world.socket = Socket::Room;
        for t in self.ids() {
            if self.at(t).farewell == Farewell::Queued(Via::Udp) {
                self.offer(t);
                self.settle(t);
            }
        }
    }

    /// The drain deadline of a queued alert, or the answer deadline of a sent one.
    fn farewell_overdue(&mut self, t: TransportId) {
        let transport = self.at(t);
        if transport.farewell.is_queued() {
            transport.farewell = Farewell::Dropped(DropReason::Deadline);
        } else {
            transport.outcome = Some(Outcome::Sent);
        }
        self.settle(t);
    }

    /// The worker is drained in the step in which the last transport or connection went.
    fn notice_drained(&mut self) {
        if self.core.server == ServerPhase::Closing && self.core.is_drained() {
            self.core.server = ServerPhase::Drained;
            self.emit(Effect::WorkerDrained);
        }
    }
}
