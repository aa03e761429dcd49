//! `health`, at any level: what is asked, and how often.

use std::time::Duration;

use super::super::super::fields::check_method;
use super::super::super::hosts;
use super::super::super::item::{Item, shown};
use super::super::super::reader::Section;
use super::super::super::report::{Code, Draft};
use super::super::super::schema::Health;
use super::super::super::shapes::{self, Shape};
use super::{Part, Switch, expect};

/// What `kind` can name. `probe` is a storey above: a test there holds its registry to this.
pub(crate) const PROBES: &[&str] = &["http", "tcp", "tls", "grpc"];

/// The longest name of a service.
const SERVICE_BYTES_MAX: usize = 256;

const PATH_BYTES_MAX: usize = 2048;
const INTERVAL_MIN: Duration = Duration::from_millis(10);
const INTERVAL_MAX: Duration = Duration::from_secs(86_400);
const TIMEOUT_MIN: Duration = Duration::from_millis(1);
const TIMEOUT_MAX: Duration = Duration::from_secs(3600);
const COUNT_MAX: i64 = 100;

/// The keys that the probe `kind` takes besides those of every one.
pub(crate) fn options(kind: &str) -> &'static [&'static str] {
    match kind {
        "http" => &["path", "method", "expect", "host"],
        "grpc" => &["service", "host"],
        _ => &[],
    }
}

/// What `[defaults.health]` gives to those that switch it on; `None`: what is built in.
pub(super) fn defaults(section: &Section<'_>, switch: Switch<'_>) -> Option<Health> {
    match switch {
        Switch::Table(part) => {
            Some(read(&part, Health::default(), &shapes::DEFAULTS_HEALTH_EXPECT))
        }
        Switch::On => {
            if let Some(item) = section.item("health") {
                let help =
                    "write health = true in each [upstream.NAME] whose backends are to be asked";
                item.bad("`[defaults]` switches `health` on for nobody", help);
            }
            None
        }
        Switch::Inherited | Switch::Off => None,
    }
}

/// What an upstream makes of it.
pub(super) fn of_upstream(switch: Switch<'_>, defaults: Option<&Health>) -> Option<Health> {
    let inherited = || defaults.cloned().unwrap_or_default();
    match switch {
        Switch::Inherited | Switch::Off => None,
        Switch::On => Some(inherited()),
        Switch::Table(part) => Some(read(&part, inherited(), &shapes::UPSTREAM_HEALTH_EXPECT)),
    }
}

/// What the table `part` writes, over `health`.
fn read(part: &Part<'_>, mut health: Health, expect: &'static Shape) -> Health {
    part.set("kind", &mut health.kind, kind);
    part.set("path", &mut health.path, path);
    part.set("method", &mut health.method, method);
    expect::read(part, expect, &mut health.expect);
    part.set("service", &mut health.service, |item| service(item).map(Some));
    part.set("host", &mut health.host, |item| host(item).map(Some));
    part.set("port", &mut health.port, |item| item.integer(1..=65535).map(Some));
    part.set("interval", &mut health.interval, |item| {
        item.duration_in(INTERVAL_MIN..=INTERVAL_MAX)
    });
    part.set("timeout", &mut health.timeout, |item| item.duration_in(TIMEOUT_MIN..=TIMEOUT_MAX));
    part.set("rise", &mut health.rise, |item| item.integer(1..=COUNT_MAX));
    part.set("fall", &mut health.fall, |item| item.integer(1..=COUNT_MAX));
    refuse_foreign_options(part, health.kind);
    refuse_body_of_head(part, &health);
    without_foreign_options(health)
}

/// Reports what was written and means nothing to `kind`.
fn refuse_foreign_options(part: &Part<'_>, kind: &str) {
    let takes = options(kind);
    for entry in &part.section.table.entries {
        let key = entry.key.as_str();
        if takes.contains(&key) || !PROBES.iter().any(|other| options(other).contains(&key)) {
            continue;
        }
        let does = match kind {
            "tcp" => "only connects",
            "tls" => "only shakes hands",
            "grpc" => "asks about a service",
            _ => "asks for a path",
        };
        let article = if kind == "http" { "an" } else { "a" };
        let message = format!("{article} {kind} check {does}: `{key}` has nothing to do");
        let other = PROBES.iter().find(|other| options(other).contains(&key));
        let other = other.copied().unwrap_or_default();
        let help = format!("remove `{key}`, or write kind = \"{other}\"");
        let draft = Draft::error(Code::Misplaced, entry.key_place, message);
        part.section.cx.report(draft.help(help));
    }
}

/// No body answers HEAD.
fn refuse_body_of_head(part: &Part<'_>, health: &Health) {
    let body = health.expect.body_contains.is_some() && health.method == "HEAD";
    let method = part.section.item("method").or(part.section.item("expect"));
    if let Some(item) = method.filter(|_| body) {
        let help = "write method = \"GET\", or remove `body_contains`";
        item.bad("nothing answers HEAD with the body that `body_contains` looks for", help);
    }
}

/// What was inherited and means nothing to its kind is as if nobody had written it.
fn without_foreign_options(health: Health) -> Health {
    match health.kind {
        "http" => Health { service: None, ..health },
        kind => Health {
            kind,
            service: health.service.filter(|_| kind == "grpc"),
            host: health.host.filter(|_| kind == "grpc"),
            port: health.port,
            interval: health.interval,
            timeout: health.timeout,
            rise: health.rise,
            fall: health.fall,
            ..Health::default()
        },
    }
}

fn kind(item: Item<'_>) -> Option<&'static str> {
    let words: Vec<_> = PROBES.iter().map(|name| (*name, *name)).collect();
    item.word(&words)
}

/// A service of gRPC with its package.
fn service(item: Item<'_>) -> Option<String> {
    let text = item.text()?;
    let is_good = |byte: u8| byte.is_ascii_graphic() && byte != b'/';
    if text.is_empty() || text.len() > SERVICE_BYTES_MAX || !text.bytes().all(is_good) {
        let help = "accepted: a service with its package, as in \"shop.v1.Cart\"";
        item.bad(format!("{} is no service of gRPC", shown(text)), help);
        return None;
    }
    Some(text.to_owned())
}

/// A path with or without a query, as it is sent.
fn path(item: Item<'_>) -> Option<String> {
    let text = item.text()?;
    let bad = |c: char| !c.is_ascii_graphic() || c == '#';
    if !text.starts_with('/') {
        let path = match text.split_once("://").map(|(_, rest)| rest.split_once('/')) {
            Some(rest) => rest.map_or("", |(_, path)| path),
            None => text,
        };
        item.bad(
            format!("the path {} does not start with `/`", shown(text)),
            format!("write path = \"/{path}\""),
        );
        return None;
    }
    if text.len() > PATH_BYTES_MAX || text.contains(bad) {
        let help =
            format!("accepted: 1 to {PATH_BYTES_MAX} ASCII characters without spaces and `#`");
        item.bad(format!("{} cannot be asked for", shown(text)), help);
        return None;
    }
    Some(text.to_owned())
}

fn method(item: Item<'_>) -> Option<String> {
    let text = item.text()?;
    match check_method(text) {
        Ok(()) if text == "CONNECT" => {
            item.bad("CONNECT asks for no path", "accepted: \"GET\", \"HEAD\", \"OPTIONS\" …");
            None
        }
        Ok(()) => Some(text.to_owned()),
        Err((message, help)) => {
            item.bad(message, help);
            None
        }
    }
}

fn host(item: Item<'_>) -> Option<String> {
    let text = item.text()?;
    match hosts::check_authority(text) {
        Ok(()) => Some(text.to_owned()),
        Err(why) => {
            item.bad(format!("{} {why}", shown(text)), "accepted: a host, with or without a port");
            None
        }
    }
}
