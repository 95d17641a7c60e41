//! What surrounds the core in life: the shell with its clock, DTLS, the kernel, the peers and the owner. It performs
//! every output, or says why that is impossible, and knows the answer to those that have one.
//!
//! The kernel gives no bytes and no descriptor back: whoever uses a connection, a socket or a DTLS association that is
//! gone is told so here, however harmless it looks in the state.

use super::abstraction::Place;
use super::dtls::Associations;
use super::handovers::InTransit;
use super::names::{self, MadeUp, Names};
use super::timers::Timers;
use std::collections::VecDeque;
use std::fmt::Display;
use std::rc::Rc;
use webrtc_server::lifecycle as real;
use webrtc_server::lifecycle::server::{ServerInput, ServerOutput};
use webrtc_server::lifecycle::{
    About, DropReason, Event, FrameKind, Input, Limits, Output, Timer, Worker,
};
use webrtc_server_model::{
    Callback, Caller, CloseReason, Closes, Config, ConnectionId, Effect, End, Listener, Outcome,
    Room, Socket, State, Stream, TransportId, Tuple, WorkerId, World,
};

/// What is fed, and to which of the machines.
#[derive(Clone, Debug)]
pub(super) enum Fed {
    /// To a worker.
    Worker(WorkerId, Input),
    /// To a worker that must make nothing of it.
    TooLate(WorkerId, Input),
    /// To the barrier.
    Server(ServerInput),
}

/// What is fed next, with the effect that it tells of, if it tells of one.
#[derive(Clone, Debug)]
pub(super) struct Stimulus {
    /// The input.
    pub(super) fed: Fed,
    /// What happened before it could be said.
    pub(super) news: Option<Effect>,
}

impl Stimulus {
    pub(super) fn worker(w: WorkerId, input: Input) -> Self {
        Stimulus { fed: Fed::Worker(w, input), news: None }
    }

    pub(super) fn too_late(w: WorkerId, input: Input) -> Self {
        Stimulus { fed: Fed::TooLate(w, input), news: None }
    }

    pub(super) fn server(input: ServerInput) -> Self {
        Stimulus { fed: Fed::Server(input), news: None }
    }
}

/// A command of the barrier to one worker, which crosses threads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Delivery {
    /// Not given.
    NotGiven,
    /// On its way to the worker.
    UnderWay,
    /// It arrived.
    Arrived,
}

/// Whether a transport was created.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Creation {
    /// Nobody asked for it.
    Absent,
    /// Its worker said that it is too late.
    Refused,
    /// It was.
    Created,
}

/// What was counted during one edge.
#[derive(Clone, Debug, Default)]
pub(super) struct Tally {
    /// Timers that were armed or moved.
    pub(super) armed: Vec<(WorkerId, Timer)>,
    /// STUN replies that left over UDP.
    pub(super) replies: usize,
    /// Bytes that connections took, those of handshakes apart.
    pub(super) written: usize,
}

/// Everything outside the core.
#[derive(Clone, Debug)]
pub(super) struct Outside {
    /// The bounds.
    pub(super) config: Rc<Config>,
    /// The limits of the workers.
    pub(super) limits: Rc<Limits>,
    /// The kernel, the peers and the owner, in the model's words.
    pub(super) world: World,
    /// The timers that run, and for how long they were armed last.
    pub(super) timers: Timers,
    /// Which transports were created.
    pub(super) creation: Vec<Creation>,
    /// What the owner was told of each transport at its end.
    pub(super) reports: Vec<Option<(CloseReason, Outcome)>>,
    /// The command to close, on its way to each worker.
    pub(super) close: Vec<Delivery>,
    /// The permission to release the carriers, on its way to each worker.
    pub(super) grant: Vec<Delivery>,
    /// What lies in the mailbox of each worker.
    pub(super) mailboxes: Vec<VecDeque<InTransit>>,
    /// Where each connection is.
    pub(super) places: Vec<Place>,
    /// The connection of which an event is left in the batch at hand.
    pub(super) stale: Option<real::ConnectionId>,
    /// What this edge did.
    pub(super) tally: Tally,
    associations: Associations,
    /// What the barrier had said: nothing twice.
    told: Vec<ServerOutput>,
}

impl Outside {
    /// Before anything happened.
    pub(super) fn new(config: &Rc<Config>) -> Self {
        let transports = config.transports.len();
        let limits = Limits { tuples_per_transport_max: config.tuples_max, ..Limits::default() };
        Outside {
            config: Rc::clone(config),
            limits: Rc::new(limits),
            world: State::initial(config).world,
            timers: Timers::new(),
            creation: vec![Creation::Absent; transports],
            reports: vec![None; transports],
            close: vec![Delivery::NotGiven; config.workers],
            grant: vec![Delivery::NotGiven; config.workers],
            mailboxes: vec![VecDeque::new(); config.workers],
            places: config.connection_ids().map(|c| Place::With(config.home_of(c))).collect(),
            stale: None,
            tally: Tally::default(),
            associations: Associations::new(transports),
            told: Vec::new(),
        }
    }

    /// Who is who.
    pub(super) fn names(&self) -> MadeUp<'_> {
        MadeUp { config: &self.config, streams: &self.world.streams, places: &self.places }
    }

    /// The kernel's side of a connection.
    pub(super) fn stream(&mut self, c: ConnectionId) -> &mut Stream {
        &mut self.world.streams[c.index()]
    }

    /// Performs one output of a worker; the answers come in the order in which they arise.
    pub(super) fn perform(
        &mut self,
        w: WorkerId,
        output: &Output,
        worker: &Worker,
    ) -> Result<Vec<Stimulus>, String> {
        match output {
            Output::SendDatagram { socket, remote, datagram, about } => {
                let tuple = real::Tuple::Udp { socket: *socket, remote: *remote };
                return self.send(w, worker, tuple, datagram, *about);
            }
            Output::WriteTcp(id) => return Ok(vec![self.write(w, *id, worker)?]),
            Output::ShutdownTcp(id) => self.end_output(*id)?,
            Output::CloseTcp(id) | Output::AbortTcp(id) => self.end_stream(*id)?,
            Output::StopAccepting(_) | Output::ReleaseListener(_) | Output::ReleaseSocket(_) => {
                self.turn_carrier(w, output)?;
            }
            Output::StartDtls { .. }
            | Output::ExpectFingerprints { .. }
            | Output::FeedDtls { .. }
            | Output::EncryptData { .. }
            | Output::MakeCloseNotify(_)
            | Output::DropDtls(_) => {
                let inputs = self.associations.perform(&self.config, output)?;
                return Ok(inputs.into_iter().map(|input| Stimulus::worker(w, input)).collect());
            }
            Output::ArmTimer { timer, after } => {
                self.timers.insert((w, *timer), *after);
                self.tally.armed.push((w, *timer));
            }
            Output::DisarmTimer(timer) => self.disarm(w, *timer)?,
            Output::Emit { transport, event } => {
                let t = names::model_transport(*transport)?;
                ensure(self.reports[t.index()].is_none(), "an event after the report of the end")?;
                let is_told = !matches!(event, Event::DataReceived(_));
                return Ok(if is_told { self.call_back() } else { Vec::new() });
            }
            Output::ReportClosed { transport, reason, outcome } => {
                let t = names::model_transport(*transport)?;
                let freed = self.associations.is_dropped(t);
                ensure(freed, "a transport is reported closed while DTLS is not freed")?;
                let told = (names::close_reason(*reason), names::outcome(*outcome)?);
                let former = self.reports[t.index()].replace(told);
                ensure(former.is_none(), "a transport is reported closed twice")?;
                return Ok(self.call_back());
            }
            Output::CountDropped { .. } => {}
            Output::AcknowledgeDrained => {
                return Ok(vec![Stimulus::server(ServerInput::WorkerDrained(names::worker(w)))]);
            }
            Output::AcknowledgeReleased => {
                return Ok(vec![Stimulus::server(ServerInput::WorkerReleased(names::worker(w)))]);
            }
        }
        Ok(Vec::new())
    }

    /// Performs one output of the barrier. Its commands are on their way until the model's workers hear them.
    pub(super) fn perform_server(&mut self, output: ServerOutput) -> Result<(), String> {
        ensure(!self.told.contains(&output), format_args!("the barrier says {output:?} twice"))?;
        self.told.push(output);
        match output {
            ServerOutput::TellWorkersToClose => {
                self.close.fill(Delivery::UnderWay);
                self.mailboxes.iter_mut().for_each(|mailbox| mailbox.push_back(InTransit::Close));
            }
            ServerOutput::GrantRelease => {
                self.grant.fill(Delivery::UnderWay);
                self.mailboxes.iter_mut().for_each(|mailbox| mailbox.push_back(InTransit::Grant));
            }
            ServerOutput::Complete => self.release_callers(),
        }
        Ok(())
    }

    /// Everybody who waits in `close()` returns.
    pub(super) fn release_callers(&mut self) {
        for caller in &mut self.world.callers {
            if *caller == Caller::Waiting {
                *caller = Caller::Returned;
            }
        }
    }

    /// What the owner does in the callback of an event: a close is asked for, never done.
    fn call_back(&mut self) -> Vec<Stimulus> {
        let Callback::Armed(closes) = self.world.callback else { return Vec::new() };
        match closes {
            Closes::Server => {
                self.world.callback = Callback::Done;
                vec![Stimulus::server(ServerInput::CloseRequested)]
            }
            Closes::Transport(t) => {
                self.world.callback = Callback::Asked(t);
                Vec::new()
            }
        }
    }

    fn send(
        &mut self,
        w: WorkerId,
        worker: &Worker,
        tuple: real::Tuple,
        datagram: &[u8],
        about: About,
    ) -> Result<Vec<Stimulus>, String> {
        let Tuple::Udp(address) = self.names().model_tuple(tuple)? else {
            return Err("a datagram for a connection".to_owned());
        };
        let s = self.config.socket_of(address);
        ensure(self.config.sockets[s.index()] == w, "a datagram from another worker's socket")?;
        let socket = self.world.sockets[s.index()];
        let owner = worker.routes().by_tuple(&tuple);
        match about {
            About::CloseNotify(transport) => {
                ensure(datagram == names::ALERT, "that is no close_notify")?;
                let own = owner.is_none_or(|owner| owner == transport);
                ensure(own, "a close_notify goes to another's peer")?;
                let answer = match socket {
                    Socket::Room => {
                        self.hear_alert(names::model_transport(transport)?);
                        Input::CloseNotifySent { transport }
                    }
                    Socket::Full => Input::CloseNotifyBlocked { transport },
                    Socket::Released => {
                        let reason = DropReason::CarrierReleased;
                        Input::CloseNotifyFailed { transport, reason }
                    }
                };
                return Ok(vec![Stimulus::worker(w, answer)]);
            }
            About::Reply => self.tally.replies += 1,
            About::Records(_) => {
                let owner = owner.ok_or("records for a tuple that is nobody's")?;
                let t = names::model_transport(owner)?;
                ensure(self.world.peer(t).alerts == 0, "records after the close_notify")?;
            }
        }
        ensure(socket != Socket::Released, "a datagram for a released socket")?;
        Ok(Vec::new())
    }

    /// The kernel takes what there is room for: all, half of the next frame, or nothing.
    fn write(
        &mut self,
        w: WorkerId,
        id: real::ConnectionId,
        worker: &Worker,
    ) -> Result<Stimulus, String> {
        let c = self.current(id)?;
        let open = self.world.stream(c).end == End::Open;
        ensure(open, format_args!("a write after the end of {id:?}"))?;
        let unwritten = worker.unwritten(id);
        ensure(!unwritten.is_empty(), format_args!("nothing to write on {id:?}"))?;
        let bytes = match self.world.stream(c).room {
            Room::Plenty => unwritten.len(),
            Room::Little => {
                self.stream(c).room = Room::None;
                unwritten.len() / 2
            }
            Room::None => {
                return Ok(Stimulus::worker(w, Input::ConnectionBlocked { connection: id }));
            }
            Room::Broken => {
                return Ok(Stimulus::worker(w, Input::ConnectionReset { connection: id }));
            }
        };
        if !unwritten.ends_with(names::FLIGHT) {
            self.tally.written += bytes;
        }
        let connection = worker.connections().get(&id).ok_or("a write without a connection")?;
        let news = self.take_bytes(connection, c, bytes == unwritten.len())?;
        Ok(Stimulus { fed: Fed::Worker(w, Input::BytesWritten { connection: id, bytes }), news })
    }

    /// What the bytes of a frame mean that the kernel takes: the last one of an alert is its sending.
    fn take_bytes(
        &mut self,
        connection: &real::Connection,
        c: ConnectionId,
        whole: bool,
    ) -> Result<Option<Effect>, String> {
        let Some(t) = connection.owner().map(names::model_transport).transpose()? else {
            return Ok(None);
        };
        let (unwritten, begun) = (connection.queue.unwritten(), connection.queue.is_begun());
        let is_alert = connection.queue.front() == Some(FrameKind::Alert);
        let is_close_notify =
            unwritten.ends_with(names::ALERT) || names::ALERT.ends_with(unwritten);
        ensure(!is_alert || is_close_notify, "that is no close_notify")?;
        let disturbs = !begun && !is_alert && !unwritten.ends_with(names::REPLY);
        let after = disturbs && self.world.peer(t).alerts > 0;
        ensure(!after, "records after the close_notify")?;
        if !(is_alert && whole) {
            return Ok(None);
        }
        self.hear_alert(t);
        Ok(Some(Effect::AlertWritten(t, c)))
    }

    fn end_output(&mut self, id: real::ConnectionId) -> Result<(), String> {
        let c = self.current(id)?;
        let stream = self.stream(c);
        ensure(stream.end == End::Open, format_args!("{id:?} is {:?} already", stream.end))?;
        stream.end = End::Finished;
        stream.room = Room::Plenty;
        Ok(())
    }

    fn end_stream(&mut self, id: real::ConnectionId) -> Result<(), String> {
        let c = self.current(id)?;
        let stream = self.stream(c);
        let lives = matches!(stream.end, End::Open | End::Finished);
        ensure(lives, format_args!("{id:?} is {:?} already", stream.end))?;
        stream.end = End::Closed;
        stream.room = Room::Plenty;
        stream.unread = false;
        self.places[c.index()] = Place::With(self.config.home_of(c));
        if self.config.kernel.stale_events && self.world.stale.is_none() {
            self.world.stale = Some(c);
            self.stale = Some(id);
        }
        Ok(())
    }

    /// Nothing may happen to a connection under the id of an earlier use.
    fn current(&self, id: real::ConnectionId) -> Result<ConnectionId, String> {
        let c = names::model_connection(id)?;
        let current = self.names().connection(c) == Some(id);
        ensure(current, format_args!("{id:?} was opened again under another id"))?;
        Ok(c)
    }

    /// What becomes of a carrier, in this order, and by its own worker.
    fn turn_carrier(&mut self, w: WorkerId, output: &Output) -> Result<(), String> {
        let mut own = true;
        let turned = if let Output::ReleaseSocket(id) = output {
            let s = self.names().model_socket(*id)?;
            own = self.config.sockets[s.index()] == w;
            let former = std::mem::replace(&mut self.world.sockets[s.index()], Socket::Released);
            former != Socket::Released
        } else if let Output::StopAccepting(id) | Output::ReleaseListener(id) = output {
            let l = self.names().model_listener(*id)?;
            own = self.config.listeners[l.index()] == w;
            let released = matches!(output, Output::ReleaseListener(_));
            let after = if released { Listener::Released } else { Listener::Refusing };
            let former = std::mem::replace(&mut self.world.listeners[l.index()], after);
            former == Listener::Accepting || (released && former == Listener::Refusing)
        } else {
            false
        };
        ensure(own, format_args!("{output:?} by another worker"))?;
        ensure(turned, format_args!("{output:?} twice, or too late"))
    }

    fn disarm(&mut self, w: WorkerId, timer: Timer) -> Result<(), String> {
        let ran = self.timers.remove(&(w, timer)).is_some();
        ensure(ran, format_args!("{timer:?} is disarmed and did not run"))
    }

    fn hear_alert(&mut self, t: TransportId) {
        let alerts = &mut self.world.peers[t.index()].alerts;
        *alerts = (*alerts + 1).min(2);
    }
}

/// A sentence when something does not hold. It is put together only then: there are millions of these.
pub(super) fn ensure(holds: bool, otherwise: impl Display) -> Result<(), String> {
    if holds { Ok(()) } else { Err(otherwise.to_string()) }
}
