//! Why the bounds are what they are: which mutants are caught in which configuration, and what of a configuration it
//! takes to catch each.

use serde::Serialize;

use super::parallel;
use crate::aspects::Aspect;
use crate::config::{Config, Role, TransportConfig};
use crate::explore::Graph;
use crate::ids::{ListenerId, SocketId, WorkerId};
use crate::known_bugs::KnownBug;
use crate::model::LifecycleModel;
use crate::mutants::Mutant;
use crate::presets::Preset;
use crate::properties::properties;
use crate::state::Tuple;

/// A mutant that is caught in so many configurations is not looked for in further, larger ones.
const KILLS_ENOUGH: usize = 2;
/// How many states a configuration may have in which every mutant is looked for to the end.
const STATES_MAX: usize = 150_000;
/// More tuples than any transport can have.
const NO_CAP: usize = 8;

/// In which configurations a mutant breaks the property that ought to catch it.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct KillRow {
    /// The mutant.
    pub mutant: Mutant,
    /// The configurations in the order of the preset.
    pub kills: Vec<(&'static str, Kill)>,
}

/// What became of a mutant in one configuration.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Kill {
    /// It is caught after so many actions.
    After(usize),
    /// Nothing shows it.
    Survives,
    /// It was caught in enough others before.
    NotTried,
    /// It was given up: the configuration is too large.
    GivenUp,
}

/// What of its smallest configuration a mutant needs to be caught.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct NeedRow {
    /// The mutant.
    pub mutant: Mutant,
    /// The configuration.
    pub config: &'static str,
    /// What of it was taken away, one thing at a time.
    pub needs: Vec<Need>,
}

/// Whether a mutant needs one aspect of its configuration.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Need {
    /// The aspect.
    pub aspect: &'static str,
    /// Without it nothing shows the mutant.
    pub is_needed: bool,
}

impl KillRow {
    /// The only configuration that catches it, if it is the only one.
    pub fn only_in(&self) -> Option<&'static str> {
        let mut killing = self.kills.iter().filter(|(_, kill)| matches!(kill, Kill::After(_)));
        let first = killing.next()?.0;
        killing.next().is_none().then_some(first)
    }
}

/// Look for each mutant in each configuration, in the order of the preset.
pub(super) fn kills(preset: &Preset, bugs: &[KnownBug]) -> Vec<KillRow> {
    parallel::map(bugs, |bug| {
        let mut found = 0;
        let mut kills = Vec::new();
        for config in &preset.configs {
            let kill = match found < KILLS_ENOUGH {
                true => look_for(bug, config),
                false => Kill::NotTried,
            };
            found += usize::from(matches!(kill, Kill::After(_)));
            kills.push((config.name, kill));
        }
        KillRow { mutant: bug.mutant, kills }
    })
}

fn look_for(bug: &KnownBug, config: &Config) -> Kill {
    let config = config.clone().with_mutant(bug.mutant);
    let model = LifecycleModel(config.clone());
    let property = properties().into_iter().find(|property| property.name == bug.killed_by);
    let property = property.expect("the table names what exists");
    let is_broken = |state: &_| !(property.condition)(&model, state);
    let seen = std::cell::Cell::new(0);
    let graph = Graph::explore_until(&config, |_, state| {
        seen.set(seen.get() + 1);
        is_broken(state) || seen.get() > STATES_MAX
    });
    match graph.shortest(|_, state| is_broken(state)) {
        Some(way) => Kill::After(way.len()),
        None if seen.get() > STATES_MAX => Kill::GivenUp,
        None => Kill::Survives,
    }
}

/// Take one aspect at a time from the smallest configuration of each mutant.
pub(super) fn needs(bugs: &[KnownBug]) -> Vec<NeedRow> {
    parallel::map(bugs, |bug| {
        let config = (bug.config)();
        let need = |aspect: Aspect| {
            let survives = |less: &Config| look_for(bug, less) == Kill::Survives;
            let is_needed = without(&config, aspect).iter().all(survives);
            Need { aspect: aspect.0, is_needed }
        };
        let needs = config.aspects().into_iter().map(need).collect();
        NeedRow { mutant: bug.mutant, config: config.name, needs }
    })
}

/// The same without one aspect, in every way in which it can be taken away.
fn without(config: &Config, aspect: Aspect) -> Vec<Config> {
    if aspect == Aspect("several transports") {
        let alone = |t: &TransportConfig| Config { transports: vec![t.clone()], ..config.clone() };
        return config.transports.iter().map(alone).collect();
    }
    let mut less = config.clone();
    match aspect.0 {
        "eviction" => less.tuples_max = NO_CAP,
        "shared tuples" => unshare(&mut less),
        "full UDP sockets" => less.kernel.full_sockets = false,
        "full connections" => less.kernel.full_connections = false,
        "little room" => less.kernel.little_room = false,
        "unread input" => less.kernel.unread_input = false,
        "unseen resets" => less.kernel.unseen_resets = false,
        "reopened connections" => less.kernel.reopened_connections = false,
        "stale events" => less.kernel.stale_events = false,
        "missing descriptors" => less.kernel.missing_descriptors = false,
        "dropped handles" => less.owner.dropped_handles = false,
        "callbacks" => less.owner.callbacks = false,
        "several callers" => less.callers = 1,
        "hand-overs" => bring_home(&mut less),
        "several carriers" | "several workers" => gather(&mut less),
        _ => less.transports.iter_mut().for_each(|t| take_from(t, aspect)),
    }
    vec![less]
}

/// Take an aspect of the peer or of the owner from one transport.
fn take_from(transport: &mut TransportConfig, aspect: Aspect) {
    let aspects = &mut transport.aspects;
    match aspect.0 {
        "UDP" => transport.addresses.clear(),
        "TCP" => transport.connections.clear(),
        "two connections" => transport.connections.truncate(1),
        "nomination" => aspects.nomination = false,
        "consent" => aspects.consent = false,
        "failing handshakes" => aspects.handshake_failure = false,
        "flights" => aspects.flights = false,
        "peer closes" => aspects.peer_closes = false,
        "fatal alert" => aspects.fatal_alert = false,
        "owner closes" => aspects.owner_closes = false,
        "restarts" => aspects.restarts = false,
        "late creation" => aspects.created_later = false,
        "DTLS client" => transport.role = Role::Server,
        other => unreachable!("nobody knows how to take away {other:?}"),
    }
}

/// Each tuple stays with the first transport that has it.
fn unshare(config: &mut Config) {
    let mut taken: Vec<Tuple> = Vec::new();
    for transport in &mut config.transports {
        transport.addresses.retain(|a| !taken.contains(&Tuple::Udp(*a)));
        transport.connections.retain(|c| !taken.contains(&Tuple::Tcp(*c)));
        taken.extend(transport.tuples());
    }
}

/// Each connection is for transports of the worker that accepts it.
fn bring_home(config: &mut Config) {
    let homes: Vec<_> = config.connection_ids().map(|c| config.home_of(c)).collect();
    for transport in &mut config.transports {
        transport.connections.retain(|c| homes[c.index()] == transport.worker);
    }
}

/// One worker with one socket and one listener for everything.
fn gather(config: &mut Config) {
    config.workers = 1;
    config.sockets = vec![WorkerId(0)];
    config.listeners = vec![WorkerId(0)];
    config.addresses.fill(SocketId(0));
    config.connections.fill(ListenerId(0));
    config.transports.iter_mut().for_each(|transport| transport.worker = WorkerId(0));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_taken_away_is_gone() {
        for config in Preset::nightly().configs {
            for aspect in config.aspects() {
                for less in without(&config, aspect) {
                    assert!(!less.aspects().contains(&aspect), "{}: {}", config.name, aspect.0);
                }
            }
        }
    }
}
