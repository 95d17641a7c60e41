//! How to see a divergence again.

use std::fs;

use webrtc_server_model::{Action, Config, Trace};

/// Keeps the way to a divergence, the action that shows it included, and says where it is.
pub(super) fn again(config: &Config, way: &[Action]) -> String {
    let trace = Trace::of(config, "Model and real code disagree at the end.", way.to_vec());
    let name = format!("webrtc-server-{}-{}.json", config.name, std::process::id());
    let path = std::env::temp_dir().join(name);
    match fs::write(&path, trace.to_json()) {
        Ok(()) => format!("the way to it: {}", path.display()),
        Err(error) => format!("the way to it is lost: {error}"),
    }
}
