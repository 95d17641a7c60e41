//! How far everything is that runs side by side, on one bar.

use std::sync::{Mutex, PoisonError};

use super::{Progress, Row};

/// The traces of all processes.
pub(super) struct Tally<'a>(Mutex<Told<'a>>);

struct Told<'a> {
    done: usize,
    total: usize,
    progress: &'a mut (dyn Progress + Send),
}

impl<'a> Tally<'a> {
    /// So many traces there are in all.
    pub(super) fn new(total: usize, progress: &'a mut (dyn Progress + Send)) -> Self {
        Tally(Mutex::new(Told { done: 0, total, progress }))
    }

    /// Somebody who is told how many traces of one part are done.
    pub(super) fn part(&self) -> impl FnMut(usize) {
        let mut before = 0;
        move |done| {
            self.with(|told| {
                told.done += done.saturating_sub(before);
                told.progress.at(told.done, told.total);
            });
            before = done;
        }
    }

    /// A check is over.
    pub(super) fn end(&self, row: &Row) {
        self.with(|told| told.progress.end(row));
    }

    fn with(&self, tell: impl FnOnce(&mut Told<'a>)) {
        tell(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner));
    }
}
