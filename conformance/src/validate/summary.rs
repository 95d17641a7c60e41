//! What a log is of, and how much of it was explained.

use super::log::{Entry, Heard, Input, What};
use std::fmt;
use std::ops::AddAssign;
use webrtc_server::lifecycle::{DtlsState, Outcome};

/// What was explained.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Summary {
    /// Lines of the log.
    pub entries: usize,
    /// Transports.
    pub transports: usize,
    /// Those whose DTLS was connected.
    pub connected: usize,
    /// Those whose close_notify left.
    pub farewells: usize,
    /// Inputs that told of a fault: no room, an error, a reset.
    pub faults: usize,
    /// Connections that never were anybody's.
    pub strangers: usize,
    /// Turns that were simulated, over all of these.
    pub turns: usize,
    /// The most states of the model that explained one turn.
    pub candidates_max: usize,
    /// States of the model that were looked at.
    pub states: usize,
}

impl Summary {
    /// What the entries say themselves, before anything is explained.
    pub(super) fn of(log: &[Entry]) -> Self {
        let count = |is: fn(&What) -> bool| log.iter().filter(|entry| is(&entry.what)).count();
        Summary {
            entries: log.len(),
            connected: count(is_connected),
            farewells: count(is_farewell),
            faults: count(is_fault),
            ..Summary::default()
        }
    }
}

fn is_connected(what: &What) -> bool {
    let state = DtlsState::Connected;
    matches!(what, What::Heard { event: Heard::DtlsStateChanged { state: now }, .. } if *now == state)
}

fn is_farewell(what: &What) -> bool {
    matches!(
        what,
        What::Heard {
            event: Heard::Closed { outcome: Outcome::Confirmed | Outcome::Sent, .. },
            ..
        }
    )
}

fn is_fault(what: &What) -> bool {
    what.step().is_some_and(|step| {
        matches!(
            step.input,
            Input::ConnectionBlocked { .. }
                | Input::ConnectionReset { .. }
                | Input::CloseNotifyBlocked { .. }
                | Input::CloseNotifyFailed { .. }
        )
    })
}

impl AddAssign for Summary {
    /// Of two logs.
    fn add_assign(&mut self, other: Self) {
        *self = Summary {
            entries: self.entries + other.entries,
            transports: self.transports + other.transports,
            connected: self.connected + other.connected,
            farewells: self.farewells + other.farewells,
            faults: self.faults + other.faults,
            strangers: self.strangers + other.strangers,
            turns: self.turns + other.turns,
            candidates_max: self.candidates_max.max(other.candidates_max),
            states: self.states + other.states,
        };
    }
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Summary { entries, transports, connected, farewells, faults, .. } = self;
        let Summary { strangers, turns, candidates_max, states, .. } = self;
        write!(f, "{entries} entries, {transports} transports ({connected} connected, ")?;
        write!(f, "{farewells} said goodbye), {strangers} strangers, {faults} faults: ")?;
        write!(f, "{turns} turns explained by {candidates_max} states at most, ")?;
        write!(f, "{states} looked at")
    }
}
