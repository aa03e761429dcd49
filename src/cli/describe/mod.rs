//! Parts of a configuration in a few words, key by key, as an operator would write them. Called by `plan` to show
//! what changed and by `explain` to show what holds.

use std::time::Duration;

use crate::config::{
    Action, Admin, Backend, BackendAddress, Bind, Conditions, ExchangeTimeoutOverrides,
    FieldCondition, Filter, ForwardPath, HeaderEdits, Host, HostPattern, Listener, PathPattern,
    Rewrite, Route, Scheme, SplitBy, Sticky, Template, Upstream, ValuePattern, show_duration,
};

mod resilience;
mod tls;

pub(super) use resilience::tables as resilience;

/// Keys with their values, those that were not written left out.
pub(super) type Facets = Vec<(&'static str, String)>;

/// As [`Facets`], with keys of tables: `retry.attempts`.
pub(super) type Keys = Vec<(String, String)>;

fn owned(facets: Facets) -> Keys {
    facets.into_iter().map(|(key, value)| (key.to_owned(), value)).collect()
}

/// A route.
pub(super) fn route(route: &Route) -> Keys {
    let mut facets = Facets::new();
    let mut add = |key, value: String| {
        if !value.is_empty() {
            facets.push((key, value));
        }
    };
    add("listeners", route.listeners.join(", "));
    add("priority", nonzero(route.priority));
    add("hosts", hosts(&route.hosts));
    add("match", matching(&route.path, &route.conditions));
    add("filters", route.filters.join(", "));
    add("rewrite", rewrite(&route.rewrite));
    add("timeouts", timeouts(&route.timeouts));
    add("limits", route.body_bytes.map_or_else(String::new, |max| format!("body {}", limit(max))));
    let (key, value) = action(&route.action);
    add(key, value);
    if let Some(mirror) = &route.mirror {
        add("mirror", format!("{} % to {}", mirror.percent, mirror.upstream));
    }
    let mut keys = owned(facets);
    keys.extend(resilience::overrides(&route.retry));
    keys
}

/// A listener.
pub(super) fn listener(listener: &Listener) -> Keys {
    let binds: Vec<String> = listener.binds.iter().map(bind).collect();
    let limits = &listener.limits;
    let off_or = |max: Option<usize>| max.map_or("off".to_owned(), |max| max.to_string());
    let forward = match listener.path.forward {
        ForwardPath::Normalized => "normalized",
        ForwardPath::Original => "original",
    };
    let mut facets = vec![
        ("bind", binds.join(", ")),
        ("backlog", listener.backlog.to_string()),
        (
            "limits",
            format!(
                "connections {}, per_ip {}, header {}B, headers {}, uri {}B, body {}",
                off_or(limits.connections),
                off_or(limits.per_ip),
                limits.header_bytes,
                limits.headers,
                limits.uri_bytes,
                limit(limits.body_bytes),
            ),
        ),
        ("path", format!("merge_slashes {}, forward {forward}", listener.path.merge_slashes)),
    ];
    facets.extend(tls::http(listener.http));
    facets.extend(tls::listener(listener.tls.as_ref()));
    facets.push((
        "timeouts",
        [
            format!("header {}", timeout(listener.timeouts.header)),
            format!("body_idle {}", timeout(listener.timeouts.body_idle)),
            format!("tls_handshake {}", timeout(listener.timeouts.tls_handshake)),
            format!("keepalive {}", timeout(listener.timeouts.keepalive)),
            timeouts(&listener.exchange_timeouts),
        ]
        .join(", ")
        .trim_end_matches(", ")
        .to_owned(),
    ));
    owned(facets)
}

/// Where an upstream has requests wait, and for whom it has a place.
pub(super) fn upstream_waits(upstream: &Upstream) -> Facets {
    let queue = upstream.queue.map_or("off".to_owned(), |queue| {
        format!("max {}, timeout {}", queue.max, timeout(queue.timeout))
    });
    let max_pending = upstream.max_pending.map_or("off".to_owned(), |max| max.to_string());
    vec![
        ("sticky", upstream.sticky.as_ref().map_or("off".to_owned(), sticky)),
        ("queue", queue),
        ("max_pending", max_pending),
    ]
}

/// What is spoken with an upstream's backends: TLS where one of them wants it.
pub(super) fn upstream_wire(upstream: &Upstream) -> Facets {
    let mut facets = vec![("protocol", tls::protocol(upstream.protocol))];
    if upstream.backends.iter().any(|backend| backend.scheme == Scheme::Https) {
        facets.extend(tls::upstream(&upstream.tls));
    }
    facets
}

/// An upstream, without its backends.
pub(super) fn upstream(upstream: &Upstream) -> Keys {
    let pool = &upstream.pool;
    let host = match &upstream.host {
        Host::Preserve => "preserve",
        Host::Backend => "backend",
        Host::Literal(host) => host,
    };
    let max_requests = pool.max_requests.map_or("off".to_owned(), |max| max.to_string());
    let mut facets = vec![
        ("balance", upstream.balance.to_string()),
        ("protocol", tls::protocol(upstream.protocol)),
    ];
    facets.extend(tls::upstream(&upstream.tls));
    facets.extend(upstream_waits(upstream));
    facets.extend([
        ("host", host.to_owned()),
        (
            "pool",
            format!(
                "max_idle {}, idle {}, max_age {}, max_requests {max_requests}",
                pool.max_idle,
                timeout(pool.idle),
                timeout(pool.max_age),
            ),
        ),
        ("timeouts", timeouts(&upstream.timeouts)),
    ]);
    let mut keys = owned(facets);
    keys.extend(resilience::upstream(upstream));
    keys
}

/// Everything but the key.
fn sticky(sticky: &Sticky) -> String {
    let key = if sticky.key.is_some() { "configured" } else { "random" };
    format!("cookie {}, ttl {}, key {key}", sticky.cookie, timeout(sticky.ttl))
}

/// A filter.
pub(super) fn filter(filter: &Filter) -> Keys {
    match filter {
        Filter::Headers(headers) => owned(vec![
            ("request", edits(&headers.request)),
            ("response", edits(&headers.response)),
        ]),
    }
}

/// A backend, without its address.
pub(super) fn backend(backend: &Backend) -> Keys {
    let max_connections = backend.max_connections.map_or("off".to_owned(), |max| max.to_string());
    owned(vec![
        ("weight", backend.weight.to_string()),
        ("backup", backend.backup.to_string()),
        ("max_connections", max_connections),
        ("slow_start", timeout(backend.slow_start)),
    ])
}

/// `[admin]`.
pub(super) fn admin(admin: &Admin) -> Keys {
    let socket = admin.socket.as_ref().map(|path| path.display().to_string());
    owned(vec![("socket", socket.unwrap_or_default())])
}

/// A backend's address as it is configured.
pub(super) fn backend_address(backend: &Backend) -> String {
    let address = match &backend.address {
        BackendAddress::Tcp(address) => address.to_string(),
        BackendAddress::Name(host, port) => format!("{host}:{port}"),
        BackendAddress::Unix(path) => format!("unix:{}", path.display()),
    };
    match backend.scheme {
        Scheme::Http => address,
        scheme => format!("{}://{address}", scheme.name()),
    }
}

/// Where a listener listens.
pub(super) fn bind(bind: &Bind) -> String {
    match bind {
        Bind::Tcp(address) => address.to_string(),
        Bind::Unix(path) => format!("unix:{}", path.display()),
    }
}

/// What a route does: the key and its value.
pub(super) fn action(action: &Action) -> (&'static str, String) {
    match action {
        Action::Upstream(name) => ("upstream", name.clone()),
        Action::Split(split) => {
            let shares: Vec<String> = split
                .targets
                .iter()
                .map(|target| format!("{} {}", target.upstream, target.weight))
                .collect();
            let by = match &split.by {
                SplitBy::Random => String::new(),
                SplitBy::Cookie(name) => format!(", by cookie {name}"),
                SplitBy::Header(name) => format!(", by header {name}"),
            };
            ("split", format!("{}{by}", shares.join(" : ")))
        }
        Action::Redirect(redirect) => {
            ("redirect", format!("{} to {}", redirect.status, redirect.to))
        }
        Action::Respond(respond) => {
            ("respond", format!("{} with {} bytes", respond.status, respond.body.len()))
        }
    }
}

/// `30s`, `1m30s`, `250ms`, or `off`.
pub(super) fn timeout(timeout: Option<Duration>) -> String {
    timeout.map_or_else(|| "off".to_owned(), show_duration)
}

fn nonzero(priority: i32) -> String {
    if priority == 0 { String::new() } else { priority.to_string() }
}

fn limit(max: Option<u64>) -> String {
    max.map_or("off".to_owned(), |max| format!("{max}B"))
}

/// `a.example, *.b.example`; empty: any.
pub(super) fn hosts(hosts: &[HostPattern]) -> String {
    let shown = hosts.iter().map(|host| match host {
        HostPattern::Exact(name) => name.clone(),
        HostPattern::Wildcard(suffix) => format!("*.{suffix}"),
    });
    shown.collect::<Vec<_>>().join(", ")
}

/// `path_prefix /api`; empty: any.
pub(super) fn path(path: &PathPattern) -> String {
    match path {
        PathPattern::Any => String::new(),
        PathPattern::Exact(path) => format!("path {path}"),
        PathPattern::Prefix(path) if path.is_empty() => "path_prefix /".to_owned(),
        PathPattern::Prefix(path) => format!("path_prefix {path}"),
        PathPattern::Regex(regex) => format!("path_regex {regex}"),
    }
}

fn matching(path: &PathPattern, conditions: &Conditions) -> String {
    let path = self::path(path);
    let mut parts = Vec::new();
    if !path.is_empty() {
        parts.push(path);
    }
    if let Some(methods) = &conditions.methods {
        parts.push(format!("{}method {}", not(methods.negated), methods.methods.join("|")));
    }
    for (kind, fields) in [
        ("header", &conditions.headers),
        ("query", &conditions.query),
        ("cookie", &conditions.cookies),
    ] {
        parts.extend(fields.iter().map(|condition| field(kind, condition)));
    }
    if let Some(client_ip) = &conditions.client_ip {
        let networks: Vec<String> = client_ip.networks.iter().map(ToString::to_string).collect();
        parts.push(format!("{}client_ip {}", not(client_ip.negated), networks.join("|")));
    }
    parts.join(", ")
}

fn not(negated: bool) -> &'static str {
    if negated { "not " } else { "" }
}

fn field(kind: &str, condition: &FieldCondition) -> String {
    let FieldCondition { name, value, negated } = condition;
    match (value, negated) {
        (ValuePattern::Exact(text), false) => format!("{kind} {name} = {text}"),
        (ValuePattern::Exact(text), true) => format!("{kind} {name} != {text}"),
        (ValuePattern::Regex(regex), false) => format!("{kind} {name} ~ {regex}"),
        (ValuePattern::Regex(regex), true) => format!("{kind} {name} !~ {regex}"),
        (ValuePattern::Present, false) => format!("{kind} {name} present"),
        (ValuePattern::Present, true) => format!("{kind} {name} absent"),
    }
}

fn rewrite(rewrite: &Rewrite) -> String {
    let mut parts = Vec::new();
    if let Some(regex) = &rewrite.regex {
        parts.push(format!("regex {} to {}", regex.from, regex.to));
    }
    if let Some(prefix) = &rewrite.strip_prefix {
        parts.push(format!("strip_prefix {prefix}"));
    }
    if let Some(prefix) = &rewrite.add_prefix {
        parts.push(format!("add_prefix {prefix}"));
    }
    if let Some(host) = &rewrite.host {
        parts.push(format!("host {host}"));
    }
    parts.join(", ")
}

fn edits(edits: &HeaderEdits) -> String {
    let valued = |word: &'static str, list: &[(String, Template)]| {
        list.iter().map(|(name, value)| format!("{word} {name}: {value}")).collect::<Vec<_>>()
    };
    let removed = edits.remove.iter().map(|name| format!("remove {name}"));
    let rest = valued("set", &edits.set).into_iter().chain(valued("add", &edits.add));
    removed.chain(rest).collect::<Vec<_>>().join(", ")
}

/// What one level writes over the timeouts below it.
pub(super) fn timeouts(written: &ExchangeTimeoutOverrides) -> String {
    let ExchangeTimeoutOverrides {
        send_idle,
        connect,
        first_byte,
        response_idle,
        total,
        tunnel_idle,
    } = *written;
    [
        ("connect", connect),
        ("first_byte", first_byte),
        ("response_idle", response_idle),
        ("send_idle", send_idle),
        ("total", total),
        ("tunnel_idle", tunnel_idle),
    ]
    .into_iter()
    .filter_map(|(key, value)| value.map(|value| format!("{key} {}", timeout(value))))
    .collect::<Vec<_>>()
    .join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn timeouts_read_as_they_are_written() {
        for (ms, text) in
            [(250, "250ms"), (90_000, "1m30s"), (3_600_000, "1h"), (0, "0s"), (1001, "1s1ms")]
        {
            assert_eq!(timeout(Some(Duration::from_millis(ms))), text);
        }
        assert_eq!(timeout(None), "off");
    }
}
