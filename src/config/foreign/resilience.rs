//! Other proxies' names for retries, checks, ejection and what belongs to it.

/// As the list in `super`.
pub(super) const FOREIGN: &[(&[&str], &str)] = &[
    (
        &[
            "proxy_next_upstream",
            "retry_on",
            "retryon",
            "retry_conditions",
            "lb_retry_match",
            "retriable_status_codes",
        ],
        "here: retry = { on = [\"connect\", \"reset_before_response\", \"502-504\"] } on the route, the upstream or as [defaults.retry]",
    ),
    (
        &[
            "retries",
            "num_retries",
            "max_retries",
            "proxy_next_upstream_tries",
            "lb_retries",
            "retry_count",
            "option_redispatch",
            "redispatch",
            "retry_policy",
            "tries",
        ],
        "here: retry = { attempts = 2 } on the route, the upstream or as [defaults.retry]; further tries go to another backend while there is one",
    ),
    (
        &["per_try_timeout", "pertrytimeout", "try_timeout", "per_try_idle_timeout"],
        "here: retry = { per_try = \"2s\" }",
    ),
    (
        &["proxy_next_upstream_timeout", "lb_try_duration"],
        "here: timeouts = { total = \"30s\" }: it bounds all tries together",
    ),
    (
        &[
            "retry_back_off",
            "retry_backoff",
            "initialinterval",
            "initial_interval",
            "lb_try_interval",
            "base_interval",
            "max_interval",
        ],
        "here: retry = { backoff = { base = \"25ms\", max = \"250ms\" } }",
    ),
    (
        &["retry_budget", "retrybudget", "budget_percent", "min_retry_concurrency", "retry_ratio"],
        "here: budget = { ratio = 0.2, min_per_second = 3 } on the upstream",
    ),
    (
        &["non_idempotent", "retry_non_idempotent", "disable_l7_retry"],
        "here: retry = { methods = [\"GET\", \"POST\"] }, or { idempotency_header = \"idempotency-key\" }",
    ),
    (
        &[
            "check",
            "option_httpchk",
            "httpchk",
            "http_check",
            "health_check",
            "health_checks",
            "healthcheck",
            "healthchecks",
            "http_health_check",
            "active_health_check",
            "liveness",
            "livenessprobe",
            "readinessprobe",
            "probe",
        ],
        "here: health = { path = \"/healthz\" } on the upstream",
    ),
    (
        &["tcp_check", "tcp_health_check", "option_tcp_check"],
        "here: health = { kind = \"tcp\" } on the upstream",
    ),
    (
        &["health_uri", "health_path", "check_path", "httpget"],
        "here: health = { path = \"/healthz\" } on the upstream",
    ),
    (
        &["inter", "health_interval", "check_interval", "interval_ms", "period", "periodseconds"],
        "here: health = { interval = \"5s\" } on the upstream",
    ),
    (
        &[
            "fastinter",
            "downinter",
            "no_traffic_interval",
            "unhealthy_interval",
            "unhealthyinterval",
            "unhealthy_edge_interval",
            "healthy_edge_interval",
        ],
        "here: health = { interval = \"5s\" }; while a state is about to change checks come each second by themselves",
    ),
    (
        &["health_timeout", "timeout_check", "check_timeout", "timeoutseconds"],
        "here: health = { timeout = \"2s\" } on the upstream",
    ),
    (
        &[
            "healthy_threshold",
            "healthythreshold",
            "healthy_threshold_count",
            "passes",
            "health_passes",
            "success_threshold",
            "successthreshold",
            "successes",
        ],
        "here: health = { rise = 2 } on the upstream: passes in a row that bring a backend back",
    ),
    (
        &[
            "unhealthy_threshold",
            "unhealthythreshold",
            "unhealthy_threshold_count",
            "fails",
            "health_fails",
            "failure_threshold",
            "failurethreshold",
        ],
        "here: health = { fall = 3 } on the upstream: failures in a row that take a backend out",
    ),
    (
        &[
            "expected_statuses",
            "expected_status",
            "health_status",
            "expect_status",
            "http_check_expect",
        ],
        "here: health = { expect = { status = \"200-399\" } } on the upstream",
    ),
    (
        &["health_body", "expect_body", "expected_body"],
        "here: health = { expect = { body_contains = \"ok\" } } on the upstream",
    ),
    (&["health_port", "check_port"], "here: health = { port = 9101 } on the upstream"),
    (&["health_host", "check_host"], "here: health = { host = \"app.internal\" } on the upstream"),
    (
        &[
            "max_fails",
            "consecutive_5xx",
            "consecutive5xxerrors",
            "consecutive_gateway_failure",
            "consecutive_gateway_errors",
            "consecutive_errors",
            "consecutive_failures",
            "error_limit",
            "observe",
            "max_failures",
        ],
        "here: passive = { failures = 5 } on the upstream",
    ),
    (
        &["outlier_detection", "outlierdetection", "passive_health_check", "passivehealthcheck"],
        "here: passive = { failures = 5 } for what is noticed and breaker = { open = \"5s\" } for what follows, on the upstream",
    ),
    (
        &[
            "failure_percentage_threshold",
            "error_rate",
            "error_threshold",
            "error_percentage",
            "success_rate_stdev_factor",
            "networkerrorratio",
            "responsecoderatio",
        ],
        "here: passive = { error_ratio = 0.5 } on the upstream: a share of the answers in the window",
    ),
    (
        &[
            "request_volume_threshold",
            "failure_percentage_request_volume",
            "success_rate_request_volume",
            "min_request_amount",
            "minimum_requests",
        ],
        "here: passive = { min_requests = 20 } on the upstream",
    ),
    (
        &["fail_duration", "checkperiod", "check_period", "rolling_window", "sleep_window"],
        "here: passive = { window = \"10s\" } for how far back is looked, breaker = { open = \"5s\" } for how long a backend is out",
    ),
    (
        &["unhealthy_status", "unhealthy_statuses", "failure_statuses"],
        "here: passive = { count = [\"connect\", \"timeout\", \"reset\", \"502-504\"] } on the upstream",
    ),
    (
        &["unhealthy_latency", "max_latency", "latencyatquantilems"],
        "here: passive = { latency_factor = 4.0 } on the upstream: times the median of its peers",
    ),
    (
        &[
            "fail_timeout",
            "base_ejection_time",
            "baseejectiontime",
            "fallbackduration",
            "fallback_duration",
            "recoveryduration",
            "recovery_duration",
            "ejection_time",
            "cooldown",
            "open_duration",
            "break_duration",
        ],
        "here: breaker = { open = \"5s\" } on the upstream",
    ),
    (
        &["max_ejection_time", "maxejectiontime"],
        "here: breaker = { max_open = \"5m\" } on the upstream",
    ),
    (
        &["max_ejection_percent", "maxejectionpercent", "max_ejected_percent"],
        "here: breaker = { max_ejected = 0.5 } on the upstream: a share, 0.5 for 50 %",
    ),
    (
        &["panic_threshold", "healthy_panic_threshold", "min_health_percent", "minhealthpercent"],
        "here: breaker = { fail_open = true } on the upstream: used when no backend is eligible",
    ),
    (
        &["circuit_breaker", "circuit_breakers", "circuitbreaker", "circuitbreakers"],
        "here: breaker = { open = \"5s\" } on the upstream; max_pending = 500 beside it bounds what waits",
    ),
    (
        &["half_open_requests", "permitted_half_open", "halfopenrequests"],
        "here: breaker = { probes = 1 } on the upstream",
    ),
    (
        &["slowstart", "slow_start_window", "slow_start_config", "slow_start_duration", "warmup"],
        "here: slow_start = \"30s\" on a backend: { address = \"10.0.0.11:8080\", slow_start = \"30s\" }",
    ),
    (
        &[
            "max_pending_requests",
            "http1maxpendingrequests",
            "maxqueue",
            "maxpendingrequests",
            "unhealthy_request_count",
        ],
        "here: max_pending = 500 on the upstream for what waits for a response; queue = { max = 500 } for what waits for a place",
    ),
    (
        &["stats_socket", "stats", "admin_socket", "control_socket"],
        "here: socket = \"/run/forebay/admin.sock\" in [admin]",
    ),
];
