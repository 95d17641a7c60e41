//! stub
use crate::parameters::ListenInfo;
/// stub
pub struct Bound {
    /// i
    pub info: ListenInfo,
    /// c
    pub carrier: BoundCarrier,
}
/// stub
pub enum BoundCarrier {
    /// u
    Udp(std::net::UdpSocket),
    /// t
    Tcp(std::net::TcpListener),
}
