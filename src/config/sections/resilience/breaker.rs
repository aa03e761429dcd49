//! `breaker`, at any level.

use std::time::Duration;

use super::super::super::item::Item;
use super::super::super::schema::Breaker;
use super::super::super::units::show_duration;
use super::Part;

const OPEN_MIN: Duration = Duration::from_millis(100);
const OPEN_MAX: Duration = Duration::from_secs(3600);
const MAX_OPEN_MAX: Duration = Duration::from_secs(86_400);
const PROBES_MAX: i64 = 100;

/// What the table `part` writes, over `breaker`.
pub(super) fn read(part: &Part<'_>, mut breaker: Breaker) -> Breaker {
    part.set("open", &mut breaker.open, |item| item.duration_in(OPEN_MIN..=OPEN_MAX));
    part.set("max_open", &mut breaker.max_open, |item| item.duration_in(OPEN_MIN..=MAX_OPEN_MAX));
    part.set("probes", &mut breaker.probes, |item| item.integer(1..=PROBES_MAX));
    part.set("max_ejected", &mut breaker.max_ejected, Item::share);
    part.set("fail_open", &mut breaker.fail_open, Item::boolean);
    opens_within_bounds(part, breaker)
}

/// `open` is where it begins and `max_open` where it ends.
fn opens_within_bounds(part: &Part<'_>, breaker: Breaker) -> Breaker {
    let written = part.section.item("open").or(part.section.item("max_open"));
    let Some(item) = written.filter(|_| breaker.open > breaker.max_open) else { return breaker };
    let (open, max_open) = (show_duration(breaker.open), show_duration(breaker.max_open));
    let message = format!("`open` ({open}) is longer than `max_open` ({max_open})");
    let help = format!("write max_open = \"{open}\" or more; it is \"5m\" unless written");
    item.bad(message, help);
    Breaker { max_open: breaker.open, ..breaker }
}
