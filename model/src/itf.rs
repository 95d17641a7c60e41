//! Traces of the model as ITF, the JSON that Apalache and Quint write and trace viewers read (ADR-015 of Apalache).
//!
//! A file holds the way of a configuration from its initial state: each state with the action that led to it
//! (`mbt::actionTaken`, `init` for the first), what was chosen for it (`mbt::nondetPicks`) and the effects it had. What
//! the properties remember is left out. [`read`] performs the actions again and refuses a file that says what cannot
//! happen, or that says of a state what is not so.

use std::fmt;

use serde::ser::Serialize;
use serde_json::{Map, Value, json};

use crate::action::Action;
use crate::config::Config;
use crate::effect::Effect;
use crate::state::State;
use crate::step::{actions, step};

mod value;

/// What a state of a file is called with the name of the action that led to it.
const ACTION_TAKEN: &str = "mbt::actionTaken";
/// What was chosen for that action.
const PICKS: &str = "mbt::nondetPicks";
/// The name of no action: how the first state came about.
const INIT: &str = "init";
/// The variables of the model itself.
const VARIABLES: [&str; 3] = ["core", "world", "effects"];
/// Everything that an action can choose, over all actions.
const CHOICES: [&str; 9] = ["t", "c", "s", "w", "from", "check", "part", "caller", "closes"];

/// Why a file is refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ItfError {
    /// It is no JSON.
    Json(String),
    /// It is JSON and no ITF trace.
    Shape(String),
    /// It names no configuration that there is.
    NoSuchConfig(String),
    /// A state has no action that there is.
    NoSuchAction {
        /// Which state, counted from 0.
        state: usize,
        /// What is wrong.
        why: String,
    },
    /// The action of a state cannot happen in the one before.
    NotEnabled {
        /// Which state, counted from 0.
        state: usize,
        /// Its action.
        action: Action,
        /// What can happen instead.
        enabled: Vec<Action>,
    },
    /// The model comes to another state.
    Differs {
        /// Which state, counted from 0.
        state: usize,
        /// The way to what differs: `core.transports.0.phase`.
        field: String,
        /// What the model says; none if it has no such thing.
        model: Option<Value>,
        /// What the file says; none if it has no such thing.
        file: Option<Value>,
    },
}

impl fmt::Display for ItfError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shown = |value: &Option<Value>| {
            value.as_ref().map_or_else(|| "nothing".to_owned(), Value::to_string)
        };
        match self {
            Self::Json(why) => write!(f, "no JSON: {why}"),
            Self::Shape(why) => write!(f, "no ITF trace: {why}"),
            Self::NoSuchConfig(name) => write!(f, "no configuration is called {name:?}"),
            Self::NoSuchAction { state, why } => write!(f, "state {state} has no action: {why}"),
            Self::NotEnabled { state, action, enabled } => {
                write!(f, "{action:?}, which leads to state {state}, cannot happen before it")?;
                enabled.iter().try_for_each(|action| write!(f, "\n  can: {action:?}"))
            }
            Self::Differs { state, field, model, file } => {
                let (model, file) = (shown(model), shown(file));
                write!(f, "state {state}, {field}: {file} in the file, {model} in the model")
            }
        }
    }
}

impl std::error::Error for ItfError {}

/// The file of a way from the initial state.
///
/// # Errors
///
/// [`ItfError::NotEnabled`].
pub fn write(config: &Config, way: &[Action]) -> Result<Value, ItfError> {
    let variables: Vec<_> = VARIABLES.into_iter().chain([ACTION_TAKEN, PICKS]).collect();
    let mut state = State::initial(config);
    let mut states = vec![of_state(0, None, &state, &[])];
    for (index, action) in way.iter().enumerate() {
        let (after, effects) = perform(config, &state, *action, index + 1)?;
        states.push(of_state(index + 1, Some(*action), &after, &effects));
        state = after;
    }
    Ok(json!({
        "#meta": {
            "format": "ITF",
            "format-description": "https://apalache-mc.org/docs/adr/015adr-trace.html",
            "source": config.name,
        },
        "vars": variables,
        "states": states,
    }))
}

/// The configuration and the way that a file holds.
///
/// # Errors
///
/// [`ItfError`]: the first thing in it that is not so.
pub fn read(text: &str) -> Result<(Config, Vec<Action>), ItfError> {
    let file: Value = serde_json::from_str(text).map_err(|e| ItfError::Json(e.to_string()))?;
    let shape = |why: &str| ItfError::Shape(why.to_owned());
    let name = file["#meta"]["source"].as_str().ok_or_else(|| shape("no #meta.source"))?;
    let config = Config::named(name).ok_or_else(|| ItfError::NoSuchConfig(name.to_owned()))?;
    let variables = file["vars"].as_array().ok_or_else(|| shape("no vars"))?;
    for variable in VARIABLES.into_iter().chain([ACTION_TAKEN, PICKS]) {
        if !variables.iter().any(|named| named == variable) {
            return Err(shape(&format!("{variable} is none of its vars")));
        }
    }
    let states = file["states"].as_array().ok_or_else(|| shape("no states"))?;
    let Some((first, rest)) = states.split_first() else { return Err(shape("no state")) };
    let mut state = State::initial(&config);
    expect(0, &of_state(0, None, &state, &[]), first)?;
    let mut way = Vec::with_capacity(rest.len());
    for (index, said) in rest.iter().enumerate() {
        let number = index + 1;
        let action =
            action_of(said).map_err(|why| ItfError::NoSuchAction { state: number, why })?;
        let (after, effects) = perform(&config, &state, action, number)?;
        expect(number, &of_state(number, Some(action), &after, &effects), said)?;
        way.push(action);
        state = after;
    }
    Ok((config, way))
}

fn perform(
    config: &Config,
    state: &State,
    action: Action,
    number: usize,
) -> Result<(State, Vec<Effect>), ItfError> {
    step(config, state, action).ok_or_else(|| {
        let enabled = actions(config, state);
        ItfError::NotEnabled { state: number, action, enabled }
    })
}

fn of_state(index: usize, action: Option<Action>, state: &State, effects: &[Effect]) -> Value {
    let State { core, world, ghost: _ } = state;
    let (name, picks) = match action {
        None => (INIT.to_owned(), Map::new()),
        Some(action) => parts_of(action),
    };
    let pick = |choice: &str| {
        let value = picks.get(choice).map_or_else(value::none, value::some);
        (choice.to_owned(), value)
    };
    let picks: Map<_, _> = CHOICES.into_iter().map(pick).collect();
    json!({
        "#meta": { "index": index },
        "core": itf(core),
        "world": itf(world),
        "effects": itf(effects),
        ACTION_TAKEN: name,
        PICKS: picks,
    })
}

fn itf(of: impl Serialize) -> Value {
    of.serialize(value::Itf).expect("a state holds numbers, names and lists only")
}

/// The name of an action, and what was chosen for it.
fn parts_of(action: Action) -> (String, Map<String, Value>) {
    let value = itf(action);
    let name = value["tag"].as_str().expect("an action is a variant").to_owned();
    (name, value["value"].as_object().cloned().unwrap_or_default())
}

/// The action that a state of a file says led to it.
fn action_of(said: &Value) -> Result<Action, String> {
    let name = said[ACTION_TAKEN].as_str().ok_or_else(|| format!("no {ACTION_TAKEN}"))?;
    let picks = said[PICKS].as_object().ok_or_else(|| format!("no {PICKS}"))?;
    let mut chosen = Map::new();
    for (choice, pick) in picks {
        if let Some(value) = value::picked(pick)? {
            chosen.insert(choice.clone(), value::plain(value)?);
        }
    }
    let action: Action =
        serde_json::from_value(json!({ name: chosen })).map_err(|error| error.to_string())?;
    // Whoever reads the file must not see a choice that the action does not have.
    let (_, own) = parts_of(action);
    match chosen.keys().find(|choice| !own.contains_key(*choice)) {
        Some(choice) => Err(format!("{name} chooses no {choice}")),
        None => Ok(action),
    }
}

/// The first way in which a state of a file is not that of the model.
fn expect(number: usize, model: &Value, file: &Value) -> Result<(), ItfError> {
    for variable in VARIABLES.into_iter().chain([ACTION_TAKEN]) {
        let found = value::difference(variable, model.get(variable), file.get(variable));
        if let Some((field, model, file)) = found {
            return Err(ItfError::Differs { state: number, field, model, file });
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests;
