//! Traces of the model as ITF, the JSON that Apalache and Quint write and trace viewers read (ADR-015 of Apalache).
//!
//! A file holds the way of a configuration from its initial state: each state with the action that led to it
//! (`mbt::actionTaken`, `init` for the first), what was chosen for it (`mbt::nondetPicks`) and the effects it had. What
//! the properties remember is left out. `#meta` says what the trace shows (`description`), in which configuration
//! (`source`), and of a counterexample which mutant is planted (`mutant`) and what that breaks (`breaks`).
//!
//! [`read`] performs the actions again and refuses a file that says what cannot happen, or that says of a state what is
//! not so; and it says which properties are broken if that is how it was. Whoever writes a trace by hand writes its
//! actions: [`draft`] takes them alone, [`write()`] adds the states.

use std::fmt;

use serde::ser::Serialize;
use serde_json::{Map, Value, json};

use crate::action::Action;
use crate::effect::Effect;
use crate::mutants::Mutant;
use crate::state::State;
use crate::trace::{Performance, Refused, Trace};

mod claim;
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
    /// It is JSON and no ITF trace of the model.
    Shape(String),
    /// A state has no action that there is.
    NoSuchAction {
        /// Which state, counted from 0.
        state: usize,
        /// What is wrong.
        why: String,
    },
    /// It names no configuration that there is.
    NoSuchConfig(Refused),
    /// An action cannot happen. The first one leads to state 1.
    NotEnabled {
        /// Which action, and what can happen instead.
        refused: Refused,
        /// What is broken if it happened all the same.
        breaks: Vec<&'static str>,
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
        /// What is broken if it is as the file says.
        breaks: Vec<&'static str>,
    },
    /// It breaks other properties than it says.
    Breaks {
        /// Those that it breaks.
        model: Vec<&'static str>,
        /// Those that it says it breaks.
        file: Vec<String>,
    },
}

impl fmt::Display for ItfError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shown = |value: &Option<Value>| {
            value.as_ref().map_or_else(|| "nothing".to_owned(), Value::to_string)
        };
        match self {
            Self::Json(why) => write!(f, "no JSON: {why}"),
            Self::Shape(why) => write!(f, "no ITF trace of the model: {why}"),
            Self::NoSuchAction { state, why } => write!(f, "state {state} has no action: {why}"),
            Self::NoSuchConfig(refused) => refused.fmt(f),
            Self::NotEnabled { refused, breaks } => {
                refused.fmt(f)?;
                breaks.iter().try_for_each(|rule| write!(f, "\n  if it did: {rule}"))
            }
            Self::Differs { state, field, model, file, breaks } => {
                let (model, file) = (shown(model), shown(file));
                write!(f, "state {state}, {field}: {file} in the file, {model} in the model")?;
                breaks.iter().try_for_each(|rule| write!(f, "\n  this breaks {rule}"))
            }
            Self::Breaks { model, file } => {
                write!(f, "it breaks {model:?}, and says that it breaks {file:?}")
            }
        }
    }
}

impl std::error::Error for ItfError {}

/// The text of the file of a trace: a state on each line.
///
/// # Errors
///
/// [`Refused`].
pub fn write(trace: &Trace) -> Result<String, Refused> {
    let config = trace.config()?;
    let mut performance = Performance::of(&config);
    let mut states = vec![of_state(0, None, performance.state(), &[])];
    let mut broken = Vec::new();
    for (index, action) in trace.actions.iter().enumerate() {
        let step = performance.take(*action)?;
        states.push(of_state(index + 1, Some(*action), &step.after, &step.effects));
        broken.extend(step.broken);
    }
    let mut meta = json!({
        "format": "ITF",
        "format-description": "https://apalache-mc.org/docs/adr/015adr-trace.html",
        "source": trace.config,
    });
    if !trace.about.is_empty() {
        meta["description"] = json!(trace.about);
    }
    if let Some(mutant) = trace.mutant {
        meta["mutant"] = json!(mutant);
        meta["breaks"] = json!(broken);
    }
    let variables: Vec<_> = VARIABLES.into_iter().chain([ACTION_TAKEN, PICKS]).collect();
    let states: Vec<_> = states.iter().map(|state| format!("\n    {state}")).collect();
    let (meta, variables, states) = (meta, json!(variables), states.join(","));
    Ok(format!(
        "{{\n  \"#meta\": {meta},\n  \"vars\": {variables},\n  \"states\": [{states}\n  ]\n}}\n"
    ))
}

/// The trace that a file holds.
///
/// # Errors
///
/// [`ItfError`]: the first thing in it that is not so.
pub fn read(text: &str) -> Result<Trace, ItfError> {
    let file = parse(text)?;
    let trace = trace_of(&file)?;
    let variables = file["vars"].as_array().ok_or_else(|| shape("no vars"))?;
    for variable in VARIABLES.into_iter().chain([ACTION_TAKEN, PICKS]) {
        if !variables.iter().any(|named| named == variable) {
            return Err(shape(&format!("{variable} is none of its vars")));
        }
    }
    let config = trace.config().map_err(ItfError::NoSuchConfig)?;
    let mut performance = Performance::of(&config);
    let (first, rest) = states_of(&file)?;
    expect(0, &of_state(0, None, performance.state(), &[]), first, Vec::new)?;
    let mut broken = Vec::new();
    for (index, (action, said)) in trace.actions.iter().zip(rest).enumerate() {
        let before = performance.state().clone();
        let breaks = || claim::breaks(&config, &before, *action, said);
        let step = performance.take(*action);
        let step = step.map_err(|refused| ItfError::NotEnabled { refused, breaks: breaks() })?;
        let number = index + 1;
        let model = of_state(number, Some(*action), &step.after, &step.effects);
        expect(number, &model, said, breaks)?;
        broken.extend(step.broken);
    }
    let said = file["#meta"]["breaks"].as_array().map_or(&[][..], Vec::as_slice);
    if broken != said {
        let file = said.iter().map(|name| name.as_str().unwrap_or_default().to_owned()).collect();
        return Err(ItfError::Breaks { model: broken, file });
    }
    Ok(trace)
}

/// The actions of a file, whatever it says of the states: a trace as somebody wrote it by hand, or one that the model
/// has outgrown.
///
/// # Errors
///
/// [`ItfError::Json`], [`ItfError::Shape`], [`ItfError::NoSuchAction`].
pub fn draft(text: &str) -> Result<Trace, ItfError> {
    trace_of(&parse(text)?)
}

fn shape(why: &str) -> ItfError {
    ItfError::Shape(why.to_owned())
}

fn parse(text: &str) -> Result<Value, ItfError> {
    serde_json::from_str(text).map_err(|error| ItfError::Json(error.to_string()))
}

fn trace_of(file: &Value) -> Result<Trace, ItfError> {
    let meta = &file["#meta"];
    let config = meta["source"].as_str().ok_or_else(|| shape("no #meta.source"))?;
    let about = meta["description"].as_str().unwrap_or_default();
    let mutant = match meta.get("mutant") {
        None => None,
        Some(name) => {
            let mutant: Result<Mutant, _> = serde_json::from_value(name.clone());
            Some(mutant.map_err(|error| shape(&format!("#meta.mutant: {error}")))?)
        }
    };
    let (_, rest) = states_of(file)?;
    let action = |(index, said)| {
        action_of(said).map_err(|why| ItfError::NoSuchAction { state: index + 1, why })
    };
    let actions = rest.iter().enumerate().map(action).collect::<Result<_, _>>()?;
    Ok(Trace { about: about.to_owned(), config: config.to_owned(), mutant, actions })
}

/// The first state, and those that actions led to.
fn states_of(file: &Value) -> Result<(&Value, &[Value]), ItfError> {
    let states = file["states"].as_array().ok_or_else(|| shape("no states"))?;
    states.split_first().ok_or_else(|| shape("no state"))
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
fn expect(
    number: usize,
    model: &Value,
    file: &Value,
    breaks: impl Fn() -> Vec<&'static str>,
) -> Result<(), ItfError> {
    for variable in VARIABLES.into_iter().chain([ACTION_TAKEN]) {
        let found = value::difference(variable, model.get(variable), file.get(variable));
        if let Some((field, model, file)) = found {
            return Err(ItfError::Differs { state: number, field, model, file, breaks: breaks() });
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests;
