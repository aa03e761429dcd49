//! `budget`, at any level.

use super::super::super::schema::Budget;
use super::Part;

/// The most further tries that are always allowed, for each second.
const MIN_PER_SECOND_MAX: i64 = 10_000;

/// What the table `part` writes, over `budget`.
pub(super) fn read(part: &Part<'_>, mut budget: Budget) -> Budget {
    const ACCEPTED: &str =
        "accepted: 0.0 to 10.0; 0.2 is one further try for five requests, over all of an upstream";
    part.set("ratio", &mut budget.ratio, |item| {
        item.number(ACCEPTED, |ratio| (0.0..=10.0).contains(&ratio))
    });
    part.set("min_per_second", &mut budget.min_per_second, |item| {
        item.integer(0..=MIN_PER_SECOND_MAX)
    });
    budget
}
