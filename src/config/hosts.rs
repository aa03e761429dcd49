//! Host names: patterns that routes match, and the names that backends are told.

use std::net::Ipv6Addr;

use super::item::{Item, shown};
use super::schema::HostPattern;

/// One entry of `hosts`: a name, or `*.` and a name; lower case and without a trailing dot afterwards.
pub(crate) fn pattern(item: Item<'_>) -> Option<HostPattern> {
    let text = item.text()?;
    let lower = text.to_ascii_lowercase();
    let name = lower.strip_suffix('.').unwrap_or(&lower);
    let refuse = |why: &str, help: String| {
        item.bad(format!("{} {why}", shown(text)), help);
        None
    };
    if name == "*" {
        return refuse("matches every host", "leave `hosts` out to match every host".into());
    }
    if let Some((_, rest)) = name.split_once("://") {
        let host = rest.split(['/', ':']).next().unwrap_or_default();
        return refuse("is a URL, not a host", format!("write \"{host}\""));
    }
    if let Some((host, path)) = name.split_once('/') {
        return refuse(
            "has a path",
            format!(
                "write \"{host}\" here and match = {{ path_prefix = \"/{path}\" }} on the route"
            ),
        );
    }
    if let Some(inner) = name.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
        return match inner.parse::<Ipv6Addr>() {
            Ok(ip) => Some(HostPattern::Exact(format!("[{ip}]"))),
            Err(_) => refuse("is not an IPv6 address", "write \"[2001:db8::1]\"".into()),
        };
    }
    if let Ok(ip) = name.parse::<Ipv6Addr>() {
        return refuse("needs brackets", format!("write \"[{ip}]\""));
    }
    if let Some((host, port)) = name.rsplit_once(':') {
        return match port.parse::<u16>() {
            Ok(_) => refuse(
                "has a port",
                format!(
                    "write \"{host}\": hosts match on every port; ports belong to a [[listener]]"
                ),
            ),
            Err(_) => refuse("is not a host name", "write \"shop.example\"".into()),
        };
    }
    let (wildcard, base) = match name.strip_prefix("*.") {
        Some(base) => (true, base),
        None => (false, name),
    };
    if base.contains('*') {
        return refuse(
            "has a wildcard that is not the whole first label",
            "accepted: \"*.shop.example\", which matches one or more labels in front".into(),
        );
    }
    if let Err(why) = check_name(base) {
        return refuse(why, "accepted: \"shop.example\", \"*.shop.example\"".into());
    }
    Some(match wildcard {
        true => HostPattern::Wildcard(base.to_owned()),
        false => HostPattern::Exact(base.to_owned()),
    })
}

/// Whether `text` can be a Host: a name or an address, IPv6 in brackets, with or without a port; the error follows
/// it in a sentence.
pub(crate) fn check_authority(text: &str) -> Result<(), &'static str> {
    let name = match text.rsplit_once(':') {
        Some((name, port)) if port.parse::<u16>().is_ok_and(|port| port != 0) => name,
        _ => text,
    };
    let inner = name.strip_prefix('[').and_then(|name| name.strip_suffix(']'));
    match inner.is_some_and(|name| name.parse::<Ipv6Addr>().is_ok()) {
        true => Ok(()),
        false => check_name(name),
    }
}

/// Whether `name` can be a host name or an IPv4 address; the error follows the name in a sentence.
pub(crate) fn check_name(name: &str) -> Result<(), &'static str> {
    let name = name.strip_suffix('.').unwrap_or(name);
    if name.is_empty() {
        return Err("is an empty host name");
    }
    if !name.is_ascii() {
        return Err("is not ASCII: write the name in its `xn--` form");
    }
    if name.len() > 253 {
        return Err("is longer than a host name can be (253 letters)");
    }
    for label in name.split('.') {
        let good = |b: u8| b.is_ascii_alphanumeric() || b == b'-' || b == b'_';
        if label.is_empty() {
            return Err("has an empty label");
        }
        if label.len() > 63 {
            return Err("has a label of more than 63 letters");
        }
        if !label.bytes().all(good) || label.starts_with('-') || label.ends_with('-') {
            return Err("is not a host name");
        }
    }
    let last = name.rsplit('.').next().unwrap_or_default();
    if last.bytes().all(|b| b.is_ascii_digit()) && name.parse::<std::net::Ipv4Addr>().is_err() {
        return Err("is not an IPv4 address");
    }
    Ok(())
}
