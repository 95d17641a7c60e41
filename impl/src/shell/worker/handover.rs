//! What arrived here and is another worker's, and what arrived there and is ours. `control::handover` says the rules.
//!
//! What is ours is found in our own tables first, so that a packet at the right worker costs nothing of this.

use super::receive::Proof;
use super::{Arrival, Ready, Worker};
use crate::control::command::Command;
use crate::control::handover::{HandOver, Hint};
use crate::lifecycle::server::WorkerId;
use crate::lifecycle::{
    Connection, ConnectionId, ConnectionPhase, Input, SocketId, Tuple, Verdict,
};
use crate::sync::Arc;
use crate::wire::stun::Message;
use crate::wire::stun::check::{Judgement, judge};
use std::net::SocketAddr;

impl Worker {
    /// A check that names no transport of ours: `true` if it went to the worker that it names.
    //= DMX-13
    pub(super) fn hand_over_check(
        &mut self,
        arrival: Arrival,
        tuple: Tuple,
        ufrag: Option<&str>,
        check: &[u8],
    ) -> bool {
        let Some(ufrag) = ufrag else { return self.pass_on(arrival, tuple, check) };
        let owner = self.neighbours.as_ref().and_then(|neighbours| neighbours.owner_of(ufrag));
        let Some(owner) = owner else { return false };
        match (tuple, arrival) {
            (Tuple::Udp { socket, remote }, Arrival::Own) => {
                let hint = self.hints.claim(tuple, owner);
                self.hand_over_datagram(owner, (socket, remote), check, hint);
                true
            }
            (Tuple::Udp { .. }, Arrival::HandedOver) => false,
            (Tuple::Tcp(connection), Arrival::Own) => {
                self.hand_over_connection(owner, connection, check)
                    || self.ask_about(owner, connection, check)
            }
            // Without a proof it goes no further: who kept it moving would never have to bind it.
            (Tuple::Tcp(connection), Arrival::HandedOver) => {
                self.ask_about(owner, connection, check)
            }
        }
    }

    /// A datagram without a ufrag, whose tuple is none of ours: `true` if it went to the worker that may have the
    /// tuple.
    //= DMX-13
    pub(super) fn pass_on(&mut self, arrival: Arrival, tuple: Tuple, packet: &[u8]) -> bool {
        let (Some(_), Arrival::Own) = (&self.neighbours, arrival) else { return false };
        let Tuple::Udp { socket, remote } = tuple else { return false };
        let routes = self.core.routes();
        if routes.by_tuple(&tuple).or_else(|| routes.by_parting(&tuple)).is_some() {
            return false;
        }
        let Some((owner, hint)) = self.hints.owner(tuple) else { return false };
        self.hand_over_datagram(owner, (socket, remote), packet, hint);
        true
    }

    fn hand_over_datagram(
        &mut self,
        to: WorkerId,
        (socket, remote): (SocketId, SocketAddr),
        datagram: &[u8],
        hint: Hint,
    ) {
        let Some(neighbours) = &self.neighbours else { return };
        let (datagram, home) = (datagram.to_vec(), neighbours.own());
        let hand_over = HandOver::Datagram { socket, remote, datagram, home, hint };
        let taken = neighbours.offer(to, Command::TakeOver(hand_over));
        self.count_hand_over(taken);
    }

    /// Gives a connection away, unless it is some transport's.
    fn hand_over_connection(&mut self, to: WorkerId, id: ConnectionId, check: &[u8]) -> bool {
        let Some(connection) = self.unbound(id) else { return false };
        let (listener, queue) = (connection.listener, connection.queue.clone());
        if self.feed(Input::ConnectionHandedOver { connection: id }) != Verdict::Applied {
            return false;
        }
        // From here on it is nobody's but ours: it is taken, or closed where it is refused.
        let carrier = self.carriers.take_connection(id);
        let (Some(neighbours), Some(carrier)) = (&self.neighbours, carrier) else { return false };
        let (remote, stream, deframer) = (carrier.remote, carrier.stream, carrier.deframer);
        let check = check.to_vec();
        let hand_over = HandOver::Connection { listener, remote, stream, check, deframer, queue };
        let taken = neighbours.offer(to, Command::TakeOver(hand_over));
        self.count_hand_over(taken);
        #[cfg(feature = "testing")]
        if !taken {
            self.tell_dropped(listener, remote);
        }
        true
    }

    /// A connection that is no transport's.
    fn unbound(&self, id: ConnectionId) -> Option<&Connection> {
        let connection = self.core.connections().get(&id);
        connection.filter(|connection| connection.phase == ConnectionPhase::Unbound)
    }

    /// Asks another worker whether this check proves a password of its; but not while it, or another, is asked about
    /// this connection already.
    //= RES-14
    fn ask_about(&mut self, owner: WorkerId, connection: ConnectionId, check: &[u8]) -> bool {
        let carrier = self.carriers.connections.get_mut(&connection);
        let (Some(neighbours), Some(carrier)) = (&self.neighbours, carrier) else { return false };
        let may_ask = carrier.asking.strong_count() == 0;
        let taken = may_ask && {
            let (remote, check, home) = (carrier.remote, check.to_vec(), neighbours.own());
            let asking = Arc::default();
            carrier.asking = Arc::downgrade(&asking);
            let question = HandOver::Question { connection, remote, check, home, asking };
            neighbours.offer(owner, Command::TakeOver(question))
        };
        self.count_hand_over(taken);
        true
    }

    /// The answer to such a question. It may be stale: then nothing happens.
    //= DMX-06
    pub(super) fn connection_proved(&mut self, id: ConnectionId, check: &[u8], owner: WorkerId) {
        let taken = Input::TupleTaken { tuple: Tuple::Tcp(id) };
        if self.unbound(id).is_some() || self.feed(taken) == Verdict::Applied {
            let _ = self.hand_over_connection(owner, id, check);
        }
    }

    /// Hands an answer over. Only what is dropped counts.
    fn answer(&mut self, to: WorkerId, answer: Command) {
        let given = self.neighbours.as_ref().is_some_and(|neighbours| neighbours.offer(to, answer));
        self.stats.hand_overs_dropped += u64::from(!given);
    }

    /// Judges a check for the worker that has its connection.
    fn judgement_of(
        &mut self,
        connection: ConnectionId,
        remote: SocketAddr,
        check: Vec<u8>,
        asking: Arc<()>,
    ) -> Option<Command> {
        let message = Message::parse(&check).ok()?;
        let known = message.local_ufrag().and_then(|ufrag| self.core.by_ufrag(ufrag));
        let Some((_, credentials)) = known else {
            self.stats.stun_unknown += 1;
            return None;
        };
        let password = credentials.password.as_bytes();
        match judge(&message, password) {
            Judgement::Ignore(_) => None,
            Judgement::Refuse { code, authenticated, unknown } => {
                self.stats.stun_errors += 1;
                let proved = authenticated.then_some(password);
                let reply = self.refusal(message.transaction, code, &unknown, proved, remote)?;
                Some(Command::ConnectionRefused { connection, reply, asking })
            }
            Judgement::Check { .. } => {
                let owner = self.neighbours.as_ref()?.own();
                Some(Command::ConnectionProved { connection, check, owner, asking })
            }
        }
    }

    fn count_hand_over(&mut self, taken: bool) {
        self.stats.handed_over += u64::from(taken);
        self.stats.hand_overs_dropped += u64::from(!taken);
    }

    /// Something of ours arrived at another worker.
    pub(super) fn take_over(&mut self, hand_over: HandOver) {
        match hand_over {
            HandOver::Datagram { socket, remote, datagram, home, hint } => {
                let tuple = Tuple::Udp { socket, remote };
                let proof = self.receive(Arrival::HandedOver, tuple, remote, &datagram);
                let (Some(neighbours), Proof::Tuple, Hint::Claimed) =
                    (&self.neighbours, proof, hint)
                else {
                    return;
                };
                let owner = neighbours.own();
                self.answer(home, Command::TupleProved { tuple, owner });
            }
            HandOver::Question { connection, remote, check, home, asking } => {
                if let Some(answer) = self.judgement_of(connection, remote, check, asking) {
                    self.answer(home, answer);
                }
            }
            HandOver::Connection { listener, remote, stream, check, deframer, queue } => {
                let id = self.next_connection();
                let arrival = Arrival::HandedOver;
                if self.carriers.add_connection(id, stream, remote, deframer, arrival).is_err() {
                    self.stats.accept_errors += 1;
                    #[cfg(feature = "testing")]
                    self.tell_dropped(listener, remote);
                    return;
                }
                // Closing, or with too many already, we close it.
                let connection = id;
                let taken = Input::ConnectionTakenOver { connection, listener, remote, queue };
                if self.feed(taken) != Verdict::Applied {
                    self.stats.connections_refused += 1;
                    return;
                }
                let _ = self.receive(arrival, Tuple::Tcp(id), remote, &check);
                self.take_frames(id, remote);
                self.ready.push_back(Ready::ConnectionReadable(id));
            }
        }
    }

    /// We are the home of this tuple, and another worker has proved that it is its. Whoever had it must not use it any
    /// more.
    //= DMX-06
    pub(super) fn tuple_proved(&mut self, tuple: Tuple, owner: WorkerId) {
        let former = self.hints.prove(tuple, owner).filter(|former| *former != owner);
        let _ = self.feed(Input::TupleTaken { tuple });
        self.tell_taken(tuple, former);
    }

    /// A check at our own socket has proved that the tuple is ours.
    //= DMX-06
    pub(super) fn proved_here(&mut self, tuple: Tuple) {
        if self.neighbours.is_some() {
            let former = self.hints.forget(tuple);
            self.tell_taken(tuple, former);
        }
    }

    fn tell_taken(&self, tuple: Tuple, former: Option<WorkerId>) {
        if let (Some(neighbours), Some(former)) = (&self.neighbours, former) {
            neighbours.tell(former, Command::TupleTaken { tuple });
        }
    }
}
