//! The model as stateright sees it.

use stateright::{Model, Path, Property};

use crate::action::Action;
use crate::change::changes;
use crate::config::Config;
use crate::properties::properties;
use crate::state::State;
use crate::step::{actions, step};
use crate::svg;
use crate::trace::TraceStep;

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

    fn format_action(&self, action: &Action) -> String {
        action.to_string()
    }

    fn format_step(&self, state: &State, action: Action) -> Option<String> {
        let (after, effects) = step(&self.0, state, action)?;
        let changed = changes(state, &after).into_iter().map(|change| format!("{change}\n"));
        let done = effects.into_iter().map(|effect| format!("=> {effect}\n"));
        Some(changed.chain(done).collect())
    }

    fn as_svg(&self, path: Path<State, Action>) -> Option<String> {
        let actions = path.into_actions();
        let steps = TraceStep::perform(&self.0, &actions).ok()?;
        Some(svg::sequence(&steps, &self.0))
    }

    fn properties(&self) -> Vec<Property<Self>> {
        properties()
    }
}
