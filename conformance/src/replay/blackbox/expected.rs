//! What the model allows to be seen from outside. The actions of peers and owner are those of the trace, in its order;
//! what the server and the kernel do between them they do in any order, and the time passes when nothing else can
//! happen.

use std::collections::HashSet;

use webrtc_server_model::{Action, Config, Outcome, State, TransportId, Tuple, actions, step};

use super::super::wire::end_of;
use super::BlackboxError;
use crate::peer::StreamEnd;
use crate::replay::compare::{Told, told_of};

/// What can be seen from outside.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Shown {
    /// What the owner of each transport heard.
    pub(super) events: Vec<Vec<String>>,
    /// How the server's half of each connection ended; none if it was not opened, or if its peer reset it.
    pub(super) ends: Vec<Option<StreamEnd>>,
    /// How many close_notify alerts the peer of each transport saw.
    pub(super) alerts: Vec<usize>,
    /// What came of the farewell of each transport.
    pub(super) outcomes: Vec<Option<String>>,
}

/// Every way on which the server may be.
pub(super) struct Behaviours<'a> {
    config: &'a Config,
    ways: HashSet<(State, Shown)>,
}

impl<'a> Behaviours<'a> {
    pub(super) fn new(config: &'a Config) -> Self {
        let state = State::initial(config);
        let transports = config.transports.len();
        let shown = Shown {
            events: vec![Vec::new(); transports],
            ends: vec![None; config.connections.len()],
            alerts: vec![0; transports],
            outcomes: vec![None; transports],
        };
        Behaviours { config, ways: HashSet::from([(state, shown)]) }
    }

    pub(super) fn states(&self) -> impl Iterator<Item = &State> {
        self.ways.iter().map(|(state, _)| state)
    }

    /// The tuple that is selected when nothing is left to do.
    ///
    /// # Errors
    ///
    /// [`BlackboxError::Differs`] where that depends on what the server does first: nobody outside knows.
    pub(super) fn selected(&self, t: TransportId) -> Result<Option<Tuple>, BlackboxError> {
        let quiet = self.states().filter(|state| self.own_actions(state).is_empty());
        let mut selected = quiet.map(|state| state.core.transport(t).selected);
        let first = selected.next().flatten();
        if selected.all(|other| other == first) {
            Ok(first)
        } else {
            Err(BlackboxError::Differs("which tuple is selected is the server's choice"))
        }
    }

    /// An action of a peer or of the owner, wherever it can happen; `false`, and nothing, if it can nowhere.
    pub(super) fn take(&mut self, action: Action) -> bool {
        let next: HashSet<_> = self.ways.iter().filter_map(|way| self.after(way, action)).collect();
        if next.is_empty() {
            return false;
        }
        self.ways = next;
        self.settle();
        true
    }

    /// The same of the first of these that can happen.
    pub(super) fn take_one(&mut self, actions: impl IntoIterator<Item = Action>) -> bool {
        actions.into_iter().any(|action| self.take(action))
    }

    /// How many events each owner hears at least before anybody outside acts again.
    pub(super) fn events_at_least(&self) -> Vec<usize> {
        let quiet = |(state, _): &&(State, Shown)| self.own_actions(state).is_empty();
        let quiet: Vec<&(State, Shown)> = self.ways.iter().filter(quiet).collect();
        let of = |t: usize| quiet.iter().map(|(_, shown)| shown.events[t].len()).min().unwrap_or(0);
        (0..self.config.transports.len()).map(of).collect()
    }

    /// Lets time pass until everything is over. What can be seen by then.
    pub(super) fn at_the_end(mut self) -> Vec<Shown> {
        let mut over = HashSet::new();
        while !self.ways.is_empty() {
            let mut next = HashSet::new();
            for way in &self.ways {
                if !self.own_actions(&way.0).is_empty() {
                    continue;
                }
                let deadlines = self.deadlines(&way.0);
                if deadlines.is_empty() {
                    over.insert(way.1.clone());
                }
                next.extend(deadlines.into_iter().filter_map(|action| self.after(way, action)));
            }
            self.ways = next;
            self.settle();
        }
        over.into_iter().collect()
    }

    /// Every state on the way as well: from outside nobody sees how far the server is.
    fn settle(&mut self) {
        let mut fresh: Vec<_> = self.ways.iter().cloned().collect();
        while let Some(way) = fresh.pop() {
            for action in self.own_actions(&way.0) {
                if let Some(next) = self.after(&way, action)
                    && self.ways.insert(next.clone())
                {
                    fresh.push(next);
                }
            }
        }
    }

    fn own_actions(&self, state: &State) -> Vec<Action> {
        let mut own = actions(self.config, state);
        own.retain(|action| is_natural(*action));
        own
    }

    /// That of the whole close is the last.
    fn deadlines(&self, state: &State) -> Vec<Action> {
        let all = actions(self.config, state);
        let of_one = |action: &&Action| {
            matches!(
                action,
                Action::FarewellDeadlinePasses { .. } | Action::LingerDeadlinePasses { .. }
            )
        };
        let first: Vec<_> = all.iter().filter(of_one).copied().collect();
        let of_all = |action: &&Action| matches!(action, Action::ServerDeadlinePasses { .. });
        if first.is_empty() { all.iter().filter(of_all).copied().collect() } else { first }
    }

    fn after(&self, (state, shown): &(State, Shown), action: Action) -> Option<(State, Shown)> {
        let (after, effects) = step(self.config, state, action)?;
        let mut shown = shown.clone();
        for effect in effects {
            if let Some((c, end)) = end_of(state, effect)
                && shown.ends[c.index()] == Some(StreamEnd::Open)
            {
                shown.ends[c.index()] = Some(end);
            }
            if let Some(t) = effect.transport() {
                shown.events[t.index()].extend(told_of(effect).into_iter().filter_map(word));
            }
        }
        if let Action::PeerConnects { c } = action {
            shown.ends[c.index()] = Some(StreamEnd::Open);
        }
        if let Action::PeerResets { c } = action {
            shown.ends[c.index()] = None;
        }
        for t in self.config.transport_ids() {
            shown.alerts[t.index()] = usize::from(after.world.peer(t).alerts);
            shown.outcomes[t.index()] = after.core.transport(t).outcome.map(outcome);
        }
        Some((after, shown))
    }
}

/// Whether it happens by itself, whenever it does.
pub(super) fn is_natural(action: Action) -> bool {
    matches!(
        action,
        Action::KernelAcknowledges { .. }
            | Action::WorkerReads { .. }
            | Action::WorkerTakesOver { .. }
            | Action::WorkerJudges { .. }
            | Action::WorkerHearsProof { .. }
            | Action::WorkerHearsClose { .. }
            | Action::WorkerHearsGrant { .. }
            | Action::WorkerMeetsStaleEvent { .. }
    )
}

/// In the words of the protocol. That the server closes is the server's event there.
fn word(told: Told) -> Option<String> {
    let text = |value: &dyn std::fmt::Debug| camel(&format!("{value:?}"));
    match told {
        Told::Selected(tuple) => Some(selected_word(tuple)),
        Told::Ice(state) => Some(format!("icestatechange {}", text(&state))),
        Told::Dtls(state) => Some(format!("dtlsstatechange {}", text(&state))),
        Told::Closed(reason, _) => Some(format!("close {}", text(&reason))),
        Told::ServerCloses | Told::Keyless | Told::Data => None,
    }
}

fn selected_word(tuple: Option<Tuple>) -> String {
    let protocol = match tuple {
        Some(Tuple::Udp(_)) => "udp",
        Some(Tuple::Tcp(_)) => "tcp",
        None => "none",
    };
    format!("iceselectedtuplechange {protocol}")
}

fn outcome(outcome: Outcome) -> String {
    match outcome {
        Outcome::Confirmed => "confirmed".to_owned(),
        Outcome::Sent => "sent".to_owned(),
        Outcome::NotNeeded(why) => format!("notNeeded {}", camel(&format!("{why:?}"))),
        Outcome::Dropped(why) => format!("dropped {}", camel(&format!("{why:?}"))),
    }
}

fn camel(name: &str) -> String {
    let mut letters = name.chars();
    letters.next().map(|first| first.to_ascii_lowercase()).into_iter().chain(letters).collect()
}
