//! What a step changed, in words: only the fields that differ.

use std::fmt;

use crate::state::{Connection, Core, Queue, State, Transport};
use crate::world::{Peer, World};

/// One field of a state before and after a step.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// Which field: `server`, `t0.phase`, `peer1.stream` and so on.
    pub field: String,
    /// What it was.
    pub before: String,
    /// What it is now.
    pub after: String,
}

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {} -> {}", self.field, self.before, self.after)
    }
}

/// The fields in which two states of one configuration differ. What only the properties remember
/// is not among them.
pub fn changes(before: &State, after: &State) -> Vec<Change> {
    fields(before)
        .into_iter()
        .zip(fields(after))
        .filter(|(before, after)| before.1 != after.1)
        .map(|((field, before), (_, after))| Change { field, before, after })
        .collect()
}

/// Every field by its name, always in the same order.
fn fields(state: &State) -> Vec<(String, String)> {
    let State { core: Core { server, transports }, world, ghost: _ } = state;
    let World { socket, listener, peers, callers } = world;
    let mut fields = vec![
        ("server".to_owned(), format!("{server:?}")),
        ("socket".to_owned(), format!("{socket:?}")),
        ("listener".to_owned(), format!("{listener:?}")),
    ];
    for (index, transport) in transports.iter().enumerate() {
        let named = fields_of_transport(transport).into_iter();
        fields.extend(named.map(|(name, value)| (format!("t{index}.{name}"), value)));
    }
    for (index, Peer { stream, said_close, alerts }) in peers.iter().enumerate() {
        fields.push((format!("peer{index}.stream"), format!("{stream:?}")));
        fields.push((format!("peer{index}.said_close"), said_close.to_string()));
        fields.push((format!("peer{index}.alerts"), alerts.to_string()));
    }
    for (index, caller) in callers.iter().enumerate() {
        fields.push((format!("caller{index}"), format!("{caller:?}")));
    }
    fields
}

fn fields_of_transport(transport: &Transport) -> [(&'static str, String); 9] {
    let Transport { phase, ice, dtls, udp, tcp, selected, farewell, reason, outcome } = transport;
    [
        ("phase", format!("{phase:?}")),
        ("ice", format!("{ice:?}")),
        ("dtls", format!("{dtls:?}")),
        ("udp", udp.to_string()),
        ("tcp", connection(*tcp)),
        ("selected", option(*selected)),
        ("farewell", format!("{farewell:?}")),
        ("reason", option(*reason)),
        ("outcome", option(*outcome)),
    ]
}

fn option(value: Option<impl fmt::Debug>) -> String {
    value.map_or_else(|| "none".to_owned(), |value| format!("{value:?}"))
}

fn connection(connection: Connection) -> String {
    match connection {
        Connection::None => "None".to_owned(),
        Connection::Unbound => "Unbound".to_owned(),
        Connection::Bound { queue } => format!("Bound({})", waiting(queue)),
        Connection::Flushing { queue, eof } => {
            format!("Flushing({}, read side {eof:?})", waiting(queue))
        }
        Connection::Draining { holder } => format!("Draining(held by {holder:?})"),
        Connection::Gone => "Gone".to_owned(),
    }
}

fn waiting(queue: Queue) -> &'static str {
    match (queue.begun, queue.alert) {
        (false, false) => "nothing waits",
        (true, false) => "a begun frame waits",
        (false, true) => "an alert waits",
        (true, true) => "an alert waits behind a begun frame",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::action::{Action, TransportId};
    use crate::config::Config;
    use crate::explore::Graph;
    use crate::state::Via;
    use crate::step::step;

    #[test]
    fn only_what_differs_is_named() {
        let config = Config::small();
        let before = State::initial(&config);
        let check = Action::PeerChecks { t: TransportId(0), via: Via::Udp, nominate: false };
        let (after, _) = step(&config, &before, check).expect("the first check");
        let told: Vec<_> = changes(&before, &after).iter().map(ToString::to_string).collect();
        let expected = [
            "t0.ice: New -> Connected",
            "t0.dtls: New -> Connecting",
            "t0.udp: false -> true",
            "t0.selected: none -> Udp",
        ];
        assert_eq!(told, expected);
    }

    #[test]
    fn a_step_that_changes_a_state_changes_a_field() {
        let graph = Graph::explore(&Config::small());
        for edge in graph.edges() {
            let [from, to] = [edge.from, edge.to].map(|at| &graph.states()[at as usize]);
            assert_eq!(changes(from, to).is_empty(), edge.from == edge.to, "{:?}", edge.action);
        }
    }
}
