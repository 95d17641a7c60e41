//! Bare OpenSSL: what our DTLS and our STUN integrity cannot beat by much.

use std::collections::VecDeque;
use std::io::{self, Read, Write};

use openssl::asn1::Asn1Time;
use openssl::ec::{EcGroup, EcKey};
use openssl::error::ErrorStack;
use openssl::hash::MessageDigest;
use openssl::nid::Nid;
use openssl::pkey::{Id, PKey, Private};
use openssl::sha::Sha1;
use openssl::ssl::{
    ErrorCode, ShutdownResult, Ssl, SslContext, SslMethod, SslOptions, SslSessionCacheMode,
    SslStream, SslVerifyMode, SslVersion,
};
use openssl::x509::{X509, X509NameBuilder};

/// These four as in our `DtlsContext`, so that the flights are of the same length.
const CIPHERS: &str = "ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-GCM-SHA256:\
     ECDHE-ECDSA-AES256-GCM-SHA384:ECDHE-RSA-AES256-GCM-SHA384:\
     ECDHE-ECDSA-CHACHA20-POLY1305:ECDHE-RSA-CHACHA20-POLY1305";
const GROUPS: &str = "X25519:P-256:P-384";
const SRTP_PROFILES: &str = "SRTP_AEAD_AES_256_GCM:SRTP_AEAD_AES_128_GCM:SRTP_AES128_CM_SHA1_80:\
     SRTP_AES128_CM_SHA1_32";
const MTU_BYTES: u32 = 1350;
/// Bytes that SHA-1 takes at a time (RFC 2104 section 2: B).
const SHA1_BLOCK_BYTES: usize = 64;

/// A self-signed certificate on P-256 as PEM: certificate, key. Ours and the limit present the same.
///
/// # Errors
///
/// What OpenSSL says.
pub fn certificate_pem() -> Result<(Vec<u8>, Vec<u8>), ErrorStack> {
    let group = EcGroup::from_curve_name(Nid::X9_62_PRIME256V1)?;
    let key = PKey::from_ec_key(EcKey::generate(&group)?)?;
    let mut name = X509NameBuilder::new()?;
    name.append_entry_by_nid(Nid::COMMONNAME, "webrtc-server-benches")?;
    let name = name.build();
    let mut builder = X509::builder()?;
    builder.set_version(2)?;
    builder.set_subject_name(&name)?;
    builder.set_issuer_name(&name)?;
    builder.set_not_before(Asn1Time::days_from_now(0)?.as_ref())?;
    builder.set_not_after(Asn1Time::days_from_now(30)?.as_ref())?;
    builder.set_pubkey(&key)?;
    builder.sign(&key, MessageDigest::sha256())?;
    Ok((builder.build().to_pem()?, key.private_key_to_pem_pkcs8()?))
}

/// A context that asks for a certificate and takes any.
///
/// # Errors
///
/// What OpenSSL says.
pub fn context(certificate: &[u8], key: &[u8]) -> Result<SslContext, ErrorStack> {
    let key: PKey<Private> = PKey::private_key_from_pem(key)?;
    let mut builder = SslContext::builder(SslMethod::dtls())?;
    builder.set_min_proto_version(Some(SslVersion::DTLS1_2))?;
    builder.set_max_proto_version(Some(SslVersion::DTLS1_2))?;
    builder.set_cipher_list(CIPHERS)?;
    builder.set_groups_list(GROUPS)?;
    builder.set_tlsext_use_srtp(SRTP_PROFILES)?;
    builder.set_options(
        SslOptions::NO_RENEGOTIATION
            | SslOptions::NO_TICKET
            | SslOptions::NO_COMPRESSION
            | SslOptions::NO_QUERY_MTU
            | SslOptions::CIPHER_SERVER_PREFERENCE,
    );
    builder.set_session_cache_mode(SslSessionCacheMode::OFF);
    let verify = SslVerifyMode::PEER | SslVerifyMode::FAIL_IF_NO_PEER_CERT;
    builder.set_verify_callback(verify, |_, _| true);
    builder.set_certificate(X509::from_pem(certificate)?.as_ref())?;
    builder.set_private_key(&key)?;
    Ok(builder.build())
}

/// The "socket" of OpenSSL: one call, one datagram.
#[derive(Debug, Default)]
struct Queues {
    incoming: VecDeque<Vec<u8>>,
    outgoing: VecDeque<Vec<u8>>,
}

impl Read for Queues {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let datagram = self.incoming.pop_front().ok_or(io::ErrorKind::WouldBlock)?;
        (&datagram[..]).read(buffer)
    }
}

impl Write for Queues {
    fn write(&mut self, datagram: &[u8]) -> io::Result<usize> {
        self.outgoing.push_back(datagram.to_vec());
        Ok(datagram.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// What the cost of a handshake and of a record depends on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Negotiated {
    /// OpenSSL's name of the cipher suite.
    pub cipher: String,
    /// The kind of the server's ephemeral key; only a client can tell.
    pub group: Option<Id>,
    /// OpenSSL's name of the SRTP profile.
    pub srtp_profile: String,
    /// RFC 7627.
    pub extended_master_secret: bool,
}

/// One side of a DTLS association, by nothing but OpenSSL. It panics where ours would report: a limit that failed is
/// none.
#[derive(Debug)]
pub struct RawSession {
    stream: SslStream<Queues>,
}

impl RawSession {
    /// A client sends its ClientHello with the first [`RawSession::advance`].
    ///
    /// # Errors
    ///
    /// What OpenSSL says.
    pub fn client(context: &SslContext) -> Result<Self, ErrorStack> {
        Self::new(context, |ssl| ssl.set_connect_state())
    }

    /// A server.
    ///
    /// # Errors
    ///
    /// What OpenSSL says.
    pub fn server(context: &SslContext) -> Result<Self, ErrorStack> {
        Self::new(context, |ssl| ssl.set_accept_state())
    }

    fn new(context: &SslContext, set_role: impl FnOnce(&mut Ssl)) -> Result<Self, ErrorStack> {
        let mut ssl = Ssl::new(context)?;
        ssl.set_mtu(MTU_BYTES)?;
        set_role(&mut ssl);
        Ok(Self { stream: SslStream::new(ssl, Queues::default())? })
    }

    /// Goes on with the handshake; `true` when it is done.
    pub fn advance(&mut self) -> bool {
        match self.stream.do_handshake() {
            Ok(()) => true,
            Err(error) if error.code() == ErrorCode::WANT_READ => false,
            Err(error) => panic!("the limit's handshake failed: {error}"),
        }
    }

    /// Hands a datagram in, for the next call.
    pub fn feed(&mut self, datagram: &[u8]) {
        self.stream.get_mut().incoming.push_back(datagram.to_vec());
    }

    /// Next datagram to send.
    pub fn take(&mut self) -> Option<Vec<u8>> {
        self.stream.get_mut().outgoing.pop_front()
    }

    /// Makes the close_notify; `true` when the other side's was here already.
    pub fn shutdown(&mut self) -> bool {
        match self.stream.shutdown() {
            Ok(ShutdownResult::Sent) => false,
            Ok(ShutdownResult::Received) => true,
            Err(error) => panic!("the limit's shutdown failed: {error}"),
        }
    }

    /// Reads the message that was fed.
    pub fn read(&mut self, buffer: &mut [u8]) -> usize {
        self.stream.ssl_read(buffer).expect("the limit's session is connected")
    }

    /// Makes a record of a message.
    pub fn write(&mut self, message: &[u8]) {
        self.stream.ssl_write(message).expect("the limit's session is connected");
    }

    /// What both sides agreed on.
    ///
    /// # Panics
    ///
    /// Before they did.
    #[must_use]
    pub fn negotiated(&self) -> Negotiated {
        let ssl = self.stream.ssl();
        let srtp = ssl.selected_srtp_profile().expect("an SRTP profile");
        Negotiated {
            cipher: ssl.current_cipher().expect("a cipher").name().to_owned(),
            group: ssl.peer_tmp_key().ok().map(|key| key.id()),
            srtp_profile: srtp.name().to_owned(),
            extended_master_secret: ssl.extms_support().expect("the handshake is done"),
        }
    }

    /// Reads the close_notify that was fed, and nothing else.
    pub fn expect_close_notify(&mut self) {
        let error = self.stream.ssl_read(&mut [0; 64]).expect_err("a close_notify, no data");
        assert_eq!(error.code(), ErrorCode::ZERO_RETURN, "a close_notify: {error}");
    }
}

/// HMAC-SHA1 (RFC 2104) over OpenSSL's SHA-1 itself: the least that can be done, as the way through EVP costs more than
/// the hash. `key` has 64 bytes at the most.
#[must_use]
pub fn hmac_sha1(key: &[u8], parts: &[&[u8]]) -> [u8; 20] {
    let pad = |byte: u8| {
        let mut block = [byte; SHA1_BLOCK_BYTES];
        block.iter_mut().zip(key).for_each(|(padded, key)| *padded ^= key);
        block
    };
    let mut inner = Sha1::new();
    inner.update(&pad(0x36));
    parts.iter().for_each(|part| inner.update(part));
    let mut outer = Sha1::new();
    outer.update(&pad(0x5C));
    outer.update(&inner.finish());
    outer.finish()
}

#[cfg(test)]
mod tests {
    use openssl::sign::Signer;

    use super::*;

    #[test]
    fn the_hand_made_hmac_is_that_of_openssl() {
        let key = b"a password of thirty-two letters";
        let signing_key = PKey::hmac(key).expect("a key");
        let mut signer = Signer::new(MessageDigest::sha1(), &signing_key).expect("a signer");
        let expected = signer.sign_oneshot_to_vec(b"some bytes").expect("a signature");
        assert_eq!(hmac_sha1(key, &[b"some ", b"bytes"]).to_vec(), expected);
    }
}
