//! Binds what a server listens on: everything, or nothing.
//!
//! Sockets that were bound before a later one failed are closed before the error is returned, because whoever owns
//! them goes out of scope.
//!
//! The workers of a server listen on the same addresses, [`Sharing`] says how. The first socket of an address is bound
//! alone, and only then its port is opened to the others: two servers never share one by mistake. What remains is that
//! a program of the same user that asks for `SO_REUSEPORT` itself may join.

use crate::lifecycle::server::WorkerId;
use crate::parameters::{ListenInfo, PortRange, Protocol};
use socket2::{Domain, SockRef, Socket, Type};
use std::io;
use std::net::{SocketAddr, TcpListener, UdpSocket};

/// Connections that the kernel accepts ahead of a listener (mediasoup TcpServerHandle.cpp).
pub(super) const BACKLOG: i32 = 512;

/// One bound socket. Nonblocking, and closed on drop.
#[derive(Debug)]
pub struct Bound {
    /// What it was asked to be, with the real port.
    pub info: ListenInfo,
    /// The socket.
    pub carrier: BoundCarrier,
}

/// What a worker does with its sockets and listeners.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Role {
    /// Everything.
    Receive,
    /// It sends, and shows where it listens; another worker receives and accepts.
    SendOnly,
}

/// How the workers of a server share its listen infos.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sharing {
    /// Every worker has sockets and listeners of its own, and the system spreads the peers among them by their address
    /// (`SO_REUSEPORT`; socket(7)).
    OwnSockets,
    /// The first worker receives and accepts everything, and hands over what is another's; the others send by
    /// duplicates of its sockets.
    FirstReceives,
}

impl Default for Sharing {
    /// Own sockets where the system spreads the peers evenly: on Linux. Elsewhere `SO_REUSEPORT` is unknown, or gives
    /// everything to one of the sockets.
    fn default() -> Self {
        if cfg!(target_os = "linux") { Sharing::OwnSockets } else { Sharing::FirstReceives }
    }
}

impl Sharing {
    /// What a worker does with what [`bind_for`] made for it.
    pub(crate) fn role_of(self, worker: WorkerId) -> Role {
        match self {
            Sharing::OwnSockets => Role::Receive,
            Sharing::FirstReceives if worker == WorkerId(0) => Role::Receive,
            Sharing::FirstReceives => Role::SendOnly,
        }
    }
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

/// Binds every listen info for so many workers: the carriers of each. All of a listen info have the same port.
///
/// # Errors
///
/// [`BindError`] for the first listen info that cannot be had; all others are free again by then.
//= CLS-21
pub fn bind_for(
    listen_infos: &[ListenInfo],
    workers: usize,
    sharing: Sharing,
) -> Result<Vec<Vec<Bound>>, BindError> {
    let mut all = vec![bind(listen_infos)?];
    for worker in 1..workers {
        let more = |(index, bound): (usize, &Bound)| {
            bound.again(sharing, worker).map_err(|reason| BindError {
                index,
                listen_info: Box::new(listen_infos[index].clone()),
                reason,
            })
        };
        let bound = all[0].iter().enumerate().map(more).collect::<Result<_, _>>()?;
        all.push(bound);
    }
    Ok(all)
}

impl Bound {
    /// The same for one more worker, which is this one's number.
    fn again(&self, sharing: Sharing, worker: usize) -> Result<Bound, BindFailure> {
        match sharing {
            Sharing::OwnSockets => {
                // Not before it was bound, and listens: nobody else could have its port by then.
                if worker == 1 {
                    self.carrier.share_port()?;
                }
                bind_to(&self.info, self.info.port, Access::Joined)
            }
            Sharing::FirstReceives => Ok(Bound {
                info: self.info.clone(),
                carrier: self.carrier.duplicate().map_err(BindFailure::io("duplicate"))?,
            }),
        }
    }
}

impl BoundCarrier {
    fn share_port(&self) -> Result<(), BindFailure> {
        match self {
            BoundCarrier::Udp(socket) => share_port(&SockRef::from(socket)),
            BoundCarrier::Tcp(listener) => share_port(&SockRef::from(listener)),
        }
    }

    fn duplicate(&self) -> io::Result<Self> {
        Ok(match self {
            BoundCarrier::Udp(socket) => BoundCarrier::Udp(socket.try_clone()?),
            BoundCarrier::Tcp(listener) => BoundCarrier::Tcp(listener.try_clone()?),
        })
    }
}

/// Who may have the port of a socket that is being bound.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Access {
    /// Nobody else, unless `udpReusePort` allows it.
    Alone,
    /// The sockets of the other workers of this server, which have it already.
    Joined,
}

//= RES-10
fn bind_one(info: &ListenInfo) -> Result<Bound, BindFailure> {
    let range = info.port_range.filter(|range| (range.min, range.max) != (0, 0));
    match range {
        Some(range) if info.port == 0 => bind_in(range, info),
        Some(_) | None => bind_to(info, info.port, Access::Alone),
    }
}

fn bind_in(range: PortRange, info: &ListenInfo) -> Result<Bound, BindFailure> {
    if range.min == 0 || range.min > range.max {
        return Err(BindFailure::PortRange(range));
    }
    let start = random_from(range)?;
    let mut last = None;
    for port in (start..=range.max).chain(range.min..start) {
        match bind_to(info, port, Access::Alone) {
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

fn bind_to(info: &ListenInfo, port: u16, access: Access) -> Result<Bound, BindFailure> {
    let address = SocketAddr::new(info.ip, port);
    let kind = match info.protocol {
        Protocol::Udp => Type::DGRAM,
        Protocol::Tcp => Type::STREAM,
    };
    let socket = Socket::new(Domain::for_address(address), kind, None)
        .map_err(BindFailure::io("open a socket"))?;
    set_flags(&socket, info)?;
    if access == Access::Joined {
        share_port(&socket)?;
    }
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
