//! Two workers of one server, stepped by hand. Everything arrives at the first of them.

use super::super::command::{Command, Reply};
use super::super::handover::{HAND_OVERS_BYTES_MAX, HandOver, Hint, WORD_COST};
use super::super::owner::Owner;
use super::super::{Latch, random};
use super::tests::{PATIENCE, spawn};
use super::*;
use crate::control::dump::Stats;
use crate::lifecycle::{ConnectionId, ConnectionPhase, Credentials, TransportId, Tuple};
use crate::parameters::{ListenInfo, Protocol};
use crate::shell::bind::bind_for;
use crate::shell::dtls::{Certificate, DtlsContext, DtlsOptions};
use crate::wire::framing::frame;
use crate::wire::stun::{TransactionId, binding_request};
use std::io::Write;
use std::net::{SocketAddr, TcpStream, UdpSocket};

const A: usize = 0;
const B: usize = 1;

struct Two {
    threads: Vec<WorkerThread>,
    udp: SocketAddr,
    tcp: SocketAddr,
}

impl Two {
    fn new() -> Self {
        let spawn = Spawn { sharing: Sharing::FirstReceives, ..spawn(2) };
        let localhost = "127.0.0.1".parse().expect("an address");
        let infos = [Protocol::Udp, Protocol::Tcp].map(|p| ListenInfo::new(p, localhost));
        let bound = bind_for(&infos, 2, spawn.sharing).expect("free ports");
        let [udp, tcp] =
            [0, 1].map(|at: usize| SocketAddr::new(bound[A][at].info.ip, bound[A][at].info.port));
        let threads = spawn.prepare(bound).expect("descriptors");
        Two { threads, udp, tcp }
    }

    fn transport(&mut self, worker: usize) -> Credentials {
        let credentials = random::credentials(worker).expect("random numbers");
        let certificate = Certificate::generate().expect("a certificate");
        let (reply, made) = Reply::new();
        self.threads[worker].worker.execute(Command::CreateTransport {
            transport: TransportId(worker as u64),
            credentials: credentials.clone(),
            consent: None,
            dtls: DtlsContext::new(&certificate, DtlsOptions::default()).expect("a context"),
            owner: Owner::new(&credentials, Box::new(|_| {}), Arc::new(Latch::new())),
            reply,
        });
        made.try_recv().expect("an answer").expect("it is made");
        credentials
    }

    fn stats(&mut self, worker: usize) -> Stats {
        let (reply, stats) = Reply::new();
        self.threads[worker].worker.execute(Command::GetStats { reply });
        stats.try_recv().expect("an answer")
    }

    /// Checks that the first worker has handed over, and that it has dropped.
    fn handed_over(&mut self) -> (u64, u64) {
        let stats = self.stats(A);
        (stats.handed_over, stats.hand_overs_dropped)
    }

    /// The first worker receives until something holds.
    fn until(&mut self, what: &str, holds: impl Fn(&mut Self) -> bool) {
        let deadline = Instant::now() + PATIENCE;
        while !holds(self) {
            assert!(Instant::now() < deadline, "never: {what}");
            self.threads[A].worker.poll(Some(Duration::from_millis(1))).expect("a poll");
            while self.threads[A].worker.deliver_next() {}
        }
    }

    fn until_handed_over(&mut self, wanted: (u64, u64)) {
        self.until("as many checks as were sent", |two| {
            let (taken, dropped) = two.handed_over();
            taken + dropped == wanted.0 + wanted.1
        });
        assert_eq!(self.handed_over(), wanted, "handed over, and dropped");
    }

    /// What comes next for a worker.
    fn next(&self, worker: usize) -> Option<Command> {
        let mut taken = VecDeque::new();
        self.threads[worker].life.queue().take(1, &mut taken);
        taken.pop_front()
    }

    fn execute(&mut self, worker: usize, what: &str) {
        let command = self.next(worker).unwrap_or_else(|| panic!("{what} does not wait"));
        self.threads[worker].worker.execute(command);
    }

    fn phases(&self, worker: usize) -> Vec<ConnectionPhase> {
        self.threads[worker].worker.core().connections().values().map(|c| c.phase).collect()
    }

    /// A connection of the first worker's transport.
    fn bound_stream(&mut self, credentials: &Credentials) -> TcpStream {
        let mut stream = TcpStream::connect(self.tcp).expect("it listens");
        say(&mut stream, &check(credentials));
        let bound = [ConnectionPhase::Bound(TransportId(A as u64))];
        self.until("a connection is bound", |two| two.phases(A) == bound);
        stream
    }
}

fn check(Credentials { ufrag, password }: &Credentials) -> Vec<u8> {
    binding_request(TransactionId([9; 12]), &format!("{ufrag}:peer"), 1, 2)
        .message_integrity(password.as_bytes())
        .fingerprint()
}

/// The check of somebody who knows the ufrag and nothing more.
fn claim(credentials: &Credentials) -> Vec<u8> {
    check(&Credentials { password: "a guess".to_owned(), ..credentials.clone() })
}

fn say(stream: &mut TcpStream, check: &[u8]) {
    stream.write_all(&frame(check).expect("short enough")).expect("it is taken");
}

/// Who repeats a check a thousand times makes neither worker do a thousand things.
#[test]
fn res_14_of_one_connection_one_question_is_under_way() {
    let mut two = Two::new();
    let (own, foreign) = (two.transport(A), two.transport(B));
    let mut stream = two.bound_stream(&own);
    for _ in 0..100 {
        say(&mut stream, &claim(&foreign));
    }
    two.until_handed_over((1, 99));
    two.execute(B, "the question");
    say(&mut stream, &claim(&foreign));
    two.until_handed_over((1, 100));
    let answer = two.next(A);
    assert!(matches!(answer, Some(Command::ConnectionRefused { .. })), "it waits no more");
    drop(answer);
    assert!(two.next(A).is_none() && two.next(B).is_none(), "nothing else waits");
}

/// However a question ends, the next may be put.
#[test]
fn dmx_06_a_question_that_is_lost_or_not_answered_keeps_no_other() {
    let mut two = Two::new();
    let (own, foreign) = (two.transport(A), two.transport(B));
    let mut stream = two.bound_stream(&own);
    say(&mut stream, &claim(&foreign));
    two.until_handed_over((1, 0));
    drop(two.next(B).expect("the neighbour is lost, and what waits for it is dropped"));
    let nobodys = Credentials { ufrag: random::tag(B) + "nobody", ..foreign.clone() };
    say(&mut stream, &check(&nobodys));
    two.until_handed_over((2, 0));
    two.execute(B, "a question that nobody can answer");
    assert!(two.next(A).is_none(), "no answer");
    say(&mut stream, &claim(&foreign));
    two.until_handed_over((3, 0));
    two.execute(B, "the question");
    two.execute(A, "a refusal");
    say(&mut stream, &check(&foreign));
    two.until_handed_over((4, 0));
    two.execute(B, "the question");
    two.execute(A, "the proof");
    two.execute(B, "the connection");
    assert_eq!(two.phases(A), []);
    assert_eq!(two.phases(B), [ConnectionPhase::Bound(TransportId(B as u64))]);
}

/// A connection that is some transport's is not asked for, and what waits to be written there is not copied for that.
#[cfg(feature = "testing")]
#[test]
fn res_14_a_check_on_a_connection_in_use_does_not_ask_for_the_connection() {
    use crate::lifecycle::Input;
    let mut two = Two::new();
    let (own, foreign) = (two.transport(A), two.transport(B));
    let mut stream = two.bound_stream(&own);
    let _ = two.threads[A].worker.take_journal();
    say(&mut stream, &claim(&foreign));
    two.until_handed_over((1, 0));
    let journal = two.threads[A].worker.take_journal();
    let asks = |input: &Input| matches!(input, Input::ConnectionHandedOver { .. });
    assert!(!journal.iter().any(|entry| asks(&entry.input)), "{journal:?}");
}

/// Strangers fill what is theirs, and nothing else.
#[test]
fn res_14_a_flood_of_claims_keeps_nothing_out_that_was_proved() {
    let mut two = Two::new();
    let foreign = two.transport(B);
    let socket = || {
        let socket = UdpSocket::bind("127.0.0.1:0").expect("a free port");
        socket.connect(two.udp).expect("an address");
        socket
    };
    let (peer, stranger) = (socket(), socket());
    peer.send(&check(&foreign)).expect("localhost");
    two.until_handed_over((1, 0));
    two.execute(B, "the check");
    two.execute(A, "the proof");
    let mut sent = 1;
    // Claims, and what is no check from where a claim came.
    for (packet, count) in
        [(claim(&foreign), HAND_OVERS_BYTES_MAX / WORD_COST), (vec![20; 1000], 50)]
    {
        for portion in 1..=count {
            stranger.send(&packet).expect("localhost");
            sent += 1;
            if portion % 50 == 0 || portion == count {
                two.until("what was sent", |two| {
                    let (taken, dropped) = two.handed_over();
                    taken + dropped == sent
                });
            }
        }
    }
    let (taken, dropped) = two.handed_over();
    assert!(dropped > 0, "there is no room");
    for packet in [check(&foreign), vec![20; 1000]] {
        peer.send(&packet).expect("localhost");
    }
    two.until_handed_over((taken + 2, dropped));
    let is_claimed = |command: &Command| {
        matches!(command, Command::TakeOver(HandOver::Datagram { hint: Hint::Claimed, .. }))
    };
    let waiting: Vec<_> = std::iter::from_fn(|| two.next(B)).collect();
    assert_eq!(waiting.iter().filter(|command| !is_claimed(command)).count(), 2);
}

/// Whatever peers make workers say to each other, the words of the barrier wait behind a bounded number of it.
#[test]
fn res_14_answers_between_workers_are_bounded() {
    let spawn = spawn(1);
    let _threads = spawn.prepare(vec![Vec::new()]).expect("descriptors");
    let (connection, owner) = (ConnectionId(0), WorkerId(0));
    let proved = || {
        let (check, asking) = (vec![0; 100], Arc::default());
        Command::ConnectionProved { connection, check, owner, asking }
    };
    let refused = || {
        let (reply, asking) = (vec![0; 100], Arc::default());
        Command::ConnectionRefused { connection, reply, asking }
    };
    let tuple_proved = || Command::TupleProved { tuple: Tuple::Tcp(connection), owner };
    let most = HAND_OVERS_BYTES_MAX / WORD_COST;
    let answers: [&dyn Fn() -> Command; 3] = [&refused, &proved, &tuple_proved];
    for answer in answers {
        let taken = (0..=most).take_while(|_| spawn.mailboxes[0].offer(answer())).count();
        assert!(taken <= most, "there is no end");
    }
    spawn.mailboxes[0].tell(Command::GrantRelease).expect("it must get through");
}
