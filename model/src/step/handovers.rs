//! What arrives at another worker than its owner is handed over (SPEC 3.4).

use super::Run;
use super::connections::Ending;
use crate::action::Check;
use crate::effect::Effect;
use crate::ids::{ConnectionId, TransportId, WorkerId};
use crate::mutants::Mutant;
use crate::state::{Connection, Phase, ServerPhase, Tuple, Ufrags, WorkerPhase};
use crate::world::{HandOver, Letter};

impl Run<'_> {
    /// A check names a transport of another worker. A connection that is nobody's is given away unseen; of one that is
    /// a transport's the other is asked.
    pub(super) fn pass_on(&mut self, t: TransportId, c: ConnectionId, check: Check) {
        if self.core.connection(c).is_bound() {
            self.post(HandOver::Question, self.config.worker_of(t), t, c, check);
        } else {
            self.give_away(t, c, check);
        }
    }

    fn give_away(&mut self, t: TransportId, c: ConnectionId, check: Check) {
        *self.connection(c) = Connection::InFlight { to: t };
        self.post(HandOver::Connection, self.config.worker_of(t), t, c, check);
    }

    fn post(
        &mut self,
        what: HandOver,
        to: WorkerId,
        t: TransportId,
        c: ConnectionId,
        check: Check,
    ) {
        let early = self.core.server == ServerPhase::Open;
        self.world.mail.push(Letter { to, c, what, t, check, early });
    }

    fn take_letter(&mut self, c: ConnectionId) -> Letter {
        let letter = self.world.letter(c).expect("it is in a mailbox");
        self.world.mail.retain(|other| *other != letter);
        letter
    }

    /// As if it had been accepted here, and the check had come here. Who closes closes what arrives.
    pub(super) fn take_over(&mut self, c: ConnectionId) {
        let Letter { to: w, t, check, .. } = self.take_letter(c);
        *self.connection(c) = Connection::Unbound;
        self.core.holders[c.index()] = w;
        if self.core.worker(w) != WorkerPhase::Open {
            match self.config.is(Mutant::HandOverForgotten) {
                true => *self.connection(c) = Connection::Gone,
                false => self.end_connection(c, Ending::Finished),
            }
        } else if self.is_known(t, check) {
            self.check(t, Tuple::Tcp(c), check);
        }
    }

    /// Only who has the transport knows its password. What proves nothing is forgotten.
    pub(super) fn judge(&mut self, t: TransportId, c: ConnectionId) {
        let Letter { check, .. } = self.take_letter(c);
        if self.is_known(t, check) {
            self.post(HandOver::Proof, self.core.holders[c.index()], t, c, check);
        }
    }

    /// The connection is nobody's from now on, so it is given away; unless its use has ended meanwhile.
    pub(super) fn hear_proof(&mut self, c: ConnectionId) {
        let Letter { t, check, .. } = self.take_letter(c);
        let Connection::Bound { owner: former, .. } = self.core.connection(c) else { return };
        if !self.config.is(Mutant::GivenAwayBound) {
            self.lose_tuple(former, Tuple::Tcp(c));
            self.withdraw(former, Tuple::Tcp(c));
        }
        debug_assert!(self.core.connection(c).queue().is_empty(), "no place for what still waits");
        self.give_away(t, c, check);
    }

    /// Does a check name an open transport?
    fn is_known(&self, t: TransportId, check: Check) -> bool {
        let transport = self.core.transport(t);
        let known = match check {
            Check::Plain | Check::Nominating => true,
            Check::WithFormerCredentials => transport.ufrags == Ufrags::CurrentAndPrevious,
        };
        transport.phase == Phase::Open && known
    }

    /// The mistake of a worker that keeps what it gave away, and closes it with everything else.
    pub(super) fn close_what_was_given_away(&mut self, w: WorkerId) {
        if !self.config.is(Mutant::GivenAwayAndKept) {
            return;
        }
        for c in self.core.connection_ids() {
            let given_away = self.core.holder(c).is_none() && self.core.holders[c.index()] == w;
            if given_away {
                self.emit(Effect::CloseConnection(c));
            }
        }
    }
}
