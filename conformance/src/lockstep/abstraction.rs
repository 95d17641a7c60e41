//! The state of the real core in the model's words.

use super::names::{self, Names};
use super::outside::{Creation, Delivery};
use webrtc_server::lifecycle as real;
use webrtc_server::lifecycle::close_order::{WORKER_CLOSE_ORDER, WorkerCloseStep};
use webrtc_server_model as model;
use webrtc_server_model::{ConnectionId, TransportId, WorkerId};

/// A server and what is around it, as far as it has a counterpart in the model's state.
pub(crate) struct View<'a> {
    /// The bounds.
    pub(crate) config: &'a model::Config,
    /// The core, one for each worker.
    pub(crate) workers: Vec<&'a real::Worker>,
    /// The barrier of the workers.
    pub(crate) server: &'a real::server::Server,
    /// Where the command to close is on its way to each worker.
    pub(crate) close: &'a [Delivery],
    /// Where the permission to release is on its way to each worker.
    pub(crate) grant: &'a [Delivery],
    /// Which transports were created.
    pub(crate) creation: &'a [Creation],
    /// What the owner was told of each transport at its end.
    pub(crate) reports: &'a [Option<(model::CloseReason, model::Outcome)>],
    /// The kernel's side of each connection.
    pub(crate) streams: &'a [model::Stream],
    /// The tuple that each farewell went to, which a confirmed one has forgotten.
    pub(crate) farewell_paths: &'a [Option<model::Tuple>],
    /// Where each connection is.
    pub(crate) places: &'a [Place],
    /// Who is who.
    pub(crate) names: &'a dyn Names,
}

/// Where a connection is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    /// With this worker, if it is anywhere.
    With(WorkerId),
    /// In the mailbox of the worker of a transport.
    InFlight {
        /// Who gave it away.
        from: WorkerId,
        /// The transport that its check names.
        to: TransportId,
    },
}

impl Place {
    fn holder(self) -> WorkerId {
        match self {
            Place::With(w) | Place::InFlight { from: w, .. } => w,
        }
    }
}

impl View<'_> {
    fn worker_of(&self, t: TransportId) -> &real::Worker {
        self.workers[self.config.worker_of(t).index()]
    }
}

/// What the model would say of this server. An error is a state that the model has no words for.
pub(crate) fn core(view: &View<'_>) -> Result<model::Core, String> {
    for w in view.config.worker_ids() {
        nobody_else_is_there(view, w)?;
    }
    let connections = (0..view.streams.len() as u8).map(ConnectionId);
    let transports = view.config.transport_ids();
    Ok(model::Core {
        server: names::server_phase(view.server.phase()),
        workers: view.config.worker_ids().map(|w| worker(view, w)).collect::<Result<_, _>>()?,
        transports: transports.map(|t| transport(view, t)).collect::<Result<_, _>>()?,
        connections: connections.map(|c| connection(view, c)).collect::<Result<_, _>>()?,
        holders: view.places.iter().map(|place| place.holder()).collect(),
    })
}

/// The same state without what only one of the two knows. The farewell of a closed transport is gone with it; its
/// outcome says what came of it. A connection that was opened again is the same to the model, which takes the end of
/// its later use for that of an earlier one, on which a reply to the peer's close_notify was sent; no outcome depends
/// on it.
pub(crate) fn comparable(core: &model::Core, streams: &[model::Stream]) -> model::Core {
    let mut core = core.clone();
    for transport in &mut core.transports {
        match (transport.phase, transport.farewell) {
            (model::Phase::Closed, _) => transport.farewell = model::Farewell::None,
            (_, model::Farewell::Confirmed(path @ model::Tuple::Tcp(c)))
                if streams[c.index()].uses > 1 =>
            {
                transport.farewell = model::Farewell::Sent(path);
            }
            (
                model::Phase::Absent
                | model::Phase::Refused
                | model::Phase::Open
                | model::Phase::Closing,
                _,
            ) => {}
        }
    }
    core
}

/// A worker has its own transports and the connections that are with it, each in its latest use, and no others.
fn nobody_else_is_there(view: &View<'_>, w: WorkerId) -> Result<(), String> {
    let worker = view.workers[w.index()];
    for id in worker.transports().keys() {
        let t = names::model_transport(*id)?;
        if !view.config.transport_ids().any(|other| other == t) || view.config.worker_of(t) != w {
            return Err(format!("worker {} has {id:?}", w.0));
        }
    }
    for id in worker.connections().keys() {
        let c = view.names.model_connection(*id)?;
        let latest = view.names.connection(c) == Some(*id);
        if !latest || view.places[c.index()] != Place::With(w) {
            return Err(format!("worker {} has {id:?}", w.0));
        }
    }
    Ok(())
}

/// The phase of a worker. What it heard, what it reported and where the barrier is must fit it.
fn worker(view: &View<'_>, w: WorkerId) -> Result<model::WorkerPhase, String> {
    use real::server::{ServerPhase, WorkerShare};
    let phase = view.workers[w.index()].phase();
    let step = match phase {
        real::WorkerPhase::Closing { step } => WORKER_CLOSE_ORDER.get(step),
        real::WorkerPhase::Open | real::WorkerPhase::Released => None,
    };
    let said = match phase {
        real::WorkerPhase::Open => Some(model::WorkerPhase::Open),
        real::WorkerPhase::Closing { .. } => match step {
            Some(WorkerCloseStep::AwaitFarewells) => Some(model::WorkerPhase::Closing),
            Some(WorkerCloseStep::Acknowledge) => Some(model::WorkerPhase::Drained),
            Some(
                WorkerCloseStep::RefuseNewcomers
                | WorkerCloseStep::CloseTransports
                | WorkerCloseStep::ReleaseCarriers,
            )
            | None => None,
        },
        real::WorkerPhase::Released => Some(model::WorkerPhase::Released),
    };
    let said = said.ok_or_else(|| format!("worker {} rests while it is {phase:?}", w.0))?;
    let (server, close, grant) =
        (view.server.phase(), view.close[w.index()], view.grant[w.index()]);
    let share = match said {
        model::WorkerPhase::Open | model::WorkerPhase::Closing => WorkerShare::Open,
        model::WorkerPhase::Drained => WorkerShare::Drained,
        model::WorkerPhase::Released => WorkerShare::Released,
    };
    let told = match (server, said) {
        (ServerPhase::Open, _) => Delivery::NotGiven,
        (_, model::WorkerPhase::Open) => Delivery::UnderWay,
        (
            _,
            model::WorkerPhase::Closing
            | model::WorkerPhase::Drained
            | model::WorkerPhase::Released,
        ) => Delivery::Arrived,
    };
    let granted = match (server, said) {
        (ServerPhase::Open | ServerPhase::Closing, _) => Delivery::NotGiven,
        (_, model::WorkerPhase::Released) => Delivery::Arrived,
        (
            _,
            model::WorkerPhase::Open | model::WorkerPhase::Closing | model::WorkerPhase::Drained,
        ) => Delivery::UnderWay,
    };
    let shares = view.server.shares();
    if shares.get(w.index()) == Some(&share) && (told, granted) == (close, grant) {
        return Ok(said);
    }
    Err(format!(
        "worker {} is {phase:?}, told {close:?}, granted {grant:?}, while the server is {server:?} with {shares:?}",
        w.0
    ))
}

fn transport(view: &View<'_>, t: TransportId) -> Result<model::Transport, String> {
    let report = view.reports[t.index()];
    let living = view.worker_of(t).transports().get(&names::transport(t));
    let none = model::Transport { ufrags: ufrags(view, t)?, ..model::Transport::absent() };
    match (view.creation[t.index()], living, report) {
        (Creation::Created, Some(transport), None) => self::living(view, t, transport, none),
        (Creation::Created, None, Some((reason, outcome))) => Ok(model::Transport {
            phase: model::Phase::Closed,
            ice: model::IceState::Closed,
            dtls: model::DtlsState::Closed,
            reason: Some(reason),
            outcome: Some(outcome),
            ..none
        }),
        (Creation::Created, None, None) => {
            Err(format!("transport {} is gone without a report", t.0))
        }
        (Creation::Created, Some(_), Some(_)) => {
            Err(format!("transport {} is reported and still there", t.0))
        }
        (Creation::Absent, None, None) => Ok(none),
        (Creation::Refused, None, None) => {
            Ok(model::Transport { phase: model::Phase::Refused, ..none })
        }
        (Creation::Absent | Creation::Refused, _, _) => {
            Err(format!("transport {} is there, or was, and nobody created it", t.0))
        }
    }
}

fn ufrags(view: &View<'_>, t: TransportId) -> Result<model::Ufrags, String> {
    let ufrags = view.worker_of(t).routes().ufrags();
    match ufrags.filter(|(_, transport)| *transport == names::transport(t)).count() {
        0 => Ok(model::Ufrags::None),
        1 => Ok(model::Ufrags::Current),
        2 => Ok(model::Ufrags::CurrentAndPrevious),
        ufrags => Err(format!("transport {} is known by {ufrags} ufrags", t.0)),
    }
}

fn living(
    view: &View<'_>,
    t: TransportId,
    transport: &real::Transport,
    none: model::Transport,
) -> Result<model::Transport, String> {
    let selected = transport.ice.selected.map(|tuple| view.names.model_tuple(tuple)).transpose()?;
    let routes = view.worker_of(t).routes();
    let unmapped = transport
        .ice
        .tuples
        .iter()
        .find(|tuple| routes.by_tuple(tuple) != Some(names::transport(t)));
    if let Some(tuple) = unmapped {
        return Err(format!("{tuple:?} of transport {} is not in the routing table", t.0));
    }
    let tuples = transport.ice.tuples.iter().map(|tuple| view.names.model_tuple(*tuple));
    let (phase, reason, outcome) = match transport.phase {
        real::Phase::Open => (model::Phase::Open, None, None),
        real::Phase::Closing { reason, excuse, .. } => {
            let outcome = match excuse {
                Some(excuse) => Some(model::Outcome::NotNeeded(names::no_alert(excuse))),
                None => settled(view, t, transport)?,
            };
            (model::Phase::Closing, Some(names::close_reason(reason)), outcome)
        }
    };
    Ok(model::Transport {
        phase,
        ice: names::ice_state(transport.ice.state),
        dtls: names::dtls_state(transport.dtls),
        tuples: tuples.collect::<Result<_, _>>()?,
        selected,
        farewell: farewell(view, t, &transport.farewell)?,
        reason,
        outcome,
        ..none
    })
}

/// The outcome of a farewell as soon as nothing can change it. Over TCP the end of the connection still can.
fn settled(
    view: &View<'_>,
    t: TransportId,
    transport: &real::Transport,
) -> Result<Option<model::Outcome>, String> {
    Ok(match &transport.farewell {
        real::Farewell::Unsaid | real::Farewell::Making(_) | real::Farewell::Queued(..) => None,
        real::Farewell::Sent(_) => None,
        real::Farewell::Unanswered => Some(model::Outcome::Sent),
        real::Farewell::Confirmed => match farewell_path(view, t)? {
            model::Tuple::Udp(_) => Some(model::Outcome::Confirmed),
            model::Tuple::Tcp(_) if transport.connections.is_empty() => {
                Some(model::Outcome::Confirmed)
            }
            model::Tuple::Tcp(_) => None,
        },
        real::Farewell::Dropped(reason) => {
            Some(model::Outcome::Dropped(names::drop_reason(*reason)?))
        }
    })
}

fn farewell(
    view: &View<'_>,
    t: TransportId,
    farewell: &real::Farewell,
) -> Result<model::Farewell, String> {
    Ok(match farewell {
        real::Farewell::Unsaid => model::Farewell::None,
        real::Farewell::Making(_) => {
            return Err(format!("transport {} waits for a record that DTLS has made", t.0));
        }
        real::Farewell::Queued(path, _) => model::Farewell::Queued(view.names.model_tuple(*path)?),
        real::Farewell::Sent(path) => model::Farewell::Sent(view.names.model_tuple(*path)?),
        // The model has its outcome instead.
        real::Farewell::Unanswered => model::Farewell::Sent(farewell_path(view, t)?),
        real::Farewell::Confirmed => model::Farewell::Confirmed(farewell_path(view, t)?),
        real::Farewell::Dropped(reason) => model::Farewell::Dropped(names::drop_reason(*reason)?),
    })
}

fn farewell_path(view: &View<'_>, t: TransportId) -> Result<model::Tuple, String> {
    let path = view.farewell_paths[t.index()];
    path.ok_or_else(|| format!("the farewell of transport {} went nowhere", t.0))
}

/// A connection that peers may open. That there was one, the kernel remembers.
fn connection(view: &View<'_>, c: ConnectionId) -> Result<model::Connection, String> {
    let w = match view.places[c.index()] {
        Place::With(w) => w,
        Place::InFlight { to, .. } => return Ok(model::Connection::InFlight { to }),
    };
    let worker = view.workers[w.index()];
    let id = view.names.connection(c);
    let Some(connection) = id.and_then(|id| worker.connections().get(&id)) else {
        let opened = view.streams[c.index()].uses > 0;
        return Ok(if opened { model::Connection::Gone } else { model::Connection::None });
    };
    let owner = connection.owner().map(names::model_transport).transpose()?;
    let queue = queue(connection);
    let empty = connection.queue.is_empty();
    Ok(match (connection.phase, owner) {
        (real::ConnectionPhase::Unbound, None) if empty => model::Connection::Unbound,
        (real::ConnectionPhase::Bound(transport), Some(owner)) => {
            let tuple = id.map(real::Tuple::Tcp);
            let mapped = tuple.and_then(|tuple| worker.routes().by_tuple(&tuple));
            if mapped != Some(transport) {
                return Err(format!("{id:?} is bound and not in the routing table"));
            }
            model::Connection::Bound { owner, queue }
        }
        (real::ConnectionPhase::Flushing { input, .. }, Some(owner)) => {
            let eof = match input {
                real::InputHalf::Open => model::ReadSide::Open,
                real::InputHalf::Finished => model::ReadSide::Ended,
            };
            model::Connection::Flushing { owner, queue, eof }
        }
        (real::ConnectionPhase::Draining { .. }, owner) if empty => {
            model::Connection::Draining { owner }
        }
        (
            real::ConnectionPhase::Unbound
            | real::ConnectionPhase::Bound(_)
            | real::ConnectionPhase::Flushing { .. }
            | real::ConnectionPhase::Draining { .. },
            _,
        ) => {
            return Err(format!("{id:?} is {:?}, queue empty: {empty}", connection.phase));
        }
    })
}

/// The first frame, and the alert wherever it waits. Frames between the two, and behind an alert, leave with them or
/// are dropped, and the model does not count them.
fn queue(connection: &real::Connection) -> model::Queue {
    let queue = &connection.queue;
    let first = match queue.is_begun() {
        true => model::Waiting::Begun,
        false => model::Waiting::Whole,
    };
    match queue.front() {
        None => model::Queue::default(),
        Some(real::FrameKind::Alert) => model::Queue { other: model::Waiting::No, alert: first },
        Some(real::FrameKind::Data | real::FrameKind::Control) => {
            let alert = match queue.holds_alert() {
                true => model::Waiting::Whole,
                false => model::Waiting::No,
            };
            model::Queue { other: first, alert }
        }
    }
}
