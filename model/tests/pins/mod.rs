//! The numbers that the other tests expect, in one place: a change of the model changes them here.

/// What is known about one configuration of `standard`.
#[allow(dead_code, reason = "each test reads what it needs")]
pub(crate) struct Pin {
    pub(crate) config: &'static str,
    pub(crate) states: usize,
    pub(crate) edges: usize,
    /// The largest rank, and thereby the bound on the steps of a shutdown that every worker has heard of.
    pub(crate) rank: u32,
    /// Classes of edges by what actions read.
    pub(crate) classes: usize,
}

const fn pin(config: &'static str, states: usize, edges: usize, rank: u32, classes: usize) -> Pin {
    Pin { config, states, edges, rank, classes }
}

/// The configurations of `standard` in their order.
pub(crate) const STANDARD: [Pin; 19] = [
    pin("small", 3_129, 22_889, 23, 1_354),
    pin("handshake", 4_889, 28_381, 19, 476),
    pin("kernel", 806, 4_984, 21, 1_014),
    pin("reuse", 4_148, 16_474, 15, 422),
    pin("eviction", 2_771, 24_163, 21, 3_555),
    pin("takeover", 18_305, 113_641, 25, 2_545),
    pin("restart", 896, 9_472, 13, 1_234),
    pin("owner", 15_921, 79_910, 16, 736),
    pin("carriers", 8_571, 61_035, 20, 459),
    pin("handover", 15_596, 93_854, 20, 2_184),
    pin("pair", 49_958, 359_768, 32, 3_350),
    pin("connections", 65_044, 515_143, 20, 3_666),
    pin("kernel-twice", 6_770, 61_202, 28, 4_743),
    pin("twice", 47_847, 503_711, 18, 6_505),
    pin("shared", 10_954, 104_168, 18, 2_903),
    pin("shared-kernel", 17_310, 111_376, 24, 2_055),
    pin("callbacks", 23_817, 237_363, 21, 5_103),
    pin("callbacks-kernel", 22_291, 150_815, 23, 3_689),
    pin("peer", 37_532, 458_167, 23, 9_359),
];

/// States and edges of the configurations that only `nightly` has.
#[allow(dead_code, reason = "each test reads what it needs")]
pub(crate) const NIGHTLY: [(&str, usize, usize); 2] =
    [("three", 272_848, 1_772_087), ("alone", 2_280_906, 36_782_666)];
