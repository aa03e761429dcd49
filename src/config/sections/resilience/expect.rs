//! `health.expect`: what a probe has to be answered.

use std::ops::RangeInclusive;

use super::super::super::item::{Item, shown};
use super::super::super::schema::{HealthExpect, Statuses};
use super::super::super::shapes::Shape;
use super::super::super::tree::Value;
use super::Part;

/// The longest `body_contains`, in bytes.
const BODY_CONTAINS_BYTES_MAX: usize = 1024;

const ACCEPTED: &str =
    "accepted: \"200-399\", \"200\", \"200,204\", 200, or an array of them, from 100 to 599";

/// What the table `expect` of `part` writes, over `expect`.
pub(super) fn read(part: &Part<'_>, shape: &'static Shape, expect: &mut HealthExpect) {
    let Some(part) = part.part("expect", shape) else { return };
    part.set("status", &mut expect.status, statuses);
    part.set("body_contains", &mut expect.body_contains, |item| body_contains(item).map(Some));
}

fn body_contains(item: Item<'_>) -> Option<String> {
    let text = item.text()?;
    if text.is_empty() || text.len() > BODY_CONTAINS_BYTES_MAX {
        let help = format!("accepted: 1 to {BODY_CONTAINS_BYTES_MAX} bytes");
        item.bad(format!("`{}` has {} bytes", item.key, text.len()), help);
        return None;
    }
    Some(text.to_owned())
}

/// One status or range, several with commas, or an array of them.
fn statuses(item: Item<'_>) -> Option<Statuses> {
    let mut statuses = Statuses::default();
    let mut good = true;
    let items = item.one_or_more();
    if items.is_empty() {
        item.bad(format!("`{}` has 0 entries", item.key), ACCEPTED);
        return None;
    }
    for item in items {
        let ranges = match &item.node.value {
            Value::Integer(Some(number)) => parse(&number.to_string()),
            _ => match item.as_text() {
                Some(text) => parse(text),
                None => {
                    item.wrong_type("a string, a number or an array", ACCEPTED);
                    good = false;
                    continue;
                }
            },
        };
        match ranges {
            Ok(ranges) => ranges.into_iter().flatten().for_each(|status| statuses.insert(status)),
            Err(why) => {
                item.bad(why, ACCEPTED);
                good = false;
            }
        }
    }
    good.then_some(statuses)
}

/// `200-399`, `200`, or several with commas.
fn parse(text: &str) -> Result<Vec<RangeInclusive<u16>>, String> {
    text.split(',').map(|part| range(part.trim(), 100..=599)).collect()
}

/// `200-399` or `200`, all of it in `bounds`; or what is wrong with it.
pub(super) fn range(
    text: &str,
    bounds: RangeInclusive<u16>,
) -> Result<RangeInclusive<u16>, String> {
    let status = |text: &str| match text.trim().parse::<u16>() {
        Ok(status) if bounds.contains(&status) => Ok(status),
        Ok(status) => Err(format!("{status} is out of range")),
        Err(_) => Err(format!("{} is not a status", shown(text.trim()))),
    };
    let (from, to) = text.split_once('-').unwrap_or((text, text));
    let (from, to) = (status(from)?, status(to)?);
    match from <= to {
        true => Ok(from..=to),
        false => Err(format!("`{text}` runs backwards")),
    }
}
