//! Pairs made for the purpose, good ones and every kind of bad.

use rcgen::{
    BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair, PKCS_ECDSA_P256_SHA256,
    PKCS_ECDSA_P384_SHA384, PKCS_ED25519, PKCS_RSA_SHA256,
};

use super::*;

fn params(names: &[&str]) -> CertificateParams {
    let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
    CertificateParams::new(names).expect("rcgen makes it")
}

fn authority(name: &str) -> (CertificateParams, KeyPair) {
    let mut params = params(&[]);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.distinguished_name.push(DnType::CommonName, name);
    (params, KeyPair::generate().expect("rcgen makes it"))
}

/// A certificate, its issuer's, the root's, and the key of the first.
fn chain() -> [String; 4] {
    let (root, root_key) = authority("root");
    let root_pem = root.self_signed(&root_key).expect("rcgen makes it").pem();
    let root = Issuer::new(root, root_key);
    let (middle, middle_key) = authority("middle");
    let middle_pem = middle.signed_by(&middle_key, &root).expect("rcgen makes it").pem();
    let middle = Issuer::new(middle, middle_key);
    let key = KeyPair::generate().expect("rcgen makes it");
    let leaf = params(&["shop.example"]).signed_by(&key, &middle).expect("rcgen makes it").pem();
    [leaf, middle_pem, root_pem, key.serialize_pem()]
}

fn self_signed() -> (String, String) {
    let key = KeyPair::generate().expect("rcgen makes it");
    (
        params(&["shop.example"]).self_signed(&key).expect("rcgen makes it").pem(),
        key.serialize_pem(),
    )
}

#[track_caller]
fn fault(certificates: &str, key: &str) -> (Part, String) {
    let fault = Pair::from_pem(certificates.as_bytes(), key.as_bytes()).expect_err("a fault");
    assert!(!fault.help.is_empty());
    (fault.part, fault.message)
}

#[test]
fn every_kind_of_key_is_read_with_its_names() {
    for (algorithm, kind) in [
        (&PKCS_ECDSA_P256_SHA256, KeyKind::Ecdsa),
        (&PKCS_ECDSA_P384_SHA384, KeyKind::Ecdsa),
        (&PKCS_ED25519, KeyKind::Ed25519),
        (&PKCS_RSA_SHA256, KeyKind::Rsa),
    ] {
        let key = KeyPair::generate_for(algorithm).expect("rcgen makes it");
        let certificate = params(&["Shop.example", "*.shop.example", "10.0.0.1"])
            .self_signed(&key)
            .expect("rcgen makes it");
        let pair = Pair::from_pem(certificate.pem().as_bytes(), key.serialize_pem().as_bytes());
        let pair = pair.expect("a good pair");
        assert_eq!(pair.kind, kind);
        let names: Vec<&str> = pair.names.iter().collect();
        assert_eq!(names, ["shop.example", "*.shop.example", "10.0.0.1"]);
        assert_eq!(pair.fingerprint, Fingerprint::of(certificate.der()));
        assert_eq!(pair.fingerprint.to_string().len(), 64);
    }
}

#[test]
fn a_whole_chain_is_good_with_and_without_its_root() {
    let [leaf, middle, root, key] = chain();
    for text in [leaf.clone(), format!("{leaf}{middle}"), format!("{leaf}{middle}{root}")] {
        assert!(Pair::from_pem(text.as_bytes(), key.as_bytes()).is_ok());
    }
}

#[test]
fn a_chain_out_of_order_is_told_with_what_belongs_where() {
    let [leaf, middle, root, key] = chain();
    let (part, message) = fault(&format!("{middle}{leaf}"), &key);
    assert_eq!(part, Part::Certificate);
    assert!(message.contains("the key belongs to certificate 2"), "{message}");
    let (_, message) = fault(&format!("{leaf}{root}{middle}"), &key);
    assert!(message.contains("out of order: certificate 2 of the file did not issue"), "{message}");
    let (_, message) = fault(&format!("{leaf}{root}"), &key);
    assert!(message.contains("chain that does not hold"), "{message}");
}

#[test]
fn a_key_of_another_certificate_does_not_match() {
    let ((certificate, _), (_, key)) = (self_signed(), self_signed());
    let (part, message) = fault(&certificate, &key);
    assert_eq!(part, Part::Key);
    assert!(message.contains("does not match"), "{message}");
}

#[test]
fn what_is_no_certificate_is_told_by_what_it_is() {
    let (certificate, key) = self_signed();
    let request = "-----BEGIN CERTIFICATE REQUEST-----\nMAA=\n-----END CERTIFICATE REQUEST-----\n";
    for (text, told) in [
        ("", "holds no certificate"),
        ("hello", "holds no certificate"),
        ("0\u{3}", "is DER"),
        (key.as_str(), "holds a private key"),
        (request, "holds a request"),
        ("-----BEGIN CERTIFICATE-----\n!!\n-----END CERTIFICATE-----\n", "is damaged"),
        ("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n", "cannot be read"),
        (
            &certificate[..certificate.len() / 2],
            "is damaged: it ends before -----END CERTIFICATE-----",
        ),
    ] {
        let (part, message) = fault(text, &key);
        assert_eq!(part, Part::Certificate, "{text}");
        assert!(message.contains(told), "{text}: {message}");
    }
}

#[test]
fn what_is_no_key_is_told_by_what_it_is() {
    let (certificate, key) = self_signed();
    let encrypted =
        "-----BEGIN ENCRYPTED PRIVATE KEY-----\nMAA=\n-----END ENCRYPTED PRIVATE KEY-----\n";
    let older = "-----BEGIN RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\n\
                 DEK-Info: AES-128-CBC,00\n\nMAA=\n-----END RSA PRIVATE KEY-----\n";
    let public = "-----BEGIN PUBLIC KEY-----\nMAA=\n-----END PUBLIC KEY-----\n";
    for (text, told) in [
        ("", "holds no private key"),
        ("0\u{3}", "is DER"),
        (certificate.as_str(), "holds a certificate"),
        (encrypted, "encrypted"),
        (older, "encrypted"),
        (public, "holds a public key"),
        (&key[..key.len() / 2], "is damaged: it ends before -----END PRIVATE KEY-----"),
        (
            "-----BEGIN CERTIFICATE REQUEST-----\nAAAA\n-----END CERTIFICATE REQUEST-----\n",
            "holds a request",
        ),
        ("-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n", "cannot be used"),
    ] {
        let (part, message) = fault(&certificate, text);
        assert_eq!(part, Part::Key, "{text}");
        assert!(message.contains(told), "{text}: {message}");
    }
}

#[test]
fn a_chain_is_good_only_while_all_of_it_is() {
    let (mut root, root_key) = authority("root");
    root.not_after = rcgen::date_time_ymd(2030, 1, 1);
    let root_pem = root.self_signed(&root_key).expect("rcgen makes it").pem();
    let key = KeyPair::generate().expect("rcgen makes it");
    let mut leaf = params(&["shop.example"]);
    (leaf.not_before, leaf.not_after) =
        (rcgen::date_time_ymd(2020, 1, 1), rcgen::date_time_ymd(2040, 1, 1));
    let leaf = leaf.signed_by(&key, &Issuer::new(root, root_key)).expect("rcgen makes it").pem();
    let text = format!("{leaf}{root_pem}");
    let pair =
        Pair::from_pem(text.as_bytes(), key.serialize_pem().as_bytes()).expect("rcgen makes it");
    let validity = pair.validity;
    let (first, last) = (1_577_836_800, 1_893_456_000);
    assert_eq!(validity, Validity { not_before: first, not_after: last });
    assert_eq!(validity.at(first - 1), Standing::NotYet);
    assert_eq!(validity.at(first), Standing::Good);
    assert_eq!(validity.at(last), Standing::Good);
    assert_eq!(validity.at(last + 1), Standing::Expired);
}

#[test]
fn authorities_are_known_by_what_they_are() {
    let [leaf, middle, root, _] = chain();
    let roots = Roots::from_pem(root.as_bytes()).expect("one authority");
    assert_eq!(roots, Roots::from_pem(root.as_bytes()).expect("the same"));
    assert_ne!(roots, Roots::from_pem(format!("{root}{middle}").as_bytes()).expect("two"));
    assert!(Roots::from_pem(b"").is_err());
    let (_, key) = self_signed();
    let fault = Roots::from_pem(key.as_bytes()).expect_err("a key");
    assert_eq!(fault.message, "holds a private key, not a certificate");
    assert!(fault.help.contains("the authority's certificate"), "{fault}");
    assert!(!fault.help.contains("as `key`"), "{fault}");
    assert!(!leaf.is_empty());
}

#[test]
fn a_clients_certificate_says_whose_it_is() {
    let mut params = params(&[]);
    params.distinguished_name = rcgen::DistinguishedName::new();
    params.distinguished_name.push(DnType::OrganizationName, "Shop");
    params.distinguished_name.push(DnType::CommonName, "alice");
    let certificate =
        params.self_signed(&KeyPair::generate().expect("rcgen makes it")).expect("rcgen makes it");
    let peer = Peer::read(certificate.der()).expect("readable");
    assert_eq!(&*peer.subject, "CN=alice,O=Shop");
    assert_eq!(peer.fingerprint, Fingerprint::of(certificate.der()));
    assert_eq!(Peer::read(b"nothing"), None);
}
