//! What an authenticated check changes, and what the loss of a tuple does.

use super::Run;
use super::connections::Ending;
use crate::action::Check;
use crate::effect::Effect;
use crate::ids::{ConnectionId, TransportId};
use crate::mutants::Mutant;
use crate::state::{
    Connection, DropReason, DtlsState, Farewell, IceState, Outcome, Phase, Queue, Tuple, Ufrags,
    Waiting,
};

impl Run<'_> {
    /// SPEC 3.5, and 3.6 for the beginning of the handshake.
    pub(super) fn check(&mut self, t: TransportId, from: Tuple, check: Check) {
        self.take_tuple(t, from);
        if check != Check::WithFormerCredentials && self.at(t).ufrags == Ufrags::CurrentAndPrevious
        {
            self.at(t).ufrags = Ufrags::Current;
        }
        let evicted = self.learn_tuple(t, from, check == Check::Nominating);
        if let Some(Tuple::Tcp(c)) = evicted
            && !self.config.is(Mutant::EvictedConnectionKept)
        {
            self.retire(c);
        }
        if self.at(t).dtls == DtlsState::New {
            self.set_dtls(t, DtlsState::Connecting);
        }
        if let Tuple::Tcp(c) = from {
            self.reply(c);
        }
    }

    /// The second check finds nothing: the write of the first reply ended the connection.
    pub(super) fn check_twice_and_reset(&mut self, t: TransportId, c: ConnectionId) {
        self.check(t, Tuple::Tcp(c), Check::Plain);
        self.reset(c);
        if self.config.is(Mutant::HandledAfterReset) {
            self.learn_tuple(t, Tuple::Tcp(c), false);
        }
    }

    /// The tuple is this transport's from now on, whoever had it: the password decides.
    fn take_tuple(&mut self, t: TransportId, from: Tuple) {
        let owner = self.core.owner(from).or_else(|| self.owner_by_address_alone(from));
        if owner == Some(t) {
            return;
        }
        if let Some(former) = owner.or_else(|| self.parting(from)).filter(|former| *former != t)
            && !self.config.is(Mutant::StaleTupleShadows)
        {
            let mut tuples = self.core.transport(former).tuples.iter().copied();
            let is_it = |tuple: &Tuple| *tuple == from || self.look_alike(*tuple, from);
            let lost = tuples.find(is_it).unwrap_or(from);
            self.lose_tuple(former, lost);
            self.withdraw(former, lost);
        }
        if let Tuple::Tcp(c) = from {
            let queue = self.core.connection(c).queue();
            *self.connection(c) = Connection::Bound { owner: t, queue };
        }
    }

    /// The mistake of a table whose keys lack the local address: datagrams from one address at two sockets look alike.
    fn owner_by_address_alone(&self, from: Tuple) -> Option<TransportId> {
        let mut ids = self.core.transport_ids();
        ids.find(|t| {
            self.core.transport(*t).tuples.iter().any(|tuple| self.look_alike(*tuple, from))
        })
    }

    fn look_alike(&self, one: Tuple, other: Tuple) -> bool {
        let (Tuple::Udp(one), Tuple::Udp(other)) = (one, other) else { return false };
        let elsewhere = self.config.socket_of(one) != self.config.socket_of(other);
        elsewhere && self.config.is(Mutant::KeyWithoutSocket)
    }

    /// The transport whose farewell waits on a UDP tuple that is nobody's any more.
    fn parting(&self, from: Tuple) -> Option<TransportId> {
        self.core.transport_ids().find(|t| {
            let transport = self.core.transport(*t);
            let waits = match transport.farewell {
                Farewell::Queued(path) => path == from,
                Farewell::Sent(path) => {
                    path == from && transport.phase == Phase::Closing && transport.outcome.is_none()
                }
                Farewell::None | Farewell::Confirmed(_) | Farewell::Dropped(_) => false,
            };
            waits && from.is_udp()
        })
    }

    /// Nothing of the former owner may reach whoever has the tuple now, an alert that waits included.
    pub(super) fn withdraw(&mut self, former: TransportId, tuple: Tuple) {
        if self.config.is(Mutant::AlertToNewOwner) {
            return;
        }
        if let Tuple::Tcp(c) = tuple {
            let begun = self.core.connection(c).queue().is_begun();
            let other = if begun { Waiting::Begun } else { Waiting::No };
            let queue = Queue { other, alert: Waiting::No };
            *self.connection(c) = self.core.connection(c).with_queue(queue);
        }
        if self.at(former).farewell == Farewell::Queued(tuple) {
            self.at(former).farewell = Farewell::Dropped(DropReason::PathTaken);
        } else if self.parting(tuple) == Some(former) {
            // Its answer would reach the new owner.
            self.at(former).outcome = Some(Outcome::Sent);
        }
        self.settle(former);
    }

    /// The tuple becomes one of the transport's, and perhaps the selected one; the one that gives way for it.
    fn learn_tuple(&mut self, t: TransportId, tuple: Tuple, nominated: bool) -> Option<Tuple> {
        let cap = self.config.tuples_max;
        let evicts_selected = self.config.is(Mutant::EvictsSelected);
        let transport = self.at(t);
        let before = (transport.selected, transport.ice);
        if !transport.tuples.contains(&tuple) {
            transport.tuples.push(tuple);
        }
        let is_first = matches!(transport.ice, IceState::New | IceState::Disconnected);
        if nominated {
            transport.ice = IceState::Completed;
        } else if is_first {
            transport.ice = IceState::Connected;
        }
        if nominated || transport.selected.is_none() {
            transport.selected = Some(tuple);
        }
        let (selected, ice) = (transport.selected, transport.ice);
        let gives_way =
            |other: &Tuple| *other != tuple && (Some(*other) != selected || evicts_selected);
        let evicted = match transport.tuples.len() > cap {
            true => transport.tuples.iter().position(gives_way),
            false => None,
        };
        let evicted = evicted.map(|at| transport.tuples.remove(at));
        if selected != before.0 {
            self.emit(Effect::SelectedTupleChanged(t, selected));
        }
        if ice != before.1 {
            self.emit(Effect::IceStateChanged(t, ice));
        }
        evicted
    }

    /// A tuple leaves the table, and another one is selected if there is one: the newest.
    pub(super) fn lose_tuple(&mut self, t: TransportId, tuple: Tuple) {
        let stale = self.config.is(Mutant::StaleRoute);
        let selects_gone = self.config.is(Mutant::SelectsTheGone);
        let transport = self.at(t);
        let was_selected = transport.selected == Some(tuple);
        if !stale {
            transport.tuples.retain(|other| *other != tuple);
        }
        if !was_selected {
            return;
        }
        let next = transport.tuples.iter().copied().rfind(|other| *other != tuple);
        let next = if selects_gone { Some(tuple) } else { next };
        if next.is_some() {
            transport.selected = next;
            self.emit(Effect::SelectedTupleChanged(t, next));
        } else {
            self.disconnect(t);
        }
    }

    fn disconnect(&mut self, t: TransportId) {
        if !self.config.is(Mutant::SelectionKept) {
            self.at(t).selected = None;
        }
        self.at(t).ice = IceState::Disconnected;
        self.emit(Effect::SelectedTupleChanged(t, None));
        self.emit(Effect::IceStateChanged(t, IceState::Disconnected));
    }

    /// Every tuple is gone, and what is left of the connections with them: nothing more may be sent to this peer.
    pub(super) fn expire_consent(&mut self, t: TransportId) {
        self.at(t).tuples.clear();
        if self.at(t).farewell.is_queued() {
            self.at(t).farewell = Farewell::Dropped(DropReason::NoConsent);
        }
        self.disconnect(t);
        for c in self.core.connection_ids() {
            if self.core.connection(c).owner() == Some(t) {
                self.end_connection(c, Ending::NoConsent);
            }
        }
    }
}
