//! What a step changed, in words: only the fields that differ.

use std::fmt;

use crate::state::{Connection, Core, Farewell, Queue, State, Transport, Tuple, Waiting};
use crate::world::{Callback, Peer, Stream, World};

/// One field of a state before and after a step.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// Which field: `server`, `t0.phase`, `c1.room` and so on.
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
    let State { core, world, ghost: _ } = state;
    let Core { server, workers, transports, connections, holders } = core;
    let World { sockets, listeners, streams, peers, callers, callback, stale, mail } = world;
    let mut fields = vec![("server".to_owned(), format!("{server:?}"))];
    fields.extend(numbered("w", workers));
    fields.extend(numbered("s", sockets));
    fields.extend(numbered("l", listeners));
    for (index, transport) in transports.iter().enumerate() {
        fields.extend(
            of_transport(transport).map(|(name, value)| (format!("t{index}{name}"), value)),
        );
    }
    for (index, (at, stream)) in connections.iter().zip(streams).enumerate() {
        fields.push((format!("c{index}"), connection(*at)));
        fields.push((format!("c{index}.holder"), holders[index].to_string()));
        fields.extend(of_stream(*stream).map(|(name, value)| (format!("c{index}{name}"), value)));
    }
    for (index, peer) in peers.iter().enumerate() {
        fields.extend(of_peer(*peer).map(|(name, value)| (format!("peer{index}{name}"), value)));
    }
    fields.extend(numbered("caller", callers));
    fields.push(("callback".to_owned(), callback_in_words(*callback)));
    fields.push(("stale".to_owned(), stale.map_or_else(none, |c| c.to_string())));
    fields.push(("mail".to_owned(), format!("{mail:?}")));
    fields
}

fn numbered<T: fmt::Debug>(prefix: &str, values: &[T]) -> Vec<(String, String)> {
    let values = values.iter().enumerate();
    values.map(|(index, value)| (format!("{prefix}{index}"), format!("{value:?}"))).collect()
}

fn of_transport(transport: &Transport) -> [(&'static str, String); 9] {
    let Transport { phase, ice, dtls, tuples, selected, ufrags, farewell, reason, outcome } =
        transport;
    [
        (".phase", format!("{phase:?}")),
        (".ice", format!("{ice:?}")),
        (".dtls", format!("{dtls:?}")),
        (".tuples", list(tuples)),
        (".selected", selected.map_or_else(none, |tuple| tuple.to_string())),
        (".ufrags", format!("{ufrags:?}")),
        (".farewell", farewell_in_words(*farewell)),
        (".reason", reason.map_or_else(none, |reason| format!("{reason:?}"))),
        (".outcome", outcome.map_or_else(none, |outcome| format!("{outcome:?}"))),
    ]
}

fn of_stream(stream: Stream) -> [(&'static str, String); 4] {
    let Stream { end, room, unread, uses } = stream;
    [
        (".end", format!("{end:?}")),
        (".room", format!("{room:?}")),
        (".unread", unread.to_string()),
        (".uses", uses.to_string()),
    ]
}

fn of_peer(peer: Peer) -> [(&'static str, String); 3] {
    let Peer { flights, said_close, alerts } = peer;
    [
        (".flights", flights.to_string()),
        (".said_close", said_close.to_string()),
        (".alerts", alerts.to_string()),
    ]
}

fn none() -> String {
    "none".to_owned()
}

fn list(tuples: &[Tuple]) -> String {
    match tuples {
        [] => none(),
        _ => tuples.iter().map(ToString::to_string).collect::<Vec<_>>().join(", "),
    }
}

fn farewell_in_words(farewell: Farewell) -> String {
    match farewell {
        Farewell::None => none(),
        Farewell::Queued(tuple) => format!("Queued({tuple})"),
        Farewell::Sent(tuple) => format!("Sent({tuple})"),
        Farewell::Confirmed(tuple) => format!("Confirmed({tuple})"),
        Farewell::Dropped(reason) => format!("Dropped({reason:?})"),
    }
}

fn connection(connection: Connection) -> String {
    match connection {
        Connection::None => "None".to_owned(),
        Connection::Unbound => "Unbound".to_owned(),
        Connection::InFlight { to } => format!("InFlight({to})"),
        Connection::Bound { owner, queue } => format!("Bound({owner}, {})", waiting(queue)),
        Connection::Flushing { owner, queue, eof } => {
            format!("Flushing({owner}, {}, read side {eof:?})", waiting(queue))
        }
        Connection::Draining { owner: Some(owner) } => format!("Draining({owner} waits for it)"),
        Connection::Draining { owner: None } => "Draining(nobody waits for it)".to_owned(),
        Connection::Gone => "Gone".to_owned(),
    }
}

fn waiting(Queue { other, alert }: Queue) -> String {
    match (frame("a frame", other), frame("an alert", alert)) {
        (None, None) => "nothing waits".to_owned(),
        (Some(one), None) | (None, Some(one)) => format!("{one} waits"),
        (Some(other), Some(alert)) => format!("{alert} waits behind {other}"),
    }
}

fn frame(what: &str, waiting: Waiting) -> Option<String> {
    match waiting {
        Waiting::No => None,
        Waiting::Whole => Some(what.to_owned()),
        Waiting::Begun => Some(format!("the rest of {what}")),
    }
}

fn callback_in_words(callback: Callback) -> String {
    match callback {
        Callback::Idle => "Idle".to_owned(),
        Callback::Armed(closes) => format!("Armed({closes})"),
        Callback::Asked(t) => format!("Asked({t})"),
        Callback::Done => "Done".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::action::{Action, Check};
    use crate::config::Config;
    use crate::explore::Graph;
    use crate::ids::{AddressId, TransportId};
    use crate::step::step;

    #[test]
    fn only_what_differs_is_named() {
        let config = Config::small();
        let before = State::initial(&config);
        let from = Tuple::Udp(AddressId(0));
        let check = Action::PeerChecks { t: TransportId(0), from, check: Check::Plain };
        let (after, _) = step(&config, &before, check).expect("the first check");
        let told: Vec<_> = changes(&before, &after).iter().map(ToString::to_string).collect();
        let expected = [
            "t0.ice: New -> Connected",
            "t0.dtls: New -> Connecting",
            "t0.tuples: none -> UDP a0",
            "t0.selected: none -> UDP a0",
        ];
        assert_eq!(told, expected);
    }

    /// Nothing is left out, neither of the state nor of the words for it.
    #[test]
    fn a_step_that_changes_a_state_changes_a_field() {
        for config in [Config::small(), Config::kernel(), Config::reuse(), Config::restart()] {
            let graph = Graph::explore(&config);
            for edge in graph.edges() {
                let [from, to] = [edge.from, edge.to].map(|at| &graph.states()[at as usize]);
                let same = from.core == to.core && from.world == to.world;
                assert_eq!(changes(from, to).is_empty(), same, "{:?}", edge.action);
            }
        }
    }
}
