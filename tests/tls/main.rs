//! TLS towards clients end to end: the whole daemon at four workers, clients by rustls, openssl and curl.
#![allow(unreachable_pub, reason = "a test crate exports nothing")]

#[path = "../support/mod.rs"]
mod support;

mod clear;
mod cuts;
mod handshakes;
mod moved;
mod mutual;
mod names;
mod resumption;
mod shipped;
mod status;
mod told;
mod watching;

use support::{Pki, Proxy};

/// A daemon with four workers whose only listener has this `[listener.tls]`. Everything is answered with what is known
/// of the connection.
fn proxy(tls: &str, more: &str) -> Proxy {
    Proxy::from_file(&text(tls, more))
}

/// The configuration of [`proxy`].
fn text(tls: &str, more: &str) -> String {
    format!(
        "[global]\nworkers = 4\nshutdown_grace = \"2s\"\n\
         [[listener]]\nname = \"main\"\nbind = \"127.0.0.1:0\"\n[listener.tls]\n{tls}\n{more}\n\
         [[route]]\nname = \"all\"\n[route.respond]\nbody = \"hello\"\n\
         headers = {{ x-scheme = \"{{scheme}}\", x-subject = \"{{client_cert_subject}}\", \
         x-fingerprint = \"{{client_cert_fingerprint}}\" }}\n"
    )
}

/// `certificates = […]` of what was issued under these names.
fn certificates(pki: &Pki, names: &[&str]) -> String {
    let list: Vec<String> = names.iter().map(|name| pki.toml(name)).collect();
    format!("certificates = [{}]", list.join(", "))
}
