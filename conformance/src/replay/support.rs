//! Which configurations the stage can play: all that the model has but `alone`, in which a client of ours would have to
//! stop twice before its last flight. Where we are the client the peer asks for a cookie first (RFC 6347 section
//! 4.2.1), and has two flights before its last; our server asks for none.

use webrtc_server_model::{Config, Role};

use super::report::ReplayError;

/// What traces are performed on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Target {
    /// The pure core, in memory.
    Core,
    /// The whole stack, on real sockets with real OpenSSL.
    Stack,
}

/// Whether the stage can play a configuration.
///
/// # Errors
///
/// [`ReplayError::Unsupported`].
pub fn check(config: &Config) -> Result<(), ReplayError> {
    check_on(Target::Stack, config)
}

/// Whether a configuration can be played there. In memory all can, with the model as it is.
pub(super) fn check_on(target: Target, config: &Config) -> Result<(), ReplayError> {
    let why = match target {
        _ if config.mutant.is_some() => {
            Some("a mistake is planted in the model; plant it in the core")
        }
        Target::Core => None,
        Target::Stack => why_not(config),
    };
    match why {
        Some(why) => Err(ReplayError::Unsupported { config: config.name, why }),
        None => Ok(()),
    }
}

/// What the stage cannot do in this configuration.
fn why_not(config: &Config) -> Option<&'static str> {
    let mut transports = config.transports.iter();
    if transports.any(|t| t.aspects.flights && t.role == Role::Server) {
        return Some("the server asks clients for no cookie: they have one flight before the last");
    }
    None
}
