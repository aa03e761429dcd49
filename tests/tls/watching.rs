//! Certificates whose files change while they are in service: nobody asks for a reload.

use std::fs;
use std::os::unix::fs::symlink;
use std::sync::Arc;

use rustls::pki_types::{CertificateDer, pem::PemObject};

use crate::support::{PKCS_ECDSA_P256_SHA256, Pki, Proxy, TlsWire, eventually};
use crate::{certificates, proxy};

/// What the proxy shows to those who ask for `shop.example`.
fn shown(proxy: &Proxy, pki: &Pki) -> Vec<u8> {
    let client = Arc::new(pki.client(None));
    TlsWire::connect(proxy.address(), &client, "shop.example").expect("a session").shown()
}

fn der(pem: &str) -> Vec<u8> {
    CertificateDer::from_pem_slice(pem.as_bytes()).expect("PEM").to_vec()
}

/// A new pair for `shop.example`, written nowhere yet.
fn renewed(pki: &Pki) -> (String, String) {
    pki.made("renewed", &["shop.example"], &PKCS_ECDSA_P256_SHA256, |_| {})
}

fn control(proxy: &Proxy) -> (u64, u64) {
    let metrics = proxy.daemon().metrics();
    (metrics.control.certificates_renewed.value(), metrics.control.certificates_refused.value())
}

#[test]
fn files_that_are_renamed_over_are_in_service_soon() {
    let pki = Pki::new();
    pki.issue("shop", &["shop.example"]);
    let proxy = proxy(&certificates(&pki, &["shop"]), "");
    let client = Arc::new(pki.client(None));
    let mut before = TlsWire::connect(proxy.address(), &client, "shop.example").expect("a session");
    for _ in 0..2 {
        let (certificate, key) = renewed(&pki);
        fs::write(pki.path("new.key"), key).expect("written");
        fs::write(pki.path("new.crt"), &certificate).expect("written");
        fs::rename(pki.path("new.key"), pki.path("shop.key")).expect("renamed");
        fs::rename(pki.path("new.crt"), pki.path("shop.crt")).expect("renamed");
        let expected = der(&certificate);
        eventually("the new one is shown", || shown(&proxy, &pki) == expected);
    }
    // Who was there stays, and the configuration was not read again.
    assert_eq!(before.get("shop.example", "/").status(), 200);
    assert_eq!(proxy.daemon().snapshot().generation, 1);
    assert_eq!(control(&proxy).0, 2);
}

#[test]
fn a_link_that_is_swapped_is_followed() {
    let pki = Pki::new();
    // As orchestrators lay out secrets: files are links through a link that is replaced as one.
    let lay = |folder: &str| {
        let (certificate, key) = renewed(&pki);
        fs::create_dir(pki.path(folder)).expect("a folder");
        fs::write(pki.path(folder).join("shop.crt"), &certificate).expect("written");
        fs::write(pki.path(folder).join("shop.key"), key).expect("written");
        der(&certificate)
    };
    let first = lay("..one");
    symlink("..one", pki.path("..data")).expect("linked");
    symlink("..data/shop.crt", pki.path("shop.crt")).expect("linked");
    symlink("..data/shop.key", pki.path("shop.key")).expect("linked");
    let proxy = proxy(&certificates(&pki, &["shop"]), "");
    assert_eq!(shown(&proxy, &pki), first);
    let second = lay("..two");
    symlink("..two", pki.path("..new")).expect("linked");
    fs::rename(pki.path("..new"), pki.path("..data")).expect("swapped");
    eventually("the new one is shown", || shown(&proxy, &pki) == second);
    assert_eq!(control(&proxy), (1, 0));
}

#[test]
fn a_bad_pair_leaves_what_was_there_and_is_told_once() {
    let pki = Pki::new();
    pki.issue("shop", &["shop.example"]);
    pki.issue("other", &["other.example"]);
    let proxy = proxy(&certificates(&pki, &["shop", "other"]), "");
    let first = shown(&proxy, &pki);
    let (certificate, key) = renewed(&pki);
    // A certificate without its key.
    fs::write(pki.path("new.crt"), &certificate).expect("written");
    fs::rename(pki.path("new.crt"), pki.path("shop.crt")).expect("renamed");
    eventually("it is refused", || control(&proxy).1 == 1);
    assert_eq!(shown(&proxy, &pki), first);
    // Another one is renewed meanwhile: the first is as bad as before, and that is no news.
    pki.issue("other", &["other.example"]);
    eventually("the other is renewed", || control(&proxy).0 >= 1);
    assert_eq!(shown(&proxy, &pki), first);
    assert_eq!(control(&proxy).1, 1);
    // A reload would not take it either, and says why.
    let refused = proxy.reload().expect_err("a bad pair");
    assert!(refused.contains("does not match"), "{refused}");
    // The key that belongs to it.
    fs::write(pki.path("new.key"), key).expect("written");
    fs::rename(pki.path("new.key"), pki.path("shop.key")).expect("renamed");
    let expected = der(&certificate);
    eventually("it is in service", || shown(&proxy, &pki) == expected);
    proxy.reload().expect("all is well");
    assert_eq!(shown(&proxy, &pki), expected);
}

#[test]
fn authorities_for_clients_are_read_again_too() {
    let (pki, others) = (Pki::new(), Pki::new());
    pki.issue("shop", &["shop.example"]);
    pki.issue("alice", &[]);
    fs::copy(others.path("ca.pem"), pki.path("clients.pem")).expect("copied");
    let ca = pki.path("clients.pem").display().to_string();
    let tls = format!(
        "client_auth = {{ ca = \"{ca}\", mode = \"require\" }}\n{}",
        certificates(&pki, &["shop"])
    );
    let proxy = proxy(&tls, "");
    let alice = Arc::new(pki.client(Some("alice")));
    let served = || {
        let wire = TlsWire::connect(proxy.address(), &alice, "shop.example");
        wire.and_then(|mut wire| wire.try_get("shop.example", "/")).is_ok()
    };
    assert!(!served());
    fs::copy(pki.path("ca.pem"), pki.path("new.pem")).expect("copied");
    fs::rename(pki.path("new.pem"), pki.path("clients.pem")).expect("renamed");
    eventually("the new authority vouches for her", served);
}

#[test]
fn a_certificate_that_is_to_end_is_counted() {
    let pki = Pki::new();
    pki.issue_as("shop", &["shop.example"], &PKCS_ECDSA_P256_SHA256, |params| {
        params.not_before = rcgen::date_time_ymd(2020, 1, 1);
        params.not_after = rcgen::date_time_ymd(2021, 1, 1);
    });
    pki.issue("other", &["other.example"]);
    let proxy = proxy(&certificates(&pki, &["shop", "other"]), "");
    eventually("it is told", || {
        proxy.daemon().metrics().control.certificates_expiring.value() == 1
    });
}
