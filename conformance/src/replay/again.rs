//! The one command that shows a divergence again.

use std::fs;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use webrtc_server::lifecycle::Mutant;
use webrtc_server_model::{Action, Config, Trace, itf};

use super::support::Target;

/// Where this process keeps what shows a failure again.
static FOLDER: OnceLock<PathBuf> = OnceLock::new();

/// Keeps it there from now on, and not in the system's folder for temporary files.
///
/// # Errors
///
/// What the system says; something was kept already.
pub fn keep_in(folder: &Path) -> io::Result<()> {
    fs::create_dir_all(folder)?;
    let chosen = FOLDER.set(folder.canonicalize()?);
    chosen.map_err(|_| io::Error::other("something is kept elsewhere already"))
}

/// Where it is kept.
pub fn folder() -> &'static Path {
    FOLDER.get_or_init(std::env::temp_dir)
}

/// Keeps the way to a divergence, the action that shows it included, in a file, and says how to see it again: `again:`
/// and a command; or that the way is lost, and why.
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
    let path = folder().join(name);
    fs::write(&path, text).map_err(|error| format!("{}: {error}", path.display()))?;
    Ok(path)
}
