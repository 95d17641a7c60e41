//! What is compared after one step.

use std::fmt;

/// How many things of each kind were compared.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Things {
    /// Effects of the model.
    pub effects: usize,
    /// The server, its workers, transports and connections.
    pub states: usize,
    /// Alarms, and timers of the cores.
    pub alarms: usize,
    /// Events that owners heard, and whether they were told of the end.
    pub callbacks: usize,
    /// Those who wait in `close()`, and the callback that is armed.
    pub callers: usize,
    /// What the workers let go of: carriers that their polls watch, owners that are held, descriptors.
    pub leavings: usize,
    /// What peers saw: alerts, what is behind them, ends of connections; and carriers that were released.
    pub wire: usize,
}

impl Things {
    /// All of them.
    #[must_use]
    pub fn total(self) -> usize {
        let Things { effects, states, alarms, callbacks, callers, leavings, wire } = self;
        effects + states + alarms + callbacks + callers + leavings + wire
    }
}

impl fmt::Display for Things {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kinds = [
            (self.effects, "effects"),
            (self.states, "states"),
            (self.alarms, "alarms"),
            (self.callbacks, "callbacks"),
            (self.callers, "callers"),
            (self.leavings, "let go"),
            (self.wire, "at the peers"),
        ];
        let kinds = kinds.iter().filter(|(count, _)| *count > 0);
        let kinds: Vec<_> = kinds.map(|(count, kind)| format!("{count} {kind}")).collect();
        f.write_str(&kinds.join(", "))
    }
}
