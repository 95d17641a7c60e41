//! What each configuration has of the world, by name, and which of these things meet.

use std::collections::{BTreeMap, BTreeSet};

use crate::config::{Config, Role};

/// Something that a configuration may have or lack. The name is what reports say.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Aspect(pub &'static str);

/// An aspect, the aspects that it need not meet, and why that hides nothing.
pub struct Apart {
    /// The aspect.
    pub aspect: Aspect,
    /// Those that it need not meet; empty: all that it does not meet.
    pub from: &'static [Aspect],
    /// Why.
    pub why: &'static str,
}

/// Pairs of aspects that cannot interact, so that no configuration of a preset needs both.
pub const APART: [Apart; 9] = [
    Apart {
        aspect: Aspect("several workers"),
        from: &[],
        why: "workers share the barrier and hand-overs only: else what happens in one meets another as `Drained`",
    },
    Apart {
        aspect: Aspect("hand-overs"),
        from: &[],
        why: "a connection is handed over before it is anybody's, and taken over it is like one accepted there",
    },
    Apart {
        aspect: Aspect("several callers"),
        from: &[],
        why: "callers meet at the barrier: the second close changes nothing but who waits",
    },
    Apart {
        aspect: Aspect("DTLS client"),
        from: &[],
        why: "no transition reads the role: it is there for the code that plays it",
    },
    Apart {
        aspect: Aspect("late creation"),
        from: &[],
        why: "from its creation on a transport is like any other; before it, only the close of the server matters",
    },
    Apart {
        aspect: Aspect("missing descriptors"),
        from: &[],
        why: "a connection that cannot be accepted is no connection",
    },
    Apart {
        aspect: Aspect("several carriers"),
        from: &[],
        why: "to a transport a second socket is one more address; it meets full sockets and other transports",
    },
    Apart {
        aspect: Aspect("several transports"),
        from: &[],
        why: "where no tuple is shared, what happens to different transports commutes, which is checked on every graph",
    },
    Apart {
        aspect: Aspect("flights"),
        from: &[Aspect("two connections"), Aspect("shared tuples")],
        why: "a flight moves nothing but the peer; that a handshake is under way they meet",
    },
];

impl Config {
    /// What it has.
    pub fn aspects(&self) -> BTreeSet<Aspect> {
        let any =
            |has: fn(&crate::config::TransportConfig) -> bool| self.transports.iter().any(has);
        let mut tuples: Vec<_> = self.transports.iter().flat_map(|t| t.tuples()).collect();
        tuples.sort_unstable();
        let shared = tuples.windows(2).any(|pair| pair[0] == pair[1]);
        let evicts = self.transports.iter().any(|t| t.tuples().count() > self.tuples_max);
        let (kernel, owner) = (self.kernel, self.owner);
        let all = [
            ("UDP", any(|t| !t.addresses.is_empty())),
            ("TCP", any(|t| !t.connections.is_empty())),
            ("two connections", any(|t| t.connections.len() > 1)),
            ("nomination", any(|t| t.aspects.nomination)),
            ("consent", any(|t| t.aspects.consent)),
            ("failing handshakes", any(|t| t.aspects.handshake_failure)),
            ("flights", any(|t| t.aspects.flights)),
            ("peer closes", any(|t| t.aspects.peer_closes)),
            ("fatal alert", any(|t| t.aspects.fatal_alert)),
            ("owner closes", any(|t| t.aspects.owner_closes)),
            ("restarts", any(|t| t.aspects.restarts)),
            ("late creation", any(|t| t.aspects.created_later)),
            ("DTLS client", any(|t| t.role == Role::Client)),
            ("eviction", evicts),
            ("shared tuples", shared),
            ("full UDP sockets", kernel.full_sockets),
            ("full connections", kernel.full_connections),
            ("little room", kernel.little_room),
            ("unread input", kernel.unread_input),
            ("unseen resets", kernel.unseen_resets),
            ("reopened connections", kernel.reopened_connections),
            ("stale events", kernel.stale_events),
            ("missing descriptors", kernel.missing_descriptors),
            ("dropped handles", owner.dropped_handles),
            ("callbacks", owner.callbacks),
            ("several callers", self.callers > 1),
            ("several transports", self.transports.len() > 1),
            ("several carriers", self.sockets.len() > self.workers),
            ("several workers", self.workers > 1),
            ("hand-overs", self.connection_ids().any(|c| self.hands_over(c))),
        ];
        all.into_iter().filter(|(_, has)| *has).map(|(name, _)| Aspect(name)).collect()
    }
}

/// Need these two not meet?
pub fn are_apart(one: Aspect, other: Aspect) -> bool {
    let names = |apart: &Apart, a, b| {
        apart.aspect == a && (apart.from.is_empty() || apart.from.contains(&b))
    };
    APART.iter().any(|apart| names(apart, one, other) || names(apart, other, one))
}

/// Every pair of aspects that some configuration has, with the configurations in which the two meet.
pub fn meetings(configs: &[Config]) -> BTreeMap<(Aspect, Aspect), Vec<&'static str>> {
    let all: BTreeSet<_> = configs.iter().flat_map(Config::aspects).collect();
    let mut meetings = BTreeMap::new();
    for one in &all {
        for other in all.range(*one..).skip(1) {
            let meet = configs.iter().filter(|config| {
                let aspects = config.aspects();
                aspects.contains(one) && aspects.contains(other)
            });
            meetings.insert((*one, *other), meet.map(|config| config.name).collect());
        }
    }
    meetings
}
