//! Thousands of servers, one after another in one process: each is created, connected over UDP and TCP, and closed by
//! two threads at random moments. Afterwards the process has what it had before, every transport has its outcome, and
//! every log is a behaviour of the model.

mod levels;

pub use levels::Levels;

use super::log::{Begun, Entry, What};
use super::stress::choice::Choices;
use super::stress::live_server::{PATIENCE, certificate, limits};
use super::{Recorder, Rejection, validate};
use crate::peer::{DtlsPhase, Peer, PeerCertificate, PeerError, Protocol, ServerCredentials, Via};
use std::collections::BTreeMap;
use std::fmt;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::num::NonZeroUsize;
use std::panic::resume_unwind;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;
use std::time::{Duration, Instant};
use thiserror::Error;
use webrtc_server::control::shutdown::Outcomes;
use webrtc_server::lifecycle::{Limits, Outcome};
use webrtc_server::{
    DtlsParameters, ListenInfo, WebRtcServer, WebRtcServerOptions, WebRtcTransport,
    WebRtcTransportOptions,
};

/// Servers that are there at a time.
const SERVERS_PER_BATCH: usize = 50;
/// Batches before the levels are taken that the end is compared with: allocators keep what they once had.
const BATCHES_OF_WARM_UP: usize = 4;
/// Workers of each server.
const WORKERS: NonZeroUsize = NonZeroUsize::new(2).expect("two");
/// One transport for each.
const PROTOCOLS: [Protocol; 2] = [Protocol::Udp, Protocol::Tcp];
/// How long a peer tries to connect whose server may be closed meanwhile. The others have to connect, all of them.
const TRIES_FOR: Duration = Duration::from_millis(300);
/// How often a peer looks whether everything is over.
const TICK: Duration = Duration::from_millis(5);
/// Memory may grow by so much over all servers that follow the warm-up, since what the allocator holds back varies from
/// one moment to the next. With ten thousand servers it is 1.6 KiB each: less than one transport that is not freed.
pub const GROWTH_BYTES_MAX: u64 = 16 * 1024 * 1024;

/// What came of it.
#[derive(Clone, Debug, Default)]
pub struct Soak {
    /// Servers, those of the warm-up included.
    pub servers: usize,
    /// Their transports.
    pub transports: usize,
    /// Servers whose close was asked for before their peers connected, which these need not have done then.
    pub early: usize,
    /// Peers that were connected when, or before, their server was closed: over UDP, and over TCP.
    pub connected: [usize; 2],
    /// What became of the transports.
    pub outcomes: BTreeMap<String, usize>,
    /// Lines of all logs.
    pub entries: usize,
}

impl fmt::Display for Soak {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Soak { servers, transports, early, connected: [udp, tcp], outcomes, entries } = self;
        write!(f, "{servers} servers ({early} closed early), {transports} transports, ")?;
        write!(f, "{udp} connected over UDP and {tcp} over TCP, {entries} entries")?;
        outcomes.iter().try_for_each(|(outcome, count)| write!(f, ", {count} {outcome}"))
    }
}

/// Why it is not as it must be.
#[derive(Debug, Error)]
pub enum SoakError {
    /// A server did not start, or made no transport.
    #[error("no server: {0}")]
    Server(#[from] webrtc_server::Error),
    /// No certificate for the peers, or none of their sockets.
    #[error("no peers: {0}")]
    Peers(#[from] openssl::error::ErrorStack),
    /// The system does not tell what a process has.
    #[error("cannot tell what this process has: {0}")]
    Levels(#[from] io::Error),
    /// An answer to `close()` does not name every transport, or there is none.
    #[error("server {server}: an outcome is lost: {answer}")]
    Lost {
        /// Which.
        server: usize,
        /// The answer.
        answer: String,
    },
    /// A log is no behaviour of the model.
    #[error("server {server}: {rejection}")]
    Rejected {
        /// Which.
        server: usize,
        /// Why.
        rejection: Box<Rejection>,
        /// The log.
        log: Vec<Entry>,
    },
    /// A peer was not connected although nobody closed its server.
    #[error("server {server}: a peer over {protocol:?} was not connected: {why}")]
    Unconnected {
        /// Which.
        server: usize,
        /// What the peer speaks over.
        protocol: Protocol,
        /// Why not.
        why: PeerError,
    },
    /// Something is left.
    #[error("before: {before}; after: {after}")]
    Grown {
        /// After the warm-up.
        before: Levels,
        /// At the end.
        after: Levels,
    },
}

/// Runs so many servers after a warm-up. `tell` hears what the process has: after the warm-up, in the middle of every
/// batch with the servers alive, and at the end.
///
/// # Errors
///
/// [`SoakError`], with the first that is wrong.
pub fn soak(
    servers: usize,
    seed: u64,
    mut tell: impl FnMut(&str, usize, Levels),
) -> Result<Soak, SoakError> {
    let mut choices = Choices::new(seed);
    let mut soak = Soak::default();
    let cold = Levels::now()?;
    tell("cold", 0, cold);
    for _ in 0..BATCHES_OF_WARM_UP {
        run(&mut soak, SERVERS_PER_BATCH, &mut choices)?;
    }
    let before = Levels::settled(cold)?;
    tell("before", soak.servers, before);
    let mut left = servers;
    while left > 0 {
        let batch = left.min(SERVERS_PER_BATCH);
        left -= batch;
        let alive = run(&mut soak, batch, &mut choices)?;
        tell("alive", soak.servers, alive);
    }
    let after = Levels::settled(cold)?;
    tell("after", soak.servers, after);
    if after.exceed(before, GROWTH_BYTES_MAX) {
        return Err(SoakError::Grown { before, after });
    }
    Ok(soak)
}

/// One server with its transports, before anything happens.
struct Subject {
    server: WebRtcServer,
    recorder: Recorder,
    transports: Vec<WebRtcTransport>,
    /// The closers are told before its peers connect, and not after.
    early: bool,
}

/// A server to be closed, by its number within the batch.
struct Order {
    number: usize,
    server: WebRtcServer,
    recorder: Recorder,
    /// From the moment of the order.
    after: Duration,
}

/// What became of the peers of a server.
struct Played {
    early: bool,
    connected: [Result<(), PeerError>; 2],
}

/// What each closer was answered, by server; none: it waited in vain.
type Answers = Vec<(usize, Option<Outcomes<Outcome>>)>;

/// Runs a batch; what the process has while all of its servers live.
fn run(soak: &mut Soak, batch: usize, choices: &mut Choices) -> Result<Levels, SoakError> {
    let certificate = PeerCertificate::shared()?;
    let subjects: Result<Vec<_>, _> = (0..batch).map(|_| Subject::new(choices)).collect();
    let subjects = subjects?;
    let alive = Levels::now()?;
    let recorders: Vec<_> = subjects.iter().map(|subject| subject.recorder.clone()).collect();
    let (played, answers) = thread::scope(|scope| {
        let closers = [0, 1].map(|caller| {
            let (orders, taken) = channel();
            (orders, scope.spawn(move || close_all(caller, &taken)))
        });
        let orders = closers.each_ref().map(|(orders, _)| orders.clone());
        let peers: Vec<_> = subjects
            .into_iter()
            .enumerate()
            .map(|(number, subject)| {
                let after = [(); 2].map(|()| choices.milliseconds(0..=4));
                let (orders, certificate) = (orders.clone(), &certificate);
                scope.spawn(move || subject.play(number, after, &orders, certificate))
            })
            .collect();
        drop(orders);
        let joined = peers.into_iter().map(|peer| peer.join().unwrap_or_else(|p| resume_unwind(p)));
        let played: Vec<_> = joined.collect();
        let answers = closers.map(|(orders, closer)| {
            drop(orders);
            closer.join().unwrap_or_else(|panic| resume_unwind(panic))
        });
        (played, answers)
    });
    soak.connect(played)?;
    soak.count(batch, &answers)?;
    for recorder in recorders {
        soak.judge(recorder.finish())?;
    }
    Ok(alive)
}

impl Soak {
    /// Each peer is connected, but for those whose server was closed early.
    fn connect(&mut self, played: Vec<Played>) -> Result<(), SoakError> {
        for (number, Played { early, connected }) in played.into_iter().enumerate() {
            self.early += usize::from(early);
            for (at, connected) in connected.into_iter().enumerate() {
                match connected {
                    Ok(()) => self.connected[at] += 1,
                    Err(_) if early => {}
                    Err(why) => {
                        let (server, protocol) = (self.servers + number, PROTOCOLS[at]);
                        return Err(SoakError::Unconnected { server, protocol, why });
                    }
                }
            }
        }
        Ok(())
    }

    /// Each closer of each server was told of each transport.
    fn count(&mut self, batch: usize, answers: &[Answers; 2]) -> Result<(), SoakError> {
        for of_closer in answers {
            let complete = |answer: &&(usize, Option<Outcomes<Outcome>>)| {
                let (_, answer) = answer;
                answer.as_ref().is_some_and(|all| all.transports().len() == PROTOCOLS.len())
            };
            let lost = of_closer.iter().find(|answer| !complete(answer));
            if lost.is_some() || of_closer.len() != batch {
                let (number, answer) = lost.cloned().unwrap_or_default();
                let answer = format!("{answer:?}, {} answers", of_closer.len());
                return Err(SoakError::Lost { server: self.servers + number, answer });
            }
        }
        let all = answers[0].iter().filter_map(|(_, answer)| answer.as_ref());
        for (_, outcome) in all.flat_map(|answer| answer.transports()) {
            self.transports += 1;
            *self.outcomes.entry(format!("{outcome:?}")).or_default() += 1;
        }
        Ok(())
    }

    fn judge(&mut self, log: Vec<Entry>) -> Result<(), SoakError> {
        let server = self.servers;
        self.servers += 1;
        self.entries += log.len();
        match validate(&log) {
            Ok(_) => Ok(()),
            Err(rejection) => Err(SoakError::Rejected { server, rejection, log }),
        }
    }
}

/// Closes whatever it is told to, then waits for all answers.
fn close_all(caller: usize, orders: &Receiver<Order>) -> Answers {
    let closings: Vec<_> = orders
        .iter()
        .map(|Order { number, server, recorder, after }| {
            thread::sleep(after);
            recorder.write(What::CloseCalled { caller });
            (number, server.close(), recorder)
        })
        .collect();
    let answers = closings.into_iter().map(|(number, closing, recorder)| {
        let answer = closing.wait_timeout(PATIENCE).ok();
        if answer.is_some() {
            recorder.write(What::CloseReturned { caller });
        }
        (number, answer)
    });
    answers.collect()
}

impl Subject {
    fn new(choices: &mut Choices) -> Result<Self, SoakError> {
        let loopback = Ipv4Addr::LOCALHOST.into();
        let protocols = [webrtc_server::Protocol::Udp, webrtc_server::Protocol::Tcp];
        // No deadline passes before the close, however slow the machine is: all peers are to be connected.
        let limits = Limits { bind: PATIENCE, handshake: PATIENCE, ..limits() };
        let recorder = Recorder::new(Begun {
            transports: PROTOCOLS.len(),
            workers: WORKERS.get(),
            // The ids of carriers are their places in the list.
            sockets: vec![0],
            listeners: vec![1],
            tuples_max: limits.tuples_per_transport_max,
            ..Begun::default()
        });
        let server = WebRtcServer::new(WebRtcServerOptions {
            limits,
            certificate: Some(certificate()?),
            workers: Some(WORKERS),
            tracer: Some(recorder.tracer()),
            ..WebRtcServerOptions::new(
                protocols.map(|protocol| ListenInfo::new(protocol, loopback)),
            )
        })?;
        let transports: Result<Vec<_>, webrtc_server::Error> = (0..PROTOCOLS.len())
            .map(|number| {
                let recorder = recorder.clone();
                server.create_transport(WebRtcTransportOptions {
                    on_event: Box::new(move |event| recorder.heard(number as u64, &event)),
                    ..WebRtcTransportOptions::default()
                })
            })
            .collect();
        Ok(Subject { server, recorder, transports: transports?, early: choices.percent(30) })
    }

    /// Has it closed and its peers connect, in one order or the other.
    fn play(
        self,
        number: usize,
        after: [Duration; 2],
        orders: &[Sender<Order>; 2],
        certificate: &PeerCertificate,
    ) -> Played {
        let Subject { server, recorder, transports, early } = self;
        let order = || {
            for (orders, after) in orders.iter().zip(after) {
                let (server, recorder) = (server.clone(), recorder.clone());
                let _ = orders.send(Order { number, server, recorder, after });
            }
        };
        if early {
            order();
        }
        let within = if early { TRIES_FOR } else { PATIENCE };
        let mut peers =
            [0, 1].map(|at| connect(&server, &transports[at], PROTOCOLS[at], certificate, within));
        if !early {
            order();
        }
        let deadline = Instant::now() + PATIENCE;
        while !recorder.is_answered() && Instant::now() < deadline {
            peers.iter_mut().for_each(linger);
        }
        Played { early, connected: peers.map(|peer| peer.map(drop)) }
    }
}

/// A connected peer, unless its server is closed before that.
fn connect(
    server: &WebRtcServer,
    transport: &WebRtcTransport,
    protocol: Protocol,
    certificate: &PeerCertificate,
    within: Duration,
) -> Result<Peer, PeerError> {
    let fingerprint = [("sha-256", certificate.fingerprint())];
    if let Ok(parameters) = DtlsParameters::parse(Some("client"), fingerprint) {
        // Where that fails the handshake does.
        let _ = transport.connect(&parameters);
    }
    let wanted = match protocol {
        Protocol::Udp => webrtc_server::Protocol::Udp,
        Protocol::Tcp => webrtc_server::Protocol::Tcp,
    };
    let infos = server.listen_infos();
    let info = infos.iter().find(|info| info.protocol == wanted).unwrap_or(&infos[0]);
    let ice = transport.ice_parameters();
    let credentials = ServerCredentials { ufrag: ice.username_fragment, password: ice.password };
    let address = SocketAddr::new(info.ip, info.port);
    let (peer, _) = Peer::connect_over(protocol, address, credentials, certificate, within)?;
    Ok(peer)
}

/// Reads, and says goodbye where the server does.
fn linger(peer: &mut Result<Peer, PeerError>) {
    let Ok(peer) = peer else { return thread::sleep(TICK) };
    if peer.await_readable(TICK).is_err() {
        return;
    }
    let _ = peer.collect();
    if peer.phase() == DtlsPhase::PeerClosed {
        let _ = peer.answer_close_notify(Via(0));
    }
}
