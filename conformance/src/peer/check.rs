//! Connectivity checks.

use webrtc_server::wire::stun::{MessageBuilder, TransactionId, binding_request};

use super::agent::Peer;
use super::error::PeerError;
use super::path::Via;

/// PRIORITY of a peer-reflexive candidate (RFC 8445 section 5.1.2).
const PRIORITY: u32 = 110 << 24 | 65_535 << 8 | 255;

/// What a check says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CheckOptions {
    /// USE-CANDIDATE.
    pub nominate: bool,
    /// NOMINATION, the value of renomination.
    pub nomination: Option<u32>,
    /// USERNAME, if not the right one.
    pub username: Option<String>,
    /// What MESSAGE-INTEGRITY is made with, if not the right password.
    pub password: Option<String>,
}

impl Peer {
    /// Sends one Binding request as an honest controlling agent does.
    ///
    /// # Errors
    ///
    /// As [`Peer::send_packet`].
    pub fn check(&mut self, via: Via, nominate: bool) -> Result<TransactionId, PeerError> {
        let options = CheckOptions { nominate, ..CheckOptions::default() };
        self.check_with(via, &options, |request| request)
    }

    /// Sends one Binding request with other options. `tweak` adds what comes before
    /// MESSAGE-INTEGRITY, or puts another message in its place.
    ///
    /// # Errors
    ///
    /// As [`Peer::send_packet`].
    pub fn check_with(
        &mut self,
        via: Via,
        options: &CheckOptions,
        tweak: impl FnOnce(MessageBuilder) -> MessageBuilder,
    ) -> Result<TransactionId, PeerError> {
        let transaction = self.next_transaction();
        let request = self.check_request(transaction, options, tweak);
        self.send_packet(via, &request)?;
        Ok(transaction)
    }

    /// The bytes of a check, for a test that damages or delays it and then calls
    /// [`Peer::send_packet`].
    pub fn check_request(
        &self,
        transaction: TransactionId,
        options: &CheckOptions,
        tweak: impl FnOnce(MessageBuilder) -> MessageBuilder,
    ) -> Vec<u8> {
        let credentials = self.credentials();
        let right_name = format!("{}:{}", credentials.ufrag, self.ufrag());
        let username = options.username.as_ref().unwrap_or(&right_name);
        let password = options.password.as_ref().unwrap_or(&credentials.password);
        let mut request = binding_request(transaction, username, PRIORITY, self.tie_breaker());
        if options.nominate {
            request = request.use_candidate();
        }
        if let Some(nomination) = options.nomination {
            request = request.nomination(nomination);
        }
        tweak(request).message_integrity(password.as_bytes()).fingerprint()
    }
}
