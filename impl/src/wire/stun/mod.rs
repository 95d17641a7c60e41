//! STUN as an ICE-lite server speaks it: Binding requests in, Binding responses out, short-term
//! credentials (RFC 8489, RFC 8445).
//!
//! [`Message::parse`] judges the shape of a packet and borrows from it; [`check::judge`] then
//! decides what a server does about it; [`MessageBuilder`], [`success_response`] and
//! [`error_response`] write. The order in a server: parse, look the password up by
//! [`Message::local_ufrag`], judge, answer.
//!
//! A parsed message owns nothing on the heap, so packets of strangers cost no allocation.
//! MESSAGE-INTEGRITY-SHA256 is noticed and not verified: no ICE agent in use sends it without
//! MESSAGE-INTEGRITY.

mod attributes;
mod build;
pub mod check;
mod integrity;
mod parse;
#[cfg(test)]
mod tests;

use std::fmt;

pub use attributes::{AttributeList, UNKNOWN_ATTRIBUTES_MAX, USERNAME_BYTES_MAX};
pub use build::{MessageBuilder, binding_request, error_response, success_response};
pub use integrity::MessageIntegrity;
pub use parse::{Message, ParseError};

/// Bytes of the STUN header (RFC 8489 section 5).
pub const HEADER_BYTES: usize = 20;

/// The fixed bytes that tell STUN from its predecessor of RFC 3489 (RFC 8489 section 5).
pub const MAGIC_COOKIE: u32 = 0x2112_A442;

/// Binding, the only method of ICE (RFC 8489 section 3).
const BINDING: u16 = 0x001;

/// The bits of a message type that hold the method.
const METHOD_CODE_MAX: u16 = 0xFFF;

/// What ties a response to its request: 96 bits that the client picked (RFC 8489 section 5).
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TransactionId(pub [u8; 12]);

impl fmt::Debug for TransactionId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("TransactionId(")?;
        for byte in self.0 {
            write!(formatter, "{byte:02x}")?;
        }
        formatter.write_str(")")
    }
}

/// What a message asks for (RFC 8489 section 5).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Method {
    /// Binding: every connectivity check of ICE.
    Binding,
    /// Any other method, by its 12-bit code: those of TURN, or none that exists.
    Other(u16),
}

impl Method {
    /// The 12-bit code. Higher bits of [`Method::Other`] have no place in a message and are cut
    /// off.
    #[must_use]
    pub fn code(self) -> u16 {
        match self {
            Self::Binding => BINDING,
            Self::Other(code) => code & METHOD_CODE_MAX,
        }
    }

    fn from_code(code: u16) -> Self {
        if code == BINDING { Self::Binding } else { Self::Other(code) }
    }
}

/// Which part of an exchange a message is (RFC 8489 section 5).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Class {
    /// Asks for a response.
    Request,
    /// Asks for nothing.
    Indication,
    /// Says that the request was granted.
    SuccessResponse,
    /// Says why it was not.
    ErrorResponse,
}

/// Puts method and class into the 14 bits of a message type: the class bits stand between the
/// method bits, a leftover of RFC 3489 (RFC 8489 section 5, figure 3).
fn message_type(class: Class, method: Method) -> u16 {
    let class_bits = match class {
        Class::Request => 0x000,
        Class::Indication => 0x010,
        Class::SuccessResponse => 0x100,
        Class::ErrorResponse => 0x110,
    };
    let code = method.code();
    class_bits | (code & 0x00F) | (code & 0x070) << 1 | (code & 0xF80) << 2
}

/// The other direction of [`message_type`]. The two highest bits, which are not part of the type,
/// are not looked at.
fn class_and_method(message_type: u16) -> (Class, Method) {
    let class = match (message_type & 0x100 != 0, message_type & 0x010 != 0) {
        (false, false) => Class::Request,
        (false, true) => Class::Indication,
        (true, false) => Class::SuccessResponse,
        (true, true) => Class::ErrorResponse,
    };
    let code = (message_type & 0x00F) | (message_type >> 1 & 0x070) | (message_type >> 2 & 0xF80);
    (class, Method::from_code(code))
}

/// The errors that this server answers with (RFC 8489 section 14.8, RFC 8445 section 16.2 for 487).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u16)]
pub enum ErrorCode {
    /// The request lacks what a connectivity check must have.
    BadRequest = 400,
    /// The request was not made with the password of the ufrag that it names.
    Unauthenticated = 401,
    /// The request holds attributes that must be understood and are not.
    UnknownAttribute = 420,
    /// The peer believes to be controlled, as this side always is.
    RoleConflict = 487,
}

impl ErrorCode {
    /// The number in the ERROR-CODE attribute, 300 to 699.
    #[must_use]
    pub fn code(self) -> u16 {
        self as u16
    }

    /// A few words for people who read a capture. Short, as a reply must not be much longer than
    /// its request.
    #[must_use]
    pub fn reason(self) -> &'static str {
        match self {
            Self::BadRequest => "Bad Request",
            Self::Unauthenticated => "Unauthenticated",
            Self::UnknownAttribute => "Unknown Attribute",
            Self::RoleConflict => "Role Conflict",
        }
    }
}
