//! What can befall a try, as `retry.on` and `passive.count` name it: words, and statuses of a backend.

use std::ops::RangeInclusive;

use super::super::super::fields::Seen;
use super::super::super::item::{Item, quoted};
use super::super::super::schema::{Events, Signal};
use super::super::super::tree::Value;
use super::super::super::unknown;
use super::expect::range;

/// The statuses that can be named: those that say that something went wrong.
const STATUSES: RangeInclusive<u16> = 400..=599;

/// The most entries: every word and every status.
const EVENTS_MAX: usize = 256;

/// Whose words they are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Words {
    /// `retry.on`.
    Retry,
    /// `passive.count`.
    Passive,
}

impl Words {
    fn signals(self) -> &'static [(&'static str, Signal)] {
        match self {
            Words::Retry => &[
                ("connect", Signal::Connect),
                ("refused_stream", Signal::RefusedStream),
                ("reset_before_response", Signal::Reset),
                ("first_byte_timeout", Signal::Timeout),
                ("stalled", Signal::Stalled),
            ],
            Words::Passive => &[
                ("connect", Signal::Connect),
                ("timeout", Signal::Timeout),
                ("reset", Signal::Reset),
            ],
        }
    }

    fn accepted(self) -> String {
        let names: Vec<&str> = self.signals().iter().map(|(name, _)| *name).collect();
        let (first, last) = (STATUSES.start(), STATUSES.end());
        format!(
            "accepted: {}, and statuses as \"502\" or \"502-504\", {first} to {last}",
            quoted(&names)
        )
    }

    /// What switches it off, where nothing is named.
    fn off(self) -> &'static str {
        match self {
            Words::Retry => "to send nothing again write attempts = 0",
            Words::Passive => "to learn nothing from answers write passive = false",
        }
    }
}

/// An array of words and statuses.
pub(super) fn read(item: Item<'_>, words: Words) -> Option<Events> {
    let items = item.list(EVENTS_MAX, &format!("; {}", words.off()))?;
    let mut seen = Seen::default();
    let mut events = Events::default();
    for item in items {
        let Some(text) = text(item, words) else { continue };
        if let Some(event) = event(item, &text, words)
            && seen.is_new(item.cx, "event", &text, item.place())
        {
            match event {
                Event::Signal(signal) => events.insert(signal),
                Event::Statuses(range) => {
                    range.for_each(|status| events.statuses.insert(status));
                }
            }
        }
    }
    Some(events)
}

enum Event {
    Signal(Signal),
    Statuses(RangeInclusive<u16>),
}

/// The entry as text; a status may be written as a number.
fn text(item: Item<'_>, words: Words) -> Option<String> {
    match &item.node.value {
        Value::Integer(Some(number)) => Some(number.to_string()),
        _ if item.as_text().is_some() => item.text().map(str::to_owned),
        _ => {
            item.wrong_type("a string", words.accepted());
            None
        }
    }
}

fn event(item: Item<'_>, text: &str, words: Words) -> Option<Event> {
    let known = words.signals().iter().find(|(name, _)| *name == text);
    if let Some((_, signal)) = known {
        return Some(Event::Signal(*signal));
    }
    if text.starts_with(|c: char| c.is_ascii_digit()) && statuses(&text.to_lowercase()).is_none() {
        return match range(text, STATUSES) {
            Ok(statuses) => Some(Event::Statuses(statuses)),
            Err(why) => {
                let help = format!("accepted: {} to {}", STATUSES.start(), STATUSES.end());
                item.bad(why, help);
                None
            }
        };
    }
    let what = match words {
        Words::Retry => "something to retry after",
        Words::Passive => "something that can be counted",
    };
    item.bad(format!("`{text}` is not {what}"), help(text, words));
    None
}

fn help(text: &str, words: Words) -> String {
    let key = text.to_ascii_lowercase().replace('-', "_");
    let names = || words.signals().iter().map(|(name, _)| *name);
    let near = || unknown::closest(text, names());
    let meant =
        names().find(|name| *name == key).map(str::to_owned).or_else(|| foreign(&key, words));
    if let Some(meant) = meant.or_else(|| near().map(str::to_owned)) {
        return format!("write \"{meant}\"; {}", words.accepted());
    }
    match elsewhere(&key, words) {
        Some(help) => format!("{help}; {}", words.accepted()),
        None => words.accepted(),
    }
}

/// Our word for that of the other list, or of another proxy.
fn foreign(key: &str, words: Words) -> Option<String> {
    let signal = match key {
        "connect" | "error" | "connect_failure" | "conn_failure" | "connection_error"
        | "refused" => Signal::Connect,
        "refused_stream" | "not_processed" => Signal::RefusedStream,
        "reset"
        | "reset_before_response"
        | "reset_before_request"
        | "empty_response"
        | "junk_response"
        | "invalid_header"
        | "invalid_response"
        | "upstream_reset"
        | "disconnect_failure" => Signal::Reset,
        "timeout" | "first_byte_timeout" | "response_timeout" | "read_timeout"
        | "server_timeout" => Signal::Timeout,
        "stalled" | "stall" => Signal::Stalled,
        _ => return statuses(key),
    };
    let mine = words.signals().iter().find(|(_, known)| *known == signal);
    mine.map(|(name, _)| (*name).to_owned())
}

/// What is said elsewhere, or need not be.
fn elsewhere(key: &str, words: Words) -> Option<&'static str> {
    match (words, key) {
        (Words::Passive, "stalled" | "stall") => {
            Some("write stall = \"auto\" beside `count`, which is the default")
        }
        (Words::Passive, "refused_stream" | "not_processed") => {
            Some("leave it out: a backend that refuses a stream in good order has not failed")
        }
        (Words::Retry, "non_idempotent") => Some("name the methods in `methods`"),
        (_, "latency" | "slow") => Some("write latency_factor = 4.0 in `passive`"),
        _ => None,
    }
}

/// Statuses by a name or a class that other proxies have for them.
fn statuses(key: &str) -> Option<String> {
    let one = key.strip_prefix("http_").or_else(|| key.strip_prefix("http"));
    if let Some(status) = one.and_then(|status| status.parse().ok())
        && STATUSES.contains(&status)
    {
        return Some(status.to_string());
    }
    let range = match key {
        "5xx" | "http_5xx" | "server_error" => "500-599",
        "4xx" | "http_4xx" | "client_error" => "400-499",
        "gateway_error" => "502-504",
        "retriable_4xx" => "409",
        _ => return None,
    };
    Some(range.to_owned())
}
