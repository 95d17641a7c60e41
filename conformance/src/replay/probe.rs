//! Probes: rules that hold whatever the model says, tried where a trace has led to. None of them needs an oracle.
//!
//! | Rule | When |
//! |---|---|
//! | a DTLS datagram that was seen before changes nothing, on any transport | behind a handshake, at the end |
//! | data that was heard before is not heard again | at the end |
//! | a check that was seen before is answered again, and changes nothing where the model says so | at the end |
//! | a datagram with several records does what as many datagrams do | at the end |
//! | nothing that a peer sends leads out of `closed` or `failed`, nor is answered, but for a check of an open transport | at the end |
//! | a STUN success response means that the transport has the tuple, and has selected it if it was nominated | behind every check |
//!
//! At the end of a trace anything may be done, but every datagram costs: it is the first and the last of each peer that
//! are sent again.

use webrtc_server::control::events::TransportEvent;
use webrtc_server::wire::stun::TransactionId;
use webrtc_server_model::{
    Action, Callback, Connection, DtlsState, Phase, ReadSide, Room, Socket, State, StunCheck,
    TransportId, Tuple, step,
};

use super::client::SentCheck;
use super::report::Harness;
use super::stage::Stage;
use crate::divergence::Finding;
use crate::lockstep::names::{self, Names};
use crate::peer::CheckOptions;

impl Stage<'_> {
    /// Behind a handshake. How many datagrams were sent. Those of another handshake that is under way would be
    /// answered, and the trace goes on.
    pub(super) fn probe_on_the_way(&mut self, state: &State) -> Result<usize, Harness> {
        self.send_old_datagrams(state, |dtls| dtls != DtlsState::Connecting)
    }

    /// When everything has happened. How many datagrams were sent.
    pub(super) fn probe_at_the_end(&mut self, state: &State) -> Result<usize, Harness> {
        let old = self.send_old_datagrams(state, |_| true)?;
        let checks = self.send_old_checks(state)?;
        let packed = self.pack_records(state)?;
        Ok(old + checks + packed + self.disturb_what_ended(state)?)
    }

    /// Sends the last check of each peer again, where the model has nothing change by it. How many were sent.
    fn send_old_checks(&mut self, state: &State) -> Result<usize, Harness> {
        let mut sent = 0;
        for t in state.core.transport_ids() {
            let last =
                self.clients[t.index()].as_ref().and_then(|client| client.last_check.clone());
            let Some(SentCheck { transaction, from, check, request }) = last else { continue };
            let is_open = state.core.transport(t).phase == Phase::Open;
            if !(is_open && self.is_idle(state, t, from, check) && self.takes(state, from, t)) {
                continue;
            }
            let answers = self.answers_to(t, transaction);
            let expected = answers + usize::from(self.has_room(state, from));
            self.send_all(from, &[request])?;
            sent += 1;
            let patience = self.patience();
            self.await_until(patience, |stage| stage.answers_to(t, transaction) >= expected)?;
            self.nothing_changed(state, "what an old check does")?;
            let got = self.answers_to(t, transaction);
            if got != expected {
                self.findings.push(Finding::new("answers to a check sent twice", &expected, &got));
            }
        }
        Ok(sent)
    }

    /// Whether the model has nothing change by this check.
    fn is_idle(&self, state: &State, t: TransportId, from: Tuple, check: StunCheck) -> bool {
        let after = step(self.config, state, Action::PeerChecks { t, from, check });
        after.is_some_and(|(after, effects)| effects.is_empty() && after == *state)
    }

    fn answers_to(&self, t: TransportId, transaction: TransactionId) -> usize {
        let client = self.clients[t.index()].as_ref();
        client.map_or(0, |client| client.peer.observed().answers_to(transaction))
    }

    /// Sends the first and the last DTLS datagram of each peer again: of those first whose associations have ended, or
    /// never came about, since what they leave behind must not reach the others. How many were sent.
    fn send_old_datagrams(
        &mut self,
        state: &State,
        of: impl Fn(DtlsState) -> bool,
    ) -> Result<usize, Harness> {
        let dtls = |t: &TransportId| state.core.transport(*t).dtls;
        let mut order: Vec<_> = state.core.transport_ids().filter(|t| of(dtls(t))).collect();
        order.sort_by_key(|t| dtls(t) == DtlsState::Connected);
        let mut sent = 0;
        for t in order {
            let old = self.old_datagrams(t);
            let path = self.path_of_records(state, t).filter(|path| self.takes(state, *path, t));
            let Some(path) = path.filter(|_| !old.is_empty()) else { continue };
            sent += old.len();
            self.send_all(path, &old)?;
        }
        if sent > 0 {
            self.nothing_changed(state, "what old datagrams do")?;
        }
        Ok(sent)
    }

    /// Data around an old datagram: three datagrams, and one with all their records; and that one again.
    fn pack_records(&mut self, state: &State) -> Result<usize, Harness> {
        // Data is an event, and a callback that is armed would act upon it.
        if matches!(state.world.callback, Callback::Armed(_)) {
            return Ok(0);
        }
        let mut sent = 0;
        for t in state.core.transport_ids() {
            let transport = state.core.transport(t);
            let is_open = transport.phase == Phase::Open && transport.dtls == DtlsState::Connected;
            let path = transport.selected.filter(|path| is_open && self.takes(state, *path, t));
            let Some(path) = path else { continue };
            let data = [b"before".to_vec(), b"behind".to_vec()];
            let old = self.old_datagrams(t).pop().unwrap_or_default();
            let mut heard = Vec::new();
            for is_packed in [false, true] {
                let peer = &mut self.client(t)?.peer;
                data.iter().try_for_each(|data| peer.make_data(data))?;
                let mut datagrams = peer.take_outbox();
                datagrams.insert(1, old.clone());
                let datagrams = if is_packed { vec![datagrams.concat()] } else { datagrams };
                sent += datagrams.len();
                self.send_all(path, &datagrams)?;
                self.settle()?;
                heard.push(self.owners[t.index()].take_heard());
                self.nothing_changed(state, "what data does")?;
                if is_packed {
                    sent += datagrams.len();
                    self.send_all(path, &datagrams)?;
                    self.nothing_changed(state, "what old data does")?;
                }
            }
            let expected = data.map(TransportEvent::Data).to_vec();
            for (heard, how) in heard.iter().zip(["three datagrams", "one datagram"]) {
                if *heard != expected {
                    let what = format!("what the owner hears of three records in {how}");
                    self.findings.push(Finding::new(&what, &expected, heard));
                }
            }
        }
        Ok(sent)
    }

    /// A ClientHello, old records and a check, for each transport that is closed, or whose DTLS is.
    fn disturb_what_ended(&mut self, state: &State) -> Result<usize, Harness> {
        let (mut sent, mut answers) = (0, 0);
        self.collect()?;
        let before = self.seen();
        for t in state.core.transport_ids() {
            let transport = state.core.transport(t);
            let is_open = transport.phase == Phase::Open;
            let dtls_ended = matches!(transport.dtls, DtlsState::Closed | DtlsState::Failed);
            let path = self.path_of_records(state, t).filter(|path| self.takes(state, *path, t));
            let Some(path) = path.filter(|_| dtls_ended) else { continue };
            let mut datagrams = self.old_datagrams(t);
            datagrams.push(self.wardrobe.hello.clone());
            // An open transport answers, where the answer leaves at once; and after a restart its former ufrag ends, or
            // a tuple too many gives way.
            let is_idle = is_open && self.is_idle(state, t, path, StunCheck::Plain);
            if !is_open || (is_idle && self.has_room(state, path)) {
                let peer = &mut self.client(t)?.peer;
                let transaction = peer.next_transaction();
                let nominate = !is_open;
                let options = CheckOptions { nominate, ..CheckOptions::default() };
                datagrams.push(peer.check_request(transaction, &options, |request| request));
                answers += usize::from(is_open);
            }
            sent += datagrams.len();
            self.send_all(path, &datagrams)?;
        }
        if sent > 0 {
            let patience = self.patience();
            self.await_until(patience, |stage| stage.seen() - before >= answers)?;
            self.nothing_changed(state, "what peers do to what has ended")?;
            let answered = self.seen() - before;
            if answered != answers {
                let what = "packets in answer to what reaches what has ended";
                self.findings.push(Finding::new(what, &answers, &answered));
            }
        }
        Ok(sent)
    }

    /// The first and the last DTLS datagram that a peer has sent.
    fn old_datagrams(&self, t: TransportId) -> Vec<Vec<u8>> {
        let client = self.clients[t.index()].as_ref();
        let sent = client.map_or(&[][..], |client| client.peer.sent());
        let ends: Vec<_> = sent.first().into_iter().chain(sent.last()).cloned().collect();
        if sent.len() == 1 { ends[..1].to_vec() } else { ends }
    }

    /// Where the DTLS records of a peer go, or went.
    fn path_of_records(&self, state: &State, t: TransportId) -> Option<Tuple> {
        let former = || self.clients[t.index()].as_ref()?.path;
        state.core.transport(t).selected.or_else(former)
    }

    /// Whether the server reads what comes by this path, and it is not the first word of another transport's handshake.
    fn takes(&self, state: &State, path: Tuple, t: TransportId) -> bool {
        let owner = state.core.owner(path).filter(|owner| *owner != t);
        let stays = owner.is_none_or(|owner| match state.core.transport(owner).dtls {
            DtlsState::New | DtlsState::Connecting => false,
            DtlsState::Connected | DtlsState::Failed | DtlsState::Closed => true,
        });
        let reads = match path {
            Tuple::Udp(a) => {
                state.world.sockets[self.config.socket_of(a).index()] != Socket::Released
            }
            Tuple::Tcp(c) => {
                let stream = state.world.stream(c);
                let is_read = match state.core.connection(c) {
                    Connection::Bound { .. } | Connection::Draining { .. } => true,
                    Connection::Flushing { eof, .. } => eof == ReadSide::Open,
                    Connection::None
                    | Connection::Unbound
                    | Connection::InFlight { .. }
                    | Connection::Gone => false,
                };
                is_read && stream.room != Room::Broken && !stream.unread
            }
        };
        stays && reads
    }

    fn send_all(&mut self, path: Tuple, datagrams: &[Vec<u8>]) -> Result<(), Harness> {
        for datagram in datagrams {
            self.wires.send(path, datagram)?;
        }
        self.deliver_packets(path)
    }

    /// The server has done nothing, has told nobody anything, and is as it was.
    fn nothing_changed(&mut self, state: &State, what: &str) -> Result<(), Harness> {
        self.settle()?;
        let effects = self.read_journal()?;
        if !effects.is_empty() {
            self.findings.push(Finding::broken(what, format!("{effects:?}")));
        }
        for (index, owner) in self.owners.iter().enumerate() {
            let heard = owner.take_heard();
            if !heard.is_empty() {
                let got = format!("the owner of transport {index} hears {heard:?}");
                self.findings.push(Finding::broken(what, got));
            }
        }
        self.compare_state(state);
        self.compare_alarms(self.config, state);
        self.compare_ready(state);
        self.compare_leavings();
        self.collect()?;
        for stray in std::mem::take(&mut self.wires.strays) {
            self.findings.push(Finding::broken("what came in for nobody", stray));
        }
        Ok(())
    }

    /// Packets that the peers have seen, whoever they were for.
    fn seen(&self) -> usize {
        let observed = self.clients.iter().flatten().map(|client| client.peer.observed());
        let for_somebody: usize =
            observed.map(|observed| observed.stun.len() + observed.dtls_datagrams).sum();
        for_somebody + self.wires.strays.len()
    }

    /// A check that was granted shows in the transport.
    pub(super) fn probe_granted_check(&mut self, t: TransportId, from: Tuple, check: StunCheck) {
        let core = self.workers[self.config.worker_of(t).index()].core();
        let page = self.book.of_all();
        let Some(transport) = core.transports().get(&names::transport(t)) else {
            self.findings.push(Finding::broken("what grants a check", "nobody".to_owned()));
            return;
        };
        let is_it = |tuple| page.model_tuple(tuple) == Ok(from);
        let ice = &transport.ice;
        let shows = ice.tuples.iter().any(|tuple| is_it(*tuple))
            && (check != StunCheck::Nominating || ice.selected.is_some_and(is_it));
        if !shows {
            let got = format!("tuples {:?}, selected {:?}", ice.tuples, ice.selected);
            self.findings.push(Finding::new("a check that was granted", &(from, check), &got));
        }
    }
}
