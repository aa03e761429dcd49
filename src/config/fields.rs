//! Names and values that stand in messages: header fields, cookies, query parameters, methods. What no message
//! could carry is told here, so that nothing below has to doubt it.

use std::collections::HashMap;

use super::item::{Item, shown};
use super::reader::Cx;
use super::report::{Code, Draft};
use super::source::Place;

/// The longest name that is accepted, in bytes.
const NAME_BYTES_MAX: usize = 128;
/// The longest value that is accepted, in bytes.
const VALUE_BYTES_MAX: usize = 8 << 10;
/// Methods that everybody knows; methods are case-sensitive.
const METHODS: &[&str] =
    &["GET", "HEAD", "POST", "PUT", "DELETE", "CONNECT", "OPTIONS", "TRACE", "PATCH"];

/// Where names are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Header,
    Cookie,
    Query,
}

impl Kind {
    /// What one of them is called.
    pub(crate) fn noun(self) -> &'static str {
        match self {
            Kind::Header => "header",
            Kind::Cookie => "cookie",
            Kind::Query => "query parameter",
        }
    }

    /// The name in the form that it is compared in; reported if it can be none.
    pub(crate) fn name(self, cx: &Cx, text: &str, place: Place) -> Option<String> {
        match self {
            Kind::Header => header_name(cx, text, place),
            Kind::Cookie => plain_name(cx, text, place, "a cookie", b" \"(),/:;<=>?@[\\]{}"),
            Kind::Query => plain_name(cx, text, place, "a query parameter", b"=&?#"),
        }
    }
}

/// The name of a header as a value, in lower case.
pub(crate) fn header(item: Item<'_>) -> Option<String> {
    header_name(item.cx, item.text()?, item.place())
}

fn header_name(cx: &Cx, text: &str, place: Place) -> Option<String> {
    if text.len() <= NAME_BYTES_MAX && is_token(text) {
        return Some(text.to_ascii_lowercase());
    }
    let help = match text.trim_end_matches(':') {
        name if name != text && is_token(name) => format!("write \"{name}\""),
        _ if text.starts_with(':') => {
            "names with a colon belong to HTTP/2 itself; a route matches `hosts`, `path` and `methods`"
                .into()
        }
        _ => "accepted: a name such as \"x-request-id\"".into(),
    };
    let message = format!("{} is not the name of a header", shown(text));
    cx.report(Draft::error(Code::BadValue, place, message).help(help));
    None
}

fn plain_name(cx: &Cx, text: &str, place: Place, noun: &str, never: &[u8]) -> Option<String> {
    let bad = |b: u8| b.is_ascii_control() || never.contains(&b);
    if !text.is_empty() && text.len() <= NAME_BYTES_MAX && !text.bytes().any(bad) {
        return Some(text.to_owned());
    }
    let help = match text.split_once('=') {
        Some((name, value)) if !name.is_empty() => format!("write {name} = \"{value}\""),
        _ => format!("accepted: 1 to {NAME_BYTES_MAX} bytes, as in `beta`"),
    };
    let message = format!("{} is not the name of {noun}", shown(text));
    cx.report(Draft::error(Code::BadValue, place, message).help(help));
    None
}

/// Whether it is a token of HTTP: what names of headers and methods are made of.
pub(crate) fn is_token(text: &str) -> bool {
    let good = |b: u8| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&b);
    !text.is_empty() && text.bytes().all(good)
}

/// A method, or what is wrong with it and what to do.
pub(crate) fn check_method(text: &str) -> Result<(), (String, String)> {
    let upper = text.to_ascii_uppercase();
    if upper != text && METHODS.contains(&upper.as_str()) {
        let message = format!("methods are case-sensitive, and `{text}` is none that is used");
        return Err((message, format!("write \"{upper}\"")));
    }
    if text.len() > NAME_BYTES_MAX || !is_token(text) {
        let message = format!("{} is not a method", shown(text));
        return Err((message, "accepted: \"GET\", \"POST\", \"PROPFIND\" …".into()));
    }
    Ok(())
}

/// A value that a header could have; reported if none could.
pub(crate) fn check_value(item: Item<'_>, text: &str) -> Option<()> {
    let what = if text.len() > VALUE_BYTES_MAX {
        "is longer than 8KiB"
    } else if text.chars().any(|c| c.is_control() && c != '\t') {
        "has a control character, which no header can carry"
    } else if text.trim_matches([' ', '\t']) != text {
        "begins or ends with a space, which no header does"
    } else {
        return Some(());
    };
    let help = match text.trim() {
        trimmed if trimmed != text && !trimmed.contains(char::is_control) => {
            format!("write \"{trimmed}\"")
        }
        _ => "accepted: text on one line".into(),
    };
    item.bad(format!("the value of `{}` {what}", item.key), help);
    None
}

/// Names that were written, each accepted once.
#[derive(Default)]
pub(crate) struct Seen {
    first: HashMap<String, Place>,
}

impl Seen {
    /// Whether `name` is new; a second one is reported, `noun` being what it is.
    pub(crate) fn is_new(&mut self, cx: &Cx, noun: &str, name: &str, place: Place) -> bool {
        let Some(first) = self.first.get(name) else {
            self.first.insert(name.to_owned(), place);
            return true;
        };
        let draft =
            Draft::error(Code::Duplicate, place, format!("the {noun} `{name}` is written twice"));
        let help = match noun {
            "header" => "keep one of the two; names of headers are the same in any case",
            _ => "keep one of the two",
        };
        cx.report(draft.related(*first, "first written here").help(help));
        false
    }
}
