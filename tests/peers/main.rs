//! Real peers: clients and servers of gRPC and WebSocket that others wrote, on both sides of the whole daemon at four
//! workers.
#![allow(unreachable_pub, reason = "a test crate exports nothing")]

#[path = "../support/mod.rs"]
mod support;

mod calls;
mod grpc;
mod python;
mod websocket;

use std::net::SocketAddr;
use std::path::Path;

use python::Server;
use support::{Pki, Proxy, Setup};

/// How both peers speak: in the clear, or through TLS with certificates for `localhost`.
pub struct Carried(Option<(Pki, String)>);

impl Carried {
    /// Nothing is hidden.
    pub fn in_the_clear() -> Carried {
        Carried(None)
    }

    /// By an authority of its own.
    pub fn through_tls() -> Carried {
        let pki = Pki::new();
        pki.issue("peer", &["localhost", "127.0.0.1"]);
        let ca = pki.path("ca.pem").display().to_string();
        Carried(Some((pki, ca)))
    }

    /// The file of those whom clients believe.
    pub fn ca(&self) -> Option<&str> {
        self.0.as_ref().map(|(_, ca)| ca.as_str())
    }

    /// A server by `program`.
    #[track_caller]
    pub fn server(&self, python: &Path, program: &str) -> Server {
        let Some((pki, _)) = &self.0 else { return Server::start(python, program, &["0"]) };
        let file = |name| pki.path(name).display().to_string();
        Server::start(python, program, &["0", &file("peer.crt"), &file("peer.key")])
    }

    /// The daemon, with more lines of timeouts and of the upstream.
    #[track_caller]
    pub fn proxy(&self, timeouts: &str, upstream: &str, backends: &[SocketAddr]) -> Proxy {
        let setup = Setup { workers: 4, timeouts, upstream, ..Setup::default() };
        let Some((pki, ca)) = &self.0 else {
            return Proxy::with(Setup { listener: "http = { h2c = true }", ..setup }, backends);
        };
        let listener = format!("tls = {{ certificates = [{}] }}", pki.toml("peer"));
        let upstream = format!("{upstream}\ntls = {{ ca = \"{ca}\", sni = \"localhost\" }}");
        let setup = Setup { listener: &listener, upstream: &upstream, ..setup };
        let text = setup.text(backends);
        // Backends are addresses in `Setup`; these are behind TLS.
        Proxy::from_text(&backends.iter().fold(text, |text, backend| {
            text.replace(&format!("\"{backend}\""), &format!("\"https://{backend}\""))
        }))
    }
}
