//! The one command that shows a divergence again.

use std::fs;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::PathBuf;

use webrtc_server::lifecycle::Mutant;
use webrtc_server_model::{Action, Config, Trace, itf};

use super::support::Target;

/// Keeps the way to a divergence, the action that shows it included, in a file, and says how to see it again: `again:` and
/// a command; or that the way is lost, and why.
#[must_use]
pub fn again(target: Target, config: &Config, way: &[Action], mutant: Option<Mutant>) -> String {
    match keep(config, way) {
        Ok(path) => {
            let target = match target {
                Target::Core => " --lockstep",
                Target::Stack => "",
            };
            let mutant = mutant.map_or_else(String::new, |m| format!(" --mutant {}", m.id()));
            format!("again: cargo replay{target}{mutant} {}", path.display())
        }
        Err(why) => format!("the way to it is lost: {why}"),
    }
}

/// The same way is the same file.
fn keep(config: &Config, way: &[Action]) -> Result<PathBuf, String> {
    let trace = Trace::of(config, "Model and real code disagree at the end.", way.to_vec());
    let text = itf::write(&trace).map_err(|refused| refused.to_string())?;
    let mut hasher = DefaultHasher::new();
    text.hash(&mut hasher);
    let name = format!("webrtc-server-{}-{:016x}.itf.json", config.name, hasher.finish());
    let path = std::env::temp_dir().join(name);
    fs::write(&path, text).map_err(|error| format!("{}: {error}", path.display()))?;
    Ok(path)
}
