//! A plan for people.

use std::fmt::Write as _;

use super::changes::{Change, Kind};
use super::replay::Replay;

/// Moves of a log that are listed; JSON has all.
const MOVES_SHOWN_MAX: usize = 20;

/// Changes of one kind of thing that are listed; JSON has all.
const CHANGES_SHOWN_MAX: usize = 200;

/// What changes, thing by thing.
pub(super) fn changes(changes: &[Change]) -> String {
    if changes.is_empty() {
        return "nothing changes\n".into();
    }
    let mut text = String::new();
    for what in ["admin", "listener", "route", "upstream", "backend", "filter"] {
        let of_kind: Vec<&Change> = changes.iter().filter(|change| change.what == what).collect();
        if of_kind.is_empty() {
            continue;
        }
        let plural = if what == "admin" { "" } else { "s" };
        let _ = writeln!(text, "{what}{plural}");
        for change in of_kind.iter().take(CHANGES_SHOWN_MAX) {
            one(change, &mut text);
        }
        if of_kind.len() > CHANGES_SHOWN_MAX {
            let _ = writeln!(text, "  … and {} more", of_kind.len() - CHANGES_SHOWN_MAX);
        }
    }
    text
}

fn one(change: &Change, text: &mut String) {
    let (mark, word) = match change.kind {
        Kind::Added => ('+', ""),
        Kind::Removed => ('-', ""),
        Kind::Changed => ('~', ""),
        Kind::Moved => ('^', "  stands before routes it stood behind"),
    };
    let _ = writeln!(text, "  {mark} {}{word}", change.name);
    for (key, old, new) in &change.keys {
        let shown = |value: &str| if value.is_empty() { "(none)".into() } else { value.to_owned() };
        let _ = writeln!(text, "      {key}: {} → {}", shown(old), shown(new));
    }
}

/// What a log came to.
pub(super) fn replay(replay: &Replay, log: &str) -> String {
    let mut text = format!("\n{} of {log}: ", counted(replay.requests, "request"));
    let _ = match replay.moved {
        0 if replay.requests == 0 => writeln!(text, "nothing to compare"),
        0 => writeln!(text, "all go where they went"),
        moved => writeln!(text, "{} elsewhere, {} 404", goes(moved), becomes(replay.lost)),
    };
    let shown = replay.moves.iter().take(MOVES_SHOWN_MAX);
    let rows: Vec<[String; 3]> = shown
        .map(|one| {
            [one.requests.to_string(), format!("{} → {}", one.old, one.new), one.example.clone()]
        })
        .collect();
    let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max();
    let (count, way) = (width(0).unwrap_or_default(), width(1).unwrap_or_default());
    for [requests, one_way, example] in &rows {
        let _ = writeln!(text, "  {requests:>count$}  {one_way:way$}  {example}");
    }
    if replay.moves.len() > MOVES_SHOWN_MAX {
        let _ = writeln!(text, "  … and {} more kinds", replay.moves.len() - MOVES_SHOWN_MAX);
    }
    if let Some(why) = &replay.first_skipped {
        let _ = writeln!(
            text,
            "note: {} not understood; the first: {why}",
            counted(replay.skipped, "line")
        );
    } else if replay.skipped > 0 {
        let _ =
            writeln!(text, "note: {} without a readable request", counted(replay.skipped, "line"));
    }
    if let Some(why) = &replay.first_untried {
        let _ = writeln!(
            text,
            "note: {} can be tried on neither configuration; the first: {why}",
            counted(replay.untried, "request"),
        );
    }
    if !replay.unrecorded.is_empty() {
        let _ = writeln!(
            text,
            "note: routes look at {}, which the log does not record: judged as if absent\n      \
             (log.access.headers lists what is recorded; what redact lists is withheld)",
            replay.unrecorded.join(", "),
        );
    }
    text
}

fn counted(n: u64, noun: &str) -> String {
    if n == 1 { format!("1 {noun}") } else { format!("{n} {noun}s") }
}

fn goes(n: u64) -> String {
    if n == 1 { "1 goes".into() } else { format!("{n} go") }
}

fn becomes(n: u64) -> String {
    if n == 1 { "1 becomes".into() } else { format!("{n} become") }
}

/// Routes that lose what they match to others, and did not before.
pub(super) fn shadowed(findings: &[String]) -> String {
    if findings.is_empty() {
        return String::new();
    }
    let lines: String = findings.iter().map(|finding| format!("  ! {finding}\n")).collect();
    format!("shadowed\n{lines}")
}
