//! `[upstream.NAME]`.

use std::collections::HashMap;

use super::super::defaults::BALANCE;
use super::super::item::{Item, quoted, shown};
use super::super::reader::Section;
use super::super::report::{Code, Draft};
use super::super::schema::{Backend, BackendAddress, ExchangeTimeouts, Host, Pool, Upstream};
use super::super::tree::Value;
use super::super::{address, foreign, hosts, planned, shapes, unknown};
use super::timeouts;

/// The strategies that `balance` can name. `balance` is a storey above: a test there holds its registry to this.
pub(crate) const BALANCES: &[&str] = &["round_robin"];

/// The most backends of one upstream.
const BACKENDS_MAX: usize = 10_000;

/// One `[upstream.NAME]`.
pub(super) fn read(
    section: &Section<'_>,
    name: &str,
    default_timeouts: ExchangeTimeouts,
) -> Upstream {
    let timeouts = section
        .child("timeouts", &shapes::UPSTREAM_TIMEOUTS)
        .map(|section| timeouts::read_exchange(&section, &format!("upstream.{name}.timeouts")))
        .unwrap_or_default();
    Upstream {
        balance: section.read("balance", balance).unwrap_or_else(|| BALANCE.to_owned()),
        backends: backends(section),
        pool: pool(section),
        host: section.read("host", host).unwrap_or(Host::Preserve),
        default_timeouts,
        timeouts,
    }
}

fn balance(item: Item<'_>) -> Option<String> {
    if matches!(item.node.value, Value::Table(_)) {
        item.not_built("a strategy with options", "write balance = \"round_robin\"");
        return None;
    }
    let name = item.text()?;
    if BALANCES.contains(&name) {
        return Some(name.to_owned());
    }
    let accepted = format!("accepted now: {}", quoted(BALANCES));
    if planned::STRATEGIES.contains(&name) {
        item.not_built(&format!("balance = \"{name}\""), accepted);
        return None;
    }
    let all = BALANCES.iter().chain(planned::STRATEGIES).copied();
    let help = match foreign::strategy(name).or_else(|| unknown::closest(name, all)) {
        Some(ours) if BALANCES.contains(&ours) => format!("write balance = \"{ours}\""),
        Some(ours) => format!("here it is \"{ours}\", which is not built yet; {accepted}"),
        None => accepted,
    };
    item.bad(format!("`{name}` is not a strategy"), help);
    None
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
    let mut seen: HashMap<BackendAddress, _> = HashMap::new();
    let mut backends = Vec::with_capacity(items.len());
    for item in items {
        let Some(address) = backend(section, item) else { continue };
        if let Some(first) = seen.get(&address) {
            let message = format!("a backend of {} is written twice", section.title);
            let draft = Draft::error(Code::Duplicate, item.place(), message);
            let draft = draft.help("keep one; for a larger share, a later version has `weight`");
            section.cx.report(draft.related(*first, "first written here"));
            continue;
        }
        seen.insert(address.clone(), item.place());
        backends.push(Backend { address });
    }
    backends
}

/// A string, or a table with `address`.
fn backend(section: &Section<'_>, item: Item<'_>) -> Option<BackendAddress> {
    if !matches!(item.node.value, Value::Table(_)) {
        return address::backend(item);
    }
    let section = section.open(item.node, &shapes::UPSTREAM_BACKEND, "a backend".to_owned())?;
    let Some(address) = section.item("address") else {
        section.missing("address", "write { address = \"10.0.0.11:8080\" }");
        return None;
    };
    address::backend(address)
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
