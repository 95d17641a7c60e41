//! A share of a suite, for one of several machines or processes.

use std::cmp::Reverse;
use std::fmt;
use std::str::FromStr;

use thiserror::Error;
use webrtc_server_model::Action;

/// The `k`th of `n` shares, counted from 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shard {
    k: usize,
    n: usize,
}

/// What is no share of anything.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum ShardError {
    /// Not two numbers.
    #[error("{0:?} is not of the form k/n, like 1/4")]
    NotAShard(String),
    /// There is no such share.
    #[error("there is no share {k} of {n}: shares are counted from 1 to n")]
    OutOfRange {
        /// Which one.
        k: usize,
        /// Of how many.
        n: usize,
    },
}

impl Shard {
    /// The `k`th of `n` shares.
    ///
    /// # Errors
    ///
    /// [`ShardError::OutOfRange`].
    pub fn new(k: usize, n: usize) -> Result<Self, ShardError> {
        if (1..=n).contains(&k) { Ok(Shard { k, n }) } else { Err(ShardError::OutOfRange { k, n }) }
    }

    /// Whether it is the first one, which does what is not dealt out as well.
    #[must_use]
    pub fn is_first(self) -> bool {
        self.k == 1
    }

    /// Its traces, in their order. They are dealt out longest first, each to the share that has the fewest steps.
    #[must_use]
    pub fn of(self, traces: &[Vec<Action>]) -> Vec<Vec<Action>> {
        let mut order: Vec<usize> = (0..traces.len()).collect();
        order.sort_by_key(|index| (Reverse(traces[*index].len()), *index));
        let mut steps = vec![0; self.n];
        let mut mine = Vec::new();
        for index in order {
            let Some(least) = (0..self.n).min_by_key(|k| (steps[*k], *k)) else { break };
            steps[least] += traces[index].len();
            if least + 1 == self.k {
                mine.push(index);
            }
        }
        mine.sort_unstable();
        mine.into_iter().map(|index| traces[index].clone()).collect()
    }
}

impl fmt::Display for Shard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.k, self.n)
    }
}

impl FromStr for Shard {
    type Err = ShardError;

    fn from_str(text: &str) -> Result<Self, ShardError> {
        let parts = text.split_once('/');
        let parts = parts.and_then(|(k, n)| Some((k.parse().ok()?, n.parse().ok()?)));
        let (k, n) = parts.ok_or_else(|| ShardError::NotAShard(text.to_owned()))?;
        Shard::new(k, n)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use webrtc_server_model::{Config, Grain, Graph, cover};

    #[test]
    fn the_shares_together_are_the_suite_and_nothing_is_dealt_twice() {
        let mut suite = cover(Grain::Read, &Graph::explore(&Config::small())).traces;
        for n in [1, 2, 3, 7, suite.len() + 1] {
            let shares = (1..=n).map(|k| Shard::new(k, n).unwrap().of(&suite));
            let shares: Vec<_> = shares.collect();
            let steps: Vec<usize> = shares.iter().map(|s| s.iter().map(Vec::len).sum()).collect();
            let longest = suite.iter().map(Vec::len).max().unwrap();
            assert!(steps.iter().max().unwrap() - steps.iter().min().unwrap() <= longest);
            let mut dealt: Vec<_> = shares.into_iter().flatten().collect();
            dealt.sort();
            suite.sort();
            assert!(dealt == suite, "{n} shares");
        }
    }

    #[test]
    fn what_is_no_share_is_refused() {
        assert_eq!("2/4".parse(), Shard::new(2, 4));
        for (k, n) in [(0, 4), (5, 4), (0, 0), (1, 0)] {
            assert_eq!(
                format!("{k}/{n}").parse(),
                Err::<Shard, _>(ShardError::OutOfRange { k, n })
            );
        }
        for text in ["", "1", "1/", "/1", "a/b", "-1/2", "1/2/3"] {
            assert_eq!(text.parse::<Shard>(), Err(ShardError::NotAShard(text.to_owned())));
        }
    }
}
