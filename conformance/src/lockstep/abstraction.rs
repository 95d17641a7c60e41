//! The state of the real core in the model's words.

use super::names::{self, Names};
use super::outside::Grant;
use webrtc_server::lifecycle as real;
use webrtc_server::lifecycle::close_order::{WORKER_CLOSE_ORDER, WorkerCloseStep};
use webrtc_server_model as model;
use webrtc_server_model::{TransportId, Via};

/// A server and what is around it, as far as it has a counterpart in the model's state.
pub(crate) struct View<'a> {
    /// The core.
    pub(crate) worker: &'a real::Worker,
    /// The barrier of this one worker.
    pub(crate) server: &'a real::server::Server,
    /// Where the release stands.
    pub(crate) grant: Grant,
    /// What the owner was told of each transport at its end.
    pub(crate) reports: &'a [Option<(model::CloseReason, model::Outcome)>],
    /// The kernel's side of each connection.
    pub(crate) streams: Vec<model::Stream>,
    /// The tuple that each farewell went to, which a confirmed one has forgotten.
    pub(crate) farewell_paths: &'a [Option<real::Tuple>],
    /// Who is who.
    pub(crate) names: &'a dyn Names,
}

/// What the model would say of this server. An error is a state that the model has no words for.
pub(crate) fn core(view: &View<'_>) -> Result<model::Core, String> {
    let transports = view.reports.len();
    Ok(model::Core {
        server: server(view)?,
        transports: (0..transports)
            .map(|index| transport(view, TransportId(index as u8)))
            .collect::<Result<_, _>>()?,
    })
}

/// The same state without what a real server does not keep: the farewell of a closed transport is gone with it. Its
/// outcome says what came of it.
pub(crate) fn comparable(core: &model::Core) -> model::Core {
    let mut core = core.clone();
    for transport in &mut core.transports {
        match transport.phase {
            model::Phase::Closed => transport.farewell = model::Farewell::None,
            model::Phase::Open | model::Phase::Closing => {}
        }
    }
    core
}

/// The phases of the worker and of the barrier, which must fit each other.
fn server(view: &View<'_>) -> Result<model::ServerPhase, String> {
    let (worker, server) = (view.worker.phase(), view.server.phase());
    let step = match worker {
        real::WorkerPhase::Closing { step } => WORKER_CLOSE_ORDER.get(step),
        real::WorkerPhase::Open | real::WorkerPhase::Released => None,
    };
    let phase = match (worker, step, server, view.grant) {
        (real::WorkerPhase::Open, None, real::server::ServerPhase::Open, Grant::NotGiven) => {
            Some(model::ServerPhase::Open)
        }
        (
            real::WorkerPhase::Closing { .. },
            Some(WorkerCloseStep::AwaitFarewells),
            real::server::ServerPhase::Closing,
            Grant::NotGiven,
        ) => Some(model::ServerPhase::Closing),
        (
            real::WorkerPhase::Closing { .. },
            Some(WorkerCloseStep::Acknowledge),
            real::server::ServerPhase::Releasing,
            Grant::UnderWay,
        ) => Some(model::ServerPhase::Drained),
        (real::WorkerPhase::Released, None, real::server::ServerPhase::Closed, Grant::Arrived) => {
            Some(model::ServerPhase::Closed)
        }
        (
            real::WorkerPhase::Open
            | real::WorkerPhase::Closing { .. }
            | real::WorkerPhase::Released,
            _,
            real::server::ServerPhase::Open
            | real::server::ServerPhase::Closing
            | real::server::ServerPhase::Releasing
            | real::server::ServerPhase::Closed,
            Grant::NotGiven | Grant::UnderWay | Grant::Arrived,
        ) => None,
    };
    phase.ok_or_else(|| format!("the worker is {worker:?} while the server is {server:?}"))
}

fn transport(view: &View<'_>, t: TransportId) -> Result<model::Transport, String> {
    let report = view.reports[t.index()];
    let tcp = connection(view, t)?;
    match (view.worker.transports().get(&names::transport(t)), report) {
        (Some(transport), None) => living(view, t, transport, tcp),
        (None, Some((reason, outcome))) => Ok(model::Transport {
            phase: model::Phase::Closed,
            ice: model::IceState::Closed,
            dtls: model::DtlsState::Closed,
            udp: has_udp_tuple(view, t),
            tcp,
            selected: None,
            farewell: model::Farewell::None,
            reason: Some(reason),
            outcome: Some(outcome),
        }),
        (None, None) => Err(format!("transport {} is gone without a report", t.0)),
        (Some(_), Some(_)) => Err(format!("transport {} is reported and still there", t.0)),
    }
}

fn living(
    view: &View<'_>,
    t: TransportId,
    transport: &real::Transport,
    tcp: model::Connection,
) -> Result<model::Transport, String> {
    let selected = transport.ice.selected.map(|tuple| view.names.via(t, tuple)).transpose()?;
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
        udp: has_udp_tuple(view, t),
        tcp,
        selected,
        farewell: farewell(view, t, &transport.farewell)?,
        reason,
        outcome,
    })
}

fn has_udp_tuple(view: &View<'_>, t: TransportId) -> bool {
    let tuple = view.names.tuple(t, Via::Udp);
    let owner = tuple.and_then(|tuple| view.worker.routes().by_tuple(&tuple));
    owner == Some(names::transport(t))
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
            Via::Udp => Some(model::Outcome::Confirmed),
            Via::Tcp if transport.connections.is_empty() => Some(model::Outcome::Confirmed),
            Via::Tcp => None,
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
        real::Farewell::Queued(path, _) => model::Farewell::Queued(view.names.via(t, *path)?),
        real::Farewell::Sent(path) => model::Farewell::Sent(view.names.via(t, *path)?),
        // The model has its outcome instead.
        real::Farewell::Unanswered => model::Farewell::Sent(farewell_path(view, t)?),
        real::Farewell::Confirmed => model::Farewell::Confirmed(farewell_path(view, t)?),
        real::Farewell::Dropped(reason) => model::Farewell::Dropped(names::drop_reason(*reason)?),
    })
}

fn farewell_path(view: &View<'_>, t: TransportId) -> Result<Via, String> {
    let path = view.farewell_paths[t.index()];
    let path = path.ok_or_else(|| format!("the farewell of transport {} went nowhere", t.0))?;
    view.names.via(t, path)
}

/// The connection that the peer of a transport opens. That there was one, the kernel remembers.
fn connection(view: &View<'_>, t: TransportId) -> Result<model::Connection, String> {
    let id = view.names.connection(t);
    let Some(connection) = id.and_then(|id| view.worker.connections().get(&id)) else {
        return Ok(match view.streams[t.index()] {
            model::Stream::None => model::Connection::None,
            model::Stream::Open | model::Stream::Finished | model::Stream::Closed => {
                model::Connection::Gone
            }
        });
    };
    let queue = queue(connection)?;
    let empty = connection.queue.is_empty();
    Ok(match connection.phase {
        real::ConnectionPhase::Unbound if empty => model::Connection::Unbound,
        real::ConnectionPhase::Bound(owner) if owner == names::transport(t) => {
            let tuple = view.names.tuple(t, Via::Tcp);
            let mapped =
                tuple.and_then(|tuple| view.worker.routes().by_tuple(&tuple)) == Some(owner);
            if !mapped {
                return Err(format!("{id:?} is bound and not in the routing table"));
            }
            model::Connection::Bound { queue }
        }
        real::ConnectionPhase::Flushing { owner: Some(owner), input }
            if owner == names::transport(t) =>
        {
            let eof = match input {
                real::InputHalf::Open => model::ReadSide::Open,
                real::InputHalf::Finished => model::ReadSide::Ended,
            };
            model::Connection::Flushing { queue, eof }
        }
        real::ConnectionPhase::Draining { owner: None } if empty => {
            model::Connection::Draining { holder: model::Holder::Nobody }
        }
        real::ConnectionPhase::Draining { owner: Some(owner) }
            if owner == names::transport(t) && empty =>
        {
            model::Connection::Draining { holder: model::Holder::Transport }
        }
        real::ConnectionPhase::Unbound
        | real::ConnectionPhase::Bound(_)
        | real::ConnectionPhase::Flushing { .. }
        | real::ConnectionPhase::Draining { .. } => {
            return Err(format!("{id:?} is {:?}, queue empty: {empty}", connection.phase));
        }
    })
}

/// Frames that are not begun are the model's only if they are alerts, and wait behind a begun one only.
fn queue(connection: &real::Connection) -> Result<model::Queue, String> {
    let queue = &connection.queue;
    if !queue.is_empty() && !queue.is_begun() {
        return Err("frames wait for a kernel that has room".to_owned());
    }
    Ok(model::Queue { begun: queue.is_begun(), alert: queue.holds_alert() })
}
