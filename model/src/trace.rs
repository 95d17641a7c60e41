//! Traces: performed, and refused where they say what cannot happen. Their files are [`itf`](crate::itf).

use std::fmt;

use serde::Serialize;

use crate::action::Action;
use crate::config::Config;
use crate::effect::Effect;
use crate::model::LifecycleModel;
use crate::mutants::Mutant;
use crate::presets::Preset;
use crate::properties::properties;
use crate::state::State;
use crate::step::{actions, every_action, step};
use crate::words::{Cast, Lifeline, Message};

/// Where to begin, and what happens.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Trace {
    /// What it shows, in a sentence.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub about: String,
    /// The name of a configuration.
    pub config: String,
    /// The mutant that is planted, if any.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mutant: Option<Mutant>,
    /// What happens, in order, from the initial state.
    pub actions: Vec<Action>,
}

/// One step of a trace, performed.
#[derive(Clone, Debug)]
pub struct TraceStep {
    /// What happened.
    pub action: Action,
    /// The state before.
    pub before: State,
    /// The state after.
    pub after: State,
    /// What the server did, in order.
    pub effects: Vec<Effect>,
    /// The `always` properties that hold before the step and not after it.
    pub broken: Vec<&'static str>,
}

/// Why a trace cannot be performed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refused {
    /// No configuration has this name.
    NoSuchConfig(String),
    /// The first action that cannot happen where it stands.
    NotEnabled {
        /// Which action, counted from 1.
        number: usize,
        /// The action.
        action: Action,
        /// What can happen there instead.
        enabled: Vec<Action>,
    },
}

impl Trace {
    /// These actions of a configuration.
    pub fn of(config: &Config, about: &str, actions: Vec<Action>) -> Self {
        let config_name = config.name.to_owned();
        Self { about: about.to_owned(), config: config_name, mutant: config.mutant, actions }
    }

    /// The bounds that it plays in.
    pub fn config(&self) -> Result<Config, Refused> {
        let config = Config::named(&self.config)
            .ok_or_else(|| Refused::NoSuchConfig(self.config.clone()))?;
        Ok(Config { mutant: self.mutant, ..config })
    }

    /// Perform all of it, or say which action is the first that cannot happen.
    pub fn perform(&self) -> Result<Vec<TraceStep>, Refused> {
        TraceStep::perform(&self.config()?, &self.actions)
    }
}

/// The `always` properties that hold before a step and not after it.
pub(crate) fn newly_broken(config: &Config, before: &State, after: &State) -> Vec<&'static str> {
    let model = LifecycleModel(config.clone());
    properties()
        .into_iter()
        .filter(|property| property.expectation.discovery_is_failure())
        .filter(|p| (p.condition)(&model, before) && !(p.condition)(&model, after))
        .map(|property| property.name)
        .collect()
}

/// A trace that is being performed.
pub(crate) struct Performance<'a> {
    config: &'a Config,
    alphabet: Vec<Action>,
    state: State,
    number: usize,
}

impl<'a> Performance<'a> {
    /// From the initial state on.
    pub(crate) fn of(config: &'a Config) -> Self {
        let (alphabet, state) = (every_action(config), State::initial(config));
        Self { config, alphabet, state, number: 0 }
    }

    /// Where it is.
    pub(crate) fn state(&self) -> &State {
        &self.state
    }

    /// The next action.
    pub(crate) fn take(&mut self, action: Action) -> Result<TraceStep, Refused> {
        self.number += 1;
        let (config, number) = (self.config, self.number);
        // A file may name what the configuration does not have.
        let is_known = self.alphabet.contains(&action);
        let told = is_known.then(|| step(config, &self.state, action)).flatten();
        let Some((after, effects)) = told else {
            let enabled = actions(config, &self.state);
            return Err(Refused::NotEnabled { number, action, enabled });
        };
        let before = std::mem::replace(&mut self.state, after.clone());
        let broken = newly_broken(config, &before, &after);
        Ok(TraceStep { action, before, after, effects, broken })
    }
}

impl TraceStep {
    /// Perform actions from the initial state on.
    pub fn perform(config: &Config, trace: &[Action]) -> Result<Vec<Self>, Refused> {
        let mut performance = Performance::of(config);
        trace.iter().map(|action| performance.take(*action)).collect()
    }

    /// Who says what to whom: the action, then the effects, and what the kernel passes on to a peer.
    pub(crate) fn messages(&self, config: &Config) -> Vec<Message> {
        let cast = Cast { config, core: &self.before.core };
        let mut messages = vec![cast.of_action(self.action)];
        for effect in &self.effects {
            messages.push(cast.of_effect(*effect));
            messages.extend(self.passed_on(*effect));
        }
        messages
    }

    fn passed_on(&self, effect: Effect) -> Option<Message> {
        let is_offer = matches!(effect, Effect::OfferDatagramAlert(..) | Effect::AlertWritten(..));
        let t = effect.transport().filter(|_| is_offer)?;
        let [before, after] = [&self.before, &self.after].map(|s| s.world.peer(t).alerts);
        let text = "close_notify".to_owned();
        (before < after).then_some(Message { from: Lifeline::Kernel, to: Lifeline::Peer(t), text })
    }
}

/// Who takes part in some steps, in the order in which a diagram has them. Whoever the configuration does not need is
/// left out.
pub(crate) fn lifelines(config: &Config, messages: &[Vec<Message>]) -> Vec<Lifeline> {
    let speaks = |lifeline: &Lifeline| {
        messages.iter().flatten().any(|message| [message.from, message.to].contains(lifeline))
    };
    let all = Lifeline::all(config).into_iter();
    all.filter(|lifeline| *lifeline != Lifeline::Somebody || speaks(lifeline)).collect()
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoSuchConfig(name) => {
                let configs = Preset::nightly().configs;
                let names: Vec<_> = configs.iter().map(|config| config.name).collect();
                write!(f, "no configuration is called {name:?}; there are: {}", names.join(", "))
            }
            Self::NotEnabled { number, action, enabled } => {
                write!(f, "action {number} cannot happen here: {} ({action})", as_json(*action))?;
                write!(f, "\nwhat can happen instead:")?;
                enabled.iter().try_for_each(|action| write!(f, "\n  {}", as_json(*action)))
            }
        }
    }
}

impl std::error::Error for Refused {}

fn as_json(action: Action) -> String {
    serde_json::to_string(&action).expect("an action holds numbers and names only")
}
