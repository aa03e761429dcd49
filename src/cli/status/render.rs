//! A daemon's state for people: a few lines, and a table for each upstream.

use std::fmt::Write as _;

use super::super::ask::printable;
use super::super::check::count;
use super::certificates;
use crate::config::Colour;
use crate::control::{BackendStatus, CheckStatus, Status, UpstreamStatus};

/// What is shown of a check's result.
const RESULT_CHARS_MAX: usize = 60;

/// The whole of it.
pub(super) fn status(status: &Status, colour: Colour) -> String {
    let mut text = format!(
        "forebay {}, pid {}, up {}, generation {}, {}, {}\n",
        printable(&status.version),
        status.pid,
        duration(status.uptime_seconds),
        status.generation,
        count(status.workers, "worker"),
        count(status.connections, "connection"),
    );
    let mut before = None;
    for listener in &status.listeners {
        let written = match listener.bind == listener.bound {
            true => String::new(),
            false => format!(" ({})", printable(&listener.bind)),
        };
        let (name, bound) = (printable(&listener.name), printable(&listener.bound));
        let _ = writeln!(text, "listener {name} on {bound}{written}");
        // All addresses of one listener show the same, and stand together.
        if let Some(tls) = listener.tls.as_ref().filter(|_| before != Some(&listener.name)) {
            certificates::tls(tls, colour, &mut text);
        }
        before = Some(&listener.name);
    }
    for one in &status.upstreams {
        upstream(one, colour, &mut text);
    }
    text
}

fn upstream(upstream: &UpstreamStatus, colour: Colour, text: &mut String) {
    let n_up = upstream.backends.iter().filter(|backend| backend.state == "up").count();
    let n = upstream.backends.len();
    let up = match n_up == n && n > 0 {
        true => format!("{n} of {n} up"),
        false => painted(&format!("{n_up} of {n} up"), colour, RED),
    };
    let name = painted(&printable(&upstream.name), colour, BOLD);
    let _ = write!(text, "\n{name}  {}, {up}", printable(&upstream.strategy));
    if let Some(max) = upstream.queue.max {
        let _ = write!(text, ", {} of {max} waiting", upstream.queue.waiting);
    }
    if let Some(max) = upstream.pending.max {
        let _ = write!(text, ", {} of {max} pending", upstream.pending.waiting);
    }
    let _ = write!(text, ", budget for {}", retries(upstream.retries_left));
    text.push('\n');
    if let Some(tls) = &upstream.tls {
        certificates::upstream_tls(tls, colour, text);
    }
    if upstream.backends.is_empty() {
        text.push_str("  no backend: none of its names has resolved yet\n");
        return;
    }
    let mut rows = vec![titles(upstream)];
    rows.extend(upstream.backends.iter().map(|backend| cells(upstream, backend)));
    table(&rows, colour, text);
    let serves = match upstream.serves.as_str() {
        "last_resort" => {
            "none is in service: requests go to new ones, or to those that can be connected to"
        }
        "nobody" => "none is in service: requests are answered with 503 no_backend",
        _ => "",
    };
    if !serves.is_empty() {
        let _ = writeln!(text, "  {}", painted(serves, colour, RED));
    }
    if !upstream.changes.is_empty() {
        let changes = upstream.changes.iter().map(|(cause, n)| format!("{} {n}", printable(cause)));
        let changes: Vec<String> = changes.collect();
        let _ = writeln!(text, "  changes of state: {}", changes.join(", "));
    }
}

/// One cell of a table: its text, and how it is painted.
struct Cell(String, &'static str);

fn titles(upstream: &UpstreamStatus) -> Vec<Cell> {
    let mut titles = vec!["backend", "state", "since", "cause", "weight", "in flight", "ejected"];
    titles.extend(upstream.checked.then_some("last check"));
    titles.into_iter().map(|title| Cell(title.to_owned(), DIM)).collect()
}

fn cells(upstream: &UpstreamStatus, backend: &BackendStatus) -> Vec<Cell> {
    let state = match backend.state.as_str() {
        "up" => GREEN,
        "half_open" | "unproven" => YELLOW,
        _ => RED,
    };
    let plain = |text: String| Cell(printable(&text), "");
    let mut cells = vec![
        plain(backend.address.clone()),
        Cell(printable(&backend.state), state),
        plain(duration(backend.since_seconds)),
        plain(backend.cause.clone()),
        plain(weight(backend)),
        plain(match backend.max_connections {
            Some(max) => format!("{} of {max}", backend.in_flight),
            None => backend.in_flight.to_string(),
        }),
        plain(ejected(backend)),
    ];
    if upstream.checked {
        cells.push(plain(backend.check.as_ref().map_or_else(String::new, check)));
    }
    cells
}

/// `1 retry`, `30 retries`.
fn retries(n: u64) -> String {
    if n == 1 { "1 retry".to_owned() } else { format!("{n} retries") }
}

/// `3`, `3 backup`, `3 at 40% (slow start)`, `3 at 10% (Retry-After, 5s left)`, `0 draining`.
fn weight(backend: &BackendStatus) -> String {
    let mut text = backend.weight.to_string();
    if backend.weight == 0 {
        text.push_str(" draining");
    } else if backend.share < 1.0 {
        let _ = write!(text, " at {:.0}%", backend.share * 100.0);
        let starts = backend.starts_slowly.then(|| "slow start".to_owned());
        let rests =
            backend.rest_seconds.map(|left| format!("Retry-After, {} left", duration(left)));
        let why: Vec<String> = starts.into_iter().chain(rests).collect();
        if !why.is_empty() {
            let _ = write!(text, " ({})", why.join("; "));
        }
    }
    if backend.tier == "backup" {
        text.push_str(" backup");
    }
    text
}

/// `3`, `3, tried in 2s`.
fn ejected(backend: &BackendStatus) -> String {
    match backend.retry_seconds {
        Some(retry) => format!("{}, tried in {}", backend.ejections, duration(retry)),
        None => backend.ejections.to_string(),
    }
}

/// `answered 200, 3s ago, next in 2s`.
fn check(check: &CheckStatus) -> String {
    let mut text = match &check.result {
        None => "not yet".to_owned(),
        Some(result) if result.chars().count() > RESULT_CHARS_MAX => {
            result.chars().take(RESULT_CHARS_MAX).chain(['…']).collect()
        }
        Some(result) => result.clone(),
    };
    if let Some(ago) = check.seconds_ago {
        let _ = write!(text, ", {} ago", duration(ago));
    }
    let _ = write!(text, ", next in {}", duration(check.next_seconds));
    text
}

/// Columns as wide as their widest cell, two spaces between.
fn table(rows: &[Vec<Cell>], colour: Colour, text: &mut String) {
    let n_columns = rows.first().map_or(0, Vec::len);
    let width = |column: usize| {
        let cells = rows.iter().filter_map(|row| row.get(column));
        cells.map(|Cell(cell, _)| cell.chars().count()).max().unwrap_or(0)
    };
    let widths: Vec<usize> = (0..n_columns).map(width).collect();
    for row in rows {
        let mut line = String::new();
        for (Cell(cell, paint), width) in row.iter().zip(&widths) {
            let padding = width - cell.chars().count();
            let _ = write!(line, "  {}{:padding$}", painted(cell, colour, paint), "");
        }
        let _ = writeln!(text, "{}", line.trim_end());
    }
}

const BOLD: &str = "1";
const DIM: &str = "2";
pub(super) const RED: &str = "31";
const GREEN: &str = "32";
pub(super) const YELLOW: &str = "33";

pub(super) fn painted(text: &str, colour: Colour, paint: &str) -> String {
    match colour {
        Colour::Always if !paint.is_empty() => format!("\x1b[{paint}m{text}\x1b[0m"),
        _ => text.to_owned(),
    }
}

/// The two largest units: `340ms`, `2s`, `3m20s`, `2h5m`, `1d3h`.
fn duration(seconds: f64) -> String {
    if seconds < 1.0 {
        return format!("{:.0}ms", seconds.max(0.0) * 1000.0);
    }
    let whole = seconds as u64;
    let parts = [
        (whole / 86_400, "d"),
        (whole / 3600 % 24, "h"),
        (whole / 60 % 60, "m"),
        (whole % 60, "s"),
    ];
    let first = parts.iter().position(|(n, _)| *n > 0).unwrap_or(parts.len() - 1);
    let shown = parts.iter().skip(first).take(2).filter(|(n, _)| *n > 0);
    shown.map(|(n, unit)| format!("{n}{unit}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::control::{ListenerStatus, QueueStatus};

    fn backend(address: &str, state: &str, cause: &str) -> BackendStatus {
        BackendStatus {
            address: address.into(),
            weight: 1,
            share: 1.0,
            tier: "primary".into(),
            state: state.into(),
            since_seconds: 75.0,
            cause: cause.into(),
            in_flight: 3,
            ..Default::default()
        }
    }

    fn example() -> Status {
        let check = CheckStatus {
            passed: Some(false),
            result: Some("answered 503, expected 200-399\u{1b}".into()),
            seconds_ago: Some(2.9),
            next_seconds: 0.25,
            ..Default::default()
        };
        let second = BackendStatus {
            weight: 20,
            ejections: 12,
            retry_seconds: Some(2.0),
            share: 0.4,
            starts_slowly: true,
            tier: "backup".into(),
            max_connections: Some(100),
            check: Some(check),
            ..backend("10.0.0.12:80", "down", "checks_failed")
        };
        Status {
            version: "1.2.3".into(),
            pid: 7,
            uptime_seconds: 7_500.0,
            generation: 4,
            workers: 2,
            connections: 1,
            listeners: vec![ListenerStatus {
                name: "main".into(),
                bind: "127.0.0.1:0".into(),
                bound: "127.0.0.1:4711".into(),
                tls: None,
            }],
            upstreams: vec![
                UpstreamStatus {
                    name: "app".into(),
                    strategy: "p2c".into(),
                    checked: true,
                    serves: "usual".into(),
                    changes: [("checks_failed".to_owned(), 2), ("checks_passed".to_owned(), 1)]
                        .into(),
                    queue: QueueStatus { waiting: 2, max: Some(500) },
                    pending: QueueStatus { waiting: 7, max: Some(80) },
                    retries_left: 30,
                    tls: None,
                    backends: vec![backend("10.0.0.1:80", "up", "start"), second],
                },
                UpstreamStatus { name: "none".into(), ..Default::default() },
            ],
            ..Default::default()
        }
    }

    #[test]
    fn the_table_is_aligned_and_says_what_is_wrong() {
        let shown = status(&example(), Colour::Never);
        let wanted = "\
forebay 1.2.3, pid 7, up 2h5m, generation 4, 2 workers, 1 connection
listener main on 127.0.0.1:4711 (127.0.0.1:0)

app  p2c, 1 of 2 up, 2 of 500 waiting, 7 of 80 pending, budget for 30 retries
  backend       state  since  cause          weight                         in flight  ejected          last check
  10.0.0.1:80   up     1m15s  start          1                              3          0
  10.0.0.12:80  down   1m15s  checks_failed  20 at 40% (slow start) backup  3 of 100   12, tried in 2s  answered 503, expected 200-399\\u{1b}, 2s ago, next in 250ms
  changes of state: checks_failed 2, checks_passed 1

none  , 0 of 0 up, budget for 0 retries
  no backend: none of its names has resolved yet
";
        assert_eq!(shown, wanted);
    }

    #[test]
    fn with_nobody_in_service_it_says_what_becomes_of_requests() {
        let shown = |serves: &str| {
            let mut example = example();
            example.upstreams[0].serves = serves.into();
            status(&example, Colour::Never)
        };
        assert!(!shown("usual").contains("in service"));
        assert!(shown("last_resort").contains("\n  none is in service: requests go to new ones, "));
        assert!(shown("nobody").contains("\n  none is in service: requests are answered with 503"));
    }

    #[test]
    fn why_a_share_is_small_is_told() {
        let shown = |starts_slowly, rest_seconds| {
            weight(&BackendStatus {
                share: 0.1,
                starts_slowly,
                rest_seconds,
                ..backend("", "up", "")
            })
        };
        assert_eq!(shown(false, None), "1 at 10%");
        assert_eq!(shown(true, None), "1 at 10% (slow start)");
        assert_eq!(shown(false, Some(5.0)), "1 at 10% (Retry-After, 5s left)");
        assert_eq!(shown(true, Some(65.0)), "1 at 10% (slow start; Retry-After, 1m5s left)");
    }

    #[test]
    fn colours_change_nothing_else() {
        let shown = status(&example(), Colour::Always);
        assert!(shown.contains("\x1b[32mup\x1b[0m") && shown.contains("\x1b[31mdown\x1b[0m"));
        let mut plain = shown;
        for paint in [BOLD, DIM, RED, GREEN, YELLOW, "0"] {
            plain = plain.replace(&format!("\x1b[{paint}m"), "");
        }
        assert_eq!(plain, status(&example(), Colour::Never));
    }

    #[test]
    fn durations_have_their_two_largest_units() {
        for (seconds, shown) in [
            (0.0, "0ms"),
            (0.3404, "340ms"),
            (59.9, "59s"),
            (60.0, "1m"),
            (200.0, "3m20s"),
            (86_400.0, "1d"),
            (97_261.0, "1d3h"),
            (-1.0, "0ms"),
        ] {
            assert_eq!(duration(seconds), shown);
        }
    }
}
