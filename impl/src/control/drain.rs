//! A server that takes nobody in any more, and closes when those who are there have left.

use super::shutdown::Shutdown;
use crate::sync::{Arc, Mutex, Weakness, is_weakened, lock};
use std::fmt;

/// Counts the transports of a server from before their worker hears of them until they are closed, so that the last of
/// them that leaves a draining server closes it.
///
/// Newcomers are counted under the lock under which the drain begins: each is either refused or waited for.
pub struct Admissions<O> {
    shutdown: Arc<Shutdown<O>>,
    state: Mutex<Admission>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Admission {
    Open { living: usize },
    Draining { living: usize },
}

/// A transport that was let in. Dropped when it is closed, or when it was not made after all.
pub struct Admitted<O: Send + Sync + 'static>(Arc<Admissions<O>>);

impl<O: Send + Sync + 'static> Admissions<O> {
    /// Of an open server without transports.
    #[must_use]
    pub fn new(shutdown: Arc<Shutdown<O>>) -> Self {
        Admissions { shutdown, state: Mutex::new(Admission::Open { living: 0 }) }
    }

    /// Lets a transport in; `None` when the server drains.
    //= CLS-31
    pub fn admit(self: &Arc<Self>) -> Option<Admitted<O>> {
        if is_weakened(Weakness::DrainAsksBeforeItCounts) && self.is_draining() {
            return None;
        }
        match &mut *lock(&self.state) {
            Admission::Open { living } => *living += 1,
            Admission::Draining { living } if is_weakened(Weakness::DrainAsksBeforeItCounts) => {
                *living += 1;
            }
            Admission::Draining { .. } => return None,
        }
        Some(Admitted(Arc::clone(self)))
    }

    /// Lets nobody in any more, and closes the server when it is empty. Whether that is news.
    //= CLS-31
    pub fn drain(&self) -> bool {
        let (is_news, is_empty) = {
            let mut state = lock(&self.state);
            match *state {
                Admission::Open { living } => {
                    *state = Admission::Draining { living };
                    (true, living == 0)
                }
                Admission::Draining { .. } => (false, false),
            }
        };
        if is_empty {
            self.shutdown.request_close();
        }
        is_news
    }

    /// Whether nobody is let in any more.
    #[must_use]
    pub fn is_draining(&self) -> bool {
        matches!(*lock(&self.state), Admission::Draining { .. })
    }

    fn leave(&self) {
        let was_last = match &mut *lock(&self.state) {
            Admission::Open { living } => {
                *living -= 1;
                false
            }
            Admission::Draining { living } => {
                *living -= 1;
                *living == 0
            }
        };
        if was_last {
            self.shutdown.request_close();
        }
    }
}

impl<O: Send + Sync + 'static> Drop for Admitted<O> {
    fn drop(&mut self) {
        self.0.leave();
    }
}

impl<O> fmt::Debug for Admissions<O> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Admissions").field("state", &*lock(&self.state)).finish_non_exhaustive()
    }
}

impl<O: Send + Sync + 'static> fmt::Debug for Admitted<O> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Admitted").finish()
    }
}

#[cfg(test)]
mod tests {
    use super::super::shutdown::TellWorkers;
    use super::*;
    use crate::lifecycle::server::ServerPhase;

    struct Nobody;

    impl TellWorkers for Nobody {
        fn close(&self) {}
        fn grant_release(&self) {}
    }

    fn open() -> (Arc<Admissions<char>>, Arc<Shutdown<char>>) {
        let shutdown = Arc::new(Shutdown::new(1, Nobody));
        (Arc::new(Admissions::new(Arc::clone(&shutdown))), shutdown)
    }

    #[test]
    fn cls_31_the_last_who_leaves_a_draining_server_closes_it_and_nobody_else() {
        let (admissions, shutdown) = open();
        let [first, second, third] = [(); 3].map(|()| admissions.admit().expect("it is open"));
        drop(first);
        assert!(admissions.drain());
        assert!(!admissions.drain(), "it drains already");
        assert!(admissions.admit().is_none());
        drop(second);
        assert_eq!(shutdown.phase(), ServerPhase::Open);
        drop(third);
        assert_eq!(shutdown.phase(), ServerPhase::Closing);
    }

    #[test]
    fn cls_31_an_empty_server_that_is_to_drain_closes_at_once() {
        let (admissions, shutdown) = open();
        drop(admissions.admit());
        assert_eq!(
            shutdown.phase(),
            ServerPhase::Open,
            "whoever leaves an open server closes nothing"
        );
        assert!(admissions.drain());
        assert_eq!(shutdown.phase(), ServerPhase::Closing);
    }
}
