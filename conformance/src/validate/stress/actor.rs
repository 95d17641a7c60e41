//! One transport, its peer and its owner, on a thread of their own. Whatever the server closes under them is no error.

use super::live_server::LiveServer;
use super::scenario::{Actor, Fingerprint, Handshake, Move, OwnerEnd, PathScript, PeerEnd, Role};
use super::scenario::{Stranger, StrangerEnd};
use crate::peer::{
    CheckOptions, DtlsPhase, DtlsRole, DtlsSession, FATAL, HANDSHAKE_FAILURE, Path, Peer,
    PeerCertificate, PeerError, Protocol, ServerCredentials, TcpOptions, TcpPath, Via,
};
use std::sync::Arc;
use std::time::{Duration, Instant};
use webrtc_server::{DtlsParameters, IceParameters, WebRtcTransport};

/// How long an answer is waited for that need not come: the transport may be closed under its peer. It is longer than
/// the server's own deadlines, and ends with the run.
const ANSWER_WAIT: Duration = Duration::from_secs(2);
/// How often a peer looks whether everything is over: as a rule, and while it waits for the answer to a check.
const TICK: Duration = Duration::from_millis(10);
const TURN: Duration = Duration::from_millis(400);
/// The least receive buffer that Linux gives.
const STALLED_BUFFER_BYTES: usize = 2304;
/// Messages that fill the buffers of a stalled connection, and their bytes.
const MESSAGES_TO_STALL: usize = 16;
const MESSAGE_BYTES: usize = 1000;

/// Plays a transport to its end.
///
/// # Errors
///
/// What the peer could not do through no fault of the server.
pub(super) fn play(live: &Arc<LiveServer>, actor: &Actor) -> Result<(), PeerError> {
    live.sleep_until(actor.begins_at);
    let played = perform(live, actor);
    if actor.is_early() {
        live.progress.through();
    }
    let Some((mut peer, kept)) = played? else { return Ok(()) };
    while !live.is_over() {
        linger(&mut peer, actor);
    }
    drop(kept);
    Ok(())
}

/// What the owner keeps to the end.
type Kept = Option<[Option<WebRtcTransport>; 2]>;

/// What the peer does, and then the owner. None: the server makes no transport any more.
fn perform(live: &Arc<LiveServer>, actor: &Actor) -> Result<Option<(Peer, Kept)>, PeerError> {
    let Some(transport) = live.transport(actor.callback, actor.consent) else { return Ok(None) };
    let heir = actor.moves.and_then(|how| {
        (0..how.between).for_each(|_| drop(live.transport(None, None)));
        Some((how, live.transport(None, actor.consent)?))
    });
    let mut performer = Performer::new(live, actor, &transport)?;
    match performer.run(heir.as_ref()) {
        Err(error) if !ends_a_script(live, &error) => return Err(error),
        Ok(()) | Err(_) => {}
    }
    let peer = performer.peer;
    let all = [Some(transport), heir.map(|(_, transport)| transport)];
    let kept = match actor.owner_end {
        OwnerEnd::Nothing => Some(all),
        OwnerEnd::Close => {
            all.iter().flatten().for_each(|transport| drop(transport.close()));
            Some(all)
        }
        OwnerEnd::Drop => {
            drop(all);
            None
        }
    };
    Ok(Some((peer, kept)))
}

/// Whether the server does that to a peer by ending what the script is about: there is no answer, no session, no path
/// any more, and nobody who accepts connections.
fn ends_a_script(live: &LiveServer, error: &PeerError) -> bool {
    match error {
        PeerError::Barrier { .. } | PeerError::Dtls(_) | PeerError::NoPath(_) => true,
        PeerError::Io(_) => live.is_closing(),
        PeerError::OpenSsl(_)
        | PeerError::Fingerprint { .. }
        | PeerError::NeverSent(_)
        | PeerError::FrameTooLong(_) => false,
    }
}

/// Opens a connection that nobody will own.
///
/// # Errors
///
/// What it could not do while the server was open.
pub(super) fn play_stranger(live: &LiveServer, stranger: &Stranger) -> Result<(), PeerError> {
    live.sleep_until(stranger.begins_at);
    let address = live.address(Protocol::Tcp);
    let mut path = match TcpPath::connect(address, TcpOptions::default()) {
        Ok(path) => path,
        Err(_) if live.is_closing() => return Ok(()),
        Err(error) => return Err(error.into()),
    };
    let done = match stranger.end {
        StrangerEnd::Silence => Ok(()),
        StrangerEnd::Junk => path.send_raw(&[0, 4, 0xff, 0xff, 0xff, 0xff]),
        StrangerEnd::Fin => path.finish(),
        StrangerEnd::Reset => path.reset(),
    };
    // The server may have ended it before.
    done.or_else(|error| if live.is_closing() { Ok(()) } else { Err(error) })?;
    while !live.is_over() {
        let _ = path.collect();
        std::thread::sleep(TICK);
    }
    Ok(())
}

/// Reads, and says goodbye where the server does.
fn linger(peer: &mut Peer, actor: &Actor) {
    match peer.await_readable(TICK) {
        Ok(()) => {
            let _ = peer.collect();
        }
        // A peer without a path that is open waits at once.
        Err(_) => std::thread::sleep(TICK),
    }
    if actor.answers && peer.phase() == DtlsPhase::PeerClosed {
        for via in (0..actor.paths.len()).map(Via) {
            if peer.answer_close_notify(via).is_ok() {
                break;
            }
        }
    }
}

struct Performer<'a> {
    live: &'a LiveServer,
    actor: &'a Actor,
    transport: &'a WebRtcTransport,
    peer: Peer,
    /// The path that DTLS goes over: the first that was checked, or the last that was nominated.
    main: Option<Via>,
}

impl<'a> Performer<'a> {
    fn new(
        live: &'a LiveServer,
        actor: &'a Actor,
        transport: &'a WebRtcTransport,
    ) -> Result<Self, PeerError> {
        let certificate = PeerCertificate::shared()?;
        let peer = Peer::new(
            credentials(transport.ice_parameters()),
            &certificate,
            dtls_role(actor.role),
        )?;
        tell_fingerprint(transport, &certificate, actor);
        Ok(Performer { live, actor, transport, peer, main: None })
    }

    fn run(&mut self, heir: Option<&(Move, WebRtcTransport)>) -> Result<(), PeerError> {
        for path in &self.actor.paths {
            self.open(*path)?;
        }
        if let Some(main) = self.main {
            self.handshake(main)?;
        }
        if self.actor.restarts {
            self.restart()?;
        }
        self.exchange_data()?;
        std::thread::sleep(self.actor.pause);
        if let (Some((how, heir)), Some(main)) = (heir, self.main) {
            self.go_on_with(*how, heir, main)?;
        }
        self.end()
    }

    /// The same paths, proved to be another transport's.
    fn go_on_with(
        &mut self,
        how: Move,
        heir: &WebRtcTransport,
        main: Via,
    ) -> Result<(), PeerError> {
        if how.closes_before {
            drop(self.transport.close());
        }
        let certificate = PeerCertificate::shared()?;
        tell_fingerprint(heir, &certificate, self.actor);
        self.peer.set_credentials(credentials(heir.ice_parameters()));
        self.peer.check(main, true)?;
        for via in (0..self.actor.paths.len()).map(Via) {
            if how.takes_all && via != main {
                self.peer.check(via, false)?;
            }
            // Whoever had stopped reading reads the rest of what was begun.
            let _ = self.peer.resume(via);
        }
        if how.handshakes {
            self.peer.replace_session(DtlsSession::new(dtls_role(self.actor.role), &certificate)?);
            self.check(main, false)?;
            self.handshake(main)?;
        }
        Ok(())
    }

    fn open(&mut self, script: PathScript) -> Result<(), PeerError> {
        let server = self.live.address(script.protocol);
        let path = match script.protocol {
            Protocol::Udp => Path::open(script.protocol, server)?,
            Protocol::Tcp => {
                let receive_buffer = self.actor.stalls.then_some(STALLED_BUFFER_BYTES);
                let options = TcpOptions { receive_buffer, ..TcpOptions::default() };
                Path::Tcp(TcpPath::connect(server, options)?)
            }
        };
        let via = self.peer.add_path(path);
        if script.checks {
            self.check(via, script.nominates)?;
            if self.main.is_none() || script.nominates {
                self.main = Some(via);
            }
        }
        Ok(())
    }

    /// Has a path checked, unless everything is over before.
    fn check(&mut self, via: Via, nominates: bool) -> Result<(), PeerError> {
        let deadline = Instant::now() + ANSWER_WAIT;
        loop {
            match self.peer.await_check(via, nominates, TURN) {
                Err(PeerError::Barrier { .. })
                    if !self.live.is_over() && Instant::now() < deadline => {}
                result => return result,
            }
        }
    }

    fn handshake(&mut self, via: Via) -> Result<(), PeerError> {
        if self.actor.handshake == Handshake::None {
            return Ok(());
        }
        self.peer.start_handshake(via)?;
        let deadline = Instant::now() + ANSWER_WAIT;
        let is_over = || self.live.is_over() || Instant::now() > deadline;
        while self.actor.handshake == Handshake::Done && !is_over() {
            match self.peer.phase() {
                DtlsPhase::New | DtlsPhase::Handshaking => {}
                DtlsPhase::Connected | DtlsPhase::PeerClosed | DtlsPhase::Failed => return Ok(()),
            }
            match self.peer.await_readable(TICK) {
                Ok(()) => {
                    self.peer.collect()?;
                    self.peer.pump(via)?;
                }
                Err(PeerError::Barrier { .. }) => drop(self.peer.retransmit_if_due(via)?),
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// New credentials; one check with the old ones may follow them.
    fn restart(&mut self) -> Result<(), PeerError> {
        let Ok(parameters) = self.transport.restart_ice() else { return Ok(()) };
        let Some(main) = self.main else { return Ok(()) };
        self.peer.check(main, false)?;
        self.peer.set_credentials(credentials(parameters));
        self.peer.check_with(main, &CheckOptions::default(), |request| request)?;
        Ok(())
    }

    fn exchange_data(&mut self) -> Result<(), PeerError> {
        let tcp = |protocol: Protocol| protocol == Protocol::Tcp;
        let stalls = self.actor.stalls && self.actor.paths.iter().any(|path| tcp(path.protocol));
        if stalls {
            for (number, path) in self.actor.paths.iter().enumerate() {
                if tcp(path.protocol) {
                    self.peer.pause(Via(number))?;
                }
            }
        }
        let messages = if stalls { MESSAGES_TO_STALL } else { self.actor.data.0 };
        for _ in 0..messages {
            let _ = self.transport.post(&[7; MESSAGE_BYTES]);
        }
        if let (Some(main), true) = (self.main, self.peer.is_connected()) {
            for _ in 0..self.actor.data.1 {
                self.peer.send_data(main, b"from the peer")?;
            }
        }
        Ok(())
    }

    /// The path that DTLS goes over if it is a connection, or else any that is.
    fn connection(&self) -> Via {
        let is_tcp = |via: &Via| {
            self.actor.paths.get(via.0).is_some_and(|path| path.protocol == Protocol::Tcp)
        };
        let all = (0..self.actor.paths.len()).map(Via);
        self.main.into_iter().chain(all).find(is_tcp).unwrap_or(Via(0))
    }

    fn end(&mut self) -> Result<(), PeerError> {
        let main = self.main.unwrap_or(Via(0));
        match self.actor.peer_end {
            PeerEnd::Nothing => {}
            PeerEnd::CloseNotify => drop(self.peer.send_close_notify(main)?),
            PeerEnd::FatalAlert => {
                self.peer.send_plaintext_alert(main, FATAL, HANDSHAKE_FAILURE)?;
            }
            PeerEnd::Fin => self.peer.tcp(self.connection())?.finish()?,
            PeerEnd::Reset => self.peer.tcp(self.connection())?.reset()?,
            PeerEnd::Vanish => match self.peer.path(main)? {
                Path::Udp(path) => path.close(),
                Path::Tcp(path) => path.close(),
            },
        }
        Ok(())
    }
}

fn dtls_role(role: Role) -> DtlsRole {
    match role {
        Role::Client => DtlsRole::Client,
        Role::Server => DtlsRole::Server,
    }
}

fn credentials(parameters: IceParameters) -> ServerCredentials {
    ServerCredentials { ufrag: parameters.username_fragment, password: parameters.password }
}

fn tell_fingerprint(transport: &WebRtcTransport, certificate: &PeerCertificate, actor: &Actor) {
    let wrong = vec!["AB"; 32].join(":");
    let fingerprint = match actor.fingerprint {
        Fingerprint::Right => certificate.fingerprint(),
        Fingerprint::Wrong => &wrong,
        Fingerprint::Untold => return,
    };
    let role = match actor.role {
        Role::Client => "client",
        Role::Server => "server",
    };
    if let Ok(parameters) = DtlsParameters::parse(Some(role), [("sha-256", fingerprint)]) {
        let _ = transport.connect(&parameters);
    }
}
