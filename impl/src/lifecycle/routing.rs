//! Who gets what arrives: the two routing tables of a worker and the table of farewells that wait for an answer.

use super::ids::{TransportId, Tuple};
use std::collections::BTreeMap;
use std::fmt;

/// ICE credentials of one side (RFC 8445 §5.3).
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Credentials {
    /// `usernameFragment`: ice-chars, unique in the server.
    pub ufrag: String,
    /// `password`: ice-chars. Never logged.
    pub password: String,
}

impl fmt::Debug for Credentials {
    //= RES-07
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Credentials").field("ufrag", &self.ufrag).finish_non_exhaustive()
    }
}

/// The routing tables. An entry never outlives the transport that it names, and only its owner's entry is removed.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Routes {
    ufrags: BTreeMap<String, TransportId>,
    tuples: BTreeMap<Tuple, TransportId>,
    parting: BTreeMap<Tuple, TransportId>,
}

impl Routes {
    /// The transport that has this ufrag, before or after a restart.
    pub fn by_ufrag(&self, ufrag: &str) -> Option<TransportId> {
        self.ufrags.get(ufrag).copied()
    }

    /// The open transport that has this tuple.
    pub fn by_tuple(&self, tuple: &Tuple) -> Option<TransportId> {
        self.tuples.get(tuple).copied()
    }

    /// The closing transport whose UDP farewell went to this tuple.
    pub fn by_parting(&self, tuple: &Tuple) -> Option<TransportId> {
        self.parting.get(tuple).copied()
    }

    /// All ufrags and their transports, in order.
    pub fn ufrags(&self) -> impl Iterator<Item = (&str, TransportId)> {
        self.ufrags.iter().map(|(ufrag, transport)| (ufrag.as_str(), *transport))
    }

    /// All tuples of open transports, in order.
    pub fn tuples(&self) -> impl Iterator<Item = (Tuple, TransportId)> + '_ {
        self.tuples.iter().map(|(tuple, transport)| (*tuple, *transport))
    }

    /// All tuples whose farewell waits for an answer, in order.
    pub fn parting(&self) -> impl Iterator<Item = (Tuple, TransportId)> + '_ {
        self.parting.iter().map(|(tuple, transport)| (*tuple, *transport))
    }

    /// `false`, and nothing changed, when the ufrag is taken.
    //= DMX-08
    pub(super) fn map_ufrag(&mut self, ufrag: &str, transport: TransportId) -> bool {
        if self.ufrags.contains_key(ufrag) {
            return false;
        }
        self.ufrags.insert(ufrag.to_owned(), transport);
        true
    }

    pub(super) fn unmap_ufrag(&mut self, ufrag: &str) {
        self.ufrags.remove(ufrag);
    }

    /// From now on the tuple is this transport's, and no farewell's.
    pub(super) fn map_tuple(&mut self, tuple: Tuple, transport: TransportId) {
        self.tuples.insert(tuple, transport);
        self.parting.remove(&tuple);
    }

    /// Only the owner's entry goes.
    //= O3
    pub(super) fn unmap_tuple(&mut self, tuple: &Tuple, owner: TransportId) {
        if self.tuples.get(tuple) == Some(&owner) {
            self.tuples.remove(tuple);
        }
    }

    pub(super) fn begin_parting(&mut self, tuple: Tuple, transport: TransportId) {
        self.parting.insert(tuple, transport);
    }

    pub(super) fn end_parting(&mut self, tuple: &Tuple, owner: TransportId) {
        if self.parting.get(tuple) == Some(&owner) {
            self.parting.remove(tuple);
        }
    }
}
