//! What a figure is called, what its limit is, and how it is measured and shown.

/// How much there is to measure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sampling {
    /// As many iterations as the time allows.
    Many,
    /// Few iterations, ten samples: setting the scene takes far longer than what is measured.
    Few,
}

/// How one iteration is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unit {
    /// As the time that it takes.
    Time,
    /// As how many of them there are in a second, each with so many bytes of payload.
    PerSecond {
        /// Bytes of payload; 0: there is none to speak of.
        bytes: u64,
    },
}

/// One row of the table.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Figure {
    /// What is measured.
    pub name: &'static str,
    /// What it is compared with.
    pub limit: &'static str,
    /// How much of it.
    pub sampling: Sampling,
    /// In what.
    pub unit: Unit,
    /// The ratio above which it is an error, whatever the machine.
    pub ratio_max: Option<f64>,
}

impl Figure {
    /// The time of many iterations.
    #[must_use]
    pub const fn new(name: &'static str, limit: &'static str) -> Self {
        Self { name, limit, sampling: Sampling::Many, unit: Unit::Time, ratio_max: None }
    }

    /// Of few iterations.
    #[must_use]
    pub const fn few(self) -> Self {
        Self { sampling: Sampling::Few, ..self }
    }

    /// As a rate.
    #[must_use]
    pub const fn per_second(self, bytes: u64) -> Self {
        Self { unit: Unit::PerSecond { bytes }, ..self }
    }

    /// With a ratio of this at the most.
    #[must_use]
    pub const fn at_most(self, ratio_max: f64) -> Self {
        Self { ratio_max: Some(ratio_max), ..self }
    }
}

impl Unit {
    /// Three digits or more, in the unit that suits.
    #[must_use]
    pub fn in_words(self, nanoseconds: f64) -> String {
        match self {
            Unit::Time => match nanoseconds {
                ns if ns < 1e3 => format!("{ns:.2} ns"),
                ns if ns < 1e6 => format!("{:.2} µs", ns / 1e3),
                ns => format!("{:.2} ms", ns / 1e6),
            },
            Unit::PerSecond { bytes: 0 } => format!("{:.1} k/s", 1e6 / nanoseconds),
            Unit::PerSecond { bytes } => {
                let megabytes = bytes as f64 * 1e3 / nanoseconds;
                format!("{:.1} k/s, {megabytes:.1} MB/s", 1e6 / nanoseconds)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rate_is_the_inverse_of_a_time() {
        assert_eq!(Unit::Time.in_words(8e3), "8.00 µs");
        assert_eq!(Unit::PerSecond { bytes: 0 }.in_words(8e3), "125.0 k/s");
        assert_eq!(Unit::PerSecond { bytes: 1200 }.in_words(8e3), "125.0 k/s, 150.0 MB/s");
    }
}
