//! Templates as values: parsed by `template`, and what is wrong with one told at its place.

use super::fields;
use super::item::{Item, shown};
use super::report::{Code, Draft};
use super::template::{BadTemplate, Part, Template, Variable};
use super::unknown::closest;

/// Variables of nginx, which mean nothing here, and ours.
const FOREIGN: &[(&str, &str)] = &[
    ("$remote_addr", "client_ip"),
    ("$realip_remote_addr", "client_ip"),
    ("$http_host", "host"),
    ("$host", "host"),
    ("$server_name", "host"),
    ("$scheme", "scheme"),
    ("$request_uri", "path_and_query"),
    ("$request_method", "method"),
    ("$request_id", "request_id"),
    ("$uri", "path"),
    ("$query_string", "query"),
    ("$args", "query"),
    ("$upstream_addr", "backend"),
];

/// Reads a template that a header can carry. `in_response`: it is filled in when a backend has answered.
pub(crate) fn template(item: Item<'_>, in_response: bool) -> Option<Template> {
    let text = item.text()?;
    fields::check_value(item, text)?;
    let template = match Template::parse(text) {
        Ok(template) => template,
        Err(bad) => {
            tell(item, &bad, in_response);
            return None;
        }
    };
    if !in_response && template.parts.contains(&Part::Variable(Variable::Backend)) {
        let place = item.cx.find_inside(item.place(), "{backend}");
        item.bad_at(
            place,
            "`{backend}` is not known before a backend has answered",
            "it can stand in the response headers of a filter only; `{upstream}` is known earlier",
        );
        return None;
    }
    if let Some((theirs, ours)) = FOREIGN.iter().find(|(theirs, _)| text.contains(theirs)) {
        let place = item.cx.find_inside(item.place(), theirs);
        let message = format!("`{theirs}` is sent as it stands");
        let draft = Draft::warning(Code::Suspicious, place, message);
        item.cx.report(draft.help(format!("here it is `{{{ours}}}`")));
    }
    Some(template)
}

fn tell(item: Item<'_>, bad: &BadTemplate, in_response: bool) {
    let known = || {
        let fits = |variable: Variable| in_response || variable != Variable::Backend;
        Variable::ALL.iter().filter(move |(_, v)| fits(*v)).map(|(name, _)| *name)
    };
    let name = match bad {
        BadTemplate::Unknown(name) => name,
        BadTemplate::Open => {
            return item.bad("a `{` of this template is never closed", "a brace itself is `{{`");
        }
        BadTemplate::Close => {
            return item.bad("a `}` of this template closes nothing", "a brace itself is `}}`");
        }
    };
    let written = format!("{{{name}}}");
    let list = known().map(|name| format!("{{{name}}}")).collect::<Vec<_>>().join(" ");
    let meant = closest(name, known()).map(|name| format!("did you mean `{{{name}}}`? "));
    let help = format!("{}known: {list}; a brace itself is `{{{{`", meant.unwrap_or_default());
    let place = item.cx.find_inside(item.place(), &written);
    item.bad_at(place, format!("{} is not a name that is filled in", shown(&written)), help);
}
