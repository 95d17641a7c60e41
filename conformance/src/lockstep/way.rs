//! One way of the model on the real core.

use super::report::Lockstep;
use super::run::{Error, begin, can_have, come_too_late, compare};
use crate::divergence::{Divergence, Finding};
use std::time::Instant;
use webrtc_server::lifecycle::Mutant;
use webrtc_server_model::{Action, Config, State, step};

/// Feeds one way to the real core, or to one with a mutant, and compares as [`run`](super::run()) does, up to the first
/// divergence. `watch` is told of each step that agreed how many effects it had.
///
/// # Errors
///
/// When nothing happens on the way, and when the core cannot have the mutant.
pub fn walk(
    config: &Config,
    way: &[Action],
    mutant: Option<Mutant>,
    watch: &mut dyn FnMut(usize),
) -> Result<Lockstep, Error> {
    if way.is_empty() {
        return Err(Error::NothingToCompare);
    }
    can_have(mutant)?;
    let began = Instant::now();
    let mut walked = Lockstep {
        config: config.clone(),
        states: 0,
        edges: 0,
        divergences: Vec::new(),
        effects_compared: 0,
        late_inputs: 0,
        seconds: 0.0,
    };
    let divergence = along(&mut walked, way, mutant, watch).err();
    walked.divergences.extend(divergence);
    Ok(Lockstep { seconds: began.elapsed().as_secs_f64(), ..walked })
}

fn along(
    walked: &mut Lockstep,
    way: &[Action],
    mutant: Option<Mutant>,
    watch: &mut dyn FnMut(usize),
) -> Result<(), Divergence> {
    let config = walked.config.clone();
    let at =
        |index: usize| move |found: Finding| found.into_divergence(way[..index].to_vec(), None);
    let mut real = begin(&config, mutant).map_err(at(0))?;
    let mut state = State::initial(&config);
    for (index, action) in way.iter().enumerate() {
        walked.states += 1;
        walked.late_inputs += come_too_late(&real, &state).map_err(at(index))?;
        let effects = compare(&config, &mut real, &state, *action)
            .map_err(|found| found.into_divergence(way[..index].to_vec(), Some(*action)))?;
        walked.edges += 1;
        walked.effects_compared += effects;
        watch(effects);
        let Some((after, _)) = step(&config, &state, *action) else { break };
        state = after;
    }
    walked.states += 1;
    walked.late_inputs += come_too_late(&real, &state).map_err(at(way.len()))?;
    Ok(())
}
