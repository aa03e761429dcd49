//! What a connection to a backend is made with: in the clear or through TLS, with whom, in which version of HTTP.
//! Made by `snapshot` with each configuration, used by [`super::dial`].

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Instant;

use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use sha2::{Digest, Sha256};

use super::Stream;
use super::client_tls;
use crate::config::{Protocol, Scheme, UpstreamTls};

/// ALPN's name of HTTP/2.
pub const H2: &[u8] = b"h2";

/// ALPN's name of HTTP/1.1.
pub const HTTP11: &[u8] = b"http/1.1";

/// A warning about one backend is given this often at most, in seconds.
const WARN_EVERY: u64 = 60;

/// Which version of HTTP is spoken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Speaks {
    /// HTTP/1.1.
    Http1,
    /// HTTP/2, or nothing.
    Http2,
    /// What TLS agrees on.
    Agreed,
}

/// What a connection to one backend is made with.
pub struct Transport {
    tls: Option<Secure>,
    speaks: Speaks,
    fingerprint: u64,
    /// The same for what HTTP/2 cannot carry, where that makes a difference.
    http1: Option<Arc<Transport>>,
    made: Instant,
    /// When somebody was last warned, in seconds since it was made, plus one; 0: never.
    warned: AtomicU64,
}

/// TLS with whom.
struct Secure {
    config: Arc<ClientConfig>,
    name: ServerName<'static>,
}

/// TLS settings that were made ready; connections made with equal ones resume each other's sessions.
#[derive(Clone)]
pub struct Settings {
    /// For connections that may speak HTTP/2.
    config: Arc<ClientConfig>,
    /// For those that may not, where there are others.
    http1: Option<Arc<ClientConfig>>,
    speaks: Speaks,
    fingerprint: [u8; 32],
}

impl fmt::Debug for Settings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Settings").field("speaks", &self.speaks).finish_non_exhaustive()
    }
}

impl Settings {
    /// A hash of `tls` and `protocol`, contents of files included: the same for those that are the same.
    pub fn fingerprint(tls: &UpstreamTls, protocol: Protocol) -> [u8; 32] {
        let mut hash = Sha256::new();
        let mut add = |part: &[u8]| {
            hash.update((part.len() as u64).to_be_bytes());
            hash.update(part);
        };
        add(&[protocol as u8, u8::from(tls.verify), u8::from(tls.ca.is_some())]);
        if let Some(ca) = &tls.ca {
            add(&ca.roots.fingerprint.0);
        }
        if let Some(client) = &tls.client {
            // The key belongs to the first.
            client.pair.chain().iter().for_each(|certificate| add(certificate));
        }
        hash.finalize().into()
    }

    /// Makes `tls` ready. `fingerprint` is [`Settings::fingerprint`] of the same.
    ///
    /// # Errors
    /// What the configuration's checks should have refused.
    pub fn new(
        tls: &UpstreamTls,
        protocol: Protocol,
        fingerprint: [u8; 32],
    ) -> Result<Self, rustls::Error> {
        let speaks = match protocol {
            Protocol::Auto => Speaks::Agreed,
            Protocol::Http1 => Speaks::Http1,
            Protocol::Http2 => Speaks::Http2,
        };
        let alpn: &[&[u8]] = match speaks {
            Speaks::Agreed => &[H2, HTTP11],
            Speaks::Http2 => &[H2],
            Speaks::Http1 => &[HTTP11],
        };
        let config = client_tls::config(tls, alpn)?;
        let http1 = (speaks == Speaks::Agreed).then(|| client_tls::config(tls, &[HTTP11]));
        let http1 = http1.transpose()?.map(Arc::new);
        Ok(Settings { config: Arc::new(config), http1, speaks, fingerprint })
    }
}

impl Transport {
    /// HTTP/1.1 in the clear.
    pub fn plain() -> Self {
        Transport::clear(Speaks::Http1)
    }

    /// In the clear, by `scheme` and `protocol`; `None` for `https`.
    pub fn in_the_clear(scheme: Scheme, protocol: Protocol) -> Option<Self> {
        match (scheme, protocol) {
            (Scheme::Https, _) => None,
            (Scheme::H2c, _) | (Scheme::Http, Protocol::Http2) => {
                Some(Transport::clear(Speaks::Http2))
            }
            (Scheme::Http, Protocol::Auto | Protocol::Http1) => Some(Transport::plain()),
        }
    }

    fn clear(speaks: Speaks) -> Self {
        let fingerprint = u64::from(speaks == Speaks::Http2);
        Transport::of(None, speaks, fingerprint, None)
    }

    /// Through TLS, with the server called `name`.
    pub fn secure(settings: &Settings, name: ServerName<'static>) -> Self {
        let mut hash = Sha256::new();
        hash.update(settings.fingerprint);
        hash.update(name.to_str().as_bytes());
        let hash: [u8; 32] = hash.finalize().into();
        // Never one of those in the clear.
        let fingerprint = |kind: u64| {
            let mut first = [0; 8];
            first.copy_from_slice(&hash[..8]);
            (u64::from_be_bytes(first) & !3) | 4 | kind
        };
        let secure = |config: &Arc<ClientConfig>| {
            Some(Secure { config: Arc::clone(config), name: name.clone() })
        };
        let http1 = settings.http1.as_ref().map(|config| {
            Arc::new(Transport::of(secure(config), Speaks::Http1, fingerprint(1), None))
        });
        Transport::of(secure(&settings.config), settings.speaks, fingerprint(0), http1)
    }

    fn of(
        tls: Option<Secure>,
        speaks: Speaks,
        fingerprint: u64,
        http1: Option<Arc<Transport>>,
    ) -> Self {
        let (made, warned) = (Instant::now(), AtomicU64::new(0));
        Transport { tls, speaks, fingerprint, http1, made, warned }
    }

    /// Which version of HTTP is spoken.
    pub fn speaks(&self) -> Speaks {
        self.speaks
    }

    /// Whether it is TLS.
    pub fn is_secure(&self) -> bool {
        self.tls.is_some()
    }

    /// What tells it from others to the same address: connections made with different ones are never mixed up. 0 is
    /// HTTP/1.1 in the clear.
    pub fn fingerprint(&self) -> u64 {
        self.fingerprint
    }

    /// That for what only HTTP/1.1 can carry; of one that knows no HTTP/1.1 itself.
    pub fn for_upgrades(self: &Arc<Self>) -> &Arc<Transport> {
        self.http1.as_ref().unwrap_or(self)
    }

    /// Whether `stream`, made with this, speaks HTTP/2.
    pub fn is_http2(&self, stream: &Stream) -> bool {
        match self.speaks {
            Speaks::Http1 => false,
            Speaks::Http2 => true,
            Speaks::Agreed => stream.tls().is_some_and(super::Tls::agreed_on_http2),
        }
    }

    /// What a session with the backend begins with, and the name it is known by.
    pub(super) fn session(&self) -> Option<Result<rustls::ClientConnection, rustls::Error>> {
        let secure = self.tls.as_ref()?;
        let config = Arc::clone(&secure.config);
        Some(rustls::ClientConnection::new(config, secure.name.clone()))
    }

    /// Whether somebody is to be warned at `now` of what went wrong with it: once a minute.
    pub fn may_warn(&self, now: Instant) -> bool {
        let now = now.saturating_duration_since(self.made).as_secs() + 1;
        let warned = self.warned.load(Relaxed);
        (warned == 0 || now >= warned + WARN_EVERY)
            && self.warned.compare_exchange(warned, now, Relaxed, Relaxed).is_ok()
    }
}

impl fmt::Debug for Transport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Transport")
            .field("secure", &self.is_secure())
            .field("speaks", &self.speaks)
            .field("fingerprint", &self.fingerprint)
            .finish_non_exhaustive()
    }
}

impl PartialEq for Transport {
    fn eq(&self, other: &Self) -> bool {
        self.fingerprint == other.fingerprint
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_warning_comes_once_a_minute() {
        let transport = Transport::plain();
        let at = |seconds| transport.made + Duration::from_secs(seconds);
        assert!(transport.may_warn(at(0)));
        assert!(!transport.may_warn(at(1)));
        assert!(!transport.may_warn(at(59)));
        assert!(transport.may_warn(at(60)));
        assert!(!transport.may_warn(at(61)));
    }

    #[test]
    fn what_is_made_with_other_settings_has_another_fingerprint() {
        let settings = |tls: &UpstreamTls, protocol| {
            let fingerprint = Settings::fingerprint(tls, protocol);
            Settings::new(tls, protocol, fingerprint).expect("settings")
        };
        let name = |name: &str| ServerName::try_from(name.to_owned()).expect("a name");
        let unverified = UpstreamTls { verify: false, ..UpstreamTls::default() };
        let first = settings(&unverified, Protocol::Auto);
        let secure = Transport::secure(&first, name("a.test"));
        let again = Transport::secure(&settings(&unverified, Protocol::Auto), name("a.test"));
        assert_eq!(secure.fingerprint(), again.fingerprint());
        let sibling = secure.http1.clone().expect("one for upgrades");
        let others = [
            Transport::secure(&first, name("b.test")).fingerprint(),
            Transport::secure(&settings(&unverified, Protocol::Http2), name("a.test"))
                .fingerprint(),
            Transport::secure(&settings(&UpstreamTls::default(), Protocol::Auto), name("a.test"))
                .fingerprint(),
            sibling.fingerprint(),
            Transport::plain().fingerprint(),
            Transport::clear(Speaks::Http2).fingerprint(),
        ];
        assert!(others.iter().all(|other| *other != secure.fingerprint()), "{others:?}");
    }
}
