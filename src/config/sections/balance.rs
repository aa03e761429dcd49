//! `upstream.balance`: a strategy's name, or a table with its options.

use super::super::item::{Item, quoted};
use super::super::reader::Section;
use super::super::report::{Code, Draft};
use super::super::schema::{Balance, KeySource};
use super::super::tree::Value;
use super::super::{foreign, shapes, unknown};

/// The strategies that `balance` can name. `balance` is a storey above: a test there holds its registry to this.
pub(crate) const BALANCES: &[&str] = &[
    "round_robin",
    "weighted",
    "random",
    "least_conn",
    "p2c",
    "peak_ewma",
    "ip_hash",
    "ring_hash",
    "maglev",
    "first",
];

/// Those of them that need no key: what can be a fallback.
const KEYLESS: &[&str] =
    &["round_robin", "weighted", "random", "least_conn", "p2c", "peak_ewma", "first"];

/// Key sources that stand by themselves.
const PLAIN_KEYS: &[(&str, KeySource)] = &[
    ("client_ip", KeySource::CLIENT_IP),
    ("path", KeySource::Path),
    ("uri", KeySource::Uri),
    ("host", KeySource::Host),
];

/// Key sources with a name behind a colon.
const NAMED_KEYS: &[&str] = &["header", "cookie", "query"];

/// What is accepted as a key.
const KEYS: &str = "accepted: \"client_ip\", \"path\", \"uri\", \"host\", \"header:NAME\", \
                    \"cookie:NAME\", \"query:NAME\"";

/// The longest name of a header, cookie or parameter, in bytes.
const NAME_BYTES_MAX: usize = 256;

/// The options that `strategy` takes besides its name.
pub(crate) fn options(strategy: &str) -> &'static [&'static str] {
    match strategy {
        "ip_hash" => &["ipv4_mask", "ipv6_mask", "fallback"],
        "ring_hash" => &["key", "vnodes", "bounded_load", "fallback"],
        "maglev" => &["key", "fallback"],
        _ => &[],
    }
}

/// `balance` of the upstream `section`, if it was written and is right.
pub(super) fn read(section: &Section<'_>) -> Option<Balance> {
    let item = section.item("balance")?;
    if !matches!(item.node.value, Value::Table(_)) {
        return strategy(item, BALANCES).map(Balance::of);
    }
    let section = section.child("balance", &shapes::UPSTREAM_BALANCE)?;
    let Some(item) = section.item("strategy") else {
        section.missing("strategy", "write { strategy = \"ring_hash\" }");
        return None;
    };
    let strategy = strategy(item, BALANCES)?;
    refuse_foreign_options(&section, strategy);
    Some(with_options(&section, strategy))
}

/// A strategy's name, one of `accepted`.
fn strategy(item: Item<'_>, accepted: &'static [&'static str]) -> Option<&'static str> {
    let name = item.text()?;
    if let Some(known) = accepted.iter().find(|known| **known == name) {
        return Some(known);
    }
    let all = format!("accepted: {}", quoted(accepted));
    let meant = foreign::strategy(name).filter(|meant| accepted.contains(meant));
    let help = match meant.or_else(|| unknown::closest(name, accepted.iter().copied())) {
        Some(meant) => format!("write {} = \"{meant}\"; {all}", item.key),
        None => all,
    };
    item.bad(format!("`{name}` is not a strategy"), help);
    None
}

/// Reports options that mean nothing to `strategy`.
fn refuse_foreign_options(section: &Section<'_>, strategy: &'static str) {
    let takes = options(strategy);
    for entry in &section.table.entries {
        let key = entry.key.as_str();
        if key == "strategy" || takes.contains(&key) || !section.shape.keys.contains(&key) {
            continue;
        }
        let help = match takes {
            [] => format!("write balance = \"{strategy}\""),
            _ => format!("it takes: {}", takes.join(", ")),
        };
        let message = format!("`{strategy}` does not take `{key}`");
        section.cx.report(Draft::error(Code::Misplaced, entry.key_place, message).help(help));
    }
}

fn with_options(section: &Section<'_>, strategy: &'static str) -> Balance {
    let defaults = Balance::of(strategy);
    let takes = |key: &str| options(strategy).contains(&key);
    let read = |key: &str, range| section.read(key, |item| item.integer::<u32>(range));
    let key = match strategy {
        "ip_hash" => Some(KeySource::ClientIp {
            ipv4_mask: read("ipv4_mask", 0..=32).map_or(32, |bits| bits as u8),
            ipv6_mask: read("ipv6_mask", 0..=128).map_or(64, |bits| bits as u8),
        }),
        _ if takes("key") => section.read("key", key).or(defaults.key),
        _ => None,
    };
    Balance {
        strategy,
        key,
        vnodes: read("vnodes", 1..=1000).filter(|_| takes("vnodes")).unwrap_or(defaults.vnodes),
        bounded_load: section.read("bounded_load", bounded_load).filter(|_| takes("bounded_load")),
        fallback: section.read("fallback", fallback).unwrap_or(defaults.fallback),
    }
}

/// A strategy that needs no key itself.
fn fallback(item: Item<'_>) -> Option<&'static str> {
    if let Some(name) = item.as_text().filter(|name| BALANCES.contains(name))
        && !KEYLESS.contains(&name)
    {
        let help = format!("accepted: {}", quoted(KEYLESS));
        item.bad(format!("`{name}` needs a key itself and cannot be the fallback"), help);
        return None;
    }
    strategy(item, KEYLESS)
}

/// A multiple of the mean load.
fn bounded_load(item: Item<'_>) -> Option<f64> {
    const ACCEPTED: &str =
        "accepted: 1.0 to 10.0; 1.25 lets a backend hold a quarter more than its share";
    let load = match &item.node.value {
        Value::Float(load) => *load,
        #[allow(clippy::cast_precision_loss, reason = "only 1 to 10 are accepted")]
        Value::Integer(Some(number)) => *number as f64,
        _ => {
            item.wrong_type("a number", ACCEPTED);
            return None;
        }
    };
    if !(1.0..=10.0).contains(&load) {
        item.bad("`bounded_load` is out of range", ACCEPTED);
        return None;
    }
    Some(load)
}

fn key(item: Item<'_>) -> Option<KeySource> {
    let text = item.text()?;
    if let Some((_, source)) = PLAIN_KEYS.iter().find(|(name, _)| *name == text) {
        return Some(source.clone());
    }
    let (kind, name) = text.split_once(':').unwrap_or((text, ""));
    if !NAMED_KEYS.contains(&kind) {
        let all = PLAIN_KEYS.iter().map(|(name, _)| *name).chain(NAMED_KEYS.iter().copied());
        let help = match unknown::closest(kind, all) {
            Some(meant) if NAMED_KEYS.contains(&meant) => {
                format!(
                    "did you mean \"{meant}:{}\"? {KEYS}",
                    if name.is_empty() { "NAME" } else { name }
                )
            }
            Some(meant) => format!("did you mean \"{meant}\"? {KEYS}"),
            None => KEYS.to_owned(),
        };
        item.bad(format!("`{text}` is not a source of keys"), help);
        return None;
    }
    if name.is_empty()
        || name.len() > NAME_BYTES_MAX
        || !name.bytes().all(|byte| is_name(kind, byte))
    {
        let help = format!("write \"{kind}:NAME\", with a name of 1 to {NAME_BYTES_MAX} bytes");
        item.bad(format!("`{text}` does not name a {kind}"), help);
        return None;
    }
    Some(match kind {
        "header" => KeySource::Header(name.to_ascii_lowercase()),
        "cookie" => KeySource::Cookie(name.to_owned()),
        _ => KeySource::Query(name.to_owned()),
    })
}

/// Headers and cookies have tokens for names; a parameter's stands as in the target.
fn is_name(kind: &str, byte: u8) -> bool {
    match kind {
        "query" => byte.is_ascii_graphic() && !b"&=#".contains(&byte),
        _ => byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte),
    }
}
