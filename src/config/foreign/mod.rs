//! What other proxies call things: who comes from nginx, HAProxy, Envoy,
//! Traefik or Caddy is told our name for it.

mod resilience;

use super::tree::Value;

/// Help for a key that is not ours, in any table; `None` if nobody we know uses it.
pub(crate) fn help(key: &str) -> Option<&'static str> {
    let key = key.to_ascii_lowercase().replace('-', "_");
    let mut all = FOREIGN.iter().chain(resilience::FOREIGN);
    let foreign = all.find(|(names, _)| names.contains(&key.as_str()));
    foreign.map(|(_, help)| *help)
}

/// Help for `option = "redispatch"` and the like, where HAProxy's word behind `option` says what is meant.
pub(crate) fn option(key: &str, value: &Value) -> Option<&'static str> {
    match value {
        Value::String { text, .. } if key == "option" => help(&format!("option_{text}")),
        _ => None,
    }
}

/// Help for another proxy's name of a balancing strategy.
pub(crate) fn strategy(name: &str) -> Option<&'static str> {
    let name = name.to_ascii_lowercase().replace(['-', ' '], "_");
    Some(match name.as_str() {
        "roundrobin" | "rr" | "wrr" | "static_rr" | "weighted_round_robin" => "round_robin",
        "leastconn" | "least_request" | "least_connections" | "leastconnections" => "least_conn",
        "random_choose" | "random(2)" | "power_of_two_choices" => "p2c",
        "ewma" | "least_time" => "peak_ewma",
        "source" | "client_ip" | "iphash" | "ip_hash_policy" => "ip_hash",
        "consistent" | "hash" | "uri" | "uri_hash" | "header" | "cookie" | "ringhash" => {
            "ring_hash"
        }
        _ => return None,
    })
}

/// Names of other proxies, in lower case with `_` for `-`.
const FOREIGN: &[(&[&str], &str)] = &[
    // nginx
    (
        &["proxy_pass", "fastcgi_pass", "grpc_pass"],
        "here: upstream = \"NAME\" on a [[route]], and [upstream.NAME] with its backends",
    ),
    (&["location", "locations"], "here: a [[route]] with match = { path_prefix = \"/…\" }"),
    (
        &["server_name", "server_names", "host_names"],
        "here: hosts = [\"shop.example\"] on a [[route]]",
    ),
    (&["listen", "listens"], "here: bind = \"0.0.0.0:8080\" in a [[listener]]"),
    (
        &["keepalive_timeout", "timeout_http_keep_alive", "keep_alive_timeout", "idle_timeout"],
        "here: timeouts = { keepalive = \"75s\" } on the listener, or [defaults.timeouts]",
    ),
    (
        &["keepalive_requests"],
        "clients may send any number of requests on a connection; for backends: pool = { max_requests = 1000 }",
    ),
    (
        &["client_max_body_size", "max_request_body_size", "max_body_size"],
        "here: limits = { body = \"10MiB\" } on the listener",
    ),
    (
        &[
            "client_header_timeout",
            "timeout_http_request",
            "read_header_timeout",
            "request_headers_timeout",
        ],
        "here: timeouts = { header = \"10s\" } on the listener, or [defaults.timeouts]",
    ),
    (
        &["client_body_timeout"],
        "here: timeouts = { body_idle = \"30s\" } on the listener, or [defaults.timeouts]",
    ),
    (
        &[
            "large_client_header_buffers",
            "client_header_buffer_size",
            "max_header_bytes",
            "max_request_headers_kb",
        ],
        "here: limits = { header = \"32KiB\", headers = 100, uri = \"16KiB\" } on the listener",
    ),
    (
        &[
            "proxy_read_timeout",
            "timeout_server",
            "response_header_timeout",
            "responseheadertimeout",
        ],
        "here: timeouts = { first_byte = \"60s\", response_idle = \"60s\" } on the upstream",
    ),
    (
        &[
            "proxy_connect_timeout",
            "timeout_connect",
            "connect_timeout",
            "dial_timeout",
            "dialtimeout",
        ],
        "here: timeouts = { connect = \"3s\" } on the upstream, or [defaults.timeouts]",
    ),
    (
        &["proxy_send_timeout", "send_timeout", "timeout_client", "write_timeout"],
        "here: timeouts = { send_idle = \"60s\" }",
    ),
    (&["timeout_tunnel", "stream_idle_timeout"], "here: timeouts = { tunnel_idle = \"1h\" }"),
    (&["timeout_queue"], "here: queue = { timeout = \"5s\" } on the upstream"),
    (
        &["route_timeout", "request_timeout", "timeout"],
        "here: timeouts = { … }: `total` for a whole exchange, `first_byte` for the wait for an answer",
    ),
    (
        &["worker_processes", "nbthread", "nbproc", "concurrency", "threads"],
        "here: workers = 4 in [global]",
    ),
    (
        &["worker_connections", "maxconn", "max_conn", "max_conns"],
        "here: max_connections in [global], limits = { connections = … } on a listener",
    ),
    (&["error_log", "log_level", "loglevel"], "here: level = \"info\" in [log]"),
    (
        &["access_log", "accesslog", "log_format", "httplog"],
        "here: access = { to = \"stdout\", format = \"json\" } in [log]",
    ),
    (
        &[
            "set_real_ip_from",
            "real_ip_header",
            "trustedips",
            "xff_num_trusted_hops",
            "trusted_ips",
        ],
        "here: trusted_proxies = [\"10.0.0.0/8\"] and client_ip_header in [global]",
    ),
    (
        &[
            "proxy_set_header",
            "proxy_hide_header",
            "add_header",
            "more_set_headers",
            "http_request",
            "http_response",
            "set_header",
            "del_header",
            "request_headers_to_add",
            "request_headers_to_remove",
            "response_headers_to_add",
            "response_headers_to_remove",
            "customrequestheaders",
            "customresponseheaders",
            "header_up",
            "header_down",
        ],
        "here: a [filter.NAME] with headers = { request = { set = { … } }, response = { … } }, named in `filters` of the route",
    ),
    (&["least_conn", "leastconn", "ip_hash", "random"], "here: balance = \"NAME\" on the upstream"),
    (
        &["ssl", "ssl_certificate", "crt", "certificate", "certificates"],
        "here: a [listener.tls] table with certificates = [{ cert = \"shop.crt\", key = \"shop.key\" }]",
    ),
    (
        &[
            "rewrite_target",
            "strip_prefix",
            "stripprefix",
            "addprefix",
            "add_prefix",
            "replacepath",
            "replacepathregex",
            "prefix_rewrite",
            "regex_rewrite",
            "path_rewrite",
            "uri_strip_prefix",
        ],
        "here: rewrite = { strip_prefix = \"/api\", add_prefix = \"/v1\" } on the route, or rewrite = { regex = { from = \"…\", to = \"…\" } }",
    ),
    (&["merge_slashes"], "here: path = { merge_slashes = true } on the listener"),
    (
        &["return", "return_code"],
        "here: redirect = \"https://…\" or respond = { status = 200, body = \"ok\" } on a [[route]]",
    ),
    (
        &["allow", "deny", "src", "ip_allow_list", "ipallowlist", "ipwhitelist", "whitelist"],
        "here: match = { client_ip = [\"10.0.0.0/8\"] } on the route; { not = [ … ] } for all others",
    ),
    // HAProxy
    (
        &["frontend", "frontends", "entrypoint", "entrypoints", "listeners"],
        "here: a [[listener]] with bind = \"0.0.0.0:8080\"",
    ),
    (
        &["backend", "cluster", "clusters", "backend_pool", "load_assignment"],
        "here: [upstream.NAME] with backends = [\"10.0.0.11:8080\"]",
    ),
    (
        &["server", "servers", "endpoints", "lb_endpoints", "nodes", "members", "hosts_list"],
        "here: backends = [\"10.0.0.11:8080\"] in [upstream.NAME]; what nginx calls a server is a [[listener]] and its [[route]]s",
    ),
    (
        &["default_backend", "use_backend"],
        "here: upstream = \"NAME\" on a [[route]]; one without `match` takes what no other matches",
    ),
    (
        &["acl", "rule", "rules", "routers", "virtual_hosts", "handle", "matcher"],
        "here: a [[route]] with hosts = […] and match = { … }",
    ),
    (&["option", "mode"], "here: protocol = \"http\" on a [[listener]]"),
    (
        &["stick_table", "cookie_name", "sticky_cookie"],
        "here: sticky = { cookie = \"NAME\" } on the upstream",
    ),
    (
        &[
            "lb_policy",
            "lb_method",
            "load_balancing",
            "load_balancer",
            "loadbalancer",
            "algorithm",
            "strategy",
            "policy",
            "balancer",
        ],
        "here: balance = \"round_robin\" on the upstream",
    ),
    // Envoy, Traefik, Caddy
    (
        &[
            "weighted_clusters",
            "weighted_cluster",
            "weighted",
            "backend_refs",
            "backendrefs",
            "split_clients",
            "traffic_split",
        ],
        "here: split = [{ upstream = \"a\", weight = 95 }, { upstream = \"b\", weight = 5 }] on the route",
    ),
    (
        &["request_mirror_policies", "requestmirror", "mirroring", "shadow"],
        "here: mirror = { upstream = \"NAME\", percent = 1.0 } on the route",
    ),
    (
        &["direct_response", "static_response", "error_page"],
        "here: respond = { status = 200, body = \"ok\" } on a [[route]]",
    ),
    (
        &["redir", "redirectscheme", "redirectregex", "https_redirect", "requestredirect"],
        "here: redirect = { to = \"https://{host}{path_and_query}\", status = 308 } on a [[route]]",
    ),
    (
        &["pathprefix", "path_prefixes", "starts_with"],
        "here: match = { path_prefix = \"/api\" } on the route",
    ),
    (
        &["matchers", "matches", "match_rule"],
        "here: match = { path_prefix = \"/api\", methods = [\"GET\"] } on the route, and `hosts` beside it",
    ),
    (
        &["query_parameters", "queryparams"],
        "here: match = { query = { beta = \"1\" } } on the route",
    ),
    (
        &["hostname", "hostnames", "domains", "sni_hosts"],
        "here: hosts = [\"shop.example\"] on a [[route]]",
    ),
    (&["order", "rank"], "here: priority = 1 on the route; the higher one wins"),
    (
        &["socket_address", "bind_address", "addr", "binds"],
        "here: bind = \"0.0.0.0:8080\" in a [[listener]]",
    ),
    (&["route_config", "routes"], "here: [[route]] tables"),
    (
        &["static_resources", "dynamic_resources", "http", "services", "providers"],
        "here: [[listener]], [[route]] and [upstream.NAME] stand at the top level",
    ),
    (
        &["reverse_proxy"],
        "here: a [[route]] with upstream = \"NAME\", and [upstream.NAME] with its backends",
    ),
    (
        &["passhostheader", "pass_host_header", "host_rewrite", "host_rewrite_literal"],
        "here: host = \"preserve\", \"backend\" or a literal on the upstream",
    ),
    (
        &["grace_period", "drain_timeout", "hard_stop_after", "drain_time_s", "gracetimeout"],
        "here: shutdown_grace = \"30s\" in [global]",
    ),
    (
        &[
            "keepalive",
            "max_idle_conns",
            "pool_max_conn",
            "maxidleconnsperhost",
            "keepalive_idle_conns",
        ],
        "here: pool = { max_idle = 128 } on the upstream",
    ),
    (
        &["middlewares", "filter_chains", "http_filters"],
        "here: filters = [\"NAME\"] on the route, and [filter.NAME]",
    ),
];
