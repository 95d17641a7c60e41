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

/// Of so many transports under stress one at least must come to each of these, or their logs say little: less than half
/// of the least that any five of sixty runs came to on a busy machine. On one that is too slow for the deadlines of the
/// servers little happens.
const PER_CONNECTED: usize = 5;
const PER_FAREWELL: usize = 10;
const PER_FAULT: usize = 10;

impl Summary {
    /// What there is too little of, after stress that was to create so many transports.
    #[must_use]
    pub fn too_little(&self, planned: usize) -> Vec<String> {
        let floors = [
            ("were connected", self.connected, planned / PER_CONNECTED),
            ("said goodbye", self.farewells, planned / PER_FAREWELL),
            ("faults were met", self.faults, planned / PER_FAULT),
        ];
        let few = floors.into_iter().filter(|(_, count, min)| count < min);
        few.map(|(what, count, min)| format!("{count} {what}, and less than {min} says little"))
            .collect()
    }

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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn runs_in_which_little_happens_say_little() {
        let enough = Summary { connected: 40, farewells: 20, faults: 20, ..Summary::default() };
        assert_eq!(enough.too_little(200), Vec::<String>::new());
        let little = Summary { farewells: 19, ..enough };
        assert_eq!(little.too_little(200), ["19 said goodbye, and less than 20 says little"]);
        assert_eq!(Summary::default().too_little(200).len(), 3);
    }
}
