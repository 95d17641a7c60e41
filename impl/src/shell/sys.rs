//! The one system call that no crate wraps.
#![allow(unsafe_code)]

/// Bytes that the peer's TCP has not acknowledged, our FIN included: `SIOCOUTQ` on Linux (tcp(7)). `None` where the
/// system cannot say; there a lingering connection waits for the peer's FIN or its deadline.
#[cfg(target_os = "linux")]
pub(super) fn unacknowledged_bytes(stream: &mio::net::TcpStream) -> Option<usize> {
    use std::os::fd::AsRawFd;
    let mut bytes: libc::c_int = 0;
    // SAFETY: the descriptor is open for as long as `stream` is borrowed, and TIOCOUTQ (SIOCOUTQ) writes one int.
    let result = unsafe { libc::ioctl(stream.as_raw_fd(), libc::TIOCOUTQ, &raw mut bytes) };
    (result == 0).then(|| usize::try_from(bytes).unwrap_or(0))
}

/// See above.
#[cfg(not(target_os = "linux"))]
pub(super) fn unacknowledged_bytes(_stream: &mio::net::TcpStream) -> Option<usize> {
    None
}
