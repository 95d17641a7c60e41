//! Error replies to requests that prove nothing are rationed, so that a spoofed source cannot use us as a reflector.
//! The workers of a server share one ration; who deserves no error reply never gets here.

use crate::lifecycle::source_of;
use std::collections::HashMap;
use std::net::IpAddr;
use std::time::{Duration, Instant};

/// Replies that one source gets in a [`WINDOW`].
const REPLIES_PER_WINDOW: u32 = 10;
const WINDOW: Duration = Duration::from_secs(1);
/// Sources remembered in one window; with more, nobody unknown gets a reply until it ends.
const SOURCES_MAX: usize = 4096;

/// Counts replies per source within the current window.
#[derive(Debug)]
pub(crate) struct ReplyLimiter {
    window: Instant,
    replies: HashMap<IpAddr, u32>,
}

impl Default for ReplyLimiter {
    fn default() -> Self {
        ReplyLimiter { window: Instant::now(), replies: HashMap::new() }
    }
}

impl ReplyLimiter {
    /// Whether this source may have one more reply now.
    //= RES-08
    pub(super) fn allows(&mut self, source: IpAddr) -> bool {
        self.allows_at(source_of(source), Instant::now())
    }

    fn allows_at(&mut self, source: IpAddr, now: Instant) -> bool {
        if now.saturating_duration_since(self.window) >= WINDOW {
            self.window = now;
            self.replies.clear();
        }
        if self.replies.len() >= SOURCES_MAX && !self.replies.contains_key(&source) {
            return false;
        }
        let replies = self.replies.entry(source).or_insert(0);
        *replies += 1;
        *replies <= REPLIES_PER_WINDOW
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::Ipv4Addr;

    #[test]
    fn res_08_ten_replies_a_second_and_source() {
        let mut limiter = ReplyLimiter::default();
        let (source, now) = (IpAddr::from([192, 0, 2, 1]), limiter.window);
        let allowed = (0..50).filter(|_| limiter.allows_at(source, now)).count();
        assert_eq!(allowed, 10);
        assert!(limiter.allows_at(IpAddr::from([192, 0, 2, 2]), now), "another source");
        assert!(limiter.allows_at(source, now + WINDOW), "another second");
    }

    #[test]
    fn res_08_many_sources_use_bounded_memory() {
        let mut limiter = ReplyLimiter::default();
        let now = limiter.window;
        for n in 0..10_000_u32 {
            limiter.allows_at(IpAddr::V4(Ipv4Addr::from(n)), now);
        }
        assert_eq!(limiter.replies.len(), SOURCES_MAX);
    }
}
