//! The only clock: which timer is due when.

use crate::lifecycle::{ConnectionId, ListenerId, SocketId, Timer, TransportId};
use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

/// What is longer than time lasts is as good as this.
const FOREVER: Duration = Duration::from_secs(100 * 365 * 24 * 3600);

/// What a moment is waited for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Alarm {
    /// A timer of the lifecycle.
    Lifecycle(Timer),
    /// DTLS repeats its last flight.
    Retransmit(TransportId),
    /// Ask the kernel whether the peer's TCP has acknowledged everything.
    Acknowledged(ConnectionId),
    /// Send and receive again after ENOBUFS or errors of receive, which no readiness event ends.
    RetrySocket(SocketId),
    /// Accept again after the descriptors ran out.
    RetryAccept(ListenerId),
}

/// Alarms by moment. Monotonic; a jump of the wall clock does nothing.
//= RES-15
#[derive(Debug, Default)]
pub(super) struct Timers {
    moments: BTreeMap<Alarm, Instant>,
    queue: BTreeSet<(Instant, Alarm)>,
    /// Taken because they are due, and not delivered yet.
    due: BTreeSet<Alarm>,
}

impl Timers {
    pub(super) fn arm(&mut self, alarm: Alarm, now: Instant, after: Duration) {
        self.disarm(alarm);
        let moment = now.checked_add(after).unwrap_or_else(|| now + FOREVER);
        self.moments.insert(alarm, moment);
        self.queue.insert((moment, alarm));
    }

    /// Also takes an alarm back that is due: what was handled since the moment came may have renewed it.
    //= CLS-25
    //= L5
    pub(super) fn disarm(&mut self, alarm: Alarm) {
        self.due.remove(&alarm);
        if let Some(moment) = self.moments.remove(&alarm) {
            self.queue.remove(&(moment, alarm));
        }
    }

    pub(super) fn next(&self) -> Option<Instant> {
        self.queue.first().map(|(moment, _)| *moment)
    }

    /// Takes the first alarm that is due. It is still to be claimed.
    pub(super) fn take_due(&mut self, now: Instant) -> Option<Alarm> {
        let (moment, alarm) = *self.queue.first()?;
        if moment > now {
            return None;
        }
        self.disarm(alarm);
        self.due.insert(alarm);
        Some(alarm)
    }

    /// Whether an alarm that was due is so still. Once.
    pub(super) fn claim(&mut self, alarm: Alarm) -> bool {
        self.due.remove(&alarm)
    }

    /// Takes this alarm, due or not; `false` if it is not armed.
    pub(super) fn take(&mut self, alarm: Alarm) -> bool {
        let armed = self.moments.contains_key(&alarm);
        self.disarm(alarm);
        armed
    }

    pub(super) fn armed(&self) -> impl Iterator<Item = Alarm> + '_ {
        self.moments.keys().copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_alarm_that_is_moved_is_due_once() {
        let (mut timers, now) = (Timers::default(), Instant::now());
        let alarm = Alarm::Lifecycle(Timer::Server);
        timers.arm(alarm, now, Duration::from_secs(1));
        timers.arm(alarm, now, Duration::from_secs(3));
        let later = now + Duration::from_secs(2);
        assert_eq!(timers.take_due(later), None);
        assert_eq!(timers.take_due(later + Duration::from_secs(1)), Some(alarm));
        assert_eq!(timers.next(), None);
    }

    #[test]
    fn cls_25_an_alarm_that_is_moved_while_it_is_due_waits_for_the_new_moment() {
        let (mut timers, now) = (Timers::default(), Instant::now());
        let alarm = Alarm::Lifecycle(Timer::Server);
        timers.arm(alarm, now, Duration::ZERO);
        assert_eq!(timers.take_due(now), Some(alarm));
        timers.arm(alarm, now, Duration::from_secs(1));
        assert!(!timers.claim(alarm));
        let later = now + Duration::from_secs(1);
        assert_eq!(timers.take_due(later), Some(alarm));
        assert!(timers.claim(alarm) && !timers.claim(alarm), "once");
    }

    #[test]
    fn cls_07_a_duration_beyond_all_time_is_armed_and_never_due() {
        let (mut timers, now) = (Timers::default(), Instant::now());
        let alarm = Alarm::Lifecycle(Timer::Server);
        timers.arm(alarm, now, Duration::MAX);
        assert_eq!(timers.take_due(now + Duration::from_secs(3600)), None);
        assert!(timers.take(alarm));
    }

    #[test]
    fn cls_25_a_disarmed_alarm_is_never_due() {
        let (mut timers, now) = (Timers::default(), Instant::now());
        timers.arm(Alarm::Lifecycle(Timer::Server), now, Duration::ZERO);
        timers.disarm(Alarm::Lifecycle(Timer::Server));
        assert_eq!(timers.take_due(now + Duration::from_secs(3600)), None);
    }
}
