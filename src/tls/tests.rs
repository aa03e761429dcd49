//! Which certificate is chosen, and what servers made from the same or another configuration share.

use std::path::PathBuf;
use std::sync::Arc;

use rcgen::{CertificateParams, KeyPair, PKCS_ECDSA_P256_SHA256, PKCS_ED25519, PKCS_RSA_SHA256};
use rustls::SignatureScheme as Scheme;

use super::tickets::Scope;
use super::*;
use crate::certificate::{KeyKind, Pair, Roots};
use crate::config::{
    Certificate, CertificateFiles, ClientAuth, ClientAuthMode, ListenerHttp, ListenerTls,
    TlsVersion, UnknownSni,
};

fn pem(hosts: &[&str], kind: KeyKind) -> (String, String) {
    let algorithm = match kind {
        KeyKind::Ecdsa => &PKCS_ECDSA_P256_SHA256,
        KeyKind::Ed25519 => &PKCS_ED25519,
        KeyKind::Rsa => &PKCS_RSA_SHA256,
    };
    let hosts: Vec<String> = hosts.iter().map(|host| (*host).to_owned()).collect();
    let key = KeyPair::generate_for(algorithm).expect("a key");
    let params = CertificateParams::new(hosts).expect("names");
    (params.self_signed(&key).expect("a certificate").pem(), key.serialize_pem())
}

fn pair(hosts: &[&str], kind: KeyKind) -> Arc<Pair> {
    let (certificate, key) = pem(hosts, kind);
    Arc::new(Pair::from_pem(certificate.as_bytes(), key.as_bytes()).expect("a pair"))
}

const ALL: &[Scheme] = &[Scheme::RSA_PSS_SHA256, Scheme::ED25519, Scheme::ECDSA_NISTP256_SHA256];

#[test]
fn an_exact_name_goes_before_a_wildcard_whatever_the_order() {
    let wild = pair(&["*.shop.example"], KeyKind::Ecdsa);
    let exact = pair(&["a.shop.example"], KeyKind::Ecdsa);
    for pairs in [[Arc::clone(&wild), Arc::clone(&exact)], [Arc::clone(&exact), Arc::clone(&wild)]]
    {
        let choice = Choice::new(&pairs, UnknownSni::Reject);
        let chosen = |name| choice.choose(Some(name), ALL);
        assert!(chosen("a.shop.example").is_some_and(|pair| Arc::ptr_eq(pair, &exact)));
        assert!(chosen("b.shop.example").is_some_and(|pair| Arc::ptr_eq(pair, &wild)));
        for unknown in ["shop.example", "a.b.shop.example", "example", "", ".shop.example."] {
            assert!(chosen(unknown).is_none(), "{unknown}");
        }
        assert!(choice.choose(None, ALL).is_some_and(|pair| Arc::ptr_eq(pair, &pairs[0])));
    }
}

#[test]
fn the_kind_of_key_is_chosen_by_what_the_client_understands() {
    let name = "shop.example";
    let rsa = pair(&[name], KeyKind::Rsa);
    let pairs = [Arc::clone(&rsa), pair(&[name], KeyKind::Ed25519), pair(&[name], KeyKind::Ecdsa)];
    let choice = Choice::new(&pairs, UnknownSni::Reject);
    let kind = |name, schemes: &[Scheme]| choice.choose(name, schemes).map(|pair| pair.kind);
    assert_eq!(kind(Some(name), ALL), Some(KeyKind::Ecdsa));
    assert_eq!(kind(Some(name), &ALL[..2]), Some(KeyKind::Ed25519));
    assert_eq!(kind(Some(name), &ALL[..1]), Some(KeyKind::Rsa));
    // Nothing fits: the handshake is to fail for that reason, not for the name.
    assert!(kind(Some(name), &[]).is_some());
    // Who names no host gets the first, or what is for the same name.
    assert_eq!(kind(None, ALL), Some(KeyKind::Rsa));
    assert_eq!(kind(None, &ALL[1..2]), Some(KeyKind::Ed25519));
}

#[test]
fn of_two_with_the_same_name_and_kind_the_first_counts() {
    let (first, second) =
        (pair(&["shop.example"], KeyKind::Ecdsa), pair(&["shop.example"], KeyKind::Ecdsa));
    let choice = Choice::new(&[Arc::clone(&first), second], UnknownSni::Reject);
    let chosen = choice.choose(Some("shop.example"), ALL);
    assert!(chosen.is_some_and(|pair| Arc::ptr_eq(pair, &first)));
}

#[test]
fn an_unknown_name_can_get_the_first() {
    let first = pair(&["first.example"], KeyKind::Ecdsa);
    let pairs = [Arc::clone(&first), pair(&["second.example"], KeyKind::Ecdsa)];
    let choice = Choice::new(&pairs, UnknownSni::First);
    let chosen = choice.choose(Some("unknown.example"), ALL);
    assert!(chosen.is_some_and(|pair| Arc::ptr_eq(pair, &first)));
    assert!(choice.serves("unknown.example", b"first.example"));
    assert!(!choice.serves("unknown.example", b"second.example"));
    assert!(!choice.serves("second.example", b"first.example"));
}

/// A listener's table with one certificate.
fn written(pem: &(String, String)) -> ListenerTls {
    let pair = Pair::from_pem(pem.0.as_bytes(), pem.1.as_bytes()).expect("a pair");
    let files = CertificateFiles { cert: PathBuf::from("a.crt"), key: PathBuf::from("a.key") };
    ListenerTls {
        min_version: TlsVersion::V12,
        certificates: vec![Certificate { files, pair: Arc::new(pair) }],
        unknown_sni: UnknownSni::Reject,
        client_auth: None,
        sni_host_check: true,
    }
}

fn auth(pem: &(String, String), mode: ClientAuthMode) -> Option<ClientAuth> {
    let roots = Roots::from_pem(pem.0.as_bytes()).expect("a certificate");
    Some(ClientAuth { ca: PathBuf::from("ca.pem"), roots: Arc::new(roots), mode })
}

#[test]
fn keys_of_tickets_are_bound_to_clients_authorities_and_certificates() {
    let (shop, one, two) = (
        pem(&["shop.example"], KeyKind::Ecdsa),
        pem(&["one.example"], KeyKind::Ecdsa),
        pem(&["two.example"], KeyKind::Ecdsa),
    );
    let plain = written(&shop);
    let with = |client_auth| ListenerTls { client_auth, ..plain.clone() };
    let mut elsewhere = plain.clone();
    elsewhere.certificates[0].files.cert = PathBuf::from("b.crt");
    let scopes = [
        Scope::of(&plain),
        Scope::of(&elsewhere),
        Scope::of(&with(auth(&one, ClientAuthMode::Optional))),
        Scope::of(&with(auth(&one, ClientAuthMode::Require))),
        Scope::of(&with(auth(&two, ClientAuthMode::Require))),
    ];
    let tickets = Tickets::default();
    let keys: Vec<_> = scopes.iter().map(|scope| tickets.of(scope).expect("keys")).collect();
    for (index, own) in keys.iter().enumerate() {
        let ticket = own.encrypt(b"a session").expect("a ticket");
        for (other, keys) in keys.iter().enumerate() {
            let read = keys.decrypt(&ticket);
            assert_eq!(read.is_some(), index == other, "{index} {other}");
        }
    }
    // The same scope has the same keys, whatever the certificate's contents are by now.
    let renewed = written(&pem(&["shop.example"], KeyKind::Ecdsa));
    assert_eq!(Scope::of(&renewed), scopes[0]);
    let ticket = keys[0].encrypt(b"a session").expect("a ticket");
    assert!(tickets.of(&scopes[0]).expect("keys").decrypt(&ticket).is_some());
}

#[test]
fn keys_that_nobody_uses_are_forgotten() {
    let tickets = Tickets::default();
    let scope = |n: usize| {
        let mut tls = written(&pem(&["shop.example"], KeyKind::Ecdsa));
        tls.certificates[0].files.cert = PathBuf::from(format!("{n}.crt"));
        Scope::of(&tls)
    };
    let kept = tickets.of(&scope(0)).expect("keys");
    let ticket = kept.encrypt(b"a session").expect("a ticket");
    (1..50).for_each(|n| drop(tickets.of(&scope(n)).expect("keys")));
    assert!(tickets.len() <= 2, "{}", tickets.len());
    assert!(tickets.of(&scope(0)).expect("keys").decrypt(&ticket).is_some());
}

#[test]
fn a_server_knows_what_it_was_made_from_also_after_a_refresh() {
    let (shop, other) =
        (pem(&["shop.example"], KeyKind::Ecdsa), pem(&["shop.example"], KeyKind::Ecdsa));
    let (before, after) = (written(&shop), written(&other));
    let http = ListenerHttp::default();
    let server = Server::new(&before, http, &Arc::default()).expect("a server");
    assert!(server.is(&before, http) && !server.is(&after, http));
    assert!(!server.is(&before, ListenerHttp { h2: false, ..http }));
    server.refresh(&after).expect("good");
    assert!(server.is(&after, http) && !server.is(&before, http));
    assert!(!server.requires_client());
}

#[test]
fn post_quantum_key_exchange_comes_first() {
    let first = provider().kx_groups.first().map(|group| group.name());
    assert_eq!(first, Some(rustls::NamedGroup::X25519MLKEM768));
}
