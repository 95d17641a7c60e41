//! Which other worker a packet belongs to that arrived here and holds no ufrag, by its tuple.
//!
//! A hint is no authority: it says where to ask, and the worker there looks into its own tables. What a check claimed
//! and nobody verified is kept apart from what its owner has confirmed, so that strangers, who can claim anything, can
//! neither change nor push out what is true. Both are bounded, and forget what was not used for the longest time.

use crate::control::handover::Hint;
use crate::lifecycle::Tuple;
use crate::lifecycle::server::WorkerId;
use std::collections::HashMap;

/// Tuples of one generation that their owners have confirmed. There are two generations.
const PROVED_MAX: usize = 16_384;
/// Tuples of one generation that checks have claimed. A claim counts from a check to the owner's word, microseconds
/// later.
const CLAIMED_MAX: usize = 1024;

/// The hints of one worker.
#[derive(Debug)]
pub(super) struct Hints {
    proved: Generations,
    claimed: Generations,
}

impl Default for Hints {
    fn default() -> Self {
        Hints { proved: Generations::new(PROVED_MAX), claimed: Generations::new(CLAIMED_MAX) }
    }
}

impl Hints {
    /// Whom to ask about this tuple, and on whose word.
    pub(super) fn owner(&mut self, tuple: Tuple) -> Option<(WorkerId, Hint)> {
        let proved = self.proved.get(tuple).map(|owner| (owner, Hint::Proved));
        proved.or_else(|| self.claimed.get(tuple).map(|owner| (owner, Hint::Claimed)))
    }

    /// A check says that the tuple is this worker's. What is known of it.
    pub(super) fn claim(&mut self, tuple: Tuple, owner: WorkerId) -> Hint {
        match self.proved.get(tuple) {
            Some(proved) if proved == owner => Hint::Proved,
            Some(_) | None => {
                self.claimed.put(tuple, owner);
                Hint::Claimed
            }
        }
    }

    /// The owner says that the tuple is its. Who had said so before.
    pub(super) fn prove(&mut self, tuple: Tuple, owner: WorkerId) -> Option<WorkerId> {
        self.claimed.remove(tuple);
        self.proved.put(tuple, owner)
    }

    /// The tuple is ours. Who had said before that it was its.
    pub(super) fn forget(&mut self, tuple: Tuple) -> Option<WorkerId> {
        self.claimed.remove(tuple);
        self.proved.remove(tuple)
    }
}

/// A table of two halves. When the younger is full it becomes the older, whose entries go unless they were used.
#[derive(Debug)]
struct Generations {
    size: usize,
    young: HashMap<Tuple, WorkerId>,
    old: HashMap<Tuple, WorkerId>,
}

impl Generations {
    fn new(size: usize) -> Self {
        Generations { size, young: HashMap::new(), old: HashMap::new() }
    }

    fn get(&mut self, tuple: Tuple) -> Option<WorkerId> {
        if let Some(owner) = self.young.get(&tuple) {
            return Some(*owner);
        }
        let owner = self.old.remove(&tuple)?;
        self.put(tuple, owner);
        Some(owner)
    }

    fn put(&mut self, tuple: Tuple, owner: WorkerId) -> Option<WorkerId> {
        let former = self.remove(tuple);
        if self.young.len() == self.size {
            self.old = std::mem::take(&mut self.young);
        }
        self.young.insert(tuple, owner);
        former
    }

    fn remove(&mut self, tuple: Tuple) -> Option<WorkerId> {
        self.young.remove(&tuple).or_else(|| self.old.remove(&tuple))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lifecycle::SocketId;

    const B: WorkerId = WorkerId(1);
    const C: WorkerId = WorkerId(2);

    fn tuple(port: u16) -> Tuple {
        Tuple::Udp { socket: SocketId(0), remote: ([127, 0, 0, 1], port).into() }
    }

    #[test]
    fn dmx_13_a_claim_counts_until_somebody_knows_better() {
        let mut hints = Hints::default();
        assert_eq!(hints.owner(tuple(1)), None);
        assert_eq!(hints.claim(tuple(1), B), Hint::Claimed);
        assert_eq!(hints.claim(tuple(1), C), Hint::Claimed);
        assert_eq!(hints.owner(tuple(1)), Some((C, Hint::Claimed)), "the last claim");
        assert_eq!(hints.prove(tuple(1), B), None);
        assert_eq!(hints.claim(tuple(1), B), Hint::Proved);
        assert_eq!(hints.claim(tuple(1), C), Hint::Claimed);
        let proved = Some((B, Hint::Proved));
        assert_eq!(hints.owner(tuple(1)), proved, "a claim changes nothing that was proved");
        assert_eq!(hints.prove(tuple(1), C), Some(B));
        assert_eq!(hints.forget(tuple(1)), Some(C));
        assert_eq!(hints.owner(tuple(1)), None);
    }

    #[test]
    fn dmx_13_hints_are_bounded_and_a_flood_of_claims_pushes_out_nothing_proved() {
        let mut hints = Hints::default();
        hints.prove(tuple(1), B);
        for port in 2..=u16::MAX {
            hints.claim(tuple(port), C);
        }
        let claims = hints.claimed.young.len() + hints.claimed.old.len();
        assert!(claims <= 2 * CLAIMED_MAX, "{claims}");
        assert_eq!(hints.owner(tuple(1)), Some((B, Hint::Proved)));
    }

    #[test]
    fn dmx_13_a_hint_in_use_is_not_forgotten() {
        let mut table = Generations::new(10);
        table.put(tuple(1), B);
        for port in 2..1000 {
            table.put(tuple(port), C);
            assert_eq!(table.get(tuple(1)), Some(B));
            assert!(table.young.len() <= 10 && table.old.len() <= 10);
        }
        assert_eq!(table.get(tuple(2)), None);
    }
}
