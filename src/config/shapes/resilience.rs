//! The tables of resilience: `retry`, `budget`, `health`, `passive`, `breaker`, each under `[defaults]` and where it is
//! written over that.

use super::Shape;

const RETRY: &[&str] =
    &["attempts", "on", "methods", "per_try", "backoff", "body_buffer", "idempotency_header"];
const RETRY_EXAMPLE: &str = "retry = { attempts = 2 }";
const BACKOFF: &[&str] = &["base", "max"];
const BACKOFF_EXAMPLE: &str = "backoff = { base = \"25ms\", max = \"250ms\" }";

pub(crate) static DEFAULTS_RETRY: Shape =
    Shape { name: "defaults.retry", example: "[defaults.retry]", keys: RETRY };
pub(crate) static UPSTREAM_RETRY: Shape =
    Shape { name: "upstream.NAME.retry", example: RETRY_EXAMPLE, keys: RETRY };
pub(crate) static ROUTE_RETRY: Shape =
    Shape { name: "route.retry", example: RETRY_EXAMPLE, keys: RETRY };

pub(crate) static DEFAULTS_RETRY_BACKOFF: Shape =
    Shape { name: "defaults.retry.backoff", example: BACKOFF_EXAMPLE, keys: BACKOFF };
pub(crate) static UPSTREAM_RETRY_BACKOFF: Shape =
    Shape { name: "upstream.NAME.retry.backoff", example: BACKOFF_EXAMPLE, keys: BACKOFF };
pub(crate) static ROUTE_RETRY_BACKOFF: Shape =
    Shape { name: "route.retry.backoff", example: BACKOFF_EXAMPLE, keys: BACKOFF };

const BUDGET: &[&str] = &["ratio", "min_per_second"];

pub(crate) static DEFAULTS_BUDGET: Shape =
    Shape { name: "defaults.budget", example: "[defaults.budget]", keys: BUDGET };
pub(crate) static UPSTREAM_BUDGET: Shape =
    Shape { name: "upstream.NAME.budget", example: "budget = { ratio = 0.2 }", keys: BUDGET };

const HEALTH: &[&str] = &[
    "kind", "path", "method", "expect", "service", "host", "port", "interval", "timeout", "rise",
    "fall",
];
const EXPECT: &[&str] = &["status", "body_contains"];
const EXPECT_EXAMPLE: &str = "expect = { status = \"200-399\" }";

pub(crate) static DEFAULTS_HEALTH: Shape =
    Shape { name: "defaults.health", example: "[defaults.health]", keys: HEALTH };
pub(crate) static UPSTREAM_HEALTH: Shape = Shape {
    name: "upstream.NAME.health",
    example: "health = { path = \"/healthz\" }",
    keys: HEALTH,
};
pub(crate) static DEFAULTS_HEALTH_EXPECT: Shape =
    Shape { name: "defaults.health.expect", example: EXPECT_EXAMPLE, keys: EXPECT };
pub(crate) static UPSTREAM_HEALTH_EXPECT: Shape =
    Shape { name: "upstream.NAME.health.expect", example: EXPECT_EXAMPLE, keys: EXPECT };

const PASSIVE: &[&str] =
    &["failures", "error_ratio", "min_requests", "window", "count", "latency_factor", "stall"];

pub(crate) static DEFAULTS_PASSIVE: Shape =
    Shape { name: "defaults.passive", example: "[defaults.passive]", keys: PASSIVE };
pub(crate) static UPSTREAM_PASSIVE: Shape =
    Shape { name: "upstream.NAME.passive", example: "passive = { failures = 5 }", keys: PASSIVE };

const BREAKER: &[&str] = &["open", "max_open", "probes", "max_ejected", "fail_open"];

pub(crate) static DEFAULTS_BREAKER: Shape =
    Shape { name: "defaults.breaker", example: "[defaults.breaker]", keys: BREAKER };
pub(crate) static UPSTREAM_BREAKER: Shape =
    Shape { name: "upstream.NAME.breaker", example: "breaker = { open = \"5s\" }", keys: BREAKER };
