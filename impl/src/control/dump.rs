//! What a server and a transport look like from outside: mediasoup's `dump()` and `getStats()`.

use crate::lifecycle::{DtlsRole, DtlsState, IceState};
use crate::parameters::{DtlsParameters, IceCandidate, TransportTuple};
use serde::Serialize;
use std::ops::AddAssign;
use std::time::Instant;

/// A server: the fields of mediasoup's `webRtcServer.dump()`, and how many tuples and connections there are.
//= RES-16
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct WebRtcServerDump {
    /// Its id.
    pub id: String,
    /// Where it receives datagrams, however many workers have a socket there.
    pub udp_sockets: Vec<CarrierDump>,
    /// Where it accepts connections, however many workers have a listener there.
    pub tcp_servers: Vec<CarrierDump>,
    /// Transports that are not closed, by [`WebRtcTransport::id`](super::transport::WebRtcTransport::id), in the order
    /// of their creation.
    #[serde(rename = "webRtcTransportIds")]
    pub transport_ids: Vec<String>,
    /// Registered ufrags and whose they are, in order.
    pub local_ice_username_fragments: Vec<UfragDump>,
    /// Tuples in the routing tables.
    pub tuples: usize,
    /// TCP connections by phase.
    pub connections: ConnectionCounts,
}

/// A registered ufrag.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct UfragDump {
    /// The ufrag.
    pub local_ice_username_fragment: String,
    /// Whose it is.
    pub web_rtc_transport_id: String,
}

impl WebRtcServerDump {
    /// `transport_id` makes the id of a transport from its number.
    pub(super) fn new(
        id: &str,
        mut shares: WorkerDump,
        transport_id: impl Fn(u64) -> String,
    ) -> Self {
        shares.transport_ids.sort_unstable();
        shares.local_ice_username_fragments.sort_unstable();
        let ufrag = |(ufrag, number)| UfragDump {
            local_ice_username_fragment: ufrag,
            web_rtc_transport_id: transport_id(number),
        };
        WebRtcServerDump {
            id: id.to_owned(),
            udp_sockets: shares.udp_sockets,
            tcp_servers: shares.tcp_servers,
            transport_ids: shares.transport_ids.into_iter().map(&transport_id).collect(),
            local_ice_username_fragments: shares
                .local_ice_username_fragments
                .into_iter()
                .map(ufrag)
                .collect(),
            tuples: shares.tuples,
            connections: shares.connections,
        }
    }
}

/// A transport: the ICE and DTLS fields of mediasoup's `webRtcTransport.dump()`, but never a password.
//= RES-07
//= RES-16
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct TransportDump {
    /// Its id.
    pub id: String,
    /// Always `controlled`.
    pub ice_role: IceRole,
    /// The current credentials, without the password.
    pub ice_parameters: IceParametersDump,
    /// Where it is reachable.
    pub ice_candidates: Vec<IceCandidate>,
    /// `iceState`
    pub ice_state: IceState,
    /// `iceSelectedTuple`
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ice_selected_tuple: Option<TransportTuple>,
    /// Valid tuples, the oldest first.
    #[serde(rename = "iceTuples")]
    pub tuples: Vec<TransportTuple>,
    /// Our role, and fingerprints of the server's certificate.
    pub dtls_parameters: DtlsParameters,
    /// `dtlsState`
    pub dtls_state: DtlsState,
    /// Our DTLS role, once a handshake began.
    pub dtls_local_role: DtlsRole,
}

/// ICE role (RFC 8445 §6.1.1). An ICE-lite agent whose peers are full ones has but one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum IceRole {
    /// The peer nominates.
    Controlled,
}

/// ICE parameters as far as they are no secret.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct IceParametersDump {
    /// The current ufrag.
    pub username_fragment: String,
    /// Always `true`.
    pub ice_lite: bool,
}

impl TransportDump {
    pub(super) fn new(
        id: &str,
        candidates: &[IceCandidate],
        dtls_parameters: DtlsParameters,
        state: TransportState,
    ) -> Self {
        TransportDump {
            id: id.to_owned(),
            ice_role: IceRole::Controlled,
            ice_parameters: IceParametersDump { username_fragment: state.ufrag, ice_lite: true },
            ice_candidates: candidates.to_vec(),
            ice_state: state.ice_state,
            ice_selected_tuple: state.ice_selected_tuple,
            tuples: state.tuples,
            dtls_parameters,
            dtls_state: state.dtls_state,
            dtls_local_role: state.dtls_local_role,
        }
    }
}

/// Counters of a transport: mediasoup's `webRtcTransport.getStats()` gives a list with this one entry. Its rates, and
/// what it counts of RTP, are not here.
///
/// mediasoup counts answers to checks as sent, but no checks as received (`WebRtcTransport.cpp:636` and `:1162`); every
/// other packet on a tuple, of use or not; and what the kernel refuses.
//= RES-16
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "type", rename = "webrtc-transport", rename_all = "camelCase")]
pub struct TransportStats {
    /// Its id.
    pub transport_id: String,
    /// When this was so, in milliseconds since its server was made: for differences, like mediasoup's.
    pub timestamp: u64,
    /// Always `controlled`.
    pub ice_role: IceRole,
    /// `iceState`
    pub ice_state: IceState,
    /// `iceSelectedTuple`
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ice_selected_tuple: Option<TransportTuple>,
    /// `dtlsState`
    pub dtls_state: DtlsState,
    /// Bytes of the checks that proved its password, but for copies from elsewhere, and of the DTLS that it took in:
    /// payloads, without the lengths before the frames of TCP.
    pub bytes_received: u64,
    /// Bytes of the answers to checks and of the DTLS that the kernel took for its tuples, counted alike.
    pub bytes_sent: u64,
}

impl TransportStats {
    /// `origin`: the moment at which `timestamp` is 0.
    pub(super) fn new(id: &str, origin: Instant, state: TransportState) -> Self {
        let since = state.seen.saturating_duration_since(origin);
        TransportStats {
            transport_id: id.to_owned(),
            timestamp: u64::try_from(since.as_millis()).unwrap_or(u64::MAX),
            ice_role: IceRole::Controlled,
            ice_state: state.ice_state,
            ice_selected_tuple: state.ice_selected_tuple,
            dtls_state: state.dtls_state,
            bytes_received: state.bytes_received,
            bytes_sent: state.bytes_sent,
        }
    }
}

/// What a worker knows of a transport.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TransportState {
    /// When this was so.
    pub seen: Instant,
    /// `iceState`
    pub ice_state: IceState,
    /// `iceSelectedTuple`
    pub ice_selected_tuple: Option<TransportTuple>,
    /// Valid tuples, the oldest first.
    pub tuples: Vec<TransportTuple>,
    /// The current ufrag.
    pub ufrag: String,
    /// `dtlsState`
    pub dtls_state: DtlsState,
    /// Our DTLS role, once a handshake began.
    pub dtls_local_role: DtlsRole,
    /// [`TransportStats::bytes_received`]
    pub bytes_received: u64,
    /// [`TransportStats::bytes_sent`]
    pub bytes_sent: u64,
}

/// One worker's share of a server.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct WorkerDump {
    /// Open UDP sockets.
    pub udp_sockets: Vec<CarrierDump>,
    /// Open TCP listeners.
    pub tcp_servers: Vec<CarrierDump>,
    /// Transports that are not closed, by number.
    pub transport_ids: Vec<u64>,
    /// Registered ufrags and whose they are.
    pub local_ice_username_fragments: Vec<(String, u64)>,
    /// Tuples in the routing table.
    pub tuples: usize,
    /// TCP connections by phase.
    pub connections: ConnectionCounts,
}

/// A bound address.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct CarrierDump {
    /// Local address.
    pub ip: String,
    /// Local port.
    pub port: u16,
}

/// TCP connections by phase (SPEC.md §3.4).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ConnectionCounts {
    /// Of no transport yet.
    pub unbound: usize,
    /// In use.
    pub bound: usize,
    /// On their way out.
    pub lingering: usize,
}

/// Counters from the start: of one worker, or of all of a server's together (mediasoup `getStats()`).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Stats {
    /// Datagrams that arrived on UDP sockets.
    pub datagrams_received: u64,
    /// Datagrams that the kernel took.
    pub datagrams_sent: u64,
    /// Datagrams and frames that nobody could use.
    pub datagrams_dropped: u64,
    /// Bytes that arrived over UDP and TCP: payloads, and the lengths before the frames of TCP.
    pub bytes_received: u64,
    /// Bytes that the kernel took, of the same.
    pub bytes_sent: u64,
    /// Errors of receive calls.
    pub receive_errors: u64,
    /// Sends that met a full buffer.
    pub sends_blocked: u64,
    /// Sends that the kernel refused.
    pub send_errors: u64,
    /// Messages that DTLS would not encrypt.
    pub sends_refused: u64,
    /// STUN checks that proved a password.
    pub stun_checks: u64,
    /// STUN requests that earned an error.
    pub stun_errors: u64,
    /// Packets that look like STUN and are not.
    pub stun_malformed: u64,
    /// STUN of nobody we know.
    pub stun_unknown: u64,
    /// STUN that nobody answers: responses, indications, other methods, requests too short for an error, copies from
    /// elsewhere.
    pub stun_ignored: u64,
    /// DTLS handshakes that ended well.
    pub handshakes_completed: u64,
    /// DTLS handshakes that did not.
    pub handshakes_failed: u64,
    /// close_notify alerts that the kernel took as datagrams.
    pub alerts_sent: u64,
    /// Alerts that ended an association.
    pub alerts_received: u64,
    /// TCP connections accepted.
    pub connections_accepted: u64,
    /// Those that were closed at once, which count as nothing else: the server drains or closes, or a cap is reached.
    /// One that another worker handed over was accepted there.
    pub connections_refused: u64,
    /// Errors of accept calls.
    pub accept_errors: u64,
    /// Frames dropped unwritten.
    pub frames_dropped: u64,
    /// Frames that a FIN cut.
    pub frames_cut: u64,
    /// Datagrams, connections, and checks on connections in use, that arrived at another worker than their transport's
    /// and were handed to that one.
    pub handed_over: u64,
    /// The same, but dropped, and the connections closed, because that worker had too much to take or was gone. A check
    /// also because another of the same connection was with that worker, and because the answer found no room.
    pub hand_overs_dropped: u64,
}

impl AddAssign for Stats {
    fn add_assign(&mut self, other: Self) {
        self.datagrams_received += other.datagrams_received;
        self.datagrams_sent += other.datagrams_sent;
        self.datagrams_dropped += other.datagrams_dropped;
        self.bytes_received += other.bytes_received;
        self.bytes_sent += other.bytes_sent;
        self.receive_errors += other.receive_errors;
        self.sends_blocked += other.sends_blocked;
        self.send_errors += other.send_errors;
        self.sends_refused += other.sends_refused;
        self.stun_checks += other.stun_checks;
        self.stun_errors += other.stun_errors;
        self.stun_malformed += other.stun_malformed;
        self.stun_unknown += other.stun_unknown;
        self.stun_ignored += other.stun_ignored;
        self.handshakes_completed += other.handshakes_completed;
        self.handshakes_failed += other.handshakes_failed;
        self.alerts_sent += other.alerts_sent;
        self.alerts_received += other.alerts_received;
        self.connections_accepted += other.connections_accepted;
        self.connections_refused += other.connections_refused;
        self.accept_errors += other.accept_errors;
        self.frames_dropped += other.frames_dropped;
        self.frames_cut += other.frames_cut;
        self.handed_over += other.handed_over;
        self.hand_overs_dropped += other.hand_overs_dropped;
    }
}

impl AddAssign for WorkerDump {
    fn add_assign(&mut self, other: Self) {
        // Every worker listens at the same addresses.
        if self.udp_sockets.is_empty() && self.tcp_servers.is_empty() {
            self.udp_sockets = other.udp_sockets;
            self.tcp_servers = other.tcp_servers;
        }
        self.transport_ids.extend(other.transport_ids);
        self.local_ice_username_fragments.extend(other.local_ice_username_fragments);
        self.tuples += other.tuples;
        self.connections.unbound += other.connections.unbound;
        self.connections.bound += other.connections.bound;
        self.connections.lingering += other.connections.lingering;
    }
}
