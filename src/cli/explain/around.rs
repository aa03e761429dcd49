//! What stands around a request on its way to an upstream, and which level each knob of it comes from: retries, checks,
//! ejection; which backends take part, the queue, sticky sessions.

use serde_json::{Value, json};

use crate::cli::describe;
use crate::config::{Backend, Config, Route, Upstream};

/// Backends of one kind that are named for people.
const BACKENDS_SHOWN_MAX: usize = 8;

/// A knob as it holds.
pub(super) struct Knob {
    /// Empty: of the upstream itself.
    table: &'static str,
    /// Empty: the table itself, which is off.
    key: &'static str,
    value: String,
    level: &'static str,
    /// `file:line`, where it was written.
    place: Option<String>,
}

impl Knob {
    /// Where it comes from, in brackets.
    fn source(&self) -> String {
        match &self.place {
            Some(place) => format!("({}, {place})", self.level),
            None => format!("({})", self.level),
        }
    }

    fn as_json(&self) -> Value {
        json!({
            "table": self.table, "key": self.key, "value": self.value, "from": self.level, "place": self.place,
        })
    }
}

/// Every knob of a request by `route` to the upstream `name`, by table.
pub(super) fn knobs(config: &Config, route: &Route, name: &str) -> Vec<Knob> {
    let Some(upstream) = config.upstreams.get(name) else { return Vec::new() };
    let retry = upstream.retry.overridden_by(&route.retry);
    let mut knobs = Vec::new();
    for (table, facets) in describe::resilience(upstream, &retry) {
        if facets.is_empty() {
            knobs.push(knob(config, route, name, table, "", "off".into()));
        }
        for (key, value) in facets {
            knobs.push(knob(config, route, name, table, key, value));
        }
    }
    for (key, value) in describe::upstream_wire(upstream) {
        knobs.push(knob(config, route, name, "", key, value));
    }
    for (key, value) in describe::upstream_waits(upstream) {
        knobs.push(knob(config, route, name, "", key, value));
    }
    knobs
}

/// Finds out who had the last word.
fn knob(
    config: &Config,
    route: &Route,
    upstream: &str,
    table: &'static str,
    key: &'static str,
    value: String,
) -> Knob {
    let path =
        [table, key].into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join(".");
    let levels = [
        ("route", format!("route.{}.{path}", route.name)),
        ("upstream", format!("upstream.{upstream}.{path}")),
        ("[defaults]", format!("defaults.{path}")),
    ];
    // A table for everybody that says how checks are made leaves them off.
    let levels = levels.into_iter().filter(|(level, _)| path != "health" || *level != "[defaults]");
    let mut written = levels.filter_map(|(level, path)| Some((level, config.places.get(&path)?)));
    match written.next() {
        Some((level, place)) => Knob { table, key, value, level, place: Some(place.clone()) },
        None => Knob { table, key, value, level: "built in", place: None },
    }
}

/// For people: titles with lines.
pub(super) fn as_text(
    knobs: &[Knob],
    upstream: &Upstream,
    name: &str,
) -> Vec<(String, Vec<String>)> {
    let mut sections: Vec<(String, Vec<String>)> = Vec::new();
    for knob in knobs.iter().filter(|knob| !knob.table.is_empty()) {
        let key = if knob.key.is_empty() { knob.table } else { knob.key };
        let line = format!("{key:<22}{}  {}", knob.value, knob.source());
        match sections.last_mut() {
            Some((table, lines)) if table == knob.table => lines.push(line),
            _ => sections.push((knob.table.to_owned(), vec![line])),
        }
    }
    let mut lines = backends(upstream);
    let own = knobs.iter().filter(|knob| knob.table.is_empty());
    lines.extend(own.map(|knob| format!("{:<22}{}  {}", knob.key, knob.value, knob.source())));
    sections.push((format!("at the upstream {name}"), lines));
    sections
}

/// For programs.
pub(super) fn as_json(knobs: &[Knob]) -> Value {
    knobs.iter().map(Knob::as_json).collect()
}

/// Which part each backend takes, for programs.
pub(super) fn members(upstream: &Upstream) -> Value {
    let one = |backend: &Backend| {
        json!({
            "address": describe::backend_address(backend),
            "part": part(backend),
            "weight": backend.weight,
            "max_connections": backend.max_connections,
        })
    };
    upstream.backends.iter().map(one).collect()
}

/// What a backend is there for.
fn part(backend: &Backend) -> &'static str {
    match (backend.weight, backend.backup) {
        (0, _) => "drained",
        (_, true) => "backup",
        (_, false) => "takes part",
    }
}

fn backends(upstream: &Upstream) -> Vec<String> {
    let of = |wanted: &str| {
        let all: Vec<&Backend> =
            upstream.backends.iter().filter(|backend| part(backend) == wanted).collect();
        let shown: Vec<String> = all.iter().take(BACKENDS_SHOWN_MAX).map(|it| named(it)).collect();
        match all.len().saturating_sub(BACKENDS_SHOWN_MAX) {
            0 => shown.join(", "),
            n => format!("{} … and {n} more", shown.join(", ")),
        }
    };
    let label = |wanted| match wanted {
        "backup" => "backup (no other can)",
        "drained" => "drained (weight 0)",
        other => other,
    };
    let parts = ["takes part", "backup", "drained"].into_iter();
    let parts = parts.map(|wanted| (label(wanted), of(wanted)));
    parts
        .filter(|(_, who)| !who.is_empty())
        .map(|(label, who)| format!("{label:<22}{who}"))
        .collect()
}

/// With what is not usual about it.
fn named(backend: &Backend) -> String {
    let mut unusual = Vec::new();
    if backend.weight > 1 {
        unusual.push(format!("weight {}", backend.weight));
    }
    unusual.extend(backend.max_connections.map(|max| format!("max_connections {max}")));
    unusual.extend(
        backend.slow_start.map(|time| format!("slow_start {}", describe::timeout(Some(time)))),
    );
    let address = describe::backend_address(backend);
    match unusual.is_empty() {
        true => address,
        false => format!("{address} ({})", unusual.join(", ")),
    }
}
