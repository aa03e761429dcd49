//! A condition that does not hold, in words: what was wanted and what came. Called by `explain`.

use crate::config::{Conditions, FieldCondition, ValuePattern};
use crate::message::Known;

use super::Subject;
use super::conditions::Which;
use super::values;

/// Bytes of a value that are shown.
pub(super) const SHOWN_BYTES_MAX: usize = 80;

/// Values that are shown.
pub(super) const SHOWN_VALUES_MAX: usize = 4;

/// One line, such as `header x-version: wanted "v2", came "v1"`.
pub(super) fn unmet(which: Which, wanted: &Conditions, subject: &Subject<'_>) -> String {
    let (wanted, came) = match which {
        Which::Methods => {
            (methods(wanted), String::from_utf8_lossy(subject.method).escape_debug().to_string())
        }
        Which::ClientIp => {
            let came = subject.client.map_or("no address".to_owned(), |client| client.to_string());
            (client_ip(wanted), came)
        }
        Which::Header(index) => {
            let field = &wanted.headers[index];
            let known = Known::of(field.name.as_bytes());
            let values = values::of_header(subject, known, field.name.as_bytes());
            (self::field("header", field), shown(values.map(quoted)))
        }
        Which::Query(index) => {
            let field = &wanted.query[index];
            let values = values::of_parameter(subject.query, field.name.as_bytes());
            (self::field("query", field), shown(values.map(|value| value.with_decoded(quoted))))
        }
        Which::Cookie(index) => {
            let field = &wanted.cookies[index];
            let values = values::of_cookie(subject.fields, field.name.as_bytes());
            (self::field("cookie", field), shown(values.map(quoted)))
        }
    };
    format!("{wanted}, came {came}")
}

fn methods(wanted: &Conditions) -> String {
    let (methods, negated) = match &wanted.methods {
        Some(wanted) => (wanted.methods.join(" or "), wanted.negated),
        None => Default::default(),
    };
    format!("method: wanted {}{methods}", if negated { "anything but " } else { "" })
}

fn client_ip(wanted: &Conditions) -> String {
    let (networks, negated) = match &wanted.client_ip {
        Some(wanted) => (&wanted.networks[..], wanted.negated),
        None => Default::default(),
    };
    let networks: Vec<String> = networks.iter().map(ToString::to_string).collect();
    let networks = networks.join(" or ");
    format!("client_ip: wanted {}{networks}", if negated { "anything but " } else { "" })
}

fn field(kind: &str, wanted: &FieldCondition) -> String {
    let name = &wanted.name;
    let but = if wanted.negated { "anything but " } else { "" };
    let value = match &wanted.value {
        ValuePattern::Exact(text) => format!("{but}{text:?}"),
        ValuePattern::Regex(text) => format!("{but}a match of {text:?}"),
        ValuePattern::Present if wanted.negated => "none".into(),
        ValuePattern::Present => "any value".into(),
    };
    format!("{kind} {name}: wanted {value}")
}

fn quoted(value: &[u8]) -> String {
    let shown = &value[..value.len().min(SHOWN_BYTES_MAX)];
    let more = if shown.len() < value.len() { "…" } else { "" };
    format!("{:?}{more}", String::from_utf8_lossy(shown))
}

fn shown(values: impl Iterator<Item = String>) -> String {
    let values: Vec<String> = values.collect();
    match values.len() {
        0 => "none".into(),
        n if n > SHOWN_VALUES_MAX => {
            let more = n - SHOWN_VALUES_MAX;
            format!("{} and {more} more", values[..SHOWN_VALUES_MAX].join(" and "))
        }
        _ => values.join(" and "),
    }
}
