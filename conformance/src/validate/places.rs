//! Where each connection is: at one worker, or on its way to another, and closed exactly once.

use super::log::{Effect, Input, Step, Verdict};
use super::rules::ensure;
use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;

/// What tells a connection from all others that are open: the listener that accepted it, and the peer's address.
type Ends = (u32, SocketAddr);

/// Every connection that is not closed.
#[derive(Default)]
pub(super) struct Places {
    /// Those at a worker, under its name for them.
    at: BTreeMap<(usize, u64), Option<Ends>>,
    /// The ends of these.
    open: BTreeSet<Ends>,
    /// Those that were handed over and not taken yet.
    on_the_way: BTreeSet<Ends>,
}

impl Places {
    pub(super) fn step(&mut self, step: &Step) -> Result<(), String> {
        let worker = step.worker;
        let ended: Vec<u64> = step.effects.iter().filter_map(closed).collect();
        let applied = step.verdict == Verdict::Applied;
        if let Input::ConnectionAccepted { connection, listener, remote } = step.input {
            let ends = remote.map(|remote| (listener, remote));
            self.come((worker, connection), ends, applied, &ended)?;
        } else if let Input::ConnectionTakenOver { connection, listener, remote, .. } = step.input {
            let ends = (listener, remote);
            let came = self.on_the_way.remove(&ends);
            ensure(came, || format!("nobody handed over what comes from {remote}"))?;
            self.come((worker, connection), Some(ends), applied, &ended)?;
        } else if let (Input::ConnectionHandedOver { connection }, true) = (&step.input, applied) {
            let ends = self.leave((worker, *connection))?;
            self.on_the_way.extend(ends);
        }
        for connection in ended {
            self.leave((worker, connection))?;
        }
        for (connection, view) in &step.connections {
            let here = self.at.contains_key(&(worker, *connection));
            ensure(here == view.is_some(), || {
                let what = if here { "is gone and was not closed" } else { "was closed" };
                format!("connection {connection} {what}")
            })?;
        }
        Ok(())
    }

    /// One that comes is open, or is closed at once because it comes too late.
    fn come(
        &mut self,
        which: (usize, u64),
        ends: Option<Ends>,
        stays: bool,
        ended: &[u64],
    ) -> Result<(), String> {
        if let Some(ends) = ends {
            let new = !self.on_the_way.contains(&ends) && self.open.insert(ends);
            ensure(new, || format!("a connection from {} is somewhere else", ends.1))?;
        }
        let new = self.at.insert(which, ends).is_none();
        ensure(new, || format!("connection {} is there already", which.1))?;
        ensure(stays || ended.contains(&which.1), || {
            format!("connection {} comes too late and is not closed", which.1)
        })
    }

    fn leave(&mut self, which: (usize, u64)) -> Result<Option<Ends>, String> {
        let ends = self.at.remove(&which);
        let ends = ends.ok_or_else(|| format!("connection {} is closed twice", which.1))?;
        if let Some(ends) = ends {
            self.open.remove(&ends);
        }
        Ok(ends)
    }

    /// One that was on its way is closed there.
    pub(super) fn drop(&mut self, listener: u32, remote: SocketAddr) -> Result<(), String> {
        let was = self.on_the_way.remove(&(listener, remote));
        ensure(was, || format!("nobody handed over what is dropped from {remote}"))
    }

    pub(super) fn end(&self) -> Result<(), String> {
        let lost = self.on_the_way.first();
        ensure(lost.is_none(), || format!("handed over, and never taken: {lost:?}"))
    }
}

fn closed(effect: &Effect) -> Option<u64> {
    if let Effect::CloseConnection { connection } | Effect::AbortConnection { connection } = effect
    {
        Some(*connection)
    } else {
        None
    }
}
