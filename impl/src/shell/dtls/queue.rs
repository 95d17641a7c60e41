//! The "socket" under an `SSL` object: two queues that keep datagram boundaries.

use std::collections::VecDeque;
use std::io::{self, Read, Write};

/// Datagrams on their way into and out of one session.
#[derive(Debug, Default)]
pub(super) struct DatagramQueues {
    /// Received, not yet read by OpenSSL. Empty whenever no call into OpenSSL is running.
    pub(super) incoming: VecDeque<Vec<u8>>,
    /// Written by OpenSSL, not yet fetched by the caller.
    pub(super) outgoing: VecDeque<Vec<u8>>,
}

impl Read for DatagramQueues {
    /// One call takes one datagram; what does not fit is cut off, as with a UDP socket.
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let Some(datagram) = self.incoming.pop_front() else {
            return Err(io::ErrorKind::WouldBlock.into());
        };
        let length = datagram.len().min(buffer.len());
        buffer[..length].copy_from_slice(&datagram[..length]);
        Ok(length)
    }
}

impl Write for DatagramQueues {
    /// One call makes one datagram.
    fn write(&mut self, datagram: &[u8]) -> io::Result<usize> {
        self.outgoing.push_back(datagram.to_vec());
        Ok(datagram.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
