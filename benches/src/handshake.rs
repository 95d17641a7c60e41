//! A DTLS handshake in memory, with the time of each side on its own account.

use std::time::{Duration, Instant};

use openssl::ssl::SslContext;
use webrtc_server::Certificate;
use webrtc_server::shell::dtls::{
    DtlsContext, DtlsEvent, DtlsOptions, DtlsRole, DtlsSession, Fingerprint,
};

use crate::raw::{self, RawSession};

/// More flights than any handshake has.
const FLIGHTS_MAX: usize = 16;

/// The certificate that every side presents, and a context of either kind that does.
pub struct Contexts {
    certificate: Certificate,
    ours: DtlsContext,
    fingerprints: Vec<Fingerprint>,
    raw: SslContext,
}

impl Default for Contexts {
    /// # Panics
    ///
    /// When OpenSSL refuses.
    fn default() -> Self {
        let (pem, key) = raw::certificate_pem().expect("a certificate");
        let certificate = Certificate::from_pem(&pem, &key).expect("valid PEM");
        let ours = DtlsContext::new(&certificate, DtlsOptions::default()).expect("a context");
        let raw = raw::context(&pem, &key).expect("a context");
        let sha256 = |fingerprint: &Fingerprint| fingerprint.algorithm.name() == "sha-256";
        let fingerprints = certificate.fingerprints().into_iter().filter(sha256).collect();
        Self { certificate, ours, fingerprints, raw }
    }
}

impl Contexts {
    /// The certificate.
    #[must_use]
    pub fn certificate(&self) -> &Certificate {
        &self.certificate
    }

    /// A bare client that presents it.
    ///
    /// # Panics
    ///
    /// When OpenSSL refuses.
    #[must_use]
    pub fn raw_client(&self) -> RawSession {
        RawSession::client(&self.raw).expect("memory")
    }

    /// Its SHA-256 fingerprint.
    #[must_use]
    pub fn fingerprints(&self) -> &[Fingerprint] {
        &self.fingerprints
    }
}

/// One side of a handshake.
pub trait Side: Sized {
    /// Makes it.
    fn new(contexts: &Contexts, role: DtlsRole) -> Self;
    /// Begins.
    fn start(&mut self);
    /// Takes one datagram.
    fn receive(&mut self, datagram: &[u8]);
    /// Next datagram to send.
    fn poll(&mut self) -> Option<Vec<u8>>;
    /// Whether it is done, with all that the owner is told then.
    fn is_done(&mut self) -> bool;
}

impl Side for DtlsSession {
    fn new(contexts: &Contexts, role: DtlsRole) -> Self {
        let mut session = DtlsSession::new(&contexts.ours, role).expect("memory");
        session.expect_fingerprints(contexts.fingerprints.clone());
        session
    }

    fn start(&mut self) {
        DtlsSession::start(self);
    }

    fn receive(&mut self, datagram: &[u8]) {
        DtlsSession::receive(self, datagram);
    }

    fn poll(&mut self) -> Option<Vec<u8>> {
        self.poll_datagram()
    }

    fn is_done(&mut self) -> bool {
        matches!(self.poll_event(), Some(DtlsEvent::Connected { .. })) && self.is_connected()
    }
}

/// Bare OpenSSL, with the end of the handshake beside it.
pub struct RawSide {
    session: RawSession,
    done: bool,
}

impl RawSide {
    /// The session.
    #[must_use]
    pub fn into_session(self) -> RawSession {
        self.session
    }
}

impl Side for RawSide {
    fn new(contexts: &Contexts, role: DtlsRole) -> Self {
        let session = match role {
            DtlsRole::Client => RawSession::client(&contexts.raw),
            DtlsRole::Server => RawSession::server(&contexts.raw),
        };
        Self { session: session.expect("memory"), done: false }
    }

    fn start(&mut self) {
        self.done = self.session.advance();
    }

    fn receive(&mut self, datagram: &[u8]) {
        self.session.feed(datagram);
        self.done = self.session.advance();
    }

    fn poll(&mut self) -> Option<Vec<u8>> {
        self.session.take()
    }

    fn is_done(&mut self) -> bool {
        self.done
    }
}

/// Two sides that have finished, and what it took.
pub struct Finished<C, S> {
    /// The client and all of its time.
    pub client: Account<C>,
    /// The server and all of its time.
    pub server: Account<S>,
}

/// A side with its time and its bytes.
pub struct Account<S> {
    /// The side.
    pub side: S,
    /// Time that its calls took, from making it to the end.
    pub time: Duration,
    /// Datagrams that it sent.
    pub datagrams: usize,
    /// Bytes in them.
    pub bytes: usize,
}

impl<S: Side> Account<S> {
    fn new(contexts: &Contexts, role: DtlsRole) -> Self {
        let start = Instant::now();
        let side = S::new(contexts, role);
        Self { side, time: start.elapsed(), datagrams: 0, bytes: 0 }
    }

    fn timed<T>(&mut self, operation: impl FnOnce(&mut S) -> T) -> T {
        let start = Instant::now();
        let answer = operation(&mut self.side);
        self.time += start.elapsed();
        answer
    }

    /// Processes the other side's flight and answers with its own.
    fn flight(&mut self, arrived: &[Vec<u8>]) -> Vec<Vec<u8>> {
        let flight: Vec<Vec<u8>> = self.timed(|side| {
            arrived.iter().for_each(|datagram| side.receive(datagram));
            std::iter::from_fn(|| side.poll()).collect()
        });
        self.datagrams += flight.len();
        self.bytes += flight.iter().map(Vec::len).sum::<usize>();
        flight
    }
}

/// Handshakes.
///
/// # Panics
///
/// When it does not succeed.
pub fn handshake<C: Side, S: Side>(contexts: &Contexts) -> Finished<C, S> {
    let mut client = Account::<C>::new(contexts, DtlsRole::Client);
    let mut server = Account::<S>::new(contexts, DtlsRole::Server);
    client.timed(C::start);
    let mut back = Vec::new();
    for _ in 0..FLIGHTS_MAX {
        let forth = client.flight(&back);
        back = server.flight(&forth);
        if forth.is_empty() && back.is_empty() {
            break;
        }
    }
    assert!(client.timed(C::is_done) && server.timed(S::is_done), "the handshake did not finish");
    Finished { client, server }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Signatures, and nothing else, differ in length: by a few bytes from run to run.
    const SIGNATURE_BYTES_SLACK: usize = 8;

    /// The limit is only one if it does the same work: same flights, same ciphers, same certificate.
    #[test]
    fn ours_and_the_limit_exchange_the_same_flights() {
        let contexts = Contexts::default();
        let ours = handshake::<DtlsSession, DtlsSession>(&contexts);
        let raw = handshake::<RawSide, RawSide>(&contexts);
        assert_eq!(ours.client.datagrams, raw.client.datagrams);
        assert_eq!(ours.server.datagrams, raw.server.datagrams);
        for (ours, raw) in
            [(ours.client.bytes, raw.client.bytes), (ours.server.bytes, raw.server.bytes)]
        {
            assert!(ours.abs_diff(raw) <= SIGNATURE_BYTES_SLACK, "{ours} bytes, the limit {raw}");
        }
    }

    /// Whoever of the two offers and whoever chooses, the work behind the bytes is the same.
    #[test]
    fn ours_and_the_limit_agree_on_the_same() {
        let contexts = Contexts::default();
        let raw = handshake::<RawSide, RawSide>(&contexts);
        let [client, server] = [raw.client, raw.server].map(|raw| raw.side.session.negotiated());
        assert!(client.group.is_some() && client.extended_master_secret, "{client:?}");
        let mixed = handshake::<RawSide, DtlsSession>(&contexts);
        assert_eq!(mixed.client.side.session.negotiated(), client);
        let mixed = handshake::<DtlsSession, RawSide>(&contexts);
        assert_eq!(mixed.server.side.session.negotiated(), server);
    }
}
