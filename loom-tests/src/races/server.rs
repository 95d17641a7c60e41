//! A server of real queues, lives, barrier and latches; only what its workers do with their transports is made up.

use crate::explore::Race;
use crate::world::{Carrier, Descriptor, NARROW, Token, TokenWaker};
use std::collections::VecDeque;
use webrtc_server::control::drain::Admissions;
use webrtc_server::control::life::Life;
use webrtc_server::control::queue::{CommandQueue, Weigh, Weight};
use webrtc_server::control::reply::Reply;
use webrtc_server::control::{Latch, Shutdown, TellWorkers};
use webrtc_server::lifecycle::server::{ServerPhase, WorkerId};
use webrtc_server::sync::{Arc, lock, thread};

/// What races here.
pub const RACES: &[Race] = &[
    Race::new("close against the worker's queue", close),
    Race::bounded("close against create_transport", close_against_create_transport),
    Race::bounded("close against worker exit", close_against_worker_exit),
    Race::new("callback that closes against close", callback_that_closes),
    Race::bounded("handover against close", || handover_against_close(End::InOrder)),
    Race::bounded("handover against close and the loss of the new owner", || {
        handover_against_close(End::Lost);
    }),
    Race::new("drain against create_transport", drain_against_create_transport),
    Race::new("drain against the last transport that leaves", drain_against_the_last),
];

enum Command {
    Create { closed: Arc<Latch<char>>, reply: Reply<bool> },
    CloseTransports,
    TakeOver(Descriptor),
    Close,
    Grant,
}

impl Weigh for Command {
    fn weight(&self) -> Weight {
        match self {
            Command::Create { .. } => Weight::Command,
            Command::TakeOver(_) => Weight::Claimed(1),
            Command::CloseTransports | Command::Close | Command::Grant => Weight::Nothing,
        }
    }
}

type Queue = CommandQueue<Command, TokenWaker>;

struct Queues(Vec<Arc<Queue>>);

impl TellWorkers for Queues {
    fn close(&self) {
        self.0.iter().for_each(|queue| drop(queue.push(Command::Close)));
    }
    fn grant_release(&self) {
        self.0.iter().for_each(|queue| drop(queue.push(Command::Grant)));
    }
}

struct Server {
    shutdown: Arc<Shutdown<char>>,
    queues: Vec<Arc<Queue>>,
    carriers: Vec<Arc<Carrier>>,
}

#[derive(PartialEq, Eq)]
enum Phase {
    Open,
    Closing,
    Released,
}

/// How a worker ends.
#[derive(Clone, Copy)]
enum End {
    InOrder,
    Lost,
}

/// The thread of a worker, with what it owns in the order in which that goes.
struct Worker {
    connections: Vec<Descriptor>,
    carrier: Descriptor,
    transports: Vec<Arc<Latch<char>>>,
    phase: Phase,
    shutdown: Arc<Shutdown<char>>,
    token: Arc<Token>,
    life: Life<Command, TokenWaker, char>,
}

impl Server {
    fn new(workers: usize) -> (Arc<Self>, Vec<Worker>) {
        let queues: Vec<_> = (0..workers).map(|_| Arc::new(Queue::new(NARROW))).collect();
        let shutdown = Arc::new(Shutdown::new(workers, Queues(queues.clone())));
        let carrier = || Arc::new(Carrier::new());
        let mut carriers = Vec::new();
        let workers = queues.iter().enumerate().map(|(id, queue)| {
            let (own, waker, token) = (carrier(), carrier(), Token::new());
            carriers.extend([Arc::clone(&own), Arc::clone(&waker)]);
            queue.connect(TokenWaker(Arc::clone(&token), Descriptor(waker)));
            Worker {
                connections: Vec::new(),
                carrier: Descriptor(own),
                transports: Vec::new(),
                phase: Phase::Open,
                shutdown: Arc::clone(&shutdown),
                token,
                life: Life::new(WorkerId(id), Arc::clone(queue), Arc::clone(&shutdown)),
            }
        });
        let workers = workers.collect();
        (Arc::new(Server { shutdown, queues, carriers }), workers)
    }

    /// Closes, waits, relies on what it was told. What became of the transports.
    fn close_and_rely(&self) -> Vec<char> {
        let outcomes = self.shutdown.request_close().wait().expect("no worker calls this");
        self.carriers.iter().for_each(|carrier| carrier.rely_on_release());
        outcomes.transports().iter().map(|(_, outcome)| *outcome).collect()
    }

    /// As a handle does it: its close latch, if it was made.
    fn create(&self) -> Option<Arc<Latch<char>>> {
        let (closed, (reply, answer)) = (Arc::new(Latch::new()), Reply::new());
        let command = Command::Create { closed: Arc::clone(&closed), reply };
        self.queues[0].push_waiting(command).ok()?;
        answer.recv().unwrap_or(false).then_some(closed)
    }
}

impl Worker {
    fn run(mut self) {
        let mut taken = VecDeque::new();
        while self.phase != Phase::Released {
            let more = self.life.queue().take(9, &mut taken);
            while let Some(command) = taken.pop_front() {
                self.execute(command);
            }
            if !more && self.phase != Phase::Released {
                self.token.sleep();
            }
        }
        let Worker { carrier, life, .. } = self;
        drop(carrier);
        life.released();
    }

    fn execute(&mut self, command: Command) {
        match command {
            Command::Create { closed, reply } => {
                let open = self.phase == Phase::Open;
                if open {
                    self.transports.push(closed);
                }
                reply.send(open);
            }
            Command::CloseTransports => {
                for closed in std::mem::take(&mut self.transports) {
                    closed.set('o');
                }
            }
            Command::TakeOver(connection) if self.phase == Phase::Open => {
                self.connections.push(connection);
            }
            Command::TakeOver(connection) => drop(connection),
            Command::Close => {
                self.phase = Phase::Closing;
                self.connections.clear();
                let outcomes = self.end_transports('s');
                self.shutdown.worker_drained(self.life.worker(), outcomes);
            }
            Command::Grant => self.phase = Phase::Released,
        }
    }

    fn end_transports(&mut self, outcome: char) -> Vec<(u64, char)> {
        let closed = std::mem::take(&mut self.transports).into_iter();
        closed
            .map(|closed| {
                closed.set(outcome);
                (self.life.worker().0 as u64, outcome)
            })
            .collect()
    }

    /// Its thread panics, whatever it has done: first its carriers go, then it reports itself lost.
    fn be_lost(mut self) {
        let mut taken = VecDeque::new();
        self.life.queue().take(1, &mut taken);
        if let Some(create @ Command::Create { .. }) = taken.pop_front() {
            self.execute(create);
        }
        let outcomes = self.end_transports('l');
        *lock(&self.life.abandoned()) = outcomes;
    }
}

fn close() {
    let (server, mut workers) = Server::new(1);
    let worker = workers.remove(0);
    let worker = thread::spawn(move || worker.run());
    assert_eq!(server.close_and_rely(), []);
    worker.join().expect("no panic");
}

/// CLS-22: it is refused, or closed with the server and among the outcomes.
fn close_against_create_transport() {
    let (server, mut workers) = Server::new(1);
    let worker = workers.remove(0);
    let worker = thread::spawn(move || worker.run());
    let creator = Arc::clone(&server);
    let creator = thread::spawn(move || creator.create());
    let outcomes = server.close_and_rely();
    let made = creator.join().expect("no panic").map(|closed| closed.get());
    match made {
        Some(closed) => assert_eq!((closed, outcomes), (Some('s'), vec!['s'])),
        None => assert_eq!(outcomes, []),
    }
    worker.join().expect("no panic");
}

/// CLS-07: who asks a worker that dies is answered, or told that nobody answers; who closes is answered.
fn close_against_worker_exit() {
    let (server, mut workers) = Server::new(1);
    let worker = workers.remove(0);
    let worker = thread::spawn(move || worker.be_lost());
    let creator = Arc::clone(&server);
    let creator = thread::spawn(move || creator.create().map(|closed| closed.wait()));
    let outcomes = server.close_and_rely();
    let made = creator.join().expect("no panic");
    assert_eq!(made.into_iter().collect::<Vec<_>>(), outcomes);
    worker.join().expect("no panic");
}

/// X5: on the worker's thread, when the last transport is gone, as the application closes too.
fn callback_that_closes() {
    let (server, mut workers) = Server::new(1);
    let mut worker = workers.remove(0);
    let closed = Arc::new(Latch::new());
    worker.transports.push(Arc::clone(&closed));
    let again = Arc::clone(&server.shutdown);
    closed.on_set(move |_| drop(again.request_close()));
    let worker = thread::spawn(move || worker.run());
    assert!(server.queues[0].push(Command::CloseTransports).is_ok());
    assert_eq!(server.close_and_rely(), []);
    assert_eq!(closed.get(), Some('o'));
    worker.join().expect("no panic");
}

/// A connection in flight is closed once, wherever it is, before anybody is told that the close is complete. (Twice it
/// cannot be: it has one owner.)
fn handover_against_close(end: End) {
    let (server, mut workers) = Server::new(2);
    let (heir, home) = (workers.remove(1), workers.remove(0));
    let connection = Arc::new(Carrier::new());
    let in_flight = Descriptor(Arc::clone(&connection));
    let neighbour = Arc::clone(&server.queues[1]);
    let home = thread::spawn(move || {
        // It is open, as it has looked at no command yet. What comes back is dropped here.
        drop(neighbour.try_push(Command::TakeOver(in_flight)));
        home.run();
    });
    let heir = thread::spawn(move || match end {
        End::InOrder => heir.run(),
        End::Lost => drop(heir),
    });
    server.close_and_rely();
    connection.rely_on_release();
    assert_eq!(Arc::strong_count(&connection), 1, "closed");
    home.join().expect("no panic");
    heir.join().expect("no panic");
}

struct Nobody;

impl TellWorkers for Nobody {
    fn close(&self) {}
    fn grant_release(&self) {}
}

fn admissions() -> (Arc<Admissions<char>>, Arc<Shutdown<char>>) {
    let shutdown = Arc::new(Shutdown::new(1, Nobody));
    (Arc::new(Admissions::new(Arc::clone(&shutdown))), shutdown)
}

/// CLS-31: who was let in is waited for; who was not is refused.
fn drain_against_create_transport() {
    let (admissions, shutdown) = admissions();
    let (newcomers, open) = (Arc::clone(&admissions), Arc::clone(&shutdown));
    let newcomer = thread::spawn(move || {
        if let Some(admitted) = newcomers.admit() {
            assert_eq!(open.phase(), ServerPhase::Open, "somebody is there");
            drop(admitted);
        }
    });
    assert!(admissions.drain());
    newcomer.join().expect("no panic");
    assert_eq!(shutdown.phase(), ServerPhase::Closing);
}

/// CLS-31: one of the two sees that nobody is left.
fn drain_against_the_last() {
    let (admissions, shutdown) = admissions();
    let last = [(); 2].map(|()| admissions.admit().expect("it is open"));
    let leaving = last.map(|admitted| thread::spawn(move || drop(admitted)));
    assert!(admissions.drain());
    for thread in leaving {
        thread.join().expect("no panic");
    }
    assert_eq!(shutdown.phase(), ServerPhase::Closing);
}
