//! Checks that nominated, remembered so that a copy of one from another address does not move the selection.
//!
//! USE-CANDIDATE carries no number that grows: who captured a check could send it again from where they sit, and get
//! what the server sends. Its transaction tells it from a new one.

use crate::lifecycle::{Check, TransportId, Tuple};
use crate::wire::stun::TransactionId;
use std::collections::{HashMap, VecDeque};

/// Checks remembered per transport. Browsers nominate again every few seconds, so these reach back for a minute.
const REMEMBERED_MAX: usize = 32;

/// The latest nominating checks of each transport.
#[derive(Debug, Default)]
pub(super) struct Nominations {
    seen: HashMap<TransportId, VecDeque<(TransactionId, Tuple)>>,
}

impl Nominations {
    /// The check as it counts: a copy of one that came from elsewhere nominates nothing.
    //= STN-32
    pub(super) fn without_copies(
        &mut self,
        transport: TransportId,
        id: TransactionId,
        tuple: Tuple,
        check: Check,
    ) -> Check {
        let nominates = check.use_candidate || check.nomination.is_some();
        if nominates && self.is_copy(transport, id, tuple) {
            return Check { use_candidate: false, nomination: None, ..check };
        }
        check
    }

    /// Whether this check came before, from elsewhere. If it came for the first time it is remembered.
    fn is_copy(&mut self, id: TransportId, check: TransactionId, tuple: Tuple) -> bool {
        let seen = self.seen.entry(id).or_default();
        if let Some((_, origin)) = seen.iter().find(|(transaction, _)| *transaction == check) {
            return *origin != tuple;
        }
        if seen.len() == REMEMBERED_MAX {
            seen.pop_front();
        }
        seen.push_back((check, tuple));
        false
    }

    /// The transport is closed.
    pub(super) fn forget(&mut self, id: TransportId) {
        self.seen.remove(&id);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lifecycle::ConnectionId;

    #[test]
    fn stn_32_a_copy_is_known_by_its_transaction_and_memory_is_bounded() {
        let mut nominations = Nominations::default();
        let (id, here, there) =
            (TransportId(1), Tuple::Tcp(ConnectionId(1)), Tuple::Tcp(ConnectionId(2)));
        let check = |n: u8| TransactionId([n; 12]);
        assert!(!nominations.is_copy(id, check(0), here));
        assert!(!nominations.is_copy(id, check(0), here), "a repetition is no copy");
        assert!(nominations.is_copy(id, check(0), there));
        assert!(!nominations.is_copy(TransportId(2), check(0), there), "another transport");
        for n in 1..=200 {
            assert!(!nominations.is_copy(id, check(n), here));
            assert!(nominations.is_copy(id, check(n), there));
        }
        assert_eq!(nominations.seen[&id].len(), REMEMBERED_MAX);
        nominations.forget(id);
        assert!(!nominations.seen.contains_key(&id));
    }
}
