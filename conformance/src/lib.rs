//! Lockstep and replay between the model and the real stack, and the server under test.

pub mod lockstep;
