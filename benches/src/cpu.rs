//! The CPU time of threads, as the kernel counts it.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// A thread of this process.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Thread(PathBuf);

/// The threads of this process that have this name, in order.
///
/// # Errors
///
/// What the file system says.
pub fn threads(name: &str) -> io::Result<Vec<Thread>> {
    let mut threads = Vec::new();
    for entry in fs::read_dir("/proc/self/task")? {
        let path = entry?.path();
        // One that has ended meanwhile has no name.
        if fs::read_to_string(path.join("comm")).is_ok_and(|comm| comm.trim_end() == name) {
            threads.push(Thread(path));
        }
    }
    threads.sort();
    Ok(threads)
}

impl Thread {
    /// What it has used since it began.
    ///
    /// # Errors
    ///
    /// What the file system says: it has ended, or the kernel does not count.
    pub fn cpu_time(&self) -> io::Result<Duration> {
        let text = fs::read_to_string(Path::new(&self.0).join("schedstat"))?;
        let nanoseconds = text.split_whitespace().next().and_then(|first| first.parse().ok());
        nanoseconds.map(Duration::from_nanos).ok_or_else(|| io::Error::other(text))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::hint::black_box;
    use std::thread::Builder;

    #[test]
    fn a_thread_that_works_uses_time() {
        let worker = Builder::new().name("the-worker".to_owned()).spawn(|| {
            let own = threads("the-worker").expect("there is /proc here");
            let before = own[0].cpu_time().expect("the kernel counts");
            (0..1_000_000_u64).for_each(|number| {
                black_box(number);
            });
            (own.len(), own[0].cpu_time().expect("the kernel counts") > before)
        });
        assert_eq!(worker.expect("a thread").join().expect("no panic"), (1, true));
    }
}
