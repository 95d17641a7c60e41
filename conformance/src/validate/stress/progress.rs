//! How far a run has come. The server is closed after that and not by the clock, so that on a slow machine as much has
//! happened before it.

use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// What is waited for, and what of it has come.
pub(super) struct Progress {
    so_far: Mutex<SoFar>,
    changed: Condvar,
}

struct SoFar {
    /// Transports that have still to be connected.
    unconnected: usize,
    /// Actors of the beginning that are not through with their script.
    busy: usize,
    /// When enough had happened.
    enough: Option<Instant>,
}

impl SoFar {
    fn look(&mut self) {
        if self.unconnected == 0 || self.busy == 0 {
            self.enough.get_or_insert_with(Instant::now);
        }
    }
}

impl Progress {
    /// Enough is when so many are connected, or when all of these are through.
    pub(super) fn new(connected: usize, busy: usize) -> Self {
        let so_far = SoFar { unconnected: connected, busy, enough: None };
        Progress { so_far: Mutex::new(so_far), changed: Condvar::new() }
    }

    /// A transport is connected.
    pub(super) fn connected(&self) {
        self.note(|so_far| so_far.unconnected = so_far.unconnected.saturating_sub(1));
    }

    /// An actor of the beginning is through.
    pub(super) fn through(&self) {
        self.note(|so_far| so_far.busy = so_far.busy.saturating_sub(1));
    }

    fn note(&self, change: impl FnOnce(&mut SoFar)) {
        let mut so_far = self.lock();
        change(&mut so_far);
        so_far.look();
        self.changed.notify_all();
    }

    /// Waits until enough has happened, and says when that was. After so long nothing more is hoped for.
    pub(super) fn await_enough(&self, patience: Duration) -> Instant {
        let waits = |so_far: &mut SoFar| {
            so_far.look();
            so_far.enough.is_none()
        };
        let waited = self.changed.wait_timeout_while(self.lock(), patience, waits);
        let (mut so_far, _) = waited.unwrap_or_else(PoisonError::into_inner);
        *so_far.enough.get_or_insert_with(Instant::now)
    }

    fn lock(&self) -> MutexGuard<'_, SoFar> {
        self.so_far.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::PATIENCE;

    fn is_enough(progress: &Progress) -> bool {
        let mut so_far = progress.lock();
        so_far.look();
        so_far.enough.is_some()
    }

    #[test]
    fn enough_is_when_so_many_are_connected_or_all_are_through() {
        let progress = Progress::new(2, 2);
        progress.connected();
        progress.through();
        assert!(!is_enough(&progress));
        progress.connected();
        let first = progress.await_enough(PATIENCE);
        progress.connected();
        assert_eq!(progress.await_enough(PATIENCE), first, "once and for all");

        let progress = Progress::new(2, 1);
        progress.through();
        progress.await_enough(PATIENCE);
        Progress::new(0, 1).await_enough(PATIENCE);
    }

    #[test]
    fn nobody_waits_for_ever() {
        let progress = Progress::new(1, 1);
        let given_up = progress.await_enough(Duration::ZERO);
        assert_eq!(progress.await_enough(PATIENCE), given_up);
    }
}
