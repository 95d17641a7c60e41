//! The races, by what they are about.

pub mod barrier;
pub mod latch;
pub mod queue;
pub mod server;

use crate::explore::Race;

/// Every race.
#[must_use]
pub fn all() -> Vec<Race> {
    [latch::RACES, barrier::RACES, queue::RACES, server::RACES].concat()
}

/// The race of this name.
///
/// # Panics
///
/// When there is none.
#[must_use]
pub fn named(name: &str) -> Race {
    all().into_iter().find(|race| race.name == name).expect("a race of that name")
}
