//! Keys of `retry`, `budget`, `health`, `passive` and `breaker` that stand in the wrong one of them or beside them, and
//! what people call them there.

/// Help for a key of `retry`, `budget`, `health`, `passive` or `breaker` in a table around or beside it.
pub(super) fn help(table: &str, key: &str) -> Option<String> {
    let (mine, example) = RESILIENCE.iter().find_map(|(mine, keys)| {
        let (_, example) = keys.iter().find(|(name, _)| *name == key)?;
        Some((*mine, *example))
    })?;
    let (around, last) = table.rsplit_once('.').unwrap_or(("", table));
    let is_beside = RESILIENCE.iter().any(|(beside, _)| *beside == last);
    Some(match (around, last, mine) {
        _ if is_beside => {
            format!("`{key}` stands in `{mine}` beside `{last}`: {mine} = {{ {key} = {example} }}")
        }
        ("", "route", "retry") => format!("write retry = {{ {key} = {example} }}"),
        ("", "route", _) => {
            format!(
                "write {mine} = {{ {key} = {example} }} on the upstream that the route leads to"
            )
        }
        ("", "defaults", _) => format!("write {key} = {example} under [defaults.{mine}]"),
        ("", "", _) => {
            format!("write {mine} = {{ {key} = {example} }} on an upstream, or [defaults.{mine}]")
        }
        ("upstream", "NAME", _) => format!("write {mine} = {{ {key} = {example} }}"),
        ("upstream.NAME", "backends", _) => {
            format!("write {mine} = {{ {key} = {example} }} on the upstream, outside of `backends`")
        }
        _ => return None,
    })
}

/// Keys of the tables of resilience that cannot be mistaken, each with an example.
const RESILIENCE: &[(&str, &[(&str, &str)])] = &[
    (
        "retry",
        &[
            ("attempts", "2"),
            ("per_try", "\"2s\""),
            ("backoff", "{ base = \"25ms\", max = \"250ms\" }"),
            ("body_buffer", "\"64KiB\""),
            ("idempotency_header", "\"idempotency-key\""),
        ],
    ),
    ("budget", &[("ratio", "0.2"), ("min_per_second", "3")]),
    (
        "health",
        &[
            ("interval", "\"5s\""),
            ("rise", "2"),
            ("fall", "3"),
            ("expect", "{ status = \"200-399\" }"),
        ],
    ),
    (
        "passive",
        &[
            ("failures", "5"),
            ("error_ratio", "0.5"),
            ("min_requests", "20"),
            ("window", "\"10s\""),
            ("count", "[\"connect\", \"timeout\", \"reset\", \"503\"]"),
            ("latency_factor", "4.0"),
            ("stall", "\"auto\""),
        ],
    ),
    (
        "breaker",
        &[
            ("open", "\"5s\""),
            ("max_open", "\"5m\""),
            ("probes", "1"),
            ("max_ejected", "0.5"),
            ("fail_open", "true"),
        ],
    ),
];

/// As [`MISPLACED`], for tables that stand in several places: the last part of a shape's name.
pub(super) const BY_LAST: &[(&str, &str, &str)] = &[
    ("retry", "base", "write backoff = { base = \"25ms\" }"),
    (
        "retry",
        "max",
        "further tries are attempts = 2; the longest pause is backoff = { max = \"250ms\" }",
    ),
    ("retry", "timeout", "write per_try = \"2s\""),
    ("retry", "count", "write attempts = 2"),
    ("retry", "tries", "write attempts = 2: those after the first one"),
    ("retry", "statuses", "name them in `on`: on = [\"connect\", \"502-504\"]"),
    ("retry", "conditions", "name them in `on`: on = [\"connect\", \"502-504\"]"),
    (
        "retry",
        "total",
        "write timeouts = { total = \"30s\" } beside `retry`: it bounds all tries together",
    ),
    ("retry", "enabled", "write attempts = 0 to send nothing again"),
    ("budget", "percent", "write ratio = 0.2 for 20 %"),
    ("budget", "max", "write ratio = 0.2: further tries for each first one"),
    ("health", "status", "write expect = { status = \"200-399\" }"),
    ("health", "body", "write expect = { body_contains = \"ok\" }"),
    ("health", "body_contains", "write expect = { body_contains = \"ok\" }"),
    ("health", "uri", "write path = \"/healthz\""),
    ("health", "type", "write kind = \"http\""),
    (
        "health",
        "address",
        "a check goes to each backend's own address; port = 9101 asks there at another port",
    ),
    ("health", "headers", "a check sends no headers of your own but `host`"),
    ("health", "enabled", "the table itself switches it on; health = false switches it off"),
    ("passive", "enabled", "write passive = false to switch it off"),
    ("passive", "statuses", "name them in `count`: count = [\"connect\", \"502-504\"]"),
    ("passive", "on", "write count = [\"connect\", \"502-504\"]"),
    (
        "passive",
        "timeout",
        "what is too slow is timeouts = { first_byte = \"5s\" } beside `passive`; it counts as \"timeout\"",
    ),
    ("breaker", "enabled", "write breaker = false to switch it off"),
    ("breaker", "threshold", "what opens it is passive = { failures = 5, error_ratio = 0.5 }"),
    ("breaker", "timeout", "write open = \"5s\": how long a backend is out at first"),
    ("breaker", "half_open", "write probes = 1: requests that try whether a backend is back"),
    ("expect", "statuses", "write status = \"200-399\""),
    ("expect", "code", "write status = 200"),
    ("expect", "body", "write body_contains = \"ok\""),
    ("expect", "contains", "write body_contains = \"ok\""),
    ("backoff", "initial", "write base = \"25ms\""),
    ("backoff", "min", "write base = \"25ms\""),
    ("backoff", "factor", "it doubles from try to try; base = \"25ms\" is where it begins"),
    ("backoff", "jitter", "it is always random, from nothing to the whole pause"),
];
