//! Random choices that a seed repeats. SplitMix64: five lines, and no sequence that changes with a crate's version.

use std::ops::RangeInclusive;
use std::time::Duration;

/// Where choices come from.
#[derive(Clone, Debug)]
pub(in crate::validate) struct Choices(u64);

impl Choices {
    pub(in crate::validate) fn new(seed: u64) -> Self {
        Choices(seed)
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    pub(in crate::validate) fn number(&mut self, range: RangeInclusive<u64>) -> u64 {
        range.start() + self.next() % (range.end() - range.start() + 1)
    }

    /// True so many times out of a hundred.
    pub(in crate::validate) fn percent(&mut self, percent: u64) -> bool {
        self.number(0..=99) < percent
    }

    pub(in crate::validate) fn milliseconds(&mut self, range: RangeInclusive<u64>) -> Duration {
        Duration::from_millis(self.number(range))
    }

    /// One of these, each as likely as its weight says.
    pub(in crate::validate) fn weighted<T: Clone>(&mut self, of: &[(u64, T)]) -> T {
        let all: u64 = of.iter().map(|(weight, _)| weight).sum();
        let mut left = self.number(0..=all - 1);
        for (weight, value) in of {
            if left < *weight {
                return value.clone();
            }
            left -= weight;
        }
        of[of.len() - 1].1.clone()
    }
}
