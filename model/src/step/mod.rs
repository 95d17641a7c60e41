//! The transition function.
//!
//! What an action makes the server do, in order. `close(t)` and `end of t` stand for the rows of
//! the same name; what is in brackets depends on the state.
//!
//! | Action | Effects |
//! |---|---|
//! | `PeerChecks` | none if the connection goes to another worker; \[loss of the tuple by its former transport\], \[`SelectedTupleChanged`\], \[`IceStateChanged`\], \[`ShutdownWrite` on an evicted connection\], \[`DtlsStateChanged(Connecting)`\] |
//! | `PeerChecksTwiceAndResets` | those of `PeerChecks`, then those of `PeerResets` |
//! | `PeerConnects…`, `PeerSendsFlight`, `PeerStreams`, `PeerVanishes`, `KernelFills…`, `KernelLeavesRoom` | none |
//! | `PeerHandshakes`, `PeerFailsHandshake`, `PeerSendsFatalAlert`, `HandshakeDeadlinePasses` | `DtlsStateChanged` |
//! | `PeerSendsCloseNotify` | `DtlsStateChanged(Closed)`, `MakeAlert`, then `OfferDatagramAlert` or \[`AlertWritten`\] |
//! | `PeerAnswers` | \[end of t\] |
//! | `PeerSendsFin` | \[`SelectedTupleChanged`\], \[`IceStateChanged`\], \[`CloseConnection`\], \[end of t\] |
//! | `PeerResets` | \[`SelectedTupleChanged`\], \[`IceStateChanged`\], `CloseConnection`, \[end of t\] |
//! | `KernelMakesRoomOnSocket` | `OfferDatagramAlert` for each queued alert, each followed by \[end of t\] |
//! | `KernelMakesRoomOnConnection` | \[`AlertWritten`\], \[`ShutdownWrite` or `CloseConnection`\], \[end of t\] |
//! | `KernelAcknowledges` | `CloseConnection`, \[end of t\] |
//! | `OwnerClosesTransport`, `WorkerHearsTransportClose` | close(t) |
//! | `OwnerClosesServer` | `CallersComplete` if the server is closed, else none |
//! | `OwnerCreatesTransport`, `OwnerRestartsIce`, `OwnerDropsHandle`, `OwnerArmsCallback` | none |
//! | `ConsentExpires` | `SelectedTupleChanged(None)`, `IceStateChanged(Disconnected)`, \[`CloseConnection`\] |
//! | `FarewellDeadlinePasses` | \[end of t\] |
//! | `LingerDeadlinePasses` | `AbortConnection`, \[end of t\] |
//! | `BindDeadlinePasses` | `ShutdownWrite` |
//! | `ServerDeadlinePasses` | `AbortConnection` for each connection of the worker, then end of t for each transport |
//! | `WorkerReads`, `WorkerMeetsStaleEvent` | none |
//! | `WorkerTakesOver` | those of `PeerChecks`; `CloseConnection` if it closes |
//! | `WorkerHearsClose` | `StopAccepting`, close(t) for each, `ShutdownWrite` for each unbound connection |
//! | `WorkerHearsGrant` | `ReleaseSocket`, `ReleaseListener`, `WorkerReleased`, \[`CallersComplete`\] |
//! | close(t) | \[`MakeAlert`, \[`OfferDatagramAlert`\]\], `Unmap`, `ShutdownWrite` on each connection with an empty queue, \[`AlertWritten`, `ShutdownWrite`\], \[end of t\] |
//! | end of t | `TransportClosed` |
//!
//! Whatever step leaves a closing worker without transports and connections ends with
//! `WorkerDrained`. `ice` and `dtls` become closed with `Unmap`; no event says so, since
//! `TransportClosed` does. `AlertWritten` comes after `Unmap` because over TCP step 2 of the close
//! order only queues the alert; the flush of step 4 writes it.

mod checks;
mod close;
mod connections;
mod enabled;
mod farewells;
mod handovers;
mod world;

use crate::action::{Action, Closes};
use crate::config::Config;
use crate::effect::Effect;
use crate::ids::{CallerId, ConnectionId, SocketId, TransportId, WorkerId};
use crate::monitor;
use crate::mutants::Mutant;
use crate::state::{
    CloseReason, Connection, Core, DtlsState, Phase, ServerPhase, State, Transport, Tuple, Ufrags,
    WorkerPhase,
};
use crate::world::{Callback, Caller, Room, Socket, Stream, World};

pub(crate) use enabled::is_enabled;
pub use enabled::{actions, every_action};

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
    monitor::observe(config, state, action, &mut after, &effects);
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
            Action::PeerChecks { t, from, check } => match from {
                Tuple::Tcp(c) if self.core.is_misplaced(self.config, t, c) => {
                    self.hand_over(t, c, check);
                }
                Tuple::Udp(_) | Tuple::Tcp(_) => self.check(t, from, check),
            },
            Action::PeerChecksTwiceAndResets { t, c } => self.check_twice_and_reset(t, c),
            Action::PeerConnects { c } => self.connect(c),
            Action::PeerConnectsInVain { c } => self.connect_in_vain(c),
            Action::PeerSendsFlight { t } => self.world.peers[t.index()].flights += 1,
            Action::PeerHandshakes { t } => self.set_dtls(t, DtlsState::Connected),
            Action::PeerFailsHandshake { t } | Action::HandshakeDeadlinePasses { t } => {
                self.set_dtls(t, DtlsState::Failed);
            }
            Action::PeerSendsCloseNotify { t } => self.reply_to_close_notify(t),
            Action::PeerSendsFatalAlert { t } => self.end_association(t),
            Action::PeerAnswers { t } => self.confirm(t),
            Action::PeerStreams { c } => self.stream(c).unread = true,
            Action::PeerSendsFin { c } => self.end_of_input(c),
            Action::PeerResets { c } => self.reset(c),
            Action::PeerVanishes { c } => self.stream(c).room = Room::Broken,
            Action::KernelFillsSocket { s } => self.world.sockets[s.index()] = Socket::Full,
            Action::KernelMakesRoomOnSocket { s } => self.socket_writable(s),
            Action::KernelFillsConnection { c } => self.fill(c),
            Action::KernelLeavesRoom { c, part } => {
                self.stream(c).room = if part { Room::Little } else { Room::None };
            }
            Action::KernelMakesRoomOnConnection { c } => self.writable(c, Room::Plenty),
            Action::KernelMakesLittleRoom { c } => self.writable(c, Room::Little),
            Action::KernelAcknowledges { c } => self.acknowledged(c),
            Action::OwnerClosesServer { caller } => self.close_server(caller),
            Action::OwnerDropsHandle { caller } => self.drop_handle(caller),
            Action::OwnerArmsCallback { closes } => {
                self.world.callback = Callback::Armed(closes);
            }
            Action::OwnerCreatesTransport { t } => self.create(t),
            Action::OwnerRestartsIce { t } => self.at(t).ufrags = Ufrags::CurrentAndPrevious,
            Action::OwnerClosesTransport { t } => self.close_transport(t, CloseReason::Owner),
            Action::ConsentExpires { t } => self.expire_consent(t),
            Action::FarewellDeadlinePasses { t } => self.farewell_overdue(t),
            Action::LingerDeadlinePasses { c } => self.linger_overdue(c),
            Action::BindDeadlinePasses { c } => self.retire(c),
            Action::ServerDeadlinePasses { w } => self.server_overdue(w),
            Action::WorkerReads { c } => self.stream(c).unread = false,
            Action::WorkerMeetsStaleEvent { c } => self.meet_stale_event(c),
            Action::WorkerTakesOver { c } => self.take_over(c),
            Action::WorkerHearsTransportClose { t } => {
                self.world.callback = Callback::Done;
                self.close_transport(t, CloseReason::Owner);
            }
            Action::WorkerHearsClose { w } => self.begin_close(w),
            Action::WorkerHearsGrant { w } => self.release(w),
        }
    }

    /// Record an effect, let the world know of it, and the owner's callback if it is an event.
    fn emit(&mut self, effect: Effect) {
        self.world.apply(effect);
        self.effects.push(effect);
        if let (true, Callback::Armed(closes)) = (effect.is_event(), self.world.callback) {
            self.call_back(closes);
        }
    }

    /// The owner closes something from inside a callback. It is only asked for: nothing of it happens within the step.
    fn call_back(&mut self, closes: Closes) {
        match closes {
            Closes::Server => {
                self.world.callback = Callback::Done;
                self.ask_for_close();
                if self.config.is(Mutant::ReentrantClose) {
                    self.config.worker_ids().for_each(|w| self.begin_close(w));
                }
            }
            Closes::Transport(t) if self.config.is(Mutant::ReentrantClose) => {
                self.world.callback = Callback::Done;
                self.close_transport(t, CloseReason::Owner);
            }
            Closes::Transport(t) => self.world.callback = Callback::Asked(t),
        }
    }

    fn at(&mut self, t: TransportId) -> &mut Transport {
        &mut self.core.transports[t.index()]
    }

    fn connection(&mut self, c: ConnectionId) -> &mut Connection {
        &mut self.core.connections[c.index()]
    }

    fn stream(&mut self, c: ConnectionId) -> &mut Stream {
        &mut self.world.streams[c.index()]
    }

    fn transports_of(&self, w: WorkerId) -> impl Iterator<Item = TransportId> + use<> {
        let of: Vec<_> =
            self.config.transport_ids().filter(|t| self.config.worker_of(*t) == w).collect();
        of.into_iter()
    }

    fn connections_of_worker(&self, w: WorkerId) -> impl Iterator<Item = ConnectionId> + use<> {
        let ids = self.core.connection_ids();
        let of: Vec<_> = ids.filter(|c| self.core.holder(*c) == Some(w)).collect();
        of.into_iter()
    }

    fn set_dtls(&mut self, t: TransportId, dtls: DtlsState) {
        self.at(t).dtls = dtls;
        self.emit(Effect::DtlsStateChanged(t, dtls));
    }

    /// A closing worker creates nothing.
    fn create(&mut self, t: TransportId) {
        let open = self.core.worker(self.config.worker_of(t)) == WorkerPhase::Open;
        *self.at(t) = match open {
            true => Transport::created(),
            false => Transport { phase: Phase::Refused, ..Transport::absent() },
        };
        if !open && self.config.is(Mutant::RegistrationLeft) {
            self.at(t).ufrags = Ufrags::Current;
        }
    }

    /// The first `close()` of the server closes; every one of them waits for the same end.
    fn close_server(&mut self, caller: CallerId) {
        self.world.callers[caller.index()] = Caller::Waiting;
        match self.core.server {
            ServerPhase::Open => self.ask_for_close(),
            ServerPhase::Closing | ServerPhase::Releasing => {}
            ServerPhase::Closed => self.emit(Effect::CallersComplete),
        }
    }

    /// With the last handle the server is closed in the background.
    fn drop_handle(&mut self, caller: CallerId) {
        self.world.callers[caller.index()] = Caller::Dropped;
        let unused = self.world.callers.iter().all(|caller| *caller == Caller::Dropped);
        if unused && !self.config.is(Mutant::LastHandleForgotten) {
            self.ask_for_close();
        }
    }

    /// Every worker is told; each of them hears it when it comes to its commands.
    fn ask_for_close(&mut self) {
        if self.core.server == ServerPhase::Open {
            self.core.server = ServerPhase::Closing;
        }
    }

    /// A worker is drained in the step in which its last transport or connection went; the barrier opens with the last
    /// worker.
    fn notice_drained(&mut self) {
        for w in self.config.worker_ids() {
            let closing = self.core.worker(w) == WorkerPhase::Closing;
            if closing && self.is_drained(w) {
                self.core.workers[w.index()] = WorkerPhase::Drained;
                self.emit(Effect::WorkerDrained(w));
            }
        }
        let drained = |phase: &WorkerPhase| *phase == WorkerPhase::Drained;
        let mut workers = self.core.workers.iter();
        let opens = match self.config.is(Mutant::FirstWorkerReleases) {
            true => workers.any(drained),
            false => workers.all(drained),
        };
        if self.core.server == ServerPhase::Closing && opens {
            self.core.server = ServerPhase::Releasing;
        }
    }

    fn is_drained(&self, w: WorkerId) -> bool {
        let mut core = self.core.clone();
        if self.config.is(Mutant::StrangersForgotten) {
            let connections = core.connections.iter_mut();
            let strangers = connections.filter(|connection| **connection == Connection::Unbound);
            strangers.for_each(|connection| *connection = Connection::Gone);
        }
        core.is_drained(self.config, w)
    }

    /// Every worker is drained: this one lets go of its carriers, the last one lets go of the callers.
    fn release(&mut self, w: WorkerId) {
        self.core.workers[w.index()] = WorkerPhase::Released;
        if !self.config.is(Mutant::CarriersFirst) {
            self.release_carriers(w);
        }
        self.emit(Effect::WorkerReleased(w));
        let last = self.core.workers.iter().all(|phase| *phase == WorkerPhase::Released);
        if last {
            self.core.server = ServerPhase::Closed;
        }
        if last || self.config.is(Mutant::EarlyReturn) {
            self.complete();
        }
    }

    fn release_carriers(&mut self, w: WorkerId) {
        let all = self.config.is(Mutant::WrongPool);
        let of = |worker: &WorkerId| all || *worker == w;
        for (index, _) in self.config.sockets.iter().enumerate().filter(|(_, worker)| of(worker)) {
            self.emit(Effect::ReleaseSocket(SocketId(index as u8)));
        }
        for (index, _) in self.config.listeners.iter().enumerate().filter(|(_, worker)| of(worker))
        {
            self.emit(Effect::ReleaseListener(crate::ids::ListenerId(index as u8)));
        }
    }

    fn complete(&mut self) {
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
}
