//! Two sessions and the wire between them, for tests.

use std::time::Duration;

use openssl::pkey::{PKey, Private};
use openssl::ssl::{SslContextBuilder, SslOptions};

use super::context;
use super::*;

/// Content types and alerts of DTLS records, as they appear on the wire.
pub(super) const ALERT: u8 = 21;
pub(super) const BAD_CERTIFICATE: u8 = 42;
pub(super) const HANDSHAKE_FAILURE: u8 = 40;

/// A certificate and a context that presents it.
pub(super) struct Side {
    pub(super) certificate: Certificate,
    pub(super) context: DtlsContext,
}

impl Side {
    pub(super) fn new() -> Self {
        Self::with(Certificate::generate().unwrap(), DtlsOptions::default())
    }

    pub(super) fn with(certificate: Certificate, options: DtlsOptions) -> Self {
        let context = DtlsContext::new(&certificate, options).unwrap();
        Self { certificate, context }
    }

    pub(super) fn quick() -> Self {
        let retransmission_initial = Duration::from_millis(20);
        let options = DtlsOptions { retransmission_initial, ..DtlsOptions::default() };
        Self::with(Certificate::generate().unwrap(), options)
    }

    /// A context that differs from ours by `change`.
    pub(super) fn altered(change: impl FnOnce(&mut SslContextBuilder)) -> Self {
        let certificate = Certificate::generate().unwrap();
        let mut builder = context::builder().unwrap();
        context::present(&mut builder, &certificate).unwrap();
        change(&mut builder);
        let context = DtlsContext { ssl: builder.build(), options: DtlsOptions::default() };
        Self { certificate, context }
    }

    pub(super) fn session(&self, role: DtlsRole) -> DtlsSession {
        DtlsSession::new(&self.context, role).unwrap()
    }
}

/// A client and a server.
pub(super) struct Pair {
    pub(super) client: DtlsSession,
    pub(super) server: DtlsSession,
}

impl Pair {
    /// Both know each other's fingerprints; nothing has been sent.
    pub(super) fn of(client: &Side, server: &Side) -> Self {
        let mut pair = Self::strangers(client, server);
        pair.client.expect_fingerprints(server.certificate.fingerprints());
        pair.server.expect_fingerprints(client.certificate.fingerprints());
        pair
    }

    /// Neither knows what to expect.
    pub(super) fn strangers(client: &Side, server: &Side) -> Self {
        Self { client: client.session(DtlsRole::Client), server: server.session(DtlsRole::Server) }
    }

    pub(super) fn new() -> Self {
        Self::of(&Side::new(), &Side::new())
    }

    /// The first retransmission is due after 20 ms.
    pub(super) fn quick() -> Self {
        Self::of(&Side::quick(), &Side::quick())
    }

    /// Connected, and their `Connected` events are taken.
    pub(super) fn connected() -> Self {
        let mut pair = Self::new();
        pair.handshake();
        assert!(pair.client.is_connected() && pair.server.is_connected());
        events(&mut pair.client);
        events(&mut pair.server);
        pair
    }

    /// Starts the client and exchanges datagrams until nobody has any.
    pub(super) fn handshake(&mut self) {
        self.client.start();
        self.exchange();
    }

    /// Exchanges datagrams until nobody has any.
    pub(super) fn exchange(&mut self) {
        loop {
            let forth = datagrams(&mut self.client);
            deliver(&mut self.server, &forth);
            let back = datagrams(&mut self.server);
            deliver(&mut self.client, &back);
            if forth.is_empty() && back.is_empty() {
                return;
            }
        }
    }

    /// Asserts that messages still flow in both directions.
    pub(super) fn assert_alive(&mut self) {
        self.client.send(b"ping").unwrap();
        self.server.send(b"pong").unwrap();
        self.exchange();
        assert_eq!(events(&mut self.server), [DtlsEvent::Data(b"ping".to_vec())]);
        assert_eq!(events(&mut self.client), [DtlsEvent::Data(b"pong".to_vec())]);
    }
}

pub(super) fn datagrams(session: &mut DtlsSession) -> Vec<Vec<u8>> {
    std::iter::from_fn(|| session.poll_datagram()).collect()
}

pub(super) fn deliver(session: &mut DtlsSession, datagrams: &[Vec<u8>]) {
    for datagram in datagrams {
        session.receive(datagram);
    }
}

pub(super) fn events(session: &mut DtlsSession) -> Vec<DtlsEvent> {
    std::iter::from_fn(|| session.poll_event()).collect()
}

/// Moves the sender's datagrams over and returns the receiver's events.
pub(super) fn pass(from: &mut DtlsSession, to: &mut DtlsSession) -> Vec<DtlsEvent> {
    deliver(to, &datagrams(from));
    events(to)
}

pub(super) fn is_connected_event(event: &DtlsEvent) -> bool {
    matches!(event, DtlsEvent::Connected(_))
}

pub(super) fn failed(failure: DtlsFailure) -> Vec<DtlsEvent> {
    vec![DtlsEvent::Failed(failure)]
}

/// One plaintext record with a sequence number of its own.
pub(super) fn plaintext_record(content_type: u8, sequence: u8, body: &[u8]) -> Vec<u8> {
    record(content_type, 0, sequence.into(), body)
}

/// One record with a body as it is.
pub(super) fn record(content_type: u8, epoch: u16, sequence: u64, body: &[u8]) -> Vec<u8> {
    let mut record = vec![content_type, 0xFE, 0xFD];
    record.extend(epoch.to_be_bytes());
    record.extend(&sequence.to_be_bytes()[2..]);
    record.extend(u16::try_from(body.len()).unwrap().to_be_bytes());
    record.extend(body);
    record
}

/// A handshake message fragment (RFC 6347 section 4.2.2) without the record header.
pub(super) fn fragment(kind: u8, sequence: u16, length: u32, offset: u32, body: &[u8]) -> Vec<u8> {
    let mut bytes = vec![kind];
    bytes.extend(&length.to_be_bytes()[1..]);
    bytes.extend(sequence.to_be_bytes());
    bytes.extend(&offset.to_be_bytes()[1..]);
    bytes.extend(&u32::try_from(body.len()).unwrap().to_be_bytes()[1..]);
    bytes.extend(body);
    bytes
}

/// The records of all datagrams, each as a datagram of its own.
pub(super) fn split_records(datagrams: &[Vec<u8>]) -> Vec<Vec<u8>> {
    let records = datagrams.iter().flat_map(|datagram| records::records(datagram));
    records.map(|record| record.bytes.to_vec()).collect()
}

pub(super) fn ec_key(curve: openssl::nid::Nid) -> PKey<Private> {
    let group = openssl::ec::EcGroup::from_curve_name(curve).unwrap();
    PKey::from_ec_key(openssl::ec::EcKey::generate(&group).unwrap()).unwrap()
}

pub(super) fn rsa_key(bits: u32) -> PKey<Private> {
    PKey::from_rsa(openssl::rsa::Rsa::generate(bits).unwrap()).unwrap()
}

impl Pair {
    /// Asserts that each side reported `Connected` and nothing else, and that messages flow.
    pub(super) fn assert_alive_after_connected(&mut self) {
        for session in [&mut self.client, &mut self.server] {
            let seen = events(session);
            assert!(matches!(&seen[..], [DtlsEvent::Connected(_)]), "{seen:?}");
        }
        self.assert_alive();
    }
}

/// Waits as long as the session says; OpenSSL reads the system's clock.
pub(super) fn wait_for_timeout(session: &mut DtlsSession) {
    std::thread::sleep(session.next_timeout().expect("a timer runs"));
    session.handle_timeout();
}

/// Connected; one side is ours, the other, in this role, may ask for renegotiation.
pub(super) fn renegotiating_pair(role: DtlsRole) -> Pair {
    let other = Side::altered(|builder| {
        builder.clear_options(SslOptions::NO_RENEGOTIATION);
    });
    let mut pair = match role {
        DtlsRole::Client => Pair::of(&other, &Side::new()),
        DtlsRole::Server => Pair::of(&Side::new(), &other),
    };
    pair.handshake();
    pair.assert_alive_after_connected();
    pair
}

/// Sends an encrypted ClientHello or HelloRequest.
#[allow(unsafe_code)]
pub(super) fn renegotiate(session: &mut DtlsSession) {
    unsafe extern "C" {
        fn SSL_renegotiate(ssl: *mut openssl_sys::SSL) -> std::ffi::c_int;
    }
    let ssl = foreign_types::ForeignTypeRef::as_ptr(session.ssl());
    // SAFETY: the object is alive and borrowed exclusively.
    let asked = unsafe { SSL_renegotiate(ssl) };
    assert_eq!(asked, 1);
    // SAFETY: as above. A client waits for the answer, a server does not; both have sent something.
    unsafe { openssl_sys::SSL_do_handshake(ssl) };
}
