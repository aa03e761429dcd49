//! One listener's side of TLS, in service: what sessions are begun with. A refresh, when a file has changed, replaces
//! it as one; sessions that have begun keep what they began with.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use rustls::server::{
    ClientHello, NoServerSessionStorage, ResolvesServerCert, ServerConnection, WebPkiClientVerifier,
};
use rustls::sign::CertifiedKey;
use rustls::version::{TLS12, TLS13};
use rustls::{Error, ServerConfig, SupportedProtocolVersion};

use super::failures::Failures;
use super::tickets::Scope;
use super::{Choice, Tickets, provider};
use crate::certificate::{Fingerprint, Pair};
use crate::config::{ClientAuth, ClientAuthMode, ListenerHttp, ListenerTls, TlsVersion};

/// What a listener shows to those who speak TLS to it.
pub struct Server {
    live: ArcSwap<Live>,
    /// Where the keys of its tickets come from.
    tickets: Arc<Tickets>,
    http: ListenerHttp,
    checks_host: bool,
    failures: Failures,
}

struct Live {
    written: ListenerTls,
    config: Arc<ServerConfig>,
    choice: Arc<Choice>,
}

impl Server {
    /// One that does as written; the keys of its tickets are those in `tickets`, if there are.
    ///
    /// # Errors
    /// What checking the configuration should have refused, and a system without randomness.
    pub fn new(
        written: &ListenerTls,
        http: ListenerHttp,
        tickets: &Arc<Tickets>,
    ) -> Result<Self, Error> {
        Ok(Server {
            live: ArcSwap::from_pointee(Live::new(written, http, tickets)?),
            tickets: Arc::clone(tickets),
            http,
            checks_host: written.sni_host_check,
            failures: Failures::default(),
        })
    }

    /// Whether one made from this would do the same.
    pub fn is(&self, written: &ListenerTls, http: ListenerHttp) -> bool {
        self.http == http && self.live.load().written == *written
    }

    /// Begins sessions as written from now on. Only the contents of files may differ from what it was made from.
    ///
    /// # Errors
    /// As [`Server::new`]; it stays as it was.
    pub fn refresh(&self, written: &ListenerTls) -> Result<(), Error> {
        self.live.store(Arc::new(Live::new(written, self.http, &self.tickets)?));
        Ok(())
    }

    /// What is in service, contents of files included.
    pub fn in_service(&self) -> ListenerTls {
        self.live.load().written.clone()
    }

    /// Counts a handshake that failed. If the operator is to be told of it, which is once a minute: how many there
    /// were since the last time. `since` is the time since any fixed moment.
    pub fn count_failure(&self, since: Duration) -> Option<u64> {
        self.failures.add(since)
    }

    /// How many handshakes have failed, of all workers; those who left are not among them.
    pub fn n_failures(&self) -> u64 {
        self.failures.n()
    }

    /// Begins a session.
    ///
    /// # Errors
    /// None that is known.
    pub fn session(&self) -> Result<ServerConnection, Error> {
        ServerConnection::new(Arc::clone(&self.live.load().config))
    }

    /// Whether no session may be without a client's certificate.
    pub fn requires_client(&self) -> bool {
        self.client_auth().is_some_and(|(mode, _)| mode == ClientAuthMode::Require)
    }

    /// Who vouches for clients now, and whether somebody has to.
    pub(super) fn client_auth(&self) -> Option<(ClientAuthMode, Fingerprint)> {
        let live = self.live.load();
        live.written.client_auth.as_ref().map(|auth| (auth.mode, auth.roots.fingerprint))
    }

    /// Whether a client that was shown the certificate for `sni` may ask for `host`.
    pub(super) fn allows(&self, sni: &str, host: &[u8]) -> bool {
        !self.checks_host || host == sni.as_bytes() || self.live.load().choice.serves(sni, host)
    }
}

impl Live {
    fn new(written: &ListenerTls, http: ListenerHttp, tickets: &Tickets) -> Result<Self, Error> {
        let pairs: Vec<Arc<Pair>> =
            written.certificates.iter().map(|certificate| Arc::clone(&certificate.pair)).collect();
        let choice = Arc::new(Choice::new(&pairs, written.unknown_sni));
        let builder = ServerConfig::builder_with_provider(Arc::clone(provider()))
            .with_protocol_versions(versions(written.min_version))?;
        let builder = match &written.client_auth {
            None => builder.with_no_client_auth(),
            Some(auth) => builder.with_client_cert_verifier(verifier(auth)?),
        };
        let mut config = builder.with_cert_resolver(Arc::new(Resolver(Arc::clone(&choice))));
        // Tickets only, which every worker can read: nothing is stored here for clients.
        config.session_storage = Arc::new(NoServerSessionStorage {});
        config.ticketer = tickets.of(&Scope::of(written))?;
        config.alpn_protocols = alpn(http);
        Ok(Live { written: written.clone(), config: Arc::new(config), choice })
    }
}

fn versions(min: TlsVersion) -> &'static [&'static SupportedProtocolVersion] {
    const BOTH: &[&SupportedProtocolVersion] = &[&TLS13, &TLS12];
    const NEWER: &[&SupportedProtocolVersion] = &[&TLS13];
    match min {
        TlsVersion::V12 => BOTH,
        TlsVersion::V13 => NEWER,
    }
}

fn verifier(
    auth: &ClientAuth,
) -> Result<Arc<dyn rustls::server::danger::ClientCertVerifier>, Error> {
    let roots = Arc::clone(&auth.roots.store);
    let builder = WebPkiClientVerifier::builder_with_provider(roots, Arc::clone(provider()));
    let builder = match auth.mode {
        ClientAuthMode::Require => builder,
        ClientAuthMode::Optional => builder.allow_unauthenticated(),
    };
    builder.build().map_err(|error| Error::General(error.to_string()))
}

/// What is offered, the preferred first.
fn alpn(http: ListenerHttp) -> Vec<Vec<u8>> {
    let offers: [(bool, &[u8]); 2] = [(http.h2, b"h2"), (http.h1, b"http/1.1")];
    offers.iter().filter(|(speaks, _)| *speaks).map(|(_, name)| name.to_vec()).collect()
}

impl fmt::Debug for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Server").field("live", &self.live.load()).finish_non_exhaustive()
    }
}

impl fmt::Debug for Live {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Live").field("written", &self.written).finish_non_exhaustive()
    }
}

/// The choice as rustls asks for it.
#[derive(Debug)]
struct Resolver(Arc<Choice>);

impl ResolvesServerCert for Resolver {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        let pair = self.0.choose(hello.server_name(), hello.signature_schemes())?;
        Some(Arc::clone(&pair.certified))
    }
}
