//! `route.respond`: an answer without a backend.

use std::sync::Arc;

use super::super::super::item::Item;
use super::super::super::reader::Section;
use super::super::super::schema::{RESPOND_BYTES_MAX, Respond};
use super::super::super::template::{Part, Template};
use super::super::super::tree::Value;
use super::super::super::{bodies, shapes};
use super::super::edits;

/// Bounds of the status.
const STATUS: std::ops::RangeInclusive<i64> = 200..=599;
/// A status whose responses have no body.
const BODILESS: [u16; 3] = [204, 205, 304];

/// Reads it; `None` if it is wrong.
pub(super) fn read(route: &Section<'_>) -> Option<Respond> {
    let section = route.child("respond", &shapes::ROUTE_RESPOND)?;
    let status = match section.item("status") {
        Some(item) => item.integer(STATUS),
        None => Some(200),
    };
    let mut headers = match section.item("headers") {
        Some(item) => edits::templates(item, false, false),
        None => Vec::new(),
    };
    let Some(item) = section.item("body") else {
        return Some(Respond { status: status?, body: Arc::from([]), headers });
    };
    let (body, content_type) = body(&section, item)?;
    let status = status?;
    if BODILESS.contains(&status) && !body.is_empty() {
        item.bad(format!("a response with the status {status} has no body"), "remove `body`");
        return None;
    }
    if !body.is_empty() && !headers.iter().any(|(name, _)| name == "content-type") {
        let value = Template { parts: vec![Part::Text(content_type.to_owned())] };
        headers.push(("content-type".to_owned(), value));
    }
    Some(Respond { status, body, headers })
}

/// The body and its content type: a text, or a file.
fn body(section: &Section<'_>, item: Item<'_>) -> Option<(Arc<[u8]>, &'static str)> {
    if !matches!(item.node.value, Value::Table(_)) {
        let text = item.text()?;
        if text.len() > RESPOND_BYTES_MAX {
            item.bad("`body` is larger than 1MiB", "let a backend serve it");
            return None;
        }
        return Some((text.as_bytes().into(), "text/plain; charset=utf-8"));
    }
    let section = section.child("body", &shapes::ROUTE_RESPOND_BODY)?;
    let Some(item) = section.item("file") else {
        section.missing("file", "write body = { file = \"x.html\" }, or body = \"text\"");
        return None;
    };
    let path = item.cx.resolve(item.text()?, item.place());
    match item.cx.body(&path) {
        Ok(body) => Some((body, bodies::content_type(&path))),
        Err((message, help)) => {
            item.bad(message, help);
            None
        }
    }
}
