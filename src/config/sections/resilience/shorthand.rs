//! What people write where a table has to stand, and what they meant by it.

use super::super::super::item::Item;
use super::super::super::tree::Value;
use super::super::super::units::parse_duration;
use super::PROBES;

/// Reports `item`, which is no table but has to be one, if it is clear what was meant.
pub(super) fn explain(item: Item<'_>) -> bool {
    let Some(meant) = meant(item.key, &item.node.value) else { return false };
    let expected = match item.key {
        "health" => "a table, true or false",
        "passive" | "breaker" => "a table or false",
        _ => "a table",
    };
    item.wrong_type(expected, meant);
    true
}

fn meant(key: &str, value: &Value) -> Option<String> {
    let table = |inner: String| Some(format!("write {key} = {{ {inner} }}"));
    let text = match value {
        Value::String { text, .. } => Some(text.as_str()),
        Value::Boolean(false) => Some("off"),
        Value::Boolean(true) => Some("on"),
        _ => None,
    };
    match (key, text, value) {
        ("retry", Some("off"), _) => table("attempts = 0".into()),
        ("retry", Some("on"), _) => Some("remove it: requests are sent again unless attempts = 0".into()),
        ("retry", _, Value::Integer(Some(number))) => table(format!("attempts = {number}")),
        ("budget", Some("off"), _) => Some(
            "there is always a budget; retry = { attempts = 0 } sends nothing again, budget = { ratio = 10.0 } allows \
             nearly everything"
                .into(),
        ),
        ("budget", _, Value::Float(number)) => table(format!("ratio = {number:?}")),
        ("budget", _, Value::Integer(Some(number))) => table(format!("min_per_second = {number}")),
        ("health", Some(path), _) if path.starts_with('/') => table(format!("path = \"{path}\"")),
        ("health", Some(kind), _) if PROBES.contains(&kind) => table(format!("kind = \"{kind}\"")),
        ("health", Some(text), _) if is_duration(text) => table(format!("interval = \"{text}\"")),
        ("passive", _, Value::Integer(Some(number))) => table(format!("failures = {number}")),
        ("breaker", Some(text), _) if is_duration(text) => table(format!("open = \"{text}\"")),
        ("backoff", Some("off"), _) => table("base = \"0ms\"".into()),
        ("backoff", Some(text), _) if is_duration(text) => {
            table(format!("base = \"25ms\", max = \"{text}\""))
        }
        ("expect", _, Value::Integer(Some(number))) => table(format!("status = {number}")),
        ("expect", Some(text), _) => match text.starts_with(|c: char| c.is_ascii_digit()) {
            true => table(format!("status = \"{text}\"")),
            false => table(format!("body_contains = \"{text}\"")),
        },
        ("expect", _, Value::Array(_)) => table("status = [ … ]".into()),
        _ => None,
    }
}

fn is_duration(text: &str) -> bool {
    parse_duration(text).is_ok()
}
