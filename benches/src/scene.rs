//! A real server on its own threads, with connected clients in ours.

use std::net::{Ipv4Addr, SocketAddr};
use std::num::NonZeroUsize;
use std::sync::{Arc, OnceLock};

use webrtc_server::lifecycle::Outcome;
use webrtc_server::shell::dtls::{DtlsEvent, DtlsRole, DtlsSession};
use webrtc_server::wire::stun::{Class, Message, TransactionId, binding_request};
use webrtc_server::{
    DtlsParameters, IceParameters, ListenInfo, Protocol, TransportEvent, WebRtcServer,
    WebRtcServerOptions, WebRtcTransport, WebRtcTransportOptions,
};

use crate::handshake::{Contexts, Side};
use crate::link::{Link, PACKET_BYTES_MAX};

/// A server whose transports send back what they receive, and one client for each of them.
///
/// Its methods panic where something is not as it must be: what was measured then means nothing.
pub struct Scene {
    /// The server.
    pub server: WebRtcServer,
    /// Its clients, all connected.
    pub clients: Vec<Client>,
}

impl Scene {
    /// Starts a server and connects so many clients, one after the other. It has one thread, as the limit has.
    #[must_use]
    pub fn set(contexts: &Contexts, protocol: Protocol, clients: usize) -> Self {
        Self::among(contexts, &[protocol], clients, NonZeroUsize::MIN)
    }

    /// The same with several workers, each of which gets as many transports of each protocol as the others.
    #[must_use]
    pub fn among(
        contexts: &Contexts,
        protocols: &[Protocol],
        clients: usize,
        workers: NonZeroUsize,
    ) -> Self {
        let listen = |protocol: &Protocol| ListenInfo::new(*protocol, Ipv4Addr::LOCALHOST.into());
        let server = WebRtcServer::new(WebRtcServerOptions {
            certificate: Some(contexts.certificate().clone()),
            workers: Some(workers),
            ..WebRtcServerOptions::new(protocols.iter().map(listen))
        })
        .expect("loopback can be bound");
        let clients = (0..clients)
            .map(|number| {
                let transport = echoing_transport(&server, contexts);
                // The transports go to the workers in turn.
                let info = &server.listen_infos()[number / workers % protocols.len()];
                let address = SocketAddr::new(info.ip, info.port);
                Client::connect(contexts, info.protocol, address, &transport.ice_parameters())
            })
            .collect();
        Self { server, clients }
    }

    /// Closes the server while the clients answer, and makes sure that every goodbye was heard, once.
    pub fn end(mut self) {
        let closing = self.server.close();
        for client in &mut self.clients {
            client.hear_close_notify();
            client.answer_close_notify();
        }
        let outcomes = closing.wait().expect("not a worker");
        self.expect_confirmed(outcomes.transports());
    }

    /// Asserts that every transport's goodbye was answered, and that nothing followed it.
    pub fn expect_confirmed(&self, outcomes: &[(u64, Outcome)]) {
        assert_eq!(outcomes.len(), self.clients.len(), "one outcome per transport");
        for (transport, outcome) in outcomes {
            assert_eq!(*outcome, Outcome::Confirmed, "transport {transport}");
        }
        for client in &self.clients {
            assert!(
                client.link.is_silent().expect("an open socket"),
                "something followed the alert"
            );
        }
    }
}

/// A transport that waits for a DTLS client, and sends back what it is sent.
fn echoing_transport(server: &WebRtcServer, contexts: &Contexts) -> WebRtcTransport {
    let handle = Arc::new(OnceLock::<WebRtcTransport>::new());
    let echo = Arc::clone(&handle);
    let on_event = move |event| {
        if let (TransportEvent::Data(data), Some(transport)) = (event, echo.get()) {
            transport.post(&data).expect("an open server");
        }
    };
    let options = WebRtcTransportOptions {
        on_event: Box::new(on_event),
        ..WebRtcTransportOptions::default()
    };
    let transport = server.create_transport(options).expect("an open server");
    let fingerprints =
        contexts.fingerprints().iter().map(|one| (one.algorithm.name(), one.value.as_str()));
    let remote = DtlsParameters::parse(Some("client"), fingerprints).expect("well formed");
    transport.connect(&remote).expect("the first connect");
    handle.set(transport.clone()).expect("set once");
    transport
}

/// A client with no more around its socket and its session than it needs.
pub struct Client {
    /// Its socket.
    pub link: Link,
    session: DtlsSession,
    buffer: Box<[u8; PACKET_BYTES_MAX]>,
}

impl Client {
    fn connect(
        contexts: &Contexts,
        protocol: Protocol,
        server: SocketAddr,
        ice: &IceParameters,
    ) -> Self {
        let mut client = Self {
            link: Link::open(protocol, server).expect("loopback"),
            session: <DtlsSession as Side>::new(contexts, DtlsRole::Client),
            buffer: Box::new([0; PACKET_BYTES_MAX]),
        };
        client.nominate(ice);
        client.session.start();
        client.flush();
        while !client.session.is_connected() {
            client.receive();
            client.flush();
        }
        let connected = client.session.poll_event();
        assert!(matches!(connected, Some(DtlsEvent::Connected { .. })), "{connected:?}");
        client
    }

    /// Has its path checked and nominated.
    fn nominate(&mut self, ice: &IceParameters) {
        let username = format!("{}:client", ice.username_fragment);
        let transaction = TransactionId(*b"a nomination");
        let request = binding_request(transaction, &username, 1, 1).use_candidate();
        let request = request.message_integrity(ice.password.as_bytes()).fingerprint();
        self.link.send(&request).expect("loopback");
        let answer = self.link.receive(&mut self.buffer).expect("an answer to the check");
        let class = Message::parse(answer).expect("an answer").class;
        assert_eq!(class, Class::SuccessResponse);
    }

    /// Sends a message and takes one.
    ///
    /// # Panics
    ///
    /// When what comes is not one message.
    pub fn round_trip(&mut self, message: &[u8]) -> Vec<u8> {
        self.session.send(message).expect("connected");
        self.flush();
        self.receive();
        match self.session.poll_event() {
            Some(DtlsEvent::Data(data)) => data,
            other => panic!("an echo, not {other:?}"),
        }
    }

    /// Takes the alert and decrypts it.
    pub fn hear_close_notify(&mut self) {
        self.receive();
        self.expect_close_notify();
    }

    /// Decrypts what was taken as the alert.
    pub fn decrypt_close_notify(&mut self, datagram: &[u8]) {
        self.session.receive(datagram);
        self.expect_close_notify();
    }

    fn expect_close_notify(&mut self) {
        assert_eq!(self.session.poll_event(), Some(DtlsEvent::CloseNotifyReceived));
    }

    /// Answers it, as browsers do.
    pub fn answer_close_notify(&mut self) {
        assert!(self.session.close_notify(), "one answer");
        self.flush();
    }

    fn receive(&mut self) {
        let packet = self.link.receive(&mut self.buffer).expect("a packet of the server");
        self.session.receive(packet);
    }

    fn flush(&mut self) {
        while let Some(datagram) = self.session.poll_datagram() {
            self.link.send(&datagram).expect("loopback");
        }
    }
}
