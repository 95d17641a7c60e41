//! One worker: a poll, the carriers, the DTLS sessions and the lifecycle core between them.
//!
//! `poll -> Ready -> Input -> Output -> system call`. It decides nothing: what arrives becomes an input, what the core
//! puts out is performed, and the answers of the kernel and of OpenSSL are the next inputs. [`Worker::poll`] only
//! collects what is ready; [`Worker::deliver`] handles one of them, so that a test can hold ready events and choose
//! which comes next.

mod commands;
mod dtls;
mod handover;
mod mutants;
mod perform;
mod receive;

use super::bind::{Bound, BoundCarrier, Role};
#[cfg(feature = "testing")]
use super::carriers::WriteRoom;
use super::carriers::{Carrier, Carriers};
use super::hints::Hints;
use super::limiter::ReplyLimiter;
use super::timers::{Alarm, Timers};
use super::transactions::Transactions;
use crate::control::dump::Stats;
use crate::control::handover::Neighbours;
use crate::control::owner::{ABANDONED, Owner};
use crate::lifecycle::{self, ConnectionId, Input, Limits, ListenerId, SocketId, TransportId};
use crate::lifecycle::{Outcome, Verdict};
use crate::mutants::Planted;
use crate::sync::{Arc, Mutex};
#[cfg(feature = "testing")]
use crate::trace::{BarrierEvent, Cause, Stepped, Tracer};
use dtls::DtlsSlot;
use mio::{Events, Poll, Token, Waker};
use std::collections::{HashMap, VecDeque};
use std::io;
#[cfg(feature = "testing")]
use std::net::SocketAddr;
#[cfg(feature = "testing")]
use std::os::fd::{AsFd, BorrowedFd};
use std::time::{Duration, Instant};

/// Bytes that one receive call can take: the largest UDP payload, and a good read for TCP.
const RECEIVE_BUFFER_BYTES: usize = 65_536;
/// Events of one poll.
const EVENTS_PER_POLL: usize = 1024;
const WAKER: Token = Token(0);

/// Something that can be delivered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Ready {
    /// Datagrams wait.
    SocketReadable(SocketId),
    /// Datagrams can be sent again.
    SocketWritable(SocketId),
    /// Connections wait.
    ListenerReadable(ListenerId),
    /// Bytes, the end of input, or an error wait.
    ConnectionReadable(ConnectionId),
    /// Bytes can be written again.
    ConnectionWritable(ConnectionId),
    /// A moment has come.
    Alarm(Alarm),
}

/// Who is told that the worker's share of the server is closed.
pub trait Notify: Send {
    /// Nothing is left but the carriers. `outcomes`: of every transport that this close ended, by id.
    fn drained(&mut self, outcomes: Vec<(u64, Outcome)>);
    /// The carriers are released.
    fn released(&mut self);
    /// The worker is dropped before it was drained. `outcomes`: of the transports that its close had ended, and of
    /// those that end now.
    fn abandoned(&mut self, outcomes: Vec<(u64, Outcome)>) {
        drop(outcomes);
    }
}

/// Who advances time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Clock {
    /// The system's monotonic clock.
    System,
    /// Nobody but the caller of [`Worker::fire`]: for tests.
    Manual,
}

/// What a worker is made of.
pub struct WorkerConfig {
    /// Deadlines and caps.
    pub limits: Limits,
    /// Its carriers, bound.
    pub bound: Vec<Bound>,
    /// Who hears of the end.
    pub notify: Box<dyn Notify>,
    /// Who advances time.
    pub clock: Clock,
    /// Its mutant, if it is to have one.
    #[cfg(feature = "testing")]
    pub mutant: Option<lifecycle::Mutant>,
}

/// How something came to this worker.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Arrival {
    /// At a socket or listener of its own: it may be another worker's.
    Own,
    /// From another worker, where it had arrived.
    HandedOver,
}

/// What becomes of connections of strangers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Strangers {
    /// They may bind to a transport.
    Welcome,
    /// The server drains: they are closed as soon as they are accepted.
    TurnedAway,
}

/// One step of the core, and what came of it.
#[cfg(feature = "testing")]
#[derive(Clone, Debug)]
pub struct JournalEntry {
    /// What happened.
    pub input: Input,
    /// What the core made of it.
    pub step: lifecycle::Step,
    /// The core after that.
    pub core: lifecycle::Worker,
}

/// What a worker keeps of one transport beside the core's part.
struct Slot {
    /// `None` when it is over.
    dtls: Option<DtlsSlot>,
    owner: Owner,
    bytes_received: u64,
    bytes_sent: u64,
}

/// One worker of a server.
pub struct Worker {
    core: lifecycle::Worker,
    poll: Poll,
    waker: Arc<Waker>,
    /// Before the owners in the slots: who hears that a transport is lost finds its carriers gone.
    carriers: Carriers,
    slots: HashMap<TransportId, Slot>,
    timers: Timers,
    clock: Clock,
    events: Events,
    ready: VecDeque<Ready>,
    answers: VecDeque<Input>,
    next_connection: u64,
    strangers: Strangers,
    limiter: Arc<Mutex<ReplyLimiter>>,
    transactions: Transactions,
    /// `None` when it is alone: then nothing is handed over.
    neighbours: Option<Neighbours>,
    hints: Hints,
    outcomes: Vec<(u64, Outcome)>,
    notify: Box<dyn Notify>,
    buffer: Box<[u8]>,
    stats: Stats,
    planted: Planted,
    /// Every step of the core since the last [`Worker::take_journal`]; none before the first.
    #[cfg(feature = "testing")]
    journal: Option<Vec<JournalEntry>>,
    /// Who hears of every step, and under which name.
    #[cfg(feature = "testing")]
    tracer: Option<(Tracer, lifecycle::server::WorkerId)>,
}

impl Worker {
    /// The only worker of a server. Registers the carriers with a new poll.
    ///
    /// # Errors
    ///
    /// What the system says when there are no descriptors left.
    pub fn new(config: WorkerConfig) -> io::Result<Self> {
        Worker::among(config, None)
    }

    /// One of several workers. As [`Worker::new`].
    ///
    /// # Errors
    ///
    /// As there.
    pub fn among(config: WorkerConfig, neighbours: Option<Neighbours>) -> io::Result<Self> {
        let role = neighbours.as_ref().map_or(Role::Receive, Neighbours::role);
        let poll = Poll::new()?;
        let waker = Arc::new(Waker::new(poll.registry(), WAKER)?);
        #[cfg(feature = "testing")]
        let planted = Planted::new(config.mutant);
        #[cfg(not(feature = "testing"))]
        let planted = Planted::default();
        let mut carriers = Carriers::new(poll.registry().try_clone()?, WAKER.0 + 1, planted);
        for (index, bound) in (0_u32..).zip(config.bound) {
            match bound.carrier {
                BoundCarrier::Udp(socket) => {
                    carriers.add_socket(SocketId(index), socket, bound.info, role)?;
                }
                BoundCarrier::Tcp(listener) => {
                    carriers.add_listener(ListenerId(index), listener, bound.info, role)?;
                }
            }
        }
        let core = lifecycle::Worker::new(
            config.limits,
            carriers.sockets.keys().copied(),
            carriers.listeners.keys().copied(),
        );
        #[cfg(feature = "testing")]
        let core = core.with_mutant(config.mutant);
        Ok(Worker {
            core,
            poll,
            waker,
            carriers,
            slots: HashMap::new(),
            timers: Timers::default(),
            clock: config.clock,
            events: Events::with_capacity(EVENTS_PER_POLL),
            ready: VecDeque::new(),
            answers: VecDeque::new(),
            next_connection: 0,
            strangers: Strangers::Welcome,
            limiter: neighbours.as_ref().map(Neighbours::limiter).unwrap_or_default(),
            transactions: Transactions::default(),
            neighbours,
            hints: Hints::default(),
            outcomes: Vec::new(),
            notify: config.notify,
            buffer: vec![0; RECEIVE_BUFFER_BYTES].into_boxed_slice(),
            stats: Stats::default(),
            planted,
            #[cfg(feature = "testing")]
            journal: None,
            #[cfg(feature = "testing")]
            tracer: None,
        })
    }

    /// Interrupts a [`Worker::poll`] from another thread.
    pub fn waker(&self) -> Arc<Waker> {
        Arc::clone(&self.waker)
    }

    /// The lifecycle core, to look at.
    pub fn core(&self) -> &lifecycle::Worker {
        &self.core
    }

    /// Whether its carriers are released: there is nothing left to do.
    pub fn is_released(&self) -> bool {
        self.core.phase() == lifecycle::WorkerPhase::Released
    }

    /// Waits until something is ready, a moment has come, the waker was woken, or `timeout` has passed (`None`: for as
    /// long as it takes), and appends what is ready to [`Worker::ready`]. Does not wait while something is left there.
    ///
    /// # Errors
    ///
    /// What the system says; `Interrupted` is not an error.
    pub fn poll(&mut self, timeout: Option<Duration>) -> io::Result<()> {
        let timeout =
            if self.ready.is_empty() { self.until_alarm(timeout) } else { Some(Duration::ZERO) };
        match self.poll.poll(&mut self.events, timeout) {
            Err(error) if error.kind() != io::ErrorKind::Interrupted => return Err(error),
            Ok(()) | Err(_) => {}
        }
        #[cfg(feature = "testing")]
        self.follow_faults();
        let held = self.ready.len();
        for event in &self.events {
            let Some(carrier) = self.carriers.by_token(event.token()) else { continue };
            let readable = event.is_readable() || event.is_read_closed() || event.is_error();
            let (read, write) = readiness(carrier);
            for ready in [readable.then_some(read), write.filter(|_| event.is_writable())] {
                // One poll names a carrier once; only what was held before can be a repetition.
                if let Some(ready) = ready.filter(|r| !self.ready.iter().take(held).any(|h| h == r))
                {
                    self.ready.push_back(ready);
                }
            }
        }
        if self.clock == Clock::System {
            let now = Instant::now();
            while let Some(alarm) = self.timers.take_due(now) {
                self.ready.push_back(Ready::Alarm(alarm));
            }
        }
        Ok(())
    }

    fn until_alarm(&self, timeout: Option<Duration>) -> Option<Duration> {
        let alarm = match self.clock {
            Clock::System => self.timers.next(),
            Clock::Manual => None,
        };
        let until = alarm.map(|moment| moment.saturating_duration_since(Instant::now()));
        [timeout, until].into_iter().flatten().min()
    }

    /// What is ready and not delivered yet, in the order in which it became so.
    pub fn ready(&self) -> &VecDeque<Ready> {
        &self.ready
    }

    /// Delivers the first of [`Worker::ready`]; `false` when there is none.
    pub fn deliver_next(&mut self) -> bool {
        let Some(ready) = self.ready.pop_front() else { return false };
        self.handle_claimed(ready);
        true
    }

    /// Delivers this one; `false` when it is not ready.
    pub fn deliver(&mut self, ready: Ready) -> bool {
        let Some(at) = self.ready.iter().position(|r| *r == ready) else { return false };
        self.ready.remove(at);
        self.handle_claimed(ready);
        true
    }

    /// An alarm that was moved or disarmed after its moment had come is not delivered.
    fn handle_claimed(&mut self, ready: Ready) {
        match ready {
            Ready::Alarm(alarm) if !self.timers.claim(alarm) => {}
            Ready::Alarm(_)
            | Ready::SocketReadable(_)
            | Ready::SocketWritable(_)
            | Ready::ListenerReadable(_)
            | Ready::ConnectionReadable(_)
            | Ready::ConnectionWritable(_) => self.handle_ready(ready),
        }
    }

    /// Lets the moment of an armed alarm come now; `false` when it is not armed.
    pub fn fire(&mut self, alarm: Alarm) -> bool {
        let armed = self.timers.take(alarm);
        if armed {
            self.handle_ready(Ready::Alarm(alarm));
        }
        armed
    }

    /// The alarms that are armed.
    pub fn alarms(&self) -> Vec<Alarm> {
        self.timers.armed().collect()
    }

    /// Feeds one input, performs every output, and feeds the answers, until there are none. What became of the input.
    pub(super) fn feed(&mut self, input: Input) -> Verdict {
        debug_assert!(self.answers.is_empty(), "whoever adds to the answers feeds them");
        self.answers.push_back(input);
        self.feed_answers()
    }

    /// Feeds what is there, and what follows from it. What became of the first.
    fn feed_answers(&mut self) -> Verdict {
        let mut verdict = None;
        while let Some(input) = self.answers.pop_front() {
            #[cfg(feature = "testing")]
            let told = (self.journal.is_some() || self.tracer.is_some()).then(|| input.clone());
            let step = self.core.handle(input);
            if step.verdict == Verdict::Impossible {
                tracing::error!(target: "info", "an impossible input reached the lifecycle");
            }
            #[cfg(feature = "testing")]
            if let Some(input) = told {
                let cause = if verdict.is_none() { Cause::World } else { Cause::Answer };
                self.tell(cause, input, &step);
            }
            verdict.get_or_insert(step.verdict);
            for output in step.outputs {
                self.perform(output);
            }
        }
        verdict.unwrap_or(Verdict::Late)
    }

    fn arm(&mut self, alarm: Alarm, after: Duration) {
        self.timers.arm(alarm, Instant::now(), after);
    }

    /// A packet was taken in as this transport's.
    //= RES-16
    fn count_received(&mut self, transport: TransportId, bytes: usize) {
        if let Some(slot) = self.slots.get_mut(&transport) {
            slot.bytes_received += bytes as u64;
        }
    }

    /// The kernel took something on a tuple, perhaps of a transport.
    //= RES-16
    fn count_sent(&mut self, owner: Option<TransportId>, bytes: usize) {
        if let Some(slot) = owner.and_then(|owner| self.slots.get_mut(&owner)) {
            slot.bytes_sent += bytes as u64;
        }
    }
}

/// What a carrier can be ready for.
fn readiness(carrier: Carrier) -> (Ready, Option<Ready>) {
    match carrier {
        Carrier::Socket(id) => (Ready::SocketReadable(id), Some(Ready::SocketWritable(id))),
        Carrier::Listener(id) => (Ready::ListenerReadable(id), None),
        Carrier::Connection(id) => {
            (Ready::ConnectionReadable(id), Some(Ready::ConnectionWritable(id)))
        }
    }
}

impl Drop for Worker {
    /// After an orderly end there is nothing left. Out of turn, in a panic of its thread for one, the fields follow:
    /// first the carriers, then the owners, each of which answers everybody who waits for its transport.
    //= CLS-07
    fn drop(&mut self) {
        if self.slots.is_empty() && self.outcomes.is_empty() {
            return;
        }
        let mut outcomes = std::mem::take(&mut self.outcomes);
        outcomes.extend(self.slots.keys().map(|transport| (transport.0, ABANDONED)));
        self.notify.abandoned(outcomes);
    }
}

/// What only tests may do.
#[cfg(feature = "testing")]
impl Worker {
    /// Every step of the core since the last call, in order. The first call begins the journal.
    pub fn take_journal(&mut self) -> Vec<JournalEntry> {
        self.journal.replace(Vec::new()).unwrap_or_default()
    }

    /// Numbers connections from here on, so that no two workers of one test have the same.
    pub fn number_connections_from(&mut self, first: u64) {
        self.next_connection = first;
    }

    /// Lets an observer hear of every step from now on.
    pub(crate) fn observe(&mut self, tracer: Option<Tracer>, name: lifecycle::server::WorkerId) {
        self.tracer = tracer.map(|tracer| (tracer, name));
    }

    /// Between the change of the core and its effects.
    fn tell(&mut self, cause: Cause, input: Input, step: &lifecycle::Step) {
        if let Some((tracer, worker)) = &self.tracer {
            let stepped = Stepped { worker: *worker, cause, input: &input, step, core: &self.core };
            tracer.stepped(&stepped);
        }
        if let Some(journal) = &mut self.journal {
            journal.push(JournalEntry { input, step: step.clone(), core: self.core.clone() });
        }
    }

    /// Something that was handed over ends on the way.
    fn tell_dropped(&self, listener: ListenerId, remote: SocketAddr) {
        if let Some((tracer, _)) = &self.tracer {
            tracer.said(BarrierEvent::HandOverDropped { listener, remote });
        }
    }

    /// The sockets are as full as the observer says.
    fn follow_faults(&mut self) {
        let Some((tracer, _)) = &self.tracer else { return };
        let full = tracer.sockets_are_full();
        let ids: Vec<_> = self.carriers.sockets.keys().copied().collect();
        for id in ids {
            self.set_socket_full(id, full);
        }
    }

    /// Lets a socket answer "try again" from now on, or no longer, which makes it writable.
    pub fn set_socket_full(&mut self, id: SocketId, full: bool) {
        let Some(carrier) = self.carriers.sockets.get_mut(&id) else { return };
        let was_full = carrier.faults.of_sends == Some(libc::EAGAIN);
        if was_full && !full && !self.ready.contains(&Ready::SocketWritable(id)) {
            self.ready.push_back(Ready::SocketWritable(id));
        }
        if was_full != full {
            carrier.faults.of_sends = full.then_some(libc::EAGAIN);
        }
    }

    /// Lets every send of a socket fail with this error of the system from now on, or none any more.
    pub fn set_send_error(&mut self, id: SocketId, error: Option<i32>) {
        if let Some(carrier) = self.carriers.sockets.get_mut(&id) {
            carrier.faults.of_sends = error;
        }
    }

    /// Lets so many receives of a socket fail, as without memory.
    pub fn set_receive_errors(&mut self, id: SocketId, count: usize) {
        if let Some(carrier) = self.carriers.sockets.get_mut(&id) {
            carrier.faults.receives_that_fail = count;
        }
    }

    /// Lets so many accepts of a listener fail, as where a policy forbids them.
    pub fn set_accept_errors(&mut self, id: ListenerId, count: usize) {
        if let Some(carrier) = self.carriers.listeners.get_mut(&id) {
            carrier.accepts_that_fail = count;
        }
    }

    /// Gives a connection a send buffer of that size, or the kernel's own again, and calls it writable.
    pub fn set_write_room(&mut self, id: ConnectionId, room: WriteRoom) {
        let Some(carrier) = self.carriers.connections.get_mut(&id) else { return };
        carrier.room = room;
        if !self.ready.contains(&Ready::ConnectionWritable(id)) {
            self.ready.push_back(Ready::ConnectionWritable(id));
        }
    }

    /// Lets the poll refuse every connection that is accepted from now on, as without memory or descriptors.
    pub fn set_refuses_connections(&mut self, refuses: bool) {
        self.carriers.refuses_connections = refuses;
    }

    /// For how many carriers the poll is asked.
    pub fn watched(&self) -> usize {
        self.carriers.watched()
    }

    /// The descriptor that this is of, to ask the kernel itself; `None` when it is closed.
    pub fn descriptor(&self, ready: Ready) -> Option<BorrowedFd<'_>> {
        let Carriers { sockets, listeners, connections, .. } = &self.carriers;
        match ready {
            Ready::SocketReadable(id) | Ready::SocketWritable(id) => {
                sockets.get(&id).map(|carrier| carrier.socket.as_fd())
            }
            Ready::ListenerReadable(id) => {
                listeners.get(&id).map(|carrier| carrier.listener.as_fd())
            }
            Ready::ConnectionReadable(id) | Ready::ConnectionWritable(id) => {
                connections.get(&id).map(|carrier| carrier.stream.as_fd())
            }
            Ready::Alarm(_) => None,
        }
    }

    /// The token by which the events of a connection name it.
    pub fn token(&self, id: ConnectionId) -> Option<usize> {
        self.carriers.token(id).map(usize::from)
    }

    /// Meets an event of a connection that the batch at hand still holds, as it came with this token, and as it was put
    /// into [`Worker::ready`] before the connection ended.
    pub fn meet_stale_event(&mut self, token: usize, id: ConnectionId) {
        let by_token = self.carriers.by_token(Token(token)).map(readiness);
        let stale = [Ready::ConnectionReadable(id), Ready::ConnectionWritable(id)];
        let events = by_token.into_iter().flat_map(|(read, write)| [Some(read), write]).flatten();
        let events: Vec<_> = events.chain(stale).collect();
        for ready in events {
            self.handle_claimed(ready);
        }
    }
}
