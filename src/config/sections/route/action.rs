//! What a route does: exactly one of `upstream`, `split`, `redirect` and `respond`.

use super::super::super::fields::{self, Kind, Seen};
use super::super::super::item::{Item, shown};
use super::super::super::reader::Section;
use super::super::super::report::{Code, Draft};
use super::super::super::schema::{Action, Redirect, Split, SplitBy, SplitTarget};
use super::super::super::shapes;
use super::super::super::template::{Part, Template, Variable};
use super::super::super::templates::template;
use super::super::super::tree::Value;
use super::super::{Named, Reference};
use super::respond;

/// The keys that say what a route does.
const ACTIONS: [&str; 4] = ["upstream", "split", "redirect", "respond"];
/// The most upstreams of one split.
const TARGETS_MAX: usize = 64;
/// The largest weight.
const WEIGHT_MAX: i64 = 1_000_000;
/// The status of a redirect.
const REDIRECTS: [u16; 5] = [301, 302, 303, 307, 308];

/// Reads it; `None` if there is none, or it is wrong.
pub(super) fn read(section: &Section<'_>, references: &mut Vec<Reference>) -> Option<Action> {
    let written: Vec<_> = ACTIONS.iter().filter_map(|key| section.item(key)).collect();
    match &written[..] {
        [] => section.missing_all(
            &ACTIONS,
            "`upstream`, `split`, `redirect` or `respond`",
            "write upstream = \"NAME\" and define [upstream.NAME]; or redirect = \"https://{host}{path_and_query}\", or respond = { status = 200, body = \"ok\" }",
        ),
        [_] => {}
        several => tell_several(section, several),
    }
    if section.item("split").is_none()
        && let Some(entry) = section.table.find("split_by")
    {
        let draft = Draft::error(Code::Misplaced, entry.key_place, "there is no `split` to decide");
        section.cx.report(draft.help("remove `split_by`, or write split = [ … ]"));
    }
    let actions = written.iter().map(|item| match item.key {
        "upstream" => reference(*item, references).map(|name| Action::Upstream(name.to_owned())),
        "split" => split(section, *item, references).map(Action::Split),
        "redirect" => redirect(section, *item).map(Action::Redirect),
        _ => respond::read(section).map(Action::Respond),
    });
    // All are read, so that everything wrong in them is told.
    let actions: Vec<_> = actions.collect();
    actions.into_iter().next().flatten()
}

fn tell_several(section: &Section<'_>, several: &[Item<'_>]) {
    let keys: Vec<_> = several.iter().map(|item| format!("`{}`", item.key)).collect();
    let places = several.iter().filter_map(|item| section.table.find(item.key));
    let mut places: Vec<_> = places.map(|entry| entry.key_place).collect();
    places.sort();
    let (Some(first), Some(last)) = (places.first(), places.last()) else { return };
    let message = format!("a route does one thing; this one has {}", keys.join(", "));
    let draft = Draft::error(Code::BadValue, *last, message).related(*first, "the first");
    section.cx.report(draft.help("keep one; for several, write several routes"));
}

/// The name of an upstream.
fn reference<'a>(item: Item<'a>, references: &mut Vec<Reference>) -> Option<&'a str> {
    let name = item.text()?;
    let place = item.place();
    references.push(Reference { kind: Named::Upstream, name: name.to_owned(), place });
    Some(name)
}

fn split(section: &Section<'_>, item: Item<'_>, references: &mut Vec<Reference>) -> Option<Split> {
    let by = match section.item("split_by") {
        Some(item) => split_by(item),
        None => Some(SplitBy::Random),
    };
    if !matches!(item.node.value, Value::Array(_)) {
        let help =
            "write split = [{ upstream = \"a\", weight = 95 }, { upstream = \"b\", weight = 5 }]";
        item.wrong_type("an array of tables", help);
        return None;
    }
    let items = item.list(TARGETS_MAX, ", as in [{ upstream = \"a\", weight = 95 }, …]")?;
    let n_written = items.len();
    let mut seen = Seen::default();
    let mut targets = Vec::with_capacity(n_written);
    for item in items {
        if let Some(name) = item.as_text() {
            item.wrong_type("a table", format!("write {{ upstream = \"{name}\", weight = 1 }}"));
            continue;
        }
        let title = "an entry of `split`".to_owned();
        let Some(target) = section.open(item.node, &shapes::ROUTE_SPLIT, title) else { continue };
        let weight = match target.item("weight") {
            Some(item) => item.integer(0..=WEIGHT_MAX),
            None => Some(1),
        };
        let Some(upstream) = target.item("upstream") else {
            target.missing("upstream", "write { upstream = \"NAME\", weight = 5 }");
            continue;
        };
        let Some(name) = reference(upstream, references) else { continue };
        let is_new = seen.is_new(item.cx, "upstream", name, upstream.place());
        if let (true, Some(weight)) = (is_new, weight) {
            targets.push(SplitTarget { upstream: name.to_owned(), weight });
        }
    }
    if targets.len() < n_written {
        return None;
    }
    if let [only] = &targets[..] {
        let help = format!("write upstream = \"{}\", or a second entry", only.upstream);
        item.bad("`split` has one entry, which gets everything", help);
        return None;
    }
    if targets.iter().all(|target| target.weight == 0) {
        item.bad("every weight is 0: nobody would get a request", "give one a weight above 0");
        return None;
    }
    Some(Split { targets, by: by? })
}

fn split_by(item: Item<'_>) -> Option<SplitBy> {
    let text = item.text()?;
    if text == "random" {
        return Some(SplitBy::Random);
    }
    let by = match text.split_once(':') {
        Some(("cookie", name)) => (Kind::Cookie, name, SplitBy::Cookie as fn(String) -> SplitBy),
        Some(("header", name)) => (Kind::Header, name, SplitBy::Header as fn(String) -> SplitBy),
        _ => {
            let accepted = "accepted: \"random\", \"cookie:NAME\", \"header:NAME\"";
            item.bad(format!("`split_by` cannot be {}", shown(text)), accepted);
            return None;
        }
    };
    let (kind, name, by) = by;
    kind.name(item.cx, name, item.place()).map(by)
}

/// A target, or a table with `to` and `status`.
fn redirect(section: &Section<'_>, item: Item<'_>) -> Option<Redirect> {
    if !matches!(item.node.value, Value::Table(_)) {
        if item.as_text().is_none() {
            let help = "write redirect = \"https://{host}{path_and_query}\"";
            item.wrong_type("a string or a table", help);
            return None;
        }
        return Some(Redirect { to: target(item)?, status: 308 });
    }
    let section = section.child("redirect", &shapes::ROUTE_REDIRECT)?;
    let status = match section.item("status") {
        Some(item) => status(item),
        None => Some(308),
    };
    let Some(to) = section.item("to") else {
        section.missing("to", "write to = \"https://{host}{path_and_query}\"");
        return None;
    };
    Some(Redirect { to: target(to)?, status: status? })
}

fn status(item: Item<'_>) -> Option<u16> {
    let accepted = "accepted: 301 and 308 (for good), 302 and 307 (for now), 303 (with GET); 307 and 308 keep method and body";
    let status =
        item.number(accepted, |status| REDIRECTS.iter().any(|s| f64::from(*s) == status))?;
    REDIRECTS.into_iter().find(|s| f64::from(*s) == status)
}

/// Where to: an absolute URL, or a path on the same host.
fn target(item: Item<'_>) -> Option<Template> {
    let to = template(item, false)?;
    let text = item.text()?;
    let help = match &to.parts[..] {
        [Part::Text(first), ..] if first.starts_with('/') || has_scheme(first) => None,
        [Part::Variable(Variable::Path | Variable::PathAndQuery | Variable::Scheme), ..] => None,
        [] => Some("write \"https://{host}{path_and_query}\"".to_owned()),
        _ => Some(format!("write \"https://{text}\", or \"/{text}\" for a path on the same host")),
    };
    if let Some(help) = help {
        item.bad(format!("{} is not a target for a redirect", shown(text)), help);
        return None;
    }
    let is_url = |part: &Part| match part {
        Part::Text(text) => text.bytes().all(|b| b.is_ascii_graphic() && !b"\"<>\\^`".contains(&b)),
        Part::Variable(_) => true,
    };
    if !to.parts.iter().all(is_url) {
        item.bad(
            format!("{} has a character that no URL has", shown(text)),
            "percent-encode it: a space is `%20`",
        );
        return None;
    }
    Some(to)
}

/// Whether it begins with a scheme and a colon.
fn has_scheme(text: &str) -> bool {
    let scheme = text.split_once(':').map_or("", |(scheme, _)| scheme);
    fields::is_token(scheme)
        && scheme.starts_with(|c: char| c.is_ascii_alphabetic())
        && !scheme.contains('.')
}
