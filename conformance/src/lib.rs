//! The checks that put the real stack beside the model, and the peer that talks to it.

pub mod lockstep;
pub mod peer;
