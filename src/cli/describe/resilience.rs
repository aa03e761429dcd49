//! `retry`, `budget`, `health`, `passive` and `breaker` in a few words.

use std::time::Duration;

use super::{Facets, timeout};
use crate::config::{
    Breaker, Budget, Events, Health, Passive, Retry, RetryOverrides, Signal, Statuses, Upstream,
    probe_options,
};

/// Tables with what holds in them; one that is off has no keys.
pub(in crate::cli) fn tables(upstream: &Upstream, retry: &Retry) -> [(&'static str, Facets); 5] {
    let or_off = |facets: Option<Facets>| facets.unwrap_or_default();
    [
        ("retry", self::retry(retry)),
        ("budget", budget(upstream.budget)),
        ("health", or_off(upstream.health.as_ref().map(health))),
        ("passive", or_off(upstream.passive.as_ref().map(passive))),
        ("breaker", or_off(upstream.breaker.as_ref().map(breaker))),
    ]
}

/// `upstream`'s part in what it is said to be, each key with the table before it.
pub(super) fn upstream(upstream: &Upstream) -> Vec<(String, String)> {
    let mut all = Vec::new();
    for (table, facets) in tables(upstream, &upstream.retry) {
        if table != "retry" && table != "budget" {
            all.push((table.to_owned(), if facets.is_empty() { "off" } else { "on" }.to_owned()));
        }
        let named = facets.into_iter().map(|(key, value)| (format!("{table}.{key}"), value));
        all.extend(named);
    }
    all
}

/// What a route writes over its upstream's.
pub(super) fn overrides(written: &RetryOverrides) -> Vec<(String, String)> {
    let all = retry(&Retry::default().overridden_by(written));
    let is_written = |key: &str| match key {
        "attempts" => written.attempts.is_some(),
        "on" => written.on.is_some(),
        "methods" => written.methods.is_some(),
        "per_try" => written.per_try.is_some(),
        "backoff.base" => written.backoff_base.is_some(),
        "backoff.max" => written.backoff_max.is_some(),
        "body_buffer" => written.body_buffer.is_some(),
        _ => written.idempotency_header.is_some(),
    };
    let all = all.into_iter().filter(|(key, _)| is_written(key));
    all.map(|(key, value)| (format!("retry.{key}"), value)).collect()
}

fn retry(retry: &Retry) -> Facets {
    vec![
        ("attempts", retry.attempts.to_string()),
        ("on", events(&retry.on, RETRY_WORDS)),
        ("methods", retry.methods.join(", ")),
        ("per_try", timeout(retry.per_try)),
        ("backoff.base", time(retry.backoff.base)),
        ("backoff.max", time(retry.backoff.max)),
        ("body_buffer", size(retry.body_buffer)),
        ("idempotency_header", retry.idempotency_header.clone().unwrap_or_else(|| "off".into())),
    ]
}

fn budget(budget: Budget) -> Facets {
    vec![("ratio", budget.ratio.to_string()), ("min_per_second", budget.min_per_second.to_string())]
}

/// Only what its kind takes.
fn health(health: &Health) -> Facets {
    let takes = |key: &str| {
        let key = key.split('.').next().unwrap_or_default();
        !["path", "method", "expect", "service", "host"].contains(&key)
            || probe_options(health.kind).contains(&key)
    };
    let mut all: Facets = vec![
        ("kind", health.kind.to_owned()),
        ("path", health.path.clone()),
        ("method", health.method.clone()),
        ("expect.status", statuses(&health.expect.status)),
    ];
    if let Some(text) = &health.expect.body_contains {
        all.push(("expect.body_contains", format!("\"{}\"", text.escape_debug())));
    }
    all.extend(health.service.clone().map(|service| ("service", service)));
    all.extend(health.host.clone().map(|host| ("host", host)));
    all.extend(health.port.map(|port| ("port", port.to_string())));
    all.extend([
        ("interval", time(health.interval)),
        ("timeout", time(health.timeout)),
        ("rise", health.rise.to_string()),
        ("fall", health.fall.to_string()),
    ]);
    all.retain(|(key, _)| takes(key));
    all
}

fn passive(passive: &Passive) -> Facets {
    let off = || "off".to_owned();
    vec![
        ("failures", passive.failures.map_or_else(off, |n| n.to_string())),
        ("error_ratio", passive.error_ratio.map_or_else(off, |share| share.to_string())),
        ("min_requests", passive.min_requests.to_string()),
        ("window", time(passive.window)),
        ("count", events(&passive.count, PASSIVE_WORDS)),
        ("latency_factor", passive.latency_factor.map_or_else(off, |times| times.to_string())),
        ("stall", if passive.stall { "auto" } else { "off" }.to_owned()),
    ]
}

fn breaker(breaker: &Breaker) -> Facets {
    vec![
        ("open", time(breaker.open)),
        ("max_open", time(breaker.max_open)),
        ("probes", breaker.probes.to_string()),
        ("max_ejected", breaker.max_ejected.to_string()),
        ("fail_open", breaker.fail_open.to_string()),
    ]
}

fn time(duration: Duration) -> String {
    timeout(Some(duration))
}

/// `64KiB`, or bytes where that is not exact.
fn size(bytes: u64) -> String {
    match bytes {
        0 => "off".into(),
        _ if bytes.is_multiple_of(1 << 20) => format!("{}MiB", bytes >> 20),
        _ if bytes.is_multiple_of(1 << 10) => format!("{}KiB", bytes >> 10),
        _ => format!("{bytes}B"),
    }
}

const RETRY_WORDS: &[(&str, Signal)] = &[
    ("connect", Signal::Connect),
    ("refused_stream", Signal::RefusedStream),
    ("reset_before_response", Signal::Reset),
    ("first_byte_timeout", Signal::Timeout),
    ("stalled", Signal::Stalled),
];

const PASSIVE_WORDS: &[(&str, Signal)] =
    &[("connect", Signal::Connect), ("timeout", Signal::Timeout), ("reset", Signal::Reset)];

fn events(events: &Events, words: &[(&str, Signal)]) -> String {
    let signals = words.iter().filter(|(_, signal)| events.contains(*signal));
    let mut all: Vec<String> = signals.map(|(word, _)| (*word).to_owned()).collect();
    if events.statuses != Statuses::default() {
        all.push(statuses(&events.statuses));
    }
    all.join(", ")
}

/// `200-399, 404`.
fn statuses(statuses: &Statuses) -> String {
    let mut ranges: Vec<(u16, u16)> = Vec::new();
    for status in statuses.iter() {
        match ranges.last_mut() {
            Some((_, last)) if *last + 1 == status => *last = status,
            _ => ranges.push((status, status)),
        }
    }
    let shown = ranges.iter().map(|(first, last)| match first == last {
        true => first.to_string(),
        false => format!("{first}-{last}"),
    });
    shown.collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_built_in_reads_as_it_would_be_written() {
        let shown = |facets: Facets, key: &str| {
            let found = facets.into_iter().find(|(known, _)| *known == key);
            found.map(|(_, value)| value)
        };
        let retry = || retry(&Retry::default());
        assert_eq!(
            shown(retry(), "on").as_deref(),
            Some(
                "connect, refused_stream, reset_before_response, first_byte_timeout, stalled, 502-504"
            )
        );
        assert_eq!(shown(retry(), "body_buffer").as_deref(), Some("64KiB"));
        assert_eq!(shown(retry(), "per_try").as_deref(), Some("off"));
        let passive = passive(&Passive::default());
        assert_eq!(shown(passive, "count").as_deref(), Some("connect, timeout, reset, 502-504"));
        let health = health(&Health::default());
        assert_eq!(shown(health, "expect.status").as_deref(), Some("200-399"));
        assert_eq!(shown(breaker(&Breaker::default()), "max_open").as_deref(), Some("5m"));
    }

    #[test]
    fn a_tcp_check_has_no_path() {
        let keys: Vec<_> = health(&Health { kind: "tcp", port: Some(9000), ..Health::default() });
        let keys: Vec<_> = keys.into_iter().map(|(key, _)| key).collect();
        assert_eq!(keys, ["kind", "port", "interval", "timeout", "rise", "fall"]);
    }

    #[test]
    fn only_what_a_route_writes_is_told_of_it() {
        let written = RetryOverrides {
            attempts: Some(0),
            backoff_max: Some(Duration::from_secs(1)),
            idempotency_header: Some(None),
            ..RetryOverrides::default()
        };
        let told: Vec<String> =
            overrides(&written).into_iter().map(|(key, value)| format!("{key} {value}")).collect();
        assert_eq!(
            told,
            ["retry.attempts 0", "retry.backoff.max 1s", "retry.idempotency_header off"]
        );
    }

    #[test]
    fn statuses_read_as_ranges() {
        assert_eq!(statuses(&Statuses::of([200, 201, 202, 404, 599])), "200-202, 404, 599");
        assert_eq!(statuses(&Statuses::default()), "");
    }
}
