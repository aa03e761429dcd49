//! `route.rewrite`: what is changed before a backend gets the request.

use super::super::super::expressions::{check_replacement, expression};
use super::super::super::item::{Item, shown};
use super::super::super::paths::{begins_with, segments};
use super::super::super::reader::Section;
use super::super::super::report::{Code, Draft};
use super::super::super::schema::{PathPattern, RegexRewrite, Rewrite};
use super::super::super::template::{Part, Template};
use super::super::super::templates::template;
use super::super::super::{hosts, shapes};

/// Reads it, if it was written; `path` is what the route matches.
pub(super) fn read(route: &Section<'_>, path: &PathPattern) -> Option<Rewrite> {
    let section = route.child("rewrite", &shapes::ROUTE_REWRITE)?;
    if section.table.entries.is_empty() {
        let draft = Draft::warning(Code::Unused, section.place, "this `rewrite` changes nothing");
        section.cx.report(draft.help("remove it"));
    }
    let regex = regex(&section);
    let strip_prefix = section.read("strip_prefix", segments);
    if let (Some(item), Some(prefix)) = (section.item("strip_prefix"), &strip_prefix)
        && section.item("regex").is_none()
        && !can_begin_with(path, prefix)
    {
        let message = "no path that this route matches begins with this prefix";
        let draft = Draft::warning(Code::Suspicious, item.place(), message);
        section.cx.report(match path {
            PathPattern::Prefix(path) => {
                draft.help(format!("write strip_prefix = \"{path}\", or remove it"))
            }
            _ => draft.help("remove it: it strips nothing"),
        });
    }
    Some(Rewrite {
        strip_prefix,
        add_prefix: section.read("add_prefix", segments),
        regex,
        host: section.read("host", host),
    })
}

/// Whether some path that `pattern` matches begins with `prefix`.
fn can_begin_with(pattern: &PathPattern, prefix: &str) -> bool {
    match pattern {
        PathPattern::Any | PathPattern::Regex(_) => true,
        PathPattern::Exact(path) => begins_with(path, prefix),
        PathPattern::Prefix(path) => begins_with(path, prefix) || begins_with(prefix, path),
    }
}

fn regex(rewrite: &Section<'_>) -> Option<RegexRewrite> {
    let section = rewrite.child("regex", &shapes::ROUTE_REWRITE_REGEX)?;
    for key in ["from", "to"] {
        if section.item(key).is_none() {
            section.missing(key, format!("write {}", section.shape.example));
        }
    }
    let from = section.read("from", |item| expression(item));
    let item = section.item("to")?;
    let to = item.text()?;
    let (text, regex) = from?;
    check_replacement(item, to, &regex)?;
    if let Some(bad) = to.chars().find(|c| !c.is_ascii_graphic() || "#\\".contains(*c)) {
        let message = format!("{} cannot stand in a path", shown(&bad.to_string()));
        item.bad(
            message,
            "a space is `%20`; a `?` begins a query, which goes before the one received",
        );
        return None;
    }
    let path = to.split('?').next().unwrap_or_default();
    if path.split('/').any(|segment| matches!(segment, "." | "..")) {
        item.bad(
            format!("the path {} has a dot segment", shown(to)),
            "write the path that it leads to: a request whose rewritten path has one is refused",
        );
        return None;
    }
    if text.starts_with('^') && !to.is_empty() && !to.starts_with(['/', '$']) {
        let message = "the path would not begin with `/`, for `from` matches its beginning";
        item.bad(message, format!("write to = \"/{to}\""));
        return None;
    }
    Some(RegexRewrite { from: text, to: to.to_owned() })
}

fn host(item: Item<'_>) -> Option<Template> {
    let host = template(item, false)?;
    let text = item.text()?;
    let in_host = |c: char| c.is_ascii_alphanumeric() || "-._:[]".contains(c);
    let wrong = match host.as_literal() {
        Some(literal) => hosts::check_authority(literal).err(),
        None => {
            let fits = |part: &Part| match part {
                Part::Text(text) => text.chars().all(in_host),
                Part::Variable(_) => true,
            };
            (!host.parts.iter().all(fits)).then_some("cannot become a host")
        }
    };
    if let Some(why) = wrong {
        let help =
            "accepted: a host with or without a port, as in \"api.internal\", \"{host}:8080\"";
        item.bad(format!("{} {why}", shown(text)), help);
        return None;
    }
    Some(host)
}
