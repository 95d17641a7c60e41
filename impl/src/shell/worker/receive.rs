//! What arrives becomes an input.

use super::{Arrival, Ready, Strangers, Worker};
use crate::lifecycle::{
    self, Check, ConnectionId, ConnectionPhase, Credential, Input, ListenerId, SocketId,
    TransportId, Tuple, Verdict,
};
use crate::mutants::Mutant;
use crate::shell::bind::Role;
use crate::shell::carriers::is_of_one_connection;
use crate::shell::sys::unacknowledged_bytes;
use crate::shell::timers::Alarm;
use crate::sync::lock;
use crate::wire::demux::{PacketKind, classify};
use crate::wire::framing::Deframer;
use crate::wire::stun::check::{Judgement, judge};
use crate::wire::stun::{self, Class, ErrorCode, Message, Method, TransactionId};
use std::io::{self, Read};
use std::net::SocketAddr;
use std::time::Duration;

/// Datagrams of one delivery: a flood on one socket does not starve the others.
//= RES-14
const DATAGRAMS_PER_DELIVERY: usize = 256;
/// After so many in a row the error is the carrier's, and not a datagram's or a newcomer's.
const ERRORS_IN_A_ROW_MAX: usize = 8;
/// Reads of one delivery, and bytes after which there is no other: they may be thousands of frames, each with a check
/// to verify.
const READS_PER_DELIVERY: usize = 16;
const BYTES_PER_DELIVERY: usize = 65_536;
/// Accepts of one delivery.
const ACCEPTS_PER_DELIVERY: usize = 64;
/// Pause after the descriptors ran out, or nothing but errors came.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);
/// Longest pause between two looks at the send queue of a connection that drains.
const ACKNOWLEDGED_PAUSE_MAX: Duration = Duration::from_millis(20);

/// What a read attempt said.
enum ReadResult {
    Bytes(usize),
    End,
    Nothing,
    Broken,
}

/// What a packet proved.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Proof {
    /// Nothing.
    None,
    /// That its tuple is of a transport of this worker, by the transport's password.
    Tuple,
}

impl Worker {
    pub(super) fn handle_ready(&mut self, ready: Ready) {
        match ready {
            Ready::SocketReadable(id) => self.receive_datagrams(id),
            Ready::SocketWritable(socket) => {
                let _ = self.feed(Input::SocketWritable { socket });
            }
            Ready::ListenerReadable(id) => self.accept(id),
            Ready::ConnectionReadable(id) => self.read(id),
            Ready::ConnectionWritable(connection) => {
                let _ = self.feed(Input::ConnectionWritable { connection });
            }
            Ready::Alarm(Alarm::Lifecycle(timer)) => {
                let _ = self.feed(Input::TimerFired(timer));
            }
            Ready::Alarm(Alarm::Retransmit(transport)) => self.retransmit(transport),
            Ready::Alarm(Alarm::Acknowledged(id)) => self.look_at_send_queue(id),
            Ready::Alarm(Alarm::RetrySocket(socket)) => {
                let _ = self.feed(Input::SocketWritable { socket });
                self.receive_datagrams(socket);
            }
            Ready::Alarm(Alarm::RetryAccept(id)) => self.accept(id),
        }
    }

    //= RES-03
    fn receive_datagrams(&mut self, id: SocketId) {
        // Out of `self` while its contents are handled.
        let mut buffer = std::mem::take(&mut self.buffer);
        let (mut budget, mut errors) = (DATAGRAMS_PER_DELIVERY, 0);
        while let Some(carrier) = self.carriers.sockets.get_mut(&id) {
            if carrier.role == Role::SendOnly {
                break;
            }
            if budget == 0 {
                self.deliver_later(Ready::SocketReadable(id));
                break;
            }
            budget -= 1;
            match carrier.receive(&mut buffer) {
                Ok((length, remote)) => {
                    errors = 0;
                    self.stats.datagrams_received += 1;
                    self.stats.bytes_received += length as u64;
                    let socket = self.one_socket_for_all().unwrap_or(id);
                    let tuple = Tuple::Udp { socket, remote };
                    let _ = self.receive(Arrival::Own, tuple, remote, &buffer[..length]);
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                Err(_) => {
                    self.stats.receive_errors += 1;
                    errors += 1;
                    if errors == ERRORS_IN_A_ROW_MAX {
                        self.retry_later(id);
                        break;
                    }
                }
            }
        }
        self.buffer = buffer;
    }

    /// Takes what the backlog holds. Errors never end the listener (mediasoup aborts). With no descriptor left it
    /// pauses, because the backlog stays readable; an error of one connection delays nobody behind it.
    //= RES-02
    //= TCP-19
    fn accept(&mut self, listener: ListenerId) {
        let mut errors = 0;
        for _ in 0..ACCEPTS_PER_DELIVERY {
            let (stream, remote) = match self.carriers.accept(listener) {
                Ok(Some(accepted)) => accepted,
                Ok(None) => return,
                Err(error) => {
                    self.stats.accept_errors += 1;
                    errors += 1;
                    if is_of_one_connection(&error) && errors < ERRORS_IN_A_ROW_MAX {
                        continue;
                    }
                    self.arm(Alarm::RetryAccept(listener), ACCEPT_PAUSE);
                    return;
                }
            };
            errors = 0;
            //= CLS-31
            if self.strangers == Strangers::TurnedAway {
                self.stats.connections_refused += 1;
                continue;
            }
            let (connection, deframer) = (self.next_connection(), Deframer::new());
            let added =
                self.carriers.add_connection(connection, stream, remote, deframer, Arrival::Own);
            if added.is_err() {
                self.stats.accept_errors += 1;
                if self.planted.is(Mutant::ErrorEndsListener) {
                    self.carriers.stop_accepting(listener);
                }
                continue;
            }
            //= RES-01
            match self.feed(Input::ConnectionAccepted { connection, listener, remote }) {
                Verdict::Applied => self.stats.connections_accepted += 1,
                Verdict::Late | Verdict::Repeated | Verdict::Impossible => {
                    self.stats.connections_refused += 1;
                }
            }
        }
        self.deliver_later(Ready::ListenerReadable(listener));
    }

    /// The poll does not tell a second time of what one delivery leaves.
    fn deliver_later(&mut self, ready: Ready) {
        if !self.planted.is(Mutant::RestUnread) {
            self.ready.push_back(ready);
        }
    }

    pub(super) fn next_connection(&mut self) -> ConnectionId {
        let connection = ConnectionId(self.next_connection);
        self.next_connection += 1;
        connection
    }

    fn read(&mut self, id: ConnectionId) {
        let (mut reads, mut bytes) = (0, 0);
        while reads < READS_PER_DELIVERY && bytes < BYTES_PER_DELIVERY {
            let Some(carrier) = self.carriers.connections.get_mut(&id) else { return };
            let remote = carrier.remote;
            match read_some(&mut carrier.stream, &mut self.buffer) {
                ReadResult::Nothing => return,
                ReadResult::Bytes(length) => {
                    self.stats.bytes_received += length as u64;
                    (reads, bytes) = (reads + 1, bytes + length);
                    carrier.deframer.push(&self.buffer[..length]);
                    self.take_frames(id, remote);
                    if self.planted.is(Mutant::ReadIsFrame) {
                        self.forget_half_a_frame(id);
                    }
                }
                ReadResult::End => {
                    let cut = carrier.deframer.is_mid_frame();
                    // With its FIN the peer's TCP acknowledges what it has: that may be the last of it.
                    self.look_at_send_queue(id);
                    // While the queue is flushed the end is read again with every event.
                    //= TCP-10
                    let is_news =
                        self.feed(Input::ConnectionFinished { connection: id }) == Verdict::Applied;
                    self.stats.frames_cut += u64::from(cut && is_news);
                    return;
                }
                ReadResult::Broken => {
                    let _ = self.feed(Input::ConnectionReset { connection: id });
                    return;
                }
            }
        }
        self.deliver_later(Ready::ConnectionReadable(id));
    }

    /// Handles the frames that are complete; one may end the connection under the next.
    //= TCP-20
    pub(super) fn take_frames(&mut self, id: ConnectionId, remote: SocketAddr) {
        while let Some(carrier) = self.carriers.connections.get_mut(&id) {
            let connection = self.core.connections().get(&id);
            if connection.is_some_and(|c| c.owner().is_none() && !c.is_in_use()) {
                // Nobody listens any more: the rest is only read so that the peer's end is seen.
                carrier.deframer = Deframer::new();
                return;
            }
            if self.planted.is(Mutant::FramesAfterEnd) {
                return self.take_all_frames(id, remote);
            }
            if connection.is_some_and(|c| c.phase == ConnectionPhase::Unbound)
                && carrier.deframer.next_is_no_check()
            {
                self.stats.datagrams_dropped += 1;
                let _ = self.feed(Input::JunkReceived { tuple: Tuple::Tcp(id) });
                continue;
            }
            let Some(frame) = carrier.deframer.next_frame() else { return };
            let arrival = carrier.arrival;
            let tuple = self.udp_tuple_of(remote).unwrap_or(Tuple::Tcp(id));
            let _ = self.receive(arrival, tuple, remote, &frame);
        }
    }

    /// Whether the peer's TCP has everything by now. Asked again later if not.
    fn look_at_send_queue(&mut self, id: ConnectionId) {
        let draining = self
            .core
            .connections()
            .get(&id)
            .is_some_and(|c| matches!(c.phase, ConnectionPhase::Draining { .. }));
        let unacknowledged = match self.carriers.connections.get(&id).filter(|_| draining) {
            Some(carrier) => unacknowledged_bytes(&carrier.stream),
            None if draining && self.planted.is(Mutant::ClosesUnread) => Some(0),
            None => return,
        };
        match unacknowledged {
            Some(0) => {
                let _ = self.feed(Input::ConnectionAcknowledged { connection: id });
            }
            Some(_) => self.arm(Alarm::Acknowledged(id), ACKNOWLEDGED_PAUSE_MAX),
            None => {}
        }
    }

    /// Takes one datagram or frame in, or hands it over. What it proved.
    pub(super) fn receive(
        &mut self,
        arrival: Arrival,
        tuple: Tuple,
        remote: SocketAddr,
        packet: &[u8],
    ) -> Proof {
        match classify(packet) {
            Ok(PacketKind::Stun) => return self.receive_stun(arrival, tuple, remote, packet),
            Ok(PacketKind::Dtls) => {
                if !self.pass_on(arrival, tuple, packet) {
                    let _ = self.feed(Input::DtlsReceived { tuple, datagram: packet.to_vec() });
                }
            }
            // The SRTP engine is out of scope; on a connection that nobody owns it is junk like any other.
            Ok(PacketKind::Rtp | PacketKind::Rtcp) | Err(_) => {
                self.stats.datagrams_dropped += 1;
                let _ = self.feed(Input::JunkReceived { tuple });
            }
        }
        Proof::None
    }

    //= STN-07
    fn receive_stun(
        &mut self,
        arrival: Arrival,
        tuple: Tuple,
        remote: SocketAddr,
        packet: &[u8],
    ) -> Proof {
        let Ok(message) = Message::parse(packet) else {
            self.stats.stun_malformed += 1;
            let _ = self.feed(Input::JunkReceived { tuple });
            return Proof::None;
        };
        // Who means to bind a connection sends nothing else on it.
        //= TCP-06
        if (message.class, message.method) != (Class::Request, Method::Binding) {
            self.stats.stun_ignored += 1;
            let _ = self.feed(Input::JunkReceived { tuple });
            return Proof::None;
        }
        let Some((transport, credential, password)) = claim_of(&self.core, &message, &tuple) else {
            if !self.hand_over_check(arrival, tuple, message.local_ufrag(), packet) {
                self.stats.stun_unknown += 1;
            }
            return Proof::None;
        };
        // A dual-stack socket shows an IPv4 peer in IPv6 clothes; the peer knows itself as IPv4.
        //= DMX-12
        let mapped = SocketAddr::new(remote.ip().to_canonical(), remote.port());
        let input = match judge(&message, password) {
            Judgement::Ignore(_) => {
                self.stats.stun_ignored += 1;
                return Proof::None;
            }
            Judgement::Refuse { code, authenticated, unknown } => {
                self.stats.stun_errors += 1;
                let (id, proved) = (message.transaction, authenticated.then_some(password));
                match self.refusal(id, code, &unknown, proved, remote) {
                    Some(reply) => Input::CheckRefused { tuple, reply },
                    None => return Proof::None,
                }
            }
            Judgement::Check { use_candidate, nomination } => {
                self.stats.stun_checks += 1;
                let copied = !self.transactions.is_new(transport, message.transaction);
                // Where the check would be the transport's own anyway it may be a retransmission, whose answer was
                // lost.
                //= STN-32
                if copied && self.core.routes().by_tuple(&tuple) != Some(transport) {
                    self.stats.stun_ignored += 1;
                    return Proof::None;
                }
                let check = Check { credential, use_candidate, nomination };
                let reply = stun::success_response(message.transaction, mapped, password);
                self.count_received(transport, packet.len());
                match copied {
                    true => Input::CheckRefused { tuple, reply },
                    false => Input::CheckReceived { tuple, transport, check, reply },
                }
            }
        };
        self.feed_judged(arrival, tuple, input)
    }

    /// The error response to a check, unless it proves no password and its source has had its ration. The only lock
    /// that a packet at the right worker meets, and no packet of a peer in order.
    //= RES-08
    pub(super) fn refusal(
        &self,
        id: TransactionId,
        code: ErrorCode,
        unknown: &[u16],
        proved: Option<&[u8]>,
        remote: SocketAddr,
    ) -> Option<Vec<u8>> {
        let may_leave = proved.is_some() || lock(&self.limiter).allows(remote.ip());
        may_leave.then(|| stun::error_response(id, code, unknown, proved))
    }

    fn feed_judged(&mut self, arrival: Arrival, tuple: Tuple, input: Input) -> Proof {
        let is_check = matches!(input, Input::CheckReceived { .. });
        if self.feed(input) != Verdict::Applied || !is_check {
            return Proof::None;
        }
        if arrival == Arrival::Own {
            self.proved_here(tuple);
        }
        Proof::Tuple
    }
}

/// The transport that a request is for, and the credential and the password that it must prove. Without USERNAME it can
/// only be judged by the transport that has the tuple.
fn claim_of<'a>(
    core: &'a lifecycle::Worker,
    message: &Message<'_>,
    tuple: &Tuple,
) -> Option<(TransportId, Credential, &'a [u8])> {
    let of = |id| Some(&core.transports().get(&id)?.ice.credentials);
    let (id, claimed) = match message.local_ufrag() {
        Some(ufrag) => core.by_ufrag(ufrag)?,
        None => {
            let id = core.routes().by_tuple(tuple)?;
            (id, of(id)?)
        }
    };
    let is_current = of(id)?.ufrag == claimed.ufrag;
    let credential = if is_current { Credential::Current } else { Credential::Previous };
    Some((id, credential, claimed.password.as_bytes()))
}

fn read_some(stream: &mut mio::net::TcpStream, buffer: &mut [u8]) -> ReadResult {
    loop {
        match stream.read(buffer) {
            // A reset that follows a FIN shows here and in no read.
            Ok(0) if matches!(stream.take_error(), Ok(Some(_))) => return ReadResult::Broken,
            Ok(0) => return ReadResult::End,
            Ok(length) => return ReadResult::Bytes(length),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return ReadResult::Nothing,
            Err(_) => return ReadResult::Broken,
        }
    }
}
