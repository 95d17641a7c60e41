//! Known mistakes on command lines.

use webrtc_server::lifecycle::Mutant;

/// The known mistake with this id, as `K06`.
///
/// # Errors
///
/// The ids that there are.
pub fn mutant(id: &str) -> Result<Mutant, String> {
    let found = Mutant::ALL.iter().copied().find(|mutant| mutant.id() == id);
    found.ok_or_else(|| {
        let known: Vec<_> = Mutant::ALL.iter().map(|mutant| mutant.id()).collect();
        format!("there are: {}", known.join(", "))
    })
}
