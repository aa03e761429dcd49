//! TLS on both sides, and which protocols are spoken.

use std::path::PathBuf;
use std::sync::Arc;

use crate::certificate::{Pair, Roots};

/// Where a certificate and its key stand.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct CertificateFiles {
    /// PEM: the certificate, then those that vouch for it.
    pub cert: PathBuf,
    /// PEM: its private key.
    pub key: PathBuf,
}

/// A certificate with its key, and where they stand.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Certificate {
    /// The files.
    pub files: CertificateFiles,
    /// What is in them.
    pub pair: Arc<Pair>,
}

/// A version of TLS.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum TlsVersion {
    /// TLS 1.2.
    #[default]
    V12,
    /// TLS 1.3.
    V13,
}

/// `listener.tls`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListenerTls {
    /// The lowest version that is spoken. Default 1.2.
    pub min_version: TlsVersion,
    /// The certificates, at least one; the first also serves who names no host.
    pub certificates: Vec<Certificate>,
    /// `unknown_sni`.
    pub unknown_sni: UnknownSni,
    /// `client_auth`; `None`: clients are not asked for a certificate.
    pub client_auth: Option<ClientAuth>,
    /// 421 where SNI was sent, and Host is neither it nor a name of the certificate served. Default true.
    pub sni_host_check: bool,
}

/// `listener.tls.unknown_sni`: what becomes of a client that names a host no certificate is for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum UnknownSni {
    /// The handshake fails.
    #[default]
    Reject,
    /// The first certificate is served.
    First,
}

/// `listener.tls.client_auth`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClientAuth {
    /// PEM: who may vouch for a client.
    pub ca: PathBuf,
    /// What is in it.
    pub roots: Arc<Roots>,
    /// What becomes of a client without a certificate.
    pub mode: ClientAuthMode,
}

/// `listener.tls.client_auth.mode`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ClientAuthMode {
    /// It is served, too.
    Optional,
    /// The handshake fails.
    Require,
}

/// `listener.http`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ListenerHttp {
    /// HTTP/1.1 and 1.0. Default true.
    pub h1: bool,
    /// HTTP/2 where TLS agrees on it. Default true.
    pub h2: bool,
    /// HTTP/2 in the clear, by prior knowledge. Default false.
    pub h2c: bool,
    /// Streams that a client may have open at once on one connection, 1..=[`ListenerHttp::STREAMS_MAX`]. Default 100.
    pub h2_max_streams: u32,
}

impl ListenerHttp {
    /// The most that `h2_max_streams` may be: each costs memory before it costs the client anything.
    pub const STREAMS_MAX: u32 = 10_000;
}

impl Default for ListenerHttp {
    fn default() -> Self {
        ListenerHttp { h1: true, h2: true, h2c: false, h2_max_streams: 100 }
    }
}

/// How a backend is spoken to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Scheme {
    /// In the clear.
    #[default]
    Http,
    /// Through TLS.
    Https,
    /// HTTP/2 in the clear.
    H2c,
}

impl Scheme {
    /// Its name in a URL.
    pub fn name(self) -> &'static str {
        match self {
            Scheme::Http => "http",
            Scheme::Https => "https",
            Scheme::H2c => "h2c",
        }
    }
}

/// `upstream.protocol`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Protocol {
    /// What TLS agrees on; HTTP/1.1 in the clear, HTTP/2 for `h2c://`.
    #[default]
    Auto,
    /// HTTP/1.1.
    Http1,
    /// HTTP/2, in the clear by prior knowledge.
    Http2,
}

impl Protocol {
    /// Whether a backend with this scheme is spoken to in HTTP/2 or not at all: an upgrade, to WebSocket for one, cannot
    /// be asked of it.
    pub fn is_http2_alone(self, scheme: Scheme) -> bool {
        self == Protocol::Http2 || scheme == Scheme::H2c
    }
}

/// `upstream.tls`: of the backends that are spoken to through it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UpstreamTls {
    /// Their certificates have to be good. Default true.
    pub verify: bool,
    /// Who may vouch for them; `None`: whom the system trusts.
    pub ca: Option<Authorities>,
    /// The name that is asked for and verified, or an IP address; `None`: the backend's host, never the client's Host.
    pub sni: Option<String>,
    /// Our own certificate.
    pub client: Option<Certificate>,
}

impl Default for UpstreamTls {
    fn default() -> Self {
        UpstreamTls { verify: true, ca: None, sni: None, client: None }
    }
}

/// Who may vouch for backends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Authorities {
    /// PEM: their certificates.
    pub file: PathBuf,
    /// What is in it.
    pub roots: Arc<Roots>,
}
