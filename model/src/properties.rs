//! The invariants, each with a state beside it that shows how near the model comes to breaking it.
//!
//! A name begins with the ID of the invariant. What a state does not show by itself was recorded
//! by the monitor while the step was taken. Every `always` is checked in every configuration; a `sometimes` must be
//! reached in one of the configurations of a preset, and shows that what it stands beside could have been broken.

use stateright::{Expectation, Property};

use crate::action::Action;
use crate::config::Config;
use crate::explore::Graph;
use crate::ids::{ConnectionId, TransportId, WorkerId};
use crate::model::LifecycleModel;
use crate::monitor::Rule;
use crate::state::{
    CloseReason, Connection, DropReason, DtlsState, Farewell, IceState, NoAlert, Outcome, Phase,
    ServerPhase, State, Transport, Tuple, Ufrags, Waiting, WorkerPhase,
};
use crate::step::is_enabled;
use crate::world::{Callback, Caller, End, HandOver, History, Letter, Peer, Room, Socket};

type LifecycleProperty = Property<LifecycleModel>;

/// Every property.
pub fn properties() -> Vec<LifecycleProperty> {
    let groups =
        [safety(), ownership(), exactly_once(), order(), hand_over(), liveness(), isolation()];
    groups.into_iter().flatten().collect()
}

/// What became of one property.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PropertyResult {
    /// The name of the property, which begins with the ID of its invariant.
    pub property: &'static str,
    /// Whether it must hold in every state or in one.
    pub expectation: Expectation,
    /// A shortest way to a state that breaks an `always` or shows a `sometimes`.
    pub witness: Option<Vec<Action>>,
}

impl PropertyResult {
    /// Is it as it ought to be?
    pub fn holds(&self) -> bool {
        self.witness.is_some() != self.must_always_hold()
    }

    /// Must it hold in every state, rather than in one?
    pub fn must_always_hold(&self) -> bool {
        self.expectation.discovery_is_failure()
    }
}

/// Judge every property on an explored graph. A `sometimes` that is not reached may be reached elsewhere.
pub fn judge(graph: &Graph) -> Vec<PropertyResult> {
    let model = LifecycleModel(graph.config().clone());
    properties()
        .into_iter()
        .map(|property| {
            let sought = !property.expectation.discovery_is_failure();
            let witness = graph.shortest(|_, state| (property.condition)(&model, state) == sought);
            PropertyResult { property: property.name, expectation: property.expectation, witness }
        })
        .collect()
}

fn safety() -> Vec<LifecycleProperty> {
    vec![
        always("S1 nothing is done on a released carrier", |_, s| keeps(s, Rule::ReleasedCarrier)),
        sometimes("S1 a socket that carried an alert is released", |_, s| {
            s.world.sockets.contains(&Socket::Released)
                && any(s, |t, _, _| matches!(t.farewell, Farewell::Sent(Tuple::Udp(_))))
        }),
        always("S2 an event names only what is there", |_, s| keeps(s, Rule::NamesTheGone)),
        sometimes("S2 a transport selects another tuple when it loses one", |_, s| {
            s.core.connections.contains(&Connection::Gone)
                && any(s, |t, _, _| t.phase == Phase::Open && t.selected.is_some())
        }),
        always("S3 nothing is done for a transport that is not there", |_, s| {
            keeps(s, Rule::DeadTransport)
        }),
        sometimes("S3 a socket has room again when the transport that waited is gone", |_, s| {
            s.world.sockets.contains(&Socket::Room)
                && any(s, |t, _, _| {
                    t.phase == Phase::Closed
                        && t.outcome == Some(Outcome::Dropped(DropReason::Deadline))
                })
        }),
        always("S5 a closing worker leaves no transport open", |m, s| {
            s.core.transport_ids().all(|t| {
                s.core.worker(m.0.worker_of(t)) == WorkerPhase::Open
                    || s.core.transport(t).phase != Phase::Open
            })
        }),
        sometimes("S5 a transport is still closing when its worker is", |_, s| {
            s.core.workers.contains(&WorkerPhase::Closing)
                && any(s, |t, _, _| t.phase == Phase::Closing)
        }),
        always("S6 nothing survives its own end", |_, s| keeps(s, Rule::SurvivesItsEnd)),
        sometimes("S6 a transport is open and its only connection is gone", |_, s| {
            s.core.connections.contains(&Connection::Gone)
                && any(s, |t, _, _| t.phase == Phase::Open && t.ice == IceState::Disconnected)
        }),
        always("S7 what a callback asks for happens after it", |_, s| keeps(s, Rule::Reentered)),
        sometimes("S7 a callback has asked for a close", |_, s| {
            matches!(s.world.callback, Callback::Asked(_))
        }),
        always("S9 ICE state, selected tuple and tuples agree", |_, s| {
            all(s, |t, _, _| is_consistent(t))
        }),
        sometimes("S9 a connected association has lost every path", |_, s| {
            any(s, |t, _, _| t.ice == IceState::Disconnected && t.dtls == DtlsState::Connected)
        }),
        sometimes("S9 a nominated path replaces another", |_, s| {
            any(s, |t, _, _| {
                t.ice == IceState::Completed
                    && t.tuples.len() > 1
                    && t.selected != t.tuples.first().copied()
            })
        }),
        always("S10 what was not created has left nothing", |_, s| {
            all(s, |t, _, _| {
                let is_there = !matches!(t.phase, Phase::Absent | Phase::Refused);
                is_there || *t == Transport { phase: t.phase, ..Transport::absent() }
            })
        }),
        sometimes("S10 a transport is refused", |_, s| any(s, |t, _, _| t.phase == Phase::Refused)),
        always("E1 a closed transport looks the same whoever closed it", |_, s| {
            s.core.transport_ids().all(|t| is_closed_for_good(s, t))
        }),
        sometimes("E1 an owner's close ends under the server's", |_, s| {
            s.core.workers.contains(&WorkerPhase::Closing)
                && any(s, |t, _, _| {
                    t.phase == Phase::Closing && t.reason == Some(CloseReason::Owner)
                })
        }),
    ]
}

/// Who owns what.
fn ownership() -> Vec<LifecycleProperty> {
    vec![
        always("S4 an alert that waits keeps its transport and its carrier", |_, s| {
            s.core.transport_ids().all(|t| keeps_what_it_needs(s, t))
                && s.core.connection_ids().all(|c| has_an_author(s, c))
        }),
        sometimes("S4 an alert waits in the queue of a connection", |_, s| {
            any(s, |t, _, _| matches!(t.farewell, Farewell::Queued(Tuple::Tcp(_))))
        }),
        always("S8 a tuple and its connection have one owner", |_, s| {
            s.core.connection_ids().all(|c| has_one_owner(s, c)) && no_tuple_twice(s)
        }),
        sometimes("S8 a tuple has left a transport that lives", |_, s| {
            any(s, |t, _, _| t.phase == Phase::Open && t.ice == IceState::Disconnected)
                && any(s, |t, _, _| t.phase == Phase::Open && !t.tuples.is_empty())
        }),
        always("O3 no routing entry outlives its transport or its carrier", |m, s| {
            s.core.transport_ids().all(|t| {
                let transport = s.core.transport(t);
                let open = transport.phase == Phase::Open;
                let carried = transport.tuples.iter().all(|tuple| match *tuple {
                    Tuple::Udp(a) => s.world.sockets[m.0.socket_of(a).index()] != Socket::Released,
                    Tuple::Tcp(c) => s.core.connection(c).is_bound(),
                });
                carried && (open || transport.tuples.is_empty() && transport.ufrags == Ufrags::None)
            })
        }),
        sometimes("O3 a transport has two ufrags and a tuple", |_, s| {
            any(s, |t, _, _| t.ufrags == Ufrags::CurrentAndPrevious && !t.tuples.is_empty())
        }),
        always("O5 a worker outlives what it serves, the barrier its workers", |m, s| {
            m.0.worker_ids().all(|w| {
                let released = s.core.worker(w) == WorkerPhase::Released;
                let opened = matches!(s.core.server, ServerPhase::Releasing | ServerPhase::Closed);
                let served = opened && s.core.is_drained(&m.0, w);
                let closed = s.core.server == ServerPhase::Closed;
                (!released || served) && (!closed || released)
            })
        }),
        sometimes("O5 one worker has released its carriers and another has not", |_, s| {
            s.core.workers.contains(&WorkerPhase::Released)
                && s.core.workers.contains(&WorkerPhase::Drained)
        }),
        always("N3 an alert never waits on a tuple of somebody else", |_, s| {
            s.core.transport_ids().all(|t| match s.core.transport(t).farewell {
                Farewell::Queued(path) => s.core.owner(path).is_none_or(|owner| owner == t),
                Farewell::None
                | Farewell::Sent(_)
                | Farewell::Confirmed(_)
                | Farewell::Dropped(_) => true,
            })
        }),
        sometimes("N3 an alert was withdrawn from a tuple that is taken", |_, s| {
            any(s, |t, _, _| t.farewell == Farewell::Dropped(DropReason::PathTaken))
        }),
        always("N3 an event of a connection that is gone does nothing", |_, s| {
            keeps(s, Rule::StaleEvent)
        }),
        sometimes("N3 a connection is opened again before the old one's event is met", |_, s| {
            s.world.stale.is_some_and(|c| s.core.connection(c).is_bound())
        }),
    ]
}

fn exactly_once() -> Vec<LifecycleProperty> {
    vec![
        always("X1 each child leaves its parent exactly once", |_, s| {
            let left = |c: ConnectionId| {
                let closed = s.world.stream(c).end == End::Closed;
                (s.core.connection(c) == Connection::Gone) == closed
            };
            s.core.connection_ids().all(left)
                && all(s, |t, _, history| {
                    history.unmapped == u8::from(matches!(t.phase, Phase::Closing | Phase::Closed))
                })
        }),
        sometimes("X1 a connection is gone and its transport still closes", |_, s| {
            s.core.connections.contains(&Connection::Gone)
                && any(s, |t, _, _| t.phase == Phase::Closing)
        }),
        always("X2 a carrier is released once, by its worker", |_, s| {
            keeps(s, Rule::ReleasedTwice)
        }),
        sometimes("X2 one carrier is released and another is not", |_, s| {
            s.world.sockets.contains(&Socket::Released) && s.world.sockets.contains(&Socket::Room)
        }),
        always("X3 each caller returns once, after the carriers went", |_, s| {
            let closed = s.core.server == ServerPhase::Closed;
            let mut callers = s.world.callers.iter().zip(&s.ghost.completions);
            keeps(s, Rule::EarlyReturn)
                && callers.all(|(caller, completions)| {
                    *completions == u8::from(*caller == Caller::Returned)
                        && !(closed && *caller == Caller::Waiting)
                })
        }),
        sometimes("X3 a caller waits for a drained worker", |_, s| {
            s.core.workers.contains(&WorkerPhase::Drained)
                && s.world.callers.contains(&Caller::Waiting)
        }),
        sometimes("X3 two callers wait for one close", |_, s| {
            s.world.callers.iter().filter(|caller| **caller == Caller::Waiting).count() > 1
        }),
        always("X4 one close_notify if it can be said, and never two", |_, s| {
            keeps(s, Rule::AlertPerClose)
                && all(s, |_, peer, history| history.alerts <= 1 && peer.alerts <= 1)
        }),
        sometimes("X4 a transport closes that answered a close_notify", |_, s| {
            any(s, |t, peer, _| {
                t.outcome == Some(Outcome::NotNeeded(NoAlert::PeerClosed)) && peer.alerts == 1
            })
        }),
        always("X5 a transport is reported closed once, and then silent", |_, s| {
            keeps(s, Rule::AfterReport)
                && all(s, |t, _, history| history.closed == u8::from(t.phase == Phase::Closed))
        }),
        sometimes("X5 a transport is closed and its server is not", |_, s| {
            s.core.server == ServerPhase::Open && any(s, |t, _, _| t.phase == Phase::Closed)
        }),
    ]
}

fn order() -> Vec<LifecycleProperty> {
    vec![
        always("O1 alert, then unmap, then report", |_, s| keeps(s, Rule::TransportOrder)),
        sometimes("O1 an alert still waits when its transport is unmapped", |_, s| {
            any(s, |t, _, history| history.unmapped == 1 && t.farewell.is_queued())
        }),
        always("O2 transports go before carriers, and nobody joins", |_, s| {
            keeps(s, Rule::ServerOrder)
        }),
        sometimes("O2 a worker is drained and another's transports are not", |_, s| {
            s.core.workers.contains(&WorkerPhase::Drained)
                && any(s, |t, _, _| t.phase == Phase::Closing)
        }),
        always("O4 unmap before the connections go", |_, s| keeps(s, Rule::UnmapFirst)),
        sometimes("O4 a connection goes right after the unmap", |_, s| {
            any(s, |t, _, _| t.phase == Phase::Closing)
                && s.world.streams.iter().any(|stream| stream.end == End::Finished)
        }),
        always("O6 no FIN while the alert waits", |_, s| {
            s.core.transports.iter().all(|t| match t.farewell {
                Farewell::Queued(Tuple::Tcp(c)) => s.world.stream(c).end == End::Open,
                Farewell::Queued(Tuple::Udp(_))
                | Farewell::None
                | Farewell::Sent(_)
                | Farewell::Confirmed(_)
                | Farewell::Dropped(_) => true,
            })
        }),
        sometimes("O6 an alert waits behind a begun frame", |_, s| {
            let behind = |c: &Connection| {
                c.queue().other == Waiting::Begun && c.queue().holds_alert() && !c.is_bound()
            };
            s.core.connections.iter().any(behind)
        }),
        sometimes("O6 an alert is written in part", |_, s| {
            s.core.connections.iter().any(|c| c.queue().alert == Waiting::Begun)
        }),
        always("O6 an alert is not thrown away over unread input", |_, s| {
            keeps(s, Rule::ClosedOverInput)
        }),
        sometimes("O6 input lies unread when the alert is written", |_, s| {
            s.world.streams.iter().any(|stream| stream.unread && stream.end == End::Finished)
        }),
    ]
}

/// What is between two workers.
fn hand_over() -> Vec<LifecycleProperty> {
    vec![
        always("X1 a connection is in one place", |_, s| {
            s.core.connection_ids().all(|c| {
                let mut letters = s.world.mail.iter().filter(|letter| letter.c == c);
                let carries = |letter: &Letter| letter.what == HandOver::Connection;
                let in_flight = s.core.connection(c).destination().is_some();
                letters.next().is_some_and(carries) == in_flight
                    && letters.next().is_none()
                    && (!in_flight || s.world.stream(c).end == End::Open)
            })
        }),
        sometimes("X1 two connections are in flight between workers", |_, s| in_flight(s) > 1),
        always("O2 a worker that closes hands nothing over", |_, s| keeps(s, Rule::HandsOverLate)),
        sometimes("O2 a worker closes and what it handed over is in flight", |_, s| {
            s.core.connection_ids().filter(|c| s.core.holder(*c).is_none()).any(|c| {
                let home = s.core.worker(s.core.holders[c.index()]);
                matches!(home, WorkerPhase::Closing | WorkerPhase::Drained)
            })
        }),
        always("O5 nothing is in flight to a worker that has released its carriers", |_, s| {
            s.world.mail.iter().all(|letter| {
                s.core.worker(letter.to) != WorkerPhase::Released
                    && s.core.server != ServerPhase::Closed
            })
        }),
        sometimes("O5 a connection is in flight and the carriers may be released", |_, s| {
            s.core.server == ServerPhase::Releasing && in_flight(s) > 0
        }),
        sometimes("S8 a proof comes for a connection that is at the end of its use", |_, s| {
            s.world.mail.iter().any(|letter| {
                letter.what == HandOver::Proof && !s.core.connection(letter.c).is_in_use()
            })
        }),
    ]
}

/// How many connections are between two workers.
fn in_flight(state: &State) -> usize {
    state.core.connections.iter().filter(|c| c.destination().is_some()).count()
}

fn liveness() -> Vec<LifecycleProperty> {
    vec![
        always("L1 every step of a closing server is progress", |_, s| keeps(s, Rule::NoProgress)),
        sometimes("L1 a server is closed", |_, s| s.core.server == ServerPhase::Closed),
        always("L1 a server without handles closes", |_, s| {
            let unused = s.world.callers.iter().all(|caller| *caller == Caller::Dropped);
            !unused || s.core.server != ServerPhase::Open
        }),
        sometimes("L1 the last handle was dropped", |_, s| {
            s.world.callers.iter().all(|caller| *caller == Caller::Dropped)
        }),
        always("L2 whatever a close waits for has a deadline", |m, s| every_wait_ends(&m.0, s)),
        sometimes("L2 a server closes over a connection that stalls", |_, s| {
            s.core.workers.contains(&WorkerPhase::Closing)
                && s.core.connections.iter().any(|c| matches!(c, Connection::Flushing { .. }))
        }),
        always("L2 a worker hears of the close whatever its peers do", |m, s| {
            s.core.server == ServerPhase::Open
                || m.0.worker_ids().all(|w| {
                    s.core.worker(w) != WorkerPhase::Open
                        || is_enabled(&m.0, s, Action::WorkerHearsClose { w })
                        || takes_a_letter(&m.0, s, w)
                })
        }),
        sometimes(
            "L2 a transport closes, its connection stalls, and the server is told to close",
            |_, s| {
                s.core.server == ServerPhase::Closing
                    && s.core.workers.contains(&WorkerPhase::Open)
                    && s.core.connections.iter().any(|c| matches!(c, Connection::Flushing { .. }))
            },
        ),
        always("L3 an alert leaves unless a deadline or the peer stops it", |_, s| {
            keeps(s, Rule::LostAlert)
                && all(s, |t, _, _| t.farewell != Farewell::Dropped(DropReason::CarrierReleased))
        }),
        sometimes("L3 an alert waits for the socket of a closing worker", |_, s| {
            s.core.workers.contains(&WorkerPhase::Closing)
                && any(s, |t, _, _| matches!(t.farewell, Farewell::Queued(Tuple::Udp(_))))
        }),
        sometimes("L3 an alert is dropped at a deadline", |_, s| {
            any(s, |t, _, _| t.outcome == Some(Outcome::Dropped(DropReason::Deadline)))
        }),
        sometimes("L3 an alert is dropped at a reset", |_, s| {
            any(s, |t, _, _| t.outcome == Some(Outcome::Dropped(DropReason::Reset)))
        }),
        always("L4 what is told once changes something", |_, s| keeps(s, Rule::Spins)),
        sometimes("L4 a connection flushes whose peer has said FIN", |_, s| {
            s.core.connections.iter().any(|c| {
                matches!(c, Connection::Flushing { eof: crate::state::ReadSide::Ended, .. })
            })
        }),
        always("L5 a timer of a phase that is over does nothing", |_, s| keeps(s, Rule::LateTimer)),
        sometimes("L5 a transport closes while its handshake is under way", |_, s| {
            any(s, |t, _, _| t.outcome == Some(Outcome::NotNeeded(NoAlert::Handshaking)))
        }),
    ]
}

fn isolation() -> Vec<LifecycleProperty> {
    vec![
        always("N1 what happens to one transport changes no other", |_, s| {
            keeps(s, Rule::Neighbour)
        }),
        sometimes("N1 one transport is closed and another connected", |_, s| {
            any(s, |t, _, _| t.phase == Phase::Closed)
                && any(s, |t, _, _| t.dtls == DtlsState::Connected)
        }),
        always("N2 what a stranger does changes no transport", |_, s| keeps(s, Rule::Stranger)),
        sometimes("N2 a stranger's connection beside a transport in use", |_, s| {
            s.core.connections.contains(&Connection::Unbound)
                && any(s, |t, _, _| t.dtls == DtlsState::Connected)
        }),
        sometimes("N2 a peer resets its connection and nobody has noticed", |_, s| {
            s.world.streams.iter().any(|stream| stream.room == Room::Broken)
        }),
    ]
}

fn keeps(state: &State, rule: Rule) -> bool {
    !state.ghost.broken.has(rule)
}

type OfTransport = fn(&Transport, &Peer, &History) -> bool;

fn all(state: &State, condition: OfTransport) -> bool {
    let rest = state.world.peers.iter().zip(&state.ghost.transports);
    let mut parts = state.core.transports.iter().zip(rest);
    parts.all(|(transport, (peer, history))| condition(transport, peer, history))
}

fn any(state: &State, condition: OfTransport) -> bool {
    let rest = state.world.peers.iter().zip(&state.ghost.transports);
    let mut parts = state.core.transports.iter().zip(rest);
    parts.any(|(transport, (peer, history))| condition(transport, peer, history))
}

fn is_consistent(t: &Transport) -> bool {
    let open = t.phase == Phase::Open;
    match t.ice {
        IceState::New => t.tuples.is_empty() && t.selected.is_none(),
        IceState::Disconnected => open && t.tuples.is_empty() && t.selected.is_none(),
        IceState::Connected | IceState::Completed => {
            open && t.selected.is_some_and(|tuple| t.has_tuple(tuple))
        }
        IceState::Closed => !open && t.tuples.is_empty() && t.selected.is_none(),
    }
}

fn is_closed_for_good(state: &State, id: TransportId) -> bool {
    let t = state.core.transport(id);
    if t.phase != Phase::Closed {
        return true;
    }
    let settled = match (t.outcome, t.farewell) {
        (Some(Outcome::Confirmed), Farewell::Confirmed(_)) => true,
        (Some(Outcome::Sent), Farewell::Sent(_)) => true,
        (Some(Outcome::Dropped(said)), Farewell::Dropped(why)) => said == why,
        (Some(Outcome::NotNeeded(NoAlert::PeerClosed)), farewell) => !farewell.is_queued(),
        (Some(Outcome::NotNeeded(_)), farewell) => farewell == Farewell::None,
        (Some(Outcome::Confirmed | Outcome::Sent | Outcome::Dropped(_)) | None, _) => false,
    };
    settled
        && t.reason.is_some()
        && t.ice == IceState::Closed
        && t.dtls == DtlsState::Closed
        && state.core.connections_of(id).next().is_none()
}

fn keeps_what_it_needs(state: &State, id: TransportId) -> bool {
    let t = state.core.transport(id);
    match t.farewell {
        Farewell::Queued(Tuple::Udp(_)) => t.phase.is_live(),
        Farewell::Queued(Tuple::Tcp(c)) => {
            let connection = state.core.connection(c);
            connection.owner() == Some(id) && connection.queue().holds_alert()
        }
        Farewell::None | Farewell::Sent(_) | Farewell::Confirmed(_) | Farewell::Dropped(_) => true,
    }
}

/// An alert in a queue is that of the transport whose connection it is.
fn has_an_author(state: &State, c: ConnectionId) -> bool {
    let connection = state.core.connection(c);
    let author = connection.owner().map(|t| state.core.transport(t).farewell);
    !connection.queue().holds_alert() || author == Some(Farewell::Queued(Tuple::Tcp(c)))
}

/// A connection is bound to the transport that has it as a tuple, and no other has.
fn has_one_owner(state: &State, c: ConnectionId) -> bool {
    let bound = match state.core.connection(c) {
        Connection::Bound { owner, .. } => Some(owner),
        Connection::None
        | Connection::Unbound
        | Connection::InFlight { .. }
        | Connection::Flushing { .. }
        | Connection::Draining { .. }
        | Connection::Gone => None,
    };
    state.core.owner(Tuple::Tcp(c)) == bound
}

fn no_tuple_twice(state: &State) -> bool {
    state.core.transport_ids().all(|t| {
        let mut tuples = state.core.transport(t).tuples.iter();
        tuples.all(|tuple| state.core.owner(*tuple) == Some(t))
    })
}

fn every_wait_ends(config: &Config, state: &State) -> bool {
    let of_connection = |c: ConnectionId| match state.core.connection(c) {
        Connection::Flushing { .. } | Connection::Draining { .. } => {
            is_enabled(config, state, Action::LingerDeadlinePasses { c })
        }
        Connection::Unbound => is_enabled(config, state, Action::BindDeadlinePasses { c }),
        Connection::InFlight { .. } => is_on_its_way(config, state, c),
        Connection::None | Connection::Bound { .. } | Connection::Gone => true,
    };
    let of_transport = |t: TransportId| match state.core.transport(t).farewell {
        Farewell::Queued(Tuple::Udp(_)) => {
            is_enabled(config, state, Action::FarewellDeadlinePasses { t })
        }
        Farewell::Queued(Tuple::Tcp(_))
        | Farewell::None
        | Farewell::Sent(_)
        | Farewell::Confirmed(_)
        | Farewell::Dropped(_) => true,
    };
    let of_worker = |w| {
        state.core.worker(w) != WorkerPhase::Closing
            || is_enabled(config, state, Action::ServerDeadlinePasses { w })
    };
    state.core.connection_ids().all(of_connection)
        && state.core.transport_ids().all(of_transport)
        && config.worker_ids().all(of_worker)
}

/// Whoever it goes to comes to it: next, or after the command to close, or after another one.
fn is_on_its_way(config: &Config, state: &State, c: ConnectionId) -> bool {
    let w = state.core.receiver(config, c);
    takes_a_letter(config, state, w) || is_enabled(config, state, Action::WorkerHearsClose { w })
}

/// Does a worker come to what another one put into its mailbox before anything else there?
fn takes_a_letter(config: &Config, state: &State, w: WorkerId) -> bool {
    state.world.next_letter(w).is_some_and(|next| {
        let takes = match next.what {
            HandOver::Connection => Action::WorkerTakesOver { c: next.c },
            HandOver::Question => Action::WorkerJudges { t: next.t, c: next.c },
            HandOver::Proof => Action::WorkerHearsProof { c: next.c },
        };
        is_enabled(config, state, takes)
    })
}

type OfState = fn(&LifecycleModel, &State) -> bool;

fn always(name: &'static str, condition: OfState) -> LifecycleProperty {
    Property::always(name, condition)
}

fn sometimes(name: &'static str, condition: OfState) -> LifecycleProperty {
    Property::sometimes(name, condition)
}
