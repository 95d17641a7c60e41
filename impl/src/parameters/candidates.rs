//! The candidates of a server, and their priorities (RFC 8445 §5.1).

use super::ice::{IceCandidate, IceCandidateType, IceTcpType};
use super::listen::{ListenInfo, Protocol};
use std::collections::BTreeSet;
use std::net::IpAddr;

/// No server has more sockets than this, whatever it is allowed: below it, priorities stay distinct.
pub const LISTEN_INFOS_MAX: usize = 1000;

/// mediasoup's constant for all candidates (WebRtcServer.cpp `IceTypePreference`); all of ours are of one type.
const TYPE_PREFERENCE: u32 = 64;
/// RTP and RTCP share one component (RFC 8445 §5.1.2.1).
const COMPONENT: u32 = 1;
/// Local preference of the first listen info (WebRtcServer.cpp `IceCandidateDefaultLocalPriority`).
const LOCAL_PREFERENCE_FIRST: usize = 10_000;
/// By so much it falls from one listen info to the next (WebRtcServer.cpp).
const LOCAL_PREFERENCE_STEP: usize = 100;
/// Listen infos that are this far apart; from then on it falls by 1.
const WIDE_STEPS: usize = 80;
/// What a preferred protocol gains, and what an exposed internal address loses (WebRtcServer.cpp).
const LOCAL_PREFERENCE_SHIFT: u32 = 1000;

/// Which candidates a transport offers, and which it prefers: mediasoup's `enableUdp`, `enableTcp`, `preferUdp`,
/// `preferTcp`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct CandidateFilter {
    /// UDP candidates are offered.
    pub enable_udp: bool,
    /// TCP candidates are offered.
    pub enable_tcp: bool,
    /// UDP candidates get a higher priority.
    pub prefer_udp: bool,
    /// TCP candidates get a higher priority.
    pub prefer_tcp: bool,
}

impl Default for CandidateFilter {
    /// Both protocols, none preferred: mediasoup's defaults for a transport of a `WebRtcServer`.
    fn default() -> Self {
        Self { enable_udp: true, enable_tcp: true, prefer_udp: false, prefer_tcp: false }
    }
}

impl CandidateFilter {
    fn enables(self, protocol: Protocol) -> bool {
        match protocol {
            Protocol::Udp => self.enable_udp,
            Protocol::Tcp => self.enable_tcp,
        }
    }

    fn prefers(self, protocol: Protocol) -> bool {
        match protocol {
            Protocol::Udp => self.prefer_udp,
            Protocol::Tcp => self.prefer_tcp,
        }
    }
}

/// The candidates of bound sockets, whose [`ListenInfo::port`] is the real one: in the order of the listen infos, an
/// announced address before the internal one that is exposed beside it.
///
/// Numbers and order are mediasoup's, except that where two candidates would get the same priority the later one gets
/// the next lower that is free (RFC 8445 §5.1.2: priorities are unique).
//= STN-28
//= RES-13
#[must_use]
pub fn candidates(listen_infos: &[ListenInfo], filter: CandidateFilter) -> Vec<IceCandidate> {
    let mut taken = BTreeSet::new();
    let mut found = Vec::new();
    for (index, info) in listen_infos.iter().enumerate() {
        if !filter.enables(info.protocol) {
            continue;
        }
        let mut preference = local_preference(index);
        if filter.prefers(info.protocol) {
            preference += LOCAL_PREFERENCE_SHIFT;
        }
        let foundation = foundation(listen_infos, info);
        let mut offer = |address: String, preference: u32| {
            let priority = priority(take(preference, &mut taken));
            found.push(candidate(foundation.clone(), priority, address, info));
        };
        offer(info.address(), preference);
        if info.expose_internal_ip && info.announced().is_some() {
            offer(info.ip.to_string(), preference.saturating_sub(LOCAL_PREFERENCE_SHIFT));
        }
    }
    found
}

fn candidate(
    foundation: String,
    priority: u32,
    address: String,
    info: &ListenInfo,
) -> IceCandidate {
    IceCandidate {
        foundation,
        priority,
        ip: address.clone(),
        address,
        protocol: info.protocol,
        port: info.port,
        candidate_type: IceCandidateType::Host,
        tcp_type: match info.protocol {
            Protocol::Udp => None,
            Protocol::Tcp => Some(IceTcpType::Passive),
        },
    }
}

/// mediasoup's as long as its steps fit; falls with the index throughout, and stays above the shift.
fn local_preference(index: usize) -> u32 {
    let wide = index.min(WIDE_STEPS) * LOCAL_PREFERENCE_STEP;
    let narrow = index.saturating_sub(WIDE_STEPS);
    let preference = LOCAL_PREFERENCE_FIRST.saturating_sub(wide).saturating_sub(narrow);
    u32::try_from(preference).unwrap_or(0)
}

/// The highest preference that is free, from this one downwards. That keeps what falls with the index falling.
fn take(preference: u32, taken: &mut BTreeSet<u32>) -> u32 {
    let free = (0..=preference).rev().find(|one| !taken.contains(one)).unwrap_or(0);
    taken.insert(free);
    free
}

/// RFC 8445 §5.1.2.1.
fn priority(local_preference: u32) -> u32 {
    (TYPE_PREFERENCE << 24) + (local_preference << 8) + (256 - COMPONENT)
}

/// mediasoup's text and a number for the local address: the first address has 0, the next one 1.
//= STN-29
fn foundation(listen_infos: &[ListenInfo], info: &ListenInfo) -> String {
    let mut addresses: Vec<IpAddr> = Vec::new();
    for one in listen_infos {
        if !addresses.contains(&one.ip) {
            addresses.push(one.ip);
        }
    }
    let number = addresses.iter().position(|ip| *ip == info.ip).unwrap_or(0);
    format!("{}candidate{number}", info.protocol)
}

#[cfg(test)]
#[path = "candidates_tests.rs"]
mod tests;
