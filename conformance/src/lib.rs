//! The checks that put the real stack beside the model: lockstep, replay and validate, which mutant each of them
//! notices, the peer that they use, `verify`, and the server under test.

pub mod by_hand;
pub mod kill_matrix;
pub mod lockstep;
pub mod peer;
pub mod planted;
pub mod replay;
pub mod sut;
pub mod validate;
pub mod verify;
