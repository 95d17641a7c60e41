//! The invariants, each with a state beside it that shows how near the model comes to breaking it.
//!
//! A name begins with the ID of the invariant. What a state does not show by itself was recorded
//! by the monitor while the step was taken.

use stateright::{Expectation, Property};

use crate::action::{Action, TransportId};
use crate::config::Config;
use crate::explore::Graph;
use crate::model::LifecycleModel;
use crate::monitor::Rule;
use crate::state::{
    CloseReason, Connection, DropReason, DtlsState, Farewell, IceState, NoAlert, Outcome, Phase,
    ServerPhase, State, Transport, Via,
};
use crate::step::step;
use crate::world::{Caller, History, Peer, Socket, Stream};

type LifecycleProperty = Property<LifecycleModel>;

/// Every property of a configuration. Those that need a second transport or a second caller are
/// left out where there is none.
pub fn properties(config: &Config) -> Vec<LifecycleProperty> {
    let mut properties = safety();
    properties.extend(exactly_once());
    properties.extend(order());
    properties.extend(liveness());
    if config.transports() > 1 {
        properties.extend(isolation());
    }
    if config.callers > 1 {
        properties.push(sometimes("X3 two callers wait for one close", |_, state| {
            state.world.callers.iter().filter(|caller| **caller == Caller::Waiting).count() > 1
        }));
    }
    properties
}

/// What became of one property.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verdict {
    /// The name of the property, which begins with the ID of its invariant.
    pub property: &'static str,
    /// Whether it must hold in every state or in one.
    pub expectation: Expectation,
    /// A shortest way to a state that breaks an `always` or shows a `sometimes`.
    pub witness: Option<Vec<Action>>,
}

impl Verdict {
    /// Is it as it ought to be?
    pub fn holds(&self) -> bool {
        self.witness.is_some() != self.must_always_hold()
    }

    /// Must it hold in every state, rather than in one?
    pub fn must_always_hold(&self) -> bool {
        self.expectation.discovery_is_failure()
    }
}

/// Judge every property on an explored graph.
pub fn judge(graph: &Graph) -> Vec<Verdict> {
    let model = LifecycleModel(graph.config().clone());
    properties(graph.config())
        .into_iter()
        .map(|property| {
            let sought = !property.expectation.discovery_is_failure();
            let witness = graph.shortest(|_, state| (property.condition)(&model, state) == sought);
            Verdict { property: property.name, expectation: property.expectation, witness }
        })
        .collect()
}

fn safety() -> Vec<LifecycleProperty> {
    vec![
        always("S1 nothing is done on a released carrier", |_, state| {
            keeps(state, Rule::ReleasedCarrier)
        }),
        sometimes("S1 a socket that carried an alert is released", |_, state| {
            state.world.socket == Socket::Released
                && any(state, |t, _, _| matches!(t.farewell, Farewell::Sent(Via::Udp)))
        }),
        always("S5 a closing server leaves no transport open", |_, state| {
            state.core.server == ServerPhase::Open || all(state, |t, _, _| t.phase != Phase::Open)
        }),
        sometimes("S5 a transport is still closing when the server is", |_, state| {
            state.core.server == ServerPhase::Closing
                && any(state, |t, _, _| t.phase == Phase::Closing)
        }),
        always("S9 ICE state, selected tuple and tuples agree", |_, state| {
            all(state, |t, _, _| is_consistent(t))
        }),
        sometimes("S9 a connected association has lost every path", |_, state| {
            any(state, |t, _, _| t.ice == IceState::Disconnected && t.dtls == DtlsState::Connected)
        }),
        sometimes("S9 a nominated path replaces another", |_, state| {
            any(state, |t, _, _| {
                t.ice == IceState::Completed && t.udp && t.selected == Some(Via::Tcp)
            })
        }),
        always("E1 a closed transport looks the same whoever closed it", |_, state| {
            all(state, |t, _, _| t.phase != Phase::Closed || is_closed_for_good(t))
        }),
        sometimes("E1 an owner's close ends under the server's", |_, state| {
            state.core.server == ServerPhase::Closing
                && any(state, |t, _, _| {
                    t.phase == Phase::Closing && t.reason == Some(CloseReason::Owner)
                })
        }),
    ]
}

fn exactly_once() -> Vec<LifecycleProperty> {
    vec![
        always("X1 each child leaves its parent exactly once", |_, state| {
            all(state, |t, peer, history| {
                let left = (t.tcp == Connection::Gone) == (peer.stream == Stream::Closed);
                left && history.unmapped == u8::from(t.phase != Phase::Open)
            })
        }),
        sometimes("X1 a connection is gone and its transport still closes", |_, state| {
            any(state, |t, _, _| t.phase == Phase::Closing && t.tcp == Connection::Gone)
        }),
        always("X3 each caller returns once, after the carriers went", |_, state| {
            let closed = state.core.server == ServerPhase::Closed;
            let callers = state.world.callers.iter().zip(&state.ghost.completions);
            keeps(state, Rule::EarlyReturn)
                && callers.into_iter().all(|(caller, completions)| {
                    *completions == u8::from(*caller == Caller::Returned)
                        && !(closed && *caller == Caller::Waiting)
                })
        }),
        sometimes("X3 a caller waits for a drained worker", |_, state| {
            state.core.server == ServerPhase::Drained
                && state.world.callers.contains(&Caller::Waiting)
        }),
        always("X4 one close_notify if it can be said, and never two", |_, state| {
            keeps(state, Rule::AlertPerClose)
                && all(state, |_, peer, history| history.alerts <= 1 && peer.alerts <= 1)
        }),
        sometimes("X4 a transport closes that answered a close_notify", |_, state| {
            any(state, |t, peer, _| {
                t.outcome == Some(Outcome::NotNeeded(NoAlert::PeerClosed)) && peer.alerts == 1
            })
        }),
        always("X5 a transport is reported closed once, and then silent", |_, state| {
            keeps(state, Rule::AfterReport)
                && all(state, |t, _, history| history.closed == u8::from(t.phase == Phase::Closed))
        }),
        sometimes("X5 a connection outlives the report of its transport", |_, state| {
            any(state, |t, _, _| t.phase == Phase::Closed && t.tcp.is_live())
        }),
    ]
}

fn order() -> Vec<LifecycleProperty> {
    vec![
        always("O1 alert, then unmap, then report", |_, state| keeps(state, Rule::TransportOrder)),
        sometimes("O1 an alert still waits when its transport is unmapped", |_, state| {
            any(state, |t, _, history| history.unmapped == 1 && t.farewell.is_queued())
        }),
        always("O2 transports go before carriers, and nobody joins", |_, state| {
            keeps(state, Rule::ServerOrder)
        }),
        sometimes("O2 all transports are gone and the carriers are not", |_, state| {
            state.core.server == ServerPhase::Drained && state.world.socket != Socket::Released
        }),
        always("O4 unmap before the connection goes", |_, state| keeps(state, Rule::UnmapFirst)),
        sometimes("O4 a connection goes right after the unmap", |_, state| {
            any(state, |t, peer, _| t.phase == Phase::Closing && peer.stream == Stream::Finished)
        }),
        always("O6 no FIN while the alert waits", |_, state| {
            all(state, |t, peer, _| {
                let ended = matches!(peer.stream, Stream::Finished | Stream::Closed);
                !(ended && t.farewell == Farewell::Queued(Via::Tcp))
            })
        }),
        sometimes("O6 an alert waits behind a begun frame", |_, state| {
            any(
                state,
                |t, _, _| matches!(t.tcp, Connection::Flushing { queue, .. } if queue.alert && queue.begun),
            )
        }),
    ]
}

fn liveness() -> Vec<LifecycleProperty> {
    vec![
        always("L1 every step of a closing server is progress", |_, state| {
            keeps(state, Rule::NoProgress)
        }),
        sometimes("L1 a server is closed", |_, state| state.core.server == ServerPhase::Closed),
        always("L1 deadlines alone end a closing server", |model, state| {
            deadlines_end_server(&model.0, state)
        }),
        sometimes("L1 a server closes over a connection that stalls", |_, state| {
            state.core.server == ServerPhase::Closing
                && any(state, |t, _, _| matches!(t.tcp, Connection::Flushing { .. }))
        }),
        always("L1 its own deadlines end a closing transport", |model, state| {
            deadlines_end_transports(&model.0, state)
        }),
        sometimes("L1 a transport closes and its connection stalls", |_, state| {
            state.core.server == ServerPhase::Open
                && any(state, |t, _, _| {
                    t.phase == Phase::Closing && matches!(t.tcp, Connection::Flushing { .. })
                })
        }),
        always("L3 an alert leaves unless a deadline or the peer stops it", |_, state| {
            keeps(state, Rule::LostAlert)
                && all(state, |t, _, _| {
                    t.farewell != Farewell::Dropped(DropReason::CarrierReleased)
                })
        }),
        sometimes("L3 an alert waits for the socket of a closing server", |_, state| {
            state.core.server == ServerPhase::Closing
                && any(state, |t, _, _| t.farewell == Farewell::Queued(Via::Udp))
        }),
        sometimes("L3 an alert is dropped at a deadline", |_, state| {
            any(state, |t, _, _| t.outcome == Some(Outcome::Dropped(DropReason::Deadline)))
        }),
        sometimes("L3 an alert is dropped at a reset", |_, state| {
            any(state, |t, _, _| t.outcome == Some(Outcome::Dropped(DropReason::Reset)))
        }),
    ]
}

fn isolation() -> Vec<LifecycleProperty> {
    vec![
        always("N1 what happens to one transport changes no other", |_, state| {
            keeps(state, Rule::Neighbour)
        }),
        sometimes("N1 one transport is closed and another connected", |_, state| {
            any(state, |t, _, _| t.phase == Phase::Closed)
                && any(state, |t, _, _| t.dtls == DtlsState::Connected)
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
    let has_tuple = t.has_tuple(Via::Udp) || t.has_tuple(Via::Tcp);
    let closing = t.phase != Phase::Open;
    match t.ice {
        IceState::New | IceState::Disconnected => !closing && !has_tuple && t.selected.is_none(),
        IceState::Connected | IceState::Completed => {
            !closing && t.selected.is_some_and(|via| t.has_tuple(via))
        }
        IceState::Closed => closing && !has_tuple && t.selected.is_none(),
    }
}

fn is_closed_for_good(t: &Transport) -> bool {
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
        && t.selected.is_none()
        && !t.udp
        && !t.tcp.is_held()
}

/// Both the server's own deadline and those of its parts lead to the end, if nobody else acts.
fn deadlines_end_server(config: &Config, state: &State) -> bool {
    if state.core.server == ServerPhase::Open {
        return true;
    }
    let ids = (0..config.transports()).map(|index| TransportId(index as u8));
    let own: Vec<Action> = ids
        .flat_map(|t| [Action::FarewellDeadlinePasses { t }, Action::LingerDeadlinePasses { t }])
        .chain([Action::WorkersAcknowledge])
        .collect();
    let whole = [Action::ServerDeadlinePasses, Action::WorkersAcknowledge];
    [own.as_slice(), &whole].into_iter().all(|deadlines| {
        let end = follow(config, state, deadlines);
        end.core.server == ServerPhase::Closed
            && end.world.socket == Socket::Released
            && end.world.peers.iter().all(|p| matches!(p.stream, Stream::None | Stream::Closed))
    })
}

fn deadlines_end_transports(config: &Config, state: &State) -> bool {
    (0..config.transports()).all(|index| {
        let t = TransportId(index as u8);
        let closing = state.core.transport(t).phase == Phase::Closing;
        let own = [Action::FarewellDeadlinePasses { t }, Action::LingerDeadlinePasses { t }];
        !closing || follow(config, state, &own).core.transport(t).phase == Phase::Closed
    })
}

/// Let these actions happen, the first one that can each time, until none can.
fn follow(config: &Config, state: &State, these: &[Action]) -> State {
    const STEPS_MAX: usize = 64;
    let mut state = state.clone();
    for _ in 0..STEPS_MAX {
        let Some((after, _)) = these.iter().find_map(|action| step(config, &state, *action)) else {
            break;
        };
        state = after;
    }
    state
}

type OfState = fn(&LifecycleModel, &State) -> bool;

fn always(name: &'static str, condition: OfState) -> LifecycleProperty {
    Property::always(name, condition)
}

fn sometimes(name: &'static str, condition: OfState) -> LifecycleProperty {
    Property::sometimes(name, condition)
}
