//! The threads of the workers: how they begin, what they do, and how they end, in order or out of turn.
//!
//! A worker's thread reports its release after everything that the worker had is dropped, so that whoever sees the
//! close complete finds no descriptor of it. A thread that panics, or could not be started, reports itself lost, after
//! the same, and closes the rest of the server in order.

use super::closing::mark_worker_thread;
use super::command::Command;
use super::handover::Neighbours;
use super::life::{Abandoned, Life};
use super::mailbox::Mailbox;
use super::shutdown::{Shutdown, TellWorkers};
use crate::error::Error;
use crate::lifecycle::server::WorkerId;
use crate::lifecycle::{Limits, Outcome};
use crate::shell::bind::{Bound, Sharing};
use crate::shell::limiter::ReplyLimiter;
use crate::shell::{Clock, Notify, Worker, WorkerConfig};
use crate::sync::{Arc, Mutex, lock, thread};
#[cfg(feature = "testing")]
use crate::trace::{BarrierEvent, Tracer};
use mio::Waker;
use std::collections::VecDeque;
use std::io;
use std::time::{Duration, Instant};

/// Commands that a worker executes before it looks at its carriers again.
//= RES-14
const COMMANDS_PER_TURN_MAX: usize = 256;
/// Carriers and alarms that a worker looks at before it executes commands again.
//= RES-14
const DELIVERIES_PER_TURN_MAX: usize = 64;

/// The barrier's way to the workers. One that is gone has reported itself already.
pub(super) struct Workers {
    pub(super) mailboxes: Arc<[Mailbox]>,
    pub(super) deadline: Arc<Deadline>,
    #[cfg(feature = "testing")]
    pub(super) tracer: Option<Tracer>,
}

impl TellWorkers for Workers {
    fn close(&self) {
        #[cfg(feature = "testing")]
        say(self.tracer.as_ref(), BarrierEvent::CloseRequested);
        let until = Instant::now().checked_add(self.deadline.get());
        for mailbox in self.mailboxes.iter() {
            let _ = mailbox.tell(Command::CloseServer { until });
        }
    }

    fn grant_release(&self) {
        #[cfg(feature = "testing")]
        say(self.tracer.as_ref(), BarrierEvent::ReleaseGranted);
        for mailbox in self.mailboxes.iter() {
            let _ = mailbox.tell(Command::GrantRelease);
        }
    }
}

/// Tells whoever observes, if anybody does.
#[cfg(feature = "testing")]
fn say(tracer: Option<&Tracer>, event: BarrierEvent) {
    if let Some(tracer) = tracer {
        tracer.said(event);
    }
}

/// How long the close may take: what the first who closes says.
pub(super) struct Deadline {
    default: Duration,
    chosen: Mutex<Option<Duration>>,
}

impl Deadline {
    pub(super) fn new(limits: &Limits) -> Self {
        Deadline { default: limits.server, chosen: Mutex::new(None) }
    }

    /// Without effect once it was chosen.
    pub(super) fn choose(&self, deadline: Duration) {
        lock(&self.chosen).get_or_insert(deadline);
    }

    fn get(&self) -> Duration {
        *lock(&self.chosen).get_or_insert(self.default)
    }
}

/// What all workers of a server are started with.
pub(super) struct Spawn {
    pub(super) limits: Limits,
    pub(super) mailboxes: Arc<[Mailbox]>,
    pub(super) shutdown: Arc<Shutdown<Outcome>>,
    pub(super) sharing: Sharing,
    pub(super) limiter: Arc<Mutex<ReplyLimiter>>,
    #[cfg(feature = "testing")]
    pub(super) mutant: Option<crate::lifecycle::Mutant>,
    #[cfg(feature = "testing")]
    pub(super) tracer: Option<Tracer>,
}

impl Spawn {
    /// Starts one thread for each mailbox, with these carriers.
    ///
    /// # Errors
    ///
    /// [`Error::System`]; then no thread and no carrier is left.
    //= CLS-21
    pub(super) fn start(&self, bound: Vec<Vec<Bound>>) -> Result<(), Error> {
        debug_assert_eq!(bound.len(), self.mailboxes.len(), "carriers for every worker");
        #[cfg(feature = "testing")]
        if let Some(tracer) = self.tracer.clone() {
            let closing = self.shutdown.closing();
            closing.on_complete(move |_| tracer.said(BarrierEvent::CallersAnswered));
        }
        let started = self
            .prepare(bound)
            .and_then(|threads| threads.into_iter().try_for_each(WorkerThread::spawn));
        if started.is_err() {
            // Those that were not started have reported themselves lost; this waits for the others.
            let _ = self.shutdown.request_close().wait_anywhere();
        }
        Ok(started?)
    }

    fn prepare(&self, bound: Vec<Vec<Bound>>) -> io::Result<Vec<WorkerThread>> {
        // Every life first: one that never gets a worker is lost, and nobody waits for it.
        let lives: Vec<_> = (0..self.mailboxes.len()).map(|index| self.life(index)).collect();
        lives.into_iter().zip(bound).map(|(life, bound)| self.thread(life, bound)).collect()
    }

    fn life(&self, index: usize) -> WorkerLife {
        let (worker, commands) = (WorkerId(index), self.mailboxes[index].commands());
        #[cfg_attr(not(feature = "testing"), expect(unused_mut, reason = "nobody observes it"))]
        let mut life = Life::new(worker, commands, Arc::clone(&self.shutdown));
        #[cfg(feature = "testing")]
        life.tracer.clone_from(&self.tracer);
        life
    }

    fn thread(&self, life: WorkerLife, bound: Vec<Bound>) -> io::Result<WorkerThread> {
        let notify = Report {
            worker: life.worker(),
            shutdown: Arc::clone(&self.shutdown),
            abandoned: life.abandoned(),
        };
        let neighbours =
            Neighbours::of(life.worker(), self.sharing, &self.mailboxes, &self.limiter);
        let config = WorkerConfig {
            limits: self.limits.clone(),
            bound,
            notify: Box::new(notify),
            clock: Clock::System,
            #[cfg(feature = "testing")]
            mutant: self.mutant,
        };
        #[cfg_attr(not(feature = "testing"), expect(unused_mut, reason = "nobody observes it"))]
        let mut worker = Worker::among(config, neighbours)?;
        #[cfg(feature = "testing")]
        worker.observe(self.tracer.clone(), life.worker());
        life.queue().connect(worker.waker());
        Ok(WorkerThread { worker, taken: VecDeque::new(), left: 0, closes_at: None, life })
    }
}

type WorkerLife = Life<Command, Arc<Waker>, Outcome>;

/// A worker with everything that its thread owns. However the thread ends, it is dropped in this order.
struct WorkerThread {
    worker: Worker,
    /// Commands that were taken out and not executed yet.
    taken: VecDeque<Command>,
    /// How many of those that are ready were so at the last poll. They are delivered before the next.
    left: usize,
    /// When a server that drains closes, whoever is left.
    closes_at: Option<Instant>,
    life: WorkerLife,
}

impl WorkerThread {
    fn spawn(self) -> io::Result<()> {
        let name = format!("webrtc-server-{}", self.life.worker().0);
        thread::Builder::new().name(name).spawn(move || self.run()).map(drop)
    }

    fn run(mut self) {
        mark_worker_thread();
        match self.work() {
            Ok(()) => {
                //= CLS-20
                let WorkerThread { worker, taken, life, .. } = self;
                drop(worker);
                drop(taken);
                life.released();
            }
            Err(error) => tracing::error!(target: "info", %error, "a worker cannot poll"),
        }
    }

    /// Until the carriers are released.
    fn work(&mut self) -> io::Result<()> {
        let mut wait = None;
        while !self.worker.is_released() {
            wait = self.turn(wait)?;
        }
        Ok(())
    }

    /// A portion of what is ready, and a portion of the commands. For how long the next may wait for something.
    fn turn(&mut self, wait: Option<Duration>) -> io::Result<Option<Duration>> {
        if self.left == 0 {
            self.worker.poll(wait)?;
            // What is requeued meanwhile waits for the next poll.
            self.left = self.worker.ready().len();
        }
        let portion = self.left.min(DELIVERIES_PER_TURN_MAX);
        self.left -= portion;
        for _ in 0..portion {
            self.worker.deliver_next();
        }
        let more = self.execute_some();
        // Looked at in any case: commands may come faster than they are executed.
        let close = self.until_close();
        Ok(if more { Some(Duration::ZERO) } else { close })
    }

    /// Whether there may be more.
    fn execute_some(&mut self) -> bool {
        let more = self.life.queue().take(COMMANDS_PER_TURN_MAX, &mut self.taken);
        while let Some(command) = self.taken.pop_front() {
            if let Command::Drain { until } = command {
                self.closes_at = until;
            }
            self.worker.execute(command);
        }
        more
    }

    /// How long a server that drains may wait for its transports. The first worker whose time is up closes it.
    //= CLS-31
    fn until_close(&mut self) -> Option<Duration> {
        let left = self.closes_at?.saturating_duration_since(Instant::now());
        if left.is_zero() {
            self.closes_at = None;
            self.life.close_server();
        }
        Some(left)
    }
}

/// What a worker says while it works. Its end is reported by its thread, when the worker itself is gone.
struct Report {
    worker: WorkerId,
    shutdown: Arc<Shutdown<Outcome>>,
    abandoned: Abandoned<Outcome>,
}

impl Notify for Report {
    fn drained(&mut self, outcomes: Vec<(u64, Outcome)>) {
        self.shutdown.worker_drained(self.worker, outcomes);
    }

    fn released(&mut self) {}

    fn abandoned(&mut self, outcomes: Vec<(u64, Outcome)>) {
        *lock(&self.abandoned) = outcomes;
    }
}

#[cfg(test)]
#[path = "spawn_handover_tests.rs"]
mod handover_tests;

#[cfg(test)]
mod tests {
    use super::super::command::Reply;
    use super::super::handover::{HAND_OVERS_BYTES_MAX, HandOver, Hint};
    use super::super::shutdown::Outcomes;
    use super::*;
    use crate::lifecycle::server::ServerPhase;
    use crate::lifecycle::{SocketId, Timer};
    use crate::parameters::{ListenInfo, Protocol};
    use crate::shell::bind::bind;
    use crate::shell::{Alarm, Ready};
    use std::net::TcpStream;

    /// Deadline of every wait for something that must come. No assertion is about how long it took.
    pub(super) const PATIENCE: Duration = Duration::from_secs(20);

    pub(super) fn spawn(workers: usize) -> Spawn {
        let mailboxes: Arc<[Mailbox]> = (0..workers).map(|_| Mailbox::new()).collect();
        let limits = Limits::default();
        let deadline = Arc::new(Deadline::new(&limits));
        let tell = Workers {
            mailboxes: Arc::clone(&mailboxes),
            deadline,
            #[cfg(feature = "testing")]
            tracer: None,
        };
        Spawn {
            limits,
            mailboxes,
            shutdown: Arc::new(Shutdown::new(workers, tell)),
            sharing: Sharing::default(),
            limiter: Arc::default(),
            #[cfg(feature = "testing")]
            mutant: None,
            #[cfg(feature = "testing")]
            tracer: None,
        }
    }

    fn bound() -> Vec<Bound> {
        let localhost = "127.0.0.1".parse().expect("an address");
        bind(&[ListenInfo::new(Protocol::Udp, localhost)]).expect("a free port")
    }

    fn close(spawn: &Spawn) -> Outcomes<Outcome> {
        let closing = spawn.shutdown.request_close();
        closing.wait_timeout(Duration::from_secs(20)).expect("nobody is waited for")
    }

    #[test]
    fn res_14_a_turn_executes_a_bounded_portion_of_the_commands() {
        let spawn = spawn(1);
        let mut threads = spawn.prepare(vec![bound()]).expect("descriptors");
        let thread = &mut threads[0];
        let answers: Vec<_> = (0..=COMMANDS_PER_TURN_MAX)
            .map(|_| {
                let (reply, answer) = Reply::new();
                let command = Command::GetStats { reply };
                spawn.mailboxes[0].post(command).expect("it is connected");
                answer
            })
            .collect();
        let answered = || answers.iter().filter(|answer| answer.try_recv().is_ok()).count();
        assert!(thread.execute_some(), "there is more");
        assert_eq!(answered(), COMMANDS_PER_TURN_MAX);
        assert!(!thread.execute_some(), "that is all");
        assert_eq!(answered(), COMMANDS_PER_TURN_MAX + 1);
    }

    #[test]
    fn res_14_commands_get_their_turn_before_all_that_is_ready_is_delivered() {
        let spawn = spawn(1);
        let localhost = "127.0.0.1".parse().expect("an address");
        let bound = bind(&[ListenInfo::new(Protocol::Tcp, localhost)]).expect("a free port");
        let address = (bound[0].info.ip, bound[0].info.port);
        let mut thread = spawn.prepare(vec![bound]).expect("descriptors").pop().expect("one");
        let _streams: Vec<_> = (0..=DELIVERIES_PER_TURN_MAX)
            .map(|_| TcpStream::connect(address).expect("it listens"))
            .collect();
        let deadline = Instant::now() + PATIENCE;
        // Each connection that was accepted can be written to.
        while thread.worker.ready().len() <= DELIVERIES_PER_TURN_MAX {
            assert!(Instant::now() < deadline, "they are not accepted");
            thread.worker.poll(Some(Duration::from_millis(1))).expect("a poll");
            if let Some(ready @ Ready::ListenerReadable(_)) = thread.worker.ready().front().copied()
            {
                thread.worker.deliver(ready);
            }
        }
        let (reply, answer) = Reply::new();
        spawn.mailboxes[0].post(Command::GetStats { reply }).expect("it is connected");
        thread.turn(None).expect("a poll");
        answer.try_recv().expect("it was executed");
        assert!(!thread.worker.ready().is_empty(), "what is left is delivered later");
        while !thread.worker.ready().is_empty() {
            assert!(Instant::now() < deadline, "it is not delivered");
            thread.turn(None).expect("a poll");
        }
    }

    /// Commands come faster than they are executed.
    #[test]
    fn cls_31_the_deadline_of_a_drain_waits_for_no_command() {
        let spawn = spawn(1);
        let mut threads = spawn.prepare(vec![bound()]).expect("descriptors");
        let drain = Command::Drain { until: Some(Instant::now()) };
        spawn.mailboxes[0].tell(drain).expect("it is connected");
        for _ in 0..COMMANDS_PER_TURN_MAX {
            let command = Command::GetStats { reply: Reply::new().0 };
            spawn.mailboxes[0].post(command).expect("it is connected");
        }
        assert_eq!(spawn.shutdown.phase(), ServerPhase::Open);
        let wait = threads[0].turn(None).expect("a poll");
        assert_eq!(wait, Some(Duration::ZERO), "commands are left");
        assert_eq!(spawn.shutdown.phase(), ServerPhase::Closing);
    }

    /// It has waited too long for its turn. A connection that its peer does not end would keep it.
    #[test]
    fn cls_07_the_time_that_a_close_waits_in_the_queue_counts() {
        let spawn = spawn(1);
        let localhost = "127.0.0.1".parse().expect("an address");
        let bound = bind(&[ListenInfo::new(Protocol::Tcp, localhost)]).expect("a free port");
        let _stream =
            TcpStream::connect((bound[0].info.ip, bound[0].info.port)).expect("it listens");
        let mut thread = spawn.prepare(vec![bound]).expect("descriptors").pop().expect("one");
        let deadline = Instant::now() + PATIENCE;
        while thread.worker.core().connections().is_empty() {
            assert!(Instant::now() < deadline, "it is not accepted");
            thread.turn(Some(Duration::from_millis(1))).expect("a poll");
        }
        let until = Some(Instant::now());
        spawn.mailboxes[0].tell(Command::CloseServer { until }).expect("it is connected");
        assert!(!thread.execute_some(), "that is all");
        assert!(!thread.worker.core().connections().is_empty(), "it is still to end");
        thread.worker.poll(Some(Duration::ZERO)).expect("a poll");
        let over = Ready::Alarm(Alarm::Lifecycle(Timer::Server));
        assert!(thread.worker.ready().contains(&over), "{:?}", thread.worker.ready());
    }

    #[test]
    fn cls_10_several_workers_close_as_one() {
        let spawn = spawn(3);
        spawn.start(vec![bound(), bound(), bound()]).expect("threads");
        assert_eq!(close(&spawn).lost_workers(), []);
    }

    /// What is asked of workers whose threads have not begun waits for them, in its order.
    #[test]
    fn cls_10_a_close_finds_workers_that_are_starting() {
        let spawn = spawn(2);
        let threads = spawn.prepare(vec![bound(), bound()]).expect("descriptors");
        let mut asked = Vec::new();
        for _ in 0..2 {
            for mailbox in spawn.mailboxes.iter() {
                let (reply, answer) = Reply::new();
                mailbox.post(Command::GetStats { reply }).expect("it is connected");
                asked.push(answer);
            }
            spawn.shutdown.request_close();
        }
        threads.into_iter().try_for_each(WorkerThread::spawn).expect("threads");
        assert_eq!(close(&spawn).lost_workers(), []);
        assert!(asked.iter().all(|answer| answer.try_recv().is_ok()));
    }

    #[test]
    fn cls_07_a_worker_that_never_got_a_thread_is_lost_and_closes_the_others() {
        let spawn = spawn(2);
        let mut threads = spawn.prepare(vec![bound(), bound()]).expect("descriptors");
        drop(threads.pop());
        threads.into_iter().try_for_each(WorkerThread::spawn).expect("a thread");
        let outcomes = close(&spawn);
        assert_eq!(outcomes.lost_workers(), [WorkerId(1)]);
        let (reply, answer) = Reply::new();
        spawn.mailboxes[1].post(Command::GetStats { reply }).expect_err("it is disconnected");
        answer.try_recv().expect_err("nobody answers");
    }

    /// Only the first of several wakes the worker: if one could be overlooked it would wait until the next comes.
    #[test]
    fn dmx_13_no_hand_over_is_overlooked_and_what_waits_is_bounded() {
        let spawn = spawn(2);
        spawn.start(vec![bound(), bound()]).expect("threads");
        let mailbox = &spawn.mailboxes[1];
        let datagram = || {
            Command::TakeOver(HandOver::Datagram {
                socket: SocketId(0),
                remote: ([127, 0, 0, 1], 9).into(),
                datagram: vec![0; 1000],
                home: WorkerId(0),
                hint: Hint::Claimed,
            })
        };
        thread::scope(|scope| {
            let offer = || {
                for _ in 0..5000 {
                    while !mailbox.offer(datagram()) {
                        thread::yield_now();
                    }
                    assert!(mailbox.commands().claimed_bytes() <= HAND_OVERS_BYTES_MAX);
                }
            };
            for _ in 0..3 {
                scope.spawn(offer);
            }
        });
        let deadline = Instant::now() + Duration::from_secs(20);
        while mailbox.commands().claimed_bytes() > 0 {
            assert!(Instant::now() < deadline, "some are overlooked");
            thread::yield_now();
        }
        assert_eq!(close(&spawn).lost_workers(), []);
        assert!(!mailbox.offer(datagram()), "it is disconnected");
    }
}
