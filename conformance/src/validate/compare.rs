//! What a log says is there, beside what the model says.

use super::log::{ConnectionPhase, ConnectionView, Farewell, Timer, TransportView, WorkerPhase};
use super::parties::Party;
use super::turns::Seen;
use crate::lockstep::names::{close_reason, drop_reason, dtls_state, ice_state};
use std::fmt::{self, Debug};
use webrtc_server_model as model;
use webrtc_server_model::{Connection, Phase, ReadSide, State, TransportId, WorkerId};

/// A field in which a log and the model differ.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Difference {
    /// Which.
    pub field: String,
    /// What the model says.
    pub model: String,
    /// What the log says.
    pub log: String,
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {} in the model, {} in the log", self.field, self.model, self.log)
    }
}

/// The differences found so far.
#[derive(Default)]
struct Differences(Vec<Difference>);

impl Differences {
    fn compare<T: Debug + PartialEq>(&mut self, field: &str, model: T, log: T) {
        if model != log {
            let (model, log) = (format!("{model:?}"), format!("{log:?}"));
            self.0.push(Difference { field: field.to_owned(), model, log });
        }
    }
}

/// Where a state of the model and what a log says of a party differ.
pub(super) fn differences(party: &Party, state: &State, seen: &Seen) -> Vec<Difference> {
    let mut found = Differences::default();
    if let Some(t) = party.t() {
        transport(party, t, state, seen.transport.as_ref(), &mut found);
    }
    for (_, stay) in party.stays() {
        let id = stay.connection;
        connection(party, id, state, seen.connections.get(&id), &mut found);
    }
    if let Some(phase) = seen.phase {
        let of_model = match state.core.worker(WorkerId(0)) {
            model::WorkerPhase::Open => WorkerPhase::Open,
            model::WorkerPhase::Closing | model::WorkerPhase::Drained => WorkerPhase::Closing,
            model::WorkerPhase::Released => WorkerPhase::Released,
        };
        found.compare("worker", of_model, phase);
    }
    found.0
}

fn transport(
    party: &Party,
    t: TransportId,
    state: &State,
    view: Option<&TransportView>,
    found: &mut Differences,
) {
    let of_model = state.core.transport(t);
    let live = of_model.phase.is_live();
    let Some(view) = view else {
        return found.compare("transport is there", live, false);
    };
    if !live {
        return found.compare("transport is there", live, true);
    }
    let name = |tuple: &super::log::Tuple| party.tuple(*tuple);
    let tuples = |tuples: &[super::log::Tuple]| tuples.iter().map(name).collect::<Vec<_>>();
    found.compare("phase closing", of_model.phase == Phase::Closing, view.closing.is_some());
    found.compare("reason", of_model.reason, view.closing.map(close_reason));
    found.compare("ice", of_model.ice, ice_state(view.ice));
    found.compare("dtls", of_model.dtls, dtls_state(view.dtls));
    let own: Vec<_> = of_model.tuples.iter().copied().map(Some).collect();
    found.compare("tuples", own, tuples(&view.tuples));
    found.compare("routed tuples", of_model.tuples.len(), view.routes);
    found.compare("selected", of_model.selected.map(Some), view.selected.as_ref().map(name));
    let ufrags = match of_model.ufrags {
        model::Ufrags::None => 0,
        model::Ufrags::Current => 1,
        model::Ufrags::CurrentAndPrevious => 2,
    };
    found.compare("ufrags", ufrags, view.ufrags);
    farewell(party, of_model, view.farewell, found);
    let connections: Vec<_> = state.core.connections_of(t).map(Some).collect();
    let logged: Vec<_> = view.connections.iter().map(|id| party.c(*id)).collect();
    found.compare("connections", connections, logged);
    timers(of_model, view, found);
}

fn farewell(
    party: &Party,
    of_model: &model::Transport,
    farewell: Farewell,
    found: &mut Differences,
) {
    let tuple = |tuple| party.tuple(tuple);
    let unanswered = of_model.outcome == Some(model::Outcome::Sent);
    let logged = match farewell {
        Farewell::Unsaid => Some(model::Farewell::None),
        Farewell::Making(_) => None,
        Farewell::Queued(path) => tuple(path).map(model::Farewell::Queued),
        Farewell::Sent(path) => tuple(path).map(model::Farewell::Sent),
        // Where it went is forgotten then.
        Farewell::Unanswered if unanswered => Some(of_model.farewell),
        Farewell::Unanswered => None,
        Farewell::Confirmed if matches!(of_model.farewell, model::Farewell::Confirmed(_)) => {
            Some(of_model.farewell)
        }
        Farewell::Confirmed => None,
        Farewell::Dropped(reason) => drop_reason(reason).ok().map(model::Farewell::Dropped),
    };
    if logged != Some(of_model.farewell) {
        let (model, log) = (format!("{:?}", of_model.farewell), format!("{farewell:?}"));
        found.0.push(Difference { field: "farewell".to_owned(), model, log });
    }
}

/// The deadlines that run. Consent may be switched off, and `connect()` not called yet, so that neither consent's nor a
/// handshake's need run where they could.
fn timers(of_model: &model::Transport, view: &TransportView, found: &mut Differences) {
    let runs = |wanted: fn(u64) -> Timer| {
        view.timers.iter().any(|timer| match timer {
            Timer::Consent(id) | Timer::Handshake(id) | Timer::Farewell(id) => {
                *timer == wanted(*id)
            }
            Timer::Bind(_) | Timer::Linger(_) | Timer::Server => false,
        })
    };
    let open = of_model.phase == Phase::Open;
    let handshaking = open && of_model.dtls == model::DtlsState::Connecting;
    if runs(Timer::Handshake) {
        found.compare("handshake deadline", handshaking, true);
    }
    let waits = match of_model.farewell {
        model::Farewell::Queued(path) => path.is_udp(),
        model::Farewell::Sent(path) => path.is_udp() && !open && of_model.outcome.is_none(),
        model::Farewell::None | model::Farewell::Confirmed(_) | model::Farewell::Dropped(_) => {
            false
        }
    };
    found.compare("farewell deadline", waits, runs(Timer::Farewell));
    let consenting = open && of_model.selected.is_some();
    if runs(Timer::Consent) {
        found.compare("consent deadline", consenting, true);
    }
}

fn connection(
    party: &Party,
    id: u64,
    state: &State,
    view: Option<&ConnectionView>,
    found: &mut Differences,
) {
    let Some(c) = party.c(id) else { return };
    let field = |name: &str| format!("connection {id} {name}");
    let of_model = state.core.connection(c);
    let Some(view) = view else {
        return found.compare(&field("is there"), of_model.is_live(), false);
    };
    let phase = match of_model {
        Connection::None | Connection::InFlight { .. } | Connection::Gone => None,
        Connection::Unbound => Some(ConnectionPhase::Unbound),
        Connection::Bound { .. } => Some(ConnectionPhase::Bound),
        Connection::Flushing { eof, .. } => {
            Some(ConnectionPhase::Flushing { ended: eof == ReadSide::Ended })
        }
        Connection::Draining { .. } => Some(ConnectionPhase::Draining),
    };
    found.compare(&field("phase"), phase, Some(view.phase));
    let owner = view.owner.filter(|owner| Some(*owner) == party.transport).and(party.t());
    found.compare(&field("owner"), of_model.owner(), owner);
    found.compare(&field("alert waits"), of_model.queue().holds_alert(), view.alert);
    let timer = match of_model {
        Connection::None
        | Connection::InFlight { .. }
        | Connection::Gone
        | Connection::Bound { .. } => None,
        Connection::Unbound => Some(Timer::Bind(id)),
        Connection::Flushing { .. } | Connection::Draining { .. } => Some(Timer::Linger(id)),
    };
    found.compare(&field("deadline"), timer, view.timer);
}
