//! Which transports and connections have to do with each other.

use crate::action::{Action, Subject};
use crate::config::Config;
use crate::ids::{ConnectionId, TransportId};
use crate::state::Tuple;

/// Transports that may come to share a tuple, and the connections that may become their tuples.
///
/// What happens within one group changes no other, but for what all of them share: the workers, the sockets, the
/// server and its owner.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Group {
    /// The transports.
    pub transports: Vec<TransportId>,
    /// The connections.
    pub connections: Vec<ConnectionId>,
}

/// The groups of a configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Groups(Vec<Group>);

impl Groups {
    /// A connection that no transport may use is a group by itself.
    pub fn of(config: &Config) -> Self {
        let mut groups: Vec<Group> = Vec::new();
        for t in config.transport_ids() {
            let connections = config.transport(t).connections.clone();
            let alone = Group { transports: vec![t], connections };
            let (linked, rest): (Vec<_>, Vec<_>) =
                groups.into_iter().partition(|group| group.shares_a_tuple(config, t));
            groups = rest;
            groups.push(linked.into_iter().fold(alone, Group::with));
        }
        for c in (0..config.connections.len() as u8).map(ConnectionId) {
            if !groups.iter().any(|group| group.connections.contains(&c)) {
                groups.push(Group { transports: Vec::new(), connections: vec![c] });
            }
        }
        groups.sort_by_key(|group| (group.transports.clone(), group.connections.clone()));
        Self(groups)
    }

    /// All of them.
    pub fn all(&self) -> &[Group] {
        &self.0
    }

    /// The place of the group that an action happens to; none if it happens to what all share.
    pub fn subject(&self, action: Action) -> Option<usize> {
        let mut groups = self.0.iter();
        match action.subject() {
            Subject::Transport(t) => groups.position(|group| group.transports.contains(&t)),
            Subject::Connection(c) => groups.position(|group| group.connections.contains(&c)),
            Subject::Worker | Subject::Server => None,
        }
    }
}

impl Group {
    fn shares_a_tuple(&self, config: &Config, t: TransportId) -> bool {
        let may_use = |tuple: Tuple| config.transport(t).may_use(tuple);
        self.transports.iter().any(|other| config.transport(*other).tuples().any(may_use))
    }

    fn with(mut self, other: Self) -> Self {
        self.transports.extend(other.transports);
        self.connections.extend(other.connections);
        self.transports.sort();
        self.connections.sort();
        self.connections.dedup();
        self
    }
}
