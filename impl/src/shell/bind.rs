//! Binds what a server listens on: everything, or nothing.
//!
//! Sockets that were bound before a later one failed are closed before the error is returned, because whoever owns
//! them goes out of scope.

use crate::parameters::{ListenInfo, PortRange, Protocol};
use socket2::{Domain, Socket, Type};
use std::io;
use std::net::{SocketAddr, TcpListener, UdpSocket};

/// Connections that the kernel accepts ahead of a listener (mediasoup TcpServerHandle.cpp).
const BACKLOG: i32 = 512;

/// One bound socket. Nonblocking, and closed on drop.
#[derive(Debug)]
pub struct Bound {
    /// What it was asked to be, with the real port.
    pub info: ListenInfo,
    /// The socket.
    pub carrier: BoundCarrier,
}

/// The socket itself.
#[derive(Debug)]
pub enum BoundCarrier {
    /// For datagrams.
    Udp(UdpSocket),
    /// For connections; it listens already.
    Tcp(TcpListener),
}

/// A listen info that cannot be had. Nothing is left open.
//= RES-10
//= CLS-21
#[derive(Debug, thiserror::Error)]
#[error("listenInfos[{index}] ({} {}): {reason}", listen_info.protocol, listen_info.ip)]
pub struct BindError {
    /// Its place in the list, from 0.
    pub index: usize,
    /// The listen info itself.
    pub listen_info: Box<ListenInfo>,
    /// What is wrong with it.
    #[source]
    pub reason: BindFailure,
}

/// Why one listen info cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum BindFailure {
    /// The port range is empty or begins at 0: the caller's fault.
    #[error("portRange {}..={} needs 1 <= min <= max", .0.min, .0.max)]
    PortRange(PortRange),
    /// Every port of the range was tried once, and is taken or not permitted.
    #[error("no port of {}..={} is available: {last}", range.min, range.max)]
    PortRangeExhausted {
        /// The range.
        range: PortRange,
        /// What the system said to the port that was tried last.
        last: io::Error,
    },
    /// A buffer size does not fit the system's signed integer: the caller's fault.
    #[error("a buffer size of {0} bytes is out of range")]
    BufferSize(u32),
    /// The system refused.
    #[error("cannot {step}: {source}")]
    Io {
        /// What was tried, in the words of the system call.
        step: &'static str,
        /// What the system said.
        source: io::Error,
    },
}

impl BindFailure {
    fn io(step: &'static str) -> impl FnOnce(io::Error) -> Self {
        move |source| Self::Io { step, source }
    }
}

/// Binds every listen info, in order.
///
/// The port is the fixed one; else one of the range, each tried once from a random one on; else the system's choice.
/// TCP listeners can have a port again at once after they are closed (`SO_REUSEADDR`). What a flag has no meaning for
/// ignores it.
///
/// # Errors
///
/// [`BindError`] for the first listen info that cannot be had; all others are free again by then.
//= RES-09
//= CLS-21
pub fn bind(listen_infos: &[ListenInfo]) -> Result<Vec<Bound>, BindError> {
    let bind = |(index, info): (usize, &ListenInfo)| {
        bind_one(info).map_err(|reason| BindError {
            index,
            listen_info: Box::new(info.clone()),
            reason,
        })
    };
    listen_infos.iter().enumerate().map(bind).collect()
}

//= RES-10
fn bind_one(info: &ListenInfo) -> Result<Bound, BindFailure> {
    let range = info.port_range.filter(|range| (range.min, range.max) != (0, 0));
    match range {
        Some(range) if info.port == 0 => bind_in(range, info),
        Some(_) | None => bind_to(info, info.port),
    }
}

fn bind_in(range: PortRange, info: &ListenInfo) -> Result<Bound, BindFailure> {
    if range.min == 0 || range.min > range.max {
        return Err(BindFailure::PortRange(range));
    }
    let start = random_from(range)?;
    let mut last = None;
    for port in (start..=range.max).chain(range.min..start) {
        match bind_to(info, port) {
            Err(BindFailure::Io { source, .. }) if is_about_the_port(&source) => {
                last = Some(source);
            }
            result => return result,
        }
    }
    let last = last.unwrap_or_else(|| io::ErrorKind::AddrInUse.into());
    Err(BindFailure::PortRangeExhausted { range, last })
}

/// Whether another port may do.
fn is_about_the_port(error: &io::Error) -> bool {
    [io::ErrorKind::AddrInUse, io::ErrorKind::PermissionDenied].contains(&error.kind())
}

fn random_from(range: PortRange) -> Result<u16, BindFailure> {
    let mut bytes = [0; 4];
    openssl::rand::rand_bytes(&mut bytes)
        .map_err(|error| BindFailure::io("draw a random port")(io::Error::other(error)))?;
    let ports = u32::from(range.max - range.min) + 1;
    let offset = u16::try_from(u32::from_ne_bytes(bytes) % ports).unwrap_or(0);
    Ok(range.min + offset)
}

fn bind_to(info: &ListenInfo, port: u16) -> Result<Bound, BindFailure> {
    let address = SocketAddr::new(info.ip, port);
    let kind = match info.protocol {
        Protocol::Udp => Type::DGRAM,
        Protocol::Tcp => Type::STREAM,
    };
    let socket = Socket::new(Domain::for_address(address), kind, None)
        .map_err(BindFailure::io("open a socket"))?;
    set_flags(&socket, info)?;
    set_buffers(&socket, info)?;
    socket.set_nonblocking(true).map_err(BindFailure::io("make the socket nonblocking"))?;
    socket.bind(&address.into()).map_err(BindFailure::io("bind"))?;
    let carrier = match info.protocol {
        Protocol::Udp => BoundCarrier::Udp(socket.into()),
        Protocol::Tcp => {
            socket.listen(BACKLOG).map_err(BindFailure::io("listen"))?;
            BoundCarrier::Tcp(socket.into())
        }
    };
    let local = match &carrier {
        BoundCarrier::Udp(socket) => socket.local_addr(),
        BoundCarrier::Tcp(listener) => listener.local_addr(),
    };
    let port = local.map_err(BindFailure::io("ask for the port"))?.port();
    Ok(Bound { info: ListenInfo { port, ..info.clone() }, carrier })
}

//= RES-11
fn set_flags(socket: &Socket, info: &ListenInfo) -> Result<(), BindFailure> {
    if info.ip.is_ipv6() {
        socket.set_only_v6(info.flags.ipv6_only).map_err(BindFailure::io("set IPV6_V6ONLY"))?;
    }
    match info.protocol {
        Protocol::Udp if info.flags.udp_reuse_port => share_port(socket),
        Protocol::Udp => Ok(()),
        //= CLS-20
        Protocol::Tcp => {
            // Elsewhere it would allow two listeners on one port.
            if cfg!(unix) {
                socket.set_reuse_address(true).map_err(BindFailure::io("set SO_REUSEADDR"))?;
            }
            Ok(())
        }
    }
}

#[cfg(target_os = "linux")]
fn share_port(socket: &Socket) -> Result<(), BindFailure> {
    socket.set_reuse_port(true).map_err(BindFailure::io("set SO_REUSEPORT"))
}

#[cfg(not(target_os = "linux"))]
fn share_port(_: &Socket) -> Result<(), BindFailure> {
    Ok(())
}

//= RES-12
fn set_buffers(socket: &Socket, info: &ListenInfo) -> Result<(), BindFailure> {
    if let Some(bytes) = buffer_bytes(info.send_buffer_size)? {
        socket.set_send_buffer_size(bytes).map_err(BindFailure::io("set SO_SNDBUF"))?;
    }
    if let Some(bytes) = buffer_bytes(info.recv_buffer_size)? {
        socket.set_recv_buffer_size(bytes).map_err(BindFailure::io("set SO_RCVBUF"))?;
    }
    Ok(())
}

/// Linux would take a negative number for a very large one and cut it to its limit without a word.
fn buffer_bytes(size: Option<u32>) -> Result<Option<usize>, BindFailure> {
    match size.filter(|bytes| *bytes != 0) {
        None => Ok(None),
        Some(bytes) => match i32::try_from(bytes) {
            Ok(_) => Ok(usize::try_from(bytes).ok()),
            Err(_) => Err(BindFailure::BufferSize(bytes)),
        },
    }
}

#[cfg(test)]
#[path = "bind_tests.rs"]
mod tests;
