//! Checks that were granted, remembered so that a copy of one changes nothing.
//!
//! A check carries no number that grows: who captured one could send it again from where they sit, and get what the
//! server sends, or keep the consent of a peer that is gone alive. Its transaction tells it from a new one.

use crate::lifecycle::TransportId;
use crate::wire::stun::TransactionId;
use std::collections::hash_map::RandomState;
use std::collections::{HashMap, VecDeque};
use std::hash::BuildHasher;

/// Transactions remembered per transport, 32 KiB of them. Browsers check every two to three seconds, so these reach
/// back for more than two hours.
const REMEMBERED_MAX: usize = 4096;

/// The latest granted transactions of each transport, as hashes: twelve bytes in eight.
#[derive(Debug, Default)]
pub(super) struct Transactions {
    hasher: RandomState,
    seen: HashMap<TransportId, VecDeque<u64>>,
}

impl Transactions {
    /// Whether this one was not seen before. It is remembered from now on.
    //= STN-32
    pub(super) fn is_new(&mut self, transport: TransportId, transaction: TransactionId) -> bool {
        let hash = self.hasher.hash_one(transaction);
        let seen = self.seen.entry(transport).or_default();
        if seen.contains(&hash) {
            return false;
        }
        if seen.len() == REMEMBERED_MAX {
            seen.pop_front();
        }
        seen.push_back(hash);
        true
    }

    /// The transport is closed.
    pub(super) fn forget(&mut self, transport: TransportId) {
        self.seen.remove(&transport);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stn_32_a_copy_is_known_by_its_transaction_and_memory_is_bounded() {
        let mut transactions = Transactions::default();
        let id = TransportId(1);
        let check = |n: usize| {
            let mut id = [0; 12];
            id[4..].copy_from_slice(&n.to_be_bytes());
            TransactionId(id)
        };
        for n in 0..REMEMBERED_MAX {
            assert!(transactions.is_new(id, check(n)));
            assert!(!transactions.is_new(id, check(n)) && !transactions.is_new(id, check(0)));
        }
        assert!(transactions.is_new(TransportId(2), check(0)), "another transport");
        assert!(transactions.is_new(id, check(REMEMBERED_MAX)));
        assert!(!transactions.is_new(id, check(1)), "only the oldest went");
        assert_eq!(transactions.seen[&id].len(), REMEMBERED_MAX);
        assert!(transactions.seen[&id].capacity() * size_of::<u64>() <= 32 * 1024);
        transactions.forget(id);
        assert!(!transactions.seen.contains_key(&id));
    }
}
