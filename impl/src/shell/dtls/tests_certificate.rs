//! Loading certificates, and fingerprints as text.

use openssl::nid::Nid;

use super::test_pair::{ec_key, rsa_key};
use super::*;

fn pem(certificate: &Certificate) -> (Vec<u8>, Vec<u8>) {
    let key = certificate.key().private_key_to_pem_pkcs8().unwrap();
    (certificate.leaf().to_pem().unwrap(), key)
}

#[test]
fn dtl_26_generated_certificates_are_fresh_p256_and_signed_with_sha256() {
    let (one, two) = (Certificate::generate().unwrap(), Certificate::generate().unwrap());
    assert_ne!(one.fingerprints(), two.fingerprints());
    let leaf = one.leaf();
    let key = leaf.public_key().unwrap();
    assert_eq!(key.ec_key().unwrap().group().curve_name(), Some(Nid::X9_62_PRIME256V1));
    assert_eq!(leaf.signature_algorithm().object().nid(), Nid::ECDSA_WITH_SHA256);
    assert!(leaf.verify(&key).unwrap());
    let name = |certificate: &Certificate| certificate.leaf().subject_name().to_der().unwrap();
    assert_ne!(name(&one), name(&two));
    let now = openssl::asn1::Asn1Time::days_from_now(0).unwrap();
    assert!(now.diff(leaf.not_after()).unwrap().days > 3600);
    assert!(leaf.not_before().diff(&now).unwrap().days > 3600);
}

#[test]
fn dtl_26_a_good_pair_is_loaded() {
    for key in [ec_key(Nid::X9_62_PRIME256V1), ec_key(Nid::SECP384R1), rsa_key(2048)] {
        let original = Certificate::self_signed(key, -1, 1).unwrap();
        let (certificate, key) = pem(&original);
        let loaded = Certificate::from_pem(&certificate, &key).unwrap();
        assert_eq!(loaded.fingerprints(), original.fingerprints());
        DtlsContext::new(&loaded, DtlsOptions::default()).unwrap();
    }
}

#[test]
fn dtl_26_bad_pairs_are_typed_errors() {
    let (certificate, key) = pem(&Certificate::generate().unwrap());
    let (_, other_key) = pem(&Certificate::generate().unwrap());
    let load =
        |certificate: &[u8], key: &[u8]| Certificate::from_pem(certificate, key).unwrap_err();
    let made_of = |key| {
        let (certificate, key) = pem(&Certificate::self_signed(key, -1, 1).unwrap());
        load(&certificate, &key)
    };

    assert!(matches!(load(b"", &key), CertificateError::NoCertificate));
    let broken = b"-----BEGIN CERTIFICATE-----\n!!\n-----END CERTIFICATE-----\n";
    assert!(matches!(load(broken, &key), CertificateError::CertificatePem(_)));
    assert!(matches!(load(&certificate, b""), CertificateError::KeyPem(_)));
    assert!(matches!(load(&certificate, &certificate), CertificateError::KeyPem(_)));
    assert!(matches!(load(&certificate, &other_key), CertificateError::Mismatch));
    assert!(matches!(made_of(rsa_key(1024)), CertificateError::WeakKey { bits: 1024 }));
    assert!(matches!(made_of(ec_key(Nid::SECP256K1)), CertificateError::UnsupportedKey));
}

#[test]
fn dtl_26_an_encrypted_key_is_refused_without_asking_for_a_password() {
    let original = Certificate::generate().unwrap();
    let cipher = openssl::symm::Cipher::aes_128_cbc();
    let locked = original.key().private_key_to_pem_pkcs8_passphrase(cipher, b"secret").unwrap();
    let error = Certificate::from_pem(&pem(&original).0, &locked).unwrap_err();
    assert!(matches!(error, CertificateError::KeyPem(_)));
}

#[test]
fn dtl_26_missing_files_are_named() {
    let folder = std::env::temp_dir().join(format!("dtls-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let (certificate, key) = (folder.join("cert.pem"), folder.join("key.pem"));
    let original = Certificate::generate().unwrap();
    std::fs::write(&certificate, pem(&original).0).unwrap();
    let missing = Certificate::from_pem_files(&certificate, &key).unwrap_err();
    assert!(matches!(missing, CertificateError::Unreadable { path, .. } if path == key));
    std::fs::write(&key, pem(&original).1).unwrap();
    let loaded = Certificate::from_pem_files(&certificate, &key).unwrap();
    assert_eq!(loaded.fingerprints(), original.fingerprints());
    std::fs::remove_dir_all(&folder).unwrap();
}

#[test]
fn dtl_03_malformed_fingerprints_are_typed_errors() {
    let value = Certificate::generate().unwrap().fingerprints()[2].value.clone();
    let parsed = Fingerprint::parse("SHA-256", &value.to_lowercase()).unwrap();
    assert_eq!(parsed, Fingerprint { algorithm: HashAlgorithm::Sha256, value: value.clone() });

    let unknown = FingerprintError::UnknownAlgorithm("md5".to_owned());
    assert_eq!(Fingerprint::parse("md5", &value), Err(unknown));
    let (algorithm, expected) = (HashAlgorithm::Sha1, 20);
    let length = FingerprintError::WrongLength { algorithm, expected, actual: 32 };
    assert_eq!(Fingerprint::parse("sha-1", &value), Err(length));
    for text in
        ["", "zz", &value.replace(':', ""), &value.replacen(':', "", 1), &format!("{value}:")]
    {
        assert_eq!(Fingerprint::parse("sha-256", text), Err(FingerprintError::NotHexadecimal));
    }
}

#[test]
fn dtl_26_fingerprints_are_upper_case_hex_of_five_hashes() {
    let fingerprints = Certificate::generate().unwrap().fingerprints();
    let names: Vec<&str> = fingerprints.iter().map(|one| one.algorithm.name()).collect();
    assert_eq!(names, ["sha-1", "sha-224", "sha-256", "sha-384", "sha-512"]);
    for fingerprint in &fingerprints {
        fingerprint.check().unwrap();
        assert_eq!(fingerprint.value, fingerprint.value.to_uppercase());
    }
    let json = serde_json::to_value(&fingerprints[2]).unwrap();
    assert_eq!(json["algorithm"], "sha-256");
    assert_eq!(serde_json::from_value::<Fingerprint>(json).unwrap(), fingerprints[2]);
}

#[test]
fn dtl_20_an_mtu_out_of_range_is_refused() {
    let certificate = Certificate::generate().unwrap();
    for mtu in [0, 575, 16_385] {
        let options = DtlsOptions { mtu, ..DtlsOptions::default() };
        let refused = DtlsContext::new(&certificate, options).unwrap_err();
        assert!(matches!(refused, DtlsContextError::Mtu(given) if given == mtu));
    }
}
