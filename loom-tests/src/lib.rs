//! Every schedule of what crosses threads.
//!
//! | File | What |
//! |---|---|
//! | `races/` | one small object per race, by what they are about: the latch, the barrier, the queue, a server of these |
//! | `explore` | runs one of them through every schedule, and prints how many there were |
//! | `world` | what the races share: a carrier, a waker, a task's runtime |
//! | [`table`] | every ordering and every wait of `control` with the weakness that a race catches there |
//! | `scenarios.md` | how many schedules each race has, and which of them catches which weakness: generated |
//!
//! The races are only built with `--cfg loom`; `tests/run_under_loom.rs` does that, so that `cargo test` covers them.

pub mod table;

#[cfg(loom)]
pub mod explore;
#[cfg(loom)]
pub mod races;
#[cfg(loom)]
pub mod world;
