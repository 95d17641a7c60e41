//! Two ways to do the same, measured in turns.

use std::time::Duration;

use criterion::measurement::WallTime;
use criterion::{BenchmarkGroup, Criterion, SamplingMode, Throughput};

use crate::figure::{Figure, Sampling, Unit};

/// Samples, and the time for them, of a figure whose every iteration needs an expensive scene.
const SAMPLES_FEW: usize = 10;
const FEW_MEASUREMENT: Duration = Duration::from_secs(5);

/// What ours and the limit took, one right after the other.
#[derive(Clone, Copy, Debug)]
struct Pair {
    iterations: u64,
    ours: Duration,
    limit: Duration,
}

/// The two sides of a figure. Each takes a number of iterations and answers how long they took, without what it needed
/// to set the scene.
pub struct Duel<O, L> {
    ours: O,
    limit: L,
    pairs: Vec<Pair>,
}

/// What came out, in nanoseconds per iteration.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Measured {
    /// Median of ours.
    pub ours: f64,
    /// Median of the limit.
    pub limit: f64,
    /// Median of the ratios of the pairs. Not the ratio of the medians: what disturbs one pair stays within it.
    pub ratio: f64,
    /// First and third quartile of these ratios.
    pub quartiles: [f64; 2],
    /// How many pairs.
    pub pairs: usize,
}

impl<O: FnMut(u64) -> Duration, L: FnMut(u64) -> Duration> Duel<O, L> {
    /// Nothing runs yet.
    pub fn new(ours: O, limit: L) -> Self {
        Self { ours, limit, pairs: Vec::new() }
    }

    /// Has Criterion measure `name/ours` and `name/limit`. Both run in every sample of either. `None`: Criterion was
    /// asked to leave this figure out.
    pub fn run(mut self, criterion: &mut Criterion, figure: &Figure) -> Option<Measured> {
        let mut group = criterion.benchmark_group(figure.name);
        configure(&mut group, figure);
        group.bench_function("ours", |b| b.iter_custom(|iterations| self.round(iterations).ours));
        group.bench_function("limit", |b| b.iter_custom(|iterations| self.round(iterations).limit));
        group.finish();
        self.measured()
    }

    /// Both once, each first in half of the rounds.
    fn round(&mut self, iterations: u64) -> Pair {
        let (ours, limit);
        if self.pairs.len().is_multiple_of(2) {
            ours = (self.ours)(iterations);
            limit = (self.limit)(iterations);
        } else {
            limit = (self.limit)(iterations);
            ours = (self.ours)(iterations);
        }
        let pair = Pair { iterations, ours, limit };
        self.pairs.push(pair);
        pair
    }

    fn measured(&self) -> Option<Measured> {
        let ratio = |pair: &Pair| pair.ours.as_secs_f64() / pair.limit.as_secs_f64();
        Some(Measured {
            ours: self.quantile(0.5, |pair| per_iteration(pair, pair.ours))?,
            limit: self.quantile(0.5, |pair| per_iteration(pair, pair.limit))?,
            ratio: self.quantile(0.5, ratio)?,
            quartiles: [self.quantile(0.25, ratio)?, self.quantile(0.75, ratio)?],
            pairs: self.pairs.len(),
        })
    }

    /// A quantile over the pairs, each weighted by its iterations: so the first rounds of a warm-up, of one or two
    /// iterations, count for nothing beside those of thousands.
    fn quantile(&self, share: f64, value: impl Fn(&Pair) -> f64) -> Option<f64> {
        let mut weighted: Vec<_> =
            self.pairs.iter().map(|pair| (value(pair), pair.iterations as f64)).collect();
        weighted.sort_by(|(one, _), (other, _)| one.total_cmp(other));
        let mut left = share * weighted.iter().map(|(_, weight)| weight).sum::<f64>();
        weighted.into_iter().find_map(|(value, weight)| {
            left -= weight;
            (left <= 0.0).then_some(value)
        })
    }
}

fn per_iteration(pair: &Pair, time: Duration) -> f64 {
    time.as_secs_f64() * 1e9 / pair.iterations as f64
}

/// Flat: every sample has as many iterations as the next, so every pair has the same weight once it is warm.
fn configure(group: &mut BenchmarkGroup<'_, WallTime>, figure: &Figure) {
    group.sampling_mode(SamplingMode::Flat);
    match figure.sampling {
        Sampling::Many => {}
        Sampling::Few => {
            group.sample_size(SAMPLES_FEW).measurement_time(FEW_MEASUREMENT);
        }
    }
    match figure.unit {
        Unit::Time => {}
        Unit::PerSecond { bytes } => {
            group.throughput(Throughput::ElementsAndBytes { elements: 1, bytes });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn nanoseconds(each: u64) -> impl FnMut(u64) -> Duration {
        move |iterations| Duration::from_nanos(each * iterations)
    }

    #[test]
    fn the_ratio_is_ours_over_the_limit() {
        let mut duel = Duel::new(nanoseconds(300), nanoseconds(200));
        for iterations in [1, 2, 100] {
            duel.round(iterations);
        }
        let measured = duel.measured().expect("three pairs");
        assert_eq!((measured.ours.round(), measured.limit.round()), (300.0, 200.0));
        assert!((measured.ratio - 1.5).abs() < 1e-9, "{measured:?}");
        assert_eq!(measured.pairs, 3);
    }

    #[test]
    fn a_warm_up_counts_for_no_more_than_its_iterations() {
        let slow_start =
            |iterations: u64| Duration::from_nanos(if iterations < 10 { 9000 } else { iterations });
        let mut duel = Duel::new(slow_start, nanoseconds(1));
        for iterations in [1, 2, 4, 8, 1000, 1000] {
            duel.round(iterations);
        }
        let measured = duel.measured().expect("six pairs");
        assert!((measured.ratio - 1.0).abs() < 1e-9, "{measured:?}");
    }

    #[test]
    fn without_a_pair_there_is_no_figure() {
        assert_eq!(Duel::new(nanoseconds(1), nanoseconds(1)).measured(), None);
    }
}
