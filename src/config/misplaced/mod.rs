//! Keys that stand elsewhere, or are called otherwise, than where people look for them first. `unknown` asks here
//! before it guesses.

mod resilience;

use resilience::BY_LAST;

/// Help for a key that `table` (a shape's name) has under another name or that stands elsewhere.
pub(crate) fn help(table: &str, key: &str) -> Option<String> {
    let here = MISPLACED.iter().find(|(place, name, _)| *place == table && *name == key);
    let last = || {
        let last = table.rsplit('.').next()?;
        BY_LAST.iter().find(|(place, name, _)| *place == last && *name == key)
    };
    let known = here.or_else(last).map(|(.., help)| (*help).to_owned());
    known.or_else(|| resilience::help(table, key))
}

/// Where a certificate and its key stand.
const CERTIFICATES: &str =
    "they come in pairs: certificates = [{ cert = \"shop.crt\", key = \"shop.key\" }]";

/// Our own keys (or near ones) in a table where they do not stand.
const MISPLACED: &[(&str, &str, &str)] = &[
    ("", "upstreams", "each upstream is a table of its own: [upstream.NAME]"),
    ("", "timeouts", "timeouts for everything are [defaults.timeouts]"),
    ("", "retry", "retries for everything are [defaults.retry]"),
    ("", "budget", "for everything write [defaults.budget]"),
    (
        "",
        "health",
        "the settings of checks are [defaults.health]; health = true on an upstream switches them on",
    ),
    ("", "passive", "for everything write [defaults.passive]"),
    ("", "breaker", "for everything write [defaults.breaker]"),
    ("", "socket", "`socket` stands in [admin]"),
    ("admin", "bind", "write socket = \"/run/forebay/admin.sock\""),
    ("admin", "path", "write socket = \"/run/forebay/admin.sock\""),
    ("admin", "address", "write socket = \"/run/forebay/admin.sock\""),
    (
        "admin",
        "port",
        "the command line talks to a unix socket: socket = \"/run/forebay/admin.sock\"",
    ),
    (
        "listener",
        "retry",
        "`retry` stands on a [[route]] or an upstream; for everything write [defaults.retry]",
    ),
    ("route", "budget", "`budget` stands on the upstream that the route leads to"),
    ("route", "health", "`health` stands on the upstream that the route leads to"),
    ("route", "passive", "`passive` stands on the upstream that the route leads to"),
    ("route", "breaker", "`breaker` stands on the upstream that the route leads to"),
    ("route", "max_pending", "`max_pending` stands on the upstream that the route leads to"),
    (
        "upstream.NAME",
        "stall",
        "write passive = { stall = \"off\" }, or \"auto\", which is the default",
    ),
    (
        "upstream.NAME",
        "slow_start",
        "it belongs to a backend: backends = [{ address = \"10.0.0.11:8080\", slow_start = \"30s\" }]",
    ),
    (
        "upstream.NAME",
        "max_connections",
        "it belongs to a backend: backends = [{ address = \"10.0.0.11:8080\", max_connections = 200 }]",
    ),
    ("", "workers", "`workers` stands in [global]"),
    ("", "watch", "`watch` stands in [reload]"),
    ("", "request_id", "`request_id` stands in [telemetry]"),
    ("listener", "port", "the port is part of `bind`: bind = \"0.0.0.0:8080\""),
    ("listener", "address", "write bind = \"0.0.0.0:8080\""),
    (
        "listener",
        "host",
        "write bind = \"0.0.0.0:8080\"; host names to match are `hosts` of a [[route]]",
    ),
    ("listener", "hosts", "`hosts` stands on a [[route]]"),
    ("listener", "match", "`match` stands on a [[route]]"),
    ("listener", "backends", "backends stand in [upstream.NAME]; a [[route]] leads there"),
    (
        "listener",
        "header",
        "write limits = { header = \"32KiB\" } for the size of a request head, timeouts = { header = \"10s\" } for its time",
    ),
    ("listener", "body", "write limits = { body = \"10MiB\" }"),
    (
        "listener",
        "max_connections",
        "write limits = { connections = 50000 } for one listener; [global] max_connections is for all",
    ),
    ("listener", "keepalive", "write timeouts = { keepalive = \"75s\" }"),
    ("listener", "merge_slashes", "write path = { merge_slashes = true }"),
    ("listener.http", "preserve_header_case", "remove it: the case of header names is always kept"),
    ("listener.tls", "cert", CERTIFICATES),
    ("listener.tls", "key", CERTIFICATES),
    (
        "listener.tls",
        "ca",
        "who may vouch for clients is named in client_auth = { ca = \"clients.pem\", mode = \"require\" }",
    ),
    ("listener.tls", "mode", "write client_auth = { ca = \"clients.pem\", mode = \"require\" }"),
    (
        "listener.tls.client_auth",
        "cert",
        "write ca = \"clients.pem\", the authorities that vouch for clients",
    ),
    ("listener.limits", "max_connections", "write connections = 50000"),
    ("route", "path", "write match = { path = \"/exact\" }"),
    ("route", "path_prefix", "write match = { path_prefix = \"/api\" }"),
    ("route", "path_regex", "write match = { path_regex = \"/item/[0-9]+\" }"),
    ("route", "methods", "write match = { methods = [\"GET\"] }"),
    ("route", "method", "write match = { methods = [\"GET\"] }"),
    (
        "route",
        "headers",
        "to match headers: match = { headers = { x-version = \"v2\" } }; to change them: a [filter.NAME]",
    ),
    ("route", "query", "write match = { query = { beta = \"1\" } }"),
    ("route", "cookies", "write match = { cookies = { user_type = \"beta\" } }"),
    ("route", "client_ip", "write match = { client_ip = [\"10.0.0.0/8\"] }"),
    ("route", "strip_prefix", "write rewrite = { strip_prefix = \"/api\" }"),
    ("route", "add_prefix", "write rewrite = { add_prefix = \"/v1\" }"),
    ("route", "status", "write respond = { status = 200, body = \"ok\" }"),
    (
        "route",
        "body",
        "to answer with it: respond = { body = \"ok\" }; to bound it: limits = { body = \"10MiB\" }",
    ),
    ("route", "weight", "weights stand in split = [{ upstream = \"NAME\", weight = 5 }, …]"),
    (
        "route",
        "set",
        "headers are changed by a [filter.NAME] with headers = { request = { set = { … } } }",
    ),
    ("route", "host", "write hosts = [\"shop.example\"]"),
    (
        "route",
        "backends",
        "backends stand in [upstream.NAME]; a route names it: upstream = \"NAME\"",
    ),
    ("route", "to", "write upstream = \"NAME\" and define [upstream.NAME]"),
    ("route.match", "prefix", "write path_prefix = \"/api\""),
    ("route.match", "query_params", "write query = { beta = \"1\" }"),
    ("route.match", "regex", "write path_regex = \"/item/[0-9]+\""),
    ("route.match", "not", "`not` stands around a value: methods = { not = [\"GET\"] }"),
    ("route.match.headers.NAME", "exact", "write the text itself: x-version = \"v2\""),
    ("route.match.headers.NAME", "prefix", "write { regex = \"v2.*\" }"),
    ("route.match.headers.NAME", "suffix", "write { regex = \".*v2\" }"),
    ("route.match.headers.NAME", "contains", "write { regex = \".*v2.*\" }"),
    ("route.match.headers.NAME", "absent", "write { present = false }"),
    ("route.match.headers.NAME", "invert", "write { not = \"v2\" }"),
    (
        "route.rewrite",
        "prefix",
        "write strip_prefix = \"/api\", and add_prefix = \"/v1\" for what stands in its place",
    ),
    (
        "route.rewrite",
        "path",
        "write regex = { from = \"^/a/([0-9]+)$\", to = \"/b/$1\" }, or strip_prefix and add_prefix",
    ),
    ("route.rewrite.regex", "pattern", "write from = \"^/a/([0-9]+)$\""),
    ("route.rewrite.regex", "substitution", "write to = \"/b/$1\""),
    ("route.rewrite.regex", "replacement", "write to = \"/b/$1\""),
    ("route.redirect", "location", "write to = \"https://{host}{path_and_query}\""),
    ("route.redirect", "url", "write to = \"https://{host}{path_and_query}\""),
    ("route.redirect", "code", "write status = 308"),
    ("route.respond", "code", "write status = 200"),
    ("route.respond", "file", "write body = { file = \"x.html\" }"),
    ("route.respond", "content_type", "write headers = { content-type = \"text/html\" }"),
    ("route.split", "name", "write upstream = \"NAME\""),
    ("route.split", "percent", "write weight = 5: shares are those of the sum of weights"),
    ("route.split", "cluster", "write upstream = \"NAME\""),
    ("route.mirror", "cluster", "write upstream = \"NAME\""),
    ("route.mirror", "weight", "write percent = 1.0"),
    ("route.mirror", "share", "write percent = 1.0"),
    ("filter.NAME", "request", "write headers = { request = { set = { … } } }"),
    ("filter.NAME", "response", "write headers = { response = { set = { … } } }"),
    (
        "filter.NAME.headers",
        "set",
        "say on which side: request = { set = { … } }, or response = { set = { … } }",
    ),
    (
        "filter.NAME.headers",
        "add",
        "say on which side: request = { add = { … } }, or response = { add = { … } }",
    ),
    (
        "filter.NAME.headers",
        "remove",
        "say on which side: request = { remove = [ … ] }, or response = { remove = [ … ] }",
    ),
    ("filter.NAME.headers.request", "append", "write add = { x-env = \"prod\" }"),
    ("filter.NAME.headers.response", "append", "write add = { x-env = \"prod\" }"),
    ("test", "name", "a test has no name; problems show its line"),
    ("test", "url", "write request = \"GET https://shop.example/\""),
    ("test", "route", "write expect = { route = \"NAME\" }"),
    ("test", "upstream", "write expect = { upstream = \"NAME\" }"),
    ("test", "status", "write expect = { status = 308 }"),
    ("test.expect", "redirect", "write status = 308"),
    ("route.match", "host", "write hosts = [\"shop.example\"] on the route itself, not in `match`"),
    ("upstream.NAME", "address", "write backends = [\"10.0.0.11:8080\"]"),
    ("upstream.NAME", "idle", "write pool = { idle = \"50s\" }"),
    ("upstream.NAME", "max_idle", "write pool = { max_idle = 128 }"),
    ("upstream.NAME", "connect", "write timeouts = { connect = \"3s\" }"),
    ("upstream.NAME", "first_byte", "write timeouts = { first_byte = \"60s\" }"),
    ("upstream.NAME.backends", "url", "write address = \"http://10.0.0.11:8080\""),
    ("upstream.NAME.backends", "host", "write address = \"10.0.0.11:8080\""),
    ("upstream.NAME.backends", "port", "the port is part of `address`: \"10.0.0.11:8080\""),
    (
        "upstream.NAME.timeouts",
        "header",
        "`header` is a listener's: it waits for a client's request head",
    ),
    (
        "upstream.NAME.timeouts",
        "body_idle",
        "`body_idle` is a listener's: it waits for a client's request body",
    ),
    (
        "upstream.NAME.timeouts",
        "keepalive",
        "`keepalive` is a listener's; idle connections to backends are pool = { idle = \"50s\" }",
    ),
    (
        "upstream.NAME.timeouts",
        "tls_handshake",
        "`tls_handshake` is a listener's; `connect` covers backends",
    ),
    (
        "route.timeouts",
        "header",
        "`header` is a listener's: the route is not known before the request head is there",
    ),
    (
        "route.timeouts",
        "body_idle",
        "`body_idle` is a listener's: it waits for a client's request body",
    ),
    (
        "route.timeouts",
        "keepalive",
        "`keepalive` is a listener's: it waits for a client's next request",
    ),
    ("route.limits", "header", "`header` is a listener's: limits = { header = \"32KiB\" } there"),
    ("route.limits", "headers", "`headers` is a listener's: limits = { headers = 100 } there"),
    ("route.limits", "uri", "`uri` is a listener's: limits = { uri = \"16KiB\" } there"),
];
