//! Everything that touches the operating system or OpenSSL.

pub mod dtls;
