//! Checks on the explicit graph that the classes of edges mean what they say.

use std::collections::HashMap;

use crate::action::{Action, TransportId};
use crate::class::{EdgeClass, Fact, Grain, LOCAL_FACTS, edge_class, facts, subjects};
use crate::effect::Effect;
use crate::explore::Graph;
use crate::state::State;
use crate::step::step;

/// Two edges of one class that differ in what they do to their transport.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClassConflict {
    /// The class.
    pub class: EdgeClass,
    /// A shortest way to the state where the second of them begins.
    pub path: Vec<Action>,
    /// The effects of the first.
    pub first: Vec<Effect>,
    /// The effects of the second; if they are the same, the successors differ.
    pub second: Vec<Effect>,
}

/// What all edges of a class seen so far did to their transport.
struct Consequence {
    effects: Vec<Effect>,
    changes: [Change; LOCAL_FACTS],
}

/// What all edges of a class may have done to one fact: left it alone, or set it to one value.
#[derive(Clone, Copy)]
struct Change {
    untouched: bool,
    set_to: Option<Fact>,
}

impl Change {
    fn new(before: Fact, after: Fact) -> Self {
        Self { untouched: before == after, set_to: Some(after) }
    }

    /// Take one more edge into account; false if neither explanation is left.
    fn admit(&mut self, before: Fact, after: Fact) -> bool {
        self.untouched &= before == after;
        self.set_to = self.set_to.filter(|value| *value == after);
        self.untouched || self.set_to.is_some()
    }
}

/// Check that all edges of one class do the same to their transport, and count the classes.
///
/// The same means: the same effects, and each local fact is left alone by all of them or set to
/// one value by all of them. An action on a transport must also have the same effects on the
/// server; of an action on the server only the effects on the transport count, since the others
/// depend on its siblings.
pub fn check_classes(grain: Grain, graph: &Graph) -> Result<usize, Box<ClassConflict>> {
    let mut known: HashMap<EdgeClass, Consequence> = HashMap::new();
    for edge in graph.edges() {
        let state = &graph.states()[edge.from as usize];
        let Some((after, effects)) = step(graph.config(), state, edge.action) else {
            unreachable!("an edge is a step");
        };
        for t in subjects(state, edge.action) {
            let class = edge_class(grain, state, edge.action, t);
            let effects = effects_on(t, edge.action, &effects);
            let changes = changes(state, &after, t);
            let consequence = known.entry(class.clone()).or_insert_with(|| Consequence {
                effects: effects.clone(),
                changes: changes.map(|(before, after)| Change::new(before, after)),
            });
            let mut parts = consequence.changes.iter_mut().zip(changes);
            let same = parts.all(|(change, (before, after))| change.admit(before, after));
            if !same || consequence.effects != effects {
                return Err(Box::new(ClassConflict {
                    class,
                    path: graph.path_to(edge.from),
                    first: consequence.effects.clone(),
                    second: effects,
                }));
            }
        }
    }
    Ok(known.len())
}

/// The effects that count for a transport, with its id replaced by 0.
fn effects_on(t: TransportId, action: Action, effects: &[Effect]) -> Vec<Effect> {
    let local = action.transport().is_some();
    let counts = |effect: &&Effect| effect.transport().map_or(local, |other| other == t);
    effects.iter().filter(counts).map(|effect| anonymous_effect(*effect)).collect()
}

/// Each local fact before and after a step.
fn changes(before: &State, after: &State, t: TransportId) -> [(Fact, Fact); LOCAL_FACTS] {
    let (before, after) = (facts(before, t), facts(after, t));
    std::array::from_fn(|index| (before[index], after[index]))
}

/// The same effect, about transport 0.
fn anonymous_effect(effect: Effect) -> Effect {
    let t = TransportId(0);
    match effect {
        Effect::MakeAlert(_) => Effect::MakeAlert(t),
        Effect::OfferDatagramAlert(_) => Effect::OfferDatagramAlert(t),
        Effect::Unmap(_) => Effect::Unmap(t),
        Effect::AlertWritten(_) => Effect::AlertWritten(t),
        Effect::ShutdownWrite(_) => Effect::ShutdownWrite(t),
        Effect::CloseConnection(_) => Effect::CloseConnection(t),
        Effect::AbortConnection(_) => Effect::AbortConnection(t),
        Effect::SelectedTupleChanged(_, via) => Effect::SelectedTupleChanged(t, via),
        Effect::IceStateChanged(_, ice) => Effect::IceStateChanged(t, ice),
        Effect::DtlsStateChanged(_, dtls) => Effect::DtlsStateChanged(t, dtls),
        Effect::TransportClosed(_, reason, outcome) => Effect::TransportClosed(t, reason, outcome),
        Effect::StopAccepting
        | Effect::WorkerDrained
        | Effect::ReleaseSocket
        | Effect::ReleaseListener
        | Effect::WorkerReleased
        | Effect::CallersComplete => effect,
    }
}

/// Two actions on different transports whose order matters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OrderMatters {
    /// The two actions.
    pub actions: [Action; 2],
    /// A shortest way to the state where both can happen.
    pub path: Vec<Action>,
}

/// Check that actions on different transports lead to the same state in either order, and count
/// the pairs that were compared.
pub fn check_commutation(graph: &Graph) -> Result<usize, OrderMatters> {
    let mut pairs = 0;
    for state in 0..graph.states().len() as u32 {
        let edges = &graph.edges()[graph.edges_from(state)];
        for first in edges {
            let Some(t) = first.action.transport() else { continue };
            let others = edges.iter().filter(|edge| edge.action.transport().is_some_and(|u| u > t));
            for second in others {
                pairs += 1;
                let one = graph.successor(first.to, second.action);
                let other = graph.successor(second.to, first.action);
                if one.is_none() || one != other {
                    let actions = [first.action, second.action];
                    return Err(OrderMatters { actions, path: graph.path_to(state) });
                }
            }
        }
    }
    Ok(pairs)
}
