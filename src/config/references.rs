//! What names something else: routes their upstreams, listeners and filters, tests what they expect.

use std::collections::HashSet;

use super::reader::Cx;
use super::report::{Code, Draft};
use super::sections::{Everything, Named, Reference};
use super::unknown::closest;

/// The most names that a message lists.
const SHOWN_MAX: usize = 10;
/// The most wrong names that are compared with all that exist: each costs as much as there are.
const SUGGESTED_MAX: usize = 100;

/// Reports every name that nothing defines.
pub(crate) fn run(cx: &Cx, all: &Everything) {
    let listeners = all.listeners.iter().map(|written| written.listener.name.as_str());
    let routes = all.routes.iter().map(|written| written.route.name.as_str());
    let defined = Defined {
        listeners: listeners.collect(),
        routes: routes.collect(),
        upstreams: all.upstreams.keys().map(String::as_str).collect(),
        filters: all.filters.keys().map(String::as_str).collect(),
    };
    let by_routes = all.routes.iter().flat_map(|written| &written.references);
    let by_tests = all.tests.iter().flat_map(|written| &written.references);
    let mut n_wrong = 0;
    for reference in by_routes.chain(by_tests) {
        let names = defined.of(reference.kind);
        // An empty name was told where it is read, and so was the name of something that has none.
        if !names.set.contains(reference.name.as_str()) {
            cx.report(explain(reference, names, n_wrong < SUGGESTED_MAX));
            n_wrong += 1;
        }
    }
}

/// Names, also in their order.
struct Names<'a> {
    set: HashSet<&'a str>,
    list: Vec<&'a str>,
}

impl<'a> FromIterator<&'a str> for Names<'a> {
    fn from_iter<T: IntoIterator<Item = &'a str>>(names: T) -> Self {
        let list: Vec<_> = names.into_iter().filter(|name| !name.is_empty()).collect();
        Names { set: list.iter().copied().collect(), list }
    }
}

struct Defined<'a> {
    listeners: Names<'a>,
    routes: Names<'a>,
    upstreams: Names<'a>,
    filters: Names<'a>,
}

impl<'a> Defined<'a> {
    fn of(&self, kind: Named) -> &Names<'a> {
        match kind {
            Named::Listener => &self.listeners,
            Named::Route => &self.routes,
            Named::Upstream => &self.upstreams,
            Named::Filter => &self.filters,
        }
    }
}

fn explain(reference: &Reference, names: &Names<'_>, suggest: bool) -> Draft {
    let (noun, name) = (reference.kind.noun(), reference.name.as_str());
    let meant = match suggest {
        true => closest(name, names.list.iter().copied()),
        false => None,
    };
    let define = match reference.kind {
        Named::Listener => format!("give a [[listener]] name = \"{name}\""),
        Named::Route => format!("give a [[route]] name = \"{name}\""),
        Named::Upstream => format!("define [upstream.{name}]"),
        Named::Filter => format!("define [filter.{name}]"),
    };
    let help = match (meant, reference.kind) {
        (Some(meant), _) => format!("did you mean \"{meant}\"?"),
        (None, Named::Upstream) if names.list.is_empty() => {
            format!("define it:\n\n[upstream.{name}]\nbackends = [\"127.0.0.1:9001\"]")
        }
        (None, Named::Filter) if names.list.is_empty() => {
            format!(
                "define it:\n\n[filter.{name}]\nheaders = {{ request = {{ set = {{ x-env = \"prod\" }} }} }}"
            )
        }
        (None, _) if names.list.is_empty() => define,
        (None, _) => {
            let more = if names.list.len() > SHOWN_MAX { " …" } else { "" };
            let shown = &names.list[..names.list.len().min(SHOWN_MAX)];
            format!("{define}; there are: {}{more}", shown.join(", "))
        }
    };
    let message = format!("there is no {noun} `{name}`");
    Draft::error(Code::UnknownName, reference.place, message).help(help)
}
