//! A client with no more around its socket and its session than it needs: the same against ours and against the limit.

use std::net::SocketAddr;

use webrtc_server::Protocol;
use webrtc_server::wire::stun::{Class, Message};

use crate::handshake::Contexts;
use crate::link::{Link, PACKET_BYTES_MAX};
use crate::raw::{Negotiated, RawSession};

/// Its methods panic where something is not as it must be: what was measured then means nothing.
pub struct Client {
    /// Its socket.
    pub link: Link,
    session: RawSession,
}

impl Client {
    /// One whose session has connected.
    #[must_use]
    pub fn new(link: Link, session: RawSession) -> Self {
        Self { link, session }
    }

    /// Has its path nominated with this check, then shakes hands.
    #[must_use]
    pub fn connect(
        contexts: &Contexts,
        protocol: Protocol,
        server: SocketAddr,
        check: &[u8],
    ) -> Self {
        let mut buffer = [0; PACKET_BYTES_MAX];
        let mut link = Link::open(protocol, server).expect("loopback");
        link.send(check).expect("loopback");
        let answer = link.receive(&mut buffer).expect("an answer to the check");
        assert_eq!(Message::parse(answer).expect("an answer").class, Class::SuccessResponse);
        let mut session = contexts.raw_client();
        let mut connected = session.advance();
        while !connected {
            send_all(&mut link, &mut session);
            session.feed(link.receive(&mut buffer).expect("a flight of the server"));
            connected = session.advance();
        }
        Self { link, session }
    }

    /// What it and its server agreed on.
    #[must_use]
    pub fn negotiated(&self) -> Negotiated {
        self.session.negotiated()
    }

    /// A message as a record.
    #[must_use]
    pub fn encrypt(&mut self, message: &[u8]) -> Vec<u8> {
        self.session.write(message);
        self.session.take().expect("a record")
    }

    /// The message in a record.
    #[must_use]
    pub fn decrypt(&mut self, record: &[u8]) -> Vec<u8> {
        let mut message = [0; PACKET_BYTES_MAX];
        self.session.feed(record);
        let length = self.session.read(&mut message);
        message[..length].to_vec()
    }

    /// Makes the answer to an alert that did not come yet.
    #[must_use]
    pub fn make_close_notify(&mut self) -> Vec<u8> {
        assert!(!self.session.shutdown(), "no alert came before");
        self.session.take().expect("a close_notify")
    }

    /// Decrypts what must be the server's alert.
    pub fn expect_close_notify(&mut self, packet: &[u8]) {
        self.session.feed(packet);
        self.session.expect_close_notify();
    }
}

impl AsMut<Link> for Client {
    fn as_mut(&mut self) -> &mut Link {
        &mut self.link
    }
}

fn send_all(link: &mut Link, session: &mut RawSession) {
    while let Some(datagram) = session.take() {
        link.send(&datagram).expect("loopback");
    }
}
