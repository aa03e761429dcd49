//! `upstream.queue`: requests that wait for a place at a backend.

use std::time::Duration;

use super::super::item::Item;
use super::super::reader::Section;
use super::super::report::{Code, Draft};
use super::super::schema::{Backend, Queue};
use super::super::shapes;

/// What holds where the table does not say otherwise.
const DEFAULT: Queue = Queue { max: 500, timeout: Some(Duration::from_secs(5)) };

/// `queue` of the upstream `section`, which has these backends; `"off"` is none.
pub(super) fn read(section: &Section<'_>, backends: &[Backend]) -> Option<Queue> {
    let item = section.item("queue")?;
    if item.as_text() == Some("off") {
        return None;
    }
    let table = section.child("queue", &shapes::UPSTREAM_QUEUE)?;
    let max = table.read("max", |item| item.integer(1..=i64::from(Queue::MAX)));
    let timeout = table.read("timeout", Item::duration_or_off);
    never_waits(section, item, backends);
    Some(Queue { max: max.unwrap_or(DEFAULT.max), timeout: timeout.unwrap_or(DEFAULT.timeout) })
}

/// Warns where no backend is ever full.
fn never_waits(section: &Section<'_>, item: Item<'_>, backends: &[Backend]) {
    if backends.is_empty() || backends.iter().any(|backend| backend.max_connections.is_some()) {
        return;
    }
    let message = format!("nothing ever waits: no backend of {} is ever full", section.title);
    let help = "give its backends a bound: { address = \"10.0.0.11:8080\", max_connections = 200 }";
    section.cx.report(Draft::warning(Code::Suspicious, item.place(), message).help(help));
}
