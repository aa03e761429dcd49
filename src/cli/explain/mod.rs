//! `forebay explain FILE METHOD URL`: where a request goes and why, without a socket.

use super::describe;
use super::{ExplainArguments, Outcome, complain, load, print};
use crate::admit::status;
use crate::admit::trial::{self, Explanation, Level, Share, Timeout};
use crate::config::{Config, HostPattern, PathPattern, TestRequest};
use crate::proxy::REFUSALS_MAX;
use crate::route::Verdict;
use crate::snapshot::compile_offline;

/// Other routes that are listed for people; JSON has [`OTHERS_MAX`].
const OTHERS_SHOWN_MAX: usize = 15;

mod around;
mod json;
mod tls;

pub(super) fn explain(arguments: &ExplainArguments) -> Outcome {
    let config = match load(&arguments.file) {
        Ok(loaded) => loaded.config,
        Err(outcome) => return outcome,
    };
    let request = TestRequest {
        method: arguments.method.clone(),
        url: arguments.url.clone(),
        headers: arguments.header.clone(),
        from: arguments.from,
        listener: arguments.listener.clone(),
    };
    let explanation =
        compile_offline(&config).map_err(|error| error.to_string()).and_then(|snapshot| {
            trial::explain(&snapshot, &config, &request).map_err(|error| error.to_string())
        });
    match explanation {
        Ok(explanation) if arguments.json => {
            print(&format!("{:#}\n", json::as_json(&config, &explanation)));
            Outcome::Good
        }
        Ok(explanation) => {
            print(&as_text(&config, &request, &explanation));
            Outcome::Good
        }
        Err(error) => {
            complain(&format!("error: {error}\n"));
            Outcome::Failed
        }
    }
}

/// Lines under labels, wide enough for the longest label.
#[derive(Default)]
struct Sheet(String);

impl Sheet {
    fn line(&mut self, label: &str, text: &str) {
        self.0.push_str(&format!("{label:<11}{text}\n"));
    }

    fn lines<'a>(&mut self, title: &str, lines: impl IntoIterator<Item = &'a str>) {
        self.0.push_str(&format!("\n{title}\n"));
        for line in lines {
            self.0.push_str(&format!("  {line}\n"));
        }
    }
}

fn as_text(config: &Config, request: &TestRequest, explained: &Explanation) -> String {
    let outcome = &explained.outcome;
    let mut sheet = Sheet::default();
    let client = outcome.client.map_or_else(|| "unknown".to_owned(), |client| client.to_string());
    sheet.line("request", &format!("{} {} from {client}", request.method, request.url));
    sheet.line("listener", &with_place(config, "listener", &outcome.listener));
    if let Some(handshake) = tls::Handshake::of(config, outcome) {
        sheet.line("tls", &handshake.words());
    }
    if !outcome.path.is_empty() {
        sheet
            .line("matched as", &format!("host {}, path {}", or_none(&outcome.host), outcome.path));
    }
    if let Some(route) = &outcome.route {
        sheet.line("route", &with_place(config, "route", route));
    }
    for name in &outcome.filters {
        let waits =
            if outcome.undecided.contains(name) { " (waits; taken to let it go on)" } else { "" };
        sheet.line("filter", &format!("{}{waits}", with_place(config, "filter", name)));
    }
    if let Some(reason) = outcome.refused {
        let code = status(reason).map_or_else(String::new, |status| format!("{status} "));
        sheet.line("refused", &format!("{code}{reason}"));
    }
    let mistake = mistaken_host(config, explained).or_else(|| mistaken_path(config, explained));
    if let Some(mistake) = mistake {
        sheet.line("hint", &mistake);
    }
    for target in &outcome.targets {
        sheet.line("upstream", &upstream(config, target));
    }
    if let Some(name) = losing_upgrade(config, explained) {
        let hint = format!(
            "{name} speaks HTTP/2 alone: the upgrade is left out, no WebSocket comes of this"
        );
        sheet.line("hint", &hint);
    }
    if let Some(answer) = &outcome.answer {
        let mut lines = vec![format!("{} ({} bytes)", answer.status, answer.body.len())];
        lines.extend(answer.headers.iter().map(|(name, value)| format!("{name}: {value}")));
        sheet.lines("answer", lines.iter().map(String::as_str));
    }
    if let Some(head) = head(config, explained) {
        sheet.lines("the backend gets", head.trim_end().lines());
    }
    if !explained.timeouts.is_empty() && outcome.head.is_some() {
        let lines: Vec<String> = explained.timeouts.iter().map(timeout).collect();
        sheet.lines("timeouts", lines.iter().map(String::as_str));
        resilience(config, explained, &mut sheet);
    }
    others(config, explained, &mut sheet);
    sheet.0
}

/// The head as the first of the targets gets it: without an upgrade where that cannot be asked for one.
fn head(config: &Config, explained: &Explanation) -> Option<String> {
    let head = String::from_utf8_lossy(explained.outcome.head.as_ref()?);
    let first = explained.outcome.targets.first().map(|target| target.upstream.as_str());
    if first.is_none() || losing_upgrade(config, explained) != first {
        return Some(head.into_owned());
    }
    let asks = |line: &&str| line.starts_with("upgrade: ") || line.starts_with("connection: ");
    Some(head.split_inclusive("\r\n").filter(|line| !asks(line)).collect())
}

/// The upstream that cannot be asked for the upgrade that the request asks for.
fn losing_upgrade<'a>(config: &Config, explained: &'a Explanation) -> Option<&'a str> {
    let head = String::from_utf8_lossy(explained.outcome.head.as_ref()?);
    if !head.lines().any(|line| line.starts_with("upgrade: ")) {
        return None;
    }
    let mut targets = explained.outcome.targets.iter().map(|target| target.upstream.as_str());
    targets.find(|name| {
        config.upstreams.get(*name).is_some_and(|upstream| {
            let mut schemes = upstream.backends.iter().map(|backend| backend.scheme);
            schemes.any(|scheme| upstream.protocol.is_http2_alone(scheme))
        })
    })
}

/// The knobs that hold for the first of the targets.
fn knobs(config: &Config, explained: &Explanation) -> Vec<around::Knob> {
    let outcome = &explained.outcome;
    let route = config.routes.iter().find(|route| Some(&route.name) == outcome.route.as_ref());
    match route.zip(outcome.targets.first()) {
        Some((route, target)) => around::knobs(config, route, &target.upstream),
        None => Vec::new(),
    }
}

fn resilience(config: &Config, explained: &Explanation, sheet: &mut Sheet) {
    let Some(target) = explained.outcome.targets.first() else { return };
    let Some(upstream) = config.upstreams.get(&target.upstream) else { return };
    let unprocessed = UNPROCESSED.replace("{}", &REFUSALS_MAX.to_string());
    for (title, mut lines) in around::as_text(&knobs(config, explained), upstream, &target.upstream)
    {
        if title == "retry" {
            lines.push(unprocessed.clone());
        }
        sheet.lines(&title, lines.iter().map(String::as_str));
    }
}

const UNPROCESSED: &str =
    "if no byte was processed: on up to {} backends, whatever the method  (built in)";

fn timeout(timeout: &Timeout) -> String {
    let value = describe::timeout(timeout.value);
    format!("{:<15}{value:<7}{}", timeout.key, source(timeout))
}

fn source(timeout: &Timeout) -> String {
    let level = match timeout.level {
        Level::BuiltIn => "built in",
        Level::Defaults => "[defaults.timeouts]",
        Level::Listener => "listener",
        Level::Upstream => "upstream",
        Level::Route => "route",
    };
    match &timeout.place {
        Some(place) => format!("({level}, {place})"),
        None => format!("({level})"),
    }
}

/// `api (forebay.toml:12)`.
fn with_place(config: &Config, kind: &str, name: &str) -> String {
    match config.places.get(&format!("{kind}.{name}")) {
        Some(place) => format!("{name}  ({place})"),
        None => name.to_owned(),
    }
}

fn or_none(text: &str) -> &str {
    if text.is_empty() { "(none)" } else { text }
}

/// An upstream with its share, strategy and backends.
fn upstream(config: &Config, target: &Share) -> String {
    let share = match target.percent {
        percent if percent >= 100.0 => String::new(),
        percent => format!("{percent:.1} % to "),
    };
    let name = with_place(config, "upstream", &target.upstream);
    let Some(written) = config.upstreams.get(&target.upstream) else { return name };
    let backends: Vec<String> = written.backends.iter().map(describe::backend_address).collect();
    format!("{share}{name}: {} over {}", written.balance, shortened(&backends, ", "))
}

/// At most eight of them.
fn shortened(items: &[String], separator: &str) -> String {
    const SHOWN_MAX: usize = 8;
    let shown = items[..items.len().min(SHOWN_MAX)].join(separator);
    match items.len() - items.len().min(SHOWN_MAX) {
        0 => shown,
        n => format!("{shown}{separator}… and {n} more"),
    }
}

/// A known host that is close to one that no route has.
fn mistaken_host(config: &Config, explained: &Explanation) -> Option<String> {
    let outcome = &explained.outcome;
    let only_hosts_differ =
        explained.verdicts.iter().all(|(_, verdict)| *verdict == Verdict::HostDiffers);
    if outcome.route.is_some() || outcome.host.is_empty() || !only_hosts_differ {
        return None;
    }
    let known = config.routes.iter().flat_map(|route| &route.hosts).map(|host| match host {
        HostPattern::Exact(name) => name.as_str(),
        HostPattern::Wildcard(suffix) => suffix.as_str(),
    });
    let distance = |name: &str| strsim::damerau_levenshtein(name, &outcome.host);
    let closest = known.min_by_key(|name| distance(name))?;
    (distance(closest) <= 2)
        .then(|| format!("no route has the host `{}`; there is one for `{closest}`", outcome.host))
}

/// The path of a route whose host matches that is close to one that no route has.
fn mistaken_path(config: &Config, explained: &Explanation) -> Option<String> {
    let asked = &explained.outcome.path;
    if explained.outcome.route.is_some() || asked.len() > COMPARED_BYTES_MAX {
        return None;
    }
    let others = explained.verdicts.iter().filter(|(_, verdict)| *verdict == Verdict::PathDiffers);
    let near = others.filter_map(|(route, _)| {
        let route = &config.routes[*route];
        let (path, asked) = match &route.path {
            PathPattern::Exact(path) => (path, asked.as_str()),
            PathPattern::Prefix(path) => (path, first_segments(asked, path.matches('/').count())),
            PathPattern::Any | PathPattern::Regex(_) => return None,
        };
        if path.len().abs_diff(asked.len()) > 2 {
            return None;
        }
        let distance = strsim::damerau_levenshtein(&path.to_lowercase(), &asked.to_lowercase());
        (distance <= 2 && distance + 1 < path.len()).then_some((distance, path, &route.name))
    });
    let (_, path, name) = near.min_by_key(|(distance, ..)| *distance)?;
    Some(format!("no route has the path `{asked}`; the one of `{name}` is `{path}`"))
}

/// Longer paths are not compared with those of routes.
const COMPARED_BYTES_MAX: usize = 256;

/// `path` up to where its first `n` segments end.
fn first_segments(path: &str, n: usize) -> &str {
    path.match_indices('/').nth(n).map_or(path, |(end, _)| &path[..end])
}

/// Why each other route is not taken, in one line.
fn reason(config: &Config, route: usize, verdict: &Verdict) -> String {
    let route = &config.routes[route];
    match verdict {
        Verdict::Wins => "taken".into(),
        Verdict::Outranked { by } => format!("matches too, outranked by {by}"),
        Verdict::Condition(what) => what.clone(),
        Verdict::PathDiffers => format!("another path: {}", describe::path(&route.path)),
        Verdict::HostDiffers => {
            let hosts = describe::hosts(&route.hosts);
            let hosts: Vec<String> = hosts.split(", ").map(str::to_owned).collect();
            format!("another host: {}", shortened(&hosts, ", "))
        }
    }
}

fn others(config: &Config, explained: &Explanation, sheet: &mut Sheet) {
    let mut lines = Vec::new();
    let losers = explained.verdicts.iter().filter(|(_, verdict)| *verdict != Verdict::Wins);
    for (route, verdict) in losers.clone().take(OTHERS_SHOWN_MAX) {
        lines.push([config.routes[*route].name.clone(), reason(config, *route, verdict)]);
    }
    for route in explained.elsewhere.iter().take(OTHERS_SHOWN_MAX.saturating_sub(lines.len())) {
        let route = &config.routes[*route];
        let listeners = route.listeners.join(", ");
        lines.push([route.name.clone(), format!("for other listeners: {listeners}")]);
    }
    if lines.is_empty() {
        return;
    }
    let width = lines.iter().map(|[name, _]| name.chars().count()).max().unwrap_or_default();
    let place = |name: &str| match config.places.get(&format!("route.{name}")) {
        Some(place) => format!("  ({place})"),
        None => String::new(),
    };
    let mut shown: Vec<String> = lines
        .iter()
        .map(|[name, reason]| format!("{name:<width$}  {reason}{}", place(name)))
        .collect();
    let more = losers.count() + explained.elsewhere.len() - lines.len();
    if more > 0 {
        shown.push(format!("… and {more} more"));
    }
    sheet.lines("other routes", shown.iter().map(String::as_str));
}
