//! ICE parameters and candidates of the server's side (RFC 8445).

use super::listen::Protocol;
use crate::lifecycle::Credentials;
use serde::{Deserialize, Serialize};
use std::fmt;

/// The server's ICE credentials as its peer needs them: mediasoup's `IceParameters`. Debug output hides the password.
#[derive(Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct IceParameters {
    /// `ice-ufrag` (RFC 8839 §5.4).
    pub username_fragment: String,
    /// `ice-pwd` (RFC 8839 §5.4).
    pub password: String,
    /// Always `true`: the server is an ICE-lite agent (RFC 8445 §2.5).
    pub ice_lite: bool,
}

impl fmt::Debug for IceParameters {
    //= RES-07
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("IceParameters")
            .field("username_fragment", &self.username_fragment)
            .field("ice_lite", &self.ice_lite)
            .finish_non_exhaustive()
    }
}

impl From<&Credentials> for IceParameters {
    fn from(credentials: &Credentials) -> Self {
        Self {
            username_fragment: credentials.ufrag.clone(),
            password: credentials.password.clone(),
            ice_lite: true,
        }
    }
}

impl From<&IceParameters> for Credentials {
    fn from(parameters: &IceParameters) -> Self {
        Self { ufrag: parameters.username_fragment.clone(), password: parameters.password.clone() }
    }
}

/// Where the server is reachable: mediasoup's `IceCandidate`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct IceCandidate {
    /// The same for candidates of one protocol and one local address (RFC 8445 §5.1.1.3).
    pub foundation: String,
    /// The peer tries the greater first (RFC 8445 §5.1.2).
    pub priority: u32,
    /// Deprecated by mediasoup, and still read by older clients: the same as [`Self::address`].
    pub ip: String,
    /// IP address or host name.
    pub address: String,
    /// UDP or TCP.
    pub protocol: Protocol,
    /// Port.
    pub port: u16,
    /// Always `host`.
    #[serde(rename = "type")]
    pub candidate_type: IceCandidateType,
    /// For TCP, always `passive` (RFC 6544 §4.5).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tcp_type: Option<IceTcpType>,
}

/// Kind of a candidate. An ICE-lite agent has host candidates only.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum IceCandidateType {
    /// An address of the host itself.
    Host,
}

/// Who opens the TCP connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum IceTcpType {
    /// The peer.
    Passive,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn res_07_debug_output_hides_the_ice_password() {
        let credentials = Credentials { ufrag: "frag".to_owned(), password: "secret".to_owned() };
        let parameters = IceParameters::from(&credentials);
        let text = format!("{parameters:?}");
        assert!(text.contains("frag") && !text.contains("secret"), "{text}");
    }

    #[test]
    fn stn_25_ice_parameters_serialise_as_mediasoups() {
        let credentials = Credentials { ufrag: "u".to_owned(), password: "p".to_owned() };
        let parameters = IceParameters::from(&credentials);
        assert_eq!(Credentials::from(&parameters), credentials);
        let json = serde_json::to_value(&parameters).expect("plain data");
        let expected =
            serde_json::json!({"usernameFragment": "u", "password": "p", "iceLite": true});
        assert_eq!(json, expected);
    }
}
