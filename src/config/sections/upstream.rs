//! `[upstream.NAME]`.

use std::collections::HashMap;
use std::time::Duration;

use super::super::defaults::BALANCE;
use super::super::item::{Item, shown};
use super::super::reader::Section;
use super::super::report::{Code, Draft};
use super::super::schema::{Backend, BackendAddress, Balance, Host, Pool, Scheme, Upstream};
use super::super::tree::Value;
use super::super::{address, hosts, shapes, unknown};
use super::{Defaults, balance, queue, resilience, sticky, timeouts, upstream_tls};

/// The most backends of one upstream.
const BACKENDS_MAX: usize = 10_000;
/// The longest `slow_start`.
const SLOW_START_MAX: Duration = Duration::from_secs(86_400);

/// One `[upstream.NAME]`.
pub(super) fn read(section: &Section<'_>, name: &str, defaults: &Defaults) -> Upstream {
    let timeouts = section
        .child("timeouts", &shapes::UPSTREAM_TIMEOUTS)
        .map(|section| timeouts::read_exchange(&section, &format!("upstream.{name}.timeouts")))
        .unwrap_or_default();
    let backends = backends(section);
    for key in ["protocol", "tls", "sticky", "queue", "max_pending"] {
        if let Some(item) = section.item(key) {
            section.cx.mark(format!("upstream.{name}.{key}"), item.place());
        }
    }
    let resilience = resilience::upstream(section, name, &defaults.resilience);
    upstream_tls::check_health(section, resilience.health.as_ref(), &backends);
    Upstream {
        protocol: upstream_tls::protocol(section, &backends),
        tls: upstream_tls::read(section, name, &backends),
        balance: balance::read(section).unwrap_or_else(|| Balance::of(BALANCE)),
        sticky: sticky::read(section),
        queue: queue::read(section, &backends),
        backends,
        pool: pool(section),
        host: section.read("host", host).unwrap_or(Host::Preserve),
        default_timeouts: defaults.exchange,
        timeouts,
        retry: resilience.retry,
        budget: resilience.budget,
        health: resilience.health,
        passive: resilience.passive,
        breaker: resilience.breaker,
        max_pending: section
            .read("max_pending", |item| item.integer_or("off", 1..=i64::from(u32::MAX - 1)))
            .flatten(),
    }
}

fn backends(section: &Section<'_>) -> Vec<Backend> {
    let Some(item) = section.item("backends") else {
        if section.table.find("discover").is_none() {
            section.missing("backends", "write backends = [\"10.0.0.11:8080\"]");
        }
        return Vec::new();
    };
    let Some(items) = item.items() else { return Vec::new() };
    let items: Vec<_> = items.collect();
    if items.is_empty() || items.len() > BACKENDS_MAX {
        let help = format!("accepted: 1 to {BACKENDS_MAX}, as in [\"10.0.0.11:8080\"]");
        item.bad(format!("`backends` has {} entries", items.len()), help);
    }
    let n_written = items.len();
    let mut seen: HashMap<BackendAddress, _> = HashMap::new();
    let mut backends = Vec::with_capacity(items.len());
    for item in items {
        let Some(backend) = backend(section, item) else { continue };
        if let Some(first) = seen.get(&backend.address) {
            let message = format!("a backend of {} is written twice", section.title);
            let draft = Draft::error(Code::Duplicate, item.place(), message);
            let draft = draft.help("keep one; for a larger share write weight = 2");
            section.cx.report(draft.related(*first, "first written here"));
            continue;
        }
        seen.insert(backend.address.clone(), item.place());
        backends.push(backend);
    }
    if backends.len() == n_written {
        somebody_serves(section, item, &backends);
    }
    backends
}

/// There must be a primary, and one that is not drained.
fn somebody_serves(section: &Section<'_>, item: Item<'_>, backends: &[Backend]) {
    let title = &section.title;
    if backends.is_empty() {
        return;
    }
    if backends.iter().all(|backend| backend.backup) {
        let help = "remove backup = true from those that are to be used first";
        item.bad(format!("every backend of {title} is a backup"), help);
    } else if backends.iter().filter(|backend| !backend.backup).all(|backend| backend.weight == 0) {
        let what = match backends.iter().any(|backend| backend.backup) {
            true => "every backend but the backups",
            false => "every backend",
        };
        let help = "0 takes a backend out of service: give at least one a weight of 1 to 1000";
        item.bad(format!("{what} of {title} has weight 0"), help);
    }
}

/// A string, or a table with `address`.
fn backend(section: &Section<'_>, item: Item<'_>) -> Option<Backend> {
    if !matches!(item.node.value, Value::Table(_)) {
        return address::backend(item).map(at);
    }
    let section = section.open(item.node, &shapes::UPSTREAM_BACKEND, "a backend".to_owned())?;
    let Some(address) = section.item("address") else {
        section.missing("address", "write { address = \"10.0.0.11:8080\" }");
        return None;
    };
    let weight = section.read("weight", |item| item.integer(0..=i64::from(Backend::WEIGHT_MAX)));
    let backup = section.read("backup", Item::boolean);
    let max_connections =
        section.read("max_connections", |item| item.integer_or("off", 1..=i64::from(u32::MAX - 1)));
    let slow_start = section.read("slow_start", slow_start).flatten();
    if let Some(item) = section.item("slow_start").filter(|_| slow_start.is_some())
        && weight == Some(0)
    {
        let message = "a backend of weight 0 gets no new requests: nothing starts slowly";
        let draft = Draft::warning(Code::Suspicious, item.place(), message);
        section.cx.report(draft.help("remove `slow_start`, or give it a weight of 1 to 1000"));
    }
    let backend = at(address::backend(address)?);
    Some(Backend {
        weight: weight.unwrap_or(backend.weight),
        backup: backup.unwrap_or(backend.backup),
        max_connections: max_connections.flatten(),
        slow_start,
        ..backend
    })
}

fn at((scheme, address): (Scheme, BackendAddress)) -> Backend {
    Backend { scheme, ..Backend::at(address) }
}

/// `"off"` or how long.
fn slow_start(item: Item<'_>) -> Option<Option<Duration>> {
    match item.as_text() {
        Some("off") => Some(None),
        _ => item.duration_in(Duration::from_millis(1)..=SLOW_START_MAX).map(Some),
    }
}

fn pool(section: &Section<'_>) -> Pool {
    let mut pool = Pool::default();
    let Some(section) = section.child("pool", &shapes::UPSTREAM_POOL) else { return pool };
    let max_idle = section.read("max_idle", |item| match item.as_text() {
        Some("off") => Some(0),
        _ => item.integer(0..=1_000_000),
    });
    if let Some(max_idle) = max_idle {
        pool.max_idle = max_idle;
    }
    if let Some(idle) = section.read("idle", Item::duration_or_off) {
        pool.idle = idle;
    }
    if let Some(max_age) = section.read("max_age", Item::duration_or_off) {
        pool.max_age = max_age;
    }
    let requests =
        section.read("max_requests", |item| item.integer_or("off", 1..=i64::from(u32::MAX)));
    if let Some(max_requests) = requests {
        pool.max_requests = max_requests;
    }
    pool
}

/// `"preserve"`, `"backend"` or what to send.
fn host(item: Item<'_>) -> Option<Host> {
    let text = item.text()?;
    match text {
        "preserve" => return Some(Host::Preserve),
        "backend" => return Some(Host::Backend),
        _ => {}
    }
    if let Err(why) = hosts::check_authority(text) {
        let accepted = "accepted: \"preserve\", \"backend\" or a host, with or without a port";
        item.bad(format!("{} {why}", shown(text)), accepted);
        return None;
    }
    if let Some(meant) = unknown::closest(text, ["preserve", "backend"].into_iter()) {
        let message = format!("backends are told the literal host `{text}`");
        let draft = Draft::warning(Code::Suspicious, item.place(), message);
        item.cx.report(draft.help(format!("did you mean \"{meant}\"?")));
    }
    Some(Host::Literal(text.to_owned()))
}
