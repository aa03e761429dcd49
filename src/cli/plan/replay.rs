//! An access log run through two configurations: which requests would go elsewhere. Pure but for reading lines.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::io::{self, BufRead};

use serde::{Deserialize, Serialize};

use crate::config::Config;

/// Different moves that are kept apart; what is beyond is counted together.
const MOVES_MAX: usize = 10_000;

/// Bytes of a line; longer ones are skipped as unreadable.
const LINE_BYTES_MAX: usize = 1 << 20;

/// Characters of an example that is shown.
const EXAMPLE_CHARACTERS_MAX: usize = 100;

/// A line of a JSON access log, as far as it says what was asked.
#[derive(Debug, Deserialize)]
pub(super) struct Line<'a> {
    #[serde(borrow)]
    pub(super) method: Option<Cow<'a, str>>,
    #[serde(borrow)]
    pub(super) host: Option<Cow<'a, str>>,
    #[serde(borrow)]
    pub(super) path: Option<Cow<'a, str>>,
    #[serde(borrow)]
    pub(super) client: Option<Cow<'a, str>>,
    #[serde(borrow)]
    pub(super) listener: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    pub(super) headers: BTreeMap<Cow<'a, str>, Cow<'a, str>>,
}

/// What a header's value looks like where the log withheld it.
pub(super) const REDACTED: &str = "(redacted)";

/// Where a request goes: a route's name, or why none.
pub(super) type Goes = String;

/// Where a request goes, or why that cannot be told: it is none, or there is no listener for it.
pub(super) type Tried = Result<Goes, String>;

/// What a log came to.
#[derive(Debug, Default, Serialize)]
pub(super) struct Replay {
    /// Requests that were run through both.
    pub(super) requests: u64,
    /// Requests that could be tried on neither: nothing is said about them.
    pub(super) untried: u64,
    /// Why the first of them could not.
    pub(super) first_untried: Option<String>,
    /// Of them, those that go elsewhere.
    pub(super) moved: u64,
    /// Of those, the ones that become 404.
    pub(super) lost: u64,
    /// Lines that say no request: broken ones, and requests that could not be read when they came.
    pub(super) skipped: u64,
    /// Why the first broken line could not be read.
    pub(super) first_skipped: Option<String>,
    /// The moves, the most frequent first.
    pub(super) moves: Vec<Move>,
    /// What routes look at and the log does not tell: judged as absent.
    pub(super) unrecorded: Vec<String>,
}

/// Requests that went one way and go another.
#[derive(Debug, Serialize)]
pub(super) struct Move {
    pub(super) old: Goes,
    pub(super) new: Goes,
    pub(super) requests: u64,
    /// The first of them.
    pub(super) example: String,
}

/// Runs every line of `log` through `old` and `new`, which say where a request goes.
///
/// # Errors
/// The log cannot be read.
pub(super) fn replay(
    mut log: impl BufRead,
    mut old: impl FnMut(&Line<'_>) -> Tried,
    mut new: impl FnMut(&Line<'_>) -> Tried,
) -> io::Result<Replay> {
    let mut replay = Replay::default();
    let mut moves: BTreeMap<(Goes, Goes), (u64, String)> = BTreeMap::new();
    let mut text = Vec::new();
    for number in 1.. {
        if !read_line(&mut log, &mut text)? {
            break;
        }
        if text.len() > LINE_BYTES_MAX {
            replay.skip(number, &format!("longer than {LINE_BYTES_MAX} bytes"));
            continue;
        }
        let line: Line<'_> = match serde_json::from_slice(&text) {
            Ok(line) => line,
            Err(_) if text.trim_ascii().is_empty() => continue,
            Err(error) => {
                replay.skip(number, &error);
                continue;
            }
        };
        if line.method.is_none() || line.path.is_none() {
            replay.skipped += 1;
            continue;
        }
        let (before, after) = match (old(&line), new(&line)) {
            (Err(why), Err(_)) => {
                replay.untried += 1;
                replay.first_untried.get_or_insert_with(|| format!("line {number}: {why}"));
                continue;
            }
            (before, after) => (either(before), either(after)),
        };
        replay.requests += 1;
        if before == after {
            continue;
        }
        replay.moved += 1;
        replay.lost += u64::from(after == NO_ROUTE);
        let full = moves.len() >= MOVES_MAX;
        let key = match full && !moves.contains_key(&(before.clone(), after.clone())) {
            true => ("(others)".to_owned(), "(others)".to_owned()),
            false => (before, after),
        };
        moves.entry(key).or_insert_with(|| (0, example(&line))).0 += 1;
    }
    let by_key = |((old, new), (requests, example))| Move { old, new, requests, example };
    replay.moves = moves.into_iter().map(by_key).collect();
    replay.moves.sort_by_key(|one| std::cmp::Reverse(one.requests));
    Ok(replay)
}

fn either(tried: Tried) -> Goes {
    tried.unwrap_or_else(|why| why)
}

impl Replay {
    fn skip(&mut self, number: u64, why: &dyn fmt::Display) {
        self.skipped += 1;
        self.first_skipped.get_or_insert_with(|| format!("line {number}: {why}"));
    }
}

/// Leaves the next line in `text`, without its end; of one that is too long, a byte more than is allowed. `false`:
/// there is none.
fn read_line(log: &mut impl BufRead, text: &mut Vec<u8>) -> io::Result<bool> {
    text.clear();
    let bytes_max = LINE_BYTES_MAX as u64 + 1;
    if io::Read::take(&mut *log, bytes_max).read_until(b'\n', text)? == 0 {
        return Ok(false);
    }
    match text.pop_if(|byte| *byte == b'\n') {
        None if text.len() > LINE_BYTES_MAX => log.skip_until(b'\n').map(|_| true),
        _ => Ok(true),
    }
}

/// Where a request goes that no route takes.
pub(super) const NO_ROUTE: &str = "404 no_route";

fn example(line: &Line<'_>) -> String {
    let part = |part: &Option<Cow<'_, str>>| part.as_deref().unwrap_or_default().to_owned();
    let (method, host, path) = (part(&line.method), part(&line.host), part(&line.path));
    let text = format!("{method} {host}{path}");
    match text.char_indices().nth(EXAMPLE_CHARACTERS_MAX) {
        Some((at, _)) => format!("{}…", &text[..at]),
        None => text,
    }
}

/// Headers that routes of either configuration look at and the log of `recorder` does not record.
pub(super) fn unrecorded(recorder: &Config, configs: [&Config; 2]) -> Vec<String> {
    let recorded = |name: &str| match &recorder.log.access {
        Some(access) => {
            access.headers.iter().any(|known| known == name)
                && !access.redact.iter().any(|known| known == name)
        }
        // The log is another one's, and most likely has what is recorded by default.
        None => matches!(name, "user-agent" | "referer"),
    };
    let mut missing = BTreeSet::new();
    for route in configs.iter().flat_map(|config| &config.routes) {
        let conditions = &route.conditions;
        let cookie = (!conditions.cookies.is_empty()).then_some("cookie");
        let names = conditions.headers.iter().map(|header| header.name.as_str()).chain(cookie);
        missing.extend(names.filter(|name| *name != "host" && !recorded(name)).map(str::to_owned));
    }
    missing.into_iter().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(path: &str) -> String {
        format!(
            "{{\"ts\":\"t\",\"client\":\"::1\",\"method\":\"GET\",\"host\":\"h\",\"path\":\"{path}\",\
             \"listener\":\"http\",\"headers\":{{\"user-agent\":\"x\"}}}}\n"
        )
    }

    fn by_path(line: &Line<'_>) -> Tried {
        Ok(line.path.as_deref().unwrap_or_default().to_owned())
    }

    #[test]
    fn moves_are_counted_the_most_frequent_first_with_an_example() {
        let log = [line("/a"), line("/b"), line("/b"), "broken\n".into(), "\n".into(), line("/c")];
        let other = |line: &Line<'_>| match line.path.as_deref() {
            Some("/a") => Ok(NO_ROUTE.to_owned()),
            Some("/b") => Ok("else".to_owned()),
            _ => by_path(line),
        };
        let replay = replay(log.concat().as_bytes(), by_path, other).expect("read");
        assert_eq!((replay.requests, replay.moved, replay.lost, replay.skipped), (4, 3, 1, 1));
        assert!(replay.first_skipped.expect("one").starts_with("line 4: "));
        let moves: Vec<_> =
            replay.moves.iter().map(|m| (&*m.old, &*m.new, m.requests, &*m.example)).collect();
        assert_eq!(moves, [("/b", "else", 2, "GET h/b"), ("/a", NO_ROUTE, 1, "GET h/a")]);
    }

    #[test]
    fn moves_beyond_the_bound_are_counted_together() {
        let log: String = (0..MOVES_MAX + 5).map(|n| line(&format!("/{n}"))).collect();
        let replay = replay(log.as_bytes(), by_path, |_| Ok("new".into())).expect("read");
        assert_eq!(replay.moves.len(), MOVES_MAX + 1);
        assert_eq!((&*replay.moves[0].old, replay.moves[0].requests), ("(others)", 5));
    }

    #[test]
    fn a_line_may_be_as_long_as_the_bound_and_a_longer_one_is_skipped_whole() {
        let padded = |n: usize| {
            let line = line("/a");
            format!("{}{}\n", line.trim_end(), " ".repeat(n - line.len() + 1))
        };
        let longest = padded(LINE_BYTES_MAX);
        for end in ["\n", ""] {
            let log = [
                longest.as_str(),
                &padded(LINE_BYTES_MAX + 1),
                &line("/b"),
                longest.trim_end(),
                end,
            ];
            let replay = replay(log.concat().as_bytes(), by_path, by_path).expect("read");
            assert_eq!((replay.requests, replay.skipped), (3, 1));
            assert_eq!(replay.first_skipped.as_deref(), Some("line 2: longer than 1048576 bytes"));
        }
    }

    #[test]
    fn what_can_be_tried_on_neither_is_not_said_to_stay_and_on_one_alone_has_moved() {
        let log = [line("/a"), line("/b"), line("/c")].concat();
        let unless = |paths: &'static [&'static str], why: &'static str| {
            move |line: &Line<'_>| match by_path(line) {
                Ok(path) if paths.contains(&path.as_str()) => Err(why.to_owned()),
                other => other,
            }
        };
        let (old, new) = (unless(&["/a"], "why"), unless(&["/a", "/b"], "no listener"));
        let replay = replay(log.as_bytes(), old, new).expect("read");
        assert_eq!((replay.requests, replay.untried, replay.moved), (2, 1, 1));
        assert_eq!(replay.first_untried.as_deref(), Some("line 1: why"));
        assert_eq!((&*replay.moves[0].old, &*replay.moves[0].new), ("/b", "no listener"));
    }

    #[test]
    fn requests_that_could_not_be_read_are_skipped() {
        let log = "{\"method\":null,\"host\":null,\"path\":null,\"client\":\"::1\",\"listener\":\"http\"}";
        let replay = replay(log.as_bytes(), by_path, by_path).expect("read");
        assert_eq!((replay.requests, replay.skipped), (0, 1));
    }
}
