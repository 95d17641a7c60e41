//! DTLS as the core knows it: it reads a datagram by its words, and makes a close_notify once.

use super::names;
use super::outside::ensure;
use webrtc_server::lifecycle::{
    DtlsReason, DtlsRole, Input, Output, RecordKind, TransportId as RealTransport,
};
use webrtc_server_model::{Config, TransportId};

/// A DTLS association.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Association {
    /// It has not said close_notify.
    Alive,
    /// It has: it makes no other.
    Silent,
    /// It is freed.
    Dropped,
}

/// Those of all transports.
#[derive(Clone, Debug)]
pub(super) struct Associations(Vec<Association>);

impl Associations {
    pub(super) fn new(transports: usize) -> Self {
        Associations(vec![Association::Alive; transports])
    }

    pub(super) fn is_dropped(&self, t: TransportId) -> bool {
        self.0[t.index()] == Association::Dropped
    }

    /// What DTLS does with what it is given.
    pub(super) fn perform(
        &mut self,
        config: &Config,
        output: &Output,
    ) -> Result<Vec<Input>, String> {
        let (Output::StartDtls { transport, .. }
        | Output::ExpectFingerprints { transport, .. }
        | Output::FeedDtls { transport, .. }
        | Output::EncryptData { transport, .. }
        | Output::MakeCloseNotify(transport)
        | Output::DropDtls(transport)) = output
        else {
            return Err(format!("{output:?} is not for DTLS"));
        };
        let transport = *transport;
        let t = names::model_transport(transport)?;
        let role = names::local_role(config.transport(t).role);
        let association = &mut self.0[t.index()];
        ensure(*association != Association::Dropped, "DTLS is used after it was freed")?;
        if let Output::StartDtls { role: played, .. } = output {
            ensure(*played == role, format_args!("DTLS plays the {played:?}"))?;
            return Ok(match role {
                DtlsRole::Client => vec![flight(transport)],
                DtlsRole::Server | DtlsRole::Auto => Vec::new(),
            });
        }
        if let Output::FeedDtls { datagram, .. } = output {
            return read_datagram(transport, role, datagram);
        }
        if let Output::EncryptData { data, .. } = output {
            ensure(*association == Association::Alive, "application data after the close_notify")?;
            let (datagram, kind) = (data.clone(), RecordKind::Data);
            return Ok(vec![Input::RecordsMade { transport, datagram, kind }]);
        }
        if let Output::MakeCloseNotify(_) = output {
            ensure(*association == Association::Alive, "DTLS makes one close_notify only")?;
            *association = Association::Silent;
            let datagram = Some(names::ALERT.to_vec());
            return Ok(vec![Input::CloseNotifyMade { transport, datagram }]);
        }
        if let Output::DropDtls(_) = output {
            *association = Association::Dropped;
        }
        Ok(Vec::new())
    }
}

/// What DTLS finds in a datagram of the peer, and what it has to send in turn.
fn read_datagram(
    transport: RealTransport,
    role: DtlsRole,
    datagram: &[u8],
) -> Result<Vec<Input>, String> {
    if datagram == names::PEER_FLIGHT {
        return Ok(vec![flight(transport)]);
    }
    if datagram == names::PEER_FINISHED {
        // The last flight of all is the server's.
        let answer = (role == DtlsRole::Server).then(|| flight(transport));
        return Ok(answer.into_iter().chain([Input::HandshakeCompleted { transport }]).collect());
    }
    let failed = Input::HandshakeFailed { transport, reason: DtlsReason::Handshake };
    if datagram == names::PEER_BROKE {
        return Ok(vec![flight(transport), failed]);
    }
    if datagram == names::PEER_BROKE_UNSEEN {
        return Ok(vec![failed]);
    }
    if datagram == names::PEER_CLOSE_NOTIFY {
        return Ok(vec![Input::CloseNotifyReceived { transport }]);
    }
    if datagram == names::PEER_FATAL_ALERT {
        return Ok(vec![Input::FatalAlertReceived { transport, code: names::FATAL_ALERT_CODE }]);
    }
    Err("DTLS is given what no peer sent".to_owned())
}

fn flight(transport: RealTransport) -> Input {
    let (datagram, kind) = (names::FLIGHT.to_vec(), RecordKind::Flight);
    Input::RecordsMade { transport, datagram, kind }
}
