//! A real server on its own threads, with connected clients in ours.

use std::fmt::Display;
use std::net::{Ipv4Addr, SocketAddr};
use std::num::NonZeroUsize;
use std::sync::{Arc, OnceLock};

use webrtc_server::lifecycle::Outcome;
use webrtc_server::wire::stun::{TransactionId, binding_request};
use webrtc_server::{
    DtlsParameters, ListenInfo, Protocol, TransportEvent, WebRtcServer, WebRtcServerOptions,
    WebRtcTransport, WebRtcTransportOptions,
};

use crate::client::Client;
use crate::goodbye::Goodbye;
use crate::handshake::Contexts;

/// A server whose transports send back what they receive, and one client for each of them.
///
/// Its methods panic where something is not as it must be: what was measured then means nothing.
pub struct Scene {
    /// The server.
    pub server: WebRtcServer,
    /// Its clients, all connected.
    pub clients: Vec<Client>,
    /// The checks of each.
    pub checks: Vec<Checks>,
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
        let (checks, clients) = (0..clients)
            .map(|number| {
                let transport = echoing_transport(&server, contexts);
                // The transports go to the workers in turn.
                let info = &server.listen_infos()[number / workers % protocols.len()];
                let address = SocketAddr::new(info.ip, info.port);
                let ice = transport.ice_parameters();
                let mut checks = Checks::of(ice.username_fragment, ice.password);
                let client = Client::connect(contexts, info.protocol, address, &checks.make());
                (checks, client)
            })
            .unzip();
        Self { server, clients, checks }
    }

    /// Closes the server while the clients answer, and makes sure that every goodbye was heard, once.
    pub fn end(mut self) {
        let mut goodbye = Goodbye::prepare(&mut self.clients);
        let closing = self.server.close();
        goodbye.answer_each(&mut self.clients);
        let outcomes = closing.wait().expect("not a worker");
        goodbye.check(&mut self.clients);
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

/// Makes checks that nominate their path. Each is a transaction of its own: a server does less for a copy.
pub struct Checks {
    username: String,
    password: String,
    made: u64,
}

impl Checks {
    /// With these credentials of the server.
    #[must_use]
    pub fn of(username_fragment: impl Display, password: impl Into<String>) -> Self {
        Self { username: format!("{username_fragment}:client"), password: password.into(), made: 0 }
    }

    /// The next one.
    pub fn make(&mut self) -> Vec<u8> {
        let mut id = [0; 12];
        id[4..].copy_from_slice(&self.made.to_be_bytes());
        self.made += 1;
        binding_request(TransactionId(id), &self.username, 1, 1)
            .use_candidate()
            .message_integrity(self.password.as_bytes())
            .fingerprint()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_check_is_a_copy_of_another() {
        let mut checks = Checks::of("fragment", "password");
        let made = [(); 3].map(|()| checks.make());
        assert!(made[0] != made[1] && made[1] != made[2] && made[0] != made[2]);
        assert_eq!(made.each_ref().map(Vec::len), [made[0].len(); 3]);
    }
}
