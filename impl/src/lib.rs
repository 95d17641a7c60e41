//! placeholder

#[cfg(feature = "net")]
pub mod shell;
