//! A server for the peer's own tests: one ICE-lite agent and one DTLS session over OpenSSL, which
//! is fed whole datagrams.

use std::collections::VecDeque;
use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream, UdpSocket};

use openssl::ssl::{Ssl, SslStream};
use webrtc_server::wire::demux::{PacketKind, classify};
use webrtc_server::wire::framing::{Deframer, frame};
use webrtc_server::wire::stun::check::{Judgement, judge};
use webrtc_server::wire::stun::{Message, error_response, success_response};

use super::agent::ServerCredentials;
use super::certificate::PeerCertificate;
use super::dtls::DtlsRole;

pub(super) const UFRAG: &str = "mini";
pub(super) const PASSWORD: &str = "the password of the mini server";

#[derive(Default)]
pub(super) struct Pipe {
    pub(super) incoming: VecDeque<Vec<u8>>,
    pub(super) outgoing: VecDeque<Vec<u8>>,
}

impl Read for Pipe {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let datagram = self.incoming.pop_front().ok_or(io::ErrorKind::WouldBlock)?;
        buffer[..datagram.len()].copy_from_slice(&datagram);
        Ok(datagram.len())
    }
}

impl Write for Pipe {
    fn write(&mut self, datagram: &[u8]) -> io::Result<usize> {
        self.outgoing.push_back(datagram.to_vec());
        Ok(datagram.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// The other side of a session, in memory.
pub(super) struct DtlsEnd {
    pub(super) stream: SslStream<Pipe>,
    pub(super) data: Vec<Vec<u8>>,
}

impl DtlsEnd {
    pub(super) fn new(role: DtlsRole) -> Self {
        let certificate = PeerCertificate::generate().expect("a certificate");
        let mut ssl = Ssl::new(certificate.context()).expect("an SSL object");
        ssl.set_mtu(1200).expect("an MTU");
        match role {
            DtlsRole::Client => ssl.set_connect_state(),
            DtlsRole::Server => ssl.set_accept_state(),
        }
        let stream = SslStream::new(ssl, Pipe::default()).expect("a session");
        Self { stream, data: Vec::new() }
    }

    pub(super) fn take(&mut self, datagram: &[u8]) {
        self.stream.get_mut().incoming.push_back(datagram.to_vec());
        if !self.stream.ssl().is_init_finished() && self.stream.do_handshake().is_err() {
            return;
        }
        let mut buffer = [0; 2048];
        while let Ok(length) = self.stream.ssl_read(&mut buffer) {
            if length == 0 {
                return;
            }
            self.data.push(buffer[..length].to_vec());
        }
    }

    pub(super) fn close(&mut self) -> Vec<u8> {
        self.stream.shutdown().expect("an established session");
        self.outgoing().pop().expect("an alert")
    }

    pub(super) fn seal(&mut self, data: &[u8]) -> Vec<u8> {
        self.stream.ssl_write(data).expect("an established session");
        self.outgoing().pop().expect("a record")
    }

    pub(super) fn outgoing(&mut self) -> Vec<Vec<u8>> {
        self.stream.get_mut().outgoing.drain(..).collect()
    }
}

#[derive(Clone, Copy)]
enum From {
    Udp(SocketAddr),
    Tcp(usize),
}

/// One UDP socket and one TCP listener on loopback; never blocks.
pub(super) struct MiniServer {
    udp: UdpSocket,
    listener: TcpListener,
    connections: Vec<(TcpStream, Deframer)>,
    last: Option<From>,
    pub(super) nominations: usize,
    pub(super) dtls: DtlsEnd,
}

impl MiniServer {
    pub(super) fn new(role: DtlsRole) -> Self {
        let udp = UdpSocket::bind("127.0.0.1:0").expect("a socket");
        let listener = TcpListener::bind("127.0.0.1:0").expect("a listener");
        udp.set_nonblocking(true).expect("non-blocking");
        listener.set_nonblocking(true).expect("non-blocking");
        let dtls = DtlsEnd::new(role);
        Self { udp, listener, connections: Vec::new(), last: None, nominations: 0, dtls }
    }

    pub(super) fn credentials() -> ServerCredentials {
        ServerCredentials { ufrag: UFRAG.to_owned(), password: PASSWORD.to_owned() }
    }

    pub(super) fn udp_addr(&self) -> SocketAddr {
        self.udp.local_addr().expect("bound")
    }

    pub(super) fn tcp_addr(&self) -> SocketAddr {
        self.listener.local_addr().expect("bound")
    }

    /// Does everything that can be done now.
    pub(super) fn step(&mut self) -> io::Result<()> {
        let mut buffer = [0; 4096];
        while let Ok((length, from)) = self.udp.recv_from(&mut buffer) {
            self.handle(From::Udp(from), &buffer[..length])?;
        }
        while let Ok((stream, _)) = self.listener.accept() {
            stream.set_nonblocking(true)?;
            self.connections.push((stream, Deframer::new()));
        }
        for number in 0..self.connections.len() {
            let (stream, deframer) = &mut self.connections[number];
            while let Ok(length @ 1..) = stream.read(&mut buffer) {
                deframer.push(&buffer[..length]);
            }
            while let Some(packet) = self.connections[number].1.next_frame() {
                self.handle(From::Tcp(number), &packet)?;
            }
        }
        Ok(())
    }

    /// Sends to where the last check or datagram came from.
    pub(super) fn send(&mut self, packet: &[u8]) -> io::Result<()> {
        match self.last.expect("somebody has called") {
            From::Udp(address) => self.udp.send_to(packet, address).map(|_| ()),
            From::Tcp(number) => {
                let bytes = frame(packet).expect("short enough");
                self.connections[number].0.write_all(&bytes)
            }
        }
    }

    /// Sends one close_notify, `copies` times.
    pub(super) fn close(&mut self, copies: usize) -> io::Result<()> {
        let alert = self.dtls.close();
        (0..copies).try_for_each(|_| self.send(&alert))
    }

    fn handle(&mut self, from: From, packet: &[u8]) -> io::Result<()> {
        self.last = Some(from);
        match classify(packet).expect("a packet") {
            PacketKind::Stun => self.answer(from, packet),
            PacketKind::Dtls => {
                self.dtls.take(packet);
                self.flush()
            }
            PacketKind::Rtp | PacketKind::Rtcp => Ok(()),
        }
    }

    fn answer(&mut self, from: From, packet: &[u8]) -> io::Result<()> {
        let message = Message::parse(packet).expect("STUN");
        assert_eq!(message.local_ufrag(), Some(UFRAG));
        let mapped = match from {
            From::Udp(address) => address,
            From::Tcp(number) => self.connections[number].0.peer_addr()?,
        };
        match judge(&message, PASSWORD.as_bytes()) {
            Judgement::Check { use_candidate, .. } => {
                self.nominations += usize::from(use_candidate);
                self.send(&success_response(message.transaction, mapped, PASSWORD.as_bytes()))
            }
            Judgement::Refuse { code, unknown, authenticated } => {
                let key = authenticated.then_some(PASSWORD.as_bytes());
                self.send(&error_response(message.transaction, code, &unknown, key))
            }
            Judgement::Ignore(reason) => panic!("{reason:?}"),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        self.dtls.outgoing().iter().try_for_each(|datagram| self.send(datagram))
    }
}
