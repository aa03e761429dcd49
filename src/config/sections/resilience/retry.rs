//! `retry`, at any level.

use std::time::Duration;

use super::super::super::fields::{self, Seen, check_method};
use super::super::super::item::Item;
use super::super::super::schema::RetryOverrides;
use super::super::super::shapes::Shape;
use super::Part;
use super::events::{self, Words};

/// The most further tries.
const ATTEMPTS_MAX: i64 = 10;
/// The largest `body_buffer`: each request may hold one.
const BODY_BUFFER_MAX: u64 = 16 << 20;
/// The longest pause before a further try.
const BACKOFF_MAX: Duration = Duration::from_secs(60);
/// The most methods that can be named.
const METHODS_MAX: usize = 32;

/// What the table `part` writes; `backoff` is the shape of the table in it.
pub(super) fn read(part: &Part<'_>, backoff: &'static Shape) -> RetryOverrides {
    let backoff = part.part("backoff", backoff);
    let pause = |key| {
        let item = |item: Item<'_>| item.duration_in(Duration::ZERO..=BACKOFF_MAX);
        backoff.as_ref().and_then(|backoff| backoff.read(key, item))
    };
    RetryOverrides {
        attempts: part.read("attempts", |item| item.integer(0..=ATTEMPTS_MAX)),
        on: part.read("on", |item| events::read(item, Words::Retry)),
        methods: part.read("methods", methods),
        per_try: part.read("per_try", Item::duration_or_off),
        backoff_base: pause("base"),
        backoff_max: pause("max"),
        body_buffer: part
            .read("body_buffer", |item| item.size_or_off(0..=BODY_BUFFER_MAX))
            .map(Option::unwrap_or_default),
        idempotency_header: part.read("idempotency_header", idempotency_header),
    }
}

fn methods(item: Item<'_>) -> Option<Vec<String>> {
    let items = item.list(METHODS_MAX, "; to send nothing again write attempts = 0")?;
    let mut seen = Seen::default();
    let mut methods = Vec::with_capacity(items.len());
    for item in items {
        let Some(method) = item.text() else { continue };
        if let Err((message, help)) = check_method(method) {
            item.bad(message, help);
        } else if seen.is_new(item.cx, "method", method, item.place()) {
            methods.push(method.to_owned());
        }
    }
    Some(methods)
}

/// `"off"` or the name of a header.
fn idempotency_header(item: Item<'_>) -> Option<Option<String>> {
    match item.as_text() {
        Some("off") => Some(None),
        _ => fields::header(item).map(Some),
    }
}
