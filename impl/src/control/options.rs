//! What servers and transports are made with.

use super::command::EventSink;
use super::random::WORKERS_MAX;
use crate::lifecycle::Limits;
use crate::parameters::{CandidateFilter, LISTEN_INFOS_MAX, ListenInfo};
use crate::shell::dtls::{Certificate, DtlsOptions};
use std::fmt;
use std::num::NonZeroUsize;
use std::ops::RangeInclusive;
use std::thread::available_parallelism;
use std::time::Duration;

/// Default of [`WebRtcServerOptions::listen_infos_max`].
const LISTEN_INFOS_MAX_DEFAULT: usize = 64;
/// Default of [`WebRtcTransportOptions::ice_consent_timeout`] (mediasoup; RFC 7675 §5.1).
const CONSENT_TIMEOUT_SECONDS_DEFAULT: u8 = 30;
/// Consent timeouts outside of this are clamped to it, in seconds (mediasoup `iceConsentTimeout`).
const CONSENT_TIMEOUT_SECONDS: RangeInclusive<u8> = 10..=60;

/// What a server is made of. Like mediasoup's `WebRtcServerOptions`, with the certificate per server.
///
/// Only [`Self::listen_infos`] has no usable default.
#[derive(Clone, Debug)]
pub struct WebRtcServerOptions {
    /// Where it listens, at least one; the order is the order of preference.
    pub listen_infos: Vec<ListenInfo>,
    /// More listen infos are refused. Default 64; beyond 1000 it has no effect.
    pub listen_infos_max: usize,
    /// Its DTLS certificate; `None`: a fresh self-signed one (P-256).
    pub certificate: Option<Certificate>,
    /// Deadlines and caps; the caps are those of each worker.
    pub limits: Limits,
    /// DTLS: MTU and retransmission.
    pub dtls: DtlsOptions,
    /// Threads among which the transports are spread, each with a poll, and on Linux with sockets and listeners, of its
    /// own; beyond 1024 it has no effect. `None`: as many as the process can run at once, by
    /// [`available_parallelism`]; one where that is unknown.
    pub workers: Option<NonZeroUsize>,
    /// How the workers share the listen infos. Default: as the system can.
    #[cfg(feature = "testing")]
    pub sharing: crate::shell::bind::Sharing,
    /// The mutant of the lifecycle, if it is to have one.
    #[cfg(feature = "testing")]
    pub mutant: Option<crate::lifecycle::Mutant>,
    /// Who hears of every step, if anybody is to.
    #[cfg(feature = "testing")]
    pub tracer: Option<crate::trace::Tracer>,
}

impl Default for WebRtcServerOptions {
    fn default() -> Self {
        WebRtcServerOptions {
            listen_infos: Vec::new(),
            listen_infos_max: LISTEN_INFOS_MAX_DEFAULT,
            certificate: None,
            limits: Limits::default(),
            dtls: DtlsOptions::default(),
            workers: None,
            #[cfg(feature = "testing")]
            sharing: crate::shell::bind::Sharing::default(),
            #[cfg(feature = "testing")]
            mutant: None,
            #[cfg(feature = "testing")]
            tracer: None,
        }
    }
}

impl WebRtcServerOptions {
    /// Listens there; everything else has its default.
    #[must_use]
    pub fn new(listen_infos: impl IntoIterator<Item = ListenInfo>) -> Self {
        WebRtcServerOptions { listen_infos: listen_infos.into_iter().collect(), ..Self::default() }
    }

    pub(super) fn allowed_listen_infos(&self) -> usize {
        self.listen_infos_max.min(LISTEN_INFOS_MAX)
    }

    /// At least one.
    pub(super) fn worker_count(&self) -> usize {
        let workers = self.workers.or_else(|| available_parallelism().ok());
        workers.map_or(1, NonZeroUsize::get).min(WORKERS_MAX)
    }

    #[cfg(feature = "testing")]
    pub(super) fn sharing(&self) -> crate::shell::bind::Sharing {
        self.sharing
    }

    #[cfg(not(feature = "testing"))]
    #[allow(clippy::unused_self)]
    pub(super) fn sharing(&self) -> crate::shell::bind::Sharing {
        crate::shell::bind::Sharing::default()
    }
}

/// What a transport is made of: the part of mediasoup's `WebRtcTransportOptions` that is about ICE and DTLS.
pub struct WebRtcTransportOptions {
    /// Offer UDP candidates. Default `true`.
    pub enable_udp: bool,
    /// Offer TCP candidates. Default `true`.
    pub enable_tcp: bool,
    /// Raise the priority of UDP candidates.
    pub prefer_udp: bool,
    /// Raise the priority of TCP candidates.
    pub prefer_tcp: bool,
    /// Seconds of silence after which consent has expired: 10 to 60, others are clamped; 0: never. Default 30.
    pub ice_consent_timeout: u8,
    /// Instead of that, one that is shorter than may be asked for.
    #[cfg(feature = "testing")]
    pub short_consent: Option<Duration>,
    /// Hears every event, on the worker's thread: it must not block, and whatever would wait for an answer of a server,
    /// this one or another, is refused there ([`Error::OnWorkerThread`](crate::Error::OnWorkerThread)). What it owns
    /// lives until the transport is closed: a handle of the server in it keeps the server open. If it panics it is not
    /// called again; neither that nor a panic of what it owns, when that is dropped, harms anybody else.
    pub on_event: EventSink,
}

impl Default for WebRtcTransportOptions {
    fn default() -> Self {
        let CandidateFilter { enable_udp, enable_tcp, prefer_udp, prefer_tcp } =
            CandidateFilter::default();
        WebRtcTransportOptions {
            enable_udp,
            enable_tcp,
            prefer_udp,
            prefer_tcp,
            ice_consent_timeout: CONSENT_TIMEOUT_SECONDS_DEFAULT,
            #[cfg(feature = "testing")]
            short_consent: None,
            on_event: Box::new(|_| {}),
        }
    }
}

impl WebRtcTransportOptions {
    pub(super) fn filter(&self) -> CandidateFilter {
        CandidateFilter {
            enable_udp: self.enable_udp,
            enable_tcp: self.enable_tcp,
            prefer_udp: self.prefer_udp,
            prefer_tcp: self.prefer_tcp,
        }
    }

    /// Silence after which consent has expired; `None`: never.
    //= STN-26
    pub(super) fn consent(&self) -> Option<Duration> {
        #[cfg(feature = "testing")]
        if self.short_consent.is_some() {
            return self.short_consent;
        }
        let seconds = self.ice_consent_timeout;
        if seconds == 0 {
            return None;
        }
        let (min, max) = CONSENT_TIMEOUT_SECONDS.into_inner();
        let clamped = seconds.clamp(min, max);
        if clamped != seconds {
            tracing::warn!(target: "ice", seconds, clamped, "iceConsentTimeout out of range");
        }
        Some(Duration::from_secs(clamped.into()))
    }
}

impl fmt::Debug for WebRtcTransportOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WebRtcTransportOptions")
            .field("filter", &self.filter())
            .field("ice_consent_timeout", &self.ice_consent_timeout)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stn_26_the_consent_timeout_is_30_s_by_default_off_at_0_and_clamped_otherwise() {
        assert_eq!(WebRtcTransportOptions::default().consent(), Some(Duration::from_secs(30)));
        let consent = |ice_consent_timeout| {
            let options =
                WebRtcTransportOptions { ice_consent_timeout, ..WebRtcTransportOptions::default() };
            options.consent().map(|timeout| timeout.as_secs())
        };
        assert_eq!(consent(0), None);
        for (given, used) in [(1, 10), (9, 10), (10, 10), (45, 45), (60, 60), (61, 60), (255, 60)] {
            assert_eq!(consent(given), Some(used), "{given}");
        }
    }
}
