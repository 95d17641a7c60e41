//! The model as stateright sees it.

use stateright::{Model, Property};

use crate::action::Action;
use crate::config::Config;
use crate::properties::properties;
use crate::state::State;
use crate::step::{actions, step};

/// A configuration, as a model that stateright's checkers and its Explorer take.
#[derive(Clone, Debug)]
pub struct LifecycleModel(pub Config);

impl Model for LifecycleModel {
    type State = State;
    type Action = Action;

    fn init_states(&self) -> Vec<State> {
        vec![State::initial(&self.0)]
    }

    fn actions(&self, state: &State, into: &mut Vec<Action>) {
        into.extend(actions(&self.0, state));
    }

    fn next_state(&self, state: &State, action: Action) -> Option<State> {
        step(&self.0, state, action).map(|(after, _)| after)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        properties()
    }
}
