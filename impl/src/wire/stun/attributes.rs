//! Attribute types, the shape that all attributes share, and the values that take more than reading
//! an integer.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use super::{MAGIC_COOKIE, ParseError, TransactionId};

/// Bytes of a USERNAME at the most: those of RFC 5389 section 15.3, and of mediasoup
/// (`RTC/ICE/StunPacket.cpp`). RFC 8489 has 508 since; both ends of a candidate pair together need
/// far less.
pub const USERNAME_BYTES_MAX: usize = 513;

/// How many attribute types an [`AttributeList`] holds. A request with more of them is not worth a
/// longer answer.
pub const UNKNOWN_ATTRIBUTES_MAX: usize = 8;

/// Bytes in front of every value: type and length (RFC 8489 section 14).
pub(super) const ATTRIBUTE_HEADER_BYTES: usize = 4;

/// Attributes from here on may be passed over by who does not know them (RFC 8489 section 14).
const COMPREHENSION_OPTIONAL: u16 = 0x8000;

pub(super) const USERNAME: u16 = 0x0006;
pub(super) const MESSAGE_INTEGRITY: u16 = 0x0008;
pub(super) const ERROR_CODE: u16 = 0x0009;
pub(super) const UNKNOWN_ATTRIBUTES: u16 = 0x000A;
pub(super) const MESSAGE_INTEGRITY_SHA256: u16 = 0x001C;
pub(super) const XOR_MAPPED_ADDRESS: u16 = 0x0020;
pub(super) const PRIORITY: u16 = 0x0024;
pub(super) const USE_CANDIDATE: u16 = 0x0025;
/// draft-thatcher-ice-renomination as IANA registered it.
pub(super) const NOMINATION: u16 = 0x0030;
pub(super) const SOFTWARE: u16 = 0x8022;
pub(super) const FINGERPRINT: u16 = 0x8028;
pub(super) const ICE_CONTROLLED: u16 = 0x8029;
pub(super) const ICE_CONTROLLING: u16 = 0x802A;
/// The same as [`NOMINATION`], as libwebrtc sent it before there was a registered number.
pub(super) const NOMINATION_LEGACY: u16 = 0xC001;

/// Attributes of RFC 8489 that mean nothing in a connectivity check. They are known, hence no
/// reason for a 420: MAPPED-ADDRESS, REALM, NONCE, PASSWORD-ALGORITHM, USERHASH.
const KNOWN_AND_UNUSED: [u16; 5] = [0x0001, 0x0014, 0x0015, 0x001D, 0x001E];

/// Whether a server must refuse a request because of this type, which its parser found no use for.
//= STN-12
pub(super) fn must_be_understood(attribute_type: u16) -> bool {
    attribute_type < COMPREHENSION_OPTIONAL && !KNOWN_AND_UNUSED.contains(&attribute_type)
}

/// Up to [`UNKNOWN_ATTRIBUTES_MAX`] different attribute types in order of appearance, without an
/// allocation. Further ones are left out.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct AttributeList {
    types: [u16; UNKNOWN_ATTRIBUTES_MAX],
    count: usize,
}

impl AttributeList {
    /// The types.
    #[must_use]
    pub fn as_slice(&self) -> &[u16] {
        &self.types[..self.count]
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    pub(super) fn add(&mut self, attribute_type: u16) {
        if self.count < UNKNOWN_ATTRIBUTES_MAX && !self.as_slice().contains(&attribute_type) {
            self.types[self.count] = attribute_type;
            self.count += 1;
        }
    }
}

/// One attribute inside a packet.
#[derive(Clone, Copy, Debug)]
pub(super) struct Attribute<'a> {
    pub(super) attribute_type: u16,
    /// Without padding.
    pub(super) value: &'a [u8],
    /// Bytes from the packet's start to the attribute's type.
    pub(super) start: usize,
    /// Bytes from the packet's start to the next attribute.
    pub(super) end: usize,
}

impl<'a> Attribute<'a> {
    /// Reads the attribute at `start`. Padding must be there and may be anything (RFC 8489 section
    /// 14).
    //= STN-02
    pub(super) fn read(packet: &'a [u8], start: usize) -> Result<Self, ParseError> {
        let overrun = ParseError::AttributeOverrun { offset: start };
        let Some((&[type_high, type_low, length_high, length_low], rest)) =
            packet[start..].split_first_chunk()
        else {
            return Err(overrun);
        };
        let length = usize::from(u16::from_be_bytes([length_high, length_low]));
        let padded = length.next_multiple_of(4);
        if padded > rest.len() {
            return Err(overrun);
        }
        Ok(Self {
            attribute_type: u16::from_be_bytes([type_high, type_low]),
            value: &rest[..length],
            start,
            end: start + ATTRIBUTE_HEADER_BYTES + padded,
        })
    }

    /// The value as so many bytes, no more and no fewer.
    pub(super) fn array<const BYTES: usize>(&self) -> Result<[u8; BYTES], ParseError> {
        self.value.try_into().map_err(|_| self.bad_value())
    }

    /// USERNAME: UTF-8 of a bounded length (RFC 8489 section 14.3).
    pub(super) fn username(&self) -> Result<&'a str, ParseError> {
        if self.value.len() > USERNAME_BYTES_MAX {
            return Err(self.bad_value());
        }
        std::str::from_utf8(self.value).map_err(|_| self.bad_value())
    }

    /// ERROR-CODE: hundreds in three bits, the rest up to 99 in one byte, then the reason (RFC 8489
    /// section 14.8).
    pub(super) fn error_code(&self) -> Result<u16, ParseError> {
        match *self.value {
            [_, _, hundreds, rest, ..] if rest < 100 => {
                Ok(u16::from(hundreds & 0b111) * 100 + u16::from(rest))
            }
            _ => Err(self.bad_value()),
        }
    }

    /// UNKNOWN-ATTRIBUTES: types of two bytes each (RFC 8489 section 14.9).
    pub(super) fn attribute_list(&self) -> Result<AttributeList, ParseError> {
        let pairs = self.value.chunks_exact(2);
        if !pairs.remainder().is_empty() {
            return Err(self.bad_value());
        }
        let mut list = AttributeList::default();
        for pair in pairs {
            list.add(u16::from_be_bytes([pair[0], pair[1]]));
        }
        Ok(list)
    }

    /// XOR-MAPPED-ADDRESS (RFC 8489 section 14.2).
    pub(super) fn xor_mapped_address(&self, id: TransactionId) -> Result<SocketAddr, ParseError> {
        let Some((&[_, family, port_high, port_low], address)) = self.value.split_first_chunk()
        else {
            return Err(self.bad_value());
        };
        let port = u16::from_be_bytes([port_high, port_low]) ^ (MAGIC_COOKIE >> 16) as u16;
        let ip = if let (FAMILY_IPV4, Ok(octets)) = (family, <[u8; 4]>::try_from(address)) {
            IpAddr::V4(Ipv4Addr::from(u32::from_be_bytes(octets) ^ MAGIC_COOKIE))
        } else if let (FAMILY_IPV6, Ok(octets)) = (family, <[u8; 16]>::try_from(address)) {
            IpAddr::V6(Ipv6Addr::from(u128::from_be_bytes(octets) ^ ipv6_mask(id)))
        } else {
            return Err(self.bad_value());
        };
        Ok(SocketAddr::new(ip, port))
    }

    pub(super) fn bad_value(&self) -> ParseError {
        ParseError::AttributeValue { attribute_type: self.attribute_type }
    }
}

const FAMILY_IPV4: u8 = 1;
const FAMILY_IPV6: u8 = 2;

/// An IPv6 address is hidden by the cookie and the transaction id, an IPv4 address by the cookie
/// alone.
//= STN-09
fn ipv6_mask(id: TransactionId) -> u128 {
    let mut mask = [0; 16];
    mask[..4].copy_from_slice(&MAGIC_COOKIE.to_be_bytes());
    mask[4..].copy_from_slice(&id.0);
    u128::from_be_bytes(mask)
}

/// The value of XOR-MAPPED-ADDRESS: the address so that no middlebox finds and rewrites it (RFC
/// 8489 section 14.2).
pub(super) fn xor_mapped_address_value(mapped: SocketAddr, id: TransactionId) -> Vec<u8> {
    let mut value = vec![0];
    let port = mapped.port() ^ (MAGIC_COOKIE >> 16) as u16;
    match mapped.ip() {
        IpAddr::V4(ip) => {
            value.push(FAMILY_IPV4);
            value.extend_from_slice(&port.to_be_bytes());
            value.extend_from_slice(&(u32::from(ip) ^ MAGIC_COOKIE).to_be_bytes());
        }
        IpAddr::V6(ip) => {
            value.push(FAMILY_IPV6);
            value.extend_from_slice(&port.to_be_bytes());
            value.extend_from_slice(&(u128::from(ip) ^ ipv6_mask(id)).to_be_bytes());
        }
    }
    value
}
