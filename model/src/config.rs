//! How much of the world a run of the model contains.

use serde::Serialize;

use crate::mutants::Mutant;

/// What the peer and the owner of one transport may do.
///
/// A switch only takes actions away: no transition reads it, so what a transport does in a given
/// state is the same in every configuration.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
pub struct Aspects {
    /// The peer may send checks over UDP.
    pub udp: bool,
    /// The peer may open its one TCP connection.
    pub tcp: bool,
    /// Checks with USE-CANDIDATE exist beside checks without it.
    pub nomination: bool,
    /// Consent may expire.
    pub consent: bool,
    /// The DTLS handshake may fail.
    pub handshake_failure: bool,
    /// The peer may say close_notify first.
    pub peer_closes: bool,
    /// The owner may close this transport by itself, not only with the server.
    pub owner_closes: bool,
}

impl Aspects {
    /// Everything that the model knows.
    pub const fn full() -> Self {
        Self {
            udp: true,
            tcp: true,
            nomination: true,
            consent: true,
            handshake_failure: true,
            peer_closes: true,
            owner_closes: true,
        }
    }

    /// UDP and TCP, every way to close, but no nomination, no consent and no failed handshake.
    pub const fn companion() -> Self {
        Self { nomination: false, consent: false, handshake_failure: false, ..Self::full() }
    }
}

/// The bounds of one exploration, and the mistake that is planted in it, if any.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize)]
pub struct Config {
    /// What reports call it.
    pub name: &'static str,
    /// One entry per transport, in the order of the transports' ids.
    pub aspects: Vec<Aspects>,
    /// How many threads may call `close()` on the server, each of them once.
    pub callers: usize,
    /// The wrong variant to explore instead of the right one.
    pub mutant: Option<Mutant>,
}

impl Config {
    /// One transport with UDP and TCP and two callers: every local interleaving.
    pub fn small() -> Self {
        Self { name: "small", aspects: vec![Aspects::full()], callers: 2, mutant: None }
    }

    /// Two transports, each with UDP and TCP, and two callers: what transports do to each other.
    pub fn standard() -> Self {
        Self {
            name: "standard",
            aspects: vec![Aspects::full(), Aspects::companion()],
            callers: 2,
            mutant: None,
        }
    }

    /// Everything that has a name to ask for, the smaller ones first.
    pub fn presets() -> Vec<Self> {
        vec![Self::small(), Self::standard()]
    }

    /// The preset of this name.
    pub fn preset(name: &str) -> Option<Self> {
        Self::presets().into_iter().find(|config| config.name == name)
    }

    /// The same bounds with a mistake planted.
    pub fn with_mutant(self, mutant: Mutant) -> Self {
        Self { mutant: Some(mutant), ..self }
    }

    /// How many transports there are.
    pub fn transports(&self) -> usize {
        self.aspects.len()
    }

    /// Is this mistake planted?
    pub(crate) fn is(&self, mutant: Mutant) -> bool {
        self.mutant == Some(mutant)
    }
}
