//! Checks on the explicit graph that the classes of edges mean what they say.

use std::hash::Hash;

use rustc_hash::{FxHashMap, FxHashSet};

use crate::action::{Action, Subject};
use crate::class::{Classes, EdgeClass, Fact, Grain, of_connection, of_server, of_transport};
use crate::effect::Effect;
use crate::explore::Graph;
use crate::groups::{Group, Groups};
use crate::state::State;
use crate::step::step;

/// Two edges of one class that differ in what they do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClassConflict {
    /// The class as seen from one group; all of them if they agree group by group.
    pub class: Vec<EdgeClass>,
    /// A shortest way to the state where the second of them begins.
    pub path: Vec<Action>,
    /// The effects of the first.
    pub first: Vec<Effect>,
    /// The effects of the second.
    pub second: Vec<Effect>,
    /// What both of them change and differently, before and after the second.
    pub fact: Option<(Fact, Fact)>,
}

/// What all edges of a class seen so far did.
#[derive(Debug)]
struct Consequence {
    effects: Vec<Effect>,
    changes: Vec<Change>,
}

/// What the edges of each class did.
struct Consequences<K>(FxHashMap<K, Consequence>);

/// What an edge does otherwise than the edges of its class before.
struct Differs {
    effects: Vec<Effect>,
    fact: Option<(Fact, Fact)>,
}

impl<K: Eq + Hash> Consequences<K> {
    fn admit(
        &mut self,
        class: K,
        effects: &[Effect],
        changes: &[(Fact, Fact)],
    ) -> Result<(), Differs> {
        let found = self.0.entry(class).or_insert_with(|| Consequence {
            effects: effects.to_vec(),
            changes: changes.iter().map(Change::new).collect(),
        });
        let mut parts = found.changes.iter_mut().zip(changes);
        let differs = parts.find_map(|(seen, change)| (!seen.admit(change)).then_some(change));
        if differs.is_some() || found.effects != effects {
            return Err(Differs { effects: found.effects.clone(), fact: differs.cloned() });
        }
        Ok(())
    }
}

/// What all edges of a class may have done to one fact: left it alone, or set it to one value.
#[derive(Debug)]
struct Change {
    untouched: bool,
    set_to: Option<Fact>,
}

impl Change {
    fn new((before, after): &(Fact, Fact)) -> Self {
        Self { untouched: before == after, set_to: Some(after.clone()) }
    }

    /// Take one more edge into account; false if neither explanation is left.
    fn admit(&mut self, (before, after): &(Fact, Fact)) -> bool {
        self.untouched &= before == after;
        if self.set_to.as_ref().is_some_and(|value| value != after) {
            self.set_to = None;
        }
        self.untouched || self.set_to.is_some()
    }
}

/// Check that all edges of one class do the same, and count the classes.
///
/// The same means: the same effects, and each fact is left alone by all of them or set to one value by all of them.
/// That is checked group by group, of an action on one group with what it does to the server and its workers. An action
/// on what all share synchronises: edges of it that have all their classes in common must also do the same to the
/// server and its workers, and have all their effects in the same order.
pub fn check_classes(grain: Grain, graph: &Graph) -> Result<usize, Box<ClassConflict>> {
    let classes = Classes::new(grain, graph.config());
    let mut of_groups = Consequences(FxHashMap::default());
    let mut synchronising = Consequences(FxHashMap::default());
    let mut found = FxHashSet::default();
    for edge in graph.edges() {
        let state = &graph.states()[edge.from as usize];
        let Some((after, effects)) = step(graph.config(), state, edge.action) else {
            unreachable!("an edge is a step");
        };
        let conflict = |class, second: Vec<Effect>, differs: Differs| {
            let (path, fact) = (graph.path_to(edge.from), differs.fact);
            Box::new(ClassConflict { class, path, first: differs.effects, second, fact })
        };
        for group in &classes.subjects(state, edge.action) {
            let effects = effects_on(group, edge.action, &effects);
            let changes = changes(graph, group, edge.action, state, &after);
            let class = classes.as_seen_by(group, state, edge.action);
            of_groups.admit(class, &effects, &changes).map_err(|differs| {
                let class = classes.as_seen_by(group, state, edge.action);
                conflict(vec![class], effects, differs)
            })?;
        }
        if !is_local(edge.action) {
            let changes = changes_of_server(graph, state, &after);
            let class = classes.of(state, edge.action);
            found.extend(class.last().cloned());
            synchronising
                .admit(class, &effects, &changes)
                .map_err(|differs| conflict(classes.of(state, edge.action), effects, differs))?;
        }
    }
    found.extend(of_groups.0.into_keys());
    Ok(found.len())
}

fn is_local(action: Action) -> bool {
    matches!(action.subject(), Subject::Transport(_) | Subject::Connection(_))
}

/// The effects that count for a group.
fn effects_on(group: &Group, action: Action, effects: &[Effect]) -> Vec<Effect> {
    let counts = |effect: &&Effect| {
        let of_transport = effect.transport().map(|t| group.transports.contains(&t));
        let of_connection = effect.connection().map(|c| group.connections.contains(&c));
        is_local(action) || of_transport.or(of_connection).unwrap_or(false)
    };
    effects.iter().filter(counts).copied().collect()
}

/// Each fact that counts for a group, before and after a step.
fn changes(
    graph: &Graph,
    group: &Group,
    action: Action,
    before: &State,
    after: &State,
) -> Vec<(Fact, Fact)> {
    let mut changes = Vec::with_capacity(32);
    for t in &group.transports {
        changes.extend(of_transport(before, *t).into_iter().zip(of_transport(after, *t)));
    }
    for c in &group.connections {
        changes.extend(of_connection(before, *c).into_iter().zip(of_connection(after, *c)));
    }
    if is_local(action) {
        changes.extend(changes_of_server(graph, before, after));
    }
    changes
}

/// Each fact about what all share, before and after a step.
fn changes_of_server(graph: &Graph, before: &State, after: &State) -> Vec<(Fact, Fact)> {
    let of = |state| of_server(graph.config(), state);
    of(before).into_iter().zip(of(after)).collect()
}

/// Two actions on different groups whose order matters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OrderMatters {
    /// The two actions.
    pub actions: [Action; 2],
    /// A shortest way to the state where both can happen.
    pub path: Vec<Action>,
}

/// Check that actions on different groups lead to the same state in either order, and count the pairs that were
/// compared.
pub fn check_commutation(graph: &Graph) -> Result<usize, OrderMatters> {
    let groups = Groups::of(graph.config());
    let mut pairs = 0;
    for state in 0..graph.states().len() as u32 {
        let edges = &graph.edges()[graph.edges_from(state)];
        for first in edges {
            let Some(one) = groups.subject(first.action) else { continue };
            let is_other = |action: Action| groups.subject(action).is_some_and(|other| other > one);
            for second in edges.iter().filter(|edge| is_other(edge.action)) {
                pairs += 1;
                let one_way = graph.successor(first.to, second.action);
                let other_way = graph.successor(second.to, first.action);
                if one_way.is_none() || one_way != other_way {
                    let actions = [first.action, second.action];
                    return Err(OrderMatters { actions, path: graph.path_to(state) });
                }
            }
        }
    }
    Ok(pairs)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::mem::discriminant;

    use super::*;
    use crate::presets::Preset;
    use crate::reads::{FactKind, reads};

    /// What one edge did to one group, with every fact that it may have read.
    struct Seen {
        config: usize,
        class: EdgeClass,
        effects: Vec<Effect>,
        changes: Vec<(Fact, Fact)>,
    }

    /// Everything about every edge is kept here: that of larger graphs would not fit into memory.
    const EDGES_MAX: usize = 130_000;

    fn every_edge() -> BTreeMap<String, Vec<Seen>> {
        let mut seen: BTreeMap<String, Vec<Seen>> = BTreeMap::new();
        for (config, bounds) in Preset::standard().configs.iter().enumerate() {
            let graph = Graph::explore(bounds);
            if graph.edges().len() > EDGES_MAX {
                continue;
            }
            let classes = Classes::new(Grain::Read, bounds);
            for edge in graph.edges() {
                let state = &graph.states()[edge.from as usize];
                let (after, effects) = step(bounds, state, edge.action).expect("an edge is a step");
                for group in &classes.subjects(state, edge.action) {
                    let effects = effects_on(group, edge.action, &effects);
                    let changes = changes(&graph, group, edge.action, state, &after);
                    let class = classes.with_kinds(group, state, edge.action, |_| true);
                    let name = format!("{:?}", discriminant(&edge.action));
                    seen.entry(name).or_default().push(Seen { config, class, effects, changes });
                }
            }
        }
        seen
    }

    /// Do all edges that agree in these kinds do the same?
    fn suffice(seen: &[Seen], kinds: &[FactKind]) -> bool {
        let mut known = FxHashMap::default();
        seen.iter().all(|edge| {
            let facts = edge.class.facts.iter();
            let held: Vec<_> = facts.filter(|fact| kinds.contains(&fact.kind())).collect();
            let first = known.entry((edge.config, edge.class.action, held)).or_insert_with(|| {
                let changes: Vec<_> = edge.changes.iter().map(Change::new).collect();
                (&edge.effects, changes)
            });
            let mut parts = first.1.iter_mut().zip(&edge.changes);
            *first.0 == edge.effects && parts.all(|(seen, change)| seen.admit(change))
        })
    }

    /// An entry is spare if without it no two edges of these graphs would be confused. Such entries keep apart what an
    /// implementation may treat differently, or are needed where kinds meet that do not meet in them.
    #[test]
    fn the_table_says_what_it_must_and_little_else() {
        let (mut needed, mut spare) = (0, 0);
        for seen in every_edge().values() {
            let action = seen[0].class.action;
            let table = reads(action);
            assert!(suffice(seen, table), "{action:?}");
            for kind in table {
                let rest: Vec<_> = table.iter().copied().filter(|other| other != kind).collect();
                *(if suffice(seen, &rest) { &mut spare } else { &mut needed }) += 1;
            }
        }
        assert_eq!((needed, spare), (94, 61));
    }
}
