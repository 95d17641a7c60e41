//! What arrives at another worker than its owner is handed over (SPEC 3.4).

use super::Run;
use super::connections::Ending;
use crate::action::Check;
use crate::effect::Effect;
use crate::ids::{ConnectionId, TransportId, WorkerId};
use crate::mutants::Mutant;
use crate::state::{Connection, Phase, ServerPhase, Tuple, Ufrags, WorkerPhase};
use crate::world::HandOver;

impl Run<'_> {
    /// The first check on a connection names a transport of another worker: it is given away unseen.
    pub(super) fn hand_over(&mut self, t: TransportId, c: ConnectionId, check: Check) {
        *self.connection(c) = Connection::InFlight { to: t };
        let early = self.core.server == ServerPhase::Open;
        self.world.mail.push(HandOver { c, check, early });
    }

    /// As if it had been accepted here, and the check had come here. Who closes closes what arrives.
    pub(super) fn take_over(&mut self, c: ConnectionId) {
        let w = self.core.receiver(self.config, c);
        let next = self.world.next_hand_over(&self.core, self.config, w);
        let (Some(HandOver { check, .. }), Connection::InFlight { to }) =
            (next, self.core.connection(c))
        else {
            unreachable!("it is in the mailbox")
        };
        self.world.mail.retain(|hand_over| hand_over.c != c);
        *self.connection(c) = Connection::Unbound;
        self.core.holders[c.index()] = w;
        if self.core.worker(w) != WorkerPhase::Open {
            match self.config.is(Mutant::HandOverForgotten) {
                true => *self.connection(c) = Connection::Gone,
                false => self.end_connection(c, Ending::Finished),
            }
            return;
        }
        let transport = self.core.transport(to);
        let known = match check {
            Check::Plain | Check::Nominating => true,
            Check::WithFormerCredentials => transport.ufrags == Ufrags::CurrentAndPrevious,
        };
        if transport.phase == Phase::Open && known {
            self.check(to, Tuple::Tcp(c), check);
        }
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
