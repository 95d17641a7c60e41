//! What peers say over STUN and DTLS, and how the stage waits for it.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use webrtc_server::lifecycle::ConnectionId;
use webrtc_server::shell::{Alarm, Ready};
use webrtc_server::wire::stun::TransactionId;
use webrtc_server_model::{
    self as model, DtlsState, Room, Socket, State, StunCheck, TransportId, Tuple, WorkerId,
};

use super::client::SentCheck;
use super::perform::{impossible, selected};
use super::report::Harness;
use super::stage::Stage;
use crate::PATIENCE;
use crate::divergence::Finding;
use crate::lockstep::names;
use crate::peer::{
    CheckOptions, DtlsPhase, FATAL, HANDSHAKE_FAILURE, INTERNAL_ERROR, StunObserved,
    plaintext_alert,
};

/// A sequence number in epoch 0 that no handshake of a test gets to.
pub(super) const LATE_SEQUENCE: u8 = 200;
/// Longest wait of one turn; what is there is noticed at once.
pub(super) const TURN: Duration = Duration::from_millis(1);

/// A check that a peer sent.
#[derive(Clone, Copy, Debug)]
pub(super) struct Asked {
    transaction: TransactionId,
    check: StunCheck,
    from: Tuple,
    /// Where the server saw the peer.
    local: SocketAddr,
}

impl Stage<'_> {
    /// An authenticated check, and its answer if there is room for one.
    pub(super) fn check(
        &mut self,
        before: &State,
        t: TransportId,
        from: Tuple,
        check: StunCheck,
    ) -> Result<(), Harness> {
        let current = self.client(t)?.peer.credentials().clone();
        let asked = self.ask(t, from, check)?;
        let has_room = self.has_room(before, from);
        self.expect_answer(t, asked, has_room)?;
        self.client(t)?.peer.set_credentials(current);
        Ok(())
    }

    /// Sends an authenticated check, and lets the server read it. The peer keeps the credentials that it was sent with:
    /// the answer has them as well.
    pub(super) fn ask(
        &mut self,
        t: TransportId,
        from: Tuple,
        check: StunCheck,
    ) -> Result<Asked, Harness> {
        if let Tuple::Udp(a) = from {
            let seen = self.wires.open_address(a)?;
            self.book.note_address(a, seen);
        }
        let local = self.wires.local(from)?;
        let client = self.client(t)?;
        let transaction = client.peer.next_transaction();
        if check == StunCheck::WithFormerCredentials {
            let former = client.former.clone();
            let former = former.ok_or_else(|| impossible("there are no former credentials"))?;
            client.peer.set_credentials(former);
        }
        let nominate = check == StunCheck::Nominating;
        let options = CheckOptions { nominate, ..CheckOptions::default() };
        let request = client.peer.check_request(transaction, &options, |request| request);
        if check != StunCheck::WithFormerCredentials {
            let request = request.clone();
            client.last_check = Some(SentCheck { transaction, from, check, request });
        }
        self.wires.send(from, &request)?;
        self.deliver_packets(from)?;
        Ok(Asked { transaction, check, from, local })
    }

    /// The answer to a check, and no other; none if there is nobody to answer, or no room.
    pub(super) fn expect_answer(
        &mut self,
        t: TransportId,
        asked: Asked,
        has_room: bool,
    ) -> Result<(), Harness> {
        let Asked { transaction, check, from, local } = asked;
        self.await_until(if has_room { self.patience() } else { Duration::ZERO }, |stage| {
            let client = stage.clients[t.index()].as_ref();
            client.is_some_and(|client| client.peer.observed().answers_to(transaction) > 0)
        })?;
        let answers = self.client(t)?.peer.observed().stun.iter();
        let answers: Vec<StunObserved> =
            answers.filter(|answer| answer.transaction == transaction).cloned().collect();
        let right = match answers.as_slice() {
            [] => !has_room,
            [answer] => has_room && answer.is_success() && answer.mapped == Some(local),
            [_, _, ..] => false,
        };
        if answers.first().is_some_and(StunObserved::is_success) {
            self.probe_granted_check(t, from, check);
        }
        if !right {
            let expected = if has_room { "one success" } else { "no answer" };
            self.findings.push(Finding::new("the answer to a check", &expected, &answers));
        }
        Ok(())
    }

    /// The second check is in the server's hands when the reply to the first finds that nobody is there.
    pub(super) fn check_twice_and_reset(
        &mut self,
        t: TransportId,
        c: model::ConnectionId,
    ) -> Result<(), Harness> {
        let client = self.client(t)?;
        let mut bytes = Vec::new();
        for _ in 0..2 {
            let transaction = client.peer.next_transaction();
            let request =
                client.peer.check_request(transaction, &CheckOptions::default(), |request| request);
            let frame = webrtc_server::wire::framing::frame(&request);
            bytes.extend(frame.map_err(|error| Harness::Impossible(error.to_string()))?);
        }
        let connection = self.wires.connection(c)?;
        connection.path.send_raw(&bytes)?;
        connection.path.reset()?;
        connection.end = None;
        self.deliver_packets(Tuple::Tcp(c))
    }

    /// The next flight of the peer that is not its last, and the server's answer to it.
    pub(super) fn send_flight(&mut self, before: &State, t: TransportId) -> Result<(), Harness> {
        let path = selected(before, t)?;
        self.begin_handshake(t)?;
        let waits = |stage: &Stage<'_>| {
            let client = stage.clients[t.index()].as_ref();
            client.is_some_and(|client| client.peer.has_outgoing())
        };
        self.listen_until(t, path, waits, "the flight that the peer answers")?;
        self.flush(t, path)?;
        self.listen_until(t, path, waits, "the answer to a flight")?;
        self.expect_flights(t)
    }

    /// The flights that are left.
    pub(super) fn handshake(&mut self, before: &State, t: TransportId) -> Result<(), Harness> {
        let path = selected(before, t)?;
        self.begin_handshake(t)?;
        self.flush(t, path)?;
        let w = self.config.worker_of(t);
        let done = |stage: &Stage<'_>| {
            let client = stage.clients[t.index()].as_ref();
            let ours = stage.workers[w.index()].core().transports().get(&names::transport(t));
            let blocked = stage.path_of(t).is_some_and(|id| stage.is_blocked(w, id));
            client.is_some_and(|client| client.peer.is_connected() && !client.peer.has_outgoing())
                && !blocked
                && ours.is_some_and(|ours| names::dtls_state(ours.dtls) == DtlsState::Connected)
        };
        let failed = |stage: &Stage<'_>| {
            let client = stage.clients[t.index()].as_ref();
            let phase = client.map(|client| client.peer.phase());
            matches!(phase, Some(DtlsPhase::Failed | DtlsPhase::PeerClosed))
        };
        let over = |stage: &Stage<'_>| done(stage) || failed(stage);
        let deadline = Instant::now() + PATIENCE;
        while !over(self) {
            if Instant::now() >= deadline {
                return self.blame_for_silence(t, path, "the handshake");
            }
            self.listen_or_repeat(t)?;
            self.flush(t, path)?;
        }
        match done(self) {
            true => {
                self.handshakes += 1;
                self.expect_flights(t)?;
            }
            false => {
                let phase = self.client(t)?.peer.phase();
                self.findings.push(Finding::new("the handshake", &"done", &phase));
            }
        }
        Ok(())
    }

    /// A peer that is the client has the first word.
    fn begin_handshake(&mut self, t: TransportId) -> Result<(), Harness> {
        let peer = &mut self.client(t)?.peer;
        if peer.phase() == DtlsPhase::New {
            peer.advance();
        }
        Ok(())
    }

    /// Sends what the DTLS session of a peer has made.
    fn flush(&mut self, t: TransportId, path: Tuple) -> Result<(), Harness> {
        let client = self.client(t)?;
        client.path = Some(path);
        for datagram in client.peer.take_outbox() {
            self.wires.send(path, &datagram)?;
        }
        Ok(())
    }

    /// The server reads what comes, and the peers say nothing, until it is as wanted.
    fn listen_until(
        &mut self,
        t: TransportId,
        path: Tuple,
        wanted: impl Fn(&Stage<'_>) -> bool,
        what: &'static str,
    ) -> Result<(), Harness> {
        let deadline = Instant::now() + PATIENCE;
        while !wanted(self) {
            if Instant::now() >= deadline {
                return self.blame_for_silence(t, path, what);
            }
            self.listen_or_repeat(t)?;
        }
        Ok(())
    }

    /// When nothing comes, our last flight may have gone with its connection: OpenSSL repeats it when its time has
    /// come.
    fn listen_or_repeat(&mut self, t: TransportId) -> Result<(), Harness> {
        if !self.listen(t)? {
            self.worker_of(t).fire(Alarm::Retransmit(names::transport(t)));
        }
        Ok(())
    }

    /// The server reads, and the peers collect. Whether anything came.
    pub(super) fn listen(&mut self, t: TransportId) -> Result<bool, Harness> {
        self.read_everything()?;
        // A flight may be longer than the buffer of its connection, which is small here.
        if let Some(id) = self.path_of(t) {
            self.worker_of(t).deliver(Ready::ConnectionWritable(id));
        }
        if self.collect()? > 0 {
            return Ok(true);
        }
        let comes = self.wires.await_readable(TURN)?;
        if comes {
            self.collect()?;
        }
        Ok(comes)
    }

    /// The connection that carries what we send, if one does.
    fn path_of(&self, t: TransportId) -> Option<ConnectionId> {
        let core = self.workers[self.config.worker_of(t).index()].core();
        core.transports().get(&names::transport(t))?.ice.selected?.connection()
    }

    pub(super) fn fail_handshake(&mut self, before: &State, t: TransportId) -> Result<(), Harness> {
        let path = selected(before, t)?;
        let alert = plaintext_alert(FATAL, HANDSHAKE_FAILURE, LATE_SEQUENCE);
        self.wires.send(path, &alert)?;
        self.deliver_packets(path)
    }

    pub(super) fn send_fatal_alert(
        &mut self,
        before: &State,
        t: TransportId,
    ) -> Result<(), Harness> {
        let path = selected(before, t)?;
        let alert = match before.core.transport(t).dtls {
            DtlsState::Connected => self.client(t)?.peer.session().fatal_alert(INTERNAL_ERROR)?,
            DtlsState::New | DtlsState::Connecting | DtlsState::Failed | DtlsState::Closed => {
                plaintext_alert(FATAL, INTERNAL_ERROR, LATE_SEQUENCE)
            }
        };
        self.wires.send(path, &alert)?;
        self.deliver_packets(path)
    }

    /// Where our close_notify came in.
    pub(super) fn answer(&mut self, t: TransportId) -> Result<(), Harness> {
        let heard = self.client(t)?.peer.observed().close_notifies.first().copied();
        let via = heard.ok_or_else(|| impossible("the peer answers what it has not heard"))?;
        let path = self.wires.tuple(via);
        self.send_close_notify(t, path)
    }

    pub(super) fn send_close_notify(&mut self, t: TransportId, path: Tuple) -> Result<(), Harness> {
        let peer = &mut self.client(t)?.peer;
        peer.make_close_notify()?;
        let datagrams = peer.take_outbox();
        if datagrams.len() != 1 {
            return Err(impossible("the peer has said its close_notify before"));
        }
        self.wires.send(path, &datagrams[0])?;
        self.deliver_packets(path)
    }

    /// Lets the server read what came over a path.
    pub(super) fn deliver_packets(&mut self, path: Tuple) -> Result<(), Harness> {
        let (w, ready) = match path {
            Tuple::Udp(a) => {
                let (w, socket) = self.book.socket(self.config.socket_of(a));
                (w, Ready::SocketReadable(socket))
            }
            Tuple::Tcp(c) => {
                let (w, id) = self.connection(c)?;
                (w, Ready::ConnectionReadable(id))
            }
        };
        self.deliver(w, ready, "the peer's bytes are with the server")
    }

    /// Lets the server read everything that has arrived and is not held back.
    fn read_everything(&mut self) -> Result<(), Harness> {
        for w in self.config.worker_ids() {
            self.workers[w.index()].poll(Some(Duration::ZERO))?;
            for ready in self.readable(w) {
                self.workers[w.index()].deliver(ready);
            }
        }
        Ok(())
    }

    fn readable(&self, w: WorkerId) -> Vec<Ready> {
        let is_input = |ready: &Ready| match ready {
            Ready::SocketReadable(_) | Ready::ConnectionReadable(_) => !self.is_held(w, *ready),
            Ready::SocketWritable(_)
            | Ready::ListenerReadable(_)
            | Ready::ConnectionWritable(_)
            | Ready::Alarm(_) => false,
        };
        self.workers[w.index()].ready().iter().copied().filter(is_input).collect()
    }

    /// The peers take everything that the kernel holds for them. How many packets that were.
    pub(super) fn collect(&mut self) -> Result<usize, Harness> {
        self.drain_journals();
        self.wires.collect(&mut self.clients)
    }

    /// The peers collect until everything is as wanted; `false` when it was not in time.
    pub(super) fn await_until(
        &mut self,
        timeout: Duration,
        wanted: impl Fn(&Stage<'_>) -> bool,
    ) -> Result<bool, Harness> {
        let deadline = Instant::now() + timeout;
        loop {
            self.collect()?;
            if wanted(self) {
                return Ok(true);
            }
            // A server that never stops sending must not keep the barrier up.
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() || !self.wires.await_readable(left)? {
                return Ok(false);
            }
        }
    }

    /// Whether the reply to a check leaves at once.
    pub(super) fn has_room(&self, before: &State, from: Tuple) -> bool {
        match from {
            Tuple::Udp(a) => before.world.sockets[self.config.socket_of(a).index()] == Socket::Room,
            Tuple::Tcp(c) => {
                before.core.connection(c).queue().is_empty()
                    && before.world.stream(c).room == Room::Plenty
            }
        }
    }
}
