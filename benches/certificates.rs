//! A listener with 1 000 certificates: reading them, and finding the one for a name.
#![allow(missing_docs, reason = "criterion's macros make undocumented items")]

use std::hint::black_box;
use std::sync::Arc;

use criterion::{Criterion, criterion_group, criterion_main};
use forebay::certificate::Pair;
use forebay::config::{self, Source, UnknownSni};
use forebay::tls::Choice;
use rcgen::{CertificateParams, KeyPair, PKCS_ECDSA_P256_SHA256, PKCS_RSA_SHA256};
use rustls::SignatureScheme;

const N_CERTIFICATES: usize = 1000;

/// The host that certificate `n` is for, beside all hosts below it.
fn host(n: usize) -> String {
    format!("host-{n}.example.test")
}

fn issue(n: usize, key: &KeyPair) -> (String, String) {
    let params = CertificateParams::new([host(n), format!("*.{}", host(n))]).expect("names");
    (params.self_signed(key).expect("a certificate").pem(), key.serialize_pem())
}

/// The whole configuration: files, PEM, X.509, keys, checks.
fn load(c: &mut Criterion) {
    for (name, algorithm) in [("ECDSA", &PKCS_ECDSA_P256_SHA256), ("RSA", &PKCS_RSA_SHA256)] {
        let folder = tempfile::tempdir().expect("a folder");
        // One RSA key for all: making them takes longer than anything here.
        let key = KeyPair::generate_for(algorithm).expect("a key");
        let mut entries = Vec::with_capacity(N_CERTIFICATES);
        for n in 0..N_CERTIFICATES {
            let own = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).expect("a key");
            let (certificate, key) = issue(n, if name == "RSA" { &key } else { &own });
            let path = |end: &str| folder.path().join(format!("{n}.{end}"));
            std::fs::write(path("crt"), certificate).expect("written");
            std::fs::write(path("key"), key).expect("written");
            let (cert, key) =
                (path("crt").display().to_string(), path("key").display().to_string());
            entries.push(format!("{{ cert = \"{cert}\", key = \"{key}\" }}"));
        }
        let text = format!(
            "[[listener]]\nbind = \"127.0.0.1:0\"\n[listener.tls]\ncertificates = [{}]\n\
             [[route]]\nrespond = {{ body = \"ok\" }}\n",
            entries.join(", ")
        );
        let source = Source::Text { name: "bench.toml".into(), text };
        c.bench_function(&format!("certificates/load 1 000/{name}"), |b| {
            b.iter(|| config::load(black_box(&source)).expect("a configuration"));
        });
    }
}

fn choose(c: &mut Criterion) {
    let pairs: Vec<Arc<Pair>> = (0..N_CERTIFICATES)
        .map(|n| {
            let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).expect("a key");
            let (certificate, key) = issue(n, &key);
            Arc::new(Pair::from_pem(certificate.as_bytes(), key.as_bytes()).expect("a pair"))
        })
        .collect();
    let choice = Choice::new(&pairs, UnknownSni::Reject);
    // What a browser offers.
    let schemes = [
        SignatureScheme::ECDSA_NISTP256_SHA256,
        SignatureScheme::RSA_PSS_SHA256,
        SignatureScheme::RSA_PKCS1_SHA256,
        SignatureScheme::ECDSA_NISTP384_SHA384,
    ];
    let mut group = c.benchmark_group("certificates/choose among 1 000");
    for (name, prefix) in [("exact", ""), ("wildcard", "www.")] {
        let hosts: Vec<String> =
            (0..N_CERTIFICATES).map(|n| format!("{prefix}{}", host(n))).collect();
        let mut next = hosts.iter().cycle();
        group.bench_function(name, |b| {
            b.iter(|| {
                let host = next.next().expect("it goes round");
                choice.choose(black_box(Some(host)), black_box(&schemes)).expect("one")
            });
        });
    }
    group.bench_function("nobody's", |b| {
        b.iter(|| choice.choose(black_box(Some("nobody.example.org")), black_box(&schemes)));
    });
    group.finish();
}

criterion_group! {
    name = benches;
    config = Criterion::default().sample_size(10);
    targets = load, choose
}
criterion_main!(benches);
