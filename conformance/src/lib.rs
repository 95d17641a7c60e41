//! The checks that put the real stack beside the model, the peer that talks to it, and the server under test.

pub mod lockstep;
pub mod peer;
