//! From fields to bytes: the server's responses, and the requests of test clients.

use std::net::SocketAddr;

use super::attributes::{self, ATTRIBUTE_HEADER_BYTES, UNKNOWN_ATTRIBUTES_MAX};
use super::integrity::{self, FINGERPRINT_BYTES, MAC_BYTES};
use super::{Class, ErrorCode, HEADER_BYTES, MAGIC_COOKIE, Method, TransactionId, message_type};

/// Writes a message attribute by attribute, in the order of the calls.
///
/// Nothing stops a caller from writing what no agent should send, such as attributes behind
/// MESSAGE-INTEGRITY or two USERNAMEs: test clients need that.
#[derive(Clone, Debug)]
#[must_use]
pub struct MessageBuilder {
    /// The message so far. Its length field is right after every call.
    bytes: Vec<u8>,
    transaction: TransactionId,
}

impl MessageBuilder {
    /// A message without attributes.
    pub fn new(class: Class, method: Method, transaction: TransactionId) -> Self {
        let mut bytes = Vec::with_capacity(128);
        bytes.extend_from_slice(&message_type(class, method).to_be_bytes());
        bytes.extend_from_slice(&[0, 0]);
        bytes.extend_from_slice(&MAGIC_COOKIE.to_be_bytes());
        bytes.extend_from_slice(&transaction.0);
        Self { bytes, transaction }
    }

    /// Appends any attribute, padded with zeros to a multiple of four bytes (RFC 8489 section 14).
    ///
    /// # Panics
    ///
    /// When the message would grow beyond the 65535 bytes that its length field can say. The values
    /// that come from the network into this server's own responses are a few bytes long.
    pub fn attribute(mut self, attribute_type: u16, value: &[u8]) -> Self {
        let padded = value.len().next_multiple_of(4);
        self.set_length_with(padded);
        self.bytes.extend_from_slice(&attribute_type.to_be_bytes());
        // The padded length fits the message's length field, so the length does.
        self.bytes.extend_from_slice(&(value.len() as u16).to_be_bytes());
        self.bytes.extend_from_slice(value);
        self.bytes.resize(self.bytes.len() + padded - value.len(), 0);
        self
    }

    /// USERNAME: the receiver's ufrag, a colon, the sender's ufrag (RFC 8445 section 7.2.2).
    ///
    /// # Panics
    ///
    /// As [`MessageBuilder::attribute`]; a length over 513 bytes is written and will be refused.
    pub fn username(self, username: &str) -> Self {
        self.attribute(attributes::USERNAME, username.as_bytes())
    }

    /// PRIORITY (RFC 8445 section 7.1.1).
    pub fn priority(self, priority: u32) -> Self {
        self.attribute(attributes::PRIORITY, &priority.to_be_bytes())
    }

    /// USE-CANDIDATE (RFC 8445 section 7.1.2).
    pub fn use_candidate(self) -> Self {
        self.attribute(attributes::USE_CANDIDATE, &[])
    }

    /// ICE-CONTROLLED (RFC 8445 section 7.1.3).
    pub fn ice_controlled(self, tie_breaker: u64) -> Self {
        self.attribute(attributes::ICE_CONTROLLED, &tie_breaker.to_be_bytes())
    }

    /// ICE-CONTROLLING (RFC 8445 section 7.1.3).
    pub fn ice_controlling(self, tie_breaker: u64) -> Self {
        self.attribute(attributes::ICE_CONTROLLING, &tie_breaker.to_be_bytes())
    }

    /// NOMINATION under its registered number 0x0030 (draft-thatcher-ice-renomination).
    pub fn nomination(self, nomination: u32) -> Self {
        self.attribute(attributes::NOMINATION, &nomination.to_be_bytes())
    }

    /// NOMINATION under the number 0xC001, as browsers sent it first.
    pub fn nomination_legacy(self, nomination: u32) -> Self {
        self.attribute(attributes::NOMINATION_LEGACY, &nomination.to_be_bytes())
    }

    /// SOFTWARE (RFC 8489 section 14.14).
    ///
    /// # Panics
    ///
    /// As [`MessageBuilder::attribute`].
    pub fn software(self, software: &str) -> Self {
        self.attribute(attributes::SOFTWARE, software.as_bytes())
    }

    /// XOR-MAPPED-ADDRESS (RFC 8489 section 14.2). Takes the address in the clear.
    pub fn xor_mapped_address(self, mapped: SocketAddr) -> Self {
        let value = attributes::xor_mapped_address_value(mapped, self.transaction);
        self.attribute(attributes::XOR_MAPPED_ADDRESS, &value)
    }

    /// ERROR-CODE with its reason phrase (RFC 8489 section 14.8).
    pub fn error_code(self, error: ErrorCode) -> Self {
        let code = error.code();
        let mut value = vec![0, 0, (code / 100) as u8, (code % 100) as u8];
        value.extend_from_slice(error.reason().as_bytes());
        self.attribute(attributes::ERROR_CODE, &value)
    }

    /// UNKNOWN-ATTRIBUTES (RFC 8489 section 14.9), the first [`UNKNOWN_ATTRIBUTES_MAX`] of them: a
    /// longer list helps nobody but who wants a long reply.
    pub fn unknown_attributes(self, types: &[u16]) -> Self {
        let listed = types.iter().take(UNKNOWN_ATTRIBUTES_MAX);
        let value: Vec<u8> = listed.flat_map(|unknown| unknown.to_be_bytes()).collect();
        self.attribute(attributes::UNKNOWN_ATTRIBUTES, &value)
    }

    /// MESSAGE-INTEGRITY over all that was written so far (RFC 8489 section 14.5).
    pub fn message_integrity(self, password: &[u8]) -> Self {
        let mac: [u8; MAC_BYTES] = integrity::message_integrity(&self.bytes, password);
        self.attribute(attributes::MESSAGE_INTEGRITY, &mac)
    }

    /// Ends the message with a FINGERPRINT (RFC 8489 section 14.7), behind which nothing may
    /// follow.
    //= STN-04
    #[must_use]
    pub fn fingerprint(mut self) -> Vec<u8> {
        self.set_length_with(FINGERPRINT_BYTES);
        let fingerprint = integrity::fingerprint(&self.bytes);
        self.attribute(attributes::FINGERPRINT, &fingerprint.to_be_bytes()).build()
    }

    /// Ends the message as it is.
    #[must_use]
    pub fn build(self) -> Vec<u8> {
        self.bytes
    }

    /// Makes the length field count one more attribute, of so many bytes with padding.
    fn set_length_with(&mut self, padded: usize) {
        let length = self.bytes.len() - HEADER_BYTES + ATTRIBUTE_HEADER_BYTES + padded;
        let length =
            u16::try_from(length).expect("a STUN message has at most 65535 bytes of attributes");
        self.bytes[2..4].copy_from_slice(&length.to_be_bytes());
    }
}

/// A connectivity check of a controlling agent, as clients of this server send it: USERNAME,
/// ICE-CONTROLLING and PRIORITY. The caller adds what else it wants and ends with
/// [`MessageBuilder::message_integrity`] and [`MessageBuilder::fingerprint`].
///
/// `username` is the server's ufrag, a colon, the client's ufrag.
pub fn binding_request(
    transaction: TransactionId,
    username: &str,
    priority: u32,
    tie_breaker: u64,
) -> MessageBuilder {
    MessageBuilder::new(Class::Request, Method::Binding, transaction)
        .username(username)
        .ice_controlling(tie_breaker)
        .priority(priority)
}

/// The answer to a check that was granted (RFC 8445 section 7.3, RFC 8489 section 9.1.3).
///
/// `mapped` is where the request came from, `password` what authenticated it.
//= STN-09
#[must_use]
pub fn success_response(
    transaction: TransactionId,
    mapped: SocketAddr,
    password: &[u8],
) -> Vec<u8> {
    MessageBuilder::new(Class::SuccessResponse, Method::Binding, transaction)
        .xor_mapped_address(mapped)
        .message_integrity(password)
        .fingerprint()
}

/// The answer to a check that was refused (RFC 8489 sections 6.3.1 and 9.1.3).
///
/// `password` is what authenticated the request; `None` when nothing did, and then the response is
/// not authenticated either. `unknown` goes into the response when there is any; more than
/// [`UNKNOWN_ATTRIBUTES_MAX`] are cut off.
//= STN-11
#[must_use]
pub fn error_response(
    transaction: TransactionId,
    code: ErrorCode,
    unknown: &[u16],
    password: Option<&[u8]>,
) -> Vec<u8> {
    let mut message =
        MessageBuilder::new(Class::ErrorResponse, Method::Binding, transaction).error_code(code);
    if !unknown.is_empty() {
        message = message.unknown_attributes(unknown);
    }
    if let Some(password) = password {
        message = message.message_integrity(password);
    }
    message.fingerprint()
}
