//! The mailboxes of the workers, and what the shell does with what arrived at another worker than its owner
//! (`shell/worker/handover.rs`).

use super::abstraction::Place;
use super::mapping;
use super::names::{self, Names};
use super::outside::{Delivery, Outside, Stimulus, ensure};
use super::real::Real;
use std::net::SocketAddr;
use webrtc_server::lifecycle::{
    ConnectionId as RealConnection, ConnectionPhase, Credential, Input, ListenerId, SendQueue,
};
use webrtc_server_model::{
    ConnectionId, Effect, HandOver, Letter, StunCheck, TransportId, Tuple, WorkerId,
};

/// What lies in the mailbox of a worker.
#[derive(Clone, Debug)]
pub(super) enum InTransit {
    /// The command to close.
    Close,
    /// The permission to release the carriers.
    Grant,
    /// A connection.
    Connection(ConnectionId, Asked, Carried),
    /// Does a check on a connection prove a password?
    Question(ConnectionId, Asked),
    /// It does.
    Proof(ConnectionId, Asked),
}

/// A check that came to another worker than that of the transport which it names.
#[derive(Clone, Debug)]
pub(super) struct Asked {
    home: WorkerId,
    ufrag: String,
    check: StunCheck,
}

/// What goes with a connection.
#[derive(Clone, Debug)]
pub(super) struct Carried {
    listener: ListenerId,
    remote: SocketAddr,
    queue: SendQueue,
}

impl Outside {
    /// The command to close comes next at this worker.
    pub(super) fn hear_close(&mut self, w: WorkerId) -> Result<(), String> {
        let next = self.mailboxes[w.index()].pop_front();
        ensure(
            matches!(next, Some(InTransit::Close)),
            format_args!("{next:?}, no command to close"),
        )?;
        self.close[w.index()] = Delivery::Arrived;
        Ok(())
    }

    /// The permission to release comes next at this worker.
    pub(super) fn hear_grant(&mut self, w: WorkerId) -> Result<(), String> {
        let next = self.mailboxes[w.index()].pop_front();
        ensure(matches!(next, Some(InTransit::Grant)), format_args!("{next:?}, no permission"))?;
        self.grant[w.index()] = Delivery::Arrived;
        Ok(())
    }
}

/// A check names another worker's transport: the connection is asked for, and given away; or else the other is asked.
pub(super) fn pass_on(
    real: &mut Real,
    t: TransportId,
    c: ConnectionId,
    check: StunCheck,
) -> Result<Vec<Stimulus>, String> {
    let (home, connection) = mapping::connection(real, c)?;
    let ufrag = ufrag(real, t, check);
    let known = real.workers[home.index()].by_ufrag(&ufrag).is_some();
    ensure(!known, "a check for a transport that is here")?;
    let asked = Asked { home, ufrag, check };
    if is_nobodys(real, home, connection) {
        return Ok(vec![give_away(real, t, c, asked)?]);
    }
    let to = real.config().worker_of(t);
    post(real, to, t, InTransit::Question(c, asked));
    Ok(vec![Stimulus::too_late(home, Input::ConnectionHandedOver { connection })])
}

fn is_nobodys(real: &Real, w: WorkerId, connection: RealConnection) -> bool {
    let connection = real.workers[w.index()].connections().get(&connection);
    connection.is_some_and(|connection| connection.phase == ConnectionPhase::Unbound)
}

fn give_away(
    real: &mut Real,
    t: TransportId,
    c: ConnectionId,
    asked: Asked,
) -> Result<Stimulus, String> {
    let (home, connection) = mapping::connection(real, c)?;
    let given = real.workers[home.index()].connections().get(&connection);
    let given = given.ok_or("the connection is gone")?;
    let (listener, remote, queue) = (given.listener, given.remote, given.queue.clone());
    let to = real.config().worker_of(t);
    post(real, to, t, InTransit::Connection(c, asked, Carried { listener, remote, queue }));
    real.outside.places[c.index()] = Place::InFlight { from: home, to: t };
    Ok(Stimulus::worker(home, Input::ConnectionHandedOver { connection }))
}

/// Puts something into a mailbox, which is in order.
fn post(real: &mut Real, to: WorkerId, t: TransportId, what: InTransit) {
    let about = match &what {
        InTransit::Connection(c, asked, _) => Some((*c, HandOver::Connection, asked.check)),
        InTransit::Question(c, asked) => Some((*c, HandOver::Question, asked.check)),
        InTransit::Proof(c, asked) => Some((*c, HandOver::Proof, asked.check)),
        InTransit::Close | InTransit::Grant => None,
    };
    let outside = &mut real.outside;
    let early = outside.close[to.index()] == Delivery::NotGiven;
    let in_words = about.map(|(c, what, check)| Letter { to, c, what, t, check, early });
    outside.world.mail.extend(in_words);
    outside.mailboxes[to.index()].push_back(what);
}

/// What comes next in the mailbox for which the model has something about this connection.
fn take(real: &mut Real, c: ConnectionId) -> Result<(WorkerId, TransportId, InTransit), String> {
    let world = &mut real.outside.world;
    let model = world.letter(c).ok_or("nothing is under way")?;
    world.mail.retain(|letter| *letter != model);
    let next = real.outside.mailboxes[model.to.index()].pop_front();
    Ok((model.to, model.t, next.ok_or("the mailbox is empty")?))
}

/// The connection comes next in the mailbox of its new worker. If that takes it, what its check leads to.
pub(super) fn take_over(
    real: &mut Real,
    c: ConnectionId,
    effects: &mut Vec<Effect>,
) -> Result<(), String> {
    let (w, t, next) = take(real, c)?;
    let InTransit::Connection(_, asked, carried) = next else {
        return Err(format!("{next:?} comes before the connection"));
    };
    real.outside.places[c.index()] = Place::With(w);
    let connection = real.outside.names().connection(c).ok_or("it was never opened")?;
    let Carried { listener, remote, queue } = carried;
    let taken = Input::ConnectionTakenOver { connection, listener, remote, queue };
    real.settle(Stimulus::worker(w, taken), effects)?;
    let worker = &real.workers[w.index()];
    if worker.connections().contains_key(&connection) && worker.by_ufrag(&asked.ufrag).is_some() {
        let check = mapping::check_input(real, t, Tuple::Tcp(c), asked.check);
        real.settle(Stimulus::worker(w, check), effects)?;
    }
    Ok(())
}

/// The worker that is asked looks for the transport, which knows the password. The core is told nothing.
pub(super) fn judge(real: &mut Real, c: ConnectionId) -> Result<(), String> {
    let (w, t, next) = take(real, c)?;
    let InTransit::Question(_, asked) = next else {
        return Err(format!("{next:?} comes before the question"));
    };
    if real.workers[w.index()].by_ufrag(&asked.ufrag).is_some() {
        post(real, asked.home, t, InTransit::Proof(c, asked));
    }
    Ok(())
}

/// The worker that has the connection hears the answer.
pub(super) fn hear_proof(
    real: &mut Real,
    c: ConnectionId,
    effects: &mut Vec<Effect>,
) -> Result<(), String> {
    let (w, t, next) = take(real, c)?;
    let InTransit::Proof(_, asked) = next else {
        return Err(format!("{next:?} comes before the proof"));
    };
    let tuple = real.outside.names().tuple(Tuple::Tcp(c));
    real.settle(Stimulus::worker(w, Input::TupleTaken { tuple }), effects)?;
    let connection = real.outside.names().connection(c).ok_or("it was never opened")?;
    if is_nobodys(real, w, connection) {
        let given = give_away(real, t, c, asked)?;
        real.settle(given, effects)?;
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
