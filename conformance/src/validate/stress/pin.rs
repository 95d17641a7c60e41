//! All threads on one core: then a thread is interrupted anywhere, and never runs beside another.
#![allow(unsafe_code)]

use super::StressError;

/// This thread, and every thread that it starts, has one core for as long as this lives.
#[cfg(target_os = "linux")]
pub(super) struct Pinned(libc::cpu_set_t);

#[cfg(target_os = "linux")]
impl Pinned {
    /// On the first core that this thread may use.
    pub(super) fn new() -> Result<Self, StressError> {
        let allowed = allowed()?;
        let cores = 0..usize::try_from(libc::CPU_SETSIZE).unwrap_or(0);
        // SAFETY: both only read and write the set that they are given.
        let one = unsafe {
            let core = cores.into_iter().find(|core| libc::CPU_ISSET(*core, &allowed));
            let mut one = std::mem::zeroed();
            libc::CPU_SET(core.unwrap_or(0), &mut one);
            one
        };
        run_on(&one)?;
        Ok(Pinned(allowed))
    }
}

#[cfg(target_os = "linux")]
impl Drop for Pinned {
    fn drop(&mut self) {
        // It was allowed before.
        let _ = run_on(&self.0);
    }
}

#[cfg(target_os = "linux")]
fn allowed() -> Result<libc::cpu_set_t, StressError> {
    // SAFETY: a set of cores is plain memory, all zeros is the empty one, and the call writes no more than its size.
    let (result, cores) = unsafe {
        let mut cores: libc::cpu_set_t = std::mem::zeroed();
        (libc::sched_getaffinity(0, size_of::<libc::cpu_set_t>(), &raw mut cores), cores)
    };
    if result == 0 { Ok(cores) } else { Err(StressError::Pin(std::io::Error::last_os_error())) }
}

#[cfg(target_os = "linux")]
fn run_on(cores: &libc::cpu_set_t) -> Result<(), StressError> {
    // SAFETY: the call reads no more than the size of the set.
    let result = unsafe { libc::sched_setaffinity(0, size_of::<libc::cpu_set_t>(), cores) };
    if result == 0 { Ok(()) } else { Err(StressError::Pin(std::io::Error::last_os_error())) }
}

/// See above.
#[cfg(not(target_os = "linux"))]
pub(super) struct Pinned;

#[cfg(not(target_os = "linux"))]
impl Pinned {
    /// Only Linux has a call for it that every thread inherits.
    pub(super) fn new() -> Result<Self, StressError> {
        Err(StressError::Pin(std::io::ErrorKind::Unsupported.into()))
    }
}
