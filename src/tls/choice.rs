//! Which certificate a client gets: by the name it asks for and the signatures it understands.

use std::sync::Arc;

use rustls::SignatureScheme;

use crate::certificate::Pair;
use crate::config::UnknownSni;
use crate::hash::Map;

/// The certificates of one listener by name, immutable.
#[derive(Debug, Default)]
pub struct Choice {
    exact: Map<Box<str>, Pairs>,
    /// By what follows the asterisk's label: `shop.example` for `*.shop.example`.
    wildcards: Map<Box<str>, Pairs>,
    /// For those who name no host, the first certificate before others of its name.
    first: Pairs,
    unknown: UnknownSni,
}

/// For one name, the preferred kind of key first.
type Pairs = Vec<Arc<Pair>>;

impl Choice {
    /// Of these certificates; of two for the same name with the same kind of key the first counts.
    pub fn new(pairs: &[Arc<Pair>], unknown: UnknownSni) -> Self {
        let mut choice = Choice { unknown, ..Choice::default() };
        for pair in pairs {
            for name in pair.names.iter() {
                let (names, name) = match name.strip_prefix("*.") {
                    Some(base) => (&mut choice.wildcards, base),
                    None => (&mut choice.exact, name),
                };
                let known = names.entry(name.into()).or_default();
                if known.iter().all(|known| known.kind != pair.kind) {
                    known.push(Arc::clone(pair));
                    known.sort_by_key(|pair| pair.kind);
                }
            }
        }
        if let Some(first) = pairs.first() {
            choice.first.push(Arc::clone(first));
            let named = first.names.iter().next();
            let others = named.and_then(|name| choice.named(name)).unwrap_or_default();
            let others = others.iter().filter(|other| other.kind != first.kind).cloned();
            let others: Vec<_> = others.collect();
            choice.first.extend(others);
        }
        choice
    }

    /// The certificate for a client that asks for `name` (lower case; `None`: for none) and understands `schemes`.
    /// Where it understands none of them the first is named, so that the handshake fails for that reason.
    pub fn choose(&self, name: Option<&str>, schemes: &[SignatureScheme]) -> Option<&Arc<Pair>> {
        let pairs = self.pairs(name)?;
        // Mostly there is no choice, and asking costs an allocation.
        if let [only] = pairs {
            return Some(only);
        }
        let understood = |pair: &&Arc<Pair>| pair.certified.key.choose_scheme(schemes).is_some();
        pairs.iter().find(understood).or_else(|| pairs.first())
    }

    /// Whether a certificate for `name` is for `host`, too.
    pub fn serves(&self, name: &str, host: &[u8]) -> bool {
        let pairs = self.pairs(Some(name)).unwrap_or_default();
        pairs.iter().any(|pair| pair.names.cover(host))
    }

    fn pairs(&self, name: Option<&str>) -> Option<&[Arc<Pair>]> {
        let named = match name {
            Some(name) => self.named(name),
            None => return Some(&self.first),
        };
        match self.unknown {
            UnknownSni::Reject => named,
            UnknownSni::First => named.or(Some(&self.first)),
        }
    }

    /// The certificates for exactly this name, else for its wildcard.
    #[inline]
    fn named(&self, name: &str) -> Option<&[Arc<Pair>]> {
        if let Some(pairs) = self.exact.get(name) {
            return Some(pairs);
        }
        let (_, base) = name.split_once('.')?;
        self.wildcards.get(base).map(|pairs| &**pairs)
    }
}
