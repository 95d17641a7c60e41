//! Who may connect, with what, and what comes out of it.

use openssl::nid::Nid;
use openssl::ssl::{SslOptions, SslVersion};
use openssl::x509::X509;

use super::test_pair::*;
use super::*;

#[test]
fn dtl_01_the_client_speaks_first_and_the_server_waits() {
    let mut pair = Pair::new();
    pair.server.start();
    assert!(datagrams(&mut pair.server).is_empty());
    pair.client.receive(&plaintext_record(ALERT, 0, &[2, 80]));
    assert!(datagrams(&mut pair.client).is_empty(), "no byte before start()");
    pair.client.start();
    let hello = datagrams(&mut pair.client);
    assert_eq!(hello.len(), 1);
    pair.client.start();
    assert!(datagrams(&mut pair.client).is_empty(), "start() again does nothing");
    deliver(&mut pair.server, &hello);
    pair.exchange();
    assert_eq!((pair.client.role(), pair.server.role()), (DtlsRole::Client, DtlsRole::Server));
    pair.assert_alive_after_connected();
}

#[test]
fn dtl_05_handshake_uses_dtls_1_2_with_ecdsa_p256_and_aes_128_gcm() {
    let pair = Pair::connected();
    let ssl = pair.server.ssl();
    assert_eq!(ssl.version2(), Some(SslVersion::DTLS1_2));
    assert_eq!(ssl.current_cipher().unwrap().name(), "ECDHE-ECDSA-AES128-GCM-SHA256");
    let key = ssl.peer_certificate().unwrap().public_key().unwrap();
    assert_eq!(key.ec_key().unwrap().group().curve_name(), Some(Nid::X9_62_PRIME256V1));
}

#[test]
fn dtl_05_dtls_1_0_is_refused() {
    let old = Side::altered(|builder| {
        builder.set_security_level(0);
        builder.set_cipher_list("ALL").unwrap();
        builder.set_min_proto_version(Some(SslVersion::DTLS1)).unwrap();
        builder.set_max_proto_version(Some(SslVersion::DTLS1)).unwrap();
    });
    let mut pair = Pair::of(&old, &Side::new());
    pair.handshake();
    let server = events(&mut pair.server);
    assert!(matches!(&server[..], [DtlsEvent::Failed(DtlsFailure::Handshake(_))]), "{server:?}");
    // 70 is protocol_version.
    assert_eq!(events(&mut pair.client), failed(DtlsFailure::AlertReceived(70)));
}

#[test]
fn dtl_07_dates_and_kinds_of_certificates_do_not_matter() {
    let signed = |key, from, to| Certificate::self_signed(key, from, to).unwrap();
    let p256 = || ec_key(Nid::X9_62_PRIME256V1);
    for certificate in [
        signed(p256(), -20, -10),
        signed(p256(), 10, 20),
        signed(ec_key(Nid::SECP384R1), -1, 1),
        signed(rsa_key(2048), -1, 1),
    ] {
        let odd = Side::with(certificate, DtlsOptions::default());
        for (client, server) in [(&odd, &Side::new()), (&Side::new(), &odd)] {
            let mut pair = Pair::of(client, server);
            pair.handshake();
            pair.assert_alive_after_connected();
        }
    }
}

#[test]
fn dtl_07_a_peer_without_a_certificate_is_refused() {
    let certificate = Certificate::generate().unwrap();
    let ssl = context::builder().unwrap().build();
    let context = DtlsContext { ssl, options: DtlsOptions::default() };
    let mut pair = Pair::strangers(&Side { certificate, context }, &Side::new());
    pair.handshake();
    let server = events(&mut pair.server);
    assert!(matches!(&server[..], [DtlsEvent::Failed(DtlsFailure::Handshake(_))]), "{server:?}");
    assert_eq!(events(&mut pair.client), failed(DtlsFailure::AlertReceived(HANDSHAKE_FAILURE)));
}

/// The peer's fingerprint with its last hexadecimal digit changed.
fn off_by_one(mut fingerprint: Fingerprint) -> Fingerprint {
    let digit = if fingerprint.value.ends_with('0') { "1" } else { "0" };
    fingerprint.value.replace_range(fingerprint.value.len() - 1.., digit);
    fingerprint
}

fn sha(side: &Side, algorithm: HashAlgorithm) -> Fingerprint {
    certificate::fingerprint_of(side.certificate.leaf(), algorithm).unwrap()
}

#[test]
fn dtl_08_wrong_fingerprint_fails_with_a_fatal_alert() {
    for algorithm in HashAlgorithm::ALL {
        let (client, server) = (Side::new(), Side::new());
        let mut pair = Pair::strangers(&client, &server);
        pair.client.expect_fingerprints(server.certificate.fingerprints());
        pair.server.expect_fingerprints(vec![off_by_one(sha(&client, algorithm))]);
        pair.handshake();
        assert_eq!(events(&mut pair.server), failed(DtlsFailure::FingerprintMismatch));
        assert_eq!(events(&mut pair.client), failed(DtlsFailure::AlertReceived(BAD_CERTIFICATE)));
    }
}

#[test]
fn dtl_08_a_client_checks_the_server_likewise() {
    let (client, server) = (Side::new(), Side::new());
    let mut pair = Pair::strangers(&client, &server);
    pair.client.expect_fingerprints(vec![off_by_one(sha(&server, HashAlgorithm::Sha256))]);
    pair.server.expect_fingerprints(client.certificate.fingerprints());
    pair.handshake();
    assert_eq!(events(&mut pair.client), failed(DtlsFailure::FingerprintMismatch));
    assert_eq!(events(&mut pair.server), failed(DtlsFailure::AlertReceived(BAD_CERTIFICATE)));
}

#[test]
fn dtl_08_letter_case_of_a_fingerprint_does_not_matter() {
    let (client, server) = (Side::new(), Side::new());
    let mut pair = Pair::strangers(&client, &server);
    let mut lower = sha(&client, HashAlgorithm::Sha256);
    lower.value.make_ascii_lowercase();
    pair.server.expect_fingerprints(vec![lower]);
    pair.client.expect_fingerprints(server.certificate.fingerprints());
    pair.handshake();
    pair.assert_alive_after_connected();
}

#[test]
fn dtl_03_the_first_announcement_of_fingerprints_counts() {
    let (client, server) = (Side::new(), Side::new());
    let mut pair = Pair::of(&client, &server);
    pair.server.expect_fingerprints(server.certificate.fingerprints());
    pair.handshake();
    pair.server.expect_fingerprints(server.certificate.fingerprints());
    pair.assert_alive_after_connected();
}

#[test]
fn dtl_09_only_the_strongest_of_several_fingerprints_counts() {
    let (client, server) = (Side::new(), Side::new());
    let (weak, strong) = (sha(&client, HashAlgorithm::Sha1), sha(&client, HashAlgorithm::Sha256));
    let wrong = |fingerprint: &Fingerprint| off_by_one(fingerprint.clone());
    for (list, accepted) in [
        (vec![wrong(&weak), strong.clone()], true),
        (vec![wrong(&strong), strong.clone()], true),
        (vec![weak, wrong(&strong)], false),
        (vec![], false),
    ] {
        let mut pair = Pair::strangers(&client, &server);
        pair.client.expect_fingerprints(server.certificate.fingerprints());
        pair.server.expect_fingerprints(list);
        pair.handshake();
        assert_eq!(pair.server.is_connected(), accepted);
    }
}

#[test]
fn dtl_10_keys_and_data_wait_for_the_fingerprints() {
    let (client, server) = (Side::new(), Side::new());
    let mut pair = Pair::strangers(&client, &server);
    pair.client.expect_fingerprints(server.certificate.fingerprints());
    pair.handshake();
    assert!(pair.client.is_connected());
    for number in 0..20 {
        pair.client.send(&[number]).unwrap();
    }
    pair.exchange();
    assert!(events(&mut pair.server).is_empty(), "nothing before the fingerprints");
    assert_eq!(pair.server.send(b"early"), Err(DtlsSendError::NotConnected));
    assert_eq!(pair.server.next_timeout(), None);

    pair.server.expect_fingerprints(client.certificate.fingerprints());
    let server_events = events(&mut pair.server);
    assert!(is_connected_event(&server_events[0]));
    let held: Vec<DtlsEvent> = (0..16).map(|number| DtlsEvent::Data(vec![number])).collect();
    assert_eq!(server_events[1..], held, "in order, the first 16");
    events(&mut pair.client);
    pair.assert_alive();
}

#[test]
fn dtl_10_a_late_mismatch_fails_silently_and_for_good() {
    let (client, server) = (Side::new(), Side::new());
    let mut pair = Pair::strangers(&client, &server);
    pair.client.expect_fingerprints(server.certificate.fingerprints());
    pair.handshake();
    pair.client.send(b"secret").unwrap();
    pair.exchange();
    pair.server.expect_fingerprints(vec![off_by_one(sha(&client, HashAlgorithm::Sha512))]);
    assert_eq!(events(&mut pair.server), failed(DtlsFailure::FingerprintMismatch));
    pair.server.expect_fingerprints(client.certificate.fingerprints());
    pair.client.send(b"more").unwrap();
    pair.exchange();
    assert!(events(&mut pair.server).is_empty() && !pair.server.close_notify());
    assert!(datagrams(&mut pair.server).is_empty());
}

const PROFILES: [(&str, SrtpProfile); 4] = [
    ("SRTP_AEAD_AES_256_GCM", SrtpProfile::AeadAes256Gcm),
    ("SRTP_AEAD_AES_128_GCM", SrtpProfile::AeadAes128Gcm),
    ("SRTP_AES128_CM_SHA1_80", SrtpProfile::Aes128CmSha1_80),
    ("SRTP_AES128_CM_SHA1_32", SrtpProfile::Aes128CmSha1_32),
];

fn connected(session: &mut DtlsSession) -> DtlsConnected {
    match events(session).into_iter().next() {
        Some(DtlsEvent::Connected(connected)) => *connected,
        other => panic!("not connected: {other:?}"),
    }
}

fn keys(session: &mut DtlsSession) -> SrtpKeys {
    connected(session).srtp
}

#[test]
fn dtl_11_the_most_preferred_common_profile_wins() {
    for (index, (_, best)) in PROFILES.iter().enumerate() {
        // The peer offers this profile and the weaker ones, weakest first.
        let names: Vec<&str> = PROFILES[index..].iter().rev().map(|(name, _)| *name).collect();
        let peer = Side::altered(|builder| builder.set_tlsext_use_srtp(&names.join(":")).unwrap());
        let mut pair = Pair::of(&peer, &Side::new());
        pair.handshake();
        assert_eq!(keys(&mut pair.server).profile, *best);
    }
}

#[test]
fn dtl_11_a_server_refuses_a_client_without_a_common_profile() {
    // A peer that would do without SRTP: plain OpenSSL, no check of its own.
    let mut builder = context::builder().unwrap();
    context::present(&mut builder, &Certificate::generate().unwrap()).unwrap();
    builder.set_tlsext_use_srtp("SRTP_AES128_CM_SHA1_32").unwrap();
    let mut ssl = openssl::ssl::Ssl::new(&builder.build()).unwrap();
    ssl.set_mtu(1200).unwrap();
    ssl.set_connect_state();
    let queues = queue::DatagramQueues::default();
    let mut client = openssl::ssl::SslStream::new(ssl, queues).unwrap();

    let only_80 = Side::altered(|builder| {
        builder.set_tlsext_use_srtp("SRTP_AES128_CM_SHA1_80").unwrap();
    });
    let mut server = only_80.session(DtlsRole::Server);
    for _ in 0..2 {
        assert!(client.do_handshake().is_err());
        deliver(&mut server, &client.get_mut().outgoing.drain(..).collect::<Vec<_>>());
        client.get_mut().incoming.extend(datagrams(&mut server));
    }
    assert_eq!(events(&mut server), failed(DtlsFailure::NoSrtpProfile));
    let alert = client.get_ref().incoming.back().unwrap();
    assert_eq!((alert[0], &alert[13..]), (ALERT, &[2, HANDSHAKE_FAILURE][..]));
}

#[test]
fn dtl_11_a_client_refuses_a_server_without_a_common_profile() {
    let only = |name| Side::altered(|builder| builder.set_tlsext_use_srtp(name).unwrap());
    let mut pair = Pair::of(&only("SRTP_AES128_CM_SHA1_32"), &only("SRTP_AES128_CM_SHA1_80"));
    pair.handshake();
    assert_eq!(events(&mut pair.client), failed(DtlsFailure::NoSrtpProfile));
    assert_eq!(events(&mut pair.server), failed(DtlsFailure::AlertReceived(HANDSHAKE_FAILURE)));
}

#[test]
fn dtl_12_both_sides_export_the_same_keys_crosswise() {
    for (name, profile) in PROFILES {
        let peer = Side::altered(|builder| builder.set_tlsext_use_srtp(name).unwrap());
        let mut pair = Pair::of(&peer, &Side::new());
        pair.handshake();
        let (client, server) = (keys(&mut pair.client), keys(&mut pair.server));
        assert_eq!((client.profile, server.profile), (profile, profile));
        assert_eq!((&client.local, &client.remote), (&server.remote, &server.local));
        assert_ne!(client.local, client.remote);
        assert_eq!(client.local.key.len(), profile.key_bytes());
        assert_eq!(client.local.salt.len(), profile.salt_bytes());

        let mut material = vec![0; 2 * (profile.key_bytes() + profile.salt_bytes())];
        let label = "EXTRACTOR-dtls_srtp";
        pair.client.ssl().export_keying_material(&mut material, label, None).unwrap();
        assert!(material.starts_with(&client.local.key) && material.ends_with(&server.local.salt));
    }
}

#[test]
fn dtl_13_the_extended_master_secret_is_negotiated() {
    let mut pair = Pair::new();
    pair.handshake();
    assert!(connected(&mut pair.server).extended_master_secret);
    assert!(connected(&mut pair.client).extended_master_secret);
    // SSL_OP_NO_EXTENDED_MASTER_SECRET of OpenSSL's ssl.h; the crate has no name for it.
    let old = Side::altered(|builder| {
        builder.set_options(SslOptions::from_bits_retain(1));
    });
    let mut pair = Pair::of(&old, &Side::new());
    pair.handshake();
    assert!(!connected(&mut pair.server).extended_master_secret);
}

#[test]
fn dtl_25_connected_carries_the_remote_certificate() {
    let (client, server) = (Side::new(), Side::new());
    let mut pair = Pair::of(&client, &server);
    pair.handshake();
    let remote_certificate = connected(&mut pair.server).remote_certificate;
    let remote = X509::from_pem(remote_certificate.as_bytes()).unwrap();
    assert_eq!(remote.to_der().unwrap(), client.certificate.leaf().to_der().unwrap());
}
