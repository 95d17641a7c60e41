//! The part of a log that one party takes, in the words of the model: turns, each a cause from outside with all that
//! follows from it before the worker does anything else. A turn of the log is a step of the model, or several when one
//! datagram says several things.
//!
//! What the model has no word for is said in the nearest ones. A connection that goes to another worker, or to another
//! transport, is reset and not looked at any more; one that comes from there is opened. A datagram that the system
//! refuses is one for which the socket has no room until its time is up: nothing else leads to an alert that is dropped
//! with nobody's doing, and what a transport does after that is the same.

use super::log::{
    ConnectionPhase, ConnectionView, Effect, Entry, Farewell, Input, Step, Timer, TransportView,
    Tuple, Verdict, What, WorkerPhase,
};
use super::parties::{Carriers, Party, Stay};
use crate::lockstep::names::{close_reason, dtls_state, ice_state, outcome};
use std::collections::BTreeMap;
use webrtc_server::lifecycle::{DropReason, Outcome};
use webrtc_server_model as model;
use webrtc_server_model::{Action, CallerId, ConnectionId, SocketId, StunCheck, WorkerId};

/// What one party sees of one turn.
#[derive(Clone, Debug)]
pub(super) struct Turn {
    /// The numbers of its first and its last entry.
    pub(super) entries: (u64, u64),
    /// What must happen, in order; each is one of several actions.
    pub(super) causes: Vec<Vec<Action>>,
    /// What may happen beside, unlogged.
    pub(super) hidden: Vec<Action>,
    /// Connections that go on elsewhere: what becomes of them in the model shows nowhere.
    pub(super) left: Vec<ConnectionId>,
    /// What the server does.
    pub(super) effects: Vec<model::Effect>,
    /// What is there afterwards.
    pub(super) after: Seen,
}

/// What a log says of one party.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Seen {
    /// The transport, while there is one.
    pub(super) transport: Option<TransportView>,
    /// Each of its connections, while there is one.
    pub(super) connections: BTreeMap<u64, ConnectionView>,
    /// The worker's phase, once it said so.
    pub(super) phase: Option<WorkerPhase>,
}

/// What one input asks of the model: that one of these happens. Most ask nothing.
type Asked = Option<Vec<Action>>;

/// The turns of one worker, each with what others said before the next.
pub(super) type Turns<'a> = Vec<Vec<&'a Entry>>;

/// What a party sees of the turns of its worker, without those that show it nothing. An error is an entry for which the
/// model has no words.
pub(super) fn turns(
    of_worker: &Turns<'_>,
    party: &Party,
    carriers: &Carriers,
) -> Result<Vec<Turn>, (u64, String)> {
    let seen = Seen::default();
    let mut projection = Projection { party, carriers, now: 0, seen, taken_late: false };
    let mut turns = Vec::new();
    for turn in of_worker {
        turns.extend(projection.turn(turn)?);
    }
    Ok(turns)
}

/// The steps of a worker up to its next cause from outside are one turn. What another thread says meanwhile is put
/// behind it: the worker cannot have known.
pub(super) fn grouped(log: &[Entry], worker: usize) -> Turns<'_> {
    let mut turns = Turns::new();
    let mut current: Vec<&Entry> = Vec::new();
    let mut meanwhile: Vec<&Entry> = Vec::new();
    for entry in log {
        match entry.what.step() {
            Some(step) if step.worker != worker => {}
            Some(step) if step.answer => current.push(entry),
            Some(_) => {
                turns.push(std::mem::replace(&mut current, vec![entry]));
                turns.extend(meanwhile.drain(..).map(|entry| vec![entry]));
            }
            None if entry.what == What::CloseRequested => meanwhile.push(entry),
            None => {}
        }
    }
    turns.push(current);
    turns.extend(meanwhile.into_iter().map(|entry| vec![entry]));
    turns.retain(|turn| !turn.is_empty());
    turns
}

struct Projection<'a> {
    party: &'a Party,
    carriers: &'a Carriers,
    /// The entry at hand.
    now: u64,
    seen: Seen,
    /// Another worker's transport took the tuple of a farewell when this worker closed already.
    taken_late: bool,
}

impl Projection<'_> {
    fn turn(&mut self, entries: &[&Entry]) -> Result<Option<Turn>, (u64, String)> {
        let first = entries.first().map_or(0, |entry| entry.n);
        let last = entries.last().map_or(first, |entry| entry.n);
        let before = self.seen.clone();
        let mut turn = Turn {
            entries: (first, last),
            causes: Vec::new(),
            hidden: Vec::new(),
            left: Vec::new(),
            effects: Vec::new(),
            after: Seen::default(),
        };
        for entry in entries {
            if let Some(step) = entry.what.step() {
                self.step(entry.n, step, &mut turn).map_err(|what| (entry.n, what))?;
            } else if entry.what == What::CloseRequested {
                turn.causes.push(vec![Action::OwnerClosesServer { caller: CallerId(0) }]);
            }
        }
        self.forgive_vain_offer(entries, &mut turn);
        self.excuse_refusal(entries, &mut turn);
        turn.after = self.seen.clone();
        let shows = turn.after != before || !turn.causes.is_empty();
        let shows = shows || !turn.hidden.is_empty() || !turn.effects.is_empty();
        if turn.effects.iter().any(|effect| matches!(effect, model::Effect::WorkerDrained(_))) {
            let t = self.party.companion();
            turn.hidden.push(Action::FarewellDeadlinePasses { t });
        }
        Ok(shows.then_some(turn))
    }

    fn step(&mut self, n: u64, step: &Step, turn: &mut Turn) -> Result<(), String> {
        self.now = n;
        turn.causes.extend(self.inherits(&step.input));
        // A transport that is refused was asked for all the same: the model says whether it had to be.
        let refused = matches!(step.input, Input::TransportCreated { .. });
        if step.verdict == Verdict::Applied || refused {
            turn.causes.extend(self.asked(&step.input));
            turn.hidden.extend(self.room(&step.input, step.answer));
        }
        turn.causes.extend(self.room_for_farewell(&step.input));
        self.leave(turn);
        for effect in step.effects.iter().filter(|effect| self.party.is_shown(effect, n)) {
            turn.effects.push(self.effect(effect)?);
        }
        for (id, view) in &step.transports {
            if Some(*id) == self.party.transport {
                self.seen.transport = view.clone().map(|view| self.with_excuse(view));
            }
        }
        for (id, view) in step.connections.iter().filter(|(id, _)| self.party.has(**id, n)) {
            match view {
                Some(view) => drop(self.seen.connections.insert(*id, *view)),
                None => drop(self.seen.connections.remove(id)),
            }
        }
        self.seen.phase = Some(step.phase);
        Ok(())
    }

    /// The model's name of a connection that is the party's own now.
    fn c(&self, connection: u64) -> Option<ConnectionId> {
        self.party.c(connection).filter(|_| self.party.has(connection, self.now))
    }

    /// A connection that was another transport's up to here is opened for this one. One that comes from another worker
    /// comes by itself.
    fn inherits(&self, input: &Input) -> Vec<Vec<Action>> {
        if let Input::ConnectionAccepted { .. } | Input::ConnectionTakenOver { .. } = input {
            return Vec::new();
        }
        let begin = self.party.stays().filter(|(_, stay)| stay.from == self.now);
        begin.map(|(c, _)| vec![Action::PeerConnects { c }]).collect()
    }

    /// A connection that goes on elsewhere is none any more.
    fn leave(&mut self, turn: &mut Turn) {
        let (party, n) = (self.party, self.now);
        for (c, stay) in party.stays().filter(|(_, stay)| stay.leaves && stay.until == n) {
            turn.causes.push(vec![Action::PeerResets { c }]);
            turn.left.push(c);
            self.seen.connections.remove(&stay.connection);
        }
    }

    /// Another transport takes a tuple. Whoever that is, it is the companion that has it then.
    fn asked_by_exchange(&mut self, tuple: Tuple) -> Asked {
        let (t, from) = (self.party.t()?, self.party.tuple(tuple)?);
        let view = self.seen.transport.as_ref()?;
        if let Tuple::Tcp(connection) = tuple {
            let leaves = |(_, stay): (_, &Stay)| {
                stay.connection == connection && stay.leaves && stay.until == self.now
            };
            if !self.party.stays().any(leaves) {
                return None;
            }
        }
        if matches!(self.seen.phase, None | Some(WorkerPhase::Open)) {
            let (t, check) = (self.party.companion(), StunCheck::Plain);
            return Some(vec![Action::PeerChecks { t, from, check }]);
        }
        // Only from another worker that has not heard of the close: in the model nobody takes anything then. What is
        // left of a farewell ends as if its time were up.
        let waits = match view.farewell {
            Farewell::Queued(path) | Farewell::Sent(path) => path == tuple,
            Farewell::Unsaid
            | Farewell::Making(_)
            | Farewell::Unanswered
            | Farewell::Confirmed
            | Farewell::Dropped(_) => false,
        };
        self.taken_late = waits;
        waits.then(|| vec![Action::FarewellDeadlinePasses { t }])
    }

    /// A reason for which the model has no word, as the one that is nearest.
    fn excuse(&self, reason: DropReason) -> DropReason {
        match reason {
            DropReason::Io => DropReason::Deadline,
            DropReason::PathTaken if self.taken_late => DropReason::Deadline,
            DropReason::PathTaken
            | DropReason::Deadline
            | DropReason::Reset
            | DropReason::NoConsent
            | DropReason::CarrierReleased => reason,
        }
    }

    fn with_excuse(&self, view: TransportView) -> TransportView {
        let Farewell::Dropped(reason) = view.farewell else { return view };
        TransportView { farewell: Farewell::Dropped(self.excuse(reason)), ..view }
    }

    /// What happened, as actions. An input that the core took for late or repeated asks nothing.
    fn asked(&mut self, input: &Input) -> Asked {
        let w = WorkerId(0);
        match input {
            Input::ServerCloseRequested => Some(vec![Action::WorkerHearsClose { w }]),
            Input::ReleaseGranted => Some(vec![Action::WorkerHearsGrant { w }]),
            Input::TimerFired { timer } => self.asked_by_timer(*timer),
            Input::ConnectionAccepted { connection, .. }
            | Input::ConnectionTakenOver { connection, .. }
            | Input::ConnectionFinished { connection }
            | Input::ConnectionReset { connection }
            | Input::ConnectionAcknowledged { connection } => {
                self.asked_by_connection(input, *connection)
            }
            Input::TupleTaken { tuple } => self.asked_by_exchange(*tuple),
            Input::CheckReceived { transport, tuple, .. }
                if Some(*transport) != self.party.transport =>
            {
                self.asked_by_exchange(*tuple)
            }
            Input::DtlsReceived { tuple } | Input::JunkReceived { tuple } => {
                self.asked_by_junk(*tuple)
            }
            Input::CheckReceived { transport, .. }
            | Input::TransportCreated { transport }
            | Input::IceRestarted { transport }
            | Input::TransportCloseRequested { transport }
            | Input::HandshakeCompleted { transport }
            | Input::HandshakeFailed { transport }
            | Input::CloseNotifyReceived { transport }
            | Input::FatalAlertReceived { transport } => self.asked_by_transport(input, *transport),
            // What has an effect on what is compared is asked by the others of the same turn.
            Input::ConnectRequested { .. }
            | Input::ConnectionHandedOver { .. }
            | Input::DataSubmitted { .. }
            | Input::ConnectionWritable { .. }
            | Input::BytesWritten { .. }
            | Input::ConnectionBlocked { .. }
            | Input::SocketWritable { .. }
            | Input::CheckRefused { .. }
            | Input::RecordsMade { .. }
            | Input::CloseNotifyMade { .. }
            | Input::CloseNotifySent { .. }
            | Input::CloseNotifyBlocked { .. }
            | Input::CloseNotifyFailed { .. }
            | Input::DataReceived { .. } => None,
        }
    }

    #[expect(clippy::wildcard_enum_match_arm, reason = "the caller has sorted them out")]
    fn asked_by_transport(&self, input: &Input, transport: u64) -> Asked {
        let t = self.party.t().filter(|_| self.party.transport == Some(transport))?;
        Some(match input {
            Input::CheckReceived { tuple, former, nominates, .. } => {
                let from = self.party.tuple(*tuple)?;
                let check = match (former, nominates) {
                    (true, _) => StunCheck::WithFormerCredentials,
                    (false, true) => StunCheck::Nominating,
                    (false, false) => StunCheck::Plain,
                };
                vec![Action::PeerChecks { t, from, check }]
            }
            Input::TransportCreated { .. } => vec![Action::OwnerCreatesTransport { t }],
            Input::IceRestarted { .. } => vec![Action::OwnerRestartsIce { t }],
            Input::TransportCloseRequested { .. } => vec![Action::OwnerClosesTransport { t }],
            Input::HandshakeCompleted { .. } => vec![Action::PeerHandshakes { t }],
            // An association that breaks after the handshake ends as by the peer's fatal alert.
            Input::HandshakeFailed { .. } => {
                vec![Action::PeerFailsHandshake { t }, Action::PeerSendsFatalAlert { t }]
            }
            Input::FatalAlertReceived { .. } => vec![Action::PeerSendsFatalAlert { t }],
            // The state decides: unasked, in answer, or in the middle of the handshake.
            Input::CloseNotifyReceived { .. } => vec![
                Action::PeerSendsCloseNotify { t },
                Action::PeerAnswers { t },
                Action::PeerFailsHandshake { t },
            ],
            _ => unreachable!("{input:?} is not about a transport"),
        })
    }

    #[expect(clippy::wildcard_enum_match_arm, reason = "the caller has sorted them out")]
    fn asked_by_connection(&self, input: &Input, connection: u64) -> Asked {
        let c = self.c(connection)?;
        let phase = self.seen.connections.get(&connection).map(|view| view.phase);
        Some(match input {
            Input::ConnectionAccepted { .. } | Input::ConnectionTakenOver { .. } => {
                vec![Action::PeerConnects { c }]
            }
            // With its FIN the peer acknowledges what it has. If that is not all, nobody knows what it will get to
            // have, as after a reset.
            Input::ConnectionFinished { .. } if phase == Some(ConnectionPhase::Draining) => {
                vec![Action::PeerSendsFin { c }, Action::PeerResets { c }]
            }
            Input::ConnectionFinished { .. } => vec![Action::PeerSendsFin { c }],
            Input::ConnectionReset { .. } => vec![Action::PeerResets { c }],
            Input::ConnectionAcknowledged { .. } => vec![Action::KernelAcknowledges { c }],
            _ => unreachable!("{input:?} is not about a connection"),
        })
    }

    /// What is no check ends a connection that is nobody's, as if its time were up.
    fn asked_by_junk(&self, tuple: Tuple) -> Asked {
        let Tuple::Tcp(connection) = tuple else { return None };
        let c = self.c(connection)?;
        let phase = self.seen.connections.get(&connection).map(|view| view.phase);
        match phase {
            Some(ConnectionPhase::Unbound) => Some(vec![Action::BindDeadlinePasses { c }]),
            Some(
                ConnectionPhase::Bound
                | ConnectionPhase::Flushing { .. }
                | ConnectionPhase::Draining,
            )
            | None => None,
        }
    }

    fn asked_by_timer(&self, timer: Timer) -> Asked {
        let t = |id: u64| self.party.t().filter(|_| self.party.transport == Some(id));
        let action = match timer {
            Timer::Consent(id) => t(id).map(|t| Action::ConsentExpires { t }),
            Timer::Handshake(id) => t(id).map(|t| Action::HandshakeDeadlinePasses { t }),
            Timer::Farewell(id) => t(id).map(|t| Action::FarewellDeadlinePasses { t }),
            Timer::Bind(id) => self.c(id).map(|c| Action::BindDeadlinePasses { c }),
            Timer::Linger(id) => self.c(id).map(|c| Action::LingerDeadlinePasses { c }),
            Timer::Server => Some(Action::ServerDeadlinePasses { w: WorkerId(0) }),
        };
        action.map(|action| vec![action])
    }

    /// The kernel's buffers: no entry says when one fills, but what was blocked or written then says that it did.
    fn room(&self, input: &Input, answer: bool) -> Vec<Action> {
        let c = |connection: u64| self.c(connection);
        let own = |transport: u64| self.party.transport == Some(transport);
        if let Input::CheckReceived { transport, tuple: Tuple::Tcp(connection), .. } = *input
            && own(transport)
        {
            return self.rest_of_a_frame(connection);
        }
        if let Input::ConnectionBlocked { connection } = *input {
            let fills = c(connection).map_or(Vec::new(), fills);
            let waits = c(connection).zip(self.party.t()).map_or(Vec::new(), media_waits);
            return fills.into_iter().chain(waits).collect();
        }
        // A write found it: until then nothing of what was to be written had left.
        if let (Input::ConnectionReset { connection }, true) = (input, answer) {
            return c(*connection).map_or(Vec::new(), fills);
        }
        if let Input::BytesWritten { connection } | Input::ConnectionWritable { connection } =
            *input
        {
            return c(connection).map_or(Vec::new(), empties);
        }
        if let Input::CloseNotifyBlocked { transport } = *input
            && own(transport)
        {
            return self.sockets().map(|s| Action::KernelFillsSocket { s }).collect();
        }
        Vec::new()
    }

    fn sockets(&self) -> impl Iterator<Item = SocketId> + use<> {
        (0..self.carriers.sockets.len()).map(|at| SocketId(at as u8))
    }

    /// A connection that was somebody else's may come with a frame that is begun. In the model it gets there as the
    /// companion's, by a reply for which there was little room.
    fn rest_of_a_frame(&self, connection: u64) -> Vec<Action> {
        let inherited = |(_, stay): &(_, &Stay)| stay.connection == connection && stay.inherited;
        let phase = self.seen.connections.get(&connection).map(|view| view.phase);
        let comes = matches!(phase, None | Some(ConnectionPhase::Unbound));
        let Some((c, _)) = self.party.stays().find(inherited).filter(|_| comes) else {
            return Vec::new();
        };
        let (t, from) = (self.party.companion(), model::Tuple::Tcp(c));
        let check = Action::PeerChecks { t, from, check: StunCheck::Plain };
        vec![check, Action::KernelLeavesRoom { c, part: true }]
    }

    /// Whoever waits for a socket hears of it, whatever the core says to that.
    fn room_for_farewell(&self, input: &Input) -> Option<Vec<Action>> {
        let Input::SocketWritable { socket } = *input else { return None };
        let Farewell::Queued(Tuple::Udp { socket: waits_for, .. }) =
            self.seen.transport.as_ref()?.farewell
        else {
            return None;
        };
        let s = self.carriers.socket(socket).filter(|_| waits_for == socket)?;
        Some(vec![Action::KernelMakesRoomOnSocket { s }])
    }

    /// An alert that is offered to a socket that is still full has not been anywhere.
    fn forgive_vain_offer(&self, entries: &[&Entry], turn: &mut Turn) {
        let steps = || entries.iter().filter_map(|entry| Some(&entry.what.step()?.input));
        let again = matches!(steps().next(), Some(Input::SocketWritable { .. }));
        let vain = |input: &Input| matches!(input, Input::CloseNotifyBlocked { transport } if Some(*transport) == self.party.transport);
        if again && steps().any(vain) {
            turn.hidden.clear();
            turn.causes.clear();
            turn.effects.retain(|effect| !matches!(effect, model::Effect::OfferDatagramAlert(..)));
        }
    }

    /// An alert that the system refuses never gets room.
    fn excuse_refusal(&self, entries: &[&Entry], turn: &mut Turn) {
        let steps = || entries.iter().filter_map(|entry| Some(&entry.what.step()?.input));
        let refused = |input: &Input| {
            let Input::CloseNotifyFailed { transport, reason: DropReason::Io } = input else {
                return false;
            };
            Some(*transport) == self.party.transport
        };
        let Some(t) = self.party.t().filter(|_| steps().any(refused)) else { return };
        if matches!(steps().next(), Some(Input::SocketWritable { .. })) {
            turn.causes.clear();
            turn.effects.retain(|effect| !matches!(effect, model::Effect::OfferDatagramAlert(..)));
        }
        turn.hidden.extend(self.sockets().map(|s| Action::KernelFillsSocket { s }));
        turn.hidden.extend(self.sockets().map(|s| Action::KernelMakesRoomOnSocket { s }));
        turn.causes.push(vec![Action::FarewellDeadlinePasses { t }]);
    }

    fn effect(&self, effect: &Effect) -> Result<model::Effect, String> {
        let t = self.party.t().unwrap_or(self.party.companion());
        let c = |connection: u64| {
            self.c(connection).ok_or_else(|| format!("connection {connection} is not its own"))
        };
        let w = WorkerId(0);
        Ok(match *effect {
            Effect::StopAccepting { listener } => {
                model::Effect::StopAccepting(self.listener(listener)?)
            }
            Effect::ReleaseListener { listener } => {
                model::Effect::ReleaseListener(self.listener(listener)?)
            }
            Effect::ReleaseSocket { socket } => model::Effect::ReleaseSocket(self.socket(socket)?),
            Effect::MakeAlert { .. } => model::Effect::MakeAlert(t),
            Effect::OfferDatagramAlert { socket, .. } => {
                model::Effect::OfferDatagramAlert(t, self.socket(socket)?)
            }
            Effect::Unmap { .. } => model::Effect::Unmap(t),
            Effect::AlertWritten { connection, .. } => {
                model::Effect::AlertWritten(t, c(connection)?)
            }
            Effect::ShutdownWrite { connection } => model::Effect::ShutdownWrite(c(connection)?),
            Effect::CloseConnection { connection } => {
                model::Effect::CloseConnection(c(connection)?)
            }
            Effect::AbortConnection { connection } => {
                model::Effect::AbortConnection(c(connection)?)
            }
            Effect::SelectedTupleChanged { tuple, .. } => {
                let tuple = tuple.map(|tuple| {
                    self.party.tuple(tuple).ok_or_else(|| format!("{tuple:?} is not its own"))
                });
                model::Effect::SelectedTupleChanged(t, tuple.transpose()?)
            }
            Effect::IceStateChanged { state, .. } => {
                model::Effect::IceStateChanged(t, ice_state(state))
            }
            Effect::DtlsStateChanged { state, .. } => {
                model::Effect::DtlsStateChanged(t, dtls_state(state))
            }
            Effect::TransportClosed { reason, outcome: came, .. } => {
                let came = match came {
                    Outcome::Dropped(reason) => Outcome::Dropped(self.excuse(reason)),
                    Outcome::Confirmed | Outcome::Sent | Outcome::NotNeeded(_) => came,
                };
                model::Effect::TransportClosed(t, close_reason(reason), outcome(came)?)
            }
            Effect::WorkerDrained => model::Effect::WorkerDrained(w),
            Effect::WorkerReleased => model::Effect::WorkerReleased(w),
        })
    }

    fn socket(&self, id: u32) -> Result<SocketId, String> {
        self.carriers.socket(id).ok_or_else(|| format!("socket {id} was never bound"))
    }

    fn listener(&self, id: u32) -> Result<model::ListenerId, String> {
        self.carriers.listener(id).ok_or_else(|| format!("listener {id} was never bound"))
    }
}

fn fills(c: model::ConnectionId) -> Vec<Action> {
    vec![
        Action::KernelFillsConnection { c },
        Action::KernelLeavesRoom { c, part: false },
        Action::KernelLeavesRoom { c, part: true },
    ]
}

/// Media that waits behind a full buffer, nothing of it written. The model has it only where the first frame is begun;
/// the reply to a check waits in the same way, and the check itself changes nothing.
fn media_waits((c, t): (model::ConnectionId, model::TransportId)) -> Vec<Action> {
    let from = model::Tuple::Tcp(c);
    let checks = [StunCheck::Plain, StunCheck::WithFormerCredentials];
    checks.map(|check| Action::PeerChecks { t, from, check }).to_vec()
}

fn empties(c: model::ConnectionId) -> Vec<Action> {
    vec![Action::KernelMakesRoomOnConnection { c }, Action::KernelMakesLittleRoom { c }]
}
