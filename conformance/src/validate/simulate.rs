//! Subset simulation: which states of the model can the logged server be in? After each turn those remain that explain
//! it; when none does, the log is no behaviour of the model.

use super::compare::{Difference, differences};
use super::parties::{Carriers, Party};
use super::turns::Turn;
use std::collections::HashSet;
use webrtc_server_model::{Action, Config, Effect, State, actions, step};

/// More candidates than this are too many to go on with; a turn has a handful.
const NODES_MAX: usize = 20_000;

/// How a party's part of a log was explained.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Explained {
    /// Turns that show it something.
    pub(super) turns: usize,
    /// The most states that explained a turn.
    pub(super) candidates_max: usize,
    /// States that were looked at.
    pub(super) states: usize,
}

/// A turn that no state explains.
#[derive(Clone, Debug)]
pub(super) struct Unexplained {
    /// Which turn of the party, counted from 0.
    pub(super) at: usize,
    /// The states before it, with what can happen in each.
    pub(super) candidates: Vec<(State, Vec<Action>)>,
    /// What came nearest.
    pub(super) nearest: Mismatch,
}

/// Why a way through a turn ends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Mismatch {
    /// None of these can happen.
    NotEnabled(Vec<Action>),
    /// An action has other effects.
    Effects {
        /// The action; none if the turn has effects and no cause is left.
        action: Option<Action>,
        /// What the model does.
        model: Vec<Effect>,
        /// What the log says, from the same point on.
        log: Vec<Effect>,
    },
    /// Everything happened, and something else is there.
    State(Vec<Difference>),
    /// There are too many ways to look at all of them.
    TooMany,
}

/// A way into a turn.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Node {
    state: State,
    causes: usize,
    effects: usize,
}

pub(super) fn simulate(
    party: &Party,
    carriers: &Carriers,
    turns: &[Turn],
) -> Result<Explained, Box<Unexplained>> {
    let config = party.config(carriers);
    let mut candidates = party.beginnings(&config);
    // What the properties remember tells states apart that behave alike.
    let ghost = State::initial(&config).ghost;
    candidates.iter_mut().for_each(|state| state.ghost = ghost.clone());
    let mut explained = Explained::default();
    for (at, turn) in turns.iter().enumerate() {
        let mut search = Search::new(&config, party, turn);
        match search.run(&candidates) {
            Ok(after) => {
                explained.turns += 1;
                explained.candidates_max = explained.candidates_max.max(after.len());
                explained.states += search.seen.len();
                candidates = after;
            }
            Err(nearest) => {
                let enabled = |state: State| {
                    let enabled = actions(&config, &state);
                    (state, enabled)
                };
                let candidates = candidates.into_iter().map(enabled).collect();
                return Err(Box::new(Unexplained { at, candidates, nearest }));
            }
        }
    }
    Ok(explained)
}

struct Search<'a> {
    config: &'a Config,
    party: &'a Party,
    turn: &'a Turn,
    seen: HashSet<Node>,
    /// How far the nearest miss came, and what stopped it.
    nearest: Option<((usize, usize, usize), Mismatch)>,
}

impl<'a> Search<'a> {
    fn new(config: &'a Config, party: &'a Party, turn: &'a Turn) -> Self {
        Search { config, party, turn, seen: HashSet::new(), nearest: None }
    }

    /// Every state after the turn, or the nearest miss.
    fn run(&mut self, candidates: &[State]) -> Result<Vec<State>, Mismatch> {
        let begin = |state: &State| Node { state: state.clone(), causes: 0, effects: 0 };
        let mut open: Vec<_> = candidates.iter().map(begin).collect();
        self.seen.extend(open.iter().cloned());
        let mut after = Vec::new();
        while let Some(node) = open.pop() {
            if self.is_end(&node) {
                after.push(node.state.clone());
            }
            for next in self.successors(&node) {
                if self.seen.insert(next.clone()) {
                    open.push(next);
                }
            }
            if self.seen.len() > NODES_MAX {
                return Err(Mismatch::TooMany);
            }
        }
        if after.is_empty() {
            let nearest = self.nearest.take().map(|(_, mismatch)| mismatch);
            return Err(nearest.unwrap_or(Mismatch::TooMany));
        }
        Ok(after)
    }

    /// Everything has happened, and what is there is what the log says.
    fn is_end(&mut self, node: &Node) -> bool {
        if node.causes < self.turn.causes.len() {
            return false;
        }
        let left = &self.turn.effects[node.effects..];
        if !left.is_empty() {
            let (action, model, log) = (None, Vec::new(), left.to_vec());
            self.miss(node, 0, Mismatch::Effects { action, model, log });
            return false;
        }
        let found = differences(self.party, &node.state, &self.turn.after);
        if found.is_empty() {
            return true;
        }
        // Of those that differ the one that differs least is the nearest.
        let closeness = 1000_usize.saturating_sub(found.len());
        self.miss(node, closeness, Mismatch::State(found));
        false
    }

    fn successors(&mut self, node: &Node) -> Vec<Node> {
        let turn = self.turn;
        let mut next = Vec::new();
        for action in &turn.hidden {
            next.extend(self.follow(node, *action, 0).ok());
        }
        let Some(cause) = turn.causes.get(node.causes) else { return next };
        let mut why = None;
        let before = next.len();
        for action in cause {
            match self.follow(node, *action, 1) {
                Ok(node) => next.push(node),
                Err(mismatch) => why = why.or(mismatch),
            }
        }
        if next.len() == before {
            let mismatch = why.unwrap_or_else(|| Mismatch::NotEnabled(cause.clone()));
            self.miss(node, 0, mismatch);
        }
        next
    }

    /// What an action leads to, if its effects are those that come next. `Err(None)`: it cannot happen.
    fn follow(&self, node: &Node, action: Action, causes: usize) -> Result<Node, Option<Mismatch>> {
        let (mut state, effects) = step(self.config, &node.state, action).ok_or(None)?;
        state.ghost = node.state.ghost.clone();
        let effects: Vec<_> = effects.into_iter().filter(|effect| self.is_shown(effect)).collect();
        let left = &self.turn.effects[node.effects..];
        if left.starts_with(&effects) {
            let effects = node.effects + effects.len();
            return Ok(Node { state, causes: node.causes + causes, effects });
        }
        let (model, log) = (effects, left.to_vec());
        Err(Some(Mismatch::Effects { action: Some(action), model, log }))
    }

    /// What its companion does is made up, what left goes on elsewhere, and when callers return is checked by itself.
    fn is_shown(&self, effect: &Effect) -> bool {
        *effect != Effect::CallersComplete
            && effect.transport() != Some(self.party.companion())
            && effect.connection().is_none_or(|c| !self.turn.left.contains(&c))
    }

    fn miss(&mut self, node: &Node, closeness: usize, mismatch: Mismatch) {
        let reached = (node.causes, node.effects, closeness);
        if self.nearest.as_ref().is_none_or(|(best, _)| *best < reached) {
            self.nearest = Some((reached, mismatch));
        }
    }
}
