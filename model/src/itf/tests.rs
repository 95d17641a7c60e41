use super::*;
use crate::config::Config;
use crate::explore::Graph;
use crate::state::Phase;

/// A way on which a transport is closed by its server, over TCP if there is TCP.
fn trace() -> Trace {
    let config = Config::small();
    let closed = |_: &Config, state: &State| {
        let transport = &state.core.transports[0];
        transport.phase == Phase::Closed && transport.farewell.path().is_some()
    };
    let way = Graph::explore_until(&config, closed).shortest(closed).expect("a way");
    Trace::of(&config, "It shows something.", way)
}

fn file() -> Value {
    let text = write(&trace()).expect("a way of the model");
    serde_json::from_str(&text).expect("JSON")
}

fn reading(file: &Value) -> Result<Trace, ItfError> {
    read(&file.to_string())
}

#[test]
fn what_is_written_is_read_back() {
    assert!(trace().actions.len() > 3, "{:?}", trace());
    assert_eq!(reading(&file()), Ok(trace()));
}

#[test]
fn every_way_of_the_explored_states_is_written_and_read_back() {
    let config = Config::named("handshake").expect("a configuration");
    let graph = Graph::explore(&config);
    for state in (0..graph.states().len()).step_by(graph.states().len() / 50) {
        let trace = Trace::of(&config, "", graph.path_to(state as u32));
        let file = write(&trace).expect("a way of the graph");
        assert_eq!(read(&file), Ok(trace));
    }
}

#[test]
fn a_file_has_the_fields_that_trace_viewers_look_for() {
    let file = file();
    let states = file["states"].as_array().expect("states");
    assert_eq!(states[0][ACTION_TAKEN], "init");
    assert_eq!(states[1]["#meta"]["index"], 1);
    assert_eq!(states[0]["core"]["server"], json!({ "tag": "Open", "value": { "#tup": [] } }));
    assert_eq!(states[0]["core"]["transports"][0]["selected"]["tag"], "None");
    let picks = states[1][PICKS].as_object().expect("picks");
    assert_eq!(picks.len(), CHOICES.len());
    assert!(picks.values().any(|pick| pick["tag"] == "Some"), "{picks:?}");
}

#[test]
fn no_action_chooses_what_the_file_has_no_name_for() {
    let mut configs = crate::presets::Preset::nightly().configs;
    configs.push(Config::small());
    for config in configs {
        for action in crate::step::every_action(&config) {
            let (_, picks) = parts_of(action);
            let unknown = picks.keys().find(|choice| !CHOICES.contains(&choice.as_str()));
            assert_eq!(unknown, None, "{action:?}");
        }
    }
}

#[test]
fn big_numbers_are_numbers() {
    let mut file = file();
    let pick = &mut file["states"][1][PICKS];
    let choice = CHOICES.into_iter().find(|choice| pick[choice]["value"].is_number());
    let choice = choice.expect("a number is picked first");
    let number = pick[choice]["value"].to_string();
    pick[choice]["value"] = json!({ "#bigint": number });
    let uses = &mut file["states"][0]["world"]["streams"][0]["uses"];
    *uses = json!({ "#bigint": uses.to_string() });
    assert!(reading(&file).is_ok(), "{:?}", reading(&file));
}

#[test]
fn a_file_that_skips_a_state_is_refused() {
    let mut file = file();
    let states = file["states"].as_array_mut().expect("states");
    states.remove(1);
    let refused = reading(&file).expect_err("something is missing");
    let at_one = match &refused {
        ItfError::Refused(Refused::NotEnabled { number, .. }) => *number == 1,
        other => matches!(other, ItfError::Differs { state: 1, .. }),
    };
    assert!(at_one, "{refused}");
}

#[test]
fn an_action_that_cannot_happen_is_refused_with_those_that_can() {
    let mut file = file();
    file["states"][1][ACTION_TAKEN] = json!("KernelAcknowledges");
    let mut picks = Map::new();
    picks.insert("c".to_owned(), value::some(&json!(0)));
    file["states"][1][PICKS] = Value::Object(picks);
    let Err(ItfError::Refused(Refused::NotEnabled { number: 1, action, enabled })) = reading(&file)
    else {
        panic!("{:?}", reading(&file));
    };
    assert_eq!(action, Action::KernelAcknowledges { c: crate::ids::ConnectionId(0) });
    assert!(!enabled.is_empty() && !enabled.contains(&action));
}

#[test]
fn a_state_that_is_not_so_is_refused_with_the_field() {
    let mut file = file();
    let last = file["states"].as_array().map_or(0, Vec::len) - 1;
    file["states"][last]["core"]["transports"][0]["phase"]["tag"] = json!("Open");
    let Err(ItfError::Differs { state, field, model, file }) = reading(&file) else {
        panic!("{:?}", reading(&file));
    };
    assert_eq!((state, field.as_str()), (last, "core.transports.0.phase.tag"));
    assert_eq!((model, file), (Some(json!("Closed")), Some(json!("Open"))));
}

#[test]
fn an_effect_that_was_not_had_is_refused() {
    let mut file = file();
    let last = file["states"].as_array().map_or(0, Vec::len) - 1;
    let effects = file["states"][last]["effects"].as_array_mut().expect("effects");
    effects.pop();
    let refused = reading(&file).expect_err("an effect is missing");
    assert!(matches!(refused, ItfError::Differs { .. }), "{refused}");
}

#[test]
fn a_choice_that_the_action_does_not_have_is_refused() {
    let mut file = file();
    let pick = &mut file["states"][1][PICKS];
    let choice = CHOICES.into_iter().find(|choice| pick[choice]["tag"] == "None");
    pick[choice.expect("something is not picked")] = value::some(&json!(0));
    let refused = reading(&file).expect_err("nobody picks that");
    assert!(matches!(refused, ItfError::NoSuchAction { state: 1, .. }), "{refused}");
}

#[test]
fn what_is_no_trace_is_refused() {
    assert!(matches!(read("{"), Err(ItfError::Json(_))));
    assert!(matches!(read("{}"), Err(ItfError::Shape(_))));
    let mut file = file();
    file["#meta"]["source"] = json!("nothing of ours");
    let nothing = Refused::NoSuchConfig("nothing of ours".to_owned());
    assert_eq!(reading(&file), Err(ItfError::Refused(nothing)));
    let mut file = self::file();
    file["#meta"]["mutant"] = json!("NoneOfOurs");
    assert!(matches!(reading(&file), Err(ItfError::Shape(_))));
    let mut file = self::file();
    file["vars"] = json!(["core"]);
    assert!(matches!(reading(&file), Err(ItfError::Shape(_))));
    let mut file = self::file();
    file["states"][1][ACTION_TAKEN] = json!("PeerSneezes");
    assert!(matches!(reading(&file), Err(ItfError::NoSuchAction { state: 1, .. })));
}

#[test]
fn a_counterexample_says_which_mistake_it_has_and_what_that_breaks() {
    let bug = &crate::known_bugs::KNOWN_BUGS[0];
    let config = (bug.config)().with_mutant(bug.mutant);
    let way = crate::mutants::run_mutant(bug).counterexample.expect("a counterexample");
    let trace = Trace::of(&config, bug.description, way);
    let text = write(&trace).expect("it can be performed");
    assert_eq!(read(&text), Ok(trace));
    let mut file: Value = serde_json::from_str(&text).expect("JSON");
    let broken = file["#meta"]["breaks"].as_array().expect("what it breaks").clone();
    assert!(broken.contains(&json!(bug.killed_by)), "{broken:?}");
    file["#meta"]["breaks"] = json!(["X9 nothing of ours"]);
    let Err(ItfError::Breaks { model, file: said }) = reading(&file) else {
        panic!("{:?}", reading(&file));
    };
    assert_eq!((json!(model), said), (json!(broken), vec!["X9 nothing of ours".to_owned()]));
    file["#meta"]["mutant"] = Value::Null;
    let refused = reading(&file).expect_err("null is no mistake");
    assert!(matches!(refused, ItfError::Shape(_)), "{refused}");
}

#[test]
fn actions_alone_are_a_draft() {
    let mut file = file();
    for state in file["states"].as_array_mut().expect("states") {
        let fields = state.as_object_mut().expect("a state");
        fields.retain(|field, _| [ACTION_TAKEN, PICKS].contains(&field.as_str()));
        let picks = fields[PICKS].as_object_mut().expect("picks");
        picks.retain(|_, pick| pick["tag"] == "Some");
    }
    assert!(matches!(reading(&file), Err(ItfError::Differs { state: 0, .. })));
    assert_eq!(draft(&file.to_string()), Ok(trace()));
}
