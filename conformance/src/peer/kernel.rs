//! Two system calls that no safe crate here wraps: `poll(2)` with `POLLRDHUP`, and `TIOCOUTQ`.
#![allow(unsafe_code)]

use std::io;
use std::os::fd::{AsRawFd, BorrowedFd};
use std::time::{Duration, Instant};

/// What to wait for. Errors and hang-ups end every wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Interest {
    /// Bytes, a datagram, or the end of the stream.
    Readable,
    /// Room in the send buffer.
    Writable,
    /// FIN or RST, even behind bytes that nobody read.
    End,
}

impl Interest {
    fn events(self) -> libc::c_short {
        match self {
            Self::Readable => libc::POLLIN,
            Self::Writable => libc::POLLOUT,
            Self::End => libc::POLLRDHUP,
        }
    }
}

/// Waits until one of the descriptors is ready; `false` when the timeout passed first.
pub(crate) fn wait(
    descriptors: &[BorrowedFd<'_>],
    interest: Interest,
    timeout: Duration,
) -> io::Result<bool> {
    let deadline = Instant::now() + timeout;
    let events = interest.events();
    let mut entries: Vec<libc::pollfd> = descriptors
        .iter()
        .map(|descriptor| libc::pollfd { fd: descriptor.as_raw_fd(), events, revents: 0 })
        .collect();
    let count = libc::nfds_t::try_from(entries.len()).map_err(io::Error::other)?;
    loop {
        let left = deadline.saturating_duration_since(Instant::now());
        // Rounded up: a wait of less than asked for would be a failed barrier.
        let milliseconds = i32::try_from(left.as_micros().div_ceil(1000)).unwrap_or(i32::MAX);
        // SAFETY: the pointer and the count describe `entries`, which outlives the call; the
        // descriptors are borrowed, hence open.
        let ready = unsafe { libc::poll(entries.as_mut_ptr(), count, milliseconds) };
        if ready >= 0 {
            return Ok(ready > 0);
        }
        let error = io::Error::last_os_error();
        if error.kind() != io::ErrorKind::Interrupted {
            return Err(error);
        }
    }
}

/// Bytes of a TCP connection, its FIN included, that the other side has not acknowledged.
pub(crate) fn unacknowledged(descriptor: BorrowedFd<'_>) -> io::Result<usize> {
    let mut bytes: libc::c_int = 0;
    // SAFETY: this request writes one int to the pointer, which outlives the call.
    let result = unsafe { libc::ioctl(descriptor.as_raw_fd(), libc::TIOCOUTQ, &raw mut bytes) };
    if result < 0 {
        return Err(io::Error::last_os_error());
    }
    usize::try_from(bytes).map_err(io::Error::other)
}
