//! placeholder

pub mod control;
pub mod lifecycle;
#[doc(hidden)]
pub mod sync;
