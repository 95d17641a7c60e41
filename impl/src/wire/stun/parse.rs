//! From bytes to a [`Message`].

use std::net::SocketAddr;

use thiserror::Error;

use super::attributes::{self, Attribute, AttributeList};
use super::integrity::{self, MessageIntegrity};
use super::{Class, HEADER_BYTES, MAGIC_COOKIE, Method, TransactionId, class_and_method};

/// Why bytes are no STUN message. Always the peer's fault; such a packet is dropped without an
/// answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Error)]
pub enum ParseError {
    /// Fewer bytes than a header.
    #[error("{length} bytes are no STUN header")]
    TooShort {
        /// Bytes in the packet.
        length: usize,
    },
    /// Over 3: by RFC 7983 another protocol, or a method from 0x100 on that exists only on paper.
    #[error("no STUN message starts with byte {0}")]
    FirstByte(u8),
    /// Not the cookie of RFC 8489: another protocol, or the STUN of RFC 3489.
    #[error("wrong magic cookie")]
    MagicCookie,
    /// The length field says something else than the packet's size, or is not a multiple of four.
    #[error("length field {declared} where {actual} bytes follow the header")]
    Length {
        /// The length field, in bytes.
        declared: u16,
        /// Bytes behind the header.
        actual: usize,
    },
    /// An attribute, its padding included, runs past the end of the message.
    #[error("the attribute at byte {offset} runs past the end")]
    AttributeOverrun {
        /// Bytes from the packet's start to the attribute's type.
        offset: usize,
    },
    /// A value of the wrong length or form for its type.
    #[error("bad value of attribute {attribute_type:#06x}")]
    AttributeValue {
        /// The attribute's type.
        attribute_type: u16,
    },
    /// FINGERPRINT was not the last attribute.
    #[error("attribute {attribute_type:#06x} after FINGERPRINT")]
    AfterFingerprint {
        /// The type of what follows.
        attribute_type: u16,
    },
    /// The CRC does not match the bytes.
    #[error("wrong FINGERPRINT")]
    Fingerprint,
}

/// A well-formed STUN message. It borrows from the packet and owns nothing on the heap.
///
/// Well-formed is not authentic: until [`Message::verify_integrity`] says yes, all of it may be
/// made up. The fields hold what stands before MESSAGE-INTEGRITY, and of each attribute the first
/// one.
//= RES-06
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Message<'a> {
    /// Bytes of the whole message.
    pub length: usize,
    /// Request, indication or response.
    pub class: Class,
    /// What is asked for.
    pub method: Method,
    /// Ties a response to its request.
    pub transaction: TransactionId,
    /// USERNAME. In a request that a server receives: local ufrag, colon, remote ufrag (RFC 8445
    /// section 7.2.2).
    pub username: Option<&'a str>,
    /// PRIORITY that a candidate found by this check would have (RFC 8445 section 7.1.1).
    pub priority: Option<u32>,
    /// Whether USE-CANDIDATE nominates the pair (RFC 8445 section 7.1.2).
    pub use_candidate: bool,
    /// The tie-breaker of ICE-CONTROLLED: the peer believes to be controlled (RFC 8445 section
    /// 7.1.3).
    pub ice_controlled: Option<u64>,
    /// The tie-breaker of ICE-CONTROLLING: the peer believes to be in control (RFC 8445 section
    /// 7.1.3).
    pub ice_controlling: Option<u64>,
    /// NOMINATION under either of its numbers, 0x0030 and 0xC001 (draft-thatcher-ice-renomination).
    pub nomination: Option<u32>,
    /// MESSAGE-INTEGRITY and what it covers, not verified yet.
    pub message_integrity: Option<MessageIntegrity<'a>>,
    /// Whether there is a MESSAGE-INTEGRITY-SHA256. It is never verified.
    pub message_integrity_sha256: bool,
    /// Whether there is a FINGERPRINT. It was verified: a wrong one is a [`ParseError`].
    pub fingerprint: bool,
    /// The types that must be understood and are not.
    pub unknown_required: AttributeList,
    /// The number in ERROR-CODE, 0 to 799.
    pub error_code: Option<u16>,
    /// What UNKNOWN-ATTRIBUTES of a 420 lists.
    pub unknown_attributes: Option<AttributeList>,
    /// XOR-MAPPED-ADDRESS, in the clear.
    pub xor_mapped_address: Option<SocketAddr>,
    /// SOFTWARE, which nobody has to trust to be UTF-8.
    pub software: Option<&'a [u8]>,
}

impl<'a> Message<'a> {
    /// Reads one packet, all of it.
    ///
    /// Of attributes that appear twice the first one counts (RFC 8489 section 14); later ones are
    /// passed over, whatever they hold. So is what follows MESSAGE-INTEGRITY, as nothing vouches
    /// for it, except FINGERPRINT (RFC 8489 section 14.5). mediasoup drops packets for either
    /// (`RTC/ICE/StunPacket.cpp`).
    ///
    /// # Errors
    ///
    /// [`ParseError`] for anything that is not exactly one STUN message.
    //= RES-19
    pub fn parse(packet: &'a [u8]) -> Result<Self, ParseError> {
        let mut message = Self::parse_header(packet)?;
        let mut offset = HEADER_BYTES;
        while offset < packet.len() {
            let attribute = Attribute::read(packet, offset)?;
            if message.fingerprint {
                let attribute_type = attribute.attribute_type;
                return Err(ParseError::AfterFingerprint { attribute_type });
            }
            message.add(packet, attribute)?;
            offset = attribute.end;
        }
        Ok(message)
    }

    /// Whether the sender knew `password`. False without MESSAGE-INTEGRITY.
    ///
    /// The password is the one of the side that receives the request, for the response to it as
    /// well (RFC 8445 section 7.2.2).
    //= STN-05
    #[must_use]
    pub fn verify_integrity(&self, password: &[u8]) -> bool {
        self.message_integrity.is_some_and(|integrity| integrity.verify(password))
    }

    /// The ufrag of the side that receives this request: USERNAME up to the first colon, exactly.
    /// Empty, which is nobody's, without a colon; `None` without USERNAME.
    //= STN-07
    #[must_use]
    pub fn local_ufrag(&self) -> Option<&'a str> {
        Some(self.username?.split_once(':').map_or("", |(local, _remote)| local))
    }

    //= STN-01
    fn parse_header(packet: &[u8]) -> Result<Self, ParseError> {
        let Some(header) = packet.first_chunk::<HEADER_BYTES>() else {
            return Err(ParseError::TooShort { length: packet.len() });
        };
        if header[0] > 3 {
            return Err(ParseError::FirstByte(header[0]));
        }
        //= STN-16
        if header[4..8] != MAGIC_COOKIE.to_be_bytes() {
            return Err(ParseError::MagicCookie);
        }
        let declared = u16::from_be_bytes([header[2], header[3]]);
        let actual = packet.len() - HEADER_BYTES;
        if usize::from(declared) != actual || !declared.is_multiple_of(4) {
            return Err(ParseError::Length { declared, actual });
        }
        let (class, method) = class_and_method(u16::from_be_bytes([header[0], header[1]]));
        let mut transaction = TransactionId([0; 12]);
        transaction.0.copy_from_slice(&header[8..]);
        Ok(Self::without_attributes(packet.len(), class, method, transaction))
    }

    fn without_attributes(
        length: usize,
        class: Class,
        method: Method,
        transaction: TransactionId,
    ) -> Self {
        Self {
            length,
            class,
            method,
            transaction,
            username: None,
            priority: None,
            use_candidate: false,
            ice_controlled: None,
            ice_controlling: None,
            nomination: None,
            message_integrity: None,
            message_integrity_sha256: false,
            fingerprint: false,
            unknown_required: AttributeList::default(),
            error_code: None,
            unknown_attributes: None,
            xor_mapped_address: None,
            software: None,
        }
    }

    /// Takes the next attribute up.
    fn add(&mut self, packet: &'a [u8], attribute: Attribute<'a>) -> Result<(), ParseError> {
        match attribute.attribute_type {
            //= STN-04
            attributes::FINGERPRINT => {
                let expected = integrity::fingerprint(&packet[..attribute.start]);
                if u32::from_be_bytes(attribute.array()?) != expected {
                    return Err(ParseError::Fingerprint);
                }
                self.fingerprint = true;
                Ok(())
            }
            attributes::MESSAGE_INTEGRITY_SHA256 => {
                self.message_integrity_sha256 = true;
                Ok(())
            }
            //= STN-13
            _ if self.message_integrity.is_some() || self.message_integrity_sha256 => Ok(()),
            attributes::MESSAGE_INTEGRITY => {
                let covered = &packet[..attribute.start];
                self.message_integrity = Some(MessageIntegrity::new(covered, attribute.array()?));
                Ok(())
            }
            _ => self.add_covered(attribute),
        }
    }

    /// Takes up an attribute that MESSAGE-INTEGRITY, if one follows, covers.
    fn add_covered(&mut self, attribute: Attribute<'a>) -> Result<(), ParseError> {
        match attribute.attribute_type {
            attributes::USERNAME => set_first(&mut self.username, || attribute.username()),
            attributes::PRIORITY => set_first(&mut self.priority, || number(&attribute)),
            attributes::USE_CANDIDATE if self.use_candidate => Ok(()),
            attributes::USE_CANDIDATE => {
                let [] = attribute.array()?;
                self.use_candidate = true;
                Ok(())
            }
            attributes::ICE_CONTROLLED => {
                set_first(&mut self.ice_controlled, || tie_breaker(&attribute))
            }
            attributes::ICE_CONTROLLING => {
                set_first(&mut self.ice_controlling, || tie_breaker(&attribute))
            }
            //= STN-12
            attributes::NOMINATION | attributes::NOMINATION_LEGACY => {
                set_first(&mut self.nomination, || number(&attribute))
            }
            attributes::ERROR_CODE => set_first(&mut self.error_code, || attribute.error_code()),
            attributes::UNKNOWN_ATTRIBUTES => {
                set_first(&mut self.unknown_attributes, || attribute.attribute_list())
            }
            attributes::XOR_MAPPED_ADDRESS => {
                let transaction = self.transaction;
                set_first(&mut self.xor_mapped_address, || {
                    attribute.xor_mapped_address(transaction)
                })
            }
            attributes::SOFTWARE => set_first(&mut self.software, || Ok(attribute.value)),
            other => {
                if attributes::must_be_understood(other) {
                    self.unknown_required.add(other);
                }
                Ok(())
            }
        }
    }
}

/// Sets what is not set yet, and does not even look at a second value.
//= STN-03
fn set_first<T>(
    slot: &mut Option<T>,
    value: impl FnOnce() -> Result<T, ParseError>,
) -> Result<(), ParseError> {
    if slot.is_none() {
        *slot = Some(value()?);
    }
    Ok(())
}

fn number(attribute: &Attribute<'_>) -> Result<u32, ParseError> {
    attribute.array().map(u32::from_be_bytes)
}

fn tie_breaker(attribute: &Attribute<'_>) -> Result<u64, ParseError> {
    attribute.array().map(u64::from_be_bytes)
}
