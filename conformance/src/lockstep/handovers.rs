//! The mailboxes of the workers, and what the shell does with what arrived at another worker than its owner
//! (`shell/worker/handover.rs`).

use super::abstraction::Place;
use super::mapping;
use super::names::{self, Names};
use super::outside::{Answer, Command, Outside, ensure};
use super::real::Real;
use std::net::SocketAddr;
use webrtc_server::lifecycle::{Credential, Input, ListenerId, SendQueue};
use webrtc_server_model::{ConnectionId, HandOver, StunCheck, TransportId, Tuple, WorkerId};

/// What lies in the mailbox of a worker.
#[derive(Clone, Debug)]
pub(super) enum Letter {
    /// The command to close.
    Close,
    /// The permission to release the carriers.
    Grant,
    /// A connection.
    Connection(ConnectionId, Carried),
}

/// What comes with a connection.
#[derive(Clone, Debug)]
pub(super) struct Carried {
    listener: ListenerId,
    remote: SocketAddr,
    queue: SendQueue,
    /// The ufrag of the check, and what else it says.
    ufrag: String,
    check: StunCheck,
}

impl Outside {
    /// The command to close comes next at this worker.
    pub(super) fn hear_close(&mut self, w: WorkerId) -> Result<(), String> {
        let next = self.mailboxes[w.index()].pop_front();
        ensure(matches!(next, Some(Letter::Close)), format_args!("{next:?}, no command to close"))?;
        self.close[w.index()] = Command::Arrived;
        Ok(())
    }

    /// The permission to release comes next at this worker.
    pub(super) fn hear_grant(&mut self, w: WorkerId) -> Result<(), String> {
        let next = self.mailboxes[w.index()].pop_front();
        ensure(matches!(next, Some(Letter::Grant)), format_args!("{next:?}, no permission"))?;
        self.grant[w.index()] = Command::Arrived;
        Ok(())
    }
}

/// A check names another worker's transport: the connection is asked for, and given away.
pub(super) fn hand_over(
    real: &mut Real,
    t: TransportId,
    c: ConnectionId,
    check: StunCheck,
) -> Result<Vec<Answer>, String> {
    let (from, to) = (mapping::connection(real, c)?, real.config().worker_of(t));
    let ufrag = ufrag(real, t, check);
    let known = real.workers[from.0.index()].by_ufrag(&ufrag).is_some();
    ensure(!known, "a check for a transport that is here")?;
    let worker = &real.workers[from.0.index()];
    let given = worker.connections().get(&from.1).ok_or("the connection is gone")?;
    let (listener, remote, queue) = (given.listener, given.remote, given.queue.clone());
    let carried = Carried { listener, remote, queue, ufrag, check };
    let outside = &mut real.outside;
    outside.places[c.index()] = Place::InFlight { from: from.0, to: t };
    outside.mailboxes[to.index()].push_back(Letter::Connection(c, carried));
    let early = outside.close[to.index()] == Command::NotGiven;
    outside.world.mail.push(HandOver { c, check, early });
    Ok(vec![Answer::worker(from.0, Input::ConnectionHandedOver { connection: from.1 })])
}

/// The connection comes next in the mailbox of its new worker. If that takes it, what its check leads to.
pub(super) fn take_over(
    real: &mut Real,
    c: ConnectionId,
    effects: &mut Vec<webrtc_server_model::Effect>,
) -> Result<(), String> {
    let Place::InFlight { to: t, .. } = real.outside.places[c.index()] else {
        return Err("the connection is not in flight".to_owned());
    };
    let w = real.config().worker_of(t);
    let next = real.outside.mailboxes[w.index()].pop_front();
    let Some(Letter::Connection(next, carried)) = next else {
        return Err(format!("{next:?} comes before the connection"));
    };
    ensure(next == c, "another connection comes before it")?;
    real.outside.world.mail.retain(|hand_over| hand_over.c != c);
    real.outside.places[c.index()] = Place::With(w);
    let connection = real.outside.names().connection(c).ok_or("it was never opened")?;
    let Carried { listener, remote, queue, ufrag, check } = carried;
    let taken = Input::ConnectionTakenOver { connection, listener, remote, queue };
    real.settle(Answer::worker(w, taken), effects)?;
    let worker = &real.workers[w.index()];
    if worker.connections().contains_key(&connection) && worker.by_ufrag(&ufrag).is_some() {
        let check = mapping::check_input(real, t, Tuple::Tcp(c), check);
        real.settle(Answer::worker(w, check), effects)?;
    }
    Ok(())
}

/// The ufrag that a check has: that of the transport as its peer knows it, or knew it.
fn ufrag(real: &Real, t: TransportId, check: StunCheck) -> String {
    let worker = &real.workers[real.config().worker_of(t).index()];
    let ice = worker.transports().get(&names::transport(t)).map(|transport| &transport.ice);
    let credentials = ice.and_then(|ice| match mapping::credential(check) {
        Credential::Current => Some(&ice.credentials),
        Credential::Previous => ice.previous.as_ref(),
    });
    credentials.map_or_else(|| names::credentials(t, 0).ufrag, |known| known.ufrag.clone())
}
