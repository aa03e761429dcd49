//! What only shows when tables are held against each other: names and addresses. What they name elsewhere is
//! followed in `references`; suspicions that do not refuse the configuration are in `lints`.

use std::collections::HashMap;

use super::reader::{Cx, Section};
use super::report::{Code, Draft};
use super::schema::Bind;
use super::sections::{Everything, WrittenListener};
use super::source::Place;
use super::{lints, references, retries};

/// Reports everything that is wrong across tables, then the lints.
pub(crate) fn run(cx: &Cx, root: &Section<'_>, all: &Everything) {
    if all.listeners.is_empty() && root.table.find("listener").is_none() {
        let draft = Draft::error(Code::Missing, root.place, "there is no [[listener]]");
        cx.report(draft.help("write, for example,\n\n[[listener]]\nbind = \"127.0.0.1:8080\""));
    }
    let named = all.listeners.iter();
    let named = named.map(|w| (w.listener.name.as_str(), w.name_place, w.place));
    names(cx, "listener", named.collect());
    let named = all.routes.iter().map(|w| (w.route.name.as_str(), w.name_place, w.place));
    names(cx, "route", named.collect());
    binds(cx, &all.listeners);
    references::run(cx, all);
    retries::run(cx, all);
    lints::run(cx, root, all);
}

/// Once there are two of a kind, each has a name of its own.
fn names(cx: &Cx, kind: &str, named: Vec<(&str, Option<Place>, Place)>) {
    let mut first: HashMap<&str, Place> = HashMap::new();
    let several = named.len() > 1;
    for (name, name_place, place) in named {
        let Some(name_place) = name_place else {
            if several {
                let message = format!("this {kind} has no `name`, and there are several");
                let draft = Draft::error(Code::Missing, place, message);
                cx.report(draft.help("give each one a name of its own: name = \"…\""));
            }
            continue;
        };
        if name.is_empty() {
            continue;
        }
        if (kind, name) == ("route", "none") {
            let message = "no route can be called `none`: that is what tests call no route";
            let draft = Draft::error(Code::BadValue, name_place, message);
            cx.report(draft.help("give it another name"));
        }
        match first.get(name) {
            Some(first) => {
                let message = format!("there are two {kind}s named `{name}`");
                let draft = Draft::error(Code::Duplicate, name_place, message);
                cx.report(
                    draft.related(*first, "the first one").help("give one of them another name"),
                );
            }
            None => {
                first.insert(name, name_place);
            }
        }
    }
}

/// An address is listened on once. Port 0 takes a free one each time.
fn binds(cx: &Cx, listeners: &[WrittenListener]) {
    let mut first: HashMap<&Bind, Place> = HashMap::new();
    let binds = listeners.iter().flat_map(|w| w.listener.binds.iter().zip(&w.bind_places));
    for (bind, place) in binds {
        if matches!(bind, Bind::Tcp(address) if address.port() == 0) {
            continue;
        }
        match first.get(bind) {
            Some(first) => {
                let message = "the same address is listened on twice";
                let draft = Draft::error(Code::Duplicate, *place, message);
                cx.report(draft.related(*first, "the first time").help("remove one of the two"));
            }
            None => {
                first.insert(bind, *place);
            }
        }
    }
}
