//! What a peer saw.

use std::net::SocketAddr;

use webrtc_server::wire::stun::{Class, Message, TransactionId};

use super::path::Via;

/// A STUN message from the server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StunObserved {
    /// Where it came in.
    pub via: Via,
    /// Response, or something that a lite agent never sends.
    pub class: Class,
    /// Of the request that it answers.
    pub transaction: TransactionId,
    /// ERROR-CODE.
    pub error_code: Option<u16>,
    /// XOR-MAPPED-ADDRESS.
    pub mapped: Option<SocketAddr>,
    /// UNKNOWN-ATTRIBUTES.
    pub unknown_attributes: Vec<u16>,
    /// Whether MESSAGE-INTEGRITY proves that the sender knew the server's password.
    pub authentic: bool,
    /// Whether there is a FINGERPRINT (a wrong one makes the message malformed).
    pub fingerprint: bool,
}

impl StunObserved {
    pub(super) fn new(via: Via, message: &Message<'_>, password: &[u8]) -> Self {
        let unknown = message.unknown_attributes;
        Self {
            via,
            class: message.class,
            transaction: message.transaction,
            error_code: message.error_code,
            mapped: message.xor_mapped_address,
            unknown_attributes: unknown.map(|list| list.as_slice().to_vec()).unwrap_or_default(),
            authentic: message.verify_integrity(password),
            fingerprint: message.fingerprint,
        }
    }

    /// Whether it grants a check, provably.
    #[must_use]
    pub fn is_success(&self) -> bool {
        self.class == Class::SuccessResponse && self.authentic
    }
}

/// What a packet is, by its first byte.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum PacketSort {
    /// STUN.
    Stun,
    /// DTLS.
    Dtls,
    /// Anything else.
    Other,
}

/// A packet that came after the server's close_notify.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Late {
    /// Where it came in.
    pub via: Via,
    /// What it is.
    pub sort: PacketSort,
}

/// Everything that a peer collected. Order is that of collection: exact on one path; between paths
/// it follows their numbers within one [`Peer::collect`](super::Peer::collect).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Observed {
    /// Bytes of the packets of any kind, without the lengths of TCP frames.
    pub bytes: u64,
    /// STUN messages.
    pub stun: Vec<StunObserved>,
    /// Packets that begin like STUN or DTLS and are not.
    pub malformed: usize,
    /// Datagrams or frames that carry DTLS, whether fed to the session or held.
    pub dtls_datagrams: usize,
    /// Where each close_notify came in. Alerts are counted by their records on the wire, so that
    /// one that is sent twice counts twice although OpenSSL ignores the copy: the record that ended
    /// the session, and every alert record after it.
    pub close_notifies: Vec<Via>,
    /// Numbers of the fatal alerts that ended the session.
    pub fatal_alerts: Vec<u8>,
    /// Alert records that ended nothing: warnings, forgeries, and whatever follows a failure.
    pub other_alerts: usize,
    /// Application data, decrypted.
    pub data: Vec<Vec<u8>>,
    /// Packets that are neither STUN nor DTLS: media.
    pub other: Vec<(Via, Vec<u8>)>,
    /// Datagrams or frames behind the first close_notify, further copies of it included.
    pub after_close_notify: Vec<Late>,
}

impl Observed {
    /// The first answer to a check.
    #[must_use]
    pub fn answer_to(&self, transaction: TransactionId) -> Option<&StunObserved> {
        self.stun.iter().find(|answer| answer.transaction == transaction)
    }

    /// How often a check was answered.
    #[must_use]
    pub fn answers_to(&self, transaction: TransactionId) -> usize {
        self.stun.iter().filter(|answer| answer.transaction == transaction).count()
    }

    /// Packets behind the close_notify on the path that brought it. What comes on another path may
    /// have been sent before.
    #[must_use]
    pub fn late_on_the_same_path(&self) -> usize {
        let Some(first) = self.close_notifies.first() else { return 0 };
        self.after_close_notify.iter().filter(|late| late.via == *first).count()
    }
}
