//! Which mutants validation looks for in the log of a free-running server.

use webrtc_server::lifecycle::{Layer, Mutant};

/// Why no run shows this mutant, or none for sure. The others are looked for.
pub(super) fn why_unseen(mutant: Mutant) -> Option<&'static str> {
    match (mutant, mutant.layer()) {
        (Mutant::TryAgainDrops, _) => Some("few runs have a full socket when such an alert leaves"),
        (_, Layer::Core | Layer::Barrier) => None,
        (_, Layer::Shell) => {
            Some("the log is of what the core hears and wants, and the shell does something else")
        }
    }
}
