//! `upstream.balance`: which strategy chooses among an upstream's backends, and with what options.

use std::fmt;

/// `upstream.balance`, complete: an option that the strategy does not take has its default here.
#[derive(Clone, Debug, PartialEq)]
pub struct Balance {
    /// One of [`crate::config::BALANCES`].
    pub strategy: &'static str,
    /// What strategies that hash look at; `None` for the others.
    pub key: Option<KeySource>,
    /// `ring_hash`: points on the ring for each unit of weight, 1..=1000. Default 160.
    pub vnodes: u32,
    /// `ring_hash`: the most a backend may hold, as a multiple of its fair share of what is in flight,
    /// 1.0..=10.0; `None`: no bound.
    pub bounded_load: Option<f64>,
    /// The strategy for requests without a key; one that needs no key itself. Default `round_robin`.
    pub fallback: &'static str,
}

/// What is hashed to find a backend. An absent or empty value is no key.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum KeySource {
    /// `client_ip`: the client by the trust rules, as a network of so many bits.
    ClientIp {
        /// Bits of an IPv4 address, 0..=32. Default 32.
        ipv4_mask: u8,
        /// Bits of an IPv6 address, 0..=128. Default 64.
        ipv6_mask: u8,
    },
    /// `path`: of the request sent to backends, without the query.
    Path,
    /// `uri`: path and query.
    Uri,
    /// `host`: lower case, without port.
    Host,
    /// `header:NAME`: the first value; the name in lower case.
    Header(String),
    /// `cookie:NAME`: the first value.
    Cookie(String),
    /// `query:NAME`: the first value, as received.
    Query(String),
}

impl KeySource {
    /// The client's address with the default masks: an IPv4 address whole, the /64 of an IPv6 one.
    pub const CLIENT_IP: KeySource = KeySource::ClientIp { ipv4_mask: 32, ipv6_mask: 64 };
}

impl Balance {
    /// `strategy` with the defaults of every option.
    pub fn of(strategy: &'static str) -> Self {
        let takes_key = crate::config::balance_options(strategy).contains(&"fallback");
        Balance {
            strategy,
            key: takes_key.then_some(KeySource::CLIENT_IP),
            vnodes: 160,
            bounded_load: None,
            fallback: "round_robin",
        }
    }
}

impl fmt::Display for Balance {
    /// The strategy's name, followed by what is not its default.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.strategy)?;
        let defaults = Balance::of(self.strategy);
        if let Some(key) = self.key.as_ref().filter(|_| self.key != defaults.key) {
            write!(f, " by {key}")?;
        }
        if self.vnodes != defaults.vnodes {
            write!(f, ", vnodes {}", self.vnodes)?;
        }
        if let Some(bounded_load) = self.bounded_load {
            write!(f, ", bounded_load {bounded_load}")?;
        }
        if self.fallback != defaults.fallback {
            write!(f, ", fallback {}", self.fallback)?;
        }
        Ok(())
    }
}

impl fmt::Display for KeySource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            KeySource::ClientIp { ipv4_mask, ipv6_mask } => {
                write!(f, "client_ip/{ipv4_mask} and /{ipv6_mask}")
            }
            KeySource::Path => f.write_str("path"),
            KeySource::Uri => f.write_str("uri"),
            KeySource::Host => f.write_str("host"),
            KeySource::Header(name) => write!(f, "header:{name}"),
            KeySource::Cookie(name) => write!(f, "cookie:{name}"),
            KeySource::Query(name) => write!(f, "query:{name}"),
        }
    }
}
