//! What `forebay status` knows of certificates.

use std::fs;
use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;

use serde_json::{Value, json};

use crate::support::{DEADLINE, PKCS_ECDSA_P256_SHA256, Pki, TlsWire, eventually};
use crate::{certificates, proxy};

/// The first listener, as the admin socket tells it.
fn listener(socket: &Path) -> Value {
    status(socket)["listeners"][0].clone()
}

/// All that the admin socket tells.
fn status(socket: &Path) -> Value {
    let mut stream = UnixStream::connect(socket).expect("the admin socket accepts");
    stream.set_read_timeout(Some(DEADLINE)).expect("a read timeout");
    write!(stream, "GET /v1/status HTTP/1.1\r\nhost: x\r\n\r\n").expect("it is taken");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("an answer");
    let (_, body) = answer.split_once("\r\n\r\n").expect("a head");
    serde_json::from_str(body).expect("JSON")
}

#[test]
fn what_backends_are_verified_with_and_shown_is_told_as_it_is_in_service() {
    let pki = Pki::new();
    pki.issue("shop", &["shop.example"]);
    pki.issue("me", &["me.example"]);
    let socket = pki.path("admin.sock");
    let admin = format!("[admin]\nsocket = {socket:?}\n");
    let ca = pki.path("ca.pem").display().to_string();
    let (cert, key) = (pki.path("me.crt"), pki.path("me.key"));
    let more = format!(
        "{admin}[[route]]\nname = \"app\"\nmatch = {{ path = \"/app\" }}\nupstream = \"app\"\n\
         [upstream.app]\nbackends = [\"https://127.0.0.1:9\"]\n\
         tls = {{ ca = {ca:?}, client = {{ cert = {cert:?}, key = {key:?} }} }}\n"
    );
    let _proxy = proxy(&certificates(&pki, &["shop"]), &more);
    let tls = || status(&socket)["upstreams"][0]["tls"].clone();
    let told = tls();
    assert_eq!((&told["verify"], &told["ca"]["file"]), (&json!(true), &json!(ca)));
    assert!(told["ca"]["days_left"].is_i64() && told["ca"]["problem"].is_null(), "{told}");
    assert_eq!(told["client"]["names"], json!(["me.example"]));
    // A renewal is told, and what is wrong with one.
    let before = told["client"]["fingerprint"].clone();
    pki.issue("me", &["me.example"]);
    eventually("it is renewed", || tls()["client"]["fingerprint"] != before);
    fs::write(pki.path("new"), "nothing").expect("written");
    fs::rename(pki.path("new"), pki.path("ca.pem")).expect("renamed");
    eventually("it is told", || tls()["ca"]["problem"].is_string());
}

#[test]
fn certificates_are_shown_with_their_end_and_why_they_were_not_renewed() {
    let pki = Pki::new();
    pki.issue("shop", &["shop.example", "*.shop.example"]);
    pki.issue_as("late", &["late.example"], &PKCS_ECDSA_P256_SHA256, |params| {
        params.not_before = rcgen::date_time_ymd(2020, 1, 1);
        params.not_after = rcgen::date_time_ymd(2021, 1, 1);
    });
    let socket = pki.path("admin.sock");
    let ca = pki.path("ca.pem").display().to_string();
    let tls = format!(
        "client_auth = {{ ca = \"{ca}\", mode = \"optional\" }}\n{}",
        certificates(&pki, &["shop", "late"])
    );
    let admin = format!("[admin]\nsocket = {socket:?}");
    let proxy = proxy(&tls, &admin);
    let told = listener(&socket);
    let [shop, late] = [0, 1].map(|n| told["tls"]["certificates"][n].clone());
    assert_eq!(shop["names"], json!(["shop.example", "*.shop.example"]));
    assert_eq!(shop["file"], pki.path("shop.crt").display().to_string());
    assert_eq!((&shop["expires_soon"], &shop["problem"]), (&json!(false), &Value::Null));
    assert!(shop["days_left"].as_i64().is_some_and(|days| days > 30), "{shop}");
    assert_eq!(late["expires"], "2021-01-01T00:00:00.000Z");
    assert!(late["days_left"].as_i64().is_some_and(|days| days < -1000), "{late}");
    assert_eq!(late["expires_soon"], true);
    assert_eq!(told["tls"]["client_ca"]["file"], ca);
    assert_eq!(told["tls"]["handshakes_failed"], 0);
    // A handshake that fails, and a file that is damaged.
    let client = Arc::new(pki.client(None));
    assert!(TlsWire::connect(proxy.address(), &client, "other.example").is_err());
    fs::write(pki.path("new"), "nothing").expect("written");
    fs::rename(pki.path("new"), pki.path("shop.crt")).expect("renamed");
    eventually("both are told", || {
        let told = listener(&socket);
        let problem = told["tls"]["certificates"][0]["problem"].as_str().unwrap_or_default();
        told["tls"]["handshakes_failed"] == 1 && problem.contains("holds no certificate")
    });
    // And for people.
    let mut command = Command::new(env!("CARGO_BIN_EXE_forebay"));
    let shown = command.arg("status").arg("--socket").arg(&socket).output().expect("it runs");
    let shown = String::from_utf8_lossy(&shown.stdout).into_owned();
    for part in [
        "certificate shop.example *.shop.example  good until ",
        "not renewed, an older one is in service: ",
        "certificate late.example  EXPIRED 2021-01-01",
        "authorities for clients  good until ",
        "1 TLS handshake failed",
    ] {
        assert!(shown.contains(part), "{part}: {shown}");
    }
    pki.issue("shop", &["shop.example"]);
    eventually("it is renewed", || {
        listener(&socket)["tls"]["certificates"][0]["problem"].is_null()
    });
}
