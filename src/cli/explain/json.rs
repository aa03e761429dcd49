//! An explanation for programs.

use serde_json::{Value, json};

use super::{around, head, reason, source, tls};
use crate::admit::status;
use crate::admit::trial::Explanation;
use crate::cli::describe;
use crate::config::Config;
use crate::proxy::REFUSALS_MAX;
use crate::route::Verdict;

/// Other routes in JSON.
const OTHERS_MAX: usize = 1000;

pub(super) fn as_json(config: &Config, explained: &Explanation) -> Value {
    let outcome = &explained.outcome;
    let place = |kind: &str, name: &str| config.places.get(&format!("{kind}.{name}"));
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let others: Vec<Value> = explained
        .verdicts
        .iter()
        .filter(|(_, verdict)| *verdict != Verdict::Wins)
        .take(OTHERS_MAX)
        .map(|(route, verdict)| {
            let name = &config.routes[*route].name;
            let why = reason(config, *route, verdict);
            json!({ "route": name, "verdict": verdict_name(verdict), "why": why, "place": place("route", name) })
        })
        .collect();
    let targets: Vec<Value> = outcome
        .targets
        .iter()
        .map(|target| {
            let written = config.upstreams.get(&target.upstream);
            let backends: Vec<String> = written
                .map(|written| written.backends.iter().map(describe::backend_address).collect())
                .unwrap_or_default();
            json!({
                "upstream": target.upstream,
                "percent": target.percent,
                "balance": written.map(|written| written.balance.strategy),
                "backends": backends,
                "members": written.map(around::members),
                "place": place("upstream", &target.upstream),
            })
        })
        .collect();
    let timeouts: Vec<Value> = explained
        .timeouts
        .iter()
        .map(|timeout| {
            json!({
                "key": timeout.key,
                "value": describe::timeout(timeout.value),
                "from": source(timeout),
                "place": timeout.place,
            })
        })
        .collect();
    let knobs = super::knobs(config, explained);
    json!({
        "listener": { "name": outcome.listener, "place": place("listener", &outcome.listener) },
        "tls": tls::Handshake::of(config, outcome).map(|handshake| handshake.as_json()),
        "client": outcome.client,
        "host": outcome.host,
        "path": outcome.path,
        "route": outcome.route,
        "place": outcome.route.as_ref().and_then(|route| place("route", route)),
        "filters": outcome.filters,
        "undecided_filters": outcome.undecided,
        "refused": outcome.refused.map(|reason| json!({ "status": status(reason), "reason": reason.token() })),
        "targets": targets,
        "head": head(config, explained),
        "answer": outcome.answer.as_ref().map(|answer| json!({
            "status": answer.status, "headers": answer.headers, "body": text(&answer.body),
        })),
        "timeouts": timeouts,
        "knobs": around::as_json(&knobs),
        "retries": { "refusals_max": REFUSALS_MAX },
        "others": others,
        "other_listeners": explained.elsewhere.iter().take(OTHERS_MAX).map(|route| &config.routes[*route].name).collect::<Vec<_>>(),
    })
}

fn verdict_name(verdict: &Verdict) -> &'static str {
    match verdict {
        Verdict::Wins => "wins",
        Verdict::Outranked { .. } => "outranked",
        Verdict::Condition(_) => "condition",
        Verdict::PathDiffers => "path",
        Verdict::HostDiffers => "host",
    }
}
