//! Known mistakes on command lines.

use webrtc_server::lifecycle::Mutant;

/// The known mistake with this id, as `K06`.
///
/// # Errors
///
/// The ids that there are.
pub fn mutant(id: &str) -> Result<Mutant, String> {
    let known = Mutant::ALL.map(Mutant::id);
    let found = Mutant::ALL.into_iter().find(|mutant| mutant.id() == id);
    found.ok_or_else(|| format!("there are: {}", known.join(", ")))
}
