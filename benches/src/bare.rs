//! Bare servers, the limits of ours: a thread, blocking sockets and OpenSSL, without a poll, a timer or a decision.

use std::collections::HashMap;
use std::io::{self, ErrorKind};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, UdpSocket};
use std::ops::Range;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::{self, JoinHandle};

use webrtc_server::Protocol;

use crate::client::Client;
use crate::handshake::{Contexts, RawSide, handshake};
use crate::link::{Link, PACKET_BYTES_MAX};
use crate::raw::{RawSession, hmac_sha1};

const LOOPBACK: (Ipv4Addr, u16) = (Ipv4Addr::LOCALHOST, 0);
/// Where a STUN message says its length (RFC 8489 section 5).
const LENGTH_AT: usize = 2;
/// MESSAGE-INTEGRITY (RFC 8489 section 14.5): a header, then the hash.
const ATTRIBUTE_HEADER_BYTES: usize = 4;
const HASH_BYTES: usize = 20;
/// FINGERPRINT, which ends a message.
const FINGERPRINT_BYTES: usize = 8;

/// The server's side of some connected clients.
pub struct BareServer {
    carriers: Carriers,
    sessions: Vec<RawSession>,
}

/// In the order of the sessions.
enum Carriers {
    Udp { socket: UdpSocket, addresses: Vec<SocketAddr>, sessions: HashMap<SocketAddr, usize> },
    Tcp(Vec<Link>),
}

/// A server that waits for the word to close.
pub struct Closable {
    close: Sender<()>,
    closed: Receiver<io::Result<()>>,
}

impl BareServer {
    /// A server with so many clients, all connected.
    ///
    /// # Errors
    ///
    /// What the kernel says.
    pub fn with_clients(
        contexts: &Contexts,
        protocol: Protocol,
        count: usize,
    ) -> io::Result<(Self, Vec<Client>)> {
        let (carriers, links) = match protocol {
            Protocol::Udp => Carriers::udp(count)?,
            Protocol::Tcp => Carriers::tcp(count)?,
        };
        let (sessions, clients) = links
            .into_iter()
            .map(|link| {
                let finished = handshake::<RawSide, RawSide>(contexts);
                let [client, server] =
                    [finished.client.side, finished.server.side].map(RawSide::into_session);
                (server, Client::new(link, client))
            })
            .unzip();
        Ok((Self { carriers, sessions }, clients))
    }

    /// Sends back what arrives, decrypted and encrypted again. Over TCP its clients take turns. It ends with its
    /// clients ([`end_echo`]).
    #[must_use]
    pub fn echo(mut self) -> JoinHandle<io::Result<()>> {
        thread::spawn(move || {
            let (mut packet, mut data) = ([0; PACKET_BYTES_MAX], [0; PACKET_BYTES_MAX]);
            for turn in 0.. {
                let Some((from, packet)) = self.carriers.receive(turn, &mut packet)? else { break };
                let session = &mut self.sessions[from];
                session.feed(packet);
                let length = session.read(&mut data);
                session.write(&data[..length]);
                let record = session.take().ok_or(ErrorKind::InvalidData)?;
                self.carriers.send(from, &record)?;
            }
            Ok(())
        })
    }

    /// Waits for the word, then sends every alert, takes every answer, and frees all that there is.
    #[must_use]
    pub fn closable(self) -> Closable {
        let ((close, word), (done, closed)) = (channel(), channel());
        thread::spawn(move || {
            if word.recv().is_ok() {
                // Who asked has given up otherwise.
                let _ = done.send(self.close());
            }
        });
        Closable { close, closed }
    }

    fn close(mut self) -> io::Result<()> {
        for (to, session) in self.sessions.iter_mut().enumerate() {
            assert!(!session.shutdown(), "the server speaks first");
            let alert = session.take().ok_or(ErrorKind::InvalidData)?;
            self.carriers.send(to, &alert)?;
            self.carriers.finish(to)?;
        }
        let mut buffer = [0; PACKET_BYTES_MAX];
        for turn in 0..self.sessions.len() {
            let answer = self.carriers.receive(turn, &mut buffer)?;
            let (from, answer) = answer.ok_or(ErrorKind::UnexpectedEof)?;
            self.sessions[from].feed(answer);
            self.sessions[from].expect_close_notify();
        }
        Ok(())
    }
}

impl Closable {
    /// Says the word.
    pub fn close(&self) {
        self.close.send(()).expect("it waits for the word");
    }

    /// Waits until it is closed.
    ///
    /// # Errors
    ///
    /// What it met.
    pub fn wait(&self) -> io::Result<()> {
        self.closed.recv().map_err(io::Error::other)?
    }
}

/// Has the echo end, and waits for that.
///
/// # Errors
///
/// What it met.
pub fn end_echo(
    echo: JoinHandle<io::Result<()>>,
    mut clients: Vec<impl AsMut<Link>>,
) -> io::Result<()> {
    if let Some(Link::Udp(socket)) = clients.first_mut().map(AsMut::as_mut) {
        // An empty datagram is the sign to stop.
        socket.send(&[])?;
    }
    drop(clients);
    echo.join().expect("the echo does not panic")
}

impl Carriers {
    fn udp(count: usize) -> io::Result<(Self, Vec<Link>)> {
        let socket = UdpSocket::bind(LOOPBACK)?;
        let server = socket.local_addr()?;
        let open = |_| Link::open(Protocol::Udp, server);
        let links = (0..count).map(open).collect::<io::Result<Vec<_>>>()?;
        let addresses = links.iter().map(Link::local_addr).collect::<io::Result<Vec<_>>>()?;
        let sessions = addresses.iter().copied().zip(0..).collect();
        Ok((Self::Udp { socket, addresses, sessions }, links))
    }

    fn tcp(count: usize) -> io::Result<(Self, Vec<Link>)> {
        let listener = TcpListener::bind(LOOPBACK)?;
        let server = listener.local_addr()?;
        let (mut accepted, mut links) = (Vec::new(), Vec::new());
        for _ in 0..count {
            links.push(Link::open(Protocol::Tcp, server)?);
            accepted.push(Link::accepted(listener.accept()?.0)?);
        }
        Ok((Self::Tcp(accepted), links))
    }

    /// The next packet of any client over UDP, of the one whose turn it is over TCP; `None` when they have gone.
    fn receive<'a>(
        &mut self,
        turn: usize,
        buffer: &'a mut [u8; PACKET_BYTES_MAX],
    ) -> io::Result<Option<(usize, &'a [u8])>> {
        match self {
            Self::Udp { socket, sessions, .. } => {
                let (length, from) = socket.recv_from(buffer)?;
                Ok(sessions
                    .get(&from)
                    .map(|from| (*from, &buffer[..length]))
                    .filter(|_| length > 0))
            }
            Self::Tcp(links) => {
                let from = turn % links.len();
                match links[from].receive(buffer) {
                    Ok(packet) => Ok(Some((from, packet))),
                    Err(error) if error.kind() == ErrorKind::UnexpectedEof => Ok(None),
                    Err(error) => Err(error),
                }
            }
        }
    }

    fn send(&mut self, to: usize, packet: &[u8]) -> io::Result<()> {
        match self {
            Self::Udp { socket, addresses, .. } => {
                socket.send_to(packet, addresses[to]).map(|_| ())
            }
            Self::Tcp(links) => links[to].send(packet),
        }
    }

    fn finish(&mut self, to: usize) -> io::Result<()> {
        match self {
            Self::Udp { .. } => Ok(()),
            Self::Tcp(links) => links[to].finish(),
        }
    }
}

/// Answers checks that have this password with this response: hashes what arrives, compares, hashes the response.
///
/// # Errors
///
/// What the kernel says.
pub fn answer_checks(
    password: &'static [u8],
    response: Vec<u8>,
    clients: usize,
) -> io::Result<(JoinHandle<io::Result<()>>, Vec<Link>)> {
    let socket = UdpSocket::bind(LOOPBACK)?;
    let server = socket.local_addr()?;
    let open = |_| Link::open(Protocol::Udp, server);
    let links = (0..clients).map(open).collect::<io::Result<Vec<_>>>()?;
    let answering = thread::spawn(move || {
        let (mut buffer, mut response) = ([0; PACKET_BYTES_MAX], response);
        loop {
            let (length, from) = socket.recv_from(&mut buffer)?;
            if length == 0 {
                return Ok(());
            }
            let request = &mut buffer[..length];
            if integrity(request, password) == request[hash_at(length)] {
                let hash = integrity(&response, password);
                let at = hash_at(response.len());
                response[at].copy_from_slice(&hash);
                socket.send_to(&response, from)?;
            }
        }
    });
    Ok((answering, links))
}

/// The hash of a message that ends with MESSAGE-INTEGRITY and FINGERPRINT: the length that is hashed leaves the latter
/// out.
fn integrity(message: &[u8], password: &[u8]) -> [u8; HASH_BYTES] {
    let covered = message.len() - FINGERPRINT_BYTES - ATTRIBUTE_HEADER_BYTES - HASH_BYTES;
    let length = u16::from_be_bytes([message[LENGTH_AT], message[LENGTH_AT + 1]]);
    let length = (length - FINGERPRINT_BYTES as u16).to_be_bytes();
    hmac_sha1(password, &[&message[..LENGTH_AT], &length, &message[LENGTH_AT + 2..covered]])
}

/// Where the hash of a message of this length is.
fn hash_at(length: usize) -> Range<usize> {
    let end = length - FINGERPRINT_BYTES;
    end - HASH_BYTES..end
}

#[cfg(test)]
mod tests {
    use webrtc_server::wire::stun::check::{Judgement, judge};
    use webrtc_server::wire::stun::{Message, TransactionId, success_response};

    use super::*;
    use crate::exchange::Messages;
    use crate::scene::Checks;

    const PASSWORD: &[u8] = b"thirty-two letters of a password";

    /// A bare server that hashed anything else would be no limit.
    #[test]
    fn the_bare_integrity_is_that_of_a_check() {
        let password = std::str::from_utf8(PASSWORD).expect("letters");
        let check = Checks::of("fragment", password).make();
        let message = Message::parse(&check).expect("a check");
        assert!(matches!(judge(&message, PASSWORD), Judgement::Check { .. }));
        assert_eq!(integrity(&check, PASSWORD), check[hash_at(check.len())]);
        let mapped = ([127, 0, 0, 1], 50_000).into();
        let response = success_response(TransactionId(*b"transaction!"), mapped, PASSWORD);
        assert_eq!(integrity(&response, PASSWORD), response[hash_at(response.len())]);
    }

    #[test]
    fn a_bare_server_sends_back_what_each_client_sends() {
        for protocol in [Protocol::Udp, Protocol::Tcp] {
            let (server, mut clients) =
                BareServer::with_clients(&Contexts::default(), protocol, 3).expect("loopback");
            let echo = server.echo();
            let mut messages = Messages::new(100, 2);
            // The last of these batches begins in the middle of a turn.
            let lost = [1, 4, 10].map(|count| messages.exchange(&mut clients, count).traffic.lost);
            assert_eq!(lost, [0, 0, 0]);
            end_echo(echo, clients).expect("no error");
        }
    }
}
