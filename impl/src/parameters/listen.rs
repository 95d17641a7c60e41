//! Where a server listens.

use serde::{Deserialize, Serialize};
use std::fmt;
use std::net::IpAddr;

/// Transport protocol of a socket, a candidate or a tuple.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Protocol {
    /// Datagrams.
    Udp,
    /// Streams with the framing of RFC 4571.
    Tcp,
}

impl fmt::Display for Protocol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Udp => "udp",
            Self::Tcp => "tcp",
        })
    }
}

/// One socket of a server: mediasoup's `TransportListenInfo`. A number that is 0 counts as absent, as in mediasoup.
//= RES-09
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ListenInfo {
    /// UDP socket or TCP listener.
    pub protocol: Protocol,
    /// Address to bind to. With an unspecified one (`0.0.0.0`, `::`) peers need [`Self::announced_address`].
    pub ip: IpAddr,
    /// IP address or host name that candidates show in place of [`Self::ip`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub announced_address: Option<String>,
    /// Beside the announced address, one more candidate shows the IP address itself, with a lower priority.
    #[serde(default)]
    pub expose_internal_ip: bool,
    /// Port to bind to. 0: one of [`Self::port_range`], or else one that the system chooses.
    #[serde(default)]
    pub port: u16,
    /// Ports to try, each once, beginning at random. A fixed [`Self::port`] makes it void.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub port_range: Option<PortRange>,
    /// Socket options that are on or off.
    #[serde(default)]
    pub flags: ListenFlags,
    /// `SO_SNDBUF` in bytes, at most 2^31 - 1; connections inherit it from their listener. The system may round it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub send_buffer_size: Option<u32>,
    /// `SO_RCVBUF` in bytes, as [`Self::send_buffer_size`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub recv_buffer_size: Option<u32>,
}

impl ListenInfo {
    /// Listens on this address, on a port that the system chooses; everything else is off.
    #[must_use]
    pub fn new(protocol: Protocol, ip: IpAddr) -> Self {
        Self {
            protocol,
            ip,
            announced_address: None,
            expose_internal_ip: false,
            port: 0,
            port_range: None,
            flags: ListenFlags::default(),
            send_buffer_size: None,
            recv_buffer_size: None,
        }
    }

    /// What peers are told in place of [`Self::ip`]; an empty text counts as absent.
    #[must_use]
    pub fn announced(&self) -> Option<&str> {
        self.announced_address.as_deref().filter(|address| !address.is_empty())
    }

    /// The address that peers are told: the announced one, or the IP address.
    //= RES-13
    #[must_use]
    pub fn address(&self) -> String {
        self.announced().map_or_else(|| self.ip.to_string(), str::to_owned)
    }
}

/// Ports from `min` to `max`, both included. Both 0 counts as absent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct PortRange {
    /// The lowest, at least 1.
    pub min: u16,
    /// The highest, at least [`Self::min`].
    pub max: u16,
}

/// Socket options that are on or off: mediasoup's `TransportSocketFlags`. Where one does not apply it is ignored.
//= RES-11
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ListenFlags {
    /// IPv6 sockets take no IPv4 traffic (`IPV6_V6ONLY`).
    pub ipv6_only: bool,
    /// Several UDP sockets may share address and port (`SO_REUSEPORT`, Linux only).
    pub udp_reuse_port: bool,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn res_09_listen_info_reads_mediasoups_json() {
        let json = r#"{"protocol":"tcp","ip":"::1","announcedAddress":"sfu.example.org",
            "exposeInternalIp":true,"port":4443,"portRange":{"min":1,"max":2},
            "flags":{"ipv6Only":true,"udpReusePort":true},"sendBufferSize":1,"recvBufferSize":2}"#;
        let info: ListenInfo = serde_json::from_str(json).expect("mediasoup's own fields");
        let expected = ListenInfo {
            announced_address: Some("sfu.example.org".to_owned()),
            expose_internal_ip: true,
            port: 4443,
            port_range: Some(PortRange { min: 1, max: 2 }),
            flags: ListenFlags { ipv6_only: true, udp_reuse_port: true },
            send_buffer_size: Some(1),
            recv_buffer_size: Some(2),
            ..ListenInfo::new(Protocol::Tcp, "::1".parse().expect("an address"))
        };
        assert_eq!(info, expected);
        let back = serde_json::to_value(&info).expect("plain data");
        assert_eq!(back, serde_json::from_str::<serde_json::Value>(json).expect("as above"));
    }

    #[test]
    fn res_09_listen_info_needs_protocol_and_ip_only() {
        let info: ListenInfo = serde_json::from_str(r#"{"protocol":"udp","ip":"127.0.0.1"}"#)
            .expect("everything else has a default");
        assert_eq!(info, ListenInfo::new(Protocol::Udp, "127.0.0.1".parse().expect("an address")));
        for bad in [
            r#"{}"#,
            r#"{"protocol":"udp"}"#,
            r#"{"protocol":"sctp","ip":"127.0.0.1"}"#,
            r#"{"protocol":"udp","ip":"not.an.ip"}"#,
            r#"{"protocol":"udp","ip":"127.0.0.1","port":65536}"#,
            r#""NOT-AN-OBJECT""#,
        ] {
            assert!(serde_json::from_str::<ListenInfo>(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn res_13_an_empty_announced_address_counts_as_absent() {
        let mut info = ListenInfo::new(Protocol::Udp, "10.0.0.1".parse().expect("an address"));
        info.announced_address = Some(String::new());
        assert_eq!(info.address(), "10.0.0.1");
        info.announced_address = Some("sfu.example.org".to_owned());
        assert_eq!(info.address(), "sfu.example.org");
    }
}
