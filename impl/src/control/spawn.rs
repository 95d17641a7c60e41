//! The threads of the workers: how they begin, what they do, and how they end, in order or out of turn.
//!
//! A worker's thread reports its release after everything that the worker had is dropped, so that whoever sees the
//! close complete finds no descriptor of it. A thread that panics, or could not be started, reports itself lost, after
//! the same, and closes the rest of the server in order.

use super::closing::mark_worker_thread;
use super::command::Command;
use super::handover::Neighbours;
use super::mailbox::Mailbox;
use super::shutdown::{Shutdown, TellWorkers};
use crate::error::Error;
use crate::lifecycle::server::WorkerId;
use crate::lifecycle::{Limits, Outcome, Verdict};
use crate::shell::bind::{Bound, Sharing};
use crate::shell::dtls::DtlsContext;
use crate::shell::limiter::ReplyLimiter;
use crate::shell::{Clock, Notify, Worker, WorkerConfig};
use crate::sync::{Arc, Mutex, lock, thread};
#[cfg(feature = "testing")]
use crate::trace::{Tracer, Word};
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc::{Receiver, TryRecvError, channel};
use std::time::Duration;

/// Commands that a worker executes before it looks at its carriers again.
//= RES-14
const COMMANDS_PER_TURN_MAX: usize = 256;

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
        say(self.tracer.as_ref(), Word::CloseRequested);
        let deadline = self.deadline.get();
        for mailbox in self.mailboxes.iter() {
            let _ = mailbox.post(Command::CloseServer { deadline });
        }
    }

    fn grant_release(&self) {
        #[cfg(feature = "testing")]
        say(self.tracer.as_ref(), Word::ReleaseGranted);
        for mailbox in self.mailboxes.iter() {
            let _ = mailbox.post(Command::GrantRelease);
        }
    }
}

/// Tells whoever observes, if anybody does.
#[cfg(feature = "testing")]
fn say(tracer: Option<&Tracer>, word: Word) {
    if let Some(tracer) = tracer {
        tracer.said(word);
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
    pub(super) server_key: u64,
    pub(super) limits: Limits,
    pub(super) dtls: DtlsContext,
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
            closing.on_complete(move |_| tracer.said(Word::CallersAnswered));
        }
        let started = self
            .prepare(bound)
            .and_then(|threads| threads.into_iter().try_for_each(WorkerThread::spawn));
        if started.is_err() {
            // Those that were not started have reported themselves lost; this waits for the others.
            let _ = self.shutdown.request_close().wait();
        }
        Ok(started?)
    }

    fn prepare(&self, bound: Vec<Vec<Bound>>) -> io::Result<Vec<WorkerThread>> {
        // Every life first: one that never gets a worker is lost, and nobody waits for it.
        let lives: Vec<_> = (0..self.mailboxes.len()).map(|index| self.life(index)).collect();
        lives.into_iter().zip(bound).map(|(life, bound)| self.thread(life, bound)).collect()
    }

    fn life(&self, index: usize) -> Life {
        Life {
            worker: WorkerId(index),
            server_key: self.server_key,
            mailboxes: Arc::clone(&self.mailboxes),
            shutdown: Arc::clone(&self.shutdown),
            abandoned: Arc::default(),
            #[cfg(feature = "testing")]
            tracer: self.tracer.clone(),
        }
    }

    fn thread(&self, life: Life, bound: Vec<Bound>) -> io::Result<WorkerThread> {
        let notify = Report {
            worker: life.worker,
            shutdown: Arc::clone(&self.shutdown),
            abandoned: Arc::clone(&life.abandoned),
        };
        let neighbours = Neighbours::of(life.worker, self.sharing, &self.mailboxes, &self.limiter);
        let config = WorkerConfig {
            limits: self.limits.clone(),
            dtls: self.dtls.clone(),
            bound,
            notify: Box::new(notify),
            clock: Clock::System,
            #[cfg(feature = "testing")]
            mutant: self.mutant,
        };
        #[cfg_attr(not(feature = "testing"), expect(unused_mut, reason = "nobody observes it"))]
        let mut worker = Worker::among(config, neighbours)?;
        #[cfg(feature = "testing")]
        worker.observe(self.tracer.clone(), life.worker);
        let (commands, inbox) = channel();
        life.mailbox().connect(commands, worker.waker());
        Ok(WorkerThread { worker, inbox, life })
    }
}

/// A worker with everything that its thread owns. However the thread ends, it is dropped in this order.
struct WorkerThread {
    worker: Worker,
    inbox: Receiver<Command>,
    life: Life,
}

impl WorkerThread {
    fn spawn(self) -> io::Result<()> {
        let name = format!("webrtc-server-{}", self.life.worker.0);
        thread::Builder::new().name(name).spawn(move || self.run()).map(drop)
    }

    fn run(mut self) {
        mark_worker_thread(self.life.server_key);
        match work(&mut self.worker, &self.inbox, self.life.mailbox()) {
            Ok(()) => {
                //= CLS-20
                let WorkerThread { worker, inbox, life } = self;
                drop(worker);
                // Nobody puts in any more what nobody would take out.
                life.mailbox().hang_up();
                drop(inbox);
                life.released();
            }
            Err(error) => tracing::error!(target: "info", %error, "a worker cannot poll"),
        }
    }
}

/// Until the carriers are released.
fn work(worker: &mut Worker, inbox: &Receiver<Command>, mailbox: &Mailbox) -> io::Result<()> {
    let mut wait = None;
    while !worker.is_released() {
        worker.poll(wait)?;
        // What is requeued meanwhile waits for the next turn, so that commands get theirs.
        for _ in 0..worker.ready().len() {
            worker.deliver_next();
        }
        wait = match execute_some(worker, inbox, mailbox) {
            Ok(()) => Some(Duration::ZERO),
            Err(TryRecvError::Empty | TryRecvError::Disconnected) => None,
        };
    }
    Ok(())
}

/// `Ok` when there may be more.
fn execute_some(
    worker: &mut Worker,
    inbox: &Receiver<Command>,
    mailbox: &Mailbox,
) -> Result<(), TryRecvError> {
    for _ in 0..COMMANDS_PER_TURN_MAX {
        let command = inbox.try_recv()?;
        mailbox.taken(&command);
        worker.execute(command);
    }
    Ok(())
}

/// What could be said of the transports of a worker that is lost.
type Abandoned = Arc<Mutex<Vec<(u64, Outcome)>>>;

/// What a worker says while it works. Its end is reported by its thread, when the worker itself is gone.
struct Report {
    worker: WorkerId,
    shutdown: Arc<Shutdown<Outcome>>,
    abandoned: Abandoned,
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

/// The life of a worker as the others see it. When it is dropped before the release was reported, the worker is lost.
struct Life {
    worker: WorkerId,
    server_key: u64,
    mailboxes: Arc<[Mailbox]>,
    shutdown: Arc<Shutdown<Outcome>>,
    abandoned: Abandoned,
    #[cfg(feature = "testing")]
    tracer: Option<Tracer>,
}

impl Life {
    fn mailbox(&self) -> &Mailbox {
        &self.mailboxes[self.worker.0]
    }

    fn released(self) {
        #[cfg(feature = "testing")]
        say(self.tracer.as_ref(), Word::WorkerReleased(self.worker));
        self.shutdown.worker_released(self.worker);
    }

    //= CLS-07
    fn lost(&self) {
        self.mailbox().hang_up();
        let outcomes = std::mem::take(&mut *lock(&self.abandoned));
        match self.shutdown.worker_lost(self.worker, outcomes) {
            Verdict::Applied => {
                #[cfg(feature = "testing")]
                say(self.tracer.as_ref(), Word::WorkerLost(self.worker));
                tracing::error!(target: "info", worker = self.worker.0, "a worker is lost");
                self.shutdown.request_close();
            }
            Verdict::Repeated | Verdict::Late | Verdict::Impossible => {}
        }
    }
}

impl Drop for Life {
    fn drop(&mut self) {
        // Callbacks of the application run in there, possibly while this thread panics already.
        if catch_unwind(AssertUnwindSafe(|| self.lost())).is_err() {
            tracing::error!(target: "info", "a callback panicked while its worker was lost");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::command::Reply;
    use super::super::handover::{HAND_OVERS_BYTES_MAX, HandOver, Hint};
    use super::super::shutdown::Outcomes;
    use super::*;
    use crate::lifecycle::SocketId;
    use crate::parameters::{ListenInfo, Protocol};
    use crate::shell::bind::bind;
    use crate::shell::dtls::{Certificate, DtlsOptions};
    use std::time::Instant;

    const SERVER_KEY: u64 = 1;

    fn spawn(workers: usize) -> Spawn {
        let mailboxes: Arc<[Mailbox]> = (0..workers).map(|_| Mailbox::new(SERVER_KEY)).collect();
        let limits = Limits::default();
        let deadline = Arc::new(Deadline::new(&limits));
        let tell = Workers {
            mailboxes: Arc::clone(&mailboxes),
            deadline,
            #[cfg(feature = "testing")]
            tracer: None,
        };
        let certificate = Certificate::generate().expect("a certificate");
        Spawn {
            server_key: SERVER_KEY,
            limits,
            dtls: DtlsContext::new(&certificate, DtlsOptions::default()).expect("a context"),
            mailboxes,
            shutdown: Arc::new(Shutdown::new(SERVER_KEY, workers, tell)),
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
        let mut threads = spawn(1).prepare(vec![bound()]).expect("descriptors");
        let thread = &mut threads[0];
        let answers: Vec<_> = (0..=COMMANDS_PER_TURN_MAX)
            .map(|_| {
                let (reply, answer) = Reply::new();
                let command = Command::GetStats { reply };
                thread.life.mailbox().post(command).expect("it is connected");
                answer
            })
            .collect();
        let answered = || answers.iter().filter(|answer| answer.try_recv().is_ok()).count();
        let mailbox = thread.life.mailbox();
        let more = execute_some(&mut thread.worker, &thread.inbox, mailbox);
        assert_eq!(more, Ok(()), "there is more");
        assert_eq!(answered(), COMMANDS_PER_TURN_MAX);
        let rest = execute_some(&mut thread.worker, &thread.inbox, mailbox);
        assert_eq!((rest, answered()), (Err(TryRecvError::Empty), 1));
    }

    #[test]
    fn cls_10_several_workers_close_as_one() {
        let spawn = spawn(3);
        spawn.start(vec![bound(), bound(), bound()]).expect("threads");
        assert_eq!(close(&spawn).lost_workers(), []);
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
        spawn.mailboxes[1].post(Command::GetStats { reply }).expect_err("it has hung up");
        answer.try_recv().expect_err("nobody answers");
    }

    /// Only the first of several wakes the worker: if one could be overlooked it would wait until the next comes.
    #[test]
    fn dmx_13_no_hand_over_is_overlooked_and_what_waits_is_bounded() {
        let spawn = spawn(2);
        spawn.start(vec![bound(), bound()]).expect("threads");
        let mailbox = &spawn.mailboxes[1];
        let datagram = || HandOver::Datagram {
            socket: SocketId(0),
            remote: ([127, 0, 0, 1], 9).into(),
            datagram: vec![0; 1000],
            home: WorkerId(0),
            hint: Hint::Claimed,
        };
        thread::scope(|scope| {
            let offer = || {
                for _ in 0..5000 {
                    while !mailbox.offer(datagram()) {
                        thread::yield_now();
                    }
                    assert!(mailbox.waiting() <= HAND_OVERS_BYTES_MAX);
                }
            };
            for _ in 0..3 {
                scope.spawn(offer);
            }
        });
        let deadline = Instant::now() + Duration::from_secs(20);
        while mailbox.waiting() > 0 {
            assert!(Instant::now() < deadline, "{} bytes are overlooked", mailbox.waiting());
            thread::yield_now();
        }
        assert_eq!(close(&spawn).lost_workers(), []);
        assert!(!mailbox.offer(datagram()), "it has hung up");
    }
}
