//! Which certificate a client gets, and which hosts it may ask for.

use std::process::Command;
use std::sync::Arc;

use crate::support::{PKCS_ECDSA_P256_SHA256, PKCS_ED25519, PKCS_RSA_SHA256, Pki, TlsWire};
use crate::{certificates, proxy};

/// The first certificate of a file, in DER.
fn der(pki: &Pki, name: &str) -> Vec<u8> {
    use rustls::pki_types::{CertificateDer, pem::PemObject};
    let path = pki.path(&format!("{name}.crt"));
    CertificateDer::from_pem_file(path).expect("a certificate").to_vec()
}

#[test]
fn a_client_gets_the_certificate_of_the_host_it_asks_for() {
    let pki = Pki::new();
    pki.issue("first", &["first.example", "127.0.0.1"]);
    pki.issue("exact", &["a.shop.example"]);
    pki.issue("wild", &["*.shop.example"]);
    let proxy = proxy(&certificates(&pki, &["first", "wild", "exact"]), "");
    let client = Arc::new(pki.client(None));
    for (name, shown) in [
        ("first.example", "first"),
        ("a.shop.example", "exact"),
        ("b.shop.example", "wild"),
        ("B.SHOP.example", "wild"),
        // An address is no SNI.
        ("127.0.0.1", "first"),
    ] {
        let wire = TlsWire::connect(proxy.address(), &client, name).expect("a session");
        assert_eq!(wire.shown(), der(&pki, shown), "{name}");
    }
    for name in ["other.example", "shop.example", "a.b.shop.example"] {
        for versions in [&[&rustls::version::TLS12], &[&rustls::version::TLS13]] {
            let client = Arc::new(pki.client_of(None, versions));
            let refused = TlsWire::connect(proxy.address(), &client, name).expect_err("no session");
            assert!(refused.to_string().contains("UnrecognisedName"), "{name}: {refused}");
        }
    }
}

#[test]
fn who_asks_for_an_unknown_host_can_be_shown_the_first_certificate() {
    let pki = Pki::new();
    pki.issue("first", &["first.example", "other.example"]);
    pki.issue("second", &["second.example"]);
    let tls = format!("unknown_sni = \"first\"\n{}", certificates(&pki, &["first", "second"]));
    let proxy = proxy(&tls, "");
    let out = s_client(&proxy.address().to_string(), &["-servername", "unknown.example"]);
    assert!(out.contains("CN = first") || out.contains("CN=first"), "{out}");
}

#[test]
fn the_kind_of_key_is_what_the_client_understands() {
    let pki = Pki::new();
    let hosts = &["shop.example"];
    pki.issue_as("rsa", hosts, &PKCS_RSA_SHA256, |_| {});
    pki.issue_as("ed", hosts, &PKCS_ED25519, |_| {});
    pki.issue_as("ec", hosts, &PKCS_ECDSA_P256_SHA256, |_| {});
    let proxy = proxy(&certificates(&pki, &["rsa", "ed", "ec"]), "");
    let address = proxy.address().to_string();
    for (version, schemes, shown) in [
        ("-tls1_3", "ecdsa_secp256r1_sha256:rsa_pss_rsae_sha256", "ec"),
        ("-tls1_3", "rsa_pss_rsae_sha256:ed25519", "ed"),
        ("-tls1_3", "rsa_pss_rsae_sha256", "rsa"),
        ("-tls1_2", "ECDSA+SHA256:RSA+SHA256", "ec"),
        ("-tls1_2", "ed25519:RSA+SHA256", "ed"),
        ("-tls1_2", "RSA+SHA256", "rsa"),
    ] {
        let out =
            s_client(&address, &["-servername", "shop.example", version, "-sigalgs", schemes]);
        let said = [format!("CN = {shown}"), format!("CN={shown}")];
        assert!(said.iter().any(|said| out.contains(said)), "{version} {schemes}: {out}");
    }
}

#[test]
fn a_host_that_the_certificate_is_not_for_is_misdirected() {
    let pki = Pki::new();
    pki.issue("shop", &["shop.example", "*.shop.example"]);
    pki.issue("other", &["other.example"]);
    let proxy = proxy(&certificates(&pki, &["shop", "other"]), "");
    let client = Arc::new(pki.client(None));
    let mut wire = TlsWire::connect(proxy.address(), &client, "shop.example").expect("a session");
    for (host, status) in [
        ("shop.example", 200),
        ("Shop.Example:8443", 200),
        ("a.shop.example", 200),
        ("other.example", 421),
        ("a.b.shop.example", 421),
        ("127.0.0.1", 421),
        // The connection is still good for what it is for.
        ("shop.example", 200),
    ] {
        let answer = wire.get(host, "/");
        assert_eq!(answer.status(), status, "{host}");
        if status == 421 {
            assert!(answer.text().contains("misdirected"), "{answer:?}");
        }
    }
    // Who asked for no host may ask for any.
    let config = Arc::new({
        let mut config = pki.client(None);
        config.enable_sni = false;
        config
    });
    let mut wire = TlsWire::connect(proxy.address(), &config, "shop.example").expect("a session");
    assert_eq!(wire.get("other.example", "/").status(), 200);
}

#[test]
fn the_check_of_hosts_can_be_switched_off() {
    let pki = Pki::new();
    pki.issue("shop", &["shop.example"]);
    let tls = format!("sni_host_check = false\n{}", certificates(&pki, &["shop"]));
    let proxy = proxy(&tls, "");
    let client = Arc::new(pki.client(None));
    let mut wire = TlsWire::connect(proxy.address(), &client, "shop.example").expect("a session");
    assert_eq!(wire.get("other.example", "/").status(), 200);
}

/// What `openssl s_client` says of a session with `address`.
pub fn s_client(address: &str, arguments: &[&str]) -> String {
    let mut command = Command::new("openssl");
    command.args(["s_client", "-connect", address]).args(arguments);
    command.stdin(std::process::Stdio::null());
    let output = command.output().expect("openssl is installed");
    let (out, err) =
        (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    format!("{out}{err}")
}
