//! The numbers that the other tests expect, in one place: a change of the model changes them here.

/// What is known about one configuration of `standard`.
pub struct Pin {
    pub config: &'static str,
    pub states: usize,
    pub edges: usize,
    /// The largest rank, and thereby the bound on the steps of a shutdown that every worker has heard of.
    pub rank: u32,
    /// Classes of edges by what actions read.
    pub classes: usize,
}

const fn pin(config: &'static str, states: usize, edges: usize, rank: u32, classes: usize) -> Pin {
    Pin { config, states, edges, rank, classes }
}

/// The configurations of `standard` in their order.
pub const STANDARD: [Pin; 1] = [pin("small", 3_129, 22_933, 23, 1_354)];
