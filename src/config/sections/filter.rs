//! `[filter.NAME]`.

use super::super::reader::Section;
use super::super::report::{Code, Draft};
use super::super::schema::{Filter, HeaderEdits, HeadersFilter};
use super::super::shapes::{self, Shape};
use super::edits;

/// The kinds that a filter can be. `filter` is a storey above: a test there holds its registry to this.
pub(crate) const FILTER_KINDS: &[&str] = &["headers"];

/// One `[filter.NAME]`; one that is wrong comes back as one that does nothing.
pub(super) fn read(section: &Section<'_>) -> Filter {
    let written: Vec<_> = FILTER_KINDS.iter().filter_map(|kind| section.item(kind)).collect();
    let all = FILTER_KINDS.iter().map(|kind| format!("`{kind}`")).collect::<Vec<_>>().join(", ");
    let has_unknown_keys = section.table.entries.len() > written.len();
    match &written[..] {
        // An unknown kind was told already.
        [] if has_unknown_keys => {}
        [] => section.missing_all(FILTER_KINDS, "kind", format!("write one of {all}")),
        [_] => {}
        [_, second, ..] => {
            second.bad(format!("{} has two kinds", section.title), "write two filters");
        }
    }
    let n_errors = section.cx.n_errors();
    let filter = Filter::Headers(headers(section));
    let is_whole = section.cx.n_errors() == n_errors && !has_unknown_keys;
    if !written.is_empty() && is_whole && filter == Filter::Headers(HeadersFilter::default()) {
        let draft = Draft::warning(Code::Unused, section.place, "this filter changes nothing");
        section
            .cx
            .report(draft.help(
                "write, for example, headers = { request = { set = { x-env = \"prod\" } } }",
            ));
    }
    filter
}

fn headers(section: &Section<'_>) -> HeadersFilter {
    let Some(section) = section.child("headers", &shapes::FILTER_HEADERS) else {
        return HeadersFilter::default();
    };
    HeadersFilter {
        request: edits(&section, "request", &shapes::FILTER_HEADERS_REQUEST, false),
        response: edits(&section, "response", &shapes::FILTER_HEADERS_RESPONSE, true),
    }
}

fn edits(
    section: &Section<'_>,
    key: &'static str,
    shape: &'static Shape,
    in_response: bool,
) -> HeaderEdits {
    let Some(section) = section.child(key, shape) else { return HeaderEdits::default() };
    let fields = |key, several| {
        let item = section.item(key);
        item.map(|item| edits::templates(item, in_response, several)).unwrap_or_default()
    };
    HeaderEdits {
        remove: section.item("remove").map(edits::removed).unwrap_or_default(),
        set: fields("set", false),
        add: fields("add", true),
    }
}
