//! Work on as many threads as there are processors.

use std::num::NonZero;
use std::sync::Mutex;
use std::sync::PoisonError;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

/// Items that are worked on by whoever has time.
struct Jobs<'a, T, R> {
    items: &'a [T],
    of: &'a (dyn Fn(&T) -> R + Sync),
    next: AtomicUsize,
    results: Mutex<Vec<(usize, R)>>,
}

impl<'a, T: Sync, R: Send> Jobs<'a, T, R> {
    fn new(items: &'a [T], of: &'a (dyn Fn(&T) -> R + Sync)) -> Self {
        Jobs { items, of, next: AtomicUsize::new(0), results: Mutex::new(Vec::new()) }
    }

    /// Works until nothing is left to begin.
    fn work(&self) {
        while let Some((index, item)) = Some(self.next.fetch_add(1, Ordering::Relaxed))
            .and_then(|index| Some((index, self.items.get(index)?)))
        {
            let result = (self.of)(item);
            self.results.lock().unwrap_or_else(PoisonError::into_inner).push((index, result));
        }
    }

    /// The results in the order of the items, once everybody who worked has ended.
    fn results(self) -> Vec<R> {
        let mut results = self.results.into_inner().unwrap_or_else(PoisonError::into_inner);
        results.sort_by_key(|(index, _)| *index);
        results.into_iter().map(|(_, result)| result).collect()
    }
}

/// How many threads can help the one that asks.
fn helpers() -> usize {
    thread::available_parallelism().map_or(1, NonZero::get).saturating_sub(1)
}

/// The results in the order of the items.
pub(super) fn map<T: Sync, R: Send>(items: &[T], of: impl Fn(&T) -> R + Sync) -> Vec<R> {
    let jobs = Jobs::new(items, &of);
    thread::scope(|scope| {
        for _ in 0..helpers() {
            scope.spawn(|| jobs.work());
        }
        jobs.work();
    });
    jobs.results()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_come_in_the_order_of_the_items() {
        let items: Vec<usize> = (0..100).collect();
        assert_eq!(map(&items, |item| item * 2), (0..200).step_by(2).collect::<Vec<_>>());
    }
}
