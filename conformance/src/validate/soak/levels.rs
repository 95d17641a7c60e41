//! What a process has, as the system tells it.

use std::fmt;
use std::fs;
use std::io;
use std::thread;
use std::time::{Duration, Instant};

/// How long threads that have ended may take to be gone.
const SETTLES_WITHIN: Duration = Duration::from_secs(10);
/// Pause between two looks at what no event reports.
const LOOK_AGAIN: Duration = Duration::from_millis(5);

/// Threads, descriptors and memory of this process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Levels {
    /// Threads.
    pub threads: u64,
    /// Open descriptors.
    pub descriptors: u64,
    /// Resident memory.
    pub resident_bytes: u64,
}

impl fmt::Display for Levels {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Levels { threads, descriptors, resident_bytes } = self;
        write!(f, "{threads} threads, {descriptors} descriptors, {} KiB", resident_bytes / 1024)
    }
}

impl Levels {
    /// As it is now.
    ///
    /// # Errors
    ///
    /// Where there is no `/proc` (proc(5)).
    pub fn now() -> io::Result<Self> {
        let status = fs::read_to_string("/proc/self/status")?;
        let field = |name: &str| {
            let line = status.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
            let number = line.and_then(|line| line.split_whitespace().next()?.parse::<u64>().ok());
            number.ok_or_else(|| io::Error::new(io::ErrorKind::InvalidData, name.to_owned()))
        };
        // One of them is the directory that is read.
        let descriptors = fs::read_dir("/proc/self/fd")?.count() as u64 - 1;
        Ok(Levels {
            threads: field("Threads")?,
            descriptors,
            resident_bytes: field("VmRSS")? * 1024,
        })
    }

    /// As it is when there are no more threads than there were, or after some seconds.
    pub(super) fn settled(before: Levels) -> io::Result<Self> {
        let deadline = Instant::now() + SETTLES_WITHIN;
        loop {
            let now = Levels::now()?;
            if now.threads <= before.threads || Instant::now() > deadline {
                return Ok(now);
            }
            thread::sleep(LOOK_AGAIN);
        }
    }

    /// Is there more of anything, and of memory by more than that?
    pub(super) fn exceed(self, before: Levels, growth_bytes: u64) -> bool {
        self.threads > before.threads
            || self.descriptors > before.descriptors
            || self.resident_bytes > before.resident_bytes + growth_bytes
    }
}
